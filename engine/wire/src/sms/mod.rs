//! The SMS codec: 3GPP TS 23.040 transfer protocol data units and TS 23.038 alphabets, both ways.
//!
//! It takes and gives octets. It does no I/O, reads no clock, and on the encoding path allocates
//! nothing: segments and TPDUs are written into the caller's buffers. Decoding never panics and
//! never reads past the end; values that the standard reserves are kept as they came.

pub mod address;
pub mod alphabet;
pub mod coding_scheme;
pub mod describe;
pub mod error;
pub mod header;
pub mod limits;
pub mod protocol_identifier;
pub mod reassemble;
pub mod relay;
pub mod segment;
pub mod septets;
pub mod status;
pub mod time;
pub mod tpdu;
pub mod user_data;
