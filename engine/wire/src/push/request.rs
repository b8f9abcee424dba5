//! What an answer repeats of its request.

use crate::terms::ids::{Msn, Reqid, Xpid};

/// The first `msn`, `reqid` and `svcid` of a refused body, as far as the body could be walked and
/// as far as each is a legal value; an empty slice otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Echo<'a> {
    /// 11 digits or empty.
    pub msn: &'a [u8],
    /// 1 to 23 octets of type A or empty.
    pub reqid: &'a [u8],
    /// 11 digits or empty.
    pub svcid: &'a [u8],
}

impl Echo<'_> {
    /// The msn, if one was recognised.
    pub fn msn(&self) -> Option<Msn> {
        Msn::parse(self.msn)
    }

    /// The reqid, if one was recognised.
    pub fn reqid(&self) -> Option<Reqid> {
        Reqid::parse(self.reqid)
    }

    /// The XPID, if one was recognised.
    pub fn xpid(&self) -> Option<Xpid> {
        Xpid::parse(self.svcid)
    }
}
