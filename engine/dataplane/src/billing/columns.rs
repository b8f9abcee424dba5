//! Which column a final state falls in: the table.

use super::event::Event;

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

/// The message center's numbers of final states, which stand in bills and never change, and the
/// column of each where its code is 0000.
const STATES: [(u8, Column); 7] = [
    (4, Column::Delivered),
    (5, Column::Partial),
    (6, Column::Refused),
    (7, Column::Failed),
    (8, Column::Expired),
    (9, Column::Cancelled),
    (10, Column::Replaced),
];

/// The column of an end. 0000 alone does not say that anything arrived: books of earlier programs
/// have rows of broadcasts that were withdrawn under it, and none of their segments as taken back.
pub fn column_of_end(event: &Event) -> Column {
    let by_code = column_of(event.code, event.withdrawn);
    let by_state = STATES.iter().find(|(state, _)| *state == event.state);
    match (by_code, by_state) {
        (Column::Delivered, Some((_, column))) => *column,
        _ => by_code,
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::EventKind;
    use super::*;
    use crate::smsc::state::State;
    use wire::terms::code::Code;
    use wire::terms::time::WallMs;

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
    fn nothing_counts_as_delivered_under_0000_whose_state_says_otherwise() {
        let end = |state: u8| Event {
            kind: EventKind::FinalMany,
            push_id: 1,
            at_ms: WallMs::ZERO,
            accepted_ms: WallMs::ZERO,
            msn: 0,
            xpid: 7,
            code: 0,
            class: 1,
            push_kind: 1,
            state,
            segments: 2,
            delivered: 0,
            withdrawn: 0,
            domain: 0,
            shard: 0,
            count: 20,
        };
        let column = |state: State| column_of_end(&end(state.number()));
        for (state, expected) in [
            (State::Delivered, Column::Delivered),
            (State::Partial, Column::Partial),
            (State::Refused, Column::Refused),
            (State::Failed, Column::Failed),
            (State::Expired, Column::Expired),
            (State::Cancelled, Column::Cancelled),
            (State::Replaced, Column::Replaced),
        ] {
            assert_eq!(column(state), expected, "{state:?}");
        }
        let in_part = Event { code: Code::CANCELLED_IN_PART.number(), ..end(9) };
        assert_eq!(column_of_end(&in_part), Column::Cancelled, "otherwise the code counts");
        let busy = Event { code: Code::EXPIRED_BUSY.number(), ..end(7) };
        assert_eq!(column_of_end(&busy), Column::Expired);
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
