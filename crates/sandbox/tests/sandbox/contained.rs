//! What the code inside can see and change.

use crate::world::{World, launcher, text};
use homeostasis_sandbox::{Exit, SandboxError};
use std::path::PathBuf;

#[tokio::test]
async fn a_command_runs_in_the_tree_and_its_status_and_output_come_back() {
    let report = World::shell("cat package/data.txt; echo bad >&2; pwd; exit 7")
        .run()
        .await;
    assert_eq!(report.exit, Exit::Code(7));
    assert_eq!(text(&report.stdout), "as it was\n/srv/project\n");
    assert_eq!(text(&report.stderr), "bad\n");
}

#[tokio::test]
async fn the_real_tree_stays_as_it_was() {
    let world = World::shell(
        "echo changed > package/data.txt && rm module.py && mkdir new && echo x > new/file && ls && cat package/data.txt",
    );
    let report = world.run().await;
    assert_eq!(report.exit, Exit::Code(0), "{}", text(&report.stderr));
    assert_eq!(text(&report.stdout), "new\npackage\nchanged\n");
    let root = world.tree.path();
    assert_eq!(
        std::fs::read_to_string(root.join("package/data.txt")).unwrap(),
        "as it was\n"
    );
    assert!(root.join("module.py").exists());
    assert!(!root.join("new").exists());
}

#[tokio::test]
async fn overrides_and_inputs_are_seen_and_outputs_come_back() {
    let mut world = World::shell(
        "cat module.py other/deep.py /homeostasis/in/question; echo yes > /homeostasis/out/answer; mkfifo /homeostasis/out/pipe; ln -s /etc/passwd /homeostasis/out/link",
    );
    world.spec.overrides = vec![
        ("/srv/project/module.py".into(), b"VALUE = 2\n".to_vec()),
        ("/srv/project/other/deep.py".into(), b"DEEP\n".to_vec()),
    ];
    world.spec.inputs = vec![("question".to_string(), b"?\n".to_vec())];
    let report = world.run().await;
    assert_eq!(text(&report.stdout), "VALUE = 2\nDEEP\n?\n");
    assert_eq!(report.outputs.len(), 1);
    assert_eq!(report.outputs["answer"], b"yes\n");
    assert_eq!(report.omitted.len(), 2, "{:?}", report.omitted);
    let real = std::fs::read_to_string(world.tree.path().join("module.py")).unwrap();
    assert_eq!(real, "VALUE = 1\n");
}

#[tokio::test]
async fn an_override_never_follows_a_link_out_of_the_tree() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("target.py");
    std::fs::write(&target, "untouched").unwrap();
    let mut world = World::shell("true");
    std::os::unix::fs::symlink(&target, world.tree.path().join("link.py")).unwrap();
    world.spec.overrides = vec![("/srv/project/link.py".into(), b"evil".to_vec())];
    let error = homeostasis_sandbox::run(launcher(), &world.spec)
        .await
        .unwrap_err();
    assert!(matches!(error, SandboxError::Setup { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "untouched");
}

#[tokio::test]
async fn trees_are_shown_wherever_the_program_has_them() {
    for place in [
        "/root/deep/project",
        "/home/someone/project",
        "/tmp/project",
        "/app",
        "/var/www/project",
    ] {
        let mut world = World::shell("cat module.py && echo x > written && touch ~/ok && pwd");
        world.spec.mount_at = PathBuf::from(place);
        world.spec.cwd = PathBuf::from(place);
        let report = world.run().await;
        assert_eq!(
            text(&report.stdout),
            format!("VALUE = 1\n{place}\n"),
            "{}",
            text(&report.stderr)
        );
    }
}

#[tokio::test]
async fn nothing_outside_the_tree_and_the_temporary_folders_can_be_written() {
    let report = World::shell(
        "for p in /x /usr/x /etc/x /dev/x /proc/sys/kernel/hostname /proc/sys/kernel/core_pattern /proc/sys/vm/drop_caches /proc/sysrq-trigger /proc/self/oom_score_adj /homeostasis/in/x /var/x /srv/x; do \
         if (: >> $p) 2>/dev/null; then echo wrote $p; fi; done; \
         for p in /tmp/x /var/tmp/x /dev/shm/x /root/x /srv/project/x /dev/null; do \
         if ! (echo hi > $p); then echo cannot $p; fi; done",
    )
    .run()
    .await;
    assert_eq!(text(&report.stdout), "", "{}", text(&report.stderr));
}

#[tokio::test]
async fn the_hosts_secrets_cannot_be_read() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "hunter2").unwrap();
    let marker = std::process::id();
    let world = World::python(&format!(
        "import os, glob\n\
         paths = [{secret:?}, '/etc/shadow', '/etc/gshadow', '/root/.ssh', '/root/.bashrc', '/etc/ssh/ssh_host_rsa_key', '/var/log', '/proc/{marker}/environ']\n\
         for path in paths:\n\
         \x20   try:\n\
         \x20       held = os.listdir(path) if os.path.isdir(path) else open(path).read()\n\
         \x20       if held: print('READ', path, len(held))\n\
         \x20   except OSError: pass\n\
         for path in glob.glob('/proc/[0-9]*/environ'):\n\
         \x20   try: held = open(path).read()\n\
         \x20   except OSError: continue\n\
         \x20   names = sorted(x.split('=')[0] for x in held.split(chr(0)) if x)\n\
         \x20   if set(names) - {{'PATH', 'HOME', 'PWD', 'LC_CTYPE'}}: print('ENV', path, names)\n\
         print(len(glob.glob('/proc/[0-9]*')), sorted(k for k in os.environ if k != 'LC_CTYPE'))\n"
    ));
    let report = world.run().await;
    assert_eq!(
        text(&report.stdout),
        "2 ['HOME', 'PATH', 'PWD']\n",
        "{}",
        text(&report.stderr)
    );
}

#[tokio::test]
async fn the_environment_is_not_in_any_command_line_of_the_host() {
    let mut world = World::shell("read x < /homeostasis/in/none; sleep 5.4321");
    world
        .spec
        .environment
        .insert("DATABASE_URL".into(), "very-secret-7731".into());
    let run = homeostasis_sandbox::run(launcher(), &world.spec);
    let look = async {
        crate::world::eventually("it sleeps", || {
            crate::world::alive("sleep 5.4321")
                .iter()
                .any(|line| line.starts_with("sleep"))
        })
        .await;
        crate::world::alive("very-secret-7731")
    };
    tokio::select! {
        seen = look => assert!(seen.is_empty(), "{seen:?}"),
        report = run => panic!("it ended: {report:?}"),
    }
}

#[tokio::test]
async fn paths_named_as_readable_are_shown_read_only_and_never_hide_the_tree() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("library.py"), "LIBRARY = 1\n").unwrap();
    std::os::unix::fs::symlink("library.py", outside.path().join("link.py")).unwrap();
    let place = outside.path().display().to_string();
    let mut world = World::shell(&format!(
        "cat {place}/library.py; echo x > {place}/y 2>/dev/null || echo read-only; cat package/data.txt; ls /root"
    ));
    world.spec.readable = vec![
        outside.path().join("link.py"),
        outside.path().to_path_buf(),
        PathBuf::from("/srv/project/package"),
        PathBuf::from("/root"),
        PathBuf::from("/"),
        PathBuf::from("/does/not/exist"),
    ];
    let report = world.run().await;
    assert_eq!(
        text(&report.stdout),
        "LIBRARY = 1\nread-only\nas it was\n",
        "{}",
        text(&report.stderr)
    );
}

#[tokio::test]
async fn there_is_no_network_but_a_loopback_of_its_own() {
    use std::os::linux::net::SocketAddrExt as _;
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_nonblocking(true).unwrap();
    tcp.set_nonblocking(true).unwrap();
    let name = format!("homeostasis-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
    let abstract_socket = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    abstract_socket.set_nonblocking(true).unwrap();
    let (tcp_port, udp_port) = (
        tcp.local_addr().unwrap().port(),
        udp.local_addr().unwrap().port(),
    );
    let mut world = World::python(&format!(
        "import socket\n\
         def attempt(name, action):\n\
         \x20   try: action(); print('REACHED', name)\n\
         \x20   except OSError as error: pass\n\
         attempt('tcp', lambda: socket.create_connection(('127.0.0.1', {tcp_port}), 1))\n\
         attempt('outside', lambda: socket.create_connection(('1.1.1.1', 53), 1))\n\
         attempt('outside udp', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('1.1.1.1', 53)))\n\
         attempt('abstract', lambda: socket.socket(socket.AF_UNIX).connect(chr(0) + {name:?}))\n\
         attempt('file', lambda: socket.socket(socket.AF_UNIX).connect('/srv/project/agent.sock'))\n\
         socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {udp_port}))\n\
         one = socket.create_server(('127.0.0.1', {tcp_port}))\n\
         two = socket.create_connection(('127.0.0.1', {tcp_port}), 1)\n\
         print('own loopback')\n"
    ));
    let listener =
        std::os::unix::net::UnixListener::bind(world.tree.path().join("agent.sock")).unwrap();
    listener.set_nonblocking(true).unwrap();
    world.spec.limits.wall = std::time::Duration::from_secs(15);
    let report = world.run().await;
    assert_eq!(
        text(&report.stdout),
        "own loopback\n",
        "{}",
        text(&report.stderr)
    );
    assert!(
        udp.recv(&mut [0; 8]).is_err(),
        "a datagram reached the host"
    );
    assert!(
        tcp.accept().is_err(),
        "the other loopback reached the host's listener"
    );
    assert!(abstract_socket.accept().is_err());
    assert!(listener.accept().is_err());
}

#[tokio::test]
async fn nothing_inside_has_or_gets_more_rights() {
    let report = World::shell(
        "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status | tr -s '\\t' ' '; unshare -U true 2>/dev/null && echo namespace; mount -t tmpfs x /tmp 2>/dev/null && echo mounted; true",
    )
    .run()
    .await;
    let out = text(&report.stdout);
    assert_eq!(
        out,
        "CapEff: 0000000000000000\nCapBnd: 0000000000000000\nNoNewPrivs: 1\n",
        "{}",
        text(&report.stderr)
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_runs() {
    let refused = async |change: fn(&mut homeostasis_sandbox::Spec)| {
        let mut world = World::shell("true");
        change(&mut world.spec);
        let error = homeostasis_sandbox::run(launcher(), &world.spec)
            .await
            .unwrap_err();
        assert!(matches!(error, SandboxError::Refused { .. }), "{error}");
    };
    refused(|spec| spec.command.clear()).await;
    refused(|spec| spec.mount_at = "/".into()).await;
    refused(|spec| spec.mount_at = "/srv/../etc".into()).await;
    refused(|spec| spec.tree = "/does/not/exist".into()).await;
    refused(|spec| spec.overrides = vec![("/etc/passwd".into(), Vec::new())]).await;
    refused(|spec| spec.inputs = vec![("../x".into(), Vec::new())]).await;
}

#[tokio::test]
async fn a_launcher_that_is_not_one_is_named_in_the_error() {
    let world = World::shell("true");
    for launcher in ["/does/not/exist", "/bin/true"] {
        let error = homeostasis_sandbox::run(std::path::Path::new(launcher), &world.spec)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(launcher), "{error}");
    }
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_an_error_that_says_so() {
    let error = homeostasis_sandbox::run(launcher(), &World::new(&["no-such-command"]).spec)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no-such-command"), "{error}");
}
