//! Who may bind, and stay bound.
//!
//! Where a bind comes from, by which certificate, in which way and when is looked at before its
//! password, and looks the same whatever the password is: whoever may not bind learns nothing of
//! it, and costs no check of one.
//!
//! Never here: a password; the thread of `binding` checks those.

use super::placed::Applicant;
use crate::gateway::certificate::CertificateDigest;
use crate::gateway::registry::Registered;
use crate::gateway::smpp::{PasswordDigest, SmppAccount};
use crate::io::now::Now;
use crate::io::parts::Parts;
use std::net::IpAddr;
use wire::smpp::pdu::BindKind;
use wire::smpp::status::Status;
use wire::terms::ids::Xpid;

/// What a connection has proved: where it comes from, and its certificate.
pub(super) type Proved = (Option<IpAddr>, Option<CertificateDigest>);

/// The account of whoever wants to bind, if it is there still.
pub(super) fn account_of(
    parts: &Parts,
    applicant: Applicant,
) -> Option<(&Registered, &SmppAccount)> {
    let registered = parts.registry().find(applicant.xpid)?;
    Some((registered, registered.registration.smpp.as_ref()?))
}

/// Whether one who has its password may bind so: from there, with that certificate, in that way and
/// now.
pub(super) fn may_bind(
    (registered, account): (&Registered, &SmppAccount),
    kind: BindKind,
    (source, certificate): Proved,
    now: Now,
) -> bool {
    let registration = &registered.registration;
    source.is_some_and(|source| registration.may_come_from(source))
        && registration.takes_certificate(certificate)
        && account.kinds.contains(kind)
        && registration.is_in_force(now.wall_ms)
}

/// Whether a customer whose password is right may bind; takes its seat. What was so when it asked
/// may have changed while its password was looked at.
pub(super) fn judge(
    parts: &Parts,
    applicant: Applicant,
    proved: Proved,
    by: &PasswordDigest,
    now: Now,
) -> Result<(), Status> {
    let its = account_of(parts, applicant).ok_or(Status::INVALID_SYSTEM_ID)?;
    let (registered, account) = its;
    if !account.passwords.contains(by) {
        return Err(Status::INVALID_PASSWORD);
    }
    if !may_bind(its, applicant.kind, proved, now) {
        return Err(Status::BIND_FAILED);
    }
    if registered.seats.take(account.binds_max) { Ok(()) } else { Err(Status::ALREADY_BOUND) }
}

/// Whether who has bound still has an account, and might bind so now: by that password, from
/// there, with that certificate and in that way. Its term may have ended: pushes are refused then.
pub(super) fn may_stay(
    parts: &Parts,
    (xpid, kind, by): (Xpid, BindKind, &PasswordDigest),
    (source, certificate): Proved,
) -> bool {
    let Some(registered) = parts.registry().find(xpid) else { return false };
    let registration = &registered.registration;
    registration.smpp.as_ref().is_some_and(|account| {
        account.passwords.contains(by)
            && account.kinds.contains(kind)
            && source.is_some_and(|source| registration.may_come_from(source))
            && registration.takes_certificate(certificate)
    })
}
