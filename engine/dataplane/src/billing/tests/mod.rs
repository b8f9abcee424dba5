//! Tests of billing as a whole.

mod books;
