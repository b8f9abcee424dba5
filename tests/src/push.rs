//! E1 and E3 as a push client writes them, right or wrong, and the HTTP requests that carry them.

use crate::flat::DECLARATION;

/// The content type of every request.
pub const CONTENT_TYPE: &str = "text/xml; charset=UTF-8";
/// The XPID of the tests' usual push client.
pub const XPID: &str = "00100000001";

/// A body under construction: elements in the order in which they will stand.
#[derive(Clone, Debug)]
pub struct Body {
    elements: Vec<(String, Vec<u8>)>,
}

impl Body {
    /// A standard control push of one hour to `msn` under [`XPID`].
    pub fn push(msn: &str, reqid: &str) -> Self {
        Self { elements: Vec::new() }
            .with("fncid", "0101")
            .with("comway", "1101")
            .with("msn", msn)
            .with("reqid", reqid)
            .with("svcid", XPID)
            .with("lifetime", "01")
            .with("ctrlflg", "0")
            .with("data", "FFFFFFFFFF")
    }

    /// A text push.
    pub fn text(msn: &str, reqid: &str, text: &str) -> Self {
        Self::push(msn, reqid).with("ctrlflg", "1").with("data", text)
    }

    /// The cancellation of one push.
    pub fn cancel(msn: &str, reqid: &str) -> Self {
        Self { elements: Vec::new() }
            .with("fncid", "0201")
            .with("comway", "1101")
            .with("msn", msn)
            .with("reqid", reqid)
            .with("svcid", XPID)
    }

    /// The cancellation of a whole alert.
    pub fn cancel_alert(alert_id: &str, reqid: &str) -> Self {
        Self::cancel("00000000000", reqid).with("alertid", alert_id)
    }

    /// Sets an element: in its place where it stands already, else before `data`, else at the end.
    #[must_use]
    pub fn with(self, name: &str, text: &str) -> Self {
        self.with_octets(name, text.as_bytes())
    }

    /// As [`Body::with`], with any octets.
    #[must_use]
    pub fn with_octets(mut self, name: &str, text: &[u8]) -> Self {
        match self.elements.iter_mut().find(|(known, _)| known == name) {
            Some((_, standing)) => *standing = text.to_vec(),
            None => {
                let data = self.elements.iter().position(|(known, _)| known == "data");
                let at = data.unwrap_or(self.elements.len());
                self.elements.insert(at, (name.to_owned(), text.to_vec()));
            }
        }
        self
    }

    /// Adds an element whether or not there is one of its name: before `data`, a second `data`
    /// behind it.
    #[must_use]
    pub fn and(mut self, name: &str, text: &str) -> Self {
        let data = self.elements.iter().position(|(known, _)| known == "data" && name != "data");
        let at = data.unwrap_or(self.elements.len());
        self.elements.insert(at, (name.to_owned(), text.as_bytes().to_vec()));
        self
    }

    /// Takes an element away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.elements.retain(|(known, _)| known != name);
        self
    }

    /// The octets of the body.
    pub fn octets(&self) -> Vec<u8> {
        let mut octets = DECLARATION.as_bytes().to_vec();
        for (name, text) in &self.elements {
            octets.extend_from_slice(format!("<{name}>").as_bytes());
            octets.extend_from_slice(text);
            octets.extend_from_slice(format!("</{name}>\r\n").as_bytes());
        }
        octets
    }

    /// The whole HTTP request.
    pub fn request(&self) -> Vec<u8> {
        Request::post(&self.octets()).octets()
    }

    /// The whole HTTP request with a bearer token.
    pub fn request_with_token(&self, token: &str) -> Vec<u8> {
        Request::post(&self.octets()).header("Authorization", &format!("Bearer {token}")).octets()
    }
}

/// An HTTP request under construction.
#[derive(Clone, Debug)]
pub struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// `POST /smsgw/` with this body and all the headers it needs.
    pub fn post(body: &[u8]) -> Self {
        Self { line: "POST /smsgw/ HTTP/1.1".to_owned(), headers: Vec::new(), body: body.to_vec() }
            .header("Host", "gateway.example")
            .header("Content-Type", CONTENT_TYPE)
            .header("Content-Length", &body.len().to_string())
    }

    /// Another request line.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.line = line.to_owned();
        self
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes a header away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// The octets of the head, the empty line included.
    pub fn head(&self) -> Vec<u8> {
        let mut head = format!("{}\r\n", self.line);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        (head + "\r\n").into_bytes()
    }

    /// The octets of head and body.
    pub fn octets(&self) -> Vec<u8> {
        [self.head(), self.body.clone()].concat()
    }
}

/// `YYYYMMDDhhmmss` in Japan, `seconds` from now: what `expiry` carries. Written without the
/// engine's calendar.
pub fn expiry_in(seconds: i64) -> String {
    const JST_SECONDS: i64 = 9 * 3_600;
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let local = now.as_secs() as i64 + seconds + JST_SECONDS;
    let (days, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    let (mut year, mut day) = (1970, days);
    while day >= year_days(year) {
        day -= year_days(year);
        year += 1;
    }
    let lengths =
        [31, 28 + i64::from(year_days(year) == 366), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}{:02}{:02}{hour:02}{minute:02}{:02}", month + 1, day + 1, second % 60)
}

/// Today's date in Japan, `YYYYMMDD`, `days` from now.
pub fn day_in(days: i64) -> String {
    expiry_in(days * 86_400)[..8].to_owned()
}

fn year_days(year: i64) -> i64 {
    if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) { 366 } else { 365 }
}
