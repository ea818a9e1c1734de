//! Whatever arrives, a diagnosis comes back: telemetry is under the control of whoever attacks the watched program.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use homeostasis_diagnose::{Input, diagnose};
use homeostasis_domain::capsule::{Capsule, Exception, Frame};
use homeostasis_domain::value::Value;
use proptest::prelude::*;
use std::collections::BTreeMap;

const PROGRAM: &str = "import os\nfrom flask import Flask, request\n\napp = Flask(__name__)\nRATES = {'a': 1}\n\n\ndef wrap(f):\n    def inner(*args, **kwargs):\n        return f(*args, **kwargs)\n    return inner\n\n\n@app.route('/x/<int:id>')\n@wrap\ndef view(id, limit=None, *rest, **more):\n    data = request.get_json()\n    for i, (a, b) in enumerate(data['ä']):\n        total = sum(row['n'] / len(data) for row in a if row)\n        with open(os.environ['HOME']) as file:\n            x, y = file.read().split(',')\n    return [int(v) for v in (lambda q: q.items)(b)][0].name.strip() + limit * RATES[id]\n";

const MESSAGES: &[&str] = &[
    "'NoneType' object has no attribute '{}'",
    "{}() missing 2 required positional arguments: '{}' and 'b'",
    "{}() takes 1 positional argument but 2 were given",
    "unsupported operand type(s) for {}: 'int' and '{}'",
    "invalid literal for int() with base 10: '{}'",
    "could not convert string to float: {}",
    "list index out of range",
    "'{}'",
    "{}",
    "division by zero",
    "not enough values to unpack (expected 2, got 1)",
    "cannot access local variable '{}' where it is not associated with a value",
    "'{}' object is not subscriptable",
    "'{}' object is not iterable",
    "[Errno 28] {}",
    "HTTPConnectionPool(host='{}', port=",
    "Connect call failed ({}",
    "generator raised StopIteration",
];

const TYPES: &[(&str, &str)] = &[
    ("builtins", "KeyError"),
    ("builtins", "IndexError"),
    ("builtins", "AttributeError"),
    ("builtins", "TypeError"),
    ("builtins", "ValueError"),
    ("builtins", "ZeroDivisionError"),
    ("builtins", "NameError"),
    ("builtins", "UnboundLocalError"),
    ("builtins", "StopIteration"),
    ("builtins", "RuntimeError"),
    ("builtins", "ExceptionGroup"),
    ("builtins", "OSError"),
    ("builtins", "AssertionError"),
    ("builtins", "ModuleNotFoundError"),
    ("decimal", "InvalidOperation"),
    ("requests.exceptions", "ConnectionError"),
    ("sqlite3", "OperationalError"),
    ("program", "Own"),
    ("", ""),
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_'\"(){}\\[\\]é日 ]{0,12}",
        Just("日".repeat(3000)),
        Just("\u{0}\u{feff}\r\n".to_string()),
        Just(String::new()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(|v| Value::Bool { v }),
        prop_oneof![Just("0".to_string()), Just("9".repeat(1000)), text()]
            .prop_map(|v| Value::Int { v }),
        prop_oneof![
            Just("nan".to_string()),
            Just("inf".to_string()),
            Just("0.0".to_string()),
            text()
        ]
        .prop_map(|v| Value::Float { v }),
        (text(), any::<u64>()).prop_map(|(v, len)| Value::Str { v, len }),
        text().prop_map(|class| Value::Cut { class, len: None }),
        (text(), text()).prop_map(|(class, text)| Value::Other { class, text }),
        text().prop_map(|class| Value::Object {
            class: format!("program.{class}"),
            fields: Default::default(),
            len: None,
            content: None,
        }),
        (0..5_u64).prop_map(|id| Value::Ref { id }),
        text().prop_map(|v| Value::Shared {
            id: v.len() as u64 % 5,
            value: Box::new(Value::Str {
                len: v.chars().count() as u64,
                v
            }),
        }),
        Just(Value::Unknown),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..4), any::<u64>())
                .prop_map(|(items, len)| Value::List { items, len }),
            prop::collection::vec((inner.clone(), inner), 0..4).prop_map(|items| {
                let len = items.len() as u64;
                Value::Dict { items, len }
            }),
        ]
    })
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..40, Just(u32::MAX), any::<u32>()]
}

fn frame() -> impl Strategy<Value = Frame> {
    (
        prop_oneof![
            Just("/p/program.py".to_string()),
            Just("/lib/x.py".to_string()),
            text()
        ],
        prop_oneof![
            Just("view".to_string()),
            Just("wrap.<locals>.inner".to_string()),
            Just("<genexpr>".to_string()),
            text()
        ],
        number(),
        prop::option::of(number()),
        prop::option::of(number()),
        prop::option::of(number()),
        any::<bool>(),
        prop_oneof![3 => Just(String::new()), 1 => text()],
        prop::collection::btree_map(
            prop_oneof![
                Just("data".to_string()),
                Just("a".to_string()),
                Just("limit".to_string()),
                text()
            ],
            value(),
            0..5,
        ),
    )
        .prop_map(
            |(file, function, line, end_line, column, end_column, in_app, text, locals)| Frame {
                file,
                module: "program".into(),
                function,
                line,
                end_line,
                column,
                end_column,
                first_line: line,
                in_app,
                source_sha256: None,
                text,
                arguments: vec![],
                locals,
                globals: BTreeMap::new(),
            },
        )
}

fn exception() -> impl Strategy<Value = Exception> {
    (
        0..TYPES.len(),
        0..MESSAGES.len(),
        text(),
        prop::option::of(value()),
        prop::collection::vec(frame(), 0..5),
    )
        .prop_map(|(type_at, message_at, inserted, argument, frames)| {
            let mut attributes = BTreeMap::new();
            if let Some(argument) = argument {
                attributes.insert(
                    "args".to_string(),
                    Value::Tuple {
                        items: vec![argument.clone()],
                        len: 1,
                    },
                );
                attributes.insert("name".to_string(), argument);
            }
            Exception {
                type_name: TYPES[type_at].1.into(),
                module: TYPES[type_at].0.into(),
                message: MESSAGES[message_at].replace("{}", &inserted),
                relation: None,
                attributes,
                notes: vec![],
                frames,
            }
        })
}

fn capsule(exceptions: Vec<Exception>, body: &str) -> Capsule {
    let mut capsule: Capsule = serde_json::from_value(serde_json::json!({
        "schema": 1, "kind": "request", "exceptions": [],
        "process": {"pid": 1, "cwd": "/p", "runtime": {"name": "CPython", "version": "3.12"}, "frameworks": {"flask": "3"}},
        "request": {"protocol": "wsgi", "method": "POST", "path": "/x/%zz/1", "query": "a=%e4&&=", "body": {"data": body, "len": 3, "truncated": false}},
    }))
    .unwrap();
    capsule.exceptions = exceptions;
    capsule
}

fn check(capsule: &Capsule, program: &str) {
    let sources = BTreeMap::from([("/p/program.py".to_string(), program.to_string())]);
    let input = Input {
        capsule,
        sources: &sources,
        root: "/p",
    };
    let diagnosis = diagnose(&input);
    assert_eq!(
        diagnosis,
        diagnose(&input),
        "the same input gives the same diagnosis"
    );
    for hypothesis in &diagnosis.hypotheses {
        assert!((0.0..=1.0).contains(&hypothesis.confidence));
        assert!(hypothesis.class.known(), "{}", hypothesis.class);
        assert!(!hypothesis.summary.is_empty());
        if let Some(location) = &hypothesis.location {
            assert_eq!(
                program.get(location.start_byte..location.end_byte),
                Some(location.text.as_str())
            );
        }
        for operand in &hypothesis.operands {
            assert!(operand.start_byte <= operand.end_byte && operand.end_byte <= program.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_capsule_gives_a_diagnosis(exceptions in prop::collection::vec(exception(), 0..4), body in "[A-Za-z0-9+/=]{0,40}") {
        check(&capsule(exceptions, &body), PROGRAM);
    }

    #[test]
    fn any_source_gives_a_diagnosis(exceptions in prop::collection::vec(exception(), 1..2), program in "[a-z0-9:=.,()\\[\\]{}'\"@ \n\té日*+/-]{0,300}") {
        check(&capsule(exceptions, ""), &program);
    }
}

/// Every complaint at every expression of a program: no position is beyond the search.
#[test]
fn every_complaint_at_every_position_is_survived() {
    let source = homeostasis_syntax::Source::python(PROGRAM).unwrap();
    for node in source.walk() {
        let (line, column) = source.lines().position(node.range().start);
        let (end_line, end_column) = source.lines().position(node.range().end);
        for (position, (module, type_name)) in TYPES.iter().enumerate() {
            let message = MESSAGES[position % MESSAGES.len()].replace("{}", "name");
            let frame: Frame = serde_json::from_value(serde_json::json!({
                "file": "/p/program.py", "function": "view", "line": line, "end_line": end_line,
                "column": column, "end_column": end_column, "in_app": true,
            }))
            .unwrap();
            let exception = Exception {
                type_name: (*type_name).into(),
                module: (*module).into(),
                message,
                relation: None,
                attributes: BTreeMap::new(),
                notes: vec![],
                frames: vec![frame],
            };
            check(&capsule(vec![exception], "e30="), PROGRAM);
        }
    }
}

#[test]
fn sources_of_extreme_depth_do_not_exhaust_the_stack() {
    for program in [
        format!("x = {}1{}\n", "(".repeat(30_000), ")".repeat(30_000)),
        format!("x = 1{}\n", " + 1".repeat(30_000)),
        format!("x = a{}\n", ".b".repeat(30_000)),
        format!("x = a{}\n", "()".repeat(30_000)),
        format!("x = {}1\n", "-".repeat(30_000)),
        format!("x = {}1\n", "not ".repeat(30_000)),
        format!("if a:\n  pass\n{}", "elif b:\n  pass\n".repeat(10_000)),
        format!("x = {}1\n", "lambda: ".repeat(20_000)),
        (0..2_000)
            .map(|depth| format!("{}if a:\n", " ".repeat(depth)))
            .collect::<String>(),
    ] {
        for (column, end_column) in [
            (None, None),
            (Some(4), Some(program.find('\n').unwrap() as u32)),
        ] {
            let frame: Frame = serde_json::from_value(serde_json::json!({
                "file": "/p/program.py", "function": "<module>", "line": 1, "end_line": 1,
                "column": column, "end_column": end_column, "in_app": true,
            }))
            .unwrap();
            let exception = Exception {
                type_name: "TypeError".into(),
                module: "builtins".into(),
                message: "unsupported operand type(s) for +: 'int' and 'str'".into(),
                relation: None,
                attributes: BTreeMap::new(),
                notes: vec![],
                frames: vec![frame],
            };
            check(&capsule(vec![exception], ""), &program);
        }
    }
}
