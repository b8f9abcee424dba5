//! Who may bind: what became of passwords that were checked beside the thread, and binds that are
//! refused when their second is over.

use super::Customers;
use super::binding::Verdict;
use super::desk::{Refusal, put_refusal};
use super::placed::Applicant;
use super::rights::{account_of, judge};
use super::tracer_of;
use crate::gateway::smpp::PasswordDigest;
use crate::io::limits::BIND_REFUSED_AFTER_MS;
use crate::io::mesh::Mesh;
use crate::io::now::Now;
use crate::io::parts::Parts;
use wire::smpp::status::Status;

impl Customers {
    /// Lets in, or has refused, those whose passwords were checked.
    pub(super) fn take_verdicts(&mut self, parts: &mut Parts, mesh: &mut Mesh, now: Now) -> bool {
        let mut busy = false;
        while let Some(doorman) = &self.means.doorman
            && let Some(verdict) = doorman.next_verdict()
        {
            busy = true;
            self.take_verdict(verdict, parts, mesh, now);
        }
        busy
    }

    fn take_verdict(&mut self, verdict: Verdict, parts: &Parts, mesh: &mut Mesh, now: Now) {
        let Verdict { session: name, by } = verdict;
        let (index, generation) = name;
        let Some(doorman) = &self.means.doorman else { return };
        let Some(link) = self.sessions.of_generation(index, generation) else { return };
        let Some(applicant) = link.session.applicant.take() else { return };
        let since_ms = applicant.since_ms;
        let source = link.session.source;
        let proved = (source, link.session.certificate);
        let found = by.ok_or(Status::INVALID_PASSWORD).and_then(|by| {
            let judged = judge(parts, applicant, proved, &by, now);
            if judged == Err(Status::BIND_FAILED) {
                doorman.note_failed(source);
            }
            judged.map(|()| by)
        });
        match found {
            Ok(by) => self.admit(index, (applicant, by), parts, mesh, now),
            Err(status) => {
                let refusal = Refusal { session: name, status, since_ms };
                put_refusal(&mut self.means.refusals, refusal);
            }
        }
    }

    fn admit(
        &mut self,
        index: u32,
        (applicant, by): (Applicant, PasswordDigest),
        parts: &Parts,
        mesh: &mut Mesh,
        now: Now,
    ) {
        let Some((registered, account)) = account_of(parts, applicant) else { return };
        let Some(link) = self.sessions.get_mut(index) else { return };
        link.session.tracer = tracer_of(self.trace.as_ref(), index, applicant.xpid);
        link.session.admit((registered, account), applicant.kind, by, now.steady_ms);
        self.means.doorman.iter().for_each(|doorman| doorman.note_bound(link.session.source));
        self.means.counts.binds += 1;
        let (xpid, kind) = (applicant.xpid, applicant.kind);
        tracing::info!(%xpid, ?kind, "a customer has bound");
        if let Some(member) = &link.session.member
            && member.receives()
        {
            self.receipts.session_bound(index, member, &registered.seats, mesh);
        }
        self.count_bound(index);
        self.sessions.touch(index);
    }

    /// Answers binds that are refused, each when its second is over.
    pub(super) fn refuse_due(&mut self, now: Now) -> bool {
        // No more than there are connections that have not bound.
        let is_due =
            |refusal: &mut Refusal| now.steady_ms >= refusal.since_ms + BIND_REFUSED_AFTER_MS;
        let due: Vec<Refusal> = self.means.refusals.extract_if(.., is_due).collect();
        let busy = !due.is_empty();
        for Refusal { session: (index, generation), status, .. } in due {
            self.means.counts.bind_refusals += 1;
            if let Some(link) = self.sessions.of_generation(index, generation) {
                let source = link.session.source.map(|source| source.to_string());
                tracing::warn!(source, %status, "a bind was refused");
                link.session.answer_bind(status, now.steady_ms);
                self.sessions.touch(index);
            }
        }
        busy
    }
}
