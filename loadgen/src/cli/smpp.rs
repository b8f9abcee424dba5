//! The commands that speak SMPP: `smpp` submits, `smsc` is submitted to.

use super::arguments::{Common, Cpus, address, cpu_list};
use super::output::print;
use super::{carry_out, cpus, first_line, interrupted, load, wait_a_second};
use crate::console::Console;
use crate::format::{grouped, indented, parse_time};
use crate::msns::Msns;
use crate::plan::Plan;
use crate::smpp::account::Account;
use crate::smpp::faults::Faults;
use crate::smpp::smsc::{Act, Ids, ReceiptForm, Report, Settings, Smsc};
use clap::Args;
use host::log;
use host::log::Stream;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use wire::smpp::id::{IdForm, IdForms};

/// Bind to an SMSC, submit pushes, take the receipts, balance the book. A connection is a session
/// (transceiver), what is in flight on it its window.
#[derive(Args, Debug)]
pub(super) struct SmppArguments {
    /// The SMSC's address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2775", value_parser = address)]
    target: SocketAddr,
    /// Who binds: 1 to 15 characters
    #[arg(long, value_name = "ID")]
    system_id: String,
    /// File whose first line is the password, - for standard input [default: no password]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Sender of the messages: letters or digits [default: the SMSC's own]
    #[arg(long, value_name = "SENDER")]
    source: Option<String>,
    /// Pushes to submit
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pushes: u64,
    /// Phone numbers: FIRST:COUNT or FIRST-LAST
    #[arg(long, value_name = "RANGE", default_value = "09000000000:100000")]
    #[arg(value_parser = Msns::parse)]
    msns: Msns,
    /// Hours that the SMSC may keep a message, 0 to 72; 0: it is sent once
    #[arg(long, value_name = "H", default_value_t = 24)]
    lifetime: u8,
    /// Pushes submitted and without a receipt, at most [default: no bound]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    window: Option<u64>,
    /// Ask for no receipts
    #[arg(long)]
    no_receipts: bool,
    /// Send no optional parameters: neither a reference nor a reqid
    #[arg(long)]
    no_references: bool,
    /// How the SMSC writes ids in its answers: text, hex or decimal
    #[arg(long, value_name = "FORM", default_value = "text", value_parser = id_form)]
    response_ids: IdForm,
    /// How it writes them in its receipts
    #[arg(long, value_name = "FORM", default_value = "text", value_parser = id_form)]
    receipt_ids: IdForm,
    #[command(flatten)]
    common: Common,
}

/// Listen as an SMSC, take every submit, send receipts, and print a line a second while any come.
#[derive(Args, Debug)]
pub(super) struct SmscArguments {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2775", value_parser = address)]
    listen: SocketAddr,
    /// CPUs to run on
    #[arg(long, value_name = "LIST", value_parser = cpu_list)]
    cpu: Option<Cpus>,
    /// File that says who may bind, a line ID:PASSWORD each, - for standard input [default:
    /// everybody]
    #[arg(long, value_name = "FILE")]
    account_file: Option<PathBuf>,
    /// Sessions that an account may have at once; 0: any number
    #[arg(long, value_name = "N", default_value_t = 0)]
    binds: usize,
    /// Receipts outstanding on a session, 1 to 2048
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=2_048))]
    window: u16,
    /// Answer ESME_RTHROTTLED beyond so many submits of an account a second; 0: any number
    #[arg(long, value_name = "R", default_value_t = 0)]
    rate: u32,
    /// Answer ESME_RMSGQFUL while so many messages of an account wait for their receipts; 0: any
    /// number
    #[arg(long, value_name = "N", default_value_t = 0)]
    queue: usize,
    /// How ids are written in answers: text (ten digits), hex or decimal
    #[arg(long, value_name = "FORM", default_value = "text", value_parser = id_form)]
    response_ids: IdForm,
    /// How they are written in receipts; text: as in the answer
    #[arg(long, value_name = "FORM", default_value = "text", value_parser = id_form)]
    receipt_ids: IdForm,
    /// Number of the first id
    #[arg(long, value_name = "N", default_value_t = 1)]
    first_id: u64,
    /// From the answer to the receipt
    #[arg(long, value_name = "MS", default_value_t = 0)]
    receipt_delay_ms: u64,
    /// So much later at most, by chance
    #[arg(long, value_name = "MS", default_value_t = 0)]
    receipt_spread_ms: u64,
    /// What a receipt holds: text, tlv or both
    #[arg(long, value_name = "WHAT", default_value = "both", value_parser = receipt_form)]
    receipt_form: ReceiptForm,
    /// Something that goes wrong for a share of the submits, such as no-answer=1/7, cut=0.1% or
    /// status:0x45=2%; may be given several times
    #[arg(long, value_name = "FAULT=SHARE", value_parser = checked_fault)]
    fault: Vec<String>,
    /// How late the answers of late-answer are
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_time)]
    late_by: Duration,
    /// What happens once so many submits have come: cut, stand-still:TIME, down:TIME or heal; may
    /// be given several times
    #[arg(long, value_name = "COUNT=ACT", value_parser = scripted)]
    at: Vec<(u64, Act)>,
    /// Chooses who is hit by the faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write the book to this file as JSON at the end
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl SmppArguments {
    pub(super) fn run(self) -> Result<ExitCode, String> {
        let common = self.common;
        let cpus = cpus(common.cpu);
        let password = self.password_file.as_deref().map_or(Ok(String::new()), first_line)?;
        let account = Account {
            source: self.source,
            references: !self.no_references,
            ids: IdForms { response: self.response_ids, receipt: self.receipt_ids },
            ..Account::new(&self.system_id, &password)
        };
        let mut plan = Plan {
            class: common.class,
            lifetime_hours: self.lifetime,
            msns: self.msns,
            pushes: self.pushes,
            mix: common.mix,
            load: load(common.rate),
            connections: common.connections,
            pipeline: common.pipeline,
            window: self.window,
            notify: !self.no_receipts,
            threads: common.threads.unwrap_or_else(|| cpus.len().div_ceil(2)).max(1),
            spin: Duration::from_micros(common.spin_us),
            cpus,
            seed: common.seed,
            smpp: Some(account),
            ..Plan::new(self.target)
        };
        plan.patience.stall_after = Duration::from_secs(common.stall);
        carry_out("smpp", &plan, None, common.report.as_deref(), common.json.as_deref())
    }
}

impl SmscArguments {
    fn settings(&self) -> Result<Settings, String> {
        let mut faults = Faults { late_by: self.late_by, ..Faults::default() };
        for fault in &self.fault {
            faults.add(fault)?;
        }
        let mut script = self.at.clone();
        script.sort_by_key(|(at, _)| *at);
        Ok(Settings {
            accounts: self.account_file.as_deref().map_or(Ok(Vec::new()), accounts)?,
            binds_max: self.binds,
            window: self.window,
            rate_per_s: self.rate,
            queue: self.queue,
            ids: Ids {
                response: self.response_ids,
                receipt: self.receipt_ids,
                first: self.first_id,
            },
            receipt_delay: Duration::from_millis(self.receipt_delay_ms),
            receipt_spread: Duration::from_millis(self.receipt_spread_ms),
            receipt_form: self.receipt_form,
            faults,
            script,
            seed: self.seed,
            ..Settings::default()
        })
    }

    pub(super) fn run(self) -> Result<ExitCode, String> {
        let settings = self.settings()?;
        let own_cpus = self.cpu.map(|cpus| cpus.0).unwrap_or_default();
        let smsc = Smsc::start(self.listen, settings, &own_cpus).map_err(|error| {
            format!(
                "the SMSC cannot listen on {} ({error}): name a free address with --listen.",
                self.listen
            )
        })?;
        Console::step(&format!("an SMSC at {} (Ctrl-C ends)", smsc.address()));
        let stop = interrupted()?;
        let mut before = smsc.report();
        while wait_a_second(&stop) {
            let now = smsc.report();
            if (now.submits, now.receipts_sent, now.sessions)
                != (before.submits, before.receipts_sent, before.sessions)
            {
                // It goes on whether anybody reads this or not.
                log::say(Stream::Stdout, &line(&now, &before));
            }
            before = now;
        }
        log::settle();
        let report = smsc.report();
        if let Some(path) = &self.json {
            let json = match simd_json::to_string(&report) {
                Ok(json) => indented(&json) + "\n",
                Err(fault) => unreachable!("a book holds nothing that JSON cannot: {fault}"),
            };
            std::fs::write(path, json).map_err(|error| {
                format!("{} cannot be written ({error}): correct the path.", path.display())
            })?;
        }
        print(&last_words(&report))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn line(now: &Report, before: &Report) -> String {
    format!(
        "{:>9} submits /s · {:>9} receipts /s · {} sessions · {} submits in all · {} receipts \
         waiting\n",
        grouped(now.submits - before.submits),
        grouped(now.receipts_sent - before.receipts_sent),
        now.sessions,
        grouped(now.submits),
        grouped(now.receipts_waiting)
    )
}

/// The book in two lines, and one for each answer that was given.
fn last_words(report: &Report) -> String {
    let mut text = String::new();
    for (status, count) in &report.answers {
        text += &format!("  {:>12} × {status}\n", grouped(*count));
    }
    for (oddity, count) in &report.oddities {
        text += &format!("  {:>12} × oddity {oddity}\n", grouped(*count));
    }
    let Report { submits, taken, taken_again, in_doubt, .. } = report;
    let Report { receipts_due, receipts_taken, receipts_again, receipts_lost, .. } = report;
    let (declined, waiting) = (report.receipts_declined, report.receipts_waiting);
    text + &format!(
        "submits {submits} · taken {taken} · taken again {taken_again} · in doubt {in_doubt}\n\
         receipts due {receipts_due} · taken {receipts_taken} · declined {declined} · \
         sent again {receipts_again} · lost on purpose {receipts_lost} · waiting {waiting}\n"
    )
}

/// The accounts in a file, or in standard input for `-`: others see the command line.
fn accounts(path: &Path) -> Result<Vec<(String, String)>, String> {
    let read = match path == Path::new("-") {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(path),
    };
    let text =
        read.map_err(|error| format!("{} cannot be read ({error}): name a file.", path.display()))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty());
    let accounts: Vec<_> =
        lines.map(|(number, line)| account(path, number, line)).collect::<Result<_, _>>()?;
    if accounts.is_empty() {
        return Err(format!("{} names nobody: write lines ID:PASSWORD.", path.display()));
    }
    Ok(accounts)
}

/// One line of such a file, which is a secret itself.
fn account(path: &Path, number: usize, line: &str) -> Result<(String, String), String> {
    let (id, password) = line.split_once(':').ok_or_else(|| {
        format!("line {number} of {} is not an account: write ID:PASSWORD.", path.display())
    })?;
    Ok((id.to_owned(), password.to_owned()))
}

fn id_form(text: &str) -> Result<IdForm, String> {
    match text {
        "text" => Ok(IdForm::Text),
        "hex" => Ok(IdForm::Hex),
        "decimal" => Ok(IdForm::Decimal),
        _ => Err(format!("\"{text}\" is no form of an id: choose text, hex, decimal.")),
    }
}

fn receipt_form(text: &str) -> Result<ReceiptForm, String> {
    match text {
        "text" => Ok(ReceiptForm::Text),
        "tlv" => Ok(ReceiptForm::Tlv),
        "both" => Ok(ReceiptForm::Both),
        _ => Err(format!("\"{text}\" is no form of a receipt: choose text, tlv or both.")),
    }
}

fn checked_fault(text: &str) -> Result<String, String> {
    Faults::default().add(text).map(|()| text.to_owned())
}

fn scripted(text: &str) -> Result<(u64, Act), String> {
    let refuse =
        || format!("\"{text}\" is nothing to do: write COUNT=ACT, e.g. 1000=stand-still:5s.");
    let (at, act) = text.split_once('=').ok_or_else(refuse)?;
    Ok((at.parse().map_err(|_| refuse())?, Act::parse(act)?))
}
