//! The balance of a ledger and its verdict line.

/// The balance of a ledger. Its text is the verdict line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Tally {
    /// Pushes sent at least once.
    pub attempted: u64,
    /// Pushes answered 0000 or 0001.
    pub accepted: u64,
    /// Pushes whose final answer was another code.
    pub refused: u64,
    /// Pushes sent without a final answer.
    pub unanswered: u64,
    /// Pushes notified with 0000.
    pub delivered: u64,
    /// Pushes with at least one notification.
    pub notified: u64,
    /// Pushes whose answer was HTTP without a push response: whether they were accepted, nobody
    /// said.
    pub http_errors: u64,
    /// Pushes accepted and never notified; `None` where no notification was asked for, or the run
    /// was cut short and nobody waited for them.
    pub lost: Option<u64>,
    /// Pushes accepted and not notified when the run was cut short.
    pub not_awaited: u64,
    /// Surplus notifications: of another ntfid or code than the push's first.
    pub duplicated: u64,
    /// Notifications for pushes refused, never sent or not of this run.
    pub unexpected: u64,
    /// Notifications that came again with the same ntfid and code: allowed.
    pub resent: u64,
    /// Answers 0001: pushes that were accepted before a lost connection.
    pub repeated: u64,
    /// Pushes notified although their answer was lost.
    pub recovered: u64,
    /// Pushes that a cancel withdrew before they were delivered.
    pub withdrawn: u64,
    /// Repeats, cancels and bad requests sent.
    pub other_requests: u64,
    /// Of those, the ones whose answer was another than the one they must get.
    pub wrongly_answered: u64,
    /// Pushes answered 0000 more than once.
    pub accepted_twice: u64,
    /// Pushes that an SMSC took twice, by their receipts: they had no answer and were submitted
    /// again.
    pub taken_twice: u64,
}

impl Tally {
    /// Whether every request was answered as it must be, every push accepted was notified once, and
    /// nothing else was.
    pub fn is_clean(&self) -> bool {
        self.lost.unwrap_or(0) == 0
            && self.http_errors == 0
            && self.duplicated == 0
            && self.unexpected == 0
            && self.unanswered == 0
            && self.wrongly_answered == 0
            && self.accepted_twice == 0
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "attempted {} · accepted {}", self.attempted, self.accepted)?;
        if self.http_errors > 0 {
            write!(formatter, " · HTTP errors {}", self.http_errors)?;
        }
        let (delivered, notified) = (self.delivered, self.notified);
        match self.lost {
            Some(lost) => {
                write!(formatter, " · delivered {delivered} · notified {notified} · lost {lost}")?
            }
            None if self.not_awaited + notified > 0 => write!(
                formatter,
                " · delivered {delivered} · notified {notified} · not awaited {}",
                self.not_awaited
            )?,
            None => write!(formatter, " · no notification awaited")?,
        }
        if self.lost.is_some() || self.notified + self.duplicated + self.unexpected > 0 {
            write!(
                formatter,
                " · duplicated {} · unexpected {}",
                self.duplicated, self.unexpected
            )?;
        }
        if self.taken_twice > 0 {
            write!(formatter, " · taken twice {}", self.taken_twice)?;
        }
        if self.other_requests > 0 {
            let (others, wrong, twice) =
                (self.other_requests, self.wrongly_answered, self.accepted_twice);
            write!(
                formatter,
                " · other requests {others} · wrongly answered {wrong} · accepted twice {twice}"
            )?;
        }
        Ok(())
    }
}
