//! Broadcasts as two people at an engine make them: one writes and starts, another approves.

use crate::push::XPID;
use crate::site::Site;
use crate::wait;
use hayauma::control::broadcasts::{BroadcastDocument, CheckDocument, ProgressDocument};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a broadcast of a test may take.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// Two people.
pub struct Broadcaster<'a> {
    site: &'a Site,
    token: String,
}

/// The first of the msns that tests address.
pub const FIRST_MSN: u64 = 9_000_000_000;

/// The msn with this number.
pub fn msn(number: u64) -> String {
    format!("{:011}", FIRST_MSN + number)
}

/// A recipients' file: so many rows in three areas.
pub fn rows(count: u64) -> String {
    let mut text = "msn,area,lang\n".to_owned();
    for number in 0..count {
        let area = ["13101", "27100", "01100"][number as usize % 3];
        text += &format!("{},{area},{}\n", msn(number), ["ja", "en"][number as usize % 2]);
    }
    text
}

impl<'a> Broadcaster<'a> {
    /// Registers the XPID for all classes, contracts it with so many msns, and makes the second
    /// person's token. Before an engine runs.
    ///
    /// # Panics
    /// When any of it is refused.
    pub fn new(site: &'a Site, contracts: u64) -> Self {
        site.add_client(XPID, &["--class", "urgent", "--class", "emergency"]);
        if contracts > 0 {
            site.add_contracts(XPID, &[&format!("{}-{}", msn(0), msn(contracts - 1))]);
        }
        let token =
            site.must(&["token", "add", "second", "--role", "approver", "--role", "author"]);
        let token = token.split_whitespace().last().expect("a token").to_owned();
        let path = site.path("second");
        std::fs::write(&path, token).expect("a writable directory");
        Self { site, token: path.display().to_string() }
    }

    /// One person at a place that is set up, who approves nothing.
    pub fn of(site: &'a Site) -> Self {
        Self { site, token: String::new() }
    }

    /// A list with a version of this file.
    ///
    /// # Panics
    /// When it is refused.
    pub fn list(&self, text: &str) -> String {
        let list = self.site.must(&["list", "create", "everybody"]).trim().to_owned();
        self.fill(&list, text);
        list
    }

    /// Another version of a list; what is said of it.
    ///
    /// # Panics
    /// When it is refused.
    pub fn fill(&self, list: &str, text: &str) -> String {
        let path = self.site.path("recipients.csv");
        std::fs::write(&path, text).expect("a writable directory");
        self.site.must(&["list", "import", list, &path.display().to_string()])
    }

    /// A draft of this manifest.
    ///
    /// # Panics
    /// When it is refused.
    pub fn draft(&self, manifest: &str) -> String {
        let path = self.site.path("manifest.json");
        std::fs::write(&path, manifest).expect("a writable directory");
        let path = path.display().to_string();
        self.site.must(&["broadcast", "create", &path]).trim().to_owned()
    }

    /// Its dry run.
    ///
    /// # Panics
    /// When there is none.
    pub fn check(&self, broadcast: &str) -> CheckDocument {
        let text = self.site.must(&["broadcast", "check", broadcast, "--json"]);
        let document: BroadcastDocument =
            simd_json::from_slice(&mut text.into_bytes()).expect("a document");
        document.check.expect("a dry run")
    }

    /// The second person runs a command.
    pub fn second(&self, arguments: &[&str]) -> crate::engine::Finished {
        self.site.run(&[arguments, &["--admin-token", &self.token]].concat())
    }

    /// Checks, approves and starts a draft.
    ///
    /// # Panics
    /// When any of it is refused.
    pub fn start(&self, broadcast: &str) {
        let check = self.check(broadcast);
        if check.needs_approval {
            let approved = self.second(&["broadcast", "approve", broadcast, &check.digest]);
            assert_eq!(approved.status, Some(0), "{}", approved.stderr);
        }
        let recipients = check.addressed.targeted.to_string();
        self.site.must(&[
            "broadcast",
            "start",
            broadcast,
            "--digest",
            &check.digest,
            "--recipients",
            &recipients,
        ]);
    }

    /// Writes and starts a broadcast of a manifest.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn started(&self, manifest: &str) -> String {
        let broadcast = self.draft(manifest);
        self.start(&broadcast);
        broadcast
    }

    /// Where it stands.
    ///
    /// # Panics
    /// When nobody says so.
    pub fn status(&self, broadcast: &str) -> ProgressDocument {
        let text = self.site.must(&["broadcast", "status", broadcast, "--json"]);
        let progress: ProgressDocument =
            simd_json::from_slice(&mut text.into_bytes()).expect("a document");
        assert!(progress.adds_up, "{progress:?}");
        progress
    }

    /// Whether it is over and its outcomes are kept.
    ///
    /// # Panics
    /// When nobody says so.
    pub fn ended_by_now(&self, broadcast: &str) -> bool {
        self.status(broadcast).document.ended.is_some()
    }

    /// Waits until it is over and its outcomes are kept.
    ///
    /// # Panics
    /// When that does not come.
    pub fn ended(&self, broadcast: &str) -> ProgressDocument {
        self.ended_within(broadcast, ENDS_WITHIN)
    }

    /// The same of one that takes its time.
    ///
    /// # Panics
    /// As [`Self::ended`].
    pub fn ended_within(&self, broadcast: &str, within: Duration) -> ProgressDocument {
        wait::until_within(within, "the broadcast's end", || {
            let progress = self.status(broadcast);
            progress.document.ended.is_some().then_some(progress)
        })
    }

    /// Rows by outcome, from the table of results.
    ///
    /// # Panics
    /// When a row is not one.
    pub fn results(&self, broadcast: &str) -> BTreeMap<String, Vec<String>> {
        let text = self.site.must(&["broadcast", "results", broadcast]);
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            assert_eq!(fields.len(), 10, "{line:?}");
            found.entry(fields[4].to_owned()).or_default().push(fields[0].to_owned());
        }
        found
    }
}

/// A manifest of one leg for all of a list, of this class, with more fields.
pub fn manifest(list: &str, class: &str, reqid: &str, more: &str) -> String {
    format!(
        r#"{{"xpid":"{XPID}","sender":"Hayauma","class":"{class}","reqid":"{reqid}",
        "lifetime":3600,{more}"legs":[{{"audience":{{"list":"{list}",
        "areas":["13101","27100","01100"]}},
        "texts":{{"variants":{{"ja":"避難してください","en":"Leave now"}}}}}}]}}"#
    )
}
