//! Why nothing ran, and what to do about it; a command that fails inside the sandbox is a report, not an error.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SandboxError {
    /// The program is not there.
    #[error(
        "bubblewrap (the program `bwrap`) is not installed, and nothing is tried outside a sandbox; install it: `apt install bubblewrap`"
    )]
    BubblewrapMissing,
    /// The kernel, or the container around us, does not allow them.
    #[error(
        "this machine does not allow user namespaces ({reason}), and nothing is tried outside a sandbox; allow them: \
         `sysctl -w kernel.unprivileged_userns_clone=1` (Debian), `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu), \
         or `--security-opt seccomp=unconfined --security-opt apparmor=unconfined` for a container"
    )]
    NamespacesForbidden {
        /// What the kernel answered.
        reason: String,
    },
    /// The caller asked for something that makes no sense.
    #[error("the sandbox was asked for something it cannot do: {reason}")]
    Refused {
        /// What.
        reason: String,
    },
    /// Overlay is not permitted and the copy does not fit.
    #[error(
        "the tree is larger than the {limit} bytes the sandbox may write, and the kernel does not allow to show it without a copy; raise the disk limit"
    )]
    TreeTooLarge {
        /// The limit.
        limit: u64,
    },
    /// One step of the preparation failed.
    #[error("the sandbox could not be set up: {step}: {reason}")]
    Setup {
        /// What was being done.
        step: String,
        /// What the system answered.
        reason: String,
    },
    /// The helper process could not be started or did not answer.
    #[error(
        "the sandbox's helper process {launcher} broke: {reason}; check that the file is there and may be executed"
    )]
    Helper {
        /// The program.
        launcher: String,
        /// What happened.
        reason: String,
    },
}

impl SandboxError {
    /// For `map_err` over what the system answered.
    pub(crate) fn setup<E: std::fmt::Display>(step: impl Into<String>) -> impl FnOnce(E) -> Self {
        let step = step.into();
        move |error| SandboxError::Setup {
            step,
            reason: error.to_string(),
        }
    }
}
