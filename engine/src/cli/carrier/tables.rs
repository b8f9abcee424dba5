//! Carriers and routes as tables.

use super::settings::set_rows;
use crate::cli::{CliError, table};
use crate::control::carrier_orders::{CarrierDocument, CarriersDocument, RouteDocument};

/// How a carrier is, in a word.
fn state_of(carrier: &CarrierDocument) -> &'static str {
    let figure = |name: &str| carrier.figures.get(name).copied().unwrap_or_default();
    if carrier.settings.paused {
        "paused"
    } else if carrier.figures.is_empty() {
        "-"
    } else if figure("sessions_bound") == 0 {
        "down"
    } else if figure("choked") == 1 {
        "choked"
    } else if figure("dealing") == 0 {
        "resting"
    } else {
        "up"
    }
}

/// For how long it has been so.
fn since_of(carrier: &CarrierDocument) -> String {
    let Some(&seconds) = carrier.figures.get("condition_seconds") else { return "-".to_owned() };
    match seconds {
        0..100 => format!("{seconds} s"),
        100..6_000 => format!("{} min", seconds / 60),
        6_000..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

pub(super) fn list(documents: &CarriersDocument) -> String {
    if documents.carriers.is_empty() {
        return "there are no carriers\n".to_owned();
    }
    let header = [
        "NUMBER",
        "NAME",
        "STATE",
        "SINCE",
        "BOUND",
        "IN HAND",
        "AWAITED",
        "HOSTS",
        "SYSTEM ID",
        "WINDOW",
        "RATE",
        "TLS",
        "LAST ERROR",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(documents.carriers.iter().map(|carrier| {
        let settings = &carrier.settings;
        let figure =
            |name: &str| carrier.figures.get(name).map_or_else(|| "-".to_owned(), u64::to_string);
        vec![
            carrier.number.to_string(),
            settings.name.clone(),
            state_of(carrier).to_owned(),
            since_of(carrier),
            format!("{} of {}", figure("sessions_bound"), settings.sessions),
            figure("in_hand"),
            figure("receipts_awaited"),
            settings.hosts.join(","),
            settings.system_id.clone(),
            settings.window.to_string(),
            if settings.rate == 0 { "-".to_owned() } else { settings.rate.to_string() },
            settings.tls.on.to_string(),
            carrier.last_error.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    }));
    table::render(&rows, &[])
}

/// The carrier of this name.
pub(super) fn shown<'a>(
    documents: &'a CarriersDocument,
    name: &str,
) -> Result<&'a CarrierDocument, CliError> {
    let carrier = documents.carriers.iter().find(|one| one.settings.name == name);
    carrier.ok_or_else(|| {
        CliError::new(format!(
            "there is no carrier {name:?}: `hayauma carrier list` shows those that there are"
        ))
    })
}

/// How a carrier is, all that it is set up with, and what a running engine counts of it.
pub(super) fn show(carrier: &CarrierDocument) -> String {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("name", carrier.settings.name.clone()),
        row("number", carrier.number.to_string()),
        row("state", state_of(carrier).to_owned()),
        row("since", since_of(carrier)),
        row("last error", carrier.last_error.clone().unwrap_or_else(|| "-".to_owned())),
    ];
    rows.extend(set_rows(&carrier.settings).into_iter().map(|(name, value)| row(name, value)));
    let mut text = table::render(&rows, &[]);
    if !carrier.figures.is_empty() {
        let figures = carrier.figures.iter();
        let figures: Vec<Vec<String>> =
            figures.map(|(figure, value)| row(figure, value.to_string())).collect();
        text += "\nSince the engine's start, or now:\n";
        text += &table::render(&figures, &[]);
    }
    text
}

pub(super) fn list_routes(documents: &CarriersDocument) -> String {
    if documents.routes.is_empty() {
        return "there are no routes: every push goes by the simulated core network\n".to_owned();
    }
    let header = ["PREFIX", "XPID", "CLASS", "CARRIERS", "BACKUPS", "ELSEWHERE"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let names = |route: &RouteDocument, backups: bool| {
        let chosen = route.carriers.iter().filter(|carrier| carrier.backup == backups);
        let shown: Vec<String> = chosen
            .map(|carrier| match carrier.weight {
                Some(weight) if route.carriers.len() > 1 => format!("{}:{weight}", carrier.name),
                _ => carrier.name.clone(),
            })
            .collect();
        if shown.is_empty() { "-".to_owned() } else { shown.join(" ") }
    };
    rows.extend(documents.routes.iter().map(|route| {
        let or_any = |word: &Option<String>| word.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            route.prefix.clone(),
            or_any(&route.xpid),
            or_any(&route.class),
            names(route, false),
            names(route, true),
            if route.elsewhere { "yes" } else { "-" }.to_owned(),
        ]
    }));
    table::render(&rows, &[])
}
