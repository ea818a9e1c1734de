//! What every file must be like: no path of a developer's machine, and a first sentence that says what it is. Pure.

/// Programs that stand for those of users, sick on purpose or bare on purpose: they are data, and look as users write.
const DATA: [&str; 3] = [
    "patients/python/",
    "/fixtures/",
    "agents/python/tests/programs/",
];

/// Folders that exist on a developer's machine only. In parts, so that this file does not find itself.
const FOREIGN: [[&str; 2]; 2] = [["/wo", "rk/"], ["/ro", "ot/"]];

/// Files that name such a folder on purpose, and why.
const ON_PURPOSE: [(&str, &str); 1] = [(
    "crates/sandbox/tests/sandbox/contained.rs",
    "the sandbox must hide the home of the superuser, which is the same on every machine",
)];

/// What is wrong with a file, as sentences.
pub(crate) fn check(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let on_purpose = ON_PURPOSE.iter().any(|(file, _reason)| path == *file);
    for (index, line) in text.lines().enumerate().filter(|_| !on_purpose) {
        if let Some(folder) = foreign_path(line) {
            problems.push(format!(
                "{path}:{}: a path of one machine ({folder}...) means nothing on another; use a relative one or a temporary folder",
                index + 1
            ));
        }
    }
    if DATA.iter().any(|data| path.contains(data)) {
        return problems;
    }
    if path.ends_with(".rs") && !text.starts_with("//! ") {
        problems.push(format!(
            "{path}: its first line must be a module comment: //! what it is, and what it is not"
        ));
    }
    if path.ends_with(".py") && !has_docstring(text) {
        problems.push(format!(
            "{path}: it must begin with a docstring: what it is, and what it is not"
        ));
    }
    problems
}

/// The folder, when a line holds an absolute path into one that only developers have.
fn foreign_path(line: &str) -> Option<String> {
    FOREIGN.iter().map(|parts| parts.concat()).find(|folder| {
        line.match_indices(folder.as_str()).any(|(at, _)| {
            // Behind another name it is a part of a longer path.
            let before = line[..at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && !"_-.~*}>)]".contains(c))
        })
    })
}

fn has_docstring(text: &str) -> bool {
    // An interpreter line and an encoding may stand before everything.
    let first = text
        .lines()
        .find(|line| !line.starts_with('#') && !line.trim().is_empty());
    first.is_some_and(|line| line.starts_with("\"\"\"") || line.starts_with("r\"\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(rest: &str) -> String {
        format!("{}{rest}", FOREIGN[0].concat())
    }

    #[test]
    fn a_path_of_one_machine_is_found_with_its_line() {
        let text = format!("//! A file.\nconst X: &str = \"{}\";\n", foreign("main"));
        let problems = check("a.rs", &text);
        assert!(
            matches!(&problems[..], [one] if one.starts_with("a.rs:2:")),
            "{problems:?}"
        );
    }

    #[test]
    fn the_same_name_inside_a_longer_path_is_no_path_of_a_machine() {
        for before in ["target", "${HOME}", "..", "{folder}"] {
            assert_eq!(
                check("a.md", &format!("see {before}{}", foreign("x"))),
                Vec::<String>::new()
            );
        }
    }

    #[test]
    fn a_source_without_a_first_sentence_is_found() {
        assert_eq!(check("a.rs", "use std::fs;\n").len(), 1);
        assert_eq!(
            check("a.rs", "//! What it is.\nuse std::fs;\n"),
            Vec::<String>::new()
        );
        assert_eq!(check("a.py", "import os\n").len(), 1);
        assert_eq!(check("a.py", "").len(), 1);
        assert_eq!(
            check("a.py", "#!/usr/bin/env python3\n\"\"\"What it is.\"\"\"\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn programs_that_stand_for_those_of_users_need_no_first_sentence_but_no_foreign_path_either() {
        assert_eq!(
            check("patients/python/shop/shop/views/__init__.py", ""),
            Vec::<String>::new()
        );
        assert_eq!(check("patients/python/shop/a.py", &foreign("x")).len(), 1);
    }
}
