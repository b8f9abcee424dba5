//! TLS between the nodes of a cluster: each end shows a certificate of the authority that all of
//! them trust, and no other authority counts.
//!
//! **Never here:** a socket of its own. **Invariants:** who calls a node wants a certificate of its
//! address; nothing is read of whoever shows none.

use super::{Acceptance, Calling, TlsError, TlsFiles, authorities, client_config};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Connection, ServerConnection};
use std::io::{self, ErrorKind, Read, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// The files of a node: all of them PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFiles {
    /// The authority of every node's certificate.
    pub authority: PathBuf,
    /// This node's certificate, which names the address of its peer port.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What a node speaks to the others with.
#[derive(Clone, Debug)]
pub struct PeerTls {
    acceptance: Acceptance,
    calling: Calling,
}

impl PeerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
    pub fn read(files: &PeerFiles) -> Result<Self, TlsError> {
        let PeerFiles { authority, certificate, key } = files;
        let accepting = TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
            client_ca: Some(authority.clone()),
        };
        let acceptance = Acceptance::read(&accepting, None)?.of_smpp();
        let shown = (certificate.clone(), key.clone());
        let roots = authorities("nodes' authority", authority)?;
        let config = client_config(roots, Some(&shown), ["node's certificate", "node's key"])?;
        let calling = Calling { config: Arc::new(config) }.of_smpp();
        Ok(Self { acceptance, calling })
    }

    /// Secures a connection that somebody has made to this node.
    pub(in crate::io) fn accept(&self) -> Option<PeerSecurity> {
        let connection = ServerConnection::new(self.acceptance.config()).ok()?;
        Some(PeerSecurity(connection.into()))
    }

    /// Secures one that this node has made to the node at this address.
    pub(in crate::io) fn call(&self, address: IpAddr) -> Option<PeerSecurity> {
        let name = ServerName::from(address);
        let connection = ClientConnection::new(Arc::clone(&self.calling.config), name).ok()?;
        Some(PeerSecurity(connection.into()))
    }
}

/// TLS on one connection.
pub(in crate::io) struct PeerSecurity(Connection);

impl PeerSecurity {
    /// Takes what has come, once; whether more may.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] where nothing has; anything else ends the connection.
    pub(in crate::io) fn take(
        &mut self,
        stream: &mut impl Read,
        into: &mut Vec<u8>,
    ) -> io::Result<bool> {
        if self.0.read_tls(stream)? == 0 {
            return Ok(false);
        }
        let broken = |error| io::Error::new(ErrorKind::InvalidData, error);
        let state = self.0.process_new_packets().map_err(broken)?;
        let before = into.len();
        into.resize(before + state.plaintext_bytes_to_read(), 0);
        self.0.reader().read_exact(&mut into[before..])?;
        Ok(!state.peer_has_closed())
    }

    /// Sends what can be sent of these octets, and of what was given before; how many were taken.
    ///
    /// # Errors
    /// The connection has ended.
    pub(in crate::io) fn give(
        &mut self,
        stream: &mut impl Write,
        octets: &[u8],
    ) -> io::Result<usize> {
        let mut taken = 0;
        loop {
            let more = self.0.writer().write(&octets[taken..])?;
            taken += more;
            if !self.flush(stream)? || more == 0 {
                return Ok(taken);
            }
        }
    }

    /// Whether all that was given is sent.
    fn flush(&mut self, stream: &mut impl Write) -> io::Result<bool> {
        while self.0.wants_write() {
            match self.0.write_tls(stream) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Whether something waits to be sent.
    pub(in crate::io) fn has_output(&self) -> bool {
        self.0.wants_write()
    }
}
