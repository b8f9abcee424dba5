//! The admin doors of a start: the socket in the data directory, and the ports that are asked for.

use super::bind;
use crate::control::admin::{AdminServer, AdminTls, Doors, Keeping};
use crate::control::store::Store;
use crate::control::token;
use crate::control::token::{AccessToken, TokenChange};
use crate::start::certificates::Certificates;
use crate::start::config::Config;
use host::address::Address;
use host::clock;
use host::fatal::{Fatal, FatalReason};
use host::unix_socket;
use host::unix_socket::ADMIN_SOCKET;
use std::io::ErrorKind;
use std::os::unix::net::UnixListener;
use wire::terms::time::WallMs;

/// The token that a demo makes for its admin port; whoever may read the file may use it.
pub(super) const TOKEN_FILE: &str = "admin.token";

/// Binds the doors before anything is served, with the directory's lock held. How many connections
/// they take is still to be said.
///
/// # Errors
/// What cannot be bound; and an admin port for other hosts without any token.
pub(super) fn open(
    config: &Config,
    store: &Store,
    (of_admin, of_broadcasts): (Option<&Certificates>, Option<&Certificates>),
) -> Result<(Doors, Keeping), Fatal> {
    let tokens = store.tokens().map_err(Fatal::from)?;
    for (name, address, certificates) in
        [("admin", &config.admin, of_admin), ("broadcast", &config.broadcast, of_broadcasts)]
    {
        if let Some(address) = address.as_ref().filter(|address| !address.is_loopback()) {
            check_far(name, address, certificates.is_some(), tokens.is_empty())?;
        }
    }
    let port = |subject: &str, flag: &str, address: &Option<Address>| {
        bind(subject, flag, address.as_slice())
    };
    let doors = Doors {
        port: port("admin port", "--admin", &config.admin)?,
        tls: of_admin.map(|certificates| AdminTls::new(certificates.acceptance())),
        broadcasts: port("port of broadcasts", "--broadcast", &config.broadcast)?,
        broadcasts_tls: of_broadcasts.map(|files| AdminTls::new(files.acceptance())),
        health: port("port of probes", "--health", &config.health)?,
        socket: socket(config)?,
    };
    let own_token = if config.demo && (config.admin.is_some() || config.broadcast.is_some()) {
        Some(own(config)?)
    } else {
        None
    };
    let addresses = [&config.admin, &config.broadcast].into_iter().flatten();
    let named = addresses.filter_map(Address::name).map(str::to_owned);
    let names = config.admin_names.iter().cloned().chain(named).collect();
    Ok((doors, Keeping { names, tokens, own_token, ..Keeping::default() }))
}

/// An admin port that other hosts reach wants tokens that are there, and shows them to nobody.
fn check_far(
    name: &str,
    address: &Address,
    is_secure: bool,
    is_nobodys: bool,
) -> Result<(), Fatal> {
    if is_nobodys {
        return Err(Fatal::with_remedy(
            FatalReason::Configuration,
            format!(
                "the {name} port {address} is for other hosts too, and nobody has a token for it"
            ),
            "make one with `hayauma token add NAME --role ROLE` and start again",
        ));
    }
    if !is_secure {
        tracing::warn!(
            "the {name} port {address} speaks plain text to other hosts: whoever sees the network \
             sees tokens and orders; give it a certificate with --admin-tls-cert, or with \
             --tls-cert for broadcasts"
        );
    }
    Ok(())
}

/// Takes the names away that a running engine has in the directory.
pub(super) fn close(config: &Config) {
    unix_socket::remove(&config.data_dir, ADMIN_SOCKET);
    let _ = std::fs::remove_file(config.data_dir.join(TOKEN_FILE));
}

/// What a person is told of the doors, a line for each.
pub(super) fn told(config: &Config, admin: &AdminServer) -> String {
    let mut text = String::new();
    if let Some(port) = admin.port() {
        let scheme = if admin.is_secure() { "https" } else { "http" };
        text += &format!("admin: {scheme}://{port}, with a token");
        if config.demo {
            text += &format!(" ({} holds one)", config.data_dir.join(TOKEN_FILE).display());
        }
        text += "\n";
    }
    if let Some((port, is_secure)) = admin.broadcasts() {
        let scheme = if is_secure { "https" } else { "http" };
        text += &format!("broadcasts: {scheme}://{port}/dashboard, with a token");
        if config.demo {
            text += &format!(" ({} holds one)", config.data_dir.join(TOKEN_FILE).display());
        }
        text += "\n";
    }
    if let Some(health) = admin.health() {
        text += &format!("probes: http://{health}/healthz and /readyz\n");
    }
    text
}

/// The socket. On a full device the engine serves without it what it has accepted.
fn socket(config: &Config) -> Result<Option<UnixListener>, Fatal> {
    let path = config.data_dir.join(ADMIN_SOCKET);
    match unix_socket::listen(&config.data_dir, ADMIN_SOCKET) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == ErrorKind::StorageFull => {
            tracing::warn!(
                path = %path.display(),
                "the device has no room for the admin socket: commands cannot reach this engine \
                 until it starts again"
            );
            Ok(None)
        }
        Err(error) => Err(Fatal::with_remedy(
            FatalReason::PortUnavailable,
            format!("the admin socket {} cannot be made ({error})", path.display()),
            "choose a directory on a file system of this host with --data-dir",
        )),
    }
}

/// A token of everything for as long as this engine runs, in a file for this user only.
fn own(config: &Config) -> Result<AccessToken, Fatal> {
    let path = config.data_dir.join(TOKEN_FILE);
    let unusable = |detail: String| {
        let cause = format!("the token {} cannot be written ({detail})", path.display());
        Fatal::new(FatalReason::DataDirUnusable, cause)
    };
    let change = TokenChange {
        name: "demo".to_owned(),
        roles: vec!["admin".to_owned()],
        ..TokenChange::default()
    };
    let secret = token::random_secret().map_err(unusable)?;
    let made = change.token(&secret, WallMs::new(clock::unix_ms())).map_err(unusable)?;
    let written = host::directory::write_private(&path, format!("{secret}\n").as_bytes());
    written.map_err(|error| unusable(error.to_string()))?;
    Ok(made)
}
