//! `hayauma shield` keeps the kernel's threads off CPUs for as long as it runs, one at a time, and
//! lets them back at its end.
//!
//! Needs the superuser, two CPUs and a host's own procfs; skipped with the reason elsewhere.

use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use tests::engine::Finished;
use tests::site::Site;
use tests::skips::skip;

/// The kernel's threads by process id: name and CPUs.
fn kernel_threads() -> BTreeMap<u32, (String, String)> {
    let processes = std::fs::read_dir("/proc").expect("procfs").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|process| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let field =
            |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        (field("PPid:")? == "2").then(|| {
            Some((process, (field("Name:")?.to_owned(), field("Cpus_allowed_list:")?.to_owned())))
        })?
    })
    .collect()
}

fn reason_to_skip(cpus: &[usize]) -> Option<&'static str> {
    if !geteuid().is_root() {
        Some("it needs the superuser")
    } else if cpus.len() < 2 {
        Some("it needs two CPUs")
    } else if kernel_threads().is_empty() {
        Some("no kernel thread is to be seen")
    } else {
        None
    }
}

/// A shield, and the line with which it says that it is up.
fn raised(site: &Site, cpu: &str) -> (Child, String) {
    let mut command = site.command(&["shield", "--json", "--cpus", cpu]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("a process");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    (child, line)
}

fn end(mut child: Child, signal: Signal) {
    let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(process, signal).expect("a child of this process");
    let status =
        tests::wait::until("its end", || child.try_wait().expect("a child of this process"));
    assert!(status.success(), "{status}");
}

#[test]
fn the_kernels_threads_keep_off_the_cpus_and_come_back_however_the_shield_is_ended() {
    let cpus = loadgen::os::available_cpus();
    if let Some(reason) = reason_to_skip(&cpus) {
        return skip(format_args!("no shield on this host: {reason}"));
    }
    let site = Site::new(tests::programs!());
    let cpu = cpus.last().expect("a CPU").to_string();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let before = kernel_threads();
        let (child, line) = raised(&site, &cpu);
        let during = kernel_threads();
        // A worker's name tells what it does at the moment, and is no part of this.
        let is_elsewhere = |id: &&u32| during.get(*id).is_some_and(|now| now.1 != before[*id].1);
        let moved: Vec<&u32> = before.keys().filter(is_elsewhere).collect();
        assert!(!moved.is_empty(), "{line}");
        for id in &moved {
            let (name, list) = &during[*id];
            assert!(line.contains(name.as_str()), "{name} in {line}");
            let now = loadgen::os::parse_cpus(list).expect("a list");
            assert!(
                !now.is_empty() && !now.contains(cpus.last().expect("a CPU")),
                "{name} on {list}"
            );
        }
        let second = Finished::of(site.command(&["shield", "--cpus", &cpu]), "a second shield");
        assert!(second.refusal().contains("keeps CPUs clear already"), "{second:?}");
        end(child, signal);
        let after = kernel_threads();
        for id in moved {
            assert!(
                after.get(id).is_none_or(|now| now == &before[id]),
                "{:?} then {:?}",
                before[id],
                after[id]
            );
        }
    }
}

#[test]
fn cpus_that_cannot_be_kept_clear_are_refused_with_a_remedy() {
    let site = Site::new(tests::programs!());
    for (cpus, told) in
        [("4000", "there is no CPU 4000 here: choose from"), ("x", "not a list of CPUs")]
    {
        let finished = Finished::of(site.command(&["shield", "--cpus", cpus]), "a refused shield");
        assert!(finished.status != Some(0) && finished.stderr.contains(told), "{finished:?}");
    }
}
