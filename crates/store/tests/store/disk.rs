//! A full disk: a clear error, nothing lost, and on again when there is room.

use crate::child;
use std::path::Path;
use std::process::{Command, Output};

/// Runs a child test with a small disk of its own mounted over its folder.
fn on_a_small_disk(test: &str, kilobytes: u32, prepare: &str, folder: &Path) -> Output {
    let child = child::command(test, folder);
    let mut shell = Command::new("unshare");
    shell
        .args(["--user", "--map-root-user", "--mount", "sh", "-ec"])
        .arg(format!(
            "mount -t tmpfs -o size={kilobytes}k tmpfs \"$0\"; {prepare}; exec \"$@\""
        ))
        .arg(folder)
        .arg(child.get_program())
        .args(child.get_args());
    for (name, value) in child.get_envs() {
        shell.env(name, value.unwrap());
    }
    shell.output().unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn a_full_disk_is_told_and_appending_works_again_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let output = on_a_small_disk(
        "fills_the_disk_and_goes_on_when_there_is_room",
        12 * 1024,
        "true",
        folder.path(),
    );
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        text(&output).contains("was told of the full disk, and went on"),
        "{}",
        text(&output)
    );
}

#[test]
fn a_store_cannot_be_begun_on_a_full_disk_and_says_so() {
    for free in ["0", "1", "20", "60"] {
        let folder = tempfile::tempdir().unwrap();
        let fill = format!("head -c $((400 - {free}))k /dev/zero > \"$0/ballast\"");
        let output = on_a_small_disk("says_why_it_cannot_open", 400, &fill, folder.path());
        let text = text(&output);
        assert!(
            text.contains("full: there is no room on the disk"),
            "{free} kB free: {text}"
        );
    }
}
