//! Wireshark's decoder, run as `tshark`: PDUs go in as a capture, columns of fields come out.

use std::io::Write;
use std::process::{Command, Stdio};

/// Stands between several values of one field; occurs in no text.
pub(crate) const AGGREGATOR: char = '\u{1}';

/// What is installed; none where nothing is.
pub(crate) fn version() -> Option<String> {
    let output = Command::new("tshark").arg("--version").stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
}

/// One line of columns for every packet of the capture, the fields of `protocol` in their order.
pub(crate) fn columns(
    capture: &Capture,
    options: &[&str],
    protocol: &str,
    fields: &[&str],
) -> Vec<String> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(&capture.octets).expect("the capture is written");
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file.path()).args(options).args(["-T", "fields"]);
    command.args(["-E", "separator=/t", "-E"]).arg(format!("aggregator={AGGREGATOR}"));
    for field in fields {
        command.arg("-e").arg(format!("{protocol}.{field}"));
    }
    let output = command.stderr(Stdio::null()).output().expect("tshark runs");
    assert!(output.status.success(), "tshark ended with {}", output.status);
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// A pcap file of Exported PDUs.
pub(crate) struct Capture {
    octets: Vec<u8>,
}

impl Capture {
    pub(crate) fn new() -> Self {
        const WIRESHARK_UPPER_PDU: u32 = 252;
        let mut octets = Vec::new();
        octets.extend(0xa1b2_c3d4_u32.to_le_bytes());
        octets.extend([2, 0, 4, 0]);
        octets.extend([0; 8]);
        octets.extend(65_535_u32.to_le_bytes());
        octets.extend(WIRESHARK_UPPER_PDU.to_le_bytes());
        Self { octets }
    }

    /// Adds a PDU behind its tags, each a number and a value of a multiple of 4 octets.
    pub(crate) fn add(&mut self, tags: &[(u16, &[u8])], pdu: &[u8]) {
        let mut packet = Vec::new();
        for (tag, value) in tags {
            packet.extend(tag.to_be_bytes());
            packet.extend((value.len() as u16).to_be_bytes());
            packet.extend(*value);
        }
        packet.extend([0; 4]);
        packet.extend(pdu);
        self.octets.extend([0; 8]);
        self.octets.extend((packet.len() as u32).to_le_bytes().repeat(2));
        self.octets.extend(packet);
    }
}

/// Exported PDUs: the name of the protocol, filled up with zeros.
pub(crate) const TAG_PROTOCOL_NAME: u16 = 12;
