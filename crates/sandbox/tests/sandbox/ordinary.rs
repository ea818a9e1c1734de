//! The same for a user without any rights, and what a run costs.

use crate::world::{World, launcher, text};
use homeostasis_sandbox::{Exit, Report, SandboxError, check};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// Who has no rights on any system.
const NOBODY: u32 = 65_534;

fn run_as_nobody(world: &World) -> Report {
    let message = serde_json::to_vec(&world.spec).unwrap();
    // A copy where everyone may execute it, since the build's own folder may be closed.
    let folder = tempfile::tempdir().unwrap();
    let helper = folder.path().join("helper");
    std::fs::copy(launcher(), &helper).unwrap();
    for path in [folder.path(), world.tree.path()] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(helper);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut helper = command
        .arg("__sandbox")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lifeline = helper.stdin.take().unwrap();
    lifeline
        .write_all(&(message.len() as u64).to_be_bytes())
        .unwrap();
    lifeline.write_all(&message).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut helper.stdout.take().unwrap(), &mut answer).unwrap();
    helper.wait().unwrap();
    let parsed: Result<Report, SandboxError> = serde_json::from_str(&answer).unwrap();
    parsed.unwrap()
}

#[test]
fn an_ordinary_user_gets_the_same_sandbox() {
    let mut world =
        World::shell("cat module.py; echo x > package/data.txt; echo done; id -u; cat /etc/shadow");
    world.spec.overrides = vec![("/srv/project/module.py".into(), b"VALUE = 3\n".to_vec())];
    std::fs::set_permissions(
        world.tree.path().join("package/data.txt"),
        std::fs::Permissions::from_mode(0o666),
    )
    .unwrap();
    let report = run_as_nobody(&world);
    let out = text(&report.stdout);
    // The tree belongs to someone else, whose files nobody may change, not even in a view of them.
    assert!(out.contains("done\n"), "{out} {}", text(&report.stderr));
    assert!(!out.contains("root:"), "{out}");
    assert_eq!(
        std::fs::read_to_string(world.tree.path().join("package/data.txt")).unwrap(),
        "as it was\n"
    );
}

#[test]
fn an_ordinary_users_fork_bomb_and_memory_bomb_are_killed_without_control_groups() {
    let forks =
        World::python("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass");
    assert_eq!(run_as_nobody(&forks).exit, Exit::TooManyProcesses);
    let memory = World::python("x = []\nwhile True: x.append(bytearray(1 << 22))");
    assert_eq!(run_as_nobody(&memory).exit, Exit::MemoryExceeded);
}

#[tokio::test]
async fn the_check_finds_what_this_machine_allows() {
    let facilities = check(launcher()).await.unwrap();
    assert!(facilities.bubblewrap.is_file());
    assert!(facilities.milliseconds > 0.0);
}

#[tokio::test]
async fn many_sandboxes_run_at_the_same_time() {
    let worlds: Vec<World> = (0..12)
        .map(|number| {
            World::shell(&format!(
                "echo {number} > package/data.txt; cat package/data.txt"
            ))
        })
        .collect();
    let mut tasks = tokio::task::JoinSet::new();
    for (number, world) in worlds.iter().enumerate() {
        let spec = world.spec.clone();
        tasks.spawn(async move { (number, homeostasis_sandbox::run(launcher(), &spec).await) });
    }
    while let Some(joined) = tasks.join_next().await {
        let (number, report) = joined.unwrap();
        assert_eq!(text(&report.unwrap().stdout), format!("{number}\n"));
    }
}

/// `cargo test -p homeostasis-sandbox --release -- --ignored --nocapture`
#[tokio::test]
#[ignore = "a measurement for people, without a bound that could fail"]
async fn what_a_run_costs() {
    for command in [
        &["/bin/true"][..],
        &["/usr/bin/python3", "-I", "-c", "pass"][..],
    ] {
        let world = World::new(command);
        let (mut bare, mut inside) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            let begun = std::time::Instant::now();
            Command::new(command[0])
                .args(&command[1..])
                .status()
                .unwrap();
            bare.push(begun.elapsed().as_secs_f64() * 1e3);
            let begun = std::time::Instant::now();
            world.run().await;
            inside.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        bare.sort_by(f64::total_cmp);
        inside.sort_by(f64::total_cmp);
        println!(
            "{command:?}: bare {:.1} ms, in the sandbox {:.1} ms (medians of 40; least {:.1} and {:.1})",
            bare[20], inside[20], bare[0], inside[0]
        );
    }
}
