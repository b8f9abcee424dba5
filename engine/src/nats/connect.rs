//! Connections to the servers: how they are made, kept and made anew.

use super::error::NatsError;
use super::limits::{COMMANDS_MAX, CONNECT, PING, RECONNECT_MAX};
use crate::cluster::servers::LogServers;
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Whether the client of a connection has given up: it makes a lost connection anew by itself, but
/// not after its credentials were refused.
#[derive(Clone, Debug, Default)]
pub(super) struct GivenUp(Arc<AtomicBool>);

impl GivenUp {
    /// Whether it has.
    pub(super) fn is_true(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn note(&self, event: &Event) {
        if matches!(event, Event::Closed) {
            self.0.store(true, Ordering::Release);
        }
    }
}

/// The addresses, checked.
fn addresses(servers: &LogServers) -> Result<Vec<ServerAddr>, NatsError> {
    let parse = |address: &String| {
        address.parse::<ServerAddr>().map_err(|_| NatsError::Address(address.clone()))
    };
    servers.addresses.iter().map(parse).collect()
}

async fn options(
    servers: &LogServers,
    name: &str,
    given_up: GivenUp,
) -> Result<ConnectOptions, NatsError> {
    let mut options = ConnectOptions::new()
        .name(name)
        .ping_interval(PING)
        .connection_timeout(CONNECT)
        .client_capacity(COMMANDS_MAX)
        // The file names all servers; what a server says of the others may lead nowhere from here.
        .ignore_discovered_servers()
        .skip_subject_validation(true)
        .reconnect_delay_callback(|tries| {
            RECONNECT_MAX.min(Duration::from_millis(50) * u32::try_from(tries).unwrap_or(u32::MAX))
        })
        .event_callback(move |event| {
            given_up.note(&event);
            async {}
        });
    if let Some(path) = &servers.credentials {
        let unreadable = |why: std::io::Error| NatsError::Credentials {
            path: path.display().to_string(),
            why: why.to_string(),
        };
        options = options.credentials_file(path).await.map_err(unreadable)?;
    }
    if let Some(path) = &servers.authorities {
        options = options.add_root_certificates(path.clone());
    }
    if let Some((certificate, key)) = &servers.certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(options)
}

/// A connection that is made now, or an error.
pub(super) async fn connect(servers: &LogServers, name: &str) -> Result<Client, NatsError> {
    let options = options(servers, name, GivenUp::default()).await?;
    let connected = options.connect(addresses(servers)?).await;
    connected.map_err(|error| NatsError::Unreachable(error.to_string()))
}

/// A connection that is made sooner or later: orders wait for it, and fail after their time.
pub(super) async fn connect_some_time(
    servers: &LogServers,
    name: &str,
    given_up: &GivenUp,
) -> Result<Client, NatsError> {
    let options = options(servers, name, given_up.clone()).await?.retry_on_initial_connect();
    let connected = options.connect(addresses(servers)?).await;
    connected.map_err(|error| NatsError::Unreachable(error.to_string()))
}
