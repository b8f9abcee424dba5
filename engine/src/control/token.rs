//! Tokens of the admin doors: a name, roles, and a secret that is shown once and kept as its
//! SHA-256 only. A name has two at a time at most, so that the one replaces the other without a
//! gap.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::limits::{TOKEN_NAME_OCTETS_MAX, TOKEN_XPIDS_MAX};
use super::roles::RoleSet;
use wire::terms::calendar;
use wire::terms::ids::Xpid;
use wire::terms::time::WallMs;

/// Random octets of a secret.
const SECRET_OCTETS: usize = 32;
/// What a secret begins with, so that one in the wrong place is known for what it is.
const SECRET_PREFIX: &str = "hayauma-";
/// Who acts in the audit besides people and systems: the engine, and the token of a demo.
const RESERVED: [&str; 2] = ["engine", "demo"];

/// A token as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessToken {
    /// SHA-256 of the secret.
    pub sha256: [u8; 32],
    /// Whose it is.
    pub name: String,
    /// What it lets do.
    pub roles: RoleSet,
    /// The XPIDs that it is bound to; none: it is bound to none.
    pub xpids: Vec<Xpid>,
    /// When it was made.
    pub made_ms: WallMs,
}

/// What `token add` names.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenChange {
    /// Whose it is to be.
    pub name: String,
    /// Names of roles.
    pub roles: Vec<String>,
    /// XPIDs that it is bound to.
    pub xpids: Vec<String>,
}

/// A token as it is shown: never its secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TokenDocument {
    /// Whose it is.
    pub name: String,
    /// Names of its roles.
    pub roles: Vec<String>,
    /// XPIDs that it is bound to.
    pub xpids: Vec<String>,
    /// When it was made, with the zone.
    pub made: String,
}

/// What making a token answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TokenMade {
    /// The secret, told this once.
    pub token: String,
    /// What it is.
    pub made: TokenDocument,
}

/// What removing tokens answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TokensRemoved {
    /// How many.
    pub removed: usize,
}

impl TokenChange {
    /// A new token with these fields, made at `now_ms`; and its secret.
    ///
    /// # Errors
    /// One sentence about what is wrong.
    pub fn make(&self, now_ms: WallMs) -> Result<(AccessToken, String), String> {
        if RESERVED.iter().any(|reserved| self.name.eq_ignore_ascii_case(reserved)) {
            let name = &self.name;
            return Err(format!("the audit has the engine's own acts as {name:?}: choose another"));
        }
        let secret = random_secret()?;
        Ok((self.token(&secret, now_ms)?, secret))
    }

    /// The token of this secret.
    ///
    /// # Errors
    /// One sentence about what is wrong.
    pub fn token(&self, secret: &str, made_ms: WallMs) -> Result<AccessToken, String> {
        check_name(&self.name)?;
        if self.xpids.len() > TOKEN_XPIDS_MAX {
            return Err(format!("a token is bound to {TOKEN_XPIDS_MAX} XPIDs at most: name fewer"));
        }
        let xpid = |text: &String| {
            Xpid::parse(text.as_bytes())
                .ok_or_else(|| format!("{text:?} is no XPID: use 11 digits"))
        };
        Ok(AccessToken {
            sha256: digest(secret),
            name: self.name.clone(),
            roles: RoleSet::parse(&self.roles)?,
            xpids: self.xpids.iter().map(xpid).collect::<Result<_, _>>()?,
            made_ms,
        })
    }
}

/// Whether a token may have this name.
///
/// # Errors
/// One sentence: which names there are.
pub fn check_name(name: &str) -> Result<(), String> {
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
    let fits = (1..=TOKEN_NAME_OCTETS_MAX).contains(&name.len());
    if fits && name.bytes().all(legal) {
        return Ok(());
    }
    Err(format!(
        "a token's name is 1 to {TOKEN_NAME_OCTETS_MAX} of 0-9 A-Z a-z . _ -: choose another"
    ))
}

impl TokenDocument {
    /// The token as it is shown.
    pub fn of(token: &AccessToken) -> Self {
        Self {
            name: token.name.clone(),
            roles: token.roles.words(),
            xpids: token.xpids.iter().map(ToString::to_string).collect(),
            made: calendar::jst_text(token.made_ms.ms()),
        }
    }
}

/// The token of this secret among `tokens`. Takes as long whichever it is, and whether it is.
pub fn find<'t>(tokens: &'t [AccessToken], secret: &str) -> Option<&'t AccessToken> {
    let sha256 = digest(secret);
    let mut found = u32::MAX;
    for (at, token) in (0..).zip(tokens) {
        let same: Choice = token.sha256.ct_eq(&sha256);
        found = u32::conditional_select(&found, &at, same);
    }
    tokens.get(found as usize)
}

/// SHA-256 of a secret.
fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// A secret that nobody guesses.
///
/// # Errors
/// The system gives no random octets.
pub fn random_secret() -> Result<String, String> {
    let mut octets = [0; SECRET_OCTETS];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut octets))
        .map_err(|error| format!("the system gives no random octets ({error})"))?;
    let mut secret = SECRET_PREFIX.to_owned();
    for octet in octets {
        // Writing to text cannot fail.
        let _ = write!(secret, "{octet:02x}");
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::roles::Role;

    fn change(name: &str, roles: &[&str], xpids: &[&str]) -> TokenChange {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        TokenChange { name: name.to_owned(), roles: owned(roles), xpids: owned(xpids) }
    }

    #[test]
    fn a_token_is_found_by_its_secret_alone() {
        let made = |name| change(name, &["read"], &[]).make(WallMs::new(1)).expect("legal");
        let (tokens, secrets): (Vec<AccessToken>, Vec<String>) =
            ["a", "b", "c"].map(made).into_iter().unzip();
        for (token, secret) in tokens.iter().zip(&secrets) {
            assert_eq!(find(&tokens, secret), Some(token));
            assert!(!format!("{token:?}").contains(secret) && secret.len() == 8 + 64);
        }
        assert_eq!(find(&tokens, "hayauma-"), None);
        assert_eq!(find(&[], &secrets[0]), None);
    }

    #[test]
    fn what_a_token_cannot_be_is_named() {
        for (change, part) in [
            (change("engine", &["admin"], &[]), "own acts"),
            (change("Engine", &["admin"], &[]), "own acts"),
            (change("", &["read"], &[]), "name"),
            (change("a b", &["read"], &[]), "name"),
            (change(&"a".repeat(65), &["read"], &[]), "name"),
            (change("a", &[], &[]), "--role"),
            (change("a", &["root"], &[]), "root"),
            (change("a", &["read"], &["1"]), "11 digits"),
        ] {
            let refused = change.make(WallMs::new(0)).expect_err(part);
            assert!(refused.contains(part), "{refused}");
        }
        let (token, _) = change("ops", &["read", "operator"], &["00100000001"])
            .make(WallMs::new(0))
            .expect("legal");
        assert!(token.roles.allow(Role::Operator));
        let document = TokenDocument::of(&token);
        assert_eq!((document.roles.len(), document.xpids.len()), (2, 1));
        assert!(document.made.ends_with("+09:00"));
    }
}
