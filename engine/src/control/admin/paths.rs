//! What each path of the admin doors asks of whoever sends a request: the one table, against which
//! every request is checked before its handler sees it. A path that the table lacks is refused.

use axum::http::Method;

use crate::control::roles::Role;

/// What a token that is bound to XPIDs may do with a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathScope {
    /// Nothing: the path is about all of them.
    Whole,
    /// What it names in the path's last part.
    XpidInPath,
    /// What it names in the query as `xpid`.
    XpidInQuery,
    /// What is theirs of lists and broadcasts: `control::broadcasts` has the rest not be there.
    Own,
}

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PathRule {
    /// The method.
    pub method: &'static str,
    /// The path as the router has it.
    pub path: &'static str,
    /// The role that it takes; `None` takes none, nor a token.
    pub needs: Option<Role>,
    /// What a bound token may do.
    pub scope: PathScope,
    /// A page for browsers: whoever is not signed in is led there, and its forms carry their
    /// session's word in place of an order's header.
    pub is_page: bool,
}

impl PathRule {
    /// Whether its answer goes on for as long as somebody reads: who may hear it is looked at again
    /// and again.
    pub fn goes_on(&self) -> bool {
        self.method == "GET" && (self.path.ends_with("/events") || self.path.ends_with("/live"))
    }

    /// Whether it changes something: such a request carries the header of an order, and is a line
    /// of the audit.
    pub fn is_order(&self) -> bool {
        self.method != "GET"
    }
}

const fn rule(method: &'static str, path: &'static str, needs: Role, scope: PathScope) -> PathRule {
    PathRule { method, path, needs: Some(needs), scope, is_page: false }
}

const fn open(path: &'static str) -> PathRule {
    PathRule { method: "GET", path, needs: None, scope: Whole, is_page: false }
}

const fn page(method: &'static str, path: &'static str, needs: Role) -> PathRule {
    PathRule { method, path, needs: Some(needs), scope: Own, is_page: true }
}

const fn open_page(method: &'static str, path: &'static str) -> PathRule {
    PathRule { method, path, needs: None, scope: Whole, is_page: true }
}

use PathScope::{Own, Whole, XpidInPath, XpidInQuery};
use Role::{Admin, Approver, Author, Numbers, Operator, Read, Source};

/// Every path there is.
pub const PATHS: &[PathRule] = &[
    open("/healthz"),
    open("/readyz"),
    rule("GET", "/metrics", Read, Whole),
    rule("GET", "/status", Read, Whole),
    rule("POST", "/pause", Operator, Whole),
    rule("POST", "/resume", Operator, Whole),
    rule("POST", "/stop", Operator, Whole),
    // Registrations hold addresses of push clients.
    rule("GET", "/clients", Operator, Whole),
    rule("POST", "/clients", Admin, Whole),
    rule("GET", "/clients/{xpid}", Operator, XpidInPath),
    rule("PUT", "/clients/{xpid}", Admin, XpidInPath),
    rule("PATCH", "/clients/{xpid}", Admin, XpidInPath),
    rule("DELETE", "/clients/{xpid}", Admin, XpidInPath),
    rule("GET", "/contracts", Numbers, XpidInQuery),
    rule("POST", "/contracts", Admin, Whole),
    rule("DELETE", "/contracts", Admin, Whole),
    rule("GET", "/contracts/count", Read, Whole),
    rule("POST", "/contracts/import", Admin, Whole),
    rule("GET", "/queue", Read, Whole),
    rule("GET", "/pushes", Numbers, Whole),
    rule("GET", "/notifications", Numbers, XpidInQuery),
    rule("POST", "/notifications/replay", Operator, XpidInQuery),
    rule("POST", "/notifications/discard", Operator, XpidInQuery),
    rule("PUT", "/network/lines", Operator, Whole),
    rule("POST", "/smpp/trace", Operator, Whole),
    rule("GET", "/smpp/trace", Operator, Whole),
    rule("GET", "/tokens", Admin, Whole),
    rule("POST", "/tokens", Admin, Whole),
    rule("DELETE", "/tokens/{name}", Admin, Whole),
    // Carriers hold addresses and names of accounts, and whose texts go where.
    rule("GET", "/carriers", Operator, Whole),
    rule("POST", "/carriers", Admin, Whole),
    rule("POST", "/backups", Admin, Whole),
    rule("GET", "/lists", Read, Own),
    rule("POST", "/lists", Author, Own),
    rule("GET", "/lists/{list}", Read, Own),
    rule("DELETE", "/lists/{list}", Admin, Own),
    rule("PUT", "/lists/{list}/versions", Author, Own),
    rule("POST", "/lists/{list}/versions", Author, Own),
    rule("GET", "/lists/{list}/versions/{version}", Read, Own),
    rule("GET", "/lists/{list}/versions/{version}/refused", Numbers, Own),
    rule("GET", "/lists/{list}/versions/{version}/rows", Numbers, Own),
    rule("POST", "/lists/{list}/versions/{version}/take", Approver, Own),
    // It is of all XPIDs' lists and results.
    rule("POST", "/lists/forget", Admin, Whole),
    rule("GET", "/broadcasts", Read, Own),
    rule("POST", "/broadcasts", Author, Own),
    rule("GET", "/broadcasts/{broadcast}", Read, Own),
    rule("PUT", "/broadcasts/{broadcast}", Author, Own),
    rule("POST", "/broadcasts/{broadcast}/check", Author, Own),
    rule("POST", "/broadcasts/{broadcast}/approve", Approver, Own),
    rule("POST", "/broadcasts/{broadcast}/reject", Approver, Own),
    rule("POST", "/broadcasts/{broadcast}/start", Operator, Own),
    rule("POST", "/broadcasts/{broadcast}/pause", Operator, Own),
    rule("POST", "/broadcasts/{broadcast}/resume", Operator, Own),
    rule("POST", "/broadcasts/{broadcast}/cancel", Operator, Own),
    rule("PATCH", "/broadcasts/{broadcast}/pace", Operator, Own),
    rule("POST", "/broadcasts/{broadcast}/wave", Operator, Own),
    rule("POST", "/broadcasts/{broadcast}/retract", Author, Own),
    rule("POST", "/broadcasts/{broadcast}/update", Author, Own),
    rule("GET", "/broadcasts/{broadcast}/results", Numbers, Own),
    rule("GET", "/broadcasts/{broadcast}/recipients/{msn}", Numbers, Own),
    // It is answered with what became of the number.
    rule("DELETE", "/broadcasts/{broadcast}/recipients/{msn}", Operator, Own),
    // Who is alarmed where follows from it.
    rule("GET", "/areas", Read, Own),
    rule("PUT", "/areas", Admin, Whole),
    rule("POST", "/areas/match", Author, Own),
    rule("GET", "/templates", Read, Whole),
    rule("GET", "/templates/{template}", Read, Whole),
    rule("PUT", "/templates/{template}", Author, Whole),
    rule("GET", "/sources", Operator, Whole),
    rule("PUT", "/sources/{source}", Admin, Whole),
    rule("DELETE", "/sources/{source}", Admin, Whole),
    rule("POST", "/cap", Source, Whole),
    rule("POST", "/jmaxml", Source, Whole),
    rule("POST", "/lalert", Source, Whole),
    rule("GET", "/warnings", Read, Whole),
    rule("GET", "/broadcasts/{broadcast}/events", Read, Own),
    rule("GET", "/broadcasts/{broadcast}/report.json", Read, Own),
    page("GET", "/broadcasts/{broadcast}/report", Read),
    open_page("GET", "/"),
    open_page("GET", "/login"),
    open_page("POST", "/login"),
    open_page("POST", "/logout"),
    open_page("GET", "/dashboard/style.css"),
    open_page("GET", "/dashboard/live.js"),
    open_page("GET", "/dashboard/icon.svg"),
    page("GET", "/dashboard", Read),
    page("GET", "/dashboard/new", Author),
    page("POST", "/dashboard/new", Author),
    page("GET", "/dashboard/{broadcast}", Read),
    page("GET", "/dashboard/{broadcast}/live", Read),
    page("GET", "/dashboard/{broadcast}/confirm", Read),
    page("POST", "/dashboard/{broadcast}/check", Author),
    page("POST", "/dashboard/{broadcast}/approve", Approver),
    page("POST", "/dashboard/{broadcast}/reject", Approver),
    page("POST", "/dashboard/{broadcast}/start", Operator),
    page("POST", "/dashboard/{broadcast}/pause", Operator),
    page("POST", "/dashboard/{broadcast}/resume", Operator),
    page("POST", "/dashboard/{broadcast}/cancel", Operator),
    page("POST", "/dashboard/{broadcast}/pace", Operator),
    page("POST", "/dashboard/{broadcast}/wave", Operator),
    page("POST", "/dashboard/{broadcast}/retract", Operator),
];

/// The row of this method and this path of the router. HEAD is a GET without its body.
pub(super) fn find(method: &Method, path: &str) -> Option<&'static PathRule> {
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    PATHS.iter().find(|rule| rule.method == method && rule.path == path)
}
