//! `hayauma cap`: what a warning of another system would become, without sending anything.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use wire::cap::draft::{Disposition, Draft, WarnedLeg};
use wire::cap::limits::{DOCUMENT_OCTETS_MAX, SEGMENTS_MAX_DEFAULT};
use wire::cap::{Profile, Rules, WarningRefusal, check_lalert, check_xml};
use wire::terms::calendar::jst_text;
use wire::terms::rfc3339::parse_rfc3339;
use wire::terms::time::WallMs;

use super::admin_client::AdminClient;
use super::area::in_query;
use super::broadcast_desk::running;
use super::output::Report;
use super::sms::{json_of, shown};
use super::{CliError, Output, Place};
use crate::control::broadcasts::WarningAnswer;

/// What a report of JMA names on its first element, and no alert of CAP has.
const JMA_NAMESPACE: &[u8] = b"http://xml.kishou.go.jp/jmaxml1/";
/// The argument that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// What to do with warnings of other systems.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum CapCommand {
    /// Print the draft of a broadcast that a warning becomes, and everything that was odd in it.
    Check(CheckArguments),
    /// Post warnings to a running engine, and print what becomes of each.
    Send(Box<SendArguments>),
}

/// Arguments of `hayauma cap send`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SendArguments {
    /// Warnings, as for `cap check`.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The source that they are of, where the token is not the source's own.
    #[arg(long)]
    source: Option<String>,
    /// They are judged only.
    #[arg(long)]
    check: bool,
    /// Print JSON, one line for each warning.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Arguments of `hayauma cap check`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct CheckArguments {
    /// Warnings: CAP 1.0 to 1.2 or JMA's reports in XML, or L-Alert messages in JSON, one a line.
    /// `-`: from standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The source's own rules: cap, ipaws, cap-cp, cap-au, meteoalarm.
    #[arg(long, default_value = "cap", value_parser = profile_of)]
    profile: Profile,
    /// The moment at which it is judged, as 2026-11-28T19:00:00+09:00; now, if not given.
    #[arg(long, value_name = "TIME", value_parser = instant_of)]
    at: Option<WallMs>,
    /// Short messages that a text may take.
    #[arg(
        long,
        default_value_t = SEGMENTS_MAX_DEFAULT,
        value_parser = clap::value_parser!(u8).range(1..=10)
    )]
    segments_max: u8,
    /// Print JSON, one line for each warning.
    #[arg(long)]
    json: bool,
}

fn profile_of(name: &str) -> Result<Profile, String> {
    let names = || Profile::ALL.map(|(name, _)| name).join(", ");
    Profile::from_name(name).ok_or_else(|| format!("give one of {}", names()))
}

fn instant_of(text: &str) -> Result<WallMs, String> {
    parse_rfc3339(text).ok_or_else(|| {
        "give a date and time with an offset, as 2026-11-28T19:00:00+09:00".to_owned()
    })
}

/// Does it. Exit status 0: every file is a warning that can become a draft; 1: one is none, and a
/// sentence on standard error says why.
pub(super) fn run(command: &CapCommand, output: &mut Output<'_>) -> Result<ExitCode, CliError> {
    let arguments = match command {
        CapCommand::Check(arguments) => arguments,
        CapCommand::Send(arguments) => {
            let engine = running(&arguments.place)?;
            return output.report_all("hayauma cap", |report| {
                for file in &arguments.files {
                    if !send(file, arguments, &engine, report) {
                        return;
                    }
                }
            });
        }
    };
    let now = arguments.at.unwrap_or_else(|| WallMs::new(host::clock::unix_ms()));
    output.report_all("hayauma cap", |report| {
        for file in &arguments.files {
            if !check(file, arguments, now, report) {
                return;
            }
        }
    })
}

/// Checks one file; whether somebody reads what comes.
fn check(file: &Path, arguments: &CheckArguments, now: WallMs, report: &mut Report<'_>) -> bool {
    let name = shown(&file.to_string_lossy());
    let octets = match read(file) {
        Ok(octets) => octets,
        Err(error) => return report(Err(format!("{name}: it cannot be read: {error}"))),
    };
    let rules = Rules { profile: arguments.profile, now, segments_max: arguments.segments_max };
    let print = |place: String, draft: Result<Draft, WarningRefusal>| match draft {
        Ok(draft) if arguments.json => json_of(&draft),
        Ok(draft) => Ok(text_of(&place, &draft)),
        Err(refusal) => Err(match refusal.kind.code() {
            Some(code) => format!("{place}: {refusal} ({code})"),
            None => format!("{place}: {refusal}"),
        }),
    };
    let is_json = octets.iter().find(|octet| !octet.is_ascii_whitespace()) == Some(&b'{');
    if !is_json || octets.len() > DOCUMENT_OCTETS_MAX {
        return report(print(name, check_xml(&octets, &rules)));
    }
    let lines = octets.split(|octet| *octet == b'\n').enumerate();
    for (at, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        if !report(print(format!("{name}: line {}", at + 1), check_lalert(line, &rules))) {
            return false;
        }
    }
    true
}

/// Posts the warnings of one file; whether somebody reads what comes.
fn send(
    file: &Path,
    arguments: &SendArguments,
    engine: &AdminClient,
    report: &mut Report<'_>,
) -> bool {
    let name = shown(&file.to_string_lossy());
    let octets = match read(file) {
        Ok(octets) => octets,
        Err(error) => return report(Err(format!("{name}: it cannot be read: {error}"))),
    };
    let mut query: Vec<String> = Vec::new();
    query.extend(arguments.source.iter().map(|source| format!("source={}", in_query(source))));
    query.extend(arguments.check.then(|| "check=yes".to_owned()));
    let mut post = |place: &str, path: &str, octets: &[u8]| {
        let path = match query.is_empty() {
            true => path.to_owned(),
            false => format!("{path}?{}", query.join("&")),
        };
        let sent: Result<WarningAnswer, _> = engine.send_file(&path, false, &mut &octets[..]);
        report(match sent {
            Ok(answer) if arguments.json => json_of(&answer),
            Ok(answer) => Ok(text_of_answer(place, &answer)),
            Err(error) => Err(format!("{place}: {}", error.sentence)),
        })
    };
    let begin = octets.iter().find(|octet| !octet.is_ascii_whitespace());
    if begin == Some(&b'{') {
        let lines = octets.split(|octet| *octet == b'\n').enumerate();
        let mut lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
        return lines.all(|(at, line)| post(&format!("{name}: line {}", at + 1), "/lalert", line));
    }
    let is_report = memchr::memmem::find(&octets, JMA_NAMESPACE).is_some();
    post(&name, if is_report { "/jmaxml" } else { "/cap" }, &octets)
}

fn text_of_answer(place: &str, answer: &WarningAnswer) -> String {
    let mut text = format!("{place}: {}", answer.state);
    if let Some(broadcast) = &answer.broadcast {
        text += &format!(" {broadcast}");
    }
    if let Some(chain) = &answer.chain {
        let alertseq = answer.alertseq.map(|number| format!(" {number}")).unwrap_or_default();
        text += &format!(", chain {chain}{alertseq}");
    }
    text.push('\n');
    for broadcast in &answer.ends {
        text += &format!("  ends {broadcast}\n");
    }
    for why in &answer.waits {
        text += &format!("  waits: {}\n", shown(why));
    }
    for warning in &answer.warnings {
        text +=
            &format!("  odd: {}\n", shown(&format!("{}: {}", warning.element, warning.sentence)));
    }
    text + &format!("  signature {}\n", answer.verified)
}

/// The octets of a file, one more than a document may have at most.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let bound = DOCUMENT_OCTETS_MAX as u64 + 1;
    match file.to_str() {
        Some(STANDARD_INPUT) => std::io::stdin().lock().take(bound).read_to_end(&mut octets)?,
        _ => File::open(file)?.take(bound).read_to_end(&mut octets)?,
    };
    Ok(octets)
}

fn text_of(place: &str, draft: &Draft) -> String {
    let mut text = format!("{place}\n");
    let mut line = |name: &str, value: &str| {
        let line = format!("  {name:<12} {value}");
        text.push_str(line.trim_end());
        text.push('\n');
    };
    line("warning", &format!("{:?}, {:?}, {:?}", draft.format, draft.status, draft.act));
    line("from", &shown(&draft.sender));
    line("identifier", &shown(&draft.identifier));
    line("sent", &jst_text(draft.sent.ms()));
    if let Some(alertid) = &draft.alertid {
        let revision =
            draft.revision.map(|revision| format!(", revision {revision}")).unwrap_or_default();
        line("chain", &format!("{alertid}{revision}"));
    }
    for reference in &draft.references {
        line("refers to", &shown(&format!("{},{}", reference.sender, reference.identifier)));
    }
    if let Disposition::NothingIsSent(why) = &draft.disposition {
        line("never sent", why);
    }
    if let Some(class) = draft.class {
        line("class", &format!("{:02}", class.number()));
    }
    if let Some(deadline) = draft.deadline {
        line(
            "start",
            &draft.start.map_or_else(|| "at once".to_owned(), |start| jst_text(start.ms())),
        );
        line("deadline", &jst_text(deadline.ms()));
    }
    for list in &draft.lists {
        line("only for", &shown(list));
    }
    for (at, leg) in draft.legs.iter().enumerate() {
        line(&format!("leg {}", at + 1), &audience(leg));
        for variant in &leg.variants {
            let name = format!("  {}", shown(&variant.language));
            line(
                &name,
                &format!(
                    "{}, {} SMS: {}",
                    variant.alphabet,
                    variant.segments,
                    shown(&variant.text)
                ),
            );
        }
    }
    line("signature", &format!("not verified: {}", draft.not_verified));
    for hold in &draft.holds {
        line("waits", &shown(&hold.to_string()));
    }
    for warning in draft.warnings.all() {
        line("odd", &shown(&format!("{}: {}", warning.element, warning.sentence)));
    }
    text
}

/// Where a leg's recipients are, shortened.
fn audience(leg: &WarnedLeg) -> String {
    const NAMED_MAX: usize = 8;
    let area = &leg.area;
    let mut parts: Vec<String> = area
        .codes
        .iter()
        .take(NAMED_MAX)
        .map(|code| format!("{} {}", code.system, code.code))
        .collect();
    if area.codes.len() > NAMED_MAX {
        parts.push(format!("{} more codes", area.codes.len() - NAMED_MAX));
    }
    for (count, name) in [(area.polygons.len(), "polygon"), (area.circles.len(), "circle")] {
        if count > 0 {
            parts.push(format!("{count} {name}{}", if count > 1 { "s" } else { "" }));
        }
    }
    let names = area.names.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    shown(&format!("{} ({names})", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALERT: &str = "<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\"><identifier>\
        A1</identifier>\
        <sender>desk@town.test</sender><sent>2027-03-01T09:58:00+09:00</sent><status>\
        Actual</status>\
        <msgType>Update</msgType><scope>Public</scope><info><language>en</language><event>\
        Flood</event>\
        <urgency>Immediate</urgency><severity>Extreme</severity><certainty>Observed</certainty>\
        <headline>Leave the valley</headline><area><areaDesc>Valley</areaDesc><geocode>\
        <valueName>JIS X0402</valueName><value>20422</value></geocode></area></info></alert>";

    fn outcome(content: &[u8], json: bool) -> (Vec<String>, Vec<String>) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("warning");
        std::fs::write(&file, content).expect("a file");
        let profile = Profile::Cap;
        let arguments = CheckArguments { files: vec![], profile, at: None, segments_max: 3, json };
        let now = parse_rfc3339("2027-03-01T10:00:00+09:00").expect("an instant");
        let (mut printed, mut complaints) = (Vec::new(), Vec::new());
        check(&file, &arguments, now, &mut |result| {
            match result {
                Ok(text) => printed.push(text),
                Err(sentence) => complaints.push(sentence),
            }
            true
        });
        (printed, complaints)
    }

    #[test]
    fn the_warning_of_the_examples_is_an_alert_to_a_known_area() {
        let warning = include_str!("../../../examples/warning.xml");
        let (printed, complaints) = outcome(warning.as_bytes(), false);
        assert_eq!(complaints, Vec::<String>::new());
        let text = &printed[0];
        for line in ["class        03", "JIS X 0402 13101 (千代田区)", "高台へ避難してください"]
        {
            assert!(text.contains(line), "{line:?} in {text}");
        }
        assert!(!text.contains("waits"), "{text}");
    }

    #[test]
    fn a_draft_is_printed_with_what_it_waits_for_and_what_was_odd() {
        let (printed, complaints) = outcome(ALERT.as_bytes(), false);
        assert_eq!(complaints, Vec::<String>::new());
        for line in [
            "  warning      Cap, Actual, Update\n",
            "  class        03\n",
            "  start        at once\n",
            "  deadline     2027-03-01 11:00:00.000 +09:00\n",
            "  leg 1        JIS X 0402 20422 (Valley)\n",
            "    en         GSM 7-bit, 1 SMS: Leave the valley\n",
            "  signature    not verified: the document has no signature\n",
            "  waits        it refers to no earlier message: say which chain it belongs to \
            (7108)\n",
            "  odd          info/expires: it is missing: the deadline is 1 h after the start\n",
        ] {
            assert!(printed[0].contains(line), "{line:?} in\n{}", printed[0]);
        }
        let (json, _) = outcome(ALERT.as_bytes(), true);
        for part in [
            r#""class":"03""#,
            r#""system":"JIS X 0402""#,
            r#""act":"Update""#,
            r#""holds":["it refers"#,
        ] {
            assert!(json[0].contains(part), "{part} in {}", json[0]);
        }
    }

    #[test]
    fn lines_of_l_alert_are_warnings_of_their_own() {
        let line =
            r#"{"docid":"d","revision":"1","mode":"本番","citycode":"20422","status":"取消"}"#;
        let (printed, complaints) = outcome(format!("{line}\n\n{{}}\n{line}").as_bytes(), false);
        assert_eq!((printed.len(), complaints.len()), (2, 1));
        assert!(
            printed[1].contains("warning: line 4\n")
                && printed[1].contains("Lalert, Actual, Cancel")
        );
        assert!(complaints[0].contains("warning: line 3: document: "), "{complaints:?}");
    }

    #[test]
    fn what_is_no_warning_is_complained_of_with_the_code_it_would_be_answered() {
        let no_area = ALERT.replace("<geocode>", "<x>").replace("</geocode>", "</x>");
        for (content, part) in [
            (no_area.into_bytes(), "(7103)"),
            (ALERT.replace("Actual", "Real").into_bytes(), "(7108)"),
            (vec![b'{'; DOCUMENT_OCTETS_MAX + 2], "longer than 4 MiB"),
            (Vec::new(), "not well-formed"),
        ] {
            let (printed, complaints) = outcome(&content, false);
            assert_eq!(printed.len(), 0);
            assert!(complaints[0].contains(part), "{part} in {complaints:?}");
        }
    }
}
