//! That a push was accepted: all that delivering it and telling its client needs. It is archived
//! once and read often; `journal::accepted` takes values out of an archive.

use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

/// A push was accepted: all that delivering it and telling its client needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accepted<'a> {
    /// The push's number: the sequence of the first frame that carried this record.
    pub push_id: u64,
    /// Fingerprint of (XPID, msn, reqid).
    pub key_fingerprint: u64,
    /// Digest of every element that makes the content.
    pub content_digest: u64,
    /// The destination, without the leading 0.
    pub msn: u64,
    /// The contract.
    pub xpid: u64,
    /// When it was accepted, Unix milliseconds.
    pub accepted_ms: u64,
    /// When it expires, Unix milliseconds.
    pub expires_ms: u64,
    /// Fingerprint of (XPID, msn, alertid); 0 where there is no alert.
    pub alert_key_fingerprint: u64,
    /// Fingerprint of (XPID, alertid); 0 where there is no alert.
    pub alert_fingerprint: u64,
    /// The client's reqid, `reqid_length` octets of it.
    pub reqid: [u8; 23],
    /// 1 to 23.
    pub reqid_length: u8,
    /// The class's number.
    pub class: u8,
    /// The kind's number: 0 control, 1 text.
    pub kind: u8,
    /// Whether the client wants the push delivery complete notification.
    pub wants_notification: bool,
    /// Lifetime 00: one attempt.
    pub single_attempt: bool,
    /// Segments, 1 to 10.
    pub segments: u8,
    /// TP-MR of the first segment.
    pub message_reference: u8,
    /// Reference of the concatenation header.
    pub concatenation_reference: u8,
    /// The XPID's service instruction values at acceptance.
    pub svcinst: u8,
    /// Which of the XPID's senders.
    pub sender_index: u8,
    /// `alertseq`; 0 where there is no alert.
    pub alert_sequence: u8,
    /// The door that it came through and what was asked there, as `Door::bits` gives it; 0: HTTP.
    pub door: u32,
    /// The originating address as digits or letters.
    pub sender: &'a [u8],
    /// `alertid`; empty where there is no alert.
    pub alert_id: &'a [u8],
    /// The SMS-SUBMIT TPDUs, each behind one octet that says its length.
    pub submits: &'a [u8],
}

/// The body of an Accepted record: what [`Accepted`] says.
#[derive(Archive, Serialize)]
#[rkyv(archived = ArchivedAccepted, resolver = AcceptedResolver)]
pub struct AcceptedBody<'a> {
    /// See [`Accepted`].
    pub push_id: u64,
    /// See [`Accepted`].
    pub key_fingerprint: u64,
    /// See [`Accepted`].
    pub content_digest: u64,
    /// See [`Accepted`].
    pub msn: u64,
    /// See [`Accepted`].
    pub xpid: u64,
    /// See [`Accepted`].
    pub accepted_ms: u64,
    /// See [`Accepted`].
    pub expires_ms: u64,
    /// See [`Accepted`].
    pub alert_key_fingerprint: u64,
    /// See [`Accepted`].
    pub alert_fingerprint: u64,
    /// See [`Accepted`].
    pub door: u32,
    /// Zero: room for what a later version says of a push.
    pub reserved: [u32; 5],
    /// See [`Accepted`].
    pub reqid: [u8; 23],
    /// See [`Accepted`].
    pub reqid_length: u8,
    /// See [`Accepted`].
    pub class: u8,
    /// See [`Accepted`].
    pub kind: u8,
    /// See [`Accepted`].
    pub wants_notification: bool,
    /// See [`Accepted`].
    pub single_attempt: bool,
    /// See [`Accepted`].
    pub segments: u8,
    /// See [`Accepted`].
    pub message_reference: u8,
    /// See [`Accepted`].
    pub concatenation_reference: u8,
    /// See [`Accepted`].
    pub svcinst: u8,
    /// See [`Accepted`].
    pub sender_index: u8,
    /// See [`Accepted`].
    pub alert_sequence: u8,
    /// See [`Accepted`].
    #[rkyv(with = InlineAsBox)]
    pub sender: &'a [u8],
    /// See [`Accepted`].
    #[rkyv(with = InlineAsBox)]
    pub alert_id: &'a [u8],
    /// See [`Accepted`].
    #[rkyv(with = InlineAsBox)]
    pub submits: &'a [u8],
}

impl ArchivedAccepted<'_> {
    /// The client's reqid.
    pub fn reqid(&self) -> &[u8] {
        &self.reqid[..usize::from(self.reqid_length)]
    }

    /// The values.
    pub fn to_native(&self) -> Accepted<'_> {
        Accepted {
            push_id: self.push_id.to_native(),
            key_fingerprint: self.key_fingerprint.to_native(),
            content_digest: self.content_digest.to_native(),
            msn: self.msn.to_native(),
            xpid: self.xpid.to_native(),
            accepted_ms: self.accepted_ms.to_native(),
            expires_ms: self.expires_ms.to_native(),
            alert_key_fingerprint: self.alert_key_fingerprint.to_native(),
            alert_fingerprint: self.alert_fingerprint.to_native(),
            reqid: self.reqid,
            reqid_length: self.reqid_length,
            class: self.class,
            kind: self.kind,
            wants_notification: self.wants_notification,
            single_attempt: self.single_attempt,
            segments: self.segments,
            message_reference: self.message_reference,
            concatenation_reference: self.concatenation_reference,
            svcinst: self.svcinst,
            sender_index: self.sender_index,
            alert_sequence: self.alert_sequence,
            door: self.door.to_native(),
            sender: &self.sender,
            alert_id: &self.alert_id,
            submits: &self.submits,
        }
    }
}

impl<'a> Accepted<'a> {
    /// The body of the push's first record.
    pub(in crate::journal) fn body(&self) -> AcceptedBody<'a> {
        AcceptedBody {
            door: self.door,
            reserved: [0; 5],
            push_id: self.push_id,
            key_fingerprint: self.key_fingerprint,
            content_digest: self.content_digest,
            msn: self.msn,
            xpid: self.xpid,
            accepted_ms: self.accepted_ms,
            expires_ms: self.expires_ms,
            alert_key_fingerprint: self.alert_key_fingerprint,
            alert_fingerprint: self.alert_fingerprint,
            reqid: self.reqid,
            reqid_length: self.reqid_length,
            class: self.class,
            kind: self.kind,
            wants_notification: self.wants_notification,
            single_attempt: self.single_attempt,
            segments: self.segments,
            message_reference: self.message_reference,
            concatenation_reference: self.concatenation_reference,
            svcinst: self.svcinst,
            sender_index: self.sender_index,
            alert_sequence: self.alert_sequence,
            sender: self.sender,
            alert_id: self.alert_id,
            submits: self.submits,
        }
    }
}
