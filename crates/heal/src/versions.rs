//! The latest texts of files that were swapped while the program ran, to recognise failures of either version.

use homeostasis_domain::candidate::FileEdit;
use std::collections::{BTreeMap, VecDeque};

const MOST_OF_A_FILE: usize = 6;

/// Texts by path, the newest first.
#[derive(Default)]
pub(crate) struct Versions(BTreeMap<String, VecDeque<String>>);

impl Versions {
    /// Takes both texts of each edit.
    pub(crate) fn take(&mut self, edits: &[FileEdit]) {
        for edit in edits {
            let texts = self.0.entry(edit.path.clone()).or_default();
            for text in [&edit.old_text, &edit.new_text] {
                texts.retain(|known| known != text);
                texts.push_front(text.clone());
            }
            texts.truncate(MOST_OF_A_FILE);
        }
    }

    /// The texts that a process may be running for this file.
    pub(crate) fn of(&self, path: &str) -> Vec<String> {
        self.0
            .get(path)
            .map(|texts| texts.iter().cloned().collect())
            .unwrap_or_default()
    }
}
