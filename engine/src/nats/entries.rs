//! The values of the bucket as text, so that an operator can read them with any NATS tool: words
//! with `=` between name and value. Pure.

use crate::cluster::beats::Beat;
use crate::cluster::node::NodeName;
use crate::cluster::ports::PartEntry;

/// What the cluster is, as `init` wrote it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ClusterEntry {
    /// Partitions, never changed.
    pub(super) partitions: u16,
    /// Silence after which a node counts as dead, in milliseconds.
    pub(super) lease_ms: u64,
    /// How long a log's end has to stand still before somebody else opens it, in milliseconds. All
    /// nodes must have the same, or two of them act at once.
    pub(super) act_ms: u64,
}

/// The form of all values.
const FORM: &str = "1";

/// The value of a word; none where it is missing or twice there.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value = |word: &'a str| word.strip_prefix(name)?.strip_prefix('=');
    let mut found = text.split(' ').filter_map(value);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

fn number(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.parse().ok()
}

fn flag(text: &str, name: &str) -> Option<bool> {
    match field(text, name)? {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// The text, where it has the form that this program knows.
fn known(octets: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(octets).ok()?;
    (field(text, "form") == Some(FORM)).then_some(text)
}

pub(super) fn write_cluster(entry: ClusterEntry) -> String {
    let ClusterEntry { partitions, lease_ms, act_ms } = entry;
    format!("form={FORM} partitions={partitions} lease_ms={lease_ms} act_ms={act_ms}")
}

pub(super) fn read_cluster(octets: &[u8]) -> Option<ClusterEntry> {
    let text = known(octets)?;
    Some(ClusterEntry {
        partitions: number(text, "partitions")?.try_into().ok()?,
        lease_ms: number(text, "lease_ms")?,
        act_ms: number(text, "act_ms")?,
    })
}

pub(super) fn write_beat(beat: Beat) -> String {
    let Beat { life, count, is_draining } = beat;
    format!("form={FORM} life={life} count={count} draining={}", u8::from(is_draining))
}

pub(super) fn read_beat(octets: &[u8]) -> Option<Beat> {
    let text = known(octets)?;
    Some(Beat {
        life: number(text, "life")?,
        count: number(text, "count")?,
        is_draining: flag(text, "draining")?,
    })
}

pub(super) fn write_part(entry: &PartEntry) -> String {
    let PartEntry { owner, term, floor, reached, heir, is_ready } = *entry;
    let heir = heir.map_or_else(|| "-".to_owned(), |heir| heir.to_string());
    format!(
        "form={FORM} owner={owner} term={term} floor={floor} reached={reached} heir={heir} \
         ready={}",
        u8::from(is_ready)
    )
}

pub(super) fn read_part(octets: &[u8]) -> Option<PartEntry> {
    let text = known(octets)?;
    let name = |name: &str| NodeName::parse(name).ok();
    Some(PartEntry {
        owner: name(field(text, "owner")?)?,
        term: number(text, "term")?,
        floor: number(text, "floor")?,
        reached: number(text, "reached")?,
        heir: match field(text, "heir")? {
            "-" => None,
            heir => Some(name(heir)?),
        },
        is_ready: flag(text, "ready")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::parse(text).expect("a name")
    }

    #[test]
    fn values_read_back() {
        let cluster = ClusterEntry { partitions: 256, lease_ms: 2_500, act_ms: 1_500 };
        assert_eq!(read_cluster(write_cluster(cluster).as_bytes()), Some(cluster));
        let beat = Beat { life: u64::MAX, count: 7, is_draining: true };
        assert_eq!(read_beat(write_beat(beat).as_bytes()), Some(beat));
        for heir in [None, Some(name("b"))] {
            let owner = name("tokyo-1");
            let entry =
                PartEntry { owner, term: 9, floor: 3, reached: 12, heir, is_ready: heir.is_some() };
            assert_eq!(read_part(write_part(&entry).as_bytes()), Some(entry));
        }
    }

    #[test]
    fn what_is_no_value_of_this_form_is_not_read() {
        let part = "form=1 owner=a term=9 floor=3 reached=12 heir=- ready=0";
        assert!(read_part(part.as_bytes()).is_some());
        for (from, to) in [
            ("form=1", "form=2"),
            ("form=1 ", ""),
            ("owner=a", "owner=A"),
            ("term=9", "term=-9"),
            ("floor=3 ", ""),
            ("heir=-", "heir=B"),
            ("ready=0", "ready=2"),
            ("reached=12", "reached=12 reached=13"),
        ] {
            let broken = part.replacen(from, to, 1);
            assert_eq!(read_part(broken.as_bytes()), None, "{broken}");
        }
        assert_eq!(read_beat(&[0xFF, 0xFE]), None);
        assert_eq!(read_cluster(b"form=1 partitions=65536 lease_ms=1 act_ms=1"), None);
        // A later program may say more.
        assert!(read_part(format!("{part} more=1").as_bytes()).is_some());
    }
}
