//! Leaves the host's user and mount namespaces, so that mounts can be made that nobody else sees.

use crate::error::SandboxError;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::{getegid, geteuid};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Who we are outside; the command inside sees itself as the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// Enters a user namespace in which we are root over nothing but our own user, and a private mount namespace.
pub(super) fn enter() -> Result<Identity, SandboxError> {
    let identity = Identity {
        user: geteuid().as_raw(),
        group: getegid().as_raw(),
    };
    let forbidden = |step: &str, error: std::io::Error| SandboxError::NamespacesForbidden {
        reason: format!("{step}: {error}"),
    };
    #[expect(
        unsafe_code,
        reason = "unshare is only unsound beside threads that share descriptors; this process has one thread"
    )]
    let unshared = unsafe { unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNS) };
    unshared.map_err(|error| forbidden("unshare", error.into()))?;
    let write = |file: &str, text: String| {
        std::fs::write(file, text).map_err(|error| forbidden(file, error))
    };
    write("/proc/self/setgroups", "deny".to_string())?;
    write("/proc/self/uid_map", format!("0 {} 1", identity.user))?;
    write("/proc/self/gid_map", format!("0 {} 1", identity.group))?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|error| forbidden("making mounts private", error.into()))?;
    Ok(identity)
}
