//! Lists of recipients: a file in, a version out.
//!
//! The way in: [`encoding`] makes UTF-8 of what comes, `records` cuts it into records and numbers
//! the lines, [`reader`] makes rows of them by two ways that agree (one for the canonical form, one
//! for all the rest), `pieces` sorts them in bounded memory, `writer` writes a version, and
//! [`view`] reads it. [`account`] says what became of every line.

pub mod account;
mod attributes;
pub mod columns;
pub mod delta;
pub mod encoding;
mod format;
pub mod import;
mod json_line;
pub mod number;
mod order;
mod pieces;
pub mod reader;
mod records;
pub mod refused;
pub mod view;
mod writer;

pub(super) use pieces::nameless;

#[cfg(test)]
mod tests;
