//! Acts in the words of the audit, the same by whichever door they are done.

use super::audit::{Act, some_msns};
use super::document::ClientDocument;
use super::import::ImportSum;
use super::token::{AccessToken, TokenDocument};
use crate::gateway::registration::Registration;
use wire::terms::ids::Xpid;

/// A new registration.
pub fn client_added(registration: &Registration) -> Act {
    let act = Act::new(format!("client add {}", registration.xpid));
    act.after(&ClientDocument::of(registration))
}

/// A registration that is changed.
pub fn client_changed(before: &Registration, after: &Registration) -> Act {
    // Documents say only whether there are tokens.
    let same = before.tokens().eq(after.tokens());
    let tokens = if same { "" } else { ", its tokens too" };
    let digests = |one: &Registration| one.smpp.as_ref().map(|account| account.passwords.clone());
    let same = digests(before) == digests(after);
    let passwords = if same { "" } else { ", its passwords of SMPP too" };
    let act = Act::new(format!("client set {}{tokens}{passwords}", after.xpid));
    act.before(&ClientDocument::of(before)).after(&ClientDocument::of(after))
}

/// A registration that goes, its contracts too if that is said.
pub fn client_removed(before: &Registration, with_contracts: bool) -> Act {
    let contracts = if with_contracts { ", its contracts too" } else { "" };
    let act = Act::new(format!("client remove {}{contracts}", before.xpid));
    act.before(&ClientDocument::of(before))
}

/// Contracts to be added.
pub fn contracts_added(xpid: Xpid, msns: &[String]) -> Act {
    Act::new(format!("contract add {xpid}")).after(&some_msns(msns))
}

/// Contracts to be removed; `None`: all of the XPID.
pub fn contracts_removed(xpid: Xpid, msns: Option<&[String]>) -> Act {
    match msns {
        Some(msns) => Act::new(format!("contract remove {xpid}")).before(&some_msns(msns)),
        None => Act::new(format!("contract remove {xpid}, all of them")),
    }
}

/// An import that begins.
pub fn import_begun() -> Act {
    Act::new("contract import begins")
}

/// An import that has come to its end: what became of its lines.
pub fn import_ended(sum: &ImportSum) -> Act {
    Act::new("contract import ends").after(sum)
}

/// An import that broke off: what became of the lines before.
pub fn import_broken(sum: &ImportSum) -> Act {
    Act::new("done in part: contract import").after(sum)
}

/// A token that is made.
pub fn token_made(token: &AccessToken) -> Act {
    Act::new(format!("token add {}", token.name)).after(&TokenDocument::of(token))
}

/// Tokens that go.
pub fn tokens_removed(name: &str, older_only: bool, tokens: &[AccessToken]) -> Act {
    let older = if older_only { ", the older one" } else { "" };
    let of_name = tokens.iter().filter(|token| token.name == name);
    let before: Vec<TokenDocument> = of_name.map(TokenDocument::of).collect();
    Act::new(format!("token remove {name}{older}")).before(&before)
}

/// A copy of everything that is made.
pub fn backed_up(target: &str) -> Act {
    #[derive(serde::Serialize)]
    struct Copied<'a> {
        target: &'a str,
    }
    Act::new("queue backup").after(&Copied { target })
}
