//! Who gets past the admin doors, checked before any handler: nobody without the role that the
//! table of paths asks for, and no page of another site. A browser on the operator's host can be
//! made to send requests to a loopback port, but it says whose page it is (`Origin`) or which name
//! it was led to (`Host`).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::caller::{Caller, Identity};
use super::door::{Doing, Visitor};
use super::paths::{PathRule, Scope};
use super::{AdminError, AdminState, paths, reading};
use wire::terms::ids::Xpid;

/// Lets a request through to its handler, with who sent it, or answers it.
pub(super) async fn admit(
    State(state): State<Arc<AdminState>>,
    mut request: Request,
    next: Next,
) -> Response {
    match check(&state, &request) {
        Ok(identity) => {
            if let Some(identity) = identity {
                let caller = Caller::new(identity, state.store.clone());
                request.extensions_mut().insert(caller);
            }
            next.run(request).await
        }
        Err(error) => {
            if let Some(doing) = request.extensions().get::<Arc<Doing>>() {
                doing.rest();
            }
            // Whoever still writes does not read why it is refused.
            if error.status == StatusCode::UNAUTHORIZED {
                reading::drop_body_of_stranger(request.into_body()).await;
            } else {
                reading::drop_body(request.into_body()).await;
            }
            error.into_response()
        }
    }
}

/// Who sends a request that may be made; `None` where everybody may make it.
fn check(state: &AdminState, request: &Request) -> Result<Option<Identity>, AdminError> {
    refuse_foreign(request.headers(), state.open)?;
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let rule = path.and_then(|path| paths::find(request.method(), path));
    if rule.is_some_and(|rule| rule.needs.is_none()) {
        return Ok(None);
    }
    let visitor = request.extensions().get::<Visitor>();
    let caller = state.access.identify(request.headers(), visitor)?;
    match (path, rule) {
        // Nothing is there, and the handler of that says so.
        (None, _) => Ok(Some(caller)),
        (Some(_), None) => Err(AdminError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("{} does not take this method", request.uri().path()),
        )),
        (Some(_), Some(rule)) => {
            check_role(&caller, rule)?;
            check_scope(&caller, rule, request.uri())?;
            Ok(Some(caller))
        }
    }
}

fn check_role(caller: &Identity, rule: &PathRule) -> Result<(), AdminError> {
    match rule.needs {
        Some(role) if !caller.roles.allow(role) => Err(forbidden(format!(
            "{} has not the role {} that {} {} takes: ask an administrator of this engine",
            caller.name,
            role.word(),
            rule.method,
            rule.path
        ))),
        _ => Ok(()),
    }
}

/// One that is bound to XPIDs sees and changes what is theirs alone.
fn check_scope(caller: &Identity, rule: &PathRule, uri: &Uri) -> Result<(), AdminError> {
    if caller.xpids.is_empty() {
        return Ok(());
    }
    let named = match rule.scope {
        Scope::Whole => None,
        Scope::XpidInPath => uri.path().rsplit('/').next(),
        Scope::XpidInQuery => {
            let mut pairs = uri.query().unwrap_or_default().split('&');
            pairs.find_map(|pair| pair.strip_prefix("xpid="))
        }
    };
    match named.and_then(|text| Xpid::parse(text.as_bytes())) {
        Some(xpid) if caller.xpids.contains(&xpid) => Ok(()),
        _ => Err(forbidden(format!(
            "{} is bound to XPIDs and may not ask for more than one of them names: {} {}",
            caller.name, rule.method, rule.path
        ))),
    }
}

fn forbidden(sentence: String) -> AdminError {
    AdminError::new(StatusCode::FORBIDDEN, sentence)
}

fn refuse_foreign(headers: &HeaderMap, open: bool) -> Result<(), AdminError> {
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
        refuse_foreign(&headers, open).is_ok()
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
