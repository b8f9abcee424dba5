//! Carriers and routes as tables.

use crate::cli::{CliError, table};
use crate::control::carrier_orders::{CarrierDocument, CarriersDocument, RouteDocument};
use crate::control::carriers::CarrierSettings;

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

pub(super) fn show(documents: &CarriersDocument, name: &str) -> Result<String, CliError> {
    let carrier = documents.carriers.iter().find(|one| one.settings.name == name);
    let carrier = carrier.ok_or_else(|| {
        CliError::new(format!(
            "there is no carrier {name:?}: `hayauma carrier list` shows those that there are"
        ))
    })?;
    let CarrierSettings { hosts, system_id, sessions, window, rate, .. } = &carrier.settings;
    let mut rows = vec![
        ("name", name.to_owned()),
        ("number", carrier.number.to_string()),
        ("state", state_of(carrier).to_owned()),
        ("since", since_of(carrier)),
        ("last error", carrier.last_error.clone().unwrap_or_else(|| "-".to_owned())),
        ("hosts", hosts.join(", ")),
        ("system id", system_id.clone()),
        ("sessions", sessions.to_string()),
        ("window", window.to_string()),
        ("rate", if *rate == 0 { "no limit".to_owned() } else { rate.to_string() }),
    ];
    let figures = carrier.figures.iter();
    rows.extend(figures.map(|(figure, value)| (figure.as_str(), value.to_string())));
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    Ok(table::render(&rows, &[]))
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
