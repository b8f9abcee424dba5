//! `hayauma token`: who comes in at the admin doors by a token, and as what.

use clap::{Args, Subcommand};

use super::place::{Place, RegistryPlace};
use super::{CliError, Output, table};
use crate::control::acts;
use crate::control::now::wall_now;
use crate::control::token::{TokenChange, TokenDocument, TokenMade, TokensRemoved, check_name};
use wire::terms::ids::Xpid;

/// Tokens of the admin port: who may come in, and as what
///
/// A running engine works by a change at once.
#[derive(Subcommand, Debug)]
pub(super) enum TokenCommand {
    /// Make a token and print it, this once
    ///
    /// A name has two at a time at most: make the second, have it used, then remove the older one.
    Add(AddCommand),
    /// List the tokens, without their secrets
    List(ListCommand),
    /// Remove the tokens of a name
    Remove(RemoveCommand),
}

#[derive(Args, Debug)]
pub(super) struct AddCommand {
    /// Whose it is: what the audit names
    name: String,
    /// What it lets do: read (figures), numbers (msns too), billing, author, approver, operator
    /// (pause, stop, replay), source (warnings), admin (everything); may be repeated
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<String>,
    /// XPID that it is bound to; may be repeated [default: all]
    #[arg(long = "xpid", value_name = "XPID", value_parser = super::client::parse_xpid)]
    xpids: Vec<Xpid>,
    /// Print the token and what it is as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(super) struct ListCommand {
    /// Print the tokens as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(super) struct RemoveCommand {
    /// Whose they are
    name: String,
    /// The older of two alone
    #[arg(long)]
    older: bool,
    #[command(flatten)]
    place: Place,
}

impl TokenCommand {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        match self {
            Self::Add(command) => command.run(output),
            Self::List(command) => command.run(output),
            Self::Remove(command) => command.run(output),
        }
    }
}

impl AddCommand {
    fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let xpids = self.xpids.iter().map(ToString::to_string).collect();
        let change = TokenChange { name: self.name, roles: self.roles, xpids };
        // Refused here as it would be there, before anything is opened or asked.
        let (token, secret) = change.make(wall_now())?;
        let made: TokenMade = match self.place.registry_to_make()? {
            RegistryPlace::Running(engine) => engine.post("/tokens", &change)?,
            RegistryPlace::Stopped(mut store) => {
                let act = acts::token_made(&token);
                store.act(&act, |store| Ok(store.add_token(&token)?))?;
                TokenMade { token: secret, made: TokenDocument::of(&token) }
            }
        };
        if self.json {
            return output.print_json(&made);
        }
        output.note("this token is shown now and never again:");
        output.print(&format!("{}\n", made.token))
    }
}

impl ListCommand {
    fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let documents: Vec<TokenDocument> = match self.place.registry_to_read()? {
            RegistryPlace::Running(engine) => engine.get("/tokens")?,
            RegistryPlace::Stopped(store) => {
                store.tokens()?.iter().map(TokenDocument::of).collect()
            }
        };
        if self.json {
            return output.print_json(&documents);
        }
        let mut rows = vec![["NAME", "ROLES", "XPIDS", "MADE"].map(str::to_owned).to_vec()];
        rows.extend(documents.into_iter().map(|token| {
            let bound =
                if token.xpids.is_empty() { "all".to_owned() } else { token.xpids.join(",") };
            vec![token.name, token.roles.join(","), bound, token.made]
        }));
        output.print(&table::render(&rows, &[]))
    }
}

impl RemoveCommand {
    fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        check_name(&self.name).map_err(CliError::new)?;
        let removed = match self.place.registry_to_change()? {
            RegistryPlace::Running(engine) => {
                let path = format!("/tokens/{}?older={}", self.name, self.older);
                engine.delete::<TokensRemoved>(&path)?.removed
            }
            RegistryPlace::Stopped(mut store) => {
                // A damaged row keeps no other from being removed, nor itself.
                let tokens = store.tokens().unwrap_or_default();
                let act = acts::tokens_removed(&self.name, self.older, &tokens);
                store.act(&act, |store| Ok(store.remove_tokens(&self.name, self.older)?))?.len()
            }
        };
        output.print(&format!("removed {removed}\n"))
    }
}
