//! Customers that bind by SMPP and push there: binding, submit_sm as a push, receipts, queries and
//! cancels, bad input, restarts.

mod abuse;
mod binding;
mod lasting;
mod messages;
mod office;
mod receipts;
mod strangers;
