//! `hayauma carrier test`: reaches a carrier, binds, asks whether it is there, and sends one SMS if
//! that is wanted; a sentence for each step.
//!
//! It speaks with the account of the carrier beside an engine that may run, and takes none of that
//! engine's receipts. What the carrier says of ids tells which settings they need.

use super::talk::{Answer, Came, Talk};
use super::{Place, documents, parse_msn};
use crate::cli::{CliError, Output};
use crate::control::carriers::{CarrierSettings, IdsSetting};
use crate::io::tls::Calling;
use crate::network::smpp::carrier::Carrier;
use clap::Args;
use host::clock;
use std::cell::Cell;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;
use wire::smpp::address;
use wire::smpp::address::OwnAddress;
use wire::smpp::coding::{EsmClass, write_text};
use wire::smpp::command::Command;
use wire::smpp::id::{IdForm, IdForms};
use wire::smpp::pdu::{Bind, BindKind, Body, Message, decode};
use wire::smpp::session::VERSION_34;
use wire::smpp::status::{Consequence, Status};
use wire::terms::ids::Msn;

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(30);
/// The longest text: one SMS.
const TEXT_OCTETS_MAX: usize = 160;
/// Forms of ids, those first that most carriers have.
const FORMS: [(IdsSetting, IdsSetting); 5] = [
    (IdsSetting::Text, IdsSetting::Text),
    (IdsSetting::Hex, IdsSetting::Decimal),
    (IdsSetting::Decimal, IdsSetting::Hex),
    (IdsSetting::Hex, IdsSetting::Hex),
    (IdsSetting::Decimal, IdsSetting::Decimal),
];

#[derive(Args, Debug)]
pub(in crate::cli) struct TestCommand {
    /// The carrier's name
    name: String,
    /// Send one SMS to this msn, which costs what an SMS costs, and wait for its receipt
    #[arg(long, value_name = "MSN", value_parser = parse_msn)]
    to: Option<Msn>,
    /// Its sender [default: none, the carrier puts its own]
    #[arg(long, value_name = "SENDER", requires = "to")]
    from: Option<String>,
    /// Its text, one SMS in the carrier's alphabet
    #[arg(long, value_name = "TEXT", requires = "to", default_value = "Hayauma test")]
    text: String,
    /// Seconds that its receipt is waited for
    #[arg(long, value_name = "SECONDS", requires = "to", default_value_t = 60)]
    wait: u32,
    #[command(flatten)]
    place: Place,
}

/// The settings, and the carrier that they make.
struct Tried {
    settings: CarrierSettings,
    carrier: Carrier,
    /// The SMS was sent, to whichever host: it is not sent twice.
    sent: Cell<bool>,
}

impl TestCommand {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let (number, settings) = self.place.store_beside_engine()?.carrier(&self.name)?;
        let carrier = settings.carrier(number, |_, _| Vec::new())?;
        let tried = Tried { settings, carrier, sent: Cell::new(false) };
        let mut text = [0; TEXT_OCTETS_MAX];
        let alphabet = tried.carrier.alphabet;
        let octets = Some(&self.text)
            .filter(|text| text.chars().count() <= TEXT_OCTETS_MAX)
            .and_then(|one| write_text(one, alphabet, &mut text))
            .ok_or_else(|| {
                CliError::new(
                    "--text is not one SMS of the carrier's alphabet: give up to 160 characters \
                     that it has",
                )
            })?;
        let mut first = None;
        for (at, (name, port)) in tried.settings.names().enumerate() {
            let done = self.try_host(&tried, at, (&name, port), &text[..octets], output);
            if let Err(error) = done {
                output.print(&format!("{name}:{port}: {}\n", error.sentence))?;
                first.get_or_insert(error);
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Every step with one host.
    fn try_host(
        &self,
        tried: &Tried,
        at: usize,
        (name, port): (&str, u16),
        text: &[u8],
        output: &mut Output<'_>,
    ) -> Result<(), CliError> {
        let mut step = |sentence: String| output.print(&format!("{name}:{port}: {sentence}\n"));
        let addresses = look_up(name, port, &self.name)?;
        let mut lines = Vec::new();
        let count = if tried.carrier.pairs { 2 } else { 1 };
        for line in 0..count {
            let tls = tried.carrier.tls.as_ref().and_then(|tls| {
                Some((tls.spoken_with.downcast_ref::<Calling>()?, tls.names.get(at)?.as_str()))
            });
            let (address, mut talk, took) = reach(tried, &addresses, tls)?;
            let how = if tls.is_some() { ", and TLS 1.3 is spoken" } else { "" };
            step(format!("{address} is reached in {} ms{how}", took.as_millis()))?;
            step(bind(&mut talk, tried, tried.carrier.kind_of(line))?)?;
            step(enquire(&mut talk, tried)?)?;
            lines.push(talk);
        }
        let mut done = Ok(());
        if let (false, Some(msn)) = (tried.sent.get(), self.to)
            && let Some((transmitter, others)) = lines.split_first_mut()
        {
            done = self.send(tried, msn, text, (transmitter, others.first_mut()), &mut step);
        }
        for talk in &mut lines {
            if talk.sent_back > 0 {
                step(format!(
                    "{} messages that are not this test's came and were sent back: the carrier \
                     gives them to the engine",
                    talk.sent_back
                ))?;
            }
            let unbound = talk.ask(Command::UNBIND, &Body::Empty, ANSWER, &|_| false);
            // The test is over: whoever closes without an answer has unbound too.
            step(match unbound {
                Ok(Some(answer)) if answer.status == Status::OK => "unbound".to_owned(),
                _ => "unbound, without an answer".to_owned(),
            })?;
        }
        done
    }

    /// The SMS, its answer and its receipt.
    fn send(
        &self,
        tried: &Tried,
        msn: Msn,
        text: &[u8],
        (transmitter, receiver): (&mut Talk, Option<&mut Talk>),
        step: &mut dyn FnMut(String) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let before = self.company();
        let answer = self.submit(tried, msn, text, transmitter)?;
        let took = answer.waited.as_millis();
        let Some(id) = id_in(&answer) else {
            return step(format!(
                "the SMS is taken in {took} ms, and its answer has no id: no receipt can be told \
                 to be its; say --receipts false"
            ));
        };
        step(format!("the SMS is taken in {took} ms; its id is \"{}\"", shown(&id)))?;
        if !tried.carrier.receipts || self.wait == 0 {
            return Ok(());
        }
        let now = tried.forms();
        // The engine's own receipts come here too, and another form may make them look like it.
        let is_own = |came: &Came| {
            let is_about = came.numbers.iter().any(|number| number.ends_with(&msn.digits()[1..]));
            agree(now, &id, &came.id) || is_about && form_of(&id, &came.id).is_some()
        };
        let begun = clock::instant();
        let deadline = begun + Duration::from_secs(u64::from(self.wait));
        let listener = receiver.unwrap_or(transmitter);
        listener
            .await_receipt(deadline, &is_own)
            .map_err(|clause| tried.broken("the wait for its receipt", &clause))?;
        let Some(came) = listener.receipts.first() else {
            return Err(self.no_receipt(before));
        };
        let seconds = clock::instant().duration_since(begun).as_secs_f32();
        step(format!("its receipt came {seconds:.1} s later: {}", came.word))?;
        step(tried.says_of_ids(&id, came))
    }

    /// Where an engine is bound with the same account, how many receipts of ids that it does not
    /// know have come to it.
    fn company(&self) -> Option<u64> {
        let carriers = documents(&self.place).map(|all| all.carriers).unwrap_or_default();
        let own = carriers.iter().find(|one| one.settings.name == self.name)?;
        let figure = |name: &str| own.figures.get(name).copied().unwrap_or_default();
        (figure("sessions_bound") > 0).then(|| figure("receipts_unknown"))
    }

    /// A carrier gives receipts to any session of the account.
    fn no_receipt(&self, before: Option<u64>) -> CliError {
        let taken = match (before, self.company()) {
            (Some(before), Some(after)) if after > before => {
                "a receipt that the engine does not know has come meanwhile to one of its \
                 sessions, which are bound with the same account: it was probably this one, so \
                 try while the engine is not bound; "
            }
            (_, Some(_)) => {
                "the carrier may have given it to a session of the engine, which is bound with the \
                 same account and drops what it does not know; "
            }
            (_, None) => "",
        };
        CliError::new(format!(
            "no receipt came within {} s: {taken}wait longer with --wait, or ask the carrier \
             whether it sends receipts to this account",
            self.wait
        ))
    }

    fn submit(
        &self,
        tried: &Tried,
        msn: Msn,
        text: &[u8],
        transmitter: &mut Talk,
    ) -> Result<Answer, CliError> {
        let carrier = &tried.carrier;
        let sender = self.from.as_deref().unwrap_or_default();
        let source = (!sender.is_empty()).then(|| {
            let (ton, npi) = (carrier.source_ton, carrier.source_npi);
            let source = address::source(sender.as_bytes(), carrier.country, ton, npi);
            source.filter(|_| sender.is_ascii()).ok_or_else(|| {
                CliError::new("--from is no sender: give digits, or up to 11 letters")
            })
        });
        let source = source.transpose()?;
        let destination = address::destination(msn, carrier.country, carrier.destination);
        let message = Message {
            service_type: carrier.service_type.as_bytes(),
            source: source.as_ref().map(OwnAddress::as_address).unwrap_or_default(),
            destination: destination.as_address(),
            esm_class: EsmClass(carrier.mode),
            registered_delivery: u8::from(carrier.receipts),
            data_coding: carrier.data_coding(0),
            short_message: text,
            ..Message::default()
        };
        tried.sent.set(true);
        // A receipt before the answer is sent back, and comes again behind it.
        let answer = transmitter
            .ask(Command::SUBMIT_SM, &Body::Message(message), ANSWER, &|_| false)
            .map_err(|clause| tried.broken("submit_sm", &clause))?
            .ok_or_else(|| tried.silent("submit_sm"))?;
        if answer.status == Status::OK { Ok(answer) } else { Err(refused_sms(answer.status)) }
    }
}

/// The first of the addresses that takes a connection.
fn reach(
    tried: &Tried,
    addresses: &[SocketAddr],
    tls: Option<(&Calling, &str)>,
) -> Result<(SocketAddr, Talk, Duration), CliError> {
    let mut why = None;
    for &address in addresses {
        match Talk::connect(address, tls) {
            Ok((talk, took)) => return Ok((address, talk, took)),
            Err(clause) => why = Some(tried.unreachable(address, &clause)),
        }
    }
    Err(why.unwrap_or_else(|| CliError::new("the carrier has no address")))
}

/// At least one address.
fn look_up(name: &str, port: u16, carrier: &str) -> Result<Vec<SocketAddr>, CliError> {
    let found: Vec<SocketAddr> =
        (name, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    Some(found).filter(|found| !found.is_empty()).ok_or_else(|| {
        CliError::new(format!(
            "the name {name} has no address: correct it with `hayauma carrier set {carrier} --host \
             HOST:PORT`, or see to the name server"
        ))
    })
}

fn bind(talk: &mut Talk, tried: &Tried, kind: BindKind) -> Result<String, CliError> {
    let Tried { settings, .. } = tried;
    let bind = Bind {
        kind,
        system_id: settings.system_id.as_bytes(),
        password: settings.password.as_bytes(),
        system_type: settings.system_type.as_bytes(),
        interface_version: VERSION_34,
        addr_ton: 0,
        addr_npi: 0,
        address_range: &[],
    };
    let answer = talk
        .ask(kind.request(), &Body::Bind(bind), ANSWER, &|_| false)
        .map_err(|clause| tried.broken("the bind", &clause))?
        .ok_or_else(|| tried.silent("the bind"))?;
    if answer.status != Status::OK {
        return Err(tried.refused(answer.status, kind));
    }
    let (mut who, mut version) = (String::new(), String::new());
    if let Ok(pdu) = decode(&answer.octets)
        && let Body::BindResp(bound) = pdu.body
    {
        if !bound.system_id.is_empty() {
            who = format!("; the carrier calls itself \"{}\"", shown(bound.system_id));
        }
        if let Some(number) = bound.interface_version() {
            version = format!("; it speaks SMPP {}.{}", number >> 4, number & 0xF);
        }
    }
    Ok(format!("bound as a {} in {} ms{who}{version}", word_of(kind), answer.waited.as_millis()))
}

fn enquire(talk: &mut Talk, tried: &Tried) -> Result<String, CliError> {
    let answer = talk
        .ask(Command::ENQUIRE_LINK, &Body::Empty, ANSWER, &|_| false)
        .map_err(|clause| tried.broken("enquire_link", &clause))?
        .ok_or_else(|| tried.silent("enquire_link"))?;
    if answer.status != Status::OK {
        return Err(CliError::new(format!(
            "enquire_link is answered with {}: ask the carrier, or send none with --enquire-link 0",
            answer.status
        )));
    }
    Ok(format!("enquire_link is answered in {} ms", answer.waited.as_millis()))
}

fn word_of(kind: BindKind) -> &'static str {
    match kind {
        BindKind::Transmitter => "transmitter",
        BindKind::Receiver => "receiver",
        BindKind::Transceiver => "transceiver",
    }
}

fn id_in(answer: &Answer) -> Option<Vec<u8>> {
    let pdu = decode(&answer.octets).ok()?;
    pdu.body.message_id().filter(|id| !id.is_empty()).map(<[u8]>::to_vec)
}

/// What a peer wrote, so that no terminal is moved by it.
fn shown(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}

fn forms((response, receipt): (IdsSetting, IdsSetting)) -> IdForms {
    let form = |setting| match setting {
        IdsSetting::Text => IdForm::Text,
        IdsSetting::Hex => IdForm::Hex,
        IdsSetting::Decimal => IdForm::Decimal,
    };
    IdForms { response: form(response), receipt: form(receipt) }
}

fn agree(settings: (IdsSetting, IdsSetting), answer: &[u8], receipt: &[u8]) -> bool {
    let forms = forms(settings);
    forms.of_response(answer) == forms.of_receipt(receipt)
}

/// In which forms an answer's id and a receipt's are the same.
fn form_of(answer: &[u8], receipt: &[u8]) -> Option<(IdsSetting, IdsSetting)> {
    FORMS.into_iter().find(|&settings| agree(settings, answer, receipt))
}

fn word_of_ids(setting: IdsSetting) -> &'static str {
    match setting {
        IdsSetting::Text => "text",
        IdsSetting::Hex => "hex",
        IdsSetting::Decimal => "decimal",
    }
}

/// The carrier's statuses say what is wrong with the SMS, or with the account.
fn refused_sms(status: Status) -> CliError {
    let remedy = match status.consequence() {
        Consequence::UnknownNumber => {
            "the carrier knows no such number: check --to, --country and \
                                       --destination"
        }
        Consequence::SlowDown | Consequence::QueueFull => {
            "it is busy with what the engine sends: try again"
        }
        _ if status == Status::INVALID_SOURCE => "give a sender that the account may use, --from",
        _ => "ask the carrier what it means by that",
    };
    CliError::new(format!("the SMS is refused with {status}, {}: {remedy}", status.meaning()))
}

impl Tried {
    /// How the settings have ids written.
    fn forms(&self) -> (IdsSetting, IdsSetting) {
        (self.settings.response_ids, self.settings.receipt_ids)
    }

    fn unreachable(&self, address: SocketAddr, clause: &str) -> CliError {
        let Self { settings, .. } = self;
        let remedy = if clause.starts_with("TLS") {
            "see to --tls, --tls-ca and --tls-name"
        } else {
            "check address and port, the firewalls between, and whether the carrier lets this \
             host's address in"
        };
        CliError::new(format!(
            "{address} of {} cannot be reached ({clause}): {remedy}",
            settings.name
        ))
    }

    /// The connection broke, or something that is no SMPP came.
    fn broken(&self, what: &str, clause: &str) -> CliError {
        let remedy = if clause.ends_with("TLS") && !self.settings.tls.on {
            "say --tls true".to_owned()
        } else if clause.ends_with("the connection") && !self.settings.tls.on {
            "its port may want TLS (--tls true), or not let this host's address in".to_owned()
        } else {
            "ask the carrier, or check the port".to_owned()
        };
        CliError::new(format!("{what} failed, {clause}: {remedy}"))
    }

    fn silent(&self, what: &str) -> CliError {
        CliError::new(format!(
            "{what} is not answered within {} s: check that the port is one of SMPP, and ask the \
             carrier",
            ANSWER.as_secs()
        ))
    }

    fn refused(&self, status: Status, kind: BindKind) -> CliError {
        let name = &self.settings.name;
        let remedy = match status {
            Status::INVALID_PASSWORD => {
                format!("set the right password with `hayauma carrier set {name} --password-file`")
            }
            Status::INVALID_SYSTEM_ID => {
                format!("set the right one with `hayauma carrier set {name} --system-id`")
            }
            Status::ALREADY_BOUND => "as many sessions are bound as the carrier allows, those of \
                                      an engine that runs among them: pause or stop it, or test \
                                      with fewer --sessions"
                .to_owned(),
            Status::INVALID_SYSTEM_TYPE => {
                format!("set the right one with `hayauma carrier set {name} --system-type`")
            }
            _ => format!(
                "ask the carrier whether the account may bind as a {} from this host's address",
                word_of(kind)
            ),
        };
        CliError::new(format!("the bind is refused with {status}, {}: {remedy}", status.meaning()))
    }

    /// Whether the settings read the ids as the carrier means them, and which would.
    fn says_of_ids(&self, id: &[u8], came: &Came) -> String {
        let written = shown(&came.id);
        match form_of(id, &came.id) {
            Some((response, receipt)) if !agree(self.forms(), id, &came.id) => format!(
                "it names the id as \"{written}\", which the settings do not read: say `hayauma \
                 carrier set {} --response-ids {} --receipt-ids {}`",
                self.settings.name,
                word_of_ids(response),
                word_of_ids(receipt)
            ),
            _ => format!("it names the id as \"{written}\", which the settings read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_ids_are_told_from_one_answer_and_one_receipt() {
        use IdsSetting::{Decimal, Hex, Text};
        for (answer, receipt, forms) in [
            ("00B8BE19", "00b8be19", Some((Text, Text))),
            ("00B8BE19", "12107289", Some((Hex, Decimal))),
            ("12107289", "B8BE19", Some((Decimal, Hex))),
            ("00B8BE19", "B8BE19", Some((Hex, Hex))),
            ("0012107289", "12107289", Some((Hex, Hex))),
            ("one", "another", None),
        ] {
            assert_eq!(form_of(answer.as_bytes(), receipt.as_bytes()), forms, "{answer} {receipt}");
        }
    }
}
