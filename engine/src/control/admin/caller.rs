//! Who a request comes from: a peer by the Unix socket, or whoever brings a token.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};

use super::door::Visitor;
use super::reply::AdminError;
use super::sessions::{Sessions, SignedIn, cookie_of};
use crate::control::audit::Act;
use crate::control::engine::Engine;
use crate::control::now::steady_now;
use crate::control::roles::{Role, RoleSet};
use crate::control::store::Store;
use crate::control::store_thread::StoreHandle;
use crate::control::token;
use crate::control::token::AccessToken;
use crate::gateway::registration::Registration;
use wire::terms::ids::Xpid;

/// Whoever asks, as far as it is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    /// `uid:NAME`, or the token's name.
    pub(super) name: String,
    /// What it may do.
    pub(super) roles: RoleSet,
    /// The XPIDs it is bound to; none: to none.
    pub(super) xpids: Arc<[Xpid]>,
}

/// Whoever was let through to a handler: in whose name the handler acts.
#[derive(Clone)]
pub struct Caller {
    /// `uid:NAME`, or the token's name: what the audit has.
    pub name: String,
    /// Nobody on the way could hear or change what it says: it came over TLS, or by the socket of
    /// this host.
    pub is_private: bool,
    /// What it may do.
    roles: RoleSet,
    /// The XPIDs it is bound to; none: to none.
    xpids: Arc<[Xpid]>,
    store: StoreHandle,
}

impl Caller {
    pub(super) fn new(identity: Identity, store: StoreHandle, is_private: bool) -> Self {
        let Identity { name, roles, xpids } = identity;
        Self { name, is_private, roles, xpids, store }
    }

    /// The XPIDs it is bound to; none: to none.
    pub fn xpids(&self) -> Arc<[Xpid]> {
        Arc::clone(&self.xpids)
    }

    /// Whether it may do what this role lets do.
    pub fn may(&self, role: Role) -> bool {
        self.roles.allow(role)
    }

    /// Whether it may see what people are told, or will be: whoever writes, agrees to or runs
    /// broadcasts.
    pub fn sees_texts(&self) -> bool {
        [Role::Author, Role::Approver, Role::Operator].into_iter().any(|role| self.may(role))
    }

    /// Writes an act into the audit. To be called before the act.
    ///
    /// # Errors
    /// There is no line, and the act must not be done.
    pub async fn record(&self, act: Act) -> Result<(), AdminError> {
        let name = self.name.clone();
        Ok(self.store.run(move |store, _| store.record(&name, &act)).await??)
    }

    /// Records an act that is none of the registry and does it, and records where it was not done
    /// after all: one job of the store thread, which ends whether the asker still waits or not. So
    /// acts are done in the order of their lines.
    ///
    /// # Errors
    /// There is no line and nothing was done, or what `work` says.
    pub async fn act<T: Send + 'static>(
        &self,
        act: Act,
        work: impl FnOnce(&dyn Engine) -> Result<T, AdminError> + Send + 'static,
    ) -> Result<T, AdminError> {
        let name = self.name.clone();
        let job = move |store: &mut Store, control: &dyn Engine| {
            store.act_elsewhere(&name, &act, || work(control))
        };
        self.store.run(job).await?
    }

    /// Writes a line of the audit about what has happened, behind all that was asked for before.
    pub(super) fn leave_word(&self, word: impl FnOnce() -> Act + Send + 'static) {
        let name = self.name.clone();
        self.store.leave(move |store, _| store.note(&name, word()));
    }

    /// Writes a line of the audit about what has happened, and waits until it stands or is owed.
    ///
    /// # Errors
    /// The engine is stopping.
    pub async fn note(&self, word: Act) -> Result<(), AdminError> {
        let name = self.name.clone();
        Ok(self.store.run(move |store, _| store.note(&name, word)).await?)
    }

    /// Has the store thread do `work`, which records its acts in this name itself.
    ///
    /// # Errors
    /// The engine is stopping.
    pub async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store, &dyn Engine, &str) -> T + Send + 'static,
    ) -> Result<T, AdminError> {
        let name = self.name.clone();
        Ok(self.store.run(move |store, control| work(store, control, &name)).await?)
    }

    /// Has the store thread look into the registry.
    ///
    /// # Errors
    /// The engine is stopping.
    pub async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> Result<T, AdminError> {
        Ok(self.store.run(move |store, _| work(store)).await?)
    }

    /// Whether this one may make the registration `after` of what stands there. A token of any
    /// registration of a client opens all of them. So one that is bound to XPIDs changes no
    /// client's name, and tokens only of a client whose XPIDs are all its own.
    ///
    /// # Errors
    /// 403: it may not.
    pub(super) fn check_client(
        &self,
        store: &Store,
        before: Option<&Registration>,
        after: &Registration,
    ) -> Result<(), AdminError> {
        if self.xpids.is_empty() {
            return Ok(());
        }
        let forbidden = |what: &str| {
            let name = &self.name;
            let sentence = format!("{name} is bound to XPIDs and {what}: ask an administrator");
            Err(AdminError::new(StatusCode::FORBIDDEN, sentence))
        };
        if before.is_some_and(|before| before.client != after.client) {
            return forbidden("may not give a registration to another client");
        }
        if before.is_some_and(|before| before.tokens().eq(after.tokens())) {
            return Ok(());
        }
        let registrations = store.registrations()?;
        let mut of_client = registrations.iter().filter(|other| other.client == after.client);
        if of_client.all(|other| self.xpids.contains(&other.xpid)) {
            return Ok(());
        }
        forbidden("this client has others besides, which its tokens would open too")
    }
}

/// The tokens that open the admin doors.
pub(super) struct Access {
    /// One that the engine made for itself, for as long as it runs.
    own: Option<AccessToken>,
    made: RwLock<Vec<AccessToken>>,
    sessions: Mutex<Sessions>,
}

impl Access {
    pub(super) fn new(own: Option<AccessToken>, made: Vec<AccessToken>) -> Self {
        Self { own, made: RwLock::new(made), sessions: Mutex::default() }
    }

    /// From now on this token counts too.
    pub(super) fn add(&self, token: AccessToken) {
        self.made.write().unwrap_or_else(PoisonError::into_inner).push(token);
    }

    /// From now on these tokens count, and no others.
    pub(super) fn replace(&self, tokens: Vec<AccessToken>) {
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = tokens;
    }

    /// From now on the tokens with these SHA-256 count no more.
    pub(super) fn remove(&self, digests: &[Vec<u8>]) {
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        made.retain(|token| digests.iter().all(|digest| digest[..] != token.sha256));
    }

    /// Who asks. A token counts at every door, and the cookie that stands for one; without either
    /// only a peer by the socket is known.
    ///
    /// # Errors
    /// 401: nobody that is known.
    pub(super) fn identify(
        &self,
        headers: &HeaderMap,
        visitor: Option<&Visitor>,
    ) -> Result<(Identity, Option<SignedIn>), AdminError> {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let secret = value.to_str().ok().and_then(bearer);
            let found = secret.and_then(|secret| self.of_secret(secret));
            return found.map(|(identity, _)| (identity, None)).ok_or_else(|| {
                unauthorized("the token is none of this engine's: see `hayauma token list`")
            });
        }
        if let Some(signed_in) = cookie_of(headers).and_then(|cookie| self.of_cookie(cookie)) {
            return Ok(signed_in);
        }
        match visitor {
            Some(Visitor::Peer { uid }) => Ok((of_user(*uid)?, None)),
            _ => Err(unauthorized(
                "this port wants a token, `Authorization: Bearer TOKEN`: make one with `hayauma \
                 token add`",
            )),
        }
    }

    /// The sessions of browsers.
    pub(super) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose a token is, and its SHA-256.
    pub(super) fn of_secret(&self, secret: &str) -> Option<(Identity, [u8; 32])> {
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        let found = token::find(&made, secret);
        let found = found.or_else(|| token::find(self.own.as_slice(), secret))?;
        Some((identity_of(found), found.sha256))
    }

    fn of_cookie(&self, cookie: &str) -> Option<(Identity, Option<SignedIn>)> {
        let (sha256, signed_in) = self.sessions().find(cookie, steady_now())?;
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        let token = made.iter().chain(&self.own).find(|token| token.sha256 == sha256)?;
        Some((identity_of(token), Some(signed_in)))
    }
}

fn identity_of(token: &AccessToken) -> Identity {
    let (name, xpids) = (token.name.clone(), token.xpids.as_slice().into());
    Identity { name, roles: token.roles, xpids }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AdminError> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| unauthorized("the request says not who it comes from"))
    }
}

/// A user of this host at the socket: the engine's own, or root, whatever the file's mode lets.
fn of_user(uid: u32) -> Result<Identity, AdminError> {
    let name = user_actor(uid);
    if uid != 0 && uid != rustix::process::geteuid().as_raw() {
        return Err(AdminError::new(
            StatusCode::FORBIDDEN,
            format!("{name} is neither this engine's user nor root: bring a token"),
        ));
    }
    let roles = RoleSet::default().with(Role::Admin);
    Ok(Identity { name, roles, xpids: Arc::default() })
}

/// What a user of this host is called in the audit: `uid:NAME`, or `uid:NUMBER` where the host
/// has no name for it.
pub fn user_actor(uid: u32) -> String {
    let name = host::unix_socket::user_name(uid).unwrap_or_else(|| uid.to_string());
    format!("uid:{name}")
}

fn unauthorized(sentence: &str) -> AdminError {
    AdminError::new(StatusCode::UNAUTHORIZED, sentence)
}

/// The token of `Bearer TOKEN` (RFC 6750 section 2.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_engines_user_and_root_come_in_by_the_socket_without_a_token() {
        let own = rustix::process::geteuid().as_raw();
        for uid in [0, own] {
            let identity = of_user(uid).expect("let in");
            assert!(identity.name.starts_with("uid:") && identity.roles.allow(Role::Admin));
        }
        let refused = of_user(own + 4_711).expect_err("another's");
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(refused.sentence.contains("bring a token"), "{refused:?}");
    }
}
