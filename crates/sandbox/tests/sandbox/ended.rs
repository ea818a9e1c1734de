//! That nothing is left, however it ends.

use crate::world::{World, alive, eventually, launcher};
use homeostasis_sandbox::Exit;
use std::io::Write as _;
use std::process::{Command, Stdio};

fn sleeping(seconds: &str) -> bool {
    alive(&format!("sleep {seconds}"))
        .iter()
        .any(|line| line.starts_with("sleep"))
}

#[tokio::test]
async fn a_daemon_that_was_left_behind_is_dead_afterwards() {
    let world = World::shell(
        "setsid sh -c 'setsid sleep 7001.5 & setsid sleep 7001.5 &' & sleep 0.2; ps ax 2>/dev/null | grep -c 7001.5; exit 0",
    );
    let report = world.run().await;
    assert_eq!(report.exit, Exit::Code(0));
    assert!(alive("7001.5").is_empty());
}

#[tokio::test]
async fn dropping_the_future_kills_everything() {
    let world = World::shell("setsid sleep 7002.5 & sleep 7002.5");
    {
        let run = homeostasis_sandbox::run(launcher(), &world.spec);
        tokio::select! {
            _ = run => panic!("it ended"),
            () = eventually("it sleeps", || sleeping("7002.5")) => {}
        }
    }
    eventually("all are dead", || alive("7002.5").is_empty()).await;
}

#[tokio::test]
async fn killing_the_caller_or_the_helper_kills_everything() {
    for victim in ["caller", "helper"] {
        let seconds = if victim == "caller" {
            "7003.5"
        } else {
            "7004.5"
        };
        let world = World::shell(&format!("setsid sleep {seconds} & sleep {seconds}"));
        let message = serde_json::to_vec(&world.spec).unwrap();
        let mut helper = Command::new(launcher())
            .arg("__sandbox")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lifeline = helper.stdin.take().unwrap();
        lifeline
            .write_all(&(message.len() as u64).to_be_bytes())
            .unwrap();
        lifeline.write_all(&message).unwrap();
        eventually("it sleeps", || sleeping(seconds)).await;
        if victim == "helper" {
            helper.kill().unwrap();
        } else {
            drop(lifeline);
        }
        eventually("all are dead", || alive(seconds).is_empty()).await;
        helper.wait().unwrap();
    }
}

#[tokio::test]
async fn no_mount_and_no_control_group_is_left() {
    let mounts = || std::fs::read_to_string("/proc/self/mounts").unwrap();
    let before = mounts();
    let report = World::shell("echo x > /tmp/x").run().await;
    assert_eq!(report.exit, Exit::Code(0));
    assert_eq!(mounts(), before);
}

#[tokio::test]
async fn the_first_process_of_the_namespace_cannot_be_killed_from_inside() {
    let report = World::shell("kill -9 1; kill -9 2; echo still here; kill -9 $$")
        .run()
        .await;
    assert_eq!(report.exit, Exit::Signal(9), "{report:?}");
}

#[tokio::test]
async fn killing_the_caller_with_sigkill_kills_everything() {
    let world = World::shell("setsid sleep 7005.5 & sleep 7005.5");
    let message = serde_json::to_vec(&world.spec).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("message");
    let mut bytes = (message.len() as u64).to_be_bytes().to_vec();
    bytes.extend(message);
    std::fs::write(&file, bytes).unwrap();
    // The caller, which holds the lifeline, is a process of its own here so that it can be killed.
    let mut caller = Command::new("/usr/bin/python3")
        .args([
            "-c",
            "import subprocess, sys, time\n\
             p = subprocess.Popen([sys.argv[1], '__sandbox'], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)\n\
             p.stdin.write(open(sys.argv[2], 'rb').read()); p.stdin.flush()\n\
             time.sleep(600)\n",
        ])
        .arg(launcher())
        .arg(&file)
        .spawn()
        .unwrap();
    eventually("it sleeps", || sleeping("7005.5")).await;
    caller.kill().unwrap();
    caller.wait().unwrap();
    eventually("all are dead", || alive("7005.5").is_empty()).await;
}
