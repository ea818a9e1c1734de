//! What the code inside can use up.

use crate::world::{World, text};
use homeostasis_sandbox::Exit;
use std::time::{Duration, Instant};

#[tokio::test]
async fn an_endless_loop_ends_with_its_processor_time() {
    let mut world = World::shell("while :; do :; done");
    world.spec.limits.cpu = Duration::from_millis(300);
    let report = world.run().await;
    assert_eq!(report.exit, Exit::CpuExceeded);
    assert!(report.cpu >= Duration::from_millis(300));
}

#[tokio::test]
async fn processor_time_is_that_of_all_processes_together() {
    let mut world = World::shell("while :; do timeout 0.15 sh -c 'while :; do :; done'; done");
    world.spec.limits.cpu = Duration::from_millis(500);
    let report = world.run().await;
    assert_eq!(report.exit, Exit::CpuExceeded, "{report:?}");
}

#[tokio::test]
async fn waiting_for_ever_ends_with_the_wall_time() {
    let mut world = World::shell("sleep 1000");
    world.spec.limits.wall = Duration::from_millis(400);
    let begun = Instant::now();
    let report = world.run().await;
    assert_eq!(report.exit, Exit::TimedOut);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn ignoring_every_signal_does_not_help() {
    let mut world = World::python(
        "import signal, time\n\
         for number in range(1, 32):\n\
         \x20   try: signal.signal(number, signal.SIG_IGN)\n\
         \x20   except OSError: pass\n\
         while True: time.sleep(1)\n",
    );
    world.spec.limits.wall = Duration::from_millis(600);
    assert_eq!(world.run().await.exit, Exit::TimedOut);
}

#[tokio::test]
async fn a_memory_bomb_is_killed() {
    let world = World::python("x = []\nwhile True: x.append(bytearray(1 << 22))");
    let report = world.run().await;
    assert_eq!(report.exit, Exit::MemoryExceeded, "{report:?}");
}

#[tokio::test]
async fn memory_spread_over_processes_counts_together() {
    let world = World::python(
        "import os, time\n\
         for _ in range(8):\n\
         \x20   if os.fork() == 0:\n\
         \x20       x = bytearray(os.urandom(1 << 20)) * 48\n\
         \x20       time.sleep(60)\n\
         time.sleep(60)\n",
    );
    let report = world.run().await;
    assert_eq!(report.exit, Exit::MemoryExceeded, "{report:?}");
}

#[tokio::test]
async fn memory_shared_after_a_fork_counts_once() {
    let world = World::python(
        "import os, time\n\
         x = bytearray(os.urandom(1 << 20)) * 100\n\
         for _ in range(6):\n\
         \x20   if os.fork() == 0: time.sleep(0.5); os._exit(0)\n\
         time.sleep(0.6)\n",
    );
    let report = world.run().await;
    assert_eq!(report.exit, Exit::Code(0), "{report:?}");
}

#[tokio::test]
async fn a_fork_bomb_is_killed() {
    let world =
        World::python("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass");
    let report = world.run().await;
    assert_eq!(report.exit, Exit::TooManyProcesses, "{report:?}");
}

#[tokio::test]
async fn the_disk_ends_where_the_limit_is_wherever_it_writes() {
    for place in ["/srv/project", "/tmp", "/dev/shm", "/root"] {
        let world = World::shell(&format!(
            "head -c 100000000 /dev/zero | split -b 8000000 - {place}/big"
        ));
        let report = world.run().await;
        assert!(
            matches!(report.exit, Exit::Code(1..) | Exit::Signal(_)),
            "{place}: {report:?}"
        );
        assert!(
            report.disk_used < 24 << 20,
            "{place}: {} bytes",
            report.disk_used
        );
    }
}

#[tokio::test]
async fn a_flood_of_output_is_kept_short_with_both_its_ends() {
    let world = World::shell("echo first; head -c 1000000000 /dev/zero; echo last; echo done >&2");
    let report = world.run().await;
    assert_eq!(report.exit, Exit::Code(0));
    assert!(report.stdout.len() < (64 << 10) + 100);
    let out = text(&report.stdout);
    assert!(out.starts_with("first\n") && out.ends_with("last\n"));
    assert!(out.contains(" bytes left out ..."));
    assert_eq!(text(&report.stderr), "done\n");
}
