//! Reports as CSV.

use std::io::Write;

use super::columns::Column;
use super::sums::{Report, Row, SpanCounts};
use wire::terms::ids::Xpid;

/// Writes a report: a header line, a line for each XPID, one more where closed days were adjusted,
/// and a line of totals. The last column tells adjustments.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_csv(report: &Report, out: impl Write) -> csv::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(header())?;
    let rows = report.rows.iter().map(|row| (row, false));
    let mut rows: Vec<_> = rows.chain(report.adjustments.iter().map(|row| (row, true))).collect();
    rows.sort_by_key(|(row, is_adjustment)| (row.xpid, *is_adjustment));
    for (row, is_adjustment) in rows {
        let name = Xpid::from_value(row.xpid)
            .map_or_else(|| row.xpid.to_string(), |xpid| xpid.to_string());
        writer.write_record(fields(name, row, is_adjustment))?;
    }
    writer.write_record(fields("total".into(), &report.totals(), false))?;
    writer.flush()?;
    Ok(())
}

fn header() -> Vec<String> {
    let mut header = vec!["xpid".to_owned()];
    for prefix in ["", "exercise_"] {
        header.push(format!("{prefix}opening"));
        header.push(format!("{prefix}accepted"));
        header.extend(Column::ALL.map(|column| format!("{prefix}{}", column.name())));
        header.push(format!("{prefix}closing"));
        header.push(format!("{prefix}segments"));
    }
    header.extend(["rejected", "replayed", "suppressed", "adjustment"].map(str::to_owned));
    header
}

fn fields(name: String, row: &Row, is_adjustment: bool) -> Vec<String> {
    let mut fields = vec![name];
    for counts in [&row.billed, &row.exercise] {
        push_counts(&mut fields, counts);
    }
    let requests = [row.rejected, row.replayed, row.suppressed, u64::from(is_adjustment)];
    fields.extend(requests.map(|count| count.to_string()));
    fields
}

fn push_counts(fields: &mut Vec<String>, counts: &SpanCounts) {
    fields.push(counts.opening.to_string());
    fields.push(counts.accepted.to_string());
    fields.extend(counts.ended.iter().map(u64::to_string));
    fields.push(counts.closing().to_string());
    fields.push(counts.segments.to_string());
}
