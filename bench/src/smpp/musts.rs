//! What SMPP has to reach, beside what it reached.

use super::Figures;
use serde::Serialize;

/// One figure and its bound.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Must {
    /// What.
    pub what: &'static str,
    /// What it reached.
    pub seen: f64,
    /// What it has to.
    pub bound: f64,
    /// Whether it is to be at most that, and not at least.
    pub is_most: bool,
}

impl Must {
    fn least(what: &'static str, seen: f64, bound: f64) -> Self {
        Self { what, seen, bound, is_most: false }
    }

    fn most(what: &'static str, seen: f64, bound: f64) -> Self {
        Self { is_most: true, ..Self::least(what, seen, bound) }
    }

    /// Whether it reached it.
    pub fn is_kept(&self) -> bool {
        if self.is_most { self.seen <= self.bound } else { self.seen >= self.bound }
    }

    /// The line that a script reads.
    pub(super) fn line(&self) -> String {
        format!(
            "must {:<44}{:>12.2}   {} {:<10.2}{}",
            self.what,
            self.seen,
            if self.is_most { "≤" } else { "≥" },
            self.bound,
            if self.is_kept() { "kept" } else { "MISSED" }
        )
    }
}

/// Every figure that has a bound and was measured.
pub(super) fn of(figures: &Figures) -> Vec<Must> {
    let mut musts = Vec::new();
    let bounds = [
        ("submit_sm written", "submit_sm written, ns", 20.0),
        ("submit_sm_resp read", "submit_sm_resp read, ns", 10.0),
        ("receipt with text read", "receipt with text read, ns", 120.0),
    ];
    for (piece, what, bound) in bounds {
        let found = figures.memory.iter().find(|one| one.piece == piece);
        musts.extend(found.map(|one| Must::most(what, one.ns.median, bound)));
    }
    if let Some(beside) = &figures.beside {
        musts.push(Must::least("rate at perf_smsc over perf_esme's", beside.ratio.median, 0.9));
    }
    if let Some(whole) = &figures.whole {
        let (rate, cpu) = (whole.engine_per_s.median, whole.engine_us.median);
        musts.push(Must::least("pushes/s from HTTP to receipt, power", rate, 20_000.0));
        musts.push(Must::most("engine CPU a push, µs", cpu, 8.0));
        if whole.kannel.is_some() {
            musts.push(Must::least("the same over Kannel's", whole.ratio.median, 8.0));
        }
    }
    if let Some(customers) = &figures.customers {
        // Either will do.
        let (rate, ratio) = (customers.smpp_per_s.median, customers.ratio.median);
        musts.push(if rate >= 100_000.0 {
            Must::least("customers' durable submit_sm/s", rate, 100_000.0)
        } else {
            Must::least("customers' rate over that of HTTP", ratio, 0.7)
        });
    }
    if let Some(rate) = &figures.rate {
        musts.push(Must::least("share used of a limit of 100/s", rate.used, 0.95));
        musts.push(Must::most("share throttled of it", rate.throttled, 0.01));
    }
    musts
}

/// Those that were missed, in one sentence.
pub(super) fn missed(musts: &[Must]) -> Option<String> {
    let missed: Vec<&str> =
        musts.iter().filter(|must| !must.is_kept()).map(|must| must.what).collect();
    (!missed.is_empty())
        .then(|| format!("SMPP misses what it has to reach: {}.", missed.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_beyond_its_bound_is_named() {
        let musts = [Must::least("a rate", 3.0, 2.0), Must::most("a time", 3.0, 2.0)];
        assert!(musts[0].is_kept() && !musts[1].is_kept());
        let sentence = missed(&musts).expect("one is missed");
        assert!(sentence.contains("a time") && !sentence.contains("a rate"));
        assert!(musts[0].line().ends_with("kept") && musts[1].line().ends_with("MISSED"));
        assert_eq!(missed(&musts[..1]), None);
    }
}
