//! Who is kept out: other users of the machine, the network, and more instances than there is room for.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use whirlwind_tests::leave_out;

use crate::app::App;
use crate::bed::{Said, run};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_a_node_writes_and_its_socket_are_its_owners_alone() {
    let Some(app) = App::pingpong() else { return };
    let mut up = app.up(&[]);
    assert_eq!(mode(&app.socket()), 0o600);
    let data = app.path().join(".whirlwind");
    assert_eq!(mode(&data), 0o700);
    // Code that is run as it lies there.
    assert_eq!(mode(&data.join("compiled")), 0o700);
    up.signal("INT");
    up.end();
}

/// The numbers of the sockets that a table of the kernel lists, which all processes share.
fn sockets(table: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
    let rows = text.lines().skip(1);
    rows.filter_map(|row| row.split_whitespace().nth(9).map(str::to_owned))
        .collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_node_has_no_socket_but_its_own_unix_ones() {
    let Some(app) = App::pingpong() else { return };
    let mut up = app.up(&[]);
    let mut own = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{}/fd", up.id())).unwrap() {
        let Ok(target) = fs::read_link(entry.unwrap().path()) else {
            continue;
        };
        let target = target.to_string_lossy();
        let inode = target.strip_prefix("socket:[");
        own.extend(inode.map(|inode| inode.trim_end_matches(']').to_owned()));
    }
    assert!(!own.is_empty(), "it has a control socket");
    for table in [
        "tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6",
    ] {
        let of_the_network = sockets(table);
        let found: Vec<_> = own.intersection(&of_the_network).collect();
        assert_eq!(found, [""; 0], "{table}");
    }
    up.signal("INT");
    up.end();
}

#[test]
fn a_million_instances_end_with_1_and_the_number_that_fits() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut manifest = "manifest = 1\n".to_owned();
    for actor in 0..1000 {
        manifest.push_str(&format!(
            "[actor.a{actor}]\ncomponent = \"absent.wasm\"\ninstances = 1000\n"
        ));
    }
    fs::write(folder.path().join("whirlwind.toml"), manifest).unwrap();
    for verb in ["check", "up"] {
        let said = run(folder.path(), &[verb]);
        assert_eq!((said.status, &*said.out), (1, ""), "{verb}: {}", said.err);
        let words = "there is no room for 1000000 instances on this machine, only for ";
        assert!(said.err.contains(words), "{verb}: {}", said.err);
    }
    assert!(!folder.path().join(".whirlwind/control.sock").exists());
}

/// The user and group of nobody.
const NOBODY: u32 = 65534;

#[cfg(target_os = "linux")]
#[test]
fn another_user_is_refused_at_the_socket_and_at_its_folder() {
    let Some(app) = App::pingpong() else { return };
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return leave_out("only root can be somebody else");
    }
    // The folder of a test is its owner's alone: that is not what keeps others out here.
    open_to_all(app.path());
    let program = app.path().join("whirlwind");
    fs::copy(env!("CARGO_BIN_EXE_whirlwind"), &program).unwrap();
    open_to_all(&program);
    let mut up = app.up(&[]);
    let ask = |user: u32, args: &[&str]| {
        let mut command = Command::new(&program);
        let output = command.args(args).uid(user).gid(user).current_dir("/");
        let output = output.env_clear().output().unwrap();
        Said {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    };
    let socket = app.socket().display().to_string();
    let requests: [&[&str]; 6] = [
        &["ps"],
        &["tree"],
        &["pub", "ping", "ping"],
        &["kv", "get", "counters", "counter"],
        &["sub", "ping", "--timeout", "1s"],
        &["stop"],
    ];
    for protected_by in ["its folder", "itself"] {
        if protected_by == "itself" {
            open_to_all(&app.path().join(".whirlwind"));
        }
        for request in requests {
            let args = [request, &["--node", &socket]].concat();
            let said = ask(NOBODY, &args);
            assert_ne!(said.status, 0, "{protected_by}, {request:?}: {said:?}");
            assert_eq!(said.out, "", "{protected_by}, {request:?}: {said:?}");
            let words = ["ermission denied", "only the user that started it"];
            let refused = words.iter().any(|words| said.err.contains(words));
            assert!(refused, "{protected_by}, {request:?}: {said:?}");
        }
    }
    // Its owner is not, and nobody stopped it meanwhile.
    let said = ask(0, &["ps", "--node", &socket]);
    assert_eq!(said.status, 0, "{said:?}");
    up.signal("INT");
    assert_eq!(up.end(), 0);
}
