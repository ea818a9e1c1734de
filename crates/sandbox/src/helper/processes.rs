//! What the processes of a sandbox use together, read from `/proc`; nothing is limited here.

use super::group::Group;
use std::collections::BTreeMap;
use std::time::Duration;

/// One look at all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    pub(super) processes: u32,
    /// Bytes of anonymous memory, where pages shared after a fork count once for each process.
    pub(super) memory: u64,
    /// Of the living, and of the dead they have waited for.
    pub(super) cpu: Duration,
}

#[derive(Debug)]
struct Stat {
    parent: u32,
    ticks: u64,
}

/// Adds up all descendants of `root`, and `root` itself.
pub(super) fn usage(root: u32, group: &Group) -> Usage {
    let mut usage = Usage::default();
    let mut ticks = 0;
    for (pid, stat) in tree(root, group) {
        usage.processes += 1;
        usage.memory += anonymous(pid);
        ticks += stat.ticks;
    }
    usage.cpu = duration(ticks);
    usage
}

/// The same memory, where every page counts once. Slower: the kernel walks the page tables.
pub(super) fn proportional_memory(root: u32, group: &Group) -> u64 {
    tree(root, group)
        .keys()
        .map(|pid| proportional(*pid).unwrap_or_else(|| anonymous(*pid)))
        .sum()
}

/// Direct children of a process.
pub(super) fn children(pid: u32, group: &Group) -> Vec<u32> {
    candidates(group)
        .filter(|one| read(*one).is_some_and(|stat| stat.parent == pid))
        .collect()
}

/// Processor time of all that this process has waited for.
pub(super) fn waited_for() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = fields(&text);
    duration(number(&fields, 13) + number(&fields, 14))
}

fn candidates(group: &Group) -> Box<dyn Iterator<Item = u32>> {
    match group.members() {
        Some(members) => Box::new(members.into_iter()),
        None => Box::new(
            std::fs::read_dir("/proc")
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|entry| entry.file_name().to_str()?.parse().ok()),
        ),
    }
}

fn tree(root: u32, group: &Group) -> BTreeMap<u32, Stat> {
    let mut all: BTreeMap<u32, Stat> = candidates(group)
        .filter_map(|pid| Some((pid, read(pid)?)))
        .collect();
    let mut inside = BTreeMap::new();
    let mut front = vec![root];
    while let Some(pid) = front.pop() {
        let Some(stat) = all.remove(&pid) else {
            continue;
        };
        front.extend(
            all.iter()
                .filter(|(_, stat)| stat.parent == pid)
                .map(|(pid, _)| *pid),
        );
        inside.insert(pid, stat);
    }
    inside
}

fn read(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields = fields(&text);
    Some(Stat {
        parent: number(&fields, 1) as u32,
        ticks: (11..15).map(|index| number(&fields, index)).sum(),
    })
}

/// The fields after the name, which is in parentheses and may hold anything.
fn fields(stat: &str) -> Vec<&str> {
    stat.rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default()
}

fn number(fields: &[&str], index: usize) -> u64 {
    fields
        .get(index)
        .and_then(|field| field.parse().ok())
        .unwrap_or(0)
}

fn duration(ticks: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_micros(ticks.saturating_mul(1_000_000) / per_second)
}

fn anonymous(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let fields: Vec<&str> = text.split_whitespace().collect();
    let pages = number(&fields, 1).saturating_sub(number(&fields, 2));
    pages * rustix::param::page_size() as u64
}

fn proportional(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Pss_Anon:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}
