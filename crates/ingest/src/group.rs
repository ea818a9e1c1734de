//! Grouping: which failures are the same failure.
//!
//! A fingerprint is made of the exception's type, of the way through the program's own functions (repetitions by
//! recursion folded), and of the text of the failing line with the width of the failing expression. It holds no line
//! numbers, so that an edit elsewhere in the file keeps it, and no values, so that different inputs share it. Messages
//! are left out too: they carry values. Merging two different failures is the worse error, hence the whole way.

use homeostasis_domain::capsule::{Capsule, Exception, Frame};
use homeostasis_domain::id::{Fingerprint, digest};

/// At most this many functions of the way count; the innermost ones.
const MAX_WAY: usize = 12;

/// The fingerprint of a capsule.
pub fn fingerprint(capsule: &Capsule) -> Fingerprint {
    let Some(thrown) = capsule.thrown() else {
        return Fingerprint::new(digest(["no exception"]));
    };
    let mut parts = vec![thrown.qualified_type()];
    let way = way(thrown);
    if let Some(last) = way.last() {
        parts.push(normalised(&last.text));
        parts.push(
            width(last)
                .map(|width| width.to_string())
                .unwrap_or_default(),
        );
    }
    parts.extend(way.iter().map(|frame| place(frame)));
    Fingerprint::new(digest(parts))
}

fn way(exception: &Exception) -> Vec<&Frame> {
    let mut way: Vec<&Frame> = exception
        .frames
        .iter()
        .filter(|frame| frame.in_app)
        .collect();
    if way.is_empty() {
        way = exception.frames.iter().rev().take(3).rev().collect();
    }
    way.dedup_by(|a, b| a.file == b.file && a.function == b.function);
    way.split_off(way.len().saturating_sub(MAX_WAY))
}

fn place(frame: &Frame) -> String {
    format!("{}:{}", file_name(&frame.file), frame.function)
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn normalised(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn width(frame: &Frame) -> Option<u32> {
    let same_line = frame.end_line.is_none_or(|end| end == frame.line);
    if same_line {
        frame.end_column?.checked_sub(frame.column?)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use homeostasis_domain::capsule::{CapsuleKind, Process, Runtime};

    fn frame(function: &str, line: u32, text: &str) -> Frame {
        let json = serde_json::json!({
            "file": "/srv/shop/orders.py", "function": function, "line": line, "in_app": true, "text": text
        });
        serde_json::from_value(json).unwrap()
    }

    fn capsule(error: &str, frames: Vec<Frame>) -> Capsule {
        Capsule {
            schema: 1,
            kind: CapsuleKind::Process,
            hook: String::new(),
            process: Process {
                pid: 1,
                argv: vec![],
                cwd: "/srv/shop".into(),
                executable: String::new(),
                runtime: Runtime::default(),
                thread: String::new(),
                task: None,
                role: String::new(),
                frameworks: Default::default(),
            },
            exceptions: vec![Exception {
                type_name: error.into(),
                module: "builtins".into(),
                message: "'qty'".into(),
                relation: None,
                attributes: Default::default(),
                notes: vec![],
                frames,
            }],
            request: None,
            call: None,
            answers: Vec::new(),
            redacted: vec![],
            missing: vec![],
        }
    }

    #[test]
    fn moving_lines_and_other_messages_keep_the_fingerprint() {
        let one = capsule("KeyError", vec![frame("place", 10, "qty = item['qty']")]);
        let mut two = capsule("KeyError", vec![frame("place", 99, "qty  =  item['qty']")]);
        two.exceptions[0].message = "'price'".into();
        assert_eq!(fingerprint(&one), fingerprint(&two));
    }

    #[test]
    fn another_type_another_line_or_another_way_is_another_failure() {
        let base = fingerprint(&capsule("KeyError", vec![frame("place", 10, "a['x']")]));
        let type_differs = capsule("IndexError", vec![frame("place", 10, "a['x']")]);
        let text_differs = capsule("KeyError", vec![frame("place", 10, "a['y']")]);
        let way_differs = capsule(
            "KeyError",
            vec![frame("view", 1, "place()"), frame("place", 10, "a['x']")],
        );
        for other in [type_differs, text_differs, way_differs] {
            assert_ne!(base, fingerprint(&other));
        }
    }

    #[test]
    fn the_depth_of_a_recursion_does_not_matter() {
        let deep = |n: usize| {
            capsule(
                "RecursionError",
                (0..n).map(|_| frame("walk", 3, "walk(child)")).collect(),
            )
        };
        assert_eq!(fingerprint(&deep(5)), fingerprint(&deep(40)));
    }
}
