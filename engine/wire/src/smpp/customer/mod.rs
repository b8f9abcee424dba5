//! What a customer's PDUs say of pushes, and what a customer is told: submit_sm as a
//! [`Submission`](crate::submission::Submission), result codes as statuses, ends as receipts.
//!
//! **Never here:** a session, a registration, a clock. **Invariant:** a submission borrows from the
//! PDU or from the caller's [`Room`]; making one allocates nothing once the room has grown.

mod outcome;
mod receipt;
mod submit;
#[cfg(test)]
mod tests;

pub use outcome::{error_of, query_error, state_of, status_of};
pub use receipt::{RECEIPT_OCTETS_MAX, Repeated, Sender, Told, write_receipt};
pub use submit::{LIFETIME_HOURS_DEFAULT, Room, Terms, message_of, submission};
