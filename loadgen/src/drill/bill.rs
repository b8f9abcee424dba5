//! Reading the engine's daily bill and comparing it with the ledger.

use super::DrillError;
use crate::format::grouped;
use crate::ledger::Tally;
use crate::summary::BillingFigures;

/// Names that the column of the XPID may have.
const XPID_COLUMNS: [&str; 2] = ["xpid", "svcid"];

/// Adds up the rows of `xpid` in a daily bill; the header names the columns.
pub(super) fn read(bill: &str, xpid: &str) -> Result<BillingFigures, DrillError> {
    let fault = |detail: String| DrillError::Bill { detail };
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).comment(Some(b'#')).from_reader(bill.as_bytes());
    let header = reader.headers().map_err(|error| fault(error.to_string()))?.clone();
    let column =
        |name: &str| header.iter().position(|column| column.trim().eq_ignore_ascii_case(name));
    let needed =
        |name: &str| column(name).ok_or_else(|| fault(format!("it has no column \"{name}\"")));
    let xpid_at = XPID_COLUMNS
        .iter()
        .find_map(|name| column(name))
        .ok_or_else(|| fault("it has no column \"xpid\"".into()))?;
    let (accepted_at, delivered_at, segments_at) =
        (needed("accepted")?, needed("delivered")?, column("segments"));
    let mut figures =
        BillingFigures { segments: segments_at.map(|_| 0), ..BillingFigures::default() };
    for row in reader.records() {
        let row = row.map_err(|error| fault(error.to_string()))?;
        if row.get(xpid_at).map(str::trim) != Some(xpid) {
            continue;
        }
        let number = |at: usize| {
            let cell = row.get(at).unwrap_or_default().trim();
            cell.parse::<u64>().map_err(|_| fault(format!("\"{cell}\" is not a count")))
        };
        figures.accepted += number(accepted_at)?;
        figures.delivered += number(delivered_at)?;
        if let (Some(sum), Some(at)) = (&mut figures.segments, segments_at) {
            *sum += number(at)?;
        }
    }
    Ok(figures)
}

/// What the bill and the ledger disagree about, one sentence each.
pub(super) fn differences(
    bill: &BillingFigures,
    ledger: &Tally,
    segments_delivered: u64,
) -> Vec<String> {
    let pairs = [
        ("accepted pushes", Some(bill.accepted), ledger.accepted),
        ("delivered pushes", Some(bill.delivered), ledger.delivered),
        ("segments", bill.segments, segments_delivered),
    ];
    let differing =
        pairs.into_iter().filter_map(|(what, billed, booked)| Some((what, billed?, booked)));
    differing
        .filter(|(_, billed, booked)| billed != booked)
        .map(|(what, billed, booked)| {
            format!("The bill has {} {what}, the ledger {}.", grouped(billed), grouped(booked))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BILL: &str = "day,xpid,accepted,delivered,refused,failed,segments\n\
        20261122,00100000001,5,4,1,0,7\n20261122,00100000002,9,9,0,0,9\n\
        20261122,00100000001,2,2,0,0,2\n";

    #[test]
    fn the_rows_of_one_xpid_are_added_up_by_the_names_in_the_header() {
        let figures = read(BILL, "00100000001").expect("a bill");
        assert_eq!(figures, BillingFigures { accepted: 7, delivered: 6, segments: Some(9) });
        let other_order = "Segments,SVCID,delivered,accepted\n3,00100000001,1,2\n";
        let figures = read(other_order, "00100000001").expect("a bill");
        assert_eq!(figures, BillingFigures { accepted: 2, delivered: 1, segments: Some(3) });
        assert_eq!(read(BILL, "00100000009").expect("a bill").accepted, 0);
    }

    #[test]
    fn a_bill_that_cannot_be_read_is_a_fault_that_says_why() {
        for (bill, why) in [
            ("", "xpid"),
            ("xpid,delivered\n", "accepted"),
            ("xpid,accepted,delivered\n00100000001,x,1\n", "\"x\" is not a count"),
        ] {
            let sentence = read(bill, "00100000001").expect_err(bill).to_string();
            assert!(sentence.contains(why), "{sentence}");
        }
    }

    #[test]
    fn each_difference_is_named() {
        let ledger = Tally { accepted: 7, delivered: 6, ..Tally::default() };
        let bill = read(BILL, "00100000001").expect("a bill");
        assert_eq!(differences(&bill, &ledger, 9), Vec::<String>::new());
        let ledger = Tally { accepted: 8, delivered: 6, ..Tally::default() };
        assert_eq!(
            differences(&bill, &ledger, 9),
            ["The bill has 7 accepted pushes, the ledger 8."]
        );
        assert_eq!(differences(&bill, &ledger, 10).len(), 2);
    }
}
