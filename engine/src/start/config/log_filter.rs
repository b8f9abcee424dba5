//! What `--log` may say: a level, or levels of rooms. Only levels and rooms that exist, so that a
//! slip does not silence the log.

/// Levels, from nothing to everything.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// The rooms of the crate `hayauma` that log; a test holds them against the source.
const ROOMS: [&str; 4] = ["cli", "control", "nats", "start"];
/// Those of the data plane, whose lines say `dataplane` first.
const DATA_PLANE_ROOMS: [&str; 10] = [
    "billing",
    "broadcast",
    "cluster",
    "gateway",
    "io",
    "journal",
    "network",
    "shard",
    "smsc",
    "testing",
];
/// Libraries whose lines may be of use.
const LIBRARIES: [&str; 3] = ["axum", "hyper", "tokio"];

/// Refuses a filter that names what does not exist, with one sentence.
pub(super) fn check(filter: &str) -> Result<(), String> {
    for directive in filter.split(',') {
        let wrong = |why: String| {
            format!(
                "log = {filter} is not a filter ({why}): use {}, or levels of rooms such as \
                 info,hayauma::control=debug",
                LEVELS.join(", ")
            )
        };
        let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
        match directive.split_once('=') {
            None if is_level(directive) => {}
            None => return Err(wrong(format!("{directive:?} is no level"))),
            Some((_, level)) if !is_level(level) => {
                return Err(wrong(format!("{level:?} is no level")));
            }
            Some((room, _)) if !exists(room) => {
                return Err(wrong(format!("{room:?} is no room that logs")));
            }
            Some(_) => {}
        }
    }
    // What tracing makes of it is the last word.
    let parsed = tracing_subscriber::EnvFilter::try_new(expanded(filter));
    parsed.map(|_| ()).map_err(|error| format!("log = {filter} is not a filter ({error})"))
}

/// The filter with the data plane's rooms by the name of their crate: who writes `hayauma` means
/// both crates, and `hayauma::io` is a room of the engine to whoever runs it.
pub(super) fn expanded(filter: &str) -> String {
    let mut directives = Vec::new();
    for directive in filter.split(',') {
        let (target, level) = directive.split_once('=').unwrap_or((directive, ""));
        let room = target.strip_prefix("hayauma::").and_then(|rest| rest.split("::").next());
        let is_both = target == "hayauma";
        if is_both || room.is_some_and(|room| DATA_PLANE_ROOMS.contains(&room)) {
            let inside = target.strip_prefix("hayauma").unwrap_or_default();
            directives.push(format!("dataplane{inside}={level}"));
        }
        if is_both || !room.is_some_and(|room| DATA_PLANE_ROOMS.contains(&room)) {
            directives.push(directive.to_owned());
        }
    }
    directives.join(",")
}

/// Whether lines come from this room or library: `hayauma`, `hayauma::control`, deeper ones of it.
fn exists(target: &str) -> bool {
    let mut parts = target.split("::");
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let legal = |part: &str| !part.is_empty() && part.bytes().all(is_word);
    let known = match (first, second) {
        ("hayauma" | "dataplane", None) => true,
        ("hayauma", Some(room)) if ROOMS.contains(&room) => true,
        ("hayauma" | "dataplane", Some(room)) => DATA_PLANE_ROOMS.contains(&room),
        (library, _) => LIBRARIES.contains(&library),
    };
    known && target.split("::").all(legal)
}

fn is_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_rooms_that_exist_are_taken_and_no_others() {
        for filter in [
            "info",
            "WARN",
            "off",
            "info,hayauma::control=debug",
            "hayauma=trace",
            "warn,hyper=info",
            "hayauma::io::driver::uring=trace",
        ] {
            assert_eq!(check(filter), Ok(()), "{filter}");
        }
        for (filter, named) in [
            ("inof", "inof"),
            ("", "\"\""),
            ("verbose", "verbose"),
            ("info,", "\"\""),
            ("hayauma::contrl=debug", "contrl"),
            ("hayauma::control=loud", "loud"),
            ("a=b=c", "b=c"),
            ("control=debug", "control"),
            ("hayauma::control", "hayauma::control"),
            ("3", "3"),
            ("hayauma::=info", "hayauma::"),
            ("[span]=info", "span"),
            ("warn, hyper=info", " hyper"),
        ] {
            let refused = check(filter).expect_err(filter);
            assert!(refused.contains(named) && refused.contains("use off, error"), "{refused}");
            assert!(!refused.contains('\n'), "{refused}");
        }
    }

    #[test]
    fn the_rooms_are_those_of_the_source() {
        let of = |text: &'static str| {
            let mut rooms: Vec<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
                .collect();
            rooms.sort_unstable();
            rooms
        };
        assert_eq!(of(include_str!("../../lib.rs")), ROOMS);
        assert_eq!(of(include_str!("../../../dataplane/src/lib.rs")), DATA_PLANE_ROOMS);
    }

    #[test]
    fn a_room_of_the_data_plane_is_named_like_any_other() {
        for (written, meant) in [
            ("info", "info"),
            ("info,hayauma::io=debug", "info,dataplane::io=debug"),
            ("hayauma::io::turn=trace", "dataplane::io::turn=trace"),
            ("hayauma::control=warn", "hayauma::control=warn"),
            ("warn,hayauma=debug", "warn,dataplane=debug,hayauma=debug"),
            ("dataplane::smsc=info", "dataplane::smsc=info"),
        ] {
            assert_eq!(expanded(written), meant);
            assert_eq!(check(written), Ok(()));
        }
    }
}
