//! Who gets past the admin doors, checked before any handler: nobody without the role that the
//! table of paths asks for, and no page of another site.
//!
//! A browser on the operator's host can be made to send requests to a loopback port, but it says
//! whose page it is (`Origin`, `Sec-Fetch-Site`) or which name it was led to (`Host`). Whatever
//! changes something takes a header besides that neither a form of a page nor a notification has.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::admission::HeldAdmission;
use super::caller::{Caller, Identity};
use super::door::{Arrival, Doing, Visitor};
use super::orders::nothing_at;
use super::paths::{PathRule, PathScope};
use super::sessions::SignedIn;
use super::sign_in::SignIn;
use super::{AdminError, AdminState, paths, reading};
use wire::terms::ids::Xpid;

/// The header that every order carries, with whatever value.
pub const ORDER_HEADER: &str = "x-hayauma-order";
/// Where a browser signs in.
const SIGN_IN_PATH: &str = "/login";
/// Whose page a browser says that it acts for (Fetch Metadata).
const FETCH_SITE: &str = "sec-fetch-site";

/// Lets a request through to its handler, with who sent it, or answers it.
pub(super) async fn admit(
    State(state): State<Arc<AdminState>>,
    mut request: Request,
    next: Next,
) -> Response {
    match check(&state, &request) {
        Ok(identified) => {
            let way = request.extensions().get::<Arrival>().cloned().unwrap_or_default();
            let sign_in = SignIn::new(Arc::clone(&state.access), state.store.clone(), &way);
            request.extensions_mut().insert(sign_in);
            if let Some((identity, signed_in)) = identified {
                let peer = matches!(request.extensions().get(), Some(Visitor::Peer { .. }));
                let caller = Caller::new(identity, state.store.clone(), way.secure || peer);
                request.extensions_mut().insert(caller);
                if let Some(signed_in) = signed_in {
                    request.extensions_mut().insert(signed_in);
                }
                if let Some(rule) = rule_of(&request).filter(|rule| rule.goes_on()) {
                    let visitor = request.extensions().get::<Visitor>().copied();
                    let access = Arc::clone(&state.access);
                    let admission = HeldAdmission::new(access, request.headers(), visitor, rule);
                    request.extensions_mut().insert(admission);
                }
            }
            next.run(request).await
        }
        Err(error) if error.status == StatusCode::UNAUTHORIZED && is_page(&request) => {
            if let Some(doing) = request.extensions().get::<Arc<Doing>>() {
                doing.rest();
            }
            reading::drop_body_of_stranger(request.into_body()).await;
            let to_sign_in = [(header::LOCATION, HeaderValue::from_static(SIGN_IN_PATH))];
            (StatusCode::SEE_OTHER, to_sign_in).into_response()
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

fn rule_of(request: &Request) -> Option<&'static PathRule> {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    path.and_then(|path| paths::find(request.method(), path))
}

fn is_page(request: &Request) -> bool {
    rule_of(request).is_some_and(|rule| rule.is_page)
}

/// Who sends a request that may be made; `None` where everybody may make it.
fn check(
    state: &AdminState,
    request: &Request,
) -> Result<Option<(Identity, Option<SignedIn>)>, AdminError> {
    let way = request.extensions().get::<Arrival>().cloned().unwrap_or_default();
    refuse_ambiguous(request.headers())?;
    refuse_other_authority(request.uri(), &state.names, &way)?;
    refuse_foreign(request.headers(), &state.names, &way)?;
    let path = request.extensions().get::<MatchedPath>();
    let rule = rule_of(request);
    if rule.is_some_and(|rule| rule.needs.is_none()) {
        return Ok(None);
    }
    let visitor = request.extensions().get::<Visitor>();
    let (caller, signed_in) = state.access.identify(request.headers(), visitor)?;
    match (path, rule) {
        // Nothing is there; or something that the table cannot name, such as a service that was
        // nested without paths of its own.
        (None, _) => Err(nothing_at(request.uri())),
        (Some(_), None) => Err(AdminError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("{} does not take this method", request.uri().path()),
        )),
        (Some(_), Some(rule)) => {
            check_order(rule, request.headers())?;
            check_role(&caller, rule)?;
            check_scope(&caller, rule, request.uri())?;
            Ok(Some((caller, signed_in)))
        }
    }
}

fn check_role(caller: &Identity, rule: &PathRule) -> Result<(), AdminError> {
    match rule.needs {
        Some(role) if !caller.roles.allow(role) => Err(AdminError::lacks_role(format!(
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
        PathScope::Own => return Ok(()),
        PathScope::Whole => None,
        PathScope::XpidInPath => uri.path().rsplit('/').next(),
        PathScope::XpidInQuery => {
            let mut pairs = uri.query().unwrap_or_default().split('&');
            pairs.find_map(|pair| pair.strip_prefix("xpid="))
        }
    };
    match named.and_then(|text| Xpid::parse(text.as_bytes())) {
        Some(xpid) if caller.xpids.contains(&xpid) => Ok(()),
        _ => Err(forbidden(format!(
            "the token {} is bound to XPIDs, and {} {} is about all of them: use a token without \
             --xpid",
            caller.name, rule.method, rule.path
        ))),
    }
}

fn forbidden(sentence: String) -> AdminError {
    AdminError::new(StatusCode::FORBIDDEN, sentence)
}

/// What changes something is meant as an order. A page's form says so by its session's word, which
/// `reading::Filled` holds against the session.
fn check_order(rule: &PathRule, headers: &HeaderMap) -> Result<(), AdminError> {
    if !rule.is_order() || rule.is_page || headers.contains_key(ORDER_HEADER) {
        return Ok(());
    }
    Err(forbidden(format!(
        "{} {} is an order, and an order carries the header X-Hayauma-Order: add it, as in curl -H \
         'X-Hayauma-Order: 1'",
        rule.method, rule.path
    )))
}

/// Refuses what somebody on the way may read otherwise than this port: a header twice that says who
/// asks, or whom (RFC 9112 section 3.2).
fn refuse_ambiguous(headers: &HeaderMap) -> Result<(), AdminError> {
    for name in [header::HOST, header::ORIGIN, header::AUTHORIZATION] {
        if headers.get_all(&name).iter().nth(1).is_some() {
            let sentence = format!("the header {name} stands twice: send it once");
            return Err(AdminError::new(StatusCode::BAD_REQUEST, sentence));
        }
    }
    Ok(())
}

/// Refuses a request whose line names another host: that counts before `Host` (RFC 9112 section
/// 3.2.2).
fn refuse_other_authority(uri: &Uri, names: &[String], way: &Arrival) -> Result<(), AdminError> {
    match uri.authority() {
        Some(authority) if !is_own_host(authority.as_str(), names, way) => {
            Err(not_called(authority.as_str()))
        }
        _ => Ok(()),
    }
}

fn not_called(host: &str) -> AdminError {
    forbidden(format!(
        "the admin port does not go by the name {host:?}: use its IP address or localhost, or name \
         it with --admin-name at the engine's start"
    ))
}

/// Refuses what a page of another site makes a browser send. `names` are the port's own.
fn refuse_foreign(headers: &HeaderMap, names: &[String], way: &Arrival) -> Result<(), AdminError> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !is_own_host(host, names, way) {
        return Err(not_called(host));
    }
    let foreign = || forbidden("the admin port takes no requests from other sites' pages".into());
    let site = headers.get(FETCH_SITE);
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(foreign());
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let scheme = if way.secure { "https://" } else { "http://" };
    if origin.to_str().ok().and_then(|origin| origin.strip_prefix(scheme)) == Some(host) {
        return Ok(());
    }
    Err(foreign())
}

/// An IP address, localhost or a name that the port was given, with or without a port; or the name
/// by which a TLS client calls it, which a browser holds against the certificate. No name that
/// somebody else's name server could give out.
fn is_own_host(host: &str, names: &[String], way: &Arrival) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _port)) => address,
        None => host.split_once(':').map_or(host, |(name, _port)| name),
    };
    let is_called = way.called.as_deref().is_some_and(|called| called.eq_ignore_ascii_case(name));
    let is_given = names.iter().any(|given| given.eq_ignore_ascii_case(name));
    name == "localhost" || is_called || is_given || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(host: &'static str, more: &[(&'static str, &'static str)], way: &Arrival) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        for (name, value) in more {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        refuse_foreign(&headers, &["sms.example".to_owned()], way).is_ok()
    }

    #[test]
    fn only_the_ports_own_names_and_pages_are_let_in() {
        let plain = Arrival::default();
        let tls = Arrival { secure: true, called: Some("gateway.example".into()) };
        for way in [&plain, &tls] {
            for host in
                ["127.0.0.1:8081", "localhost:8081", "[::1]:8081", "127.0.0.1", "SMS.example:1"]
            {
                assert!(allowed(host, &[], way), "{host}");
            }
            for host in
                ["rebound.example:8081", "localhost.example", "", "127.0.0.1.example:1", "sms"]
            {
                assert!(!allowed(host, &[], way), "{host}");
            }
            for origin in [
                "http://elsewhere.example",
                "https://elsewhere.example",
                "null",
                "http://127.0.0.1:9999",
            ] {
                assert!(!allowed("127.0.0.1:8081", &[("origin", origin)], way), "{origin}");
            }
            for site in ["cross-site", "same-site", "nonsense"] {
                assert!(!allowed("127.0.0.1:8081", &[(FETCH_SITE, site)], way), "{site}");
            }
            for site in ["same-origin", "none"] {
                assert!(allowed("127.0.0.1:8081", &[(FETCH_SITE, site)], way), "{site}");
            }
        }
        assert!(allowed("gateway.example:1", &[], &tls));
        assert!(!allowed("gateway.example:1", &[], &plain));
        let origins = ["http://127.0.0.1:8081", "https://127.0.0.1:8081"];
        for (way, own) in [(&plain, [true, false]), (&tls, [false, true])] {
            let let_in =
                origins.map(|origin| allowed("127.0.0.1:8081", &[("origin", origin)], way));
            assert_eq!(let_in, own);
        }
    }
}
