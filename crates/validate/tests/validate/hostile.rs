//! Test suites that hang, fork, eat memory, lie or end early: none is taken for a success, and none leaves anything.

use crate::world::{World, code, post, told};
use homeostasis_domain::CheckName;
use homeostasis_validate::{SuiteResult, suite_baseline};
use std::time::{Duration, Instant};

async fn suite(test: &str) -> SuiteResult {
    let good = "def test_good():\n    pass\n\n";
    let mut world = World::of(&[
        ("app.py", "x = 1\n"),
        ("tests/test_all.py", &format!("{good}{test}")),
    ]);
    let limits = &mut world.context.limits.suite;
    limits.wall = Duration::from_secs(8);
    limits.memory_bytes = 256 << 20;
    limits.processes = 24;
    limits.disk_bytes = 32 << 20;
    suite_baseline(&world.context).await
}

#[tokio::test]
async fn a_suite_that_hangs_is_stopped() {
    let begun = Instant::now();
    let result = suite("def test_bad():\n    while True: pass\n").await;
    assert!(
        result.broken.as_ref().unwrap().contains("out of wall time"),
        "{result:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(result.has_passed("tests/test_all.py::test_good"));
}

#[tokio::test]
async fn a_suite_that_forks_without_end_is_stopped() {
    let result = suite("import os\n\ndef test_bad():\n    while True:\n        try: os.fork()\n        except OSError: pass\n").await;
    assert!(
        result
            .broken
            .as_ref()
            .unwrap()
            .contains("too many processes"),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_suite_that_eats_memory_is_stopped() {
    let result =
        suite("def test_bad():\n    x = []\n    while True: x.append(bytearray(1 << 22))\n").await;
    assert!(
        result.broken.as_ref().unwrap().contains("out of memory"),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_suite_that_ends_with_success_and_without_a_report_has_not_passed() {
    for way in [
        "os._exit(0)",
        "os.kill(os.getpid(), 9)",
        "os.kill(os.getppid(), 9); os._exit(0)",
    ] {
        let result = suite(&format!("import os\n\ndef test_bad():\n    {way}\n")).await;
        assert!(result.broken.is_some(), "{way}: {result:?}");
    }
}

#[tokio::test]
async fn a_suite_that_prints_a_gigabyte_is_only_slow() {
    let result = suite("import os\n\ndef test_loud(capfd):\n    with capfd.disabled():\n        for _ in range(1024): os.write(1, b'x' * (1 << 20))\n").await;
    assert_eq!(result.broken, None);
    assert_eq!(result.passed().count(), 2, "{result:?}");
}

#[tokio::test]
async fn a_suite_that_writes_everywhere_changes_nothing() {
    let mark = format!("homeostasis-validate-{}", std::process::id());
    let result = suite(&format!(
        "import os\n\ndef test_writes():\n    for place in ['/', '/etc', '/usr', '/root', '/tmp', '/var/tmp', '/dev/shm', os.getcwd()]:\n        try: open(os.path.join(place, '{mark}'), 'w').write('x')\n        except OSError: pass\n"
    ))
    .await;
    assert_eq!(result.passed().count(), 2, "{result:?}");
    for place in ["/", "/etc", "/usr", "/root", "/tmp", "/var/tmp", "/dev/shm"] {
        assert!(!std::path::Path::new(place).join(&mark).exists(), "{place}");
    }
}

#[tokio::test]
async fn a_suite_that_cannot_be_loaded_says_why() {
    let result = suite("import no_such_module\n").await;
    assert!(
        result.broken.as_ref().unwrap().contains("no_such_module"),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_suite_that_hangs_only_with_the_candidate_refuses_it() {
    let mut world = World::shop(post("/orders", r#"{"sku": "tea"}"#), "KeyError", "total_of");
    world.context.limits.suite.wall = Duration::from_secs(6);
    let hangs = world.candidate(
        "    discount = DISCOUNTS[data[\"coupon\"]]\n",
        "    discount = DISCOUNTS[data.get(\"coupon\", \"NONE\")]\n    while discount: pass\n",
    );
    let trial = world.trial(&hangs).await;
    assert_eq!(
        code(&trial, CheckName::Tests),
        "tests.broken",
        "{}",
        told(&trial)
    );
}
