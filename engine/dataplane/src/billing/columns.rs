//! Which column a final state falls in: the table.

/// The column of a finished push.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Column {
    /// Every segment arrived.
    Delivered,
    /// Some segments arrived, the rest failed.
    Partial,
    /// The line's state forbade it and the XPID's service instruction values did not override that.
    Refused,
    /// The lifetime ran out while the push was held.
    Expired,
    /// The network or the terminal refused it for good.
    Failed,
    /// Withdrawn, wholly or in part, by the client or the operator.
    Cancelled,
    /// A higher `alertseq` took its place.
    Replaced,
}

impl Column {
    /// Every column, in the order of the report.
    pub const ALL: [Self; 7] = [
        Self::Delivered,
        Self::Partial,
        Self::Refused,
        Self::Expired,
        Self::Failed,
        Self::Cancelled,
        Self::Replaced,
    ];

    /// The column's head in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Partial => "partial",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Replaced => "replaced",
        }
    }
}

/// First and last code, and the column. 0000 is told apart by what was withdrawn: see
/// [`column_of`].
///
/// 5004 is reached when the lifetime ends, yet what kept the push back all the time was the line's
/// state against the XPID's service instruction values, so it stands with the other refusals. 6008
/// is reached the same way with the network busy or failing: the lifetime ended it. What no row
/// names (9001, say) failed.
const COLUMNS: &[(u16, u16, Column)] = &[
    (0, 0, Column::Delivered),
    (11, 11, Column::Replaced),
    (12, 12, Column::Cancelled),
    (5001, 5005, Column::Refused),
    (6001, 6001, Column::Expired),
    (6002, 6005, Column::Failed),
    (6006, 6008, Column::Expired),
    (6009, 6009, Column::Failed),
    (6010, 6010, Column::Cancelled),
    (6011, 6011, Column::Partial),
    (6012, 6013, Column::Failed),
];

/// The column of a push that ended with `code`, `withdrawn` of its segments taken back: 0000 means
/// delivered when none were, cancelled otherwise.
pub fn column_of(code: u16, withdrawn: u8) -> Column {
    if code == 0 && withdrawn > 0 {
        return Column::Cancelled;
    }
    let row = COLUMNS.iter().find(|(first, last, _)| (*first..=*last).contains(&code));
    row.map_or(Column::Failed, |(_, _, column)| *column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::terms::code::Code;

    #[test]
    fn every_code_that_can_end_a_push_has_the_column_the_service_description_gives_it() {
        let expected = [
            (Code::ACCEPTED, Column::Delivered),
            (Code::REPLACED, Column::Replaced),
            (Code::CANCELLED_IN_PART, Column::Cancelled),
            (Code::LINE_SUSPENDED, Column::Refused),
            (Code::SPAM_BLOCK, Column::Refused),
            (Code::USAGE_LIMIT, Column::Refused),
            (Code::PACKET_ROAMING_OUT, Column::Refused),
            (Code::INTERNATIONAL_ROAMING, Column::Refused),
            (Code::EXPIRED, Column::Expired),
            (Code::UNKNOWN_SUBSCRIBER, Column::Failed),
            (Code::BARRED, Column::Failed),
            (Code::ILLEGAL, Column::Failed),
            (Code::PROTOCOL_ERROR, Column::Failed),
            (Code::EXPIRED_ABSENT, Column::Expired),
            (Code::EXPIRED_MEMORY_FULL, Column::Expired),
            (Code::EXPIRED_BUSY, Column::Expired),
            (Code::SINGLE_TRY_FAILED, Column::Failed),
            (Code::WITHDRAWN_BY_OPERATOR, Column::Cancelled),
            (Code::PARTIAL, Column::Partial),
            (Code::CARRIER_FAILED, Column::Failed),
            (Code::NO_RECEIPT, Column::Failed),
            (Code::INTERNAL, Column::Failed),
        ];
        for (code, column) in expected {
            assert_eq!(column_of(code.number(), 0), column, "{code:?}");
        }
        let of_notifications =
            Code::ALL.iter().filter(|code| code.http_status() == 0 && **code != Code::PARKED);
        for code in of_notifications {
            assert!(
                expected.iter().any(|(known, _)| known == code),
                "{code:?} is not in this test's table"
            );
        }
    }

    #[test]
    fn a_wholly_withdrawn_push_is_cancelled_though_its_code_is_0000() {
        assert_eq!(column_of(0, 3), Column::Cancelled);
        assert_eq!(column_of(0, 0), Column::Delivered);
    }

    #[test]
    fn no_code_stands_in_two_rows() {
        for code in 0..10_000 {
            let rows =
                COLUMNS.iter().filter(|(first, last, _)| (*first..=*last).contains(&code)).count();
            assert!(rows <= 1, "{code}");
        }
    }
}
