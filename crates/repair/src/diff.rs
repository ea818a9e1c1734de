//! The unified diff of a candidate's edits, for people.

use homeostasis_domain::FileEdit;
use similar::TextDiff;

/// All edits as one unified diff, with paths relative to `root` where they lie below it.
pub(crate) fn unified(edits: &[FileEdit], root: &str) -> String {
    edits
        .iter()
        .map(|edit| {
            let shown = relative(&edit.path, root);
            TextDiff::from_lines(&edit.old_text, &edit.new_text)
                .unified_diff()
                .context_radius(3)
                .header(&format!("a/{shown}"), &format!("b/{shown}"))
                .to_string()
        })
        .collect()
}

fn relative<'p>(path: &'p str, root: &str) -> &'p str {
    path.strip_prefix(root.trim_end_matches('/'))
        .filter(|_| !root.is_empty())
        .map_or(path, |rest| rest.trim_start_matches('/'))
        .trim_start_matches('/')
}
