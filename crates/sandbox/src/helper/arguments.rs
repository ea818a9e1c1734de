//! What bubblewrap is told: which few things of the host are seen inside, and where; nothing is mounted here.

use super::namespace::Identity;
use super::scratch::Scratch;
use crate::spec::{INPUTS, OUTPUTS, Spec};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Parts of the system that programs are made of; shown read-only, or as the links they are.
const SYSTEM: [&str; 9] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
];

/// Where the sandbox has something of its own.
const OWN: [&str; 5] = ["/proc", "/dev", "/sys", "/homeostasis", "/etc"];

/// How one place inside is filled.
#[derive(Debug, PartialEq, Eq)]
enum Fill {
    Read(PathBuf),
    Write(PathBuf),
}

/// All arguments but the command itself.
pub(super) fn bubblewrap(spec: &Spec, scratch: &Scratch, identity: Identity) -> Vec<OsString> {
    let mut arguments = Arguments::default();
    for flag in [
        "--unshare-all",
        // Not only tried, as the one before would.
        "--unshare-user",
        "--disable-userns",
        "--die-with-parent",
        "--new-session",
        "--clearenv",
    ] {
        arguments.push([flag]);
    }
    arguments.push(["--cap-drop", "ALL"]);
    arguments.push(["--uid", &identity.user.to_string()]);
    arguments.push(["--gid", &identity.group.to_string()]);
    show_system(&mut arguments);
    show_settings(&mut arguments, &scratch.path("empty"));
    arguments.push(["--proc", "/proc"]);
    arguments.push(["--dev", "/dev"]);
    arguments.bind("--bind", &scratch.path("shm"), Path::new("/dev/shm"));
    // The device folder is a tmpfs without a limit of its own.
    arguments.push(["--remount-ro", "/dev"]);
    for (place, fill) in places(spec, scratch) {
        match fill {
            Fill::Read(source) => arguments.bind("--ro-bind", &source, &place),
            Fill::Write(source) => arguments.bind("--bind", &source, &place),
        }
    }
    arguments.push(["--remount-ro", "/"]);
    // For the host's root the kernel's settings are its own files, capabilities or not: `/proc/sys/kernel/core_pattern`
    // would be a way out.
    arguments.push(["--remount-ro", "/proc"]);
    for (name, value) in &spec.environment {
        arguments.push(["--setenv", name, value]);
    }
    arguments.push([OsString::from("--chdir"), spec.cwd.clone().into()]);
    arguments.list
}

/// What is seen where, parents before children, so that a later one lies on top of an earlier one.
fn places(spec: &Spec, scratch: &Scratch) -> BTreeMap<PathBuf, Fill> {
    let mut places = BTreeMap::new();
    for (place, folder) in [("/tmp", "tmp"), ("/var/tmp", "vartmp"), ("/run", "run")] {
        places.insert(PathBuf::from(place), Fill::Write(scratch.path(folder)));
    }
    let home = spec.home().filter(|home| {
        !is_system(home) && !home.starts_with(&spec.mount_at) && !places.contains_key(home)
    });
    if let Some(home) = home {
        places.insert(home, Fill::Write(scratch.path("home")));
    }
    let mut readable: Vec<&PathBuf> = spec.readable.iter().collect();
    readable.sort();
    for path in readable {
        // What lies in a folder that is shown is seen already, and could be a link, over which nothing can be put.
        let seen = !path.starts_with(&spec.mount_at)
            && path
                .ancestors()
                .any(|above| matches!(places.get(above), Some(Fill::Read(_))));
        if !seen && may_be_shown(path, spec) {
            places.insert(path.clone(), Fill::Read(path.clone()));
        }
    }
    places.insert(PathBuf::from(INPUTS), Fill::Read(scratch.path("in")));
    places.insert(PathBuf::from(OUTPUTS), Fill::Write(scratch.path("out")));
    places.insert(spec.mount_at.clone(), Fill::Write(scratch.path("merged")));
    places
}

fn may_be_shown(path: &Path, spec: &Spec) -> bool {
    if !path.is_absolute() || is_system(path) || !path.exists() {
        return false;
    }
    let homes = [spec.home(), Some("/root".into()), Some("/home".into())];
    let too_much = homes.iter().flatten().any(|home| home.starts_with(path));
    if too_much || [Path::new("/tmp"), Path::new("/var")].contains(&path) {
        return false;
    }
    // Another user's home is as private as our own.
    if path.parent() == Some(Path::new("/home")) && path != spec.mount_at {
        return false;
    }
    match path.strip_prefix(&spec.mount_at) {
        // Inside the tree: the tree's own file comes first, whatever the host has there now.
        Ok(relative) => spec.tree.join(relative).symlink_metadata().is_err(),
        Err(_) => true,
    }
}

/// Already there, or never shown.
fn is_system(path: &Path) -> bool {
    SYSTEM.iter().chain(&OWN).any(|own| path.starts_with(own))
}

fn show_system(arguments: &mut Arguments) {
    for place in SYSTEM.map(Path::new) {
        let Ok(meta) = place.symlink_metadata() else {
            continue;
        };
        match std::fs::read_link(place) {
            Ok(target) if meta.is_symlink() => {
                arguments.push([OsString::from("--symlink"), target.into(), place.into()]);
            }
            _ => arguments.bind("--ro-bind", place, place),
        }
    }
}

/// `/etc`, as any user of the host would see it: what is not readable by everyone is covered.
fn show_settings(arguments: &mut Arguments, empty: &Path) {
    let settings = Path::new("/etc");
    if !settings.is_dir() {
        return;
    }
    arguments.bind("--ro-bind", settings, settings);
    let mut entries = WalkDir::new(settings).min_depth(1).into_iter();
    while let Some(entry) = entries.next() {
        let Ok(entry) = entry else { continue };
        let Ok(meta) = entry.metadata() else { continue };
        let mode = meta.permissions().mode();
        if meta.is_dir() && mode & 0o005 != 0o005 {
            entries.skip_current_dir();
            arguments.bind("--ro-bind", empty, entry.path());
        } else if meta.is_file() && (mode & 0o004 == 0 || is_secret(entry.path())) {
            arguments.bind("--ro-bind", Path::new("/dev/null"), entry.path());
        }
    }
}

/// Secret by its name, however its mode was set.
fn is_secret(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    matches!(
        &*name,
        "shadow" | "shadow-" | "gshadow" | "gshadow-" | "krb5.keytab"
    ) || (name.starts_with("ssh_host_") && name.ends_with("_key"))
}

#[derive(Debug, Default)]
struct Arguments {
    list: Vec<OsString>,
}

impl Arguments {
    fn push<T: Into<OsString>, const N: usize>(&mut self, words: [T; N]) {
        self.list.extend(words.map(Into::into));
    }

    fn bind(&mut self, how: &str, source: &Path, place: &Path) {
        self.push([OsString::from(how), source.into(), place.into()]);
    }
}
