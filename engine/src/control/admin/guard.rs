//! What keeps other people's web pages out: a browser on the operator's host can be made to send
//! requests to a loopback port, but it says whose page it is (`Origin`) or which name it was led to
//! (`Host`).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::{AdminError, AdminState};

/// Lets a request through unless it names a foreign host or comes from a foreign page.
pub(super) async fn refuse_foreign(
    State(state): State<Arc<AdminState>>,
    request: Request,
    next: Next,
) -> Response {
    match check(request.headers(), state.open) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn check(headers: &HeaderMap, open: bool) -> Result<(), AdminError> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !open && !is_own_host(host) {
        return Err(AdminError::new(
            StatusCode::FORBIDDEN,
            format!(
                "the admin port does not go by the name {host:?}: use its IP address or localhost, \
                 or start with --admin-open"
            ),
        ));
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    if origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://")) == Some(host) {
        return Ok(());
    }
    Err(AdminError::new(
        StatusCode::FORBIDDEN,
        "the admin port takes no requests from other sites' pages",
    ))
}

/// An IP address or localhost, with or without a port: no name that somebody else's name server
/// could give out.
fn is_own_host(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _port)) => address,
        None => host.split_once(':').map_or(host, |(name, _port)| name),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn allowed(host: &'static str, origin: Option<&'static str>, open: bool) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        check(&headers, open).is_ok()
    }

    #[test]
    fn only_the_ports_own_names_and_pages_are_let_in() {
        for host in ["127.0.0.1:8081", "localhost:8081", "[::1]:8081", "127.0.0.1"] {
            assert!(allowed(host, None, false), "{host}");
        }
        for host in ["rebound.example:8081", "localhost.example", "", "127.0.0.1.example:1"] {
            assert!(!allowed(host, None, false), "{host}");
        }
        assert!(allowed("sms.example:8081", None, true));
        assert!(allowed("127.0.0.1:8081", Some("http://127.0.0.1:8081"), false));
        for origin in
            ["http://elsewhere.example", "null", "https://127.0.0.1:8081", "http://127.0.0.1:9999"]
        {
            assert!(!allowed("127.0.0.1:8081", Some(origin), false), "{origin}");
            assert!(!allowed("127.0.0.1:8081", Some(origin), true), "{origin}");
        }
    }
}
