//! Control groups (version 1 and 2), where we may make them: the kernel's own bounds on memory and tasks. They come
//! beside the watcher, never instead of it.

use crate::spec::Limits;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PREFIX: &str = "homeostasis-sandbox-";

/// Folders of one run in the control group file systems; removed when dropped.
#[derive(Debug, Default)]
pub(super) struct Group {
    memory: Option<PathBuf>,
    tasks: Option<PathBuf>,
}

impl Group {
    /// Makes what can be made; where nothing can, there is no group, which is not an error.
    pub(super) fn make(limits: &Limits) -> Self {
        let homes = Homes::find();
        for home in [&homes.memory, &homes.tasks].into_iter().flatten() {
            sweep(home);
        }
        let name = format!("{PREFIX}{}", std::process::id());
        // Files of a tmpfs are charged as memory, and the disk limit bounds those.
        let bytes = limits.memory_bytes + limits.disk_bytes + (32 << 20);
        let tasks = u64::from(limits.processes) * 2 + 64;
        let memory = homes.memory.and_then(|home| {
            make_one(
                &home.join(&name),
                &[("memory.limit_in_bytes", bytes), ("memory.max", bytes)],
            )
        });
        let tasks = homes
            .tasks
            .and_then(|home| make_one(&home.join(&name), &[("pids.max", tasks)]));
        Self { memory, tasks }
    }

    pub(super) fn bounds_memory(&self) -> bool {
        self.memory.is_some()
    }

    pub(super) fn bounds_processes(&self) -> bool {
        self.tasks.is_some()
    }

    /// The files into which a process writes `0` to enter.
    pub(super) fn doors(&self) -> std::io::Result<Vec<File>> {
        self.folders()
            .map(|folder| {
                OpenOptions::new()
                    .write(true)
                    .open(folder.join("cgroup.procs"))
            })
            .collect()
    }

    /// Ids of all processes inside, when the kernel keeps that list for us.
    pub(super) fn members(&self) -> Option<Vec<u32>> {
        let folder = self.folders().next()?;
        let text = std::fs::read_to_string(folder.join("cgroup.procs")).ok()?;
        Some(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// True when the kernel killed something for want of memory.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        let Some(folder) = &self.memory else {
            return false;
        };
        ["memory.oom_control", "memory.events"]
            .iter()
            .any(|file| counter(&folder.join(file), "oom_kill") > 0)
    }

    /// True when the kernel refused to make a process.
    pub(super) fn ran_out_of_tasks(&self) -> bool {
        self.tasks
            .as_ref()
            .is_some_and(|folder| counter(&folder.join("pids.events"), "max") > 0)
    }

    fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        let second = self.memory.as_ref().filter(|_| self.memory != self.tasks);
        self.tasks.iter().chain(second)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The last process may still be on its way out.
        let deadline = Instant::now() + Duration::from_secs(1);
        let folders: Vec<PathBuf> = self.folders().cloned().collect();
        for folder in folders {
            while std::fs::remove_dir(&folder).is_err()
                && folder.exists()
                && Instant::now() < deadline
            {
                std::thread::yield_now();
            }
        }
    }
}

fn make_one(folder: &Path, settings: &[(&str, u64)]) -> Option<PathBuf> {
    std::fs::create_dir(folder)
        .or_else(|error| match error.kind() {
            // With version 2, memory and tasks share one folder.
            std::io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        })
        .ok()?;
    let set = settings.iter().any(|(file, value)| {
        let path = folder.join(file);
        path.exists() && std::fs::write(path, value.to_string()).is_ok()
    });
    let enterable = OpenOptions::new()
        .write(true)
        .open(folder.join("cgroup.procs"))
        .is_ok();
    if set && enterable {
        return Some(folder.to_path_buf());
    }
    let _ = std::fs::remove_dir(folder);
    None
}

/// Removes the folders of helpers that were killed before they could.
fn sweep(home: &Path) {
    let Ok(entries) = std::fs::read_dir(home) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
            continue;
        };
        if !Path::new("/proc").join(pid).exists() {
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}

fn counter(file: &Path, name: &str) -> u64 {
    std::fs::read_to_string(file)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

/// In which folders a group may be made.
#[derive(Debug, Default)]
struct Homes {
    memory: Option<PathBuf>,
    tasks: Option<PathBuf>,
}

impl Homes {
    fn find() -> Self {
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let unified = unified_home(&own, &mounts);
        let controlled = |controller: &str| {
            home_of_version_1(controller, &own, &mounts).or_else(|| {
                let home = unified.clone()?;
                let enabled = std::fs::read_to_string(home.join("cgroup.subtree_control")).ok()?;
                enabled
                    .split_whitespace()
                    .any(|one| one == controller)
                    .then_some(home)
            })
        };
        Self {
            memory: controlled("memory"),
            tasks: controlled("pids"),
        }
    }
}

fn home_of_version_1(controller: &str, own: &str, mounts: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let controllers = parts.next()?;
        controllers
            .split(',')
            .any(|one| one == controller)
            .then(|| parts.next())?
    })?;
    mounted(mounts, "cgroup", Some(controller), path)
}

/// Beside our own group, since a group that holds processes cannot hand controllers down.
fn unified_home(own: &str, mounts: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let path = Path::new(path).parent()?.to_str()?;
    mounted(mounts, "cgroup2", None, path)
}

/// Where a group's folder is seen, from `/proc/self/mountinfo`.
fn mounted(mounts: &str, kind: &str, controller: Option<&str>, path: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, point) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let (this, _, options) = (right.next()?, right.next()?, right.next()?);
        let holds = controller.is_none_or(|name| options.split(',').any(|one| one == name));
        if this != kind || !holds {
            return None;
        }
        let below = Path::new(path).strip_prefix(root).ok()?;
        let folder = Path::new(point).join(below);
        folder.is_dir().then_some(folder)
    })
}
