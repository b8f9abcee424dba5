//! The histogram files, read by the HdrHistogram package of another language (PyPI: hdrhistogram).

use loadgen::bare::Bare;
use loadgen::machine::Machine;
use loadgen::plan::{Load, Plan};
use loadgen::report::Report;
use loadgen::run::run;
use loadgen::summary::Summary;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

#[path = "../../tests/src/skips.rs"]
#[allow(unreachable_pub)]
mod skips;

/// Reads the log by adding all intervals of the answers. Prints their count and percentiles; then
/// every line of the percentile file whose value or count is another than this reader computes from
/// the log, and how many lines it read.
const READER: &str = "
import bisect, sys
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
total = HdrHistogram(100, 600 * 10**9, 3)
reader = HistogramLogReader(sys.argv[1], total)
while True:
    interval = reader.get_next_interval_histogram()
    if interval is None:
        break
    if interval.get_tag() == 'answer':
        total.add(interval)
print(total.get_total_count(), *[total.get_value_at_percentile(float(p)) for p in sys.argv[3:]])
values, sums, sum = [], [], 0
for item in total.get_recorded_iterator():
    sum += item.count_added_in_this_iter_step
    values.append(item.value_iterated_to)
    sums.append(sum)
def up_to(value):
    at = bisect.bisect_right(values, value)
    return sums[at - 1] if at else 0
lines = 0
for line in open(sys.argv[2]):
    fields = line.split()
    if not fields or fields[0] == 'Value' or fields[0].startswith('#'):
        continue
    value, quantile, count = float(fields[0]) * 1e6, float(fields[1]), int(fields[2])
    # Both name a bucket by one of its ends: a bucket is a thousandth wide.
    low, high = up_to(value * 0.9985), up_to(value * 1.0015)
    if not low <= count <= high or count < quantile * sum - 1:
        print('differs:', line.strip(), low, high)
    lines += 1
print(lines)
";

fn report(directory: &Path) -> (Report, String) {
    let bare = Bare::start(SocketAddr::from(([127, 0, 0, 1], 0)), &[]).expect("a loopback port");
    let load = Load::Open { rate_per_second: 10_000 };
    let plan =
        Plan { notify: false, pushes: 8_000, warm_up: 1_000, load, ..Plan::new(bare.address()) };
    let outcome = run(plan.clone(), None).expect("the responder is up");
    let summary = Summary::new("push", &plan, &outcome, Machine::here(None));
    let page =
        Report::write(directory, &summary, &outcome.sent.phases).expect("a writable directory");
    let page = std::fs::read_to_string(page).expect("a page");
    (Report::read(directory).expect("our own report"), page)
}

#[test]
fn an_independent_reader_finds_the_same_percentiles() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let present = Command::new(&python).args(["-c", "import hdrh"]).output();
    if !present.is_ok_and(|output| output.status.success()) {
        skips::skip(format_args!(
            "{python} has no package hdrhistogram (pip install hdrhistogram, or set PYTHON)"
        ));
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (report, _) = report(directory.path());
    // Of 7,000 values these fall between two counts, where the readers' different ways of rounding
    // agree.
    let percentiles = ["49.995", "89.995", "98.995", "99.895", "100"];
    let log = directory.path().join("latencies.hlog");
    let output = Command::new(&python)
        .arg("-c")
        .arg(READER)
        .arg(&log)
        .arg(directory.path().join("answer.hgrm"))
        .args(percentiles)
        .output()
        .expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (first, rest) = said.split_once('\n').expect("two lines");
    let numbers: Vec<u64> =
        first.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    // The percentile file says nothing else than the log.
    assert!(rest.trim().parse::<u32>().is_ok_and(|lines| lines > 20), "{rest}");
    let total = report.phases.load.answer.total();
    assert_eq!((numbers[0], total.count()), (7_000, 7_000));
    for (percent, read) in percentiles.iter().zip(&numbers[1..]) {
        let own = total.percentile_ns(percent.parse().expect("a number"));
        let deviation = *read as f64 / own as f64 - 1.0;
        assert!(deviation.abs() < 0.002, "{percent} %: {read} and {own}");
    }
}

#[test]
fn a_report_has_all_its_files_and_a_page_that_needs_no_other() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (report, page) = report(directory.path());
    for name in ["summary.json", "latencies.hlog", "answer.hgrm", "service.hgrm", "lateness.hgrm"] {
        assert!(directory.path().join(name).exists(), "{name}");
    }
    assert!(!directory.path().join("notification.hgrm").exists());
    assert_eq!(report.number(&["answer_times", "count"]), 7_000.0);
    assert_eq!(report.phases.warm_up.answer.total().count(), 1_000);
    for forbidden in ["<script", "http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for part in [
        "How long it took, by percentile",
        "Pushes per second",
        "Answer over time",
        "Where and how",
        "99.9 %",
        "早",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let redrawn = report.draw(directory.path()).expect("a writable directory");
    assert_eq!(std::fs::read_to_string(redrawn).expect("a page"), page);
}
