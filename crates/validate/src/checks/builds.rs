//! Builds: the edited files compile with the program's own interpreter.

use super::Found;
use crate::replay::Compiled;
use homeostasis_domain::Candidate;

pub(crate) fn check(candidate: &Candidate, compiled: Option<&Vec<Compiled>>) -> Found {
    let Some(compiled) = compiled else {
        return Found::error("the program's interpreter did not get to compile the edited files");
    };
    let broken = compiled
        .iter()
        .find_map(|file| Some((&file.path, file.error.as_ref()?)));
    if let Some((path, error)) = broken {
        return Found::failed("builds.broken", format!("{path} does not compile: {error}"));
    }
    let all = candidate
        .edits
        .iter()
        .all(|edit| compiled.iter().any(|file| file.path == edit.path));
    if !all {
        return Found::error("not all edited files were compiled");
    }
    let count = compiled.len();
    let files = if count == 1 {
        "file compiles"
    } else {
        "files compile"
    };
    Found::passed(format!("{count} edited {files}"))
}
