//! The numbers by which a message's fate is told: TP-Status (3GPP TS 23.040, 9.2.3.15),
//! TP-Failure-Cause (9.2.3.22) and TP-Command-Type (9.2.3.19). All values are kept; reserved ones
//! say so.

/// TP-Status (TS 23.040, 9.2.3.15), any value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Status(pub u8);

/// What a status means for the message; numbers are hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StatusClass {
    /// 00 to 1F: the transaction is completed.
    Completed,
    /// 20 to 3F: a temporary error; the service centre is still trying.
    StillTrying,
    /// 40 to 5F: a permanent error; the service centre is not trying any more.
    Permanent,
    /// 60 to 7F: a temporary error; the service centre is not trying any more.
    GaveUp,
    /// 80 to FF: reserved, to be read as "service rejected".
    Reserved,
}

impl Status {
    /// The message was received by the recipient.
    pub const RECEIVED: Self = Self(0x00);
    /// The validity period expired.
    pub const EXPIRED: Self = Self(0x46);
    /// Deleted by the originator.
    pub const DELETED_BY_ORIGINATOR: Self = Self(0x47);
    /// Deleted by the service centre's administration.
    pub const DELETED_BY_SERVICE_CENTRE: Self = Self(0x48);
    /// Service rejected, gave up: what reserved values are read as.
    pub const SERVICE_REJECTED: Self = Self(0x63);

    /// The class by the value's own bits.
    //= TS 23.040 9.2.3.15 kinds
    pub const fn class(self) -> StatusClass {
        match self.0 {
            0x00..=0x1f => StatusClass::Completed,
            0x20..=0x3f => StatusClass::StillTrying,
            0x40..=0x5f => StatusClass::Permanent,
            0x60..=0x7f => StatusClass::GaveUp,
            _ => StatusClass::Reserved,
        }
    }

    /// Whether the standard leaves the value open.
    pub const fn is_reserved(self) -> bool {
        matches!(self.0, 0x03..=0x0f | 0x26..=0x2f | 0x4a..=0x4f | 0x66..=0x6f | 0x80..)
    }

    /// The value to act on: reserved ones count as "service rejected" (9.2.3.15).
    pub const fn interpreted(self) -> Self {
        //= TS 23.040 9.2.3.15 reserved
        if self.is_reserved() { Self::SERVICE_REJECTED } else { self }
    }

    /// One phrase for people.
    pub const fn meaning(self) -> &'static str {
        match self.0 {
            0x00 => "short message received by the SME",
            0x01 => "forwarded by the SC to the SME, delivery not confirmed",
            0x02 => "short message replaced by the SC",
            0x10..=0x1f => "completed, value specific to the SC",
            0x20 => "congestion, still trying",
            0x21 => "SME busy, still trying",
            0x22 => "no response from SME, still trying",
            0x23 => "service rejected, still trying",
            0x24 => "quality of service not available, still trying",
            0x25 => "error in SME, still trying",
            0x30..=0x3f => "temporary error, still trying, value specific to the SC",
            0x40 => "remote procedure error",
            0x41 => "incompatible destination",
            0x42 => "connection rejected by SME",
            0x43 => "not obtainable",
            0x44 => "quality of service not available",
            0x45 => "no interworking available",
            0x46 => "SM validity period expired",
            0x47 => "SM deleted by originating SME",
            0x48 => "SM deleted by SC administration",
            0x49 => "SM does not exist",
            0x50..=0x5f => "permanent error, value specific to the SC",
            0x60 => "congestion, gave up",
            0x61 => "SME busy, gave up",
            0x62 => "no response from SME, gave up",
            0x63 => "service rejected, gave up",
            0x64 => "quality of service not available, gave up",
            0x65 => "error in SME, gave up",
            0x70..=0x7f => "temporary error, gave up, value specific to the SC",
            _ => "reserved, read as service rejected",
        }
    }
}

/// TP-Failure-Cause (TS 23.040, 9.2.3.22), any value; only reports in an RP-ERROR carry one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FailureCause(pub u8);

impl FailureCause {
    /// The bit by which a failure cause is told from a parameter indicator.
    pub const MARK: u8 = 0x80;
    /// The message center holds a message with the same reference, originator and destination
    /// already.
    pub const DUPLICATE: Self = Self(0xc5);
    /// The terminal's memory is full.
    pub const MEMORY_CAPACITY_EXCEEDED: Self = Self(0xd3);
    /// No reason that the standard names.
    pub const UNSPECIFIED: Self = Self(0xff);

    /// Whether the standard leaves the value open.
    pub const fn is_reserved(self) -> bool {
        matches!(
            self.0,
            0x00..=0x7f
                | 0x83..=0x8e
                | 0x92..=0x9e
                | 0xa2..=0xae
                | 0xb1..=0xbf
                | 0xc8..=0xcf
                | 0xd6..=0xdf
        )
    }

    /// The value to act on: reserved ones count as an unspecified error cause (9.2.3.22).
    pub const fn interpreted(self) -> Self {
        //= TS 23.040 9.2.3.22 reserved
        if self.is_reserved() { Self::UNSPECIFIED } else { self }
    }

    /// One phrase for people.
    pub const fn meaning(self) -> &'static str {
        match self.0 {
            0x80 => "telematic interworking not supported",
            0x81 => "short message type 0 not supported",
            0x82 => "cannot replace short message",
            0x8f => "unspecified TP-PID error",
            0x90 => "data coding scheme (alphabet) not supported",
            0x91 => "message class not supported",
            0x9f => "unspecified TP-DCS error",
            0xa0 => "command cannot be actioned",
            0xa1 => "command unsupported",
            0xaf => "unspecified TP-command error",
            0xb0 => "TPDU not supported",
            0xc0 => "SC busy",
            0xc1 => "no SC subscription",
            0xc2 => "SC system failure",
            0xc3 => "invalid SME address",
            0xc4 => "destination SME barred",
            0xc5 => "SM rejected, duplicate SM",
            0xc6 => "TP-VPF not supported",
            0xc7 => "TP-VP not supported",
            0xd0 => "(U)SIM SMS storage full",
            0xd1 => "no SMS storage capability in (U)SIM",
            0xd2 => "error in MS",
            0xd3 => "memory capacity exceeded",
            0xd4 => "(U)SIM application toolkit busy",
            0xd5 => "(U)SIM data download error",
            0xe0..=0xfe => "value specific to an application",
            0xff => "unspecified error cause",
            _ => "reserved, read as unspecified error cause",
        }
    }
}

/// TP-Command-Type (TS 23.040, 9.2.3.19), any value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct CommandType(pub u8);

impl CommandType {
    /// Enquiry relating to a previously submitted message.
    pub const ENQUIRY: Self = Self(0x00);
    /// Cancel the status report request of a previously submitted message.
    pub const CANCEL_STATUS_REPORT: Self = Self(0x01);
    /// Delete a previously submitted message.
    pub const DELETE: Self = Self(0x02);
    /// Enable the status report request of a previously submitted message.
    pub const ENABLE_STATUS_REPORT: Self = Self(0x03);

    /// One phrase for people.
    pub const fn meaning(self) -> &'static str {
        match self.0 {
            0x00 => "enquiry relating to previously submitted short message",
            0x01 => "cancel status report request",
            0x02 => "delete previously submitted short message",
            0x03 => "enable status report request",
            0xe0.. => "value specific to each SC",
            _ => "reserved",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TS 23.040 9.2.3.15 kinds
    #[test]
    fn twenty_to_twenty_five_are_temporary_and_still_trying() {
        assert_eq!(Status(0x20).class(), StatusClass::StillTrying);
        assert_eq!(Status(0x45).class(), StatusClass::Permanent);
        assert_eq!(Status(0x60).class(), StatusClass::GaveUp);
        assert_eq!(Status(0x1f).class(), StatusClass::Completed);
    }

    //= TS 23.040 9.2.3.22 reserved
    #[test]
    fn reserved_failure_causes_are_kept_and_read_as_unspecified() {
        for octet in 0..=255 {
            let cause = FailureCause(octet);
            assert_eq!(cause.is_reserved(), cause.meaning().starts_with("reserved"), "{octet:02X}");
            assert_eq!(cause.interpreted() == cause, !cause.is_reserved(), "{octet:02X}");
        }
        assert_eq!(FailureCause(0xc9).interpreted(), FailureCause::UNSPECIFIED);
    }

    //= TS 23.040 9.2.3.15 reserved
    #[test]
    fn reserved_statuses_are_kept_and_read_as_service_rejected() {
        for octet in 0..=255 {
            let status = Status(octet);
            assert_eq!(
                status.is_reserved(),
                status.meaning().starts_with("reserved"),
                "{octet:02X}"
            );
            assert_eq!(status.interpreted() == status, !status.is_reserved(), "{octet:02X}");
        }
    }
}
