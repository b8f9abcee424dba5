//! TLS 1.3 on the admin port: the handshake, before a connection is one of the door's like any
//! other.
//!
//! A connection that has not shaken hands has asked for nothing: it holds its place no longer than
//! an idle one, and not beyond a few seconds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::control::limits::ADMIN_TLS_TOLD_EVERY_MS;
use crate::io::tls::Acceptance;
use host::clock;

/// How long a handshake may take.
const SHAKE_WAIT: Duration = Duration::from_secs(10);
/// What every TLS connection begins with: a record of the handshake.
const HANDSHAKE_RECORD: u8 = 22;
/// What a client is told that speaks plain HTTP here.
const SPEAKS_PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\
    Content-Length: 55\r\nConnection: close\r\n\r\n\
    This port speaks TLS 1.3: use https:// and not http://\n";

/// What the admin port's connections are secured with; it may be changed while the engine runs.
#[derive(Debug)]
pub struct AdminTls {
    current: RwLock<Acceptance>,
    /// Rises when those that came before have to come in anew: their authority may be trusted no
    /// more.
    admission: watch::Sender<u64>,
    /// When a failure was last told of, in milliseconds of the monotonic clock; 0: never.
    told_ms: AtomicU64,
}

impl AdminTls {
    /// Secured with this.
    pub fn new(acceptance: Acceptance) -> Arc<Self> {
        let (admission, _) = watch::channel(0);
        let current = RwLock::new(acceptance);
        Arc::new(Self { current, admission, told_ms: AtomicU64::new(0) })
    }

    /// From the next connection on with this. Where client certificates are asked for, connections
    /// that came before end once they have their answers.
    pub fn accept_with(&self, acceptance: Acceptance) {
        let ends_others = acceptance.needs_certificates();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = acceptance;
        if ends_others {
            self.admission.send_modify(|admission| *admission += 1);
        }
    }

    /// Changes when a connection that comes now has to come in anew.
    pub(super) fn admission(&self) -> watch::Receiver<u64> {
        self.admission.subscribe()
    }

    /// Shakes hands; `None` where the client does not get so far. Why, the log says now and then.
    pub(super) async fn shake(&self, socket: TcpStream) -> Option<TlsStream<TcpStream>> {
        match tokio::time::timeout(SHAKE_WAIT, self.try_shake(socket)).await {
            Ok(Ok(secured)) => Some(secured),
            Ok(Err(cause)) => {
                self.tell(&cause);
                None
            }
            Err(_) => {
                self.tell("the client did not finish it in time");
                None
            }
        }
    }

    async fn try_shake(&self, socket: TcpStream) -> Result<TlsStream<TcpStream>, String> {
        let mut first = [0];
        let octets = socket.peek(&mut first).await.map_err(|error| error.to_string())?;
        if octets > 0 && first[0] != HANDSHAKE_RECORD {
            refuse_plain(&socket).await;
            return Err("the client speaks plain HTTP".to_owned());
        }
        let config = self.current.read().unwrap_or_else(PoisonError::into_inner).config();
        let shaken = TlsAcceptor::from(config).accept(socket).await;
        shaken.map_err(|error| crate::io::tls::cause(&error))
    }

    /// A scan of the port is one line, not one for each try.
    fn tell(&self, cause: &str) {
        let now_ms = clock::monotonic_ns() / 1_000_000 + 1;
        let told_ms = self.told_ms.load(Ordering::Relaxed);
        if told_ms == 0 || now_ms - told_ms >= ADMIN_TLS_TOLD_EVERY_MS {
            self.told_ms.store(now_ms, Ordering::Relaxed);
            tracing::info!("a TLS handshake at the admin port failed: {cause}");
        }
    }
}

/// Says in plain HTTP what is wrong, as far as the client reads it.
async fn refuse_plain(socket: &TcpStream) {
    if socket.writable().await.is_ok() {
        let _ = socket.try_write(SPEAKS_PLAIN_HTTP);
    }
}
