//! Runs code that nobody trusts yet, on a copy-on-write view of a program's tree; it does not judge what the code did.
//!
//! # What it guarantees
//!
//! - **No network.** A network namespace of its own with nothing but a loopback interface, so that a program may still
//!   bind its usual port. Abstract sockets and System V objects of the host are out of reach as well.
//! - **Nothing outside changes.** The tree is shown through an overlay whose upper layer is a size-limited tmpfs; where
//!   the kernel refuses the overlay, a bounded copy in that tmpfs takes its place. Everything else is read-only.
//! - **Nothing else is seen.** Only `/usr` and its relatives, `/etc` without what is not readable by everyone, the
//!   tree, and the paths that the caller names. No home folder, no `/proc` or environment of another process.
//! - **Bounded.** Wall time, processor time, memory, number of processes, disk and output.
//! - **Nothing is left.** At the end, whatever the end, every process of the sandbox is dead (its process namespace
//!   ends), and tmpfs and mounts vanish with the last of them. That holds too when the caller drops the future or is
//!   killed by `SIGKILL`.
//! - **Never weaker.** When bubblewrap or user namespaces are missing, there is an error that says what to do, and
//!   nothing runs.
//!
//! # How
//!
//! ```text
//! caller (tokio, many threads)
//!   └─ <launcher> __sandbox            single-threaded: user and mount namespace, tmpfs, overlay, files; then watches
//!        └─ bwrap --unshare-all ...    process, network, IPC namespaces, minimal mounts, no capabilities
//!             └─ process 1 of the namespace
//!                  └─ the command and all that it starts
//! ```
//!
//! The caller never forks by itself. The [`Spec`] travels over the helper's standard input, which stays open as a
//! lifeline: when it closes, the helper kills everything. `bwrap` dies with the helper, process 1 dies with `bwrap`,
//! and the kernel kills the whole namespace with process 1.
//!
//! # What it does not do
//!
//! System calls are not filtered beyond what `no_new_privs` and the absence of capabilities do. Unix sockets inside a
//! folder given as `readable` can be reached: such folders hold code, not sockets.

mod check;
mod encoded;
mod error;
mod helper;
mod report;
mod run;
mod spec;

pub use check::{Facilities, check};
pub use error::SandboxError;
pub use helper::{SUBCOMMAND, helper_main};
pub use report::{Exit, Report, Support};
pub use run::run;
pub use spec::{INPUTS, Limits, OUTPUTS, Spec};
