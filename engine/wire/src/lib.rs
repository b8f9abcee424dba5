//! The words, the SMS codec and both sides of the push interface: octets to values and back.
//!
//! What a push client and the engine have in common, and all that the load generator needs of the
//! engine; and the warnings that other systems send ([`cap`]).
//!
//! **Never here:** sockets, clocks, threads, files, or a decision about a push.
//!
//! # A push, written and read
//!
//! ```
//! use wire::push::client::{PushContent, PushFields, write_push};
//! use wire::push::scan::{Request, scan};
//! use wire::terms::ids::{Class, Msn, Xpid};
//!
//! let xpid = Xpid::parse(b"00100000001").expect("eleven digits");
//! let msn = Msn::parse(b"09012345678").expect("eleven digits");
//! let text = PushContent::Text("The river is rising.");
//! let mut push = PushFields::new(xpid, msn, b"order.1", text);
//! push.class = Class::Emergency;
//!
//! let mut body = Vec::new();
//! write_push(&mut body, &push);
//!
//! let Ok(Request::Push(read)) = scan(&body) else { panic!("what was written is read") };
//! assert_eq!((read.msn, read.class, read.lifetime_hours), (msn, Class::Emergency, 1));
//! ```
//!
//! # How many SMS a text becomes
//!
//! ```
//! use wire::sms::segment::{Content, PlanOptions, plan};
//!
//! let options = PlanOptions::default();
//! let segments = |text: &str| plan(Content::Text(text), &options).map(|plan| plan.segments());
//! assert_eq!(segments(&"a".repeat(160)), Ok(1)); // GSM 7-bit: 160 septets, or 153 behind a header
//! assert_eq!(segments(&"a".repeat(161)), Ok(2));
//! assert_eq!(segments(&"避難".repeat(35)), Ok(1)); // UCS-2: 70 characters, or 67 behind a header
//! assert_eq!(segments(&"避難".repeat(36)), Ok(2));
//! assert!(segments(&"a".repeat(1531)).is_err()); // ten segments are the most
//! ```

// What both programs share says of each public item what it takes and gives.
#![warn(missing_docs)]

pub mod cap;
pub mod http;
pub mod json;
pub mod push;
pub mod smpp;
pub mod sms;
pub mod submission;
pub mod terms;
