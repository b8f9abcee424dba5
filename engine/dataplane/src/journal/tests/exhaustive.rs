//! Every short history there is: all sequences of a few steps, and for each the loss of power with
//! every subset of the unsynced pages kept, lost or torn.

use super::disk::Disk;
use super::model::Model;

/// Steps of a history.
const STEPS: u32 = 5;
/// Dirty pages whose fates are tried in all combinations; further ones share the last one's.
const PAGES_MAX: u32 = 4;

#[test]
fn every_short_history_survives_every_loss_of_power() {
    let mut crashes = 0;
    for script in 0..4u32.pow(STEPS) {
        let mut fates = 0;
        loop {
            let mut pages = 0;
            let model = play(script).crash_choosing(&mut |_, _| {
                let place = pages.min(PAGES_MAX - 1);
                pages += 1;
                [0, u8::MAX, 0b0101_0101][(fates / 3u32.pow(place) % 3) as usize]
            });
            // And once more, with nothing in between: recovery itself must leave what can be
            // recovered.
            model.crash_choosing(&mut |_, _| 0);
            crashes += 1;
            fates += 1;
            if fates >= 3u32.pow(pages.min(PAGES_MAX)) {
                break;
            }
        }
    }
    assert!(
        crashes > 10_000,
        "only {crashes} crashes: the pages of a history are not seen as dirty"
    );
}

fn play(script: u32) -> Model {
    let mut model = Model::new(Disk::new(7, usize::MAX, false), 8);
    for place in 0..STEPS {
        model.journal.wait_for_spares(std::time::Duration::from_secs(1));
        match script / 4u32.pow(place) % 4 {
            // One that spans pages, one of ordinary size.
            0 => drop(model.accept(3900).expect("there is room")),
            1 => drop(model.accept(150).expect("there is room")),
            2 => {
                if let Some(&push_id) = model.live().first() {
                    model.end(push_id);
                }
            }
            _ => {
                model.begin_commit(true);
                model.finish_commit();
            }
        }
    }
    model
}
