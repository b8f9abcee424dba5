//! Short enough for an interpreter that checks every access: a journal is written, crashes, is
//! recovered, cleaned, and every record of it read.

use super::super::*;
use super::disk::{Crash, Disk};
use super::model::Model;

#[test]
fn a_short_life_of_a_journal() {
    let mut model = Model::new(Disk::new(5, usize::MAX, false), 8);
    for crash in [Crash::Power, Crash::Kill] {
        model.journal.wait_for_spares(std::time::Duration::from_secs(1));
        let pushes: Vec<u64> =
            (0..3).filter_map(|number| model.accept(40 + 300 * number).ok()).collect();
        model.begin_commit(true);
        model.finish_commit();
        model.progress(pushes[0]);
        model.end(pushes[1]);
        model = model.crash(crash);
    }
    assert!(model.live().len() >= 3);
}

#[test]
fn what_is_no_segment_is_opened_without_a_record() {
    for octets in [&[][..], &[0; 5000], &[0xA5; 9000]] {
        assert_eq!(examine(octets, &mut |_, _| panic!("a record")).records, 0);
    }
    let bodies: [(u8, &[u8]); 3] = [(1, &[1; 200]), (8, &[2; 4]), (99, &[3; 20])];
    let octets = segment_of(bodies.into_iter());
    let examined = examine(&octets, &mut |_, record| {
        let _ = (record.push_id(), record.key());
    });
    assert!(examined.tail <= octets.len());
}
