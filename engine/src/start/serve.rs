//! `serve`, put together: lock, store, journals, shards, ports, and the way down again.

mod carriers;
#[cfg_attr(not(feature = "cluster"), path = "serve/without_cluster.rs")]
mod cluster;
mod directory;
mod doors;
mod looking_on;
mod opening;
mod resharding;

use crate::billing;
use crate::billing::BillingFiles;
use crate::control;
use crate::control::admin::{AdminServer, AdminTls, Keeping};
use crate::control::broadcasts::{BroadcastDesk, BroadcastKeeper, interrupted_imports};
use crate::control::carrier_plan::is_closed;
use crate::control::demo;
use crate::control::engine::Engine;
use crate::control::handle::EngineHandle;
use crate::control::store::Store;
use crate::gateway::fingerprint::FingerprintKeys;
use crate::gateway::registration::Registration;
use crate::gateway::registry::Registry;
use crate::io::driver::DriverKind;
use crate::io::figures::ControlError;
use crate::io::guard::Guard;
use crate::io::names::HostNames;
use crate::io::notifier::Outbound;
use crate::io::tls::{Calling, CallingFiles};
use crate::io::{Runtime, Setup, ThreadShards};
use crate::journal::shards::shard_directory;
use crate::journal::{DataDirLock, LockError, Names, NamesWatch, SegmentFactory};
use crate::network::smpp::exchange::CarrierPlan;
use crate::start::certificates::{Certificates, reload_calling};
use crate::start::check::{
    BROADCAST_DOOR_SHARES, DescriptorShares, UNHEARD_CERTIFICATES_REMEDY, port_fatal,
    unheard_certificates,
};
use crate::start::config::Config;
use crate::start::driver::Choice;
use crate::start::fingerprint_key;
use crate::start::layout;
use crate::start::signals::Listener;
use crate::start::time_scale;
use crate::testing::injection::InjectionKind;
#[cfg(feature = "cluster")]
pub use cluster::books::events_of_chunk;
use cluster::{MEMBER_FILE, Member, Node};
use host::address::{Address, listen_on};
use host::clock;
use host::fatal::{Fatal, FatalReason};
use host::log;
use host::log::Stream;
use opening::Opening;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use wire::terms::calendar::Day;
use wire::terms::ids::Xpid;
use wire::terms::time::WallMs;

/// How long a push port in use is tried again, in nanoseconds.
const PORT_WAIT_NS: u64 = 3_000_000_000;
/// Between two tries.
const PORT_RETRY: Duration = Duration::from_millis(10);

/// Runs the engine by this driver until it is told to stop, and drains it.
///
/// # Errors
/// Why it could not start; nothing is running then.
pub fn run(config: Config, driver: &Choice, signals: &Listener) -> Result<(), Fatal> {
    let (mut config, mut member) = Member::join(config)?;
    let (lock, keys, store) = take_directory(&mut config, member.as_mut())?;
    let certified = Certified::read(&config)?;
    let listeners = bind("push port", "--listen", &config.listen)?;
    let for_customers = bind("SMPP port", "--smpp", &config.smpp)?;
    let certificates = (certified.admin.as_ref(), certified.broadcasts.as_ref());
    let (doors, keeping) = doors::open(&config, &store, certificates)?;
    let (push_addresses, customer_addresses) =
        (local_addresses(&listeners)?, local_addresses(&for_customers)?);
    let registrations = registrations(&store, &config)?;
    let registry = Arc::new(Registry::new(registrations.clone()));
    let factory = SegmentFactory::start_off(config.cpus.clone())
        .map_err(|error| host_unfit("the segment factory's thread cannot start", &error))?;
    let factory = Arc::new(factory);
    let names_of_hosts = names_of_hosts(&config);
    let (orders, carriers) = carriers::load(&store, &names_of_hosts, opening::spread(&config))?;
    let own = (&registry, &carriers);
    let mut threads = open_threads(&config, member.is_some(), keys, &factory, own, &store)?;
    let billing_files = Arc::new(make_billing_files_ahead(&config, &mut threads)?);
    // A node's journals come and go: what counts stands in the log.
    let names = if member.is_none() { Some(watch_names(&config, &mut threads)?) } else { None };
    restore_volumes(&config, &registry)?;
    let shares = DescriptorShares::of(&config);
    let endpoints = names_of_hosts.plans(&registrations);
    let own = doors.addresses().chain(push_addresses.iter().copied());
    let own = own.chain(customer_addresses.iter().copied()).collect();
    let outbound = outbound(&config, own)?;
    let setup = Setup {
        outbound: outbound.clone(),
        neighbours: member.as_ref().map(Member::neighbours),
        ..setup(&config, shares, driver.kind, &carriers, &certified)
    };
    let runtime =
        Runtime::start(&setup, threads, &registry, endpoints, (listeners, for_customers))?;
    let shards = (Arc::clone(&factory), Arc::clone(&registry), carriers.clone());
    let handle = EngineHandle::new(
        runtime.ports(),
        registry,
        names_of_hosts,
        (driver.kind, orders, carriers),
    );
    follow_others(&handle, config.paused)?;
    handle.call_with(&outbound);
    // Before anybody can see that the engine is there: whoever does may tell it to stop.
    let (admin_tls, calling) = (doors.tls.clone(), config.calling_files());
    let broadcasts_tls = doors.broadcasts_tls.clone();
    obey(signals, &handle, Reloading { certified, admin_tls, broadcasts_tls, calling, outbound });
    let (desk, keeper) = broadcasts(&config, &handle)?;
    let listeners_max = (shares.admin * BROADCAST_DOOR_SHARES) as usize;
    let (gauges, connections_max) = (desk.gauges(), shares.admin as usize);
    let keeping = Keeping { gauges, connections_max, listeners_max, ..keeping };
    let (engine, lost_lines): (Arc<dyn Engine>, _) = (handle.clone(), store.lost_lines());
    let routes = control::routes_of(&engine, &desk, member.is_some());
    let admin = AdminServer::start(doors, keeping, store, handle.clone(), routes)
        .map_err(|error| host_unfit("the thread of the admin doors cannot start", &error))?;
    looking_on::take_over(&config, member.is_none());
    announce(&config, member.as_ref(), driver, (&push_addresses, &customer_addresses), &admin);
    let opening = || opening_of(&config, keys, shards, &billing_files, &handle, &runtime);
    let node = member.map(|member| Node::start(member, opening())).transpose()?;
    runtime.join();
    node.into_iter().for_each(Node::end);
    drop(keeper);
    admin.shut_down(Duration::from_millis(config.drain_timeout_ms));
    doors::close(&config);
    let has_lost_names = names.as_ref().is_some_and(|(names, _)| names.are_lost());
    drop((names, billing_files, lock));
    told_at_end(&config, has_lost_names, lost_lines.count_at_end(), &handle)
}

/// All has ended: what of it was not as it should be.
fn told_at_end(
    config: &Config,
    has_lost_names: bool,
    lost_lines: u64,
    handle: &EngineHandle,
) -> Result<(), Fatal> {
    if has_lost_names {
        return Err(Fatal::told(FatalReason::DataDirUnusable, lost_names(config)));
    }
    check_books_closed(handle.unbilled())?;
    if lost_lines > 0 {
        let sentence = format!(
            "the audit in {} lacks {lost_lines} lines about what was done, for which the device \
             had no room: keep the log, which names each act and who did it",
            config.data_dir.display()
        );
        return Err(Fatal::told(FatalReason::StorageFull, sentence));
    }
    let rows = handle.rows_in_doubt();
    if rows > 0 {
        tracing::warn!(rows, "rows of broadcasts were still under way, and count as in doubt");
    }
    tracing::info!("drained; everything accepted is in the journal");
    Ok(())
}

/// What a cluster's node opens partitions with.
fn opening_of(
    config: &Config,
    keys: FingerprintKeys,
    (factory, registry, carriers): (Arc<SegmentFactory>, Arc<Registry>, CarrierPlan),
    billing_files: &Arc<BillingFiles>,
    handle: &Arc<EngineHandle>,
    runtime: &Runtime,
) -> Opening {
    let (config, handle) = (config.clone(), Arc::clone(handle));
    let (billing_files, ports) = (Arc::clone(billing_files), runtime.ports());
    Opening { config, keys, factory, registry, carriers, billing_files, ports, handle }
}

/// What names of hosts are looked up by.
fn names_of_hosts(config: &Config) -> HostNames {
    let hangs = config.inject.iter().any(|injection| injection.kind == InjectionKind::NameLookUp);
    if hangs { HostNames::hanging() } else { HostNames::of_the_system() }
}

/// The threads with their shards; a cluster's node has none yet.
fn open_threads(
    config: &Config,
    is_node: bool,
    keys: FingerprintKeys,
    factory: &SegmentFactory,
    own: (&Arc<Registry>, &CarrierPlan),
    store: &Store,
) -> Result<Vec<ThreadShards>, Fatal> {
    if is_node {
        check_carriers(own.1)?;
        return opening::bare_threads(config);
    }
    let layout = resharding::lay_out(config, factory)?;
    opening::open_shards(config, (layout, keys), factory, own, store)
}

/// Has the shards told what changes outside: the addresses of names, and this host's own.
fn follow_others(handle: &Arc<EngineHandle>, looks_on: bool) -> Result<(), Fatal> {
    if looks_on {
        handle.look_on().map_err(|error| {
            Fatal::new(FatalReason::HostUnfit, format!("it cannot be paused ({error})"))
        })?;
    }
    handle
        .follow_names()
        .map_err(|error| host_unfit("the thread that looks up names cannot start", &error))?;
    handle
        .follow_host_addresses()
        .map_err(|error| host_unfit("the thread that looks at addresses cannot start", &error))
}

/// The desk of broadcasts, which has told the shards of those that were started; and what watches
/// them.
fn broadcasts(
    config: &Config,
    handle: &Arc<EngineHandle>,
) -> Result<(Arc<BroadcastDesk>, BroadcastKeeper), Fatal> {
    let desk = BroadcastDesk::open(&config.data_dir, handle.clone(), config.broadcasts_kept_days);
    let desk = desk.map_err(|error| {
        let directory = config.data_dir.display();
        let cause = format!("the broadcasts in {directory} cannot be read ({error})");
        Fatal::new(FatalReason::DataDirUnusable, cause)
    })?;
    desk.start_telling()
        .map_err(|error| host_unfit("the thread of webhooks cannot start", &error))?;
    let keeper = BroadcastKeeper::start(&desk)
        .map_err(|error| host_unfit("the thread that watches broadcasts cannot start", &error))?;
    Ok((desk, keeper))
}

/// Who may push.
fn registrations(store: &Store, config: &Config) -> Result<Vec<Registration>, Fatal> {
    let registrations = store.registrations().map_err(Fatal::from)?;
    if registrations.is_empty() && crate::journal::shards::has_journals(&config.data_dir) {
        tracing::warn!(
            "no client is registered: every push is refused with 2002 until `hayauma client add`"
        );
    }
    if let Some(sentence) = unheard_certificates(config, &registrations) {
        tracing::warn!("{sentence}: {UNHEARD_CERTIFICATES_REMEDY}");
    }
    Ok(registrations)
}

/// Makes the data directory this engine's own: its lock, the key of its fingerprints, its registry.
fn take_directory(
    config: &mut Config,
    mut member: Option<&mut Member>,
) -> Result<(DataDirLock, FingerprintKeys, Store), Fatal> {
    let is_alone = member.is_none();
    let directory = &config.data_dir;
    host::directory::make_data_dir(directory).map_err(|error| {
        let named = directory.display();
        let cause = format!("the data directory {named} cannot be made ({error})");
        Fatal::new(FatalReason::DataDirUnusable, cause)
    })?;
    let lock = DataDirLock::take(directory).map_err(|error| lock_fatal(&error))?;
    directory::check(directory)?;
    let is_fresh = layout::is_fresh(directory);
    time_scale::check(directory, config.rehearsal_time_scale, is_fresh)?;
    let keys = match &mut member {
        Some(member) => member.take_directory(directory)?,
        None => {
            check_alone(directory)?;
            fingerprint_key::take(directory, is_fresh, WallMs::new(clock::unix_ms()))?
        }
    };
    let mut store = Store::open(directory).map_err(Fatal::from)?;
    member.map_or(Ok(()), |member| member.take_registry(&mut store))?;
    if let Err(error) = store.settle_audit() {
        // What was accepted is served all the same.
        tracing::warn!(%error, "the audit cannot be opened: no order is taken until it can");
    }
    for list in interrupted_imports(directory) {
        store.note_interrupted(format!("list import {list}"));
    }
    config.paused = is_alone && looking_on::looks_on(config)?;
    if config.demo {
        demo::ensure_demo(&mut store).map_err(Fatal::from)?;
    }
    Ok((lock, keys, store))
}

/// Refuses the directory of a cluster's node to an engine of its own: what is in it is not all
/// there is.
fn check_alone(directory: &Path) -> Result<(), Fatal> {
    let Ok(words) = std::fs::read_to_string(directory.join(MEMBER_FILE)) else { return Ok(()) };
    let (named, words) = (directory.display(), words.lines().next().unwrap_or_default());
    let cause = format!("the data directory {named} is that of a cluster's node (`{words}`)");
    let remedy = "start it with --cluster, or choose another directory with --data-dir";
    Err(Fatal::with_remedy(FatalReason::DataDirUnusable, cause, remedy))
}

/// A cluster's node has no carriers yet.
fn check_carriers(carriers: &CarrierPlan) -> Result<(), Fatal> {
    if carriers.carriers.is_empty() {
        return Ok(());
    }
    let cause = "a cluster's node hands over to no carriers yet, and its registry has some";
    let remedy = "remove them with `hayauma carrier remove`, or choose another --data-dir";
    Err(Fatal::with_remedy(FatalReason::Configuration, cause, remedy))
}

fn host_unfit(what: &str, error: &std::io::Error) -> Fatal {
    Fatal::new(FatalReason::HostUnfit, format!("{what} ({error})"))
}

/// The certificates of the ports that speak TLS.
struct Certified {
    push: Option<Certificates>,
    smpp: Option<Certificates>,
    admin: Option<Certificates>,
    broadcasts: Option<Certificates>,
}

impl Certified {
    fn read(config: &Config) -> Result<Self, Fatal> {
        Ok(Self {
            push: config.tls_files().map(Certificates::read).transpose()?,
            smpp: config.smpp_tls_files().map(Certificates::read_for_smpp).transpose()?,
            admin: config.admin_tls_files().map(Certificates::read).transpose()?,
            broadcasts: config.broadcast_tls_files().map(Certificates::read).transpose()?,
        })
    }
}

/// What SIGHUP has read anew, beside what carriers are spoken to with.
struct Reloading {
    certified: Certified,
    admin_tls: Option<Arc<AdminTls>>,
    broadcasts_tls: Option<Arc<AdminTls>>,
    calling: CallingFiles,
    outbound: Outbound,
}

/// Has signals drain the engine, and reload what can be reloaded.
fn obey(signals: &Listener, handle: &Arc<EngineHandle>, reloading: Reloading) {
    signals.drains(handle.clone());
    let handle = Arc::clone(handle);
    signals.reloads(move || reloading.reload(&handle));
}

impl Reloading {
    fn reload(&self, handle: &EngineHandle) {
        let Certified { push, smpp, admin, broadcasts } = &self.certified;
        let check = |taken: Result<(), ControlError>| {
            if taken.is_err() {
                tracing::error!("SIGHUP: a shard took no certificate: send SIGHUP again");
            }
        };
        if let Some(certificates) = push {
            certificates.reload(|acceptance| check(handle.accept_with(&acceptance)));
        }
        if let Some(certificates) = smpp {
            certificates.reload(|acceptance| check(handle.accept_customers_with(&acceptance)));
        }
        for (certificates, tls) in [(admin, &self.admin_tls), (broadcasts, &self.broadcasts_tls)] {
            let (Some(certificates), Some(tls)) = (certificates, tls) else { continue };
            certificates.reload(|acceptance| tls.accept_with(acceptance));
        }
        let calls = self.calling != CallingFiles::default();
        if calls && let Some(calling) = reload_calling(&self.calling) {
            handle.notify_with(&Outbound { calling: Some(calling), ..self.outbound.clone() });
        }
        let has_carriers = handle.reread_carriers();
        let has_ports = [push, smpp, admin, broadcasts].into_iter().any(Option::is_some);
        if !has_ports && !calls && !has_carriers {
            tracing::warn!(
                "SIGHUP: there is nothing to reload; settings count from the next start on"
            );
        }
    }
}

/// What notifications are sent with, and where they may not go.
fn outbound(config: &Config, own: Vec<SocketAddr>) -> Result<Outbound, Fatal> {
    let calling = Calling::read(&config.calling_files())
        .map_err(|error| Fatal::told(FatalReason::Configuration, error.to_string()))?;
    let guard = Guard { allowed: config.notify_allowed(), own };
    Ok(Outbound { guard, calling: Some(calling) })
}

/// What the runtime is set up with.
fn setup(
    config: &Config,
    shares: DescriptorShares,
    driver: DriverKind,
    carriers: &CarrierPlan,
    certified: &Certified,
) -> Setup {
    let injected = |kind| {
        let found = config.inject.iter().find(|injection| injection.kind == kind);
        found.map(|injection| injection.at)
    };
    Setup {
        driver,
        cpus: config.cpus.clone(),
        push_connections_max: shares.push_per_shard as usize,
        customer_sessions_max: shares.customers_per_shard as usize,
        notification_connections_max: shares.notification_per_shard as usize,
        request_timeout_ms: config.request_timeout_ms,
        idle_timeout_ms: config.idle_timeout_ms,
        drain_timeout_ms: config.drain_timeout_ms,
        durability: config.durability,
        commit_delay_us_max: config.commit_delay_us_max,
        idle_poll_us: config.idle_poll_us,
        outbound: Outbound::default(),
        acceptance: certified.push.as_ref().map(Certificates::acceptance),
        customer_acceptance: certified.smpp.as_ref().map(Certificates::acceptance),
        inject_sync_failure: injected(InjectionKind::SyncFailure),
        inject_sync_hangs: injected(InjectionKind::SyncHangs),
        carriers: carriers.clone(),
        receipts_awaited_max: 2 * config.pushes_max as usize,
        looks_on: config.paused,
        neighbours: None,
    }
}

/// A stop that leaves the books unfinished says so.
fn check_books_closed((events, requests): (u64, u64)) -> Result<(), Fatal> {
    if events == 0 && requests == 0 {
        return Ok(());
    }
    let sentence = format!(
        "drained, but the device took no more billing events: {events} wait in the journal, and \
         the next start enters them; {requests} refused or repeated requests are not counted in \
         the books; free some disk space and start again"
    );
    Err(Fatal::told(FatalReason::StorageFull, sentence))
}

/// Has a thread open every shard's billing files from now on.
fn make_billing_files_ahead(
    config: &Config,
    threads: &mut [ThreadShards],
) -> Result<BillingFiles, Fatal> {
    let files = BillingFiles::start_off(config.cpus.clone())
        .map_err(|error| host_unfit("the thread that makes billing files cannot start", &error))?;
    let opened = threads.iter_mut().flat_map(|thread| &mut thread.shards);
    opened.for_each(|opened| opened.shard.make_billing_files_ahead(&files));
    Ok(files)
}

/// Has every shard learn when the files of the journals lose their names.
fn watch_names(
    config: &Config,
    threads: &mut [ThreadShards],
) -> Result<(Arc<Names>, NamesWatch), Fatal> {
    let names = Arc::new(Names::default());
    let opened = threads.iter_mut().flat_map(|thread| &mut thread.shards);
    opened.for_each(|opened| opened.shard.set_names(Arc::clone(&names)));
    let directories: Vec<_> =
        (0..config.partitions).map(|number| shard_directory(&config.data_dir, number)).collect();
    let watch =
        NamesWatch::start(&config.data_dir, &directories, Arc::clone(&names)).map_err(|error| {
            let directory = config.data_dir.display();
            Fatal::new(
                FatalReason::DataDirUnusable,
                format!("the data directory {directory} cannot be watched ({error})"),
            )
        })?;
    Ok((names, watch))
}

fn lost_names(config: &Config) -> String {
    format!(
        "the data directory {} was deleted or moved while the engine ran: what had been accepted \
         until then and did not end is lost, unless a backup has it; put the directory back or \
         choose another with --data-dir, and start again",
        config.data_dir.display()
    )
}

fn announce(
    config: &Config,
    member: Option<&Member>,
    driver: &Choice,
    (push_addresses, customer_addresses): (&[SocketAddr], &[SocketAddr]),
    admin: &AdminServer,
) {
    let scheme = if config.tls_cert.is_some() { "https" } else { "http" };
    let urls: Vec<String> =
        push_addresses.iter().map(|address| format!("{scheme}://{address}/smsgw/")).collect();
    let mut text = format!(
        "hayauma {} {} on {} ({} shards{}, durability {}, data in {})\n",
        env!("CARGO_PKG_VERSION"),
        if config.paused { looking_on::ANNOUNCED } else { "takes pushes" },
        urls.join(" and "),
        config.shards,
        match config.partitions == config.shards {
            true => String::new(),
            false => format!(" with {} partitions", config.partitions),
        },
        member.map_or(config.durability, Member::durability),
        config.data_dir.display()
    );
    if let Some(member) = member {
        text += &format!("node of the cluster: {}\n", member.words());
    }
    for address in customer_addresses {
        let by = if config.smpp_tls_cert.is_some() { " over TLS" } else { "" };
        text += &format!("customers bind by SMPP{by} at {address}\n");
        if config.smpp_tls_cert.is_none() && !is_closed(address.ip()) {
            tracing::warn!(%address, "customers are spoken to without TLS on a public address");
        }
    }
    text += &format!("driver: {driver}\n{}", doors::told(config, admin));
    if config.rehearsal_time_scale > 1 {
        text += &format!(
            "REHEARSAL: the message center's schedules run {} times as fast; never with real \
             traffic\n",
            config.rehearsal_time_scale
        );
    }
    if config.demo {
        let certificate = config.tls_cert.as_deref();
        let invitation = demo::demo_invitation(push_addresses[0], certificate, &config.data_dir);
        text += &format!("\n{invitation}\n");
    }
    log::say(Stream::Stdout, &text);
}

/// Binds a port on each of its addresses. The kernel takes the rings of a killed engine apart in
/// the background, and until it is done they hold its port: an engine that is started again at once
/// waits for that.
fn bind(subject: &str, flag: &str, addresses: &[Address]) -> Result<Vec<TcpListener>, Fatal> {
    let begun_ns = clock::monotonic_ns();
    loop {
        match listen_on(addresses) {
            Err(error)
                if error.source.kind() == std::io::ErrorKind::AddrInUse
                    && clock::monotonic_ns() - begun_ns < PORT_WAIT_NS =>
            {
                #[expect(clippy::disallowed_methods, reason = "a start, before there is a shard")]
                std::thread::sleep(PORT_RETRY);
            }
            other => return other.map_err(|error| port_fatal(subject, flag, &error)),
        }
    }
}

fn local_addresses(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>, Fatal> {
    listeners.iter().map(local_address).collect()
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, Fatal> {
    listener.local_addr().map_err(|error| {
        Fatal::new(FatalReason::PortUnavailable, format!("a port cannot be read back ({error})"))
    })
}

fn lock_fatal(error: &LockError) -> Fatal {
    let reason = match error {
        LockError::HeldBy { .. } | LockError::LockRemoved { .. } => FatalReason::DataDirInUse,
        _ => FatalReason::DataDirUnusable,
    };
    Fatal::told(reason, error.to_string())
}

/// The day's volume (2007) goes on counting where the last run left it.
fn restore_volumes(config: &Config, registry: &Registry) -> Result<(), Fatal> {
    for (xpid, error) in registry.refused() {
        tracing::error!(%xpid, %error, "a registration cannot be used and is left out");
    }
    if registry.iter().all(|registered| registered.registration.volume_per_day == 0) {
        return Ok(());
    }
    let now_ms = WallMs::new(clock::unix_ms());
    let report = billing::day(&config.data_dir, Day::of(now_ms)).map_err(|error| {
        let cause = format!("today's billing events cannot be read ({error})");
        let remedy = "correct the files' permissions or check the device, and start again";
        Fatal::with_remedy(FatalReason::DataDirUnusable, cause, remedy)
    })?;
    for row in &report.rows {
        if let Some(registered) = Xpid::from_value(row.xpid).and_then(|xpid| registry.find(xpid)) {
            registered.meter.restore_volume(now_ms, row.billed.accepted + row.exercise.accepted);
        }
    }
    Ok(())
}
