//! Warnings of other systems as they come in: judged, found in their source's log, and made drafts
//! that a person starts, or, where the source is registered for that, that start by themselves.
//!
//! **Invariants:** nothing starts by itself but what came by the source's own token over a private
//! way, is whole, waits for nobody, and is of a class that its registration names; the same warning
//! again gets the same answer and does nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::answers::{LoggedDocument, WarningAnswer, WarningRemark};
use super::desk::BroadcastDesk;
use super::handling::{Answer, Desk, beside, stopping};
use super::refusal::{ALERT, BroadcastRefusal, REUSED, ROLE, refused};
use super::refused_warnings::SaidOfItself;
use super::settling::Arrived;
use crate::control::admin::reply::{AdminError, reply_json};
use crate::control::admin::{Caller, Parameters, WarningInBody};
use crate::control::audit::Act;
use crate::control::now::wall_now;
use crate::control::roles::Role;
use crate::control::sources::{JMA, LALERT, SourceSettings};
use crate::control::store::{LoggedWarning, Store, StoreError};
use wire::cap::draft::{Draft, WarningAct};
use wire::cap::{Profile, RefusalKind, Rules, WarningRefusal, check_lalert, check_xml};
use wire::json;
use wire::terms::calendar;
use wire::terms::ids::Xpid;
use wire::terms::time::WallMs;

/// Warnings of a log that are shown.
const SHOWN_MAX: u32 = 1_000;

/// The routes of warnings.
pub(super) fn router(desk: Arc<BroadcastDesk>) -> Router {
    Router::new()
        .route("/cap", post(cap))
        .route("/jmaxml", post(jmaxml))
        .route("/lalert", post(lalert))
        .route("/warnings", get(show_log))
        .with_state(desk)
}

/// How a warning is brought.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct WarningQuery {
    /// The source, where the token is none's.
    source: Option<String>,
    /// `yes`: it is only judged.
    check: Option<String>,
}

/// The door that it came through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Cap,
    Jma,
    Lalert,
}

async fn cap(
    State(desk): Desk,
    caller: Caller,
    Parameters(query): Parameters<WarningQuery>,
    WarningInBody(octets): WarningInBody,
) -> Answer {
    take(desk, caller, query, octets, Form::Cap).await
}

async fn jmaxml(
    State(desk): Desk,
    caller: Caller,
    Parameters(query): Parameters<WarningQuery>,
    WarningInBody(octets): WarningInBody,
) -> Answer {
    take(desk, caller, query, octets, Form::Jma).await
}

async fn lalert(
    State(desk): Desk,
    caller: Caller,
    Parameters(query): Parameters<WarningQuery>,
    WarningInBody(octets): WarningInBody,
) -> Answer {
    take(desk, caller, query, octets, Form::Lalert).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogQuery {
    source: String,
}

async fn show_log(
    State(desk): Desk,
    caller: Caller,
    Parameters(query): Parameters<LogQuery>,
) -> Answer {
    let source = query.source.clone();
    let found = caller.look(move |store| (store.warnings(&source, SHOWN_MAX), store.sources()));
    let (logged, sources) = found.await?;
    let logged = logged.map_err(AdminError::from)?;
    // One that was removed still has its log.
    let mut names = sources.map_err(AdminError::from)?.into_iter().map(|(name, _)| name);
    let refused = desk.refused_warnings.among(&query.source, Vec::new());
    let is_empty = logged.is_empty() && refused.is_empty();
    if is_empty && !names.any(|name| name == query.source) {
        let sentence = "there is no source of this name: `hayauma source list` shows all";
        return Err(AdminError::new(StatusCode::NOT_FOUND, sentence).into());
    }
    let shown = logged.into_iter().filter_map(|logged| {
        let answer = json::read(&mut logged.answer.into_bytes()).ok()?;
        Some(LoggedDocument {
            at: calendar::jst_text(logged.taken_ms.ms()),
            event: logged.event,
            answer,
        })
    });
    let shown = desk.refused_warnings.among(&query.source, shown.collect());
    Ok(reply_json(StatusCode::OK, &shown))
}

impl From<WarningRefusal> for BroadcastRefusal {
    fn from(refusal: WarningRefusal) -> Self {
        let sentence = refusal.to_string();
        let WarningRefusal { kind, element, .. } = refusal;
        let answered = match kind {
            RefusalKind::Document => AdminError::bad_request(sentence).into(),
            RefusalKind::Area | RefusalKind::Alert => {
                refused(kind.code().unwrap_or(ALERT), sentence)
            }
        };
        Self { place: Some(element), ..answered }
    }
}

/// The source that a caller speaks for. A source's token speaks for that alone; whoever may write
/// broadcasts may bring a warning of any source, which then never starts by itself.
fn source_of(
    store: &Store,
    caller: &Caller,
    named: Option<&str>,
) -> Result<(String, SourceSettings, bool), BroadcastRefusal> {
    let sources = store.sources().map_err(AdminError::from)?;
    let own = sources.iter().find(|(_, settings)| settings.token == caller.name);
    if let Some((name, settings)) = own {
        if named.is_some_and(|named| named != name) {
            let sentence = format!("the token is that of the source {name:?}: leave `source` out");
            return Err(refused(ROLE, sentence));
        }
        return Ok((name.clone(), settings.clone(), true));
    }
    if !caller.may(Role::Author) {
        let sentence = format!(
            "{} is no source's token: name it with `hayauma source set NAME --token {}`",
            caller.name, caller.name
        );
        return Err(AdminError::new(StatusCode::NOT_FOUND, sentence).into());
    }
    let found = sources.into_iter().find(|(name, _)| Some(name.as_str()) == named);
    found.map(|(name, settings)| (name, settings, false)).ok_or_else(|| {
        let sentence =
            "say which source it is of, as ?source=town: `hayauma source list` shows all";
        AdminError::new(StatusCode::NOT_FOUND, sentence).into()
    })
}

fn judged(
    octets: &[u8],
    form: Form,
    settings: &SourceSettings,
    now: WallMs,
) -> Result<Draft, BroadcastRefusal> {
    let profile = settings.cap_profile();
    let fits = match form {
        Form::Cap => profile.is_some(),
        Form::Jma => settings.profile == JMA,
        Form::Lalert => settings.profile == LALERT,
    };
    if !fits {
        let sentence = format!("the source is registered for {}: post that", settings.profile);
        return Err(refused(ALERT, sentence));
    }
    let rules = Rules {
        profile: profile.unwrap_or(Profile::Cap),
        now,
        segments_max: settings.segments_max,
    };
    let draft = match form {
        Form::Cap | Form::Jma => check_xml(octets, &rules)?,
        Form::Lalert => check_lalert(octets, &rules)?,
    };
    if (form == Form::Jma) != (draft.format == wire::cap::Format::Jma) {
        return Err(refused(ALERT, "it is a warning of another form than this door takes"));
    }
    Ok(draft)
}

async fn take(
    desk: Arc<BroadcastDesk>,
    caller: Caller,
    query: WarningQuery,
    octets: Vec<u8>,
    form: Form,
) -> Result<Response, BroadcastRefusal> {
    let (asking, named) = (caller.clone(), query.source);
    let found = caller.look(move |store| source_of(store, &asking, named.as_deref())).await?;
    let (source, settings, is_own) = found?;
    let is_look = match query.check.as_deref() {
        None => false,
        Some("yes") => true,
        Some(_) => return Err(AdminError::bad_request("check is yes or nothing").into()),
    };
    // A source that hangs up meanwhile finds in its log what was refused.
    let task = tokio::spawn(async move {
        let mut said = SaidOfItself::default();
        let from = (source.clone(), settings, is_own);
        let told =
            take_from(Arc::clone(&desk), &caller, from, (octets, form, is_look), &mut said).await;
        if let Err(refusal) = &told
            && !is_look
        {
            desk.refused_warnings.note(&source, said, refusal, wall_now());
        }
        told
    });
    task.await.unwrap_or_else(|_| Err(stopping()))
}

/// Takes a warning of a source, or only looks at it. What it says of itself is told as soon as that
/// is known.
async fn take_from(
    desk: Arc<BroadcastDesk>,
    caller: &Caller,
    (source, settings, is_own): (String, SourceSettings, bool),
    (octets, form, is_look): (Vec<u8>, Form, bool),
    said: &mut SaidOfItself,
) -> Result<Response, BroadcastRefusal> {
    let now = wall_now();
    let (by, sha256) = (settings.clone(), <[u8; 32]>::from(Sha256::digest(&octets)));
    let draft = beside(Arc::clone(&desk), move |_| judged(&octets, form, &by, now)).await?;
    *said = SaidOfItself {
        sender: draft.sender.clone(),
        identifier: draft.identifier.clone(),
        event: draft.event.clone(),
    };
    let sender = settings.sender_of(&draft.sender).map(str::to_owned).ok_or_else(|| {
        let sentence = "it is none of the names that the source is registered with";
        BroadcastRefusal { place: Some("sender".to_owned()), ..refused(ALERT, sentence) }
    })?;
    // One warning of a source after the other: the second of two that are the same finds the first.
    let turn = desk.turn_of(&source);
    let turn = turn.lock_owned().await;
    let key = (source.clone(), sender.clone(), draft.identifier.clone());
    let seen = caller.look(move |store| store.warning(&key.0, &key.1, &key.2)).await?;
    if let Some(seen) = seen.map_err(AdminError::from)?.filter(|_| !is_look) {
        return answered_before(seen, &sha256);
    }
    let name = (source.clone(), settings.clone(), draft.clone());
    let known = caller.look(move |store| chain_of(store, &name.0, &name.1, &name.2)).await??;
    let arrived = Arrived {
        source,
        sender,
        settings,
        draft,
        chains: known.chains,
        is_known: known.is_known,
        newest_revision: known.newest_revision,
        remarks: known.remarks,
        waits: known.waits,
        starts_itself: is_own && caller.is_private,
        may_stop: (is_own && caller.is_private) || caller.may(Role::Operator),
        is_look,
    };
    if is_look {
        // As what is posted, by the engine's own catalogue, and nothing is done or kept.
        let answer = beside(desk, move |desk| desk.settle(arrived)).await?;
        let answer = WarningAnswer { state: "judged".to_owned(), ..answer };
        return Ok(reply_json(StatusCode::OK, &answer));
    }
    let answer = answer_to(desk, caller, arrived, (sha256, now)).await;
    drop(turn);
    answer
}

/// Does what a new warning asks for, and keeps what is answered.
async fn answer_to(
    desk: Arc<BroadcastDesk>,
    caller: &Caller,
    arrived: Arrived,
    (sha256, now): ([u8; 32], WallMs),
) -> Result<Response, BroadcastRefusal> {
    let draft = &arrived.draft;
    let mut logged = LoggedWarning {
        source: arrived.source.clone(),
        sender: arrived.sender.clone(),
        identifier: draft.identifier.clone(),
        sha256,
        sent_ms: draft.sent,
        chain: None,
        revision: draft.revision,
        event: draft.event.clone(),
        answer: String::new(),
        taken_ms: now,
    };
    let line = Act::new(format!("warning of {}", logged.source)).after(&logged.identifier);
    caller.record(line).await?;
    let answer = beside(desk, move |desk| desk.settle(arrived)).await?;
    logged.chain.clone_from(&answer.chain);
    logged.answer = simd_json::to_string(&answer)
        .map_err(|error| AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let log = caller.change(move |store, _, by| -> Result<(), AdminError> {
        let act = Act::new(format!("warning of {} answered", logged.source));
        let act = act.after(&AnswerInAudit::of(&logged));
        Ok(store.act(by, &act, |store| store.log_warning(&logged))?)
    });
    log.await??;
    let status = match answer.state.as_str() {
        "started" | "scheduled" => StatusCode::ACCEPTED,
        "draft" => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    Ok(reply_json(status, &answer))
}

/// A warning's answer without texts, which the audit never holds.
#[derive(Serialize)]
struct AnswerInAudit {
    identifier: String,
    chain: Option<String>,
    state: String,
    broadcast: Option<String>,
    ends: Vec<String>,
}

impl AnswerInAudit {
    fn of(logged: &LoggedWarning) -> Self {
        let answer: WarningAnswer =
            json::read(&mut logged.answer.clone().into_bytes()).unwrap_or_default();
        Self {
            identifier: logged.identifier.clone(),
            chain: answer.chain,
            state: answer.state,
            broadcast: answer.broadcast,
            ends: answer.ends,
        }
    }
}

/// The same warning gets the same answer; another one under its name is refused.
fn answered_before(seen: LoggedWarning, sha256: &[u8; 32]) -> Answer {
    if seen.sha256 != *sha256 {
        let sentence = format!(
            "{} has sent another warning under the identifier {:?}: give each its own",
            seen.sender, seen.identifier
        );
        let refusal = refused(REUSED, sentence);
        return Err(BroadcastRefusal { place: Some("identifier".to_owned()), ..refusal });
    }
    let answer: WarningAnswer = json::read(&mut seen.answer.into_bytes())
        .map_err(|error| AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(reply_json(StatusCode::OK, &answer))
}

/// What a source's log knows of a warning's chain.
struct KnownChain {
    /// The chains that it may belong to; the first is the newest.
    chains: Vec<String>,
    /// The source has told of one of them before.
    is_known: bool,
    newest_revision: Option<u32>,
    remarks: Vec<WarningRemark>,
    /// Why what is sent would be paused at its first row.
    waits: Vec<String>,
}

/// What the registration that a source's broadcasts stand on does not allow.
fn not_allowed(
    store: &Store,
    settings: &SourceSettings,
    draft: &Draft,
) -> Result<Vec<String>, BroadcastRefusal> {
    let Some(xpid) = Xpid::parse(settings.xpid.as_bytes()) else { return Ok(Vec::new()) };
    let registration = match store.registration(xpid) {
        Ok(registration) => registration,
        Err(StoreError::NotRegistered(_)) => {
            return Ok(vec![format!("XPID {xpid} is not registered (2002): register it")]);
        }
        Err(error) => return Err(AdminError::from(error).into()),
    };
    let mut why = Vec::new();
    if registration.suspended {
        why.push(format!("XPID {xpid} is suspended (2004)"));
    }
    if !registration.senders.contains(&settings.sender) {
        let sender = &settings.sender;
        why.push(format!("XPID {xpid} may not send as {sender:?} (2006): allow that sender"));
    }
    if draft.class.is_some_and(|class| !registration.classes.contains(class)) {
        why.push(format!("XPID {xpid} may not send this class (2006): allow it"));
    }
    Ok(why)
}

fn chain_of(
    store: &Store,
    source: &str,
    settings: &SourceSettings,
    draft: &Draft,
) -> Result<KnownChain, BroadcastRefusal> {
    let mut remarks = Vec::new();
    let mut found: Vec<(WallMs, String)> = Vec::new();
    for reference in &draft.references {
        let Some(sender) = settings.sender_of(&reference.sender) else { continue };
        let known = store.warning(source, sender, &reference.identifier);
        let Some(known) = known.map_err(AdminError::from)? else { continue };
        if reference.sent.is_some_and(|sent| sent != known.sent_ms) {
            let identifier: String = reference.identifier.chars().take(48).collect();
            let sentence = format!("{identifier} was sent at another time than is said here");
            remarks.push(WarningRemark { element: "references".to_owned(), sentence });
        }
        found.extend(known.chain.map(|chain| (known.taken_ms, chain)));
    }
    found.sort_unstable_by(|one, other| other.cmp(one));
    let mut once = BTreeSet::new();
    found.retain(|(_, chain)| once.insert(chain.clone()));
    let mut chains: Vec<String> = found.into_iter().map(|(_, chain)| chain).collect();
    let mut is_known = !chains.is_empty();
    if let Some(own) = &draft.alertid {
        is_known = store.knows_chain(source, own).map_err(AdminError::from)?;
        chains = vec![own.clone()];
    }
    if !is_known && draft.act == WarningAct::Update {
        remarks.push(newest_of(store, source, draft)?);
    }
    let of_chain = |chain: &String| store.revision_of(source, chain);
    let newest_revision =
        chains.first().map(of_chain).transpose().map_err(AdminError::from)?.flatten();
    let waits = not_allowed(store, settings, draft)?;
    Ok(KnownChain { chains, is_known, newest_revision, remarks, waits })
}

/// What a person may mean whose update refers to nothing.
fn newest_of(
    store: &Store,
    source: &str,
    draft: &Draft,
) -> Result<WarningRemark, BroadcastRefusal> {
    let logged = store.warnings(source, SHOWN_MAX).map_err(AdminError::from)?;
    let same = logged.iter().find(|known| known.event == draft.event && known.chain.is_some());
    let sentence = match same.and_then(|known| known.chain.as_deref()) {
        Some(chain) => format!(
            "it refers to no warning that is known; the newest chain of this event is {chain}: \
             set it in the draft, if it is meant"
        ),
        None => "it refers to no warning that is known, and becomes a new one's draft".to_owned(),
    };
    Ok(WarningRemark { element: "references".to_owned(), sentence })
}

impl BroadcastDesk {
    /// The turn of a source's warnings: one after the other.
    fn turn_of(&self, source: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Turns that nobody waits for are made anew.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(source.to_owned()).or_default())
    }
}
