//! Static policy: what an edit may touch and bring in at all, decided from its text before anything runs.

use super::Found;
use crate::context::Context;
use homeostasis_domain::id::content_hash;
use homeostasis_domain::{Candidate, FileEdit};
use homeostasis_syntax::Source;
use similar::{ChangeTag, TextDiff};
use std::collections::BTreeMap;
use std::path::{Component, Path};

/// More files than this are not a remedy but a rewrite.
pub(crate) const MAX_FILES: usize = 5;
/// So are more changed lines than this.
pub(crate) const MAX_CHANGED_LINES: usize = 60;

/// Modules that reach processes, networks or memory; a remedy brings in none of them.
const MODULES: &[&str] = &[
    "subprocess",
    "socket",
    "ctypes",
    "multiprocessing",
    "pty",
    "urllib",
    "urllib3",
    "http",
    "requests",
    "httpx",
    "aiohttp",
    "ftplib",
    "smtplib",
    "telnetlib",
    "paramiko",
    "importlib",
    "runpy",
    "code",
    "pickle",
    "marshal",
    "shutil",
    "signal",
    "gc",
    "cffi",
    "mmap",
];

/// Calls that a remedy does not add, by their last name or with the module in front.
const CALLS: &[&str] = &[
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "os.fork",
    "os.kill",
    "os.remove",
    "os.unlink",
    "os.rmdir",
    "os._exit",
    "os.execv",
    "os.execvp",
    "os.execve",
    "os.spawnv",
    "os.posix_spawn",
    "os.chmod",
    "os.chown",
    "os.putenv",
    "sys.exit",
    "sys.settrace",
    "sys.setprofile",
    "sys.setrecursionlimit",
    "breakpoint",
    "exit",
    "quit",
    "globals",
    "os.abort",
];

/// Files that decide how the program is tested, built, healed or allowed; a remedy leaves them alone.
const PROTECTED: &[&str] = &[
    "conftest.py",
    "pytest.ini",
    "tox.ini",
    "setup.cfg",
    "setup.py",
    "pyproject.toml",
    "noxfile.py",
    "homeostasis.toml",
    "policy.toml",
    "policy.cedar",
    "Makefile",
    "Dockerfile",
    "sitecustomize.py",
    "usercustomize.py",
];

const PROTECTED_FOLDERS: &[&str] = &[
    "tests",
    "test",
    "testing",
    ".homeostasis",
    ".git",
    ".github",
    ".gitlab",
    ".ci",
    "policy",
    "site-packages",
    "dist-packages",
    "node_modules",
    "migrations",
];

pub(crate) fn check(context: &Context, candidate: &Candidate) -> Found {
    let edits = &candidate.edits;
    if edits.is_empty() {
        return Found::failed("static.empty", "the candidate changes nothing");
    }
    if edits.len() > MAX_FILES {
        let count = edits.len();
        return Found::failed(
            "static.size",
            format!("{count} files are changed, more than {MAX_FILES}"),
        );
    }
    let refused = edits.iter().find_map(|edit| {
        place(context, edit)
            .or_else(|| stale(context, edit))
            .or_else(|| brought_in(edit))
    });
    if let Some((code, text)) = refused {
        return Found::failed(code, text);
    }
    let lines: usize = edits.iter().map(changed_lines).sum();
    if lines == 0 {
        return Found::failed("static.empty", "the candidate changes nothing");
    }
    if lines > MAX_CHANGED_LINES {
        return Found::failed(
            "static.size",
            format!("{lines} lines are changed, more than {MAX_CHANGED_LINES}"),
        );
    }
    Found::passed(format!(
        "{lines} changed lines in {}",
        match edits.len() {
            1 => "1 file".to_string(),
            count => format!("{count} files"),
        }
    ))
    .with("lines", lines)
}

fn place(context: &Context, edit: &FileEdit) -> Option<(&'static str, String)> {
    let path = Path::new(&edit.path);
    let outside = || {
        Some((
            "static.outside",
            format!("{} is not inside the program's folder", edit.path),
        ))
    };
    let Ok(relative) = path.strip_prefix(&context.program.root) else {
        return outside();
    };
    let mut names = Vec::new();
    for part in relative.components() {
        match part {
            Component::Normal(name) => names.push(name.to_string_lossy().into_owned()),
            _ => return outside(),
        }
    }
    let Some((file, folders)) = names.split_last() else {
        return outside();
    };
    let is_test = file.starts_with("test_") || file.ends_with("_test.py") || file == "tests.py";
    let protected = PROTECTED.contains(&file.as_str())
        || folders
            .iter()
            .any(|folder| PROTECTED_FOLDERS.contains(&folder.as_str()));
    if is_test || protected {
        return Some((
            "static.protected",
            format!("{} is a file that no remedy may touch", edit.path),
        ));
    }
    (!file.ends_with(".py")).then(|| {
        (
            "static.protected",
            format!("{} is not a source file of the program", edit.path),
        )
    })
}

/// The edit was made for the text that the snapshot holds.
fn stale(context: &Context, edit: &FileEdit) -> Option<(&'static str, String)> {
    let relative = Path::new(&edit.path)
        .strip_prefix(&context.program.root)
        .ok()?;
    let current = std::fs::read(context.tree.join(relative)).ok();
    let same = current.is_some_and(|bytes| {
        bytes == edit.old_text.as_bytes() && content_hash(&bytes) == edit.old_sha256
    });
    (!same).then(|| {
        (
            "static.stale",
            format!(
                "{} is not the text that the candidate was made for",
                edit.path
            ),
        )
    })
}

fn changed_lines(edit: &FileEdit) -> usize {
    TextDiff::from_lines(&edit.old_text, &edit.new_text)
        .iter_all_changes()
        .filter(|change| change.tag() != ChangeTag::Equal)
        .count()
}

/// Imports and calls that the new text has more often than the old one.
fn brought_in(edit: &FileEdit) -> Option<(&'static str, String)> {
    let (before, after) = (dangers(&edit.old_text), dangers(&edit.new_text));
    let new = after
        .iter()
        .find(|(name, count)| before.get(*name).copied().unwrap_or(0) < **count)?;
    Some((
        "static.reaches_out",
        format!("the candidate brings in {}, which no remedy needs", new.0),
    ))
}

fn dangers(text: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let Ok(source) = Source::python(text) else {
        return found;
    };
    let mut note = |name: String| *found.entry(name).or_default() += 1;
    for node in source.walk() {
        match node.kind().as_ref() {
            "import_statement" | "import_from_statement" => {
                for name in node.dfs().filter(|inner| inner.kind() == "dotted_name") {
                    let name = name.text();
                    let module = name.split('.').next().unwrap_or_default();
                    if MODULES.contains(&module) {
                        note(format!("the module {module}"));
                    }
                }
            }
            "call" => {
                let Some(function) = node.field("function") else {
                    continue;
                };
                let name = function.text().into_owned();
                if CALLS.contains(&name.as_str()) {
                    note(format!("a call of {name}"));
                }
            }
            _ => {}
        }
    }
    found
}
