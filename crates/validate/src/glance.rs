//! A glance at what the program does with some files changed: one replay, no checks, no verdict.

use crate::baseline::failing_requests;
use crate::context::Context;
use crate::replay::{self, replay};
use homeostasis_domain::FileEdit;
use homeostasis_domain::capsule::Exception;

/// The exception that the failing request ends in with these edits, with its chain; `None` when it ends in none, or
/// when nothing could be run.
pub async fn glance(context: &Context, edits: &[FileEdit]) -> Option<Vec<Exception>> {
    let kind = replay::kind(context).ok()?;
    let overrides = edits
        .iter()
        .map(|edit| (edit.path.clone().into(), edit.new_text.clone().into_bytes()))
        .collect();
    let replayed = replay(context, kind, failing_requests(context, kind), overrides).await;
    let failing = replayed.exchanges.ok()?.pop()?;
    (!failing.exceptions.is_empty()).then_some(failing.exceptions)
}
