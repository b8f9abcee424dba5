//! Files of recipients, written and read.

use super::*;

/// Recipients in two areas, so many in each.
fn written(rows: u64) -> Vec<u8> {
    let file = tempfile::tempfile().expect("a temporary file");
    let mut writer = RecipientsWriter::new(file.try_clone().expect("another")).expect("it begins");
    let language = writer.language("ja");
    for (leg, area) in [(0, "13101"), (1, "27100")] {
        writer.begin_run((leg, leg as u8), area);
        let mut of_run: Vec<Recipient> = (0..rows)
            .map(|number| Recipient {
                msn: Msn::from_value(9_000_000_000 + u64::from(leg) * rows + number)
                    .expect("an msn"),
                text: (number % 3 > 0).then_some(leg),
                language,
            })
            .collect();
        of_run.sort_by_key(|row| mix(row.msn.value()));
        writer.push(&of_run).expect("written");
    }
    writer.finish().expect("finished");
    let mapped = Mapped::open(&file).expect("mapped");
    mapped.as_ref().to_vec()
}

#[test]
fn every_recipient_is_some_shards_and_no_two_have_the_same() {
    let octets = written(1_000);
    let recipients = Recipients::of(Mapped::copied(octets)).expect("whole");
    assert_eq!((recipients.rows(), recipients.runs().len()), (2_000, 2));
    for shards in [1, 2, 3, 7] {
        let mut seen = vec![0; 2_000];
        for shard in 0..shards {
            for run in recipients.of_shard(shard, shards) {
                for number in run.first..run.first + run.slice.rows {
                    assert_eq!(shard_of(recipients.row(number).msn, shards), shard);
                    seen[number as usize] += 1;
                }
            }
        }
        assert!(seen.iter().all(|count| *count == 1), "{shards} shards");
    }
    for number in [0, 17, 999, 1_000, 1_999] {
        assert_eq!(recipients.find(recipients.row(number).msn), Some(number));
    }
    assert_eq!(recipients.find(Msn::from_value(1).expect("an msn")), None);
    assert_eq!(recipients.language(recipients.row(5).language), "ja");
    assert_eq!(recipients.area(recipients.runs()[1].area), "27100");
    let of_waves = recipients.of_shard(0, 2);
    assert_eq!([0, 1].map(|run| of_waves[run].slice.wave), [0, 1]);
    assert_eq!(recipients.runs()[1].leg, 1);
}

#[test]
fn a_row_is_found_in_one_look_however_many_runs_there_are() {
    let file = tempfile::tempfile().expect("a temporary file");
    let mut writer = RecipientsWriter::new(file.try_clone().expect("another")).expect("it begins");
    let msn = |number: u64| Msn::from_value(9_000_000_000 + number).expect("an msn");
    // More than are put in order at once.
    let runs = 300u64;
    let of_run = 1_000u64;
    for run in 0..runs {
        writer.begin_run((0, 0), &format!("{run:05}"));
        let mut rows: Vec<Recipient> = (0..of_run)
            .map(|row| Recipient { msn: msn(row * runs + run), text: None, language: 0 })
            .collect();
        rows.sort_by_key(|row| mix(row.msn.value()));
        writer.push(&rows).expect("written");
    }
    writer.finish().expect("finished");
    let recipients = Recipients::open(&file).expect("whole");
    assert_eq!((recipients.runs().len() as u64, recipients.searches()), (runs, 1));
    for number in (0..runs * of_run).step_by(997) {
        let found = recipients.find(msn(number)).expect("it is there");
        assert_eq!(recipients.row(found).msn, msn(number));
    }
    assert_eq!(recipients.find(msn(runs * of_run)), None);
}

#[test]
fn a_row_that_is_left_out_is_all_that_is() {
    let whole = Recipients::of(Mapped::copied(written(40))).expect("whole");
    let file = tempfile::tempfile().expect("a temporary file");
    let spool = std::env::temp_dir();
    whole.write_without(41, file.try_clone().expect("another"), &spool).expect("written");
    let rest = Recipients::open(&file).expect("whole");
    assert_eq!(rest.rows(), whole.rows() - 1);
    for number in (0..whole.rows()).filter(|number| *number != 41) {
        let row = whole.row(number);
        let found = rest.find(row.msn).expect("it is there");
        assert_eq!(found, number - u32::from(number > 41));
        let other = rest.row(found);
        let language = rest.language(other.language);
        assert_eq!((other.text, language), (row.text, whole.language(row.language)));
    }
    assert_eq!(rest.find(whole.row(41).msn), None);
    let (areas, of): (Vec<_>, _) = ([0, 1].map(|at| rest.runs()[at]).to_vec(), whole.runs());
    assert!(areas.iter().zip(of).all(|(one, other)| one.leg_and_wave() == other.leg_and_wave()));
}

#[test]
fn a_file_of_an_earlier_version_is_read_without_its_order() {
    let octets = written(40);
    let (rows, order) = (HEAD_OCTETS + 80 * ROW_OCTETS, 80 * order::NUMBER_OCTETS);
    let mut older = [&octets[..rows], &octets[rows + order..]].concat();
    older[8..12].copy_from_slice(&WITHOUT_ORDER.to_le_bytes());
    older[36..40].fill(0);
    older[12..16].fill(0);
    let checksum = crc32c::crc32c(&older[..HEAD_OCTETS]);
    older[12..16].copy_from_slice(&checksum.to_le_bytes());
    let recipients = Recipients::of(Mapped::copied(older)).expect("whole");
    assert_eq!(recipients.searches(), 2);
    let msn = recipients.row(41).msn;
    assert_eq!(recipients.find(msn), Some(41));
}

#[test]
fn a_file_with_one_octet_changed_is_not_read() {
    let octets = written(40);
    let order_at = HEAD_OCTETS + 80 * ROW_OCTETS;
    for at in [0, 9, 17, HEAD_OCTETS + 3, order_at, octets.len() - 1] {
        let mut changed = octets.clone();
        changed[at] ^= 4;
        assert!(Recipients::of(Mapped::copied(changed)).is_err(), "octet {at}");
    }
    for length in [0, 100, HEAD_OCTETS, octets.len() - 1] {
        let cut = octets[..length].to_vec();
        assert!(Recipients::of(Mapped::copied(cut)).is_err(), "{length} octets");
    }
}

/// Rows of which some have a text of their own, from the second run on; their texts.
fn written_with_own(spool: &Path) -> (File, HashMap<Msn, String>) {
    let file = tempfile::tempfile().expect("a temporary file");
    let writer = RecipientsWriter::new(file.try_clone().expect("another")).expect("it begins");
    let mut writer = writer.with_own(spool);
    let mut texts = HashMap::new();
    for leg in 0..3u32 {
        writer.begin_run((leg, 0), "13101");
        let mut rows = Vec::new();
        for number in 0..100 {
            let msn = Msn::from_value(9_000_000_000 + u64::from(leg) * 100 + number);
            let msn = msn.expect("an msn");
            let text = match (leg, number % 4) {
                (0, _) => Some(7),
                (_, 0) => None,
                (_, 1) => Some(leg),
                _ => {
                    let text = format!("{leg} 号室 {number:03}");
                    let own = OwnText {
                        text: &text,
                        segments: 1,
                        recoded: (number % 3 > 0).then_some(2),
                        is_ascii: false,
                        is_latin: number % 2 == 0,
                    };
                    let number = writer.own(&own).expect("put aside");
                    texts.insert(msn, text);
                    Some(number)
                }
            };
            rows.push(Recipient { msn, text, language: 0 });
        }
        rows.sort_by_key(|row| mix(row.msn.value()));
        writer.push(&rows).expect("written");
    }
    writer.finish().expect("finished");
    (file, texts)
}

fn own_texts_of(recipients: &Recipients) -> HashMap<Msn, String> {
    let rows = (0..recipients.rows()).map(|number| recipients.row(number));
    let own = rows.filter_map(|row| {
        let own = recipients.own_text(row.text?)?;
        assert_eq!(own.segments, 1);
        Some((row.msn, own.text.to_owned()))
    });
    own.collect()
}

#[test]
fn rows_have_their_own_texts_and_others_those_that_they_share() {
    let spool = tempfile::tempdir().expect("a directory");
    let (file, texts) = written_with_own(spool.path());
    let recipients = Recipients::open(&file).expect("whole");
    assert_eq!((texts.len(), own_texts_of(&recipients)), (100, texts.clone()));
    assert_eq!(recipients.own_segments_max(), Some(2));
    for number in 0..recipients.rows() {
        let row = recipients.row(number);
        assert_eq!(recipients.find(row.msn), Some(number), "the order lies where it did");
        let leg = recipients.leg_of(number).expect("a leg");
        let is_shared = row.text.is_none_or(|text| text == if leg == 0 { 7 } else { leg });
        assert_eq!(is_shared, !texts.contains_key(&row.msn), "{row:?}");
    }
    assert!(recipients.own_text(7).is_none() && recipients.own_text(OWN_FROM + 100).is_none());
    assert_eq!(std::fs::read_dir(spool.path()).expect("a folder").count(), 0, "nothing stays");
}

#[test]
fn a_text_goes_with_the_only_row_that_has_it() {
    let spool = tempfile::tempdir().expect("a directory");
    let (file, mut texts) = written_with_own(spool.path());
    let whole = Recipients::open(&file).expect("whole");
    let msn = *texts.keys().next().expect("one");
    let gone = texts.remove(&msn).expect("its text");
    let file = tempfile::tempfile().expect("a temporary file");
    let to = file.try_clone().expect("another");
    let number = whole.find(msn).expect("there");
    whole.write_without(number, to, spool.path()).expect("written");
    let rest = Recipients::open(&file).expect("whole");
    assert_eq!(own_texts_of(&rest), texts);
    let octets = Mapped::open(&file).expect("mapped");
    let is_there = octets.as_ref().windows(gone.len()).any(|part| part == gone.as_bytes());
    assert!(!is_there, "{gone}");
}

#[test]
fn own_texts_with_one_octet_changed_are_not_read() {
    let spool = tempfile::tempdir().expect("a directory");
    let (file, _) = written_with_own(spool.path());
    let octets = Mapped::open(&file).expect("mapped").as_ref().to_vec();
    let own_at = HEAD_OCTETS + 300 * (ROW_OCTETS + order::NUMBER_OCTETS);
    for at in [OWN_HEAD, OWN_HEAD + 5, OWN_HEAD + 9, own_at, own_at + 800, own_at + 2_500] {
        let mut changed = octets.clone();
        changed[at] ^= 4;
        assert!(Recipients::of(Mapped::copied(changed)).is_err(), "octet {at}");
    }
}
