//! A way to a server that a test can spoil: what the server says is swallowed, or every connection
//! is cut.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The way; new connections can be made through it for as long as it is there.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    ways: Arc<Mutex<Vec<Way>>>,
    is_swallowing: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
}

/// Both ends of one connection.
#[derive(Debug)]
struct Way {
    client: TcpStream,
    server: TcpStream,
}

impl TcpProxy {
    /// A way to `server`.
    ///
    /// # Panics
    /// When there is no port.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let ways: Arc<Mutex<Vec<Way>>> = Arc::default();
        let (is_swallowing, is_over) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let proxy = Self {
            address,
            ways: Arc::clone(&ways),
            is_swallowing: Arc::clone(&is_swallowing),
            is_over: Arc::clone(&is_over),
        };
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if is_over.load(Ordering::Acquire) {
                    break;
                }
                let Ok(server) = TcpStream::connect(server) else { continue };
                let (Ok(to_client), Ok(to_server)) = (client.try_clone(), server.try_clone())
                else {
                    continue;
                };
                let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone())
                else {
                    continue;
                };
                ways.lock().unwrap_or_else(PoisonError::into_inner).push(Way { client, server });
                std::thread::spawn(move || carry(from_client, to_server, None));
                let swallow = Some(Arc::clone(&is_swallowing));
                std::thread::spawn(move || carry(from_server, to_client, swallow));
            }
        });
        proxy
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing that the server says arrives.
    pub fn swallow_answers(&self) {
        self.is_swallowing.store(true, Ordering::Release);
    }

    /// Cuts every connection; those that are made from now on are whole.
    pub fn cut(&self) {
        let ways = std::mem::take(&mut *self.ways.lock().unwrap_or_else(PoisonError::into_inner));
        for way in ways {
            let _ = way.client.shutdown(Shutdown::Both);
            let _ = way.server.shutdown(Shutdown::Both);
        }
        self.is_swallowing.store(false, Ordering::Release);
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        self.cut();
        // So that the thread that accepts sees it.
        let _ = TcpStream::connect(self.address);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, swallow: Option<Arc<AtomicBool>>) {
    let mut octets = vec![0; 64 * 1024];
    loop {
        let read = match from.read(&mut octets) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let is_swallowed = swallow.as_ref().is_some_and(|is| is.load(Ordering::Acquire));
        if !is_swallowed && to.write_all(&octets[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
