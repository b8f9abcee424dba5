//! A browser without scripts: it keeps a cookie, follows links and sends forms as they stand.

use crate::http::{Answer, Connection};
use std::net::SocketAddr;

/// The browser of one person.
#[derive(Clone, Debug)]
pub struct Browser {
    address: SocketAddr,
    cookie: String,
    language: &'static str,
}

/// A page that came.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Its path.
    pub path: String,
    /// The status.
    pub status: u16,
    /// The answer.
    pub answer: Answer,
}

impl Sight {
    /// The markup.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.answer.body).into_owned()
    }

    /// The value of a hidden field.
    pub fn hidden(&self, name: &str) -> String {
        let text = self.text();
        let wanted = format!("name=\"{name}\" value=\"");
        let found = text.split_once(&wanted).map(|(_, rest)| rest.split('"').next());
        found.flatten().unwrap_or_default().to_owned()
    }
}

/// Text as a form sends it.
fn quoted(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02X}")).collect()
}

impl Browser {
    /// Somebody who signs in with this token.
    ///
    /// # Panics
    /// When the token is refused.
    pub fn signed_in(address: SocketAddr, token: &str, language: &'static str) -> Self {
        let mut browser = Self { address, cookie: String::new(), language };
        let answer = browser.ask("POST", "/login", &format!("token={token}"));
        assert_eq!(answer.status(), 303, "{}", answer.text());
        let line = header(&answer, "set-cookie");
        browser.cookie = line.split(';').next().unwrap_or_default().to_owned();
        browser
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let Self { address, cookie, language } = self;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Cookie: {cookie}\r\nAccept-Language: {language}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Connection::open(*address).ask(request.as_bytes())
    }

    /// Opens a page.
    pub fn see(&self, path: &str) -> Sight {
        let answer = self.ask("GET", path, "");
        Sight { path: path.to_owned(), status: answer.status(), answer }
    }

    /// Sends a form that stands in a page, with these fields beside its word; the page to which
    /// that leads.
    pub fn send(&self, from: &Sight, to: &str, fields: &[(&str, &str)]) -> Sight {
        let mut body = format!("word={}", from.hidden("word"));
        for (name, value) in fields {
            body += &format!("&{name}={}", quoted(value));
        }
        let answer = self.ask("POST", to, &body);
        if answer.status() != 303 {
            return Sight { path: to.to_owned(), status: answer.status(), answer };
        }
        self.see(header(&answer, "location"))
    }

    /// The cookie, for other clients.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }
}

/// The value of an answer's header; empty where it has none.
pub fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let found = answer.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map_or("", |(_, value)| value)
}
