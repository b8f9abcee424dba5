//! A version's file: every row is found, and no damage goes unnoticed.

use wire::terms::ids::Msn;

use super::*;
use crate::broadcast::lists::view::ListView;

fn list(rows: usize) -> String {
    let mut random = Seeded(rows as u64);
    let mut text = "msn,area,lang,shelter\n".to_owned();
    for number in 0..rows {
        let area = ["20422", "20201", "13101", "NUTS:AT1", ""][random.below(5)];
        let language = ["ja", "en", ""][random.below(3)];
        let shelter = ["", "School", "Hall"][random.below(3)];
        text += &format!("070{:08},{area},{language},{shelter}\n", number * 37 + 11);
    }
    text
}

fn options() -> ReaderOptions {
    ReaderOptions { parameters: vec!["shelter".to_owned()], ..Default::default() }
}

#[test]
fn every_row_is_found_and_no_other() {
    for rows in [0, 1, 2, 100, 20_000] {
        let (version, octets) = import(list(rows).as_bytes(), 4_096, &options()).expect("a list");
        let view = ListView::open(&octets).expect("a version");
        assert_eq!(view.verify(), Ok(()));
        assert_eq!((view.rows() as usize, view.digest()), (rows, &version.digest));
        assert_eq!(view.parameter_names(), ["shelter"]);
        for number in 0..rows {
            let msn = Msn::parse(format!("070{:08}", number * 37 + 11).as_bytes()).expect("an msn");
            let row = view.find(msn).and_then(|row| view.row(row)).expect("it is there");
            assert_eq!(row.msn, msn);
            let other = Msn::from_value(msn.value() + 1).expect("an msn");
            assert_eq!(view.find(other), None);
        }
        let counted: u32 = view.areas().map(|(_, rows)| rows).sum();
        assert_eq!(counted as usize, rows);
        assert_eq!(view.row(rows as u32), None);
        assert_eq!(view.find(Msn::ALL), None);
    }
}

#[test]
fn within_a_run_rows_stand_in_the_order_by_which_shards_own_them() {
    let (_, octets) = import(list(5_000).as_bytes(), 4_096, &options()).expect("a list");
    let view = ListView::open(&octets).expect("a version");
    for shards in [1, 2, 7] {
        let mut first = 0;
        for (_, rows) in view.areas() {
            let owners: Vec<usize> = (first..first + rows)
                .map(|row| {
                    wire::terms::ownership::shard_of(view.row(row).expect("a row").msn, shards)
                })
                .collect();
            assert!(owners.is_sorted(), "one piece for each shard");
            first += rows;
        }
    }
}

#[test]
fn no_damage_goes_unnoticed_and_none_panics() {
    let (_, octets) = import(list(300).as_bytes(), 4_096, &options()).expect("a list");
    for length in [0, 7, 4_095, 4_096, 5_000, octets.len() - 1] {
        assert!(ListView::open(&octets[..length]).is_err(), "{length}");
    }
    let mut longer = octets.clone();
    longer.push(0);
    assert!(ListView::open(&longer).is_err());
    for at in 0..octets.len() {
        let mut damaged = octets.clone();
        damaged[at] ^= 1 << (at % 8);
        let noticed = match ListView::open(&damaged) {
            Err(_) => true,
            Ok(view) => {
                // Whoever looks without checking reads wrong rows, but no other memory.
                (0..view.rows() + 2).for_each(|row| drop(view.row(row)));
                view.find(Msn::from_value(7_000_000_011).expect("an msn"));
                view.verify().is_err()
            }
        };
        assert!(noticed, "octet {at}");
    }
}

#[test]
fn an_import_that_is_cut_off_leaves_nothing() {
    let directory = directory();
    let pieces = crate::broadcast::lists::pieces::Pieces::holding(directory.path(), 10);
    let mut import = Import::on(options(), pieces).expect("options");
    import.feed(list(1_000).as_bytes()).expect("a list");
    let names = || std::fs::read_dir(directory.path()).expect("the directory").count();
    assert_eq!(names(), 0, "what is put into files has no names");
    drop(import);
    assert_eq!(names(), 0);
    assert!(
        Import::on(
            options(),
            crate::broadcast::lists::pieces::Pieces::holding(&directory.path().join("none"), 1)
        )
        .expect("options")
        .feed(list(10).as_bytes())
        .is_err_and(|error| error.to_string().contains("cannot be written"))
    );
}
