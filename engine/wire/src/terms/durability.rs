//! What the answer `0000` promises.

/// When an answer may leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// After a sync to the device that covers the record: survives a power cut.
    Power,
    /// As soon as the record is written to its file: survives the death of the process.
    Process,
}
