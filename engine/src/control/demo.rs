//! The demo client: what `serve --demo` puts into the store so that a newcomer's first push is
//! accepted.

use std::path::Path;

use super::acts;
use super::admin::user_actor;
use super::store::{Store, StoreError};
use crate::control::document::ClientChange;
use crate::gateway::broadcasting::BroadcastRule;
use crate::gateway::registration::Registration;
use host::unix_socket::ADMIN_SOCKET;
use wire::terms::ids::{Msn, Xpid};

/// The demo client's XPID, eleven digits.
pub const DEMO_XPID: &str = "00100000001";
/// The msn of the interface's own sample request.
const DEMO_MSN_SINGLE: u64 = 9_012_345_678;
/// First msn of the demo range.
const DEMO_MSN_FIRST: u64 = 9_000_000_000;
/// How many msns the demo range has.
const DEMO_MSN_COUNT: u64 = 100_000;

/// Puts the demo registration and its contracts into the store if absent; a demo registration that
/// was changed stays as it is. What is put in stands in the audit.
pub fn ensure_demo(store: &mut Store) -> Result<(), StoreError> {
    let actor = user_actor(rustix::process::geteuid().as_raw());
    let registration = demo_registration();
    let xpid = registration.xpid;
    match store.registration(xpid) {
        Err(StoreError::NotRegistered(_)) => {
            store.act(&actor, &acts::client_added(&registration), |store| {
                store.add_registration(&registration)
            })?;
        }
        other => other.map(|_| ())?,
    }
    let counts = store.contract_counts()?;
    let there = counts.iter().find(|(of, _)| *of == xpid).map_or(0, |(_, count)| *count);
    let msns = (DEMO_MSN_FIRST..DEMO_MSN_FIRST + DEMO_MSN_COUNT).chain([DEMO_MSN_SINGLE]);
    let rows: Vec<(Msn, Xpid)> = msns.filter_map(Msn::from_value).map(|msn| (msn, xpid)).collect();
    if there >= rows.len() as u64 {
        return Ok(());
    }
    let last = DEMO_MSN_FIRST + DEMO_MSN_COUNT - 1;
    let words = [format!("{DEMO_MSN_FIRST:011}-{last:011}"), format!("{DEMO_MSN_SINGLE:011}")];
    let act = acts::contracts_added(xpid, &words);
    store.act(&actor, &act, |store| store.add_contracts(&rows).map(|_| ()))
}

/// What a newcomer can try next, for stdout; `push_address` as the port is bound, `certificate`
/// where it speaks TLS.
pub fn demo_invitation(
    push_address: std::net::SocketAddr,
    certificate: Option<&Path>,
    data_dir: &Path,
) -> String {
    let (scheme, trusting) = match certificate {
        None => ("http", String::new()),
        Some(path) => ("https", format!("--cacert {} ", path.display())),
    };
    format!(
        "Demo client {DEMO_XPID} may push to 09012345678 and to 09000000000-09000099999.\n\
         Send a text from another terminal:\n\n    \
         curl -i {trusting}-H 'Content-Type: text/xml; charset=UTF-8' --data-binary \
         @examples/text.xml {scheme}://{push_address}/smsgw/\n\n\
         Watch it: curl --unix-socket {} http://localhost/status\n\
         Stop the engine: Ctrl-C\n",
        data_dir.join(ADMIN_SOCKET).display()
    )
}

/// Every class and both kinds, so that whatever a newcomer tries is allowed; no token, no
/// notifications.
fn demo_registration() -> Registration {
    let change = ClientChange {
        client: Some("Demo".to_owned()),
        classes: Some(["urgent", "emergency", "exercise"].map(str::to_owned).to_vec()),
        senders: Some(vec!["Hayauma".to_owned()]),
        broadcasts: Some(BroadcastRule::Class),
        ..ClientChange::default()
    };
    let registration = Xpid::parse(DEMO_XPID.as_bytes()).map(|xpid| change.create(xpid));
    let Some(Ok(registration)) = registration else {
        unreachable!("the demo registration is usable")
    };
    registration
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::store::ContractFilter;

    #[test]
    fn the_demo_is_put_in_once_and_a_changed_one_is_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(directory.path()).expect("a store");
        ensure_demo(&mut store).expect("put in");
        let xpid = Xpid::parse(DEMO_XPID.as_bytes()).expect("legal");
        let before = store.registration(xpid).expect("registered");
        let registration = Registration { suspended: true, ..before.clone() };
        store.put_registration(Some(&before), &registration).expect("changed");
        ensure_demo(&mut store).expect("again");
        assert!(store.registration(xpid).expect("registered").suspended);
        assert_eq!(store.contract_counts().expect("counted"), [(xpid, DEMO_MSN_COUNT + 1)]);
        let filter =
            ContractFilter { msn: Msn::parse(b"09012345678"), ..ContractFilter::default() };
        assert_eq!(store.contracts(&filter, 10).expect("found").len(), 1);
    }
}
