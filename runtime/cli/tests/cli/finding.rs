//! Which node is asked.

use std::fs;
use std::os::unix::net::UnixListener;

use tempfile::TempDir;

use crate::bed::{run, whirlwind};
use crate::fake_node::{FakeNode, json};

fn empty() -> FakeNode {
    FakeNode::start(|_| json("[]"))
}

#[test]
fn a_node_is_named_by_its_socket_its_manifest_its_folder_or_its_data() {
    let node = empty();
    let elsewhere = TempDir::new().unwrap();
    for name in [
        node.socket(),
        node.folder().join("whirlwind.toml"),
        node.folder().into(),
        node.folder().join(".whirlwind"),
    ] {
        let name = name.to_str().unwrap();
        for line in [
            ["--node", name, "ps", "--json"],
            ["ps", "--node", name, "--json"],
            ["--json", "ps", "--node", name],
        ] {
            let said = run(elsewhere.path(), &line);
            assert_eq!(
                (said.status, said.out.as_str()),
                (0, "[]\n"),
                "{line:?}: {}",
                said.err
            );
        }
    }
    let data = node.folder().join(".whirlwind");
    assert_eq!(
        run(
            elsewhere.path(),
            &["--data-dir", data.to_str().unwrap(), "ps"]
        )
        .status,
        0
    );
}

#[test]
fn the_nearest_node_is_found_from_a_folder_below_it() {
    let node = empty();
    let below = node.folder().join("a/b");
    fs::create_dir_all(&below).unwrap();
    assert_eq!(run(&below, &["ps", "--json"]).status, 0);
    assert_eq!(node.asked().len(), 1);
}

#[test]
fn the_variable_stands_for_the_flag_which_comes_first() {
    let (node, other) = (empty(), empty());
    let run = |args: &[&str]| {
        let mut command = whirlwind(other.folder());
        command
            .env("WHIRLWIND_NODE", node.folder())
            .args(args)
            .output()
            .unwrap()
    };
    assert!(run(&["ps"]).status.success());
    assert_eq!((node.asked().len(), other.asked().len()), (1, 0));
    assert!(
        run(&["ps", "--node", other.folder().to_str().unwrap()])
            .status
            .success()
    );
    assert_eq!((node.asked().len(), other.asked().len()), (1, 1));
}

#[test]
fn where_no_node_runs_the_status_is_7_and_the_remedy_is_said() {
    let folder = TempDir::new().unwrap();
    let app = folder.path().join("app");
    fs::create_dir(&app).unwrap();
    fs::write(app.join("whirlwind.toml"), "manifest = 1\n").unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["ps"], "start one with `whirlwind up`"),
        (&["pub", "ping", "ping"], "start one with `whirlwind up`"),
        (&["sub", "pong"], "start one with `whirlwind up`"),
        (&["tree"], "start one with `whirlwind up`"),
        (&["kv", "list", "counters"], "start one with `whirlwind up`"),
        (&["stop"], "start one with `whirlwind up`"),
        (&["--node", "app", "ps"], "start it: whirlwind up app"),
        (
            &["--node", "app/whirlwind.toml", "ps"],
            "start it: whirlwind up app/whirlwind.toml",
        ),
        (&["--node", ".", "ps"], "there is no whirlwind.toml either"),
        (&["--node", "nowhere", "ps"], "nowhere does not exist"),
        (
            &["--data-dir", "data", "ps"],
            "start one: whirlwind up --data-dir data",
        ),
    ];
    for (args, words) in cases {
        let said = run(folder.path(), args);
        assert_eq!((said.status, said.out.as_str()), (7, ""), "{args:?}");
        assert!(
            said.err.starts_with("error: no node is running"),
            "{args:?}: {}",
            said.err
        );
        assert!(said.err.contains(words), "{args:?}: {}", said.err);
    }
}

#[test]
fn a_socket_that_was_left_behind_is_no_node() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join(".whirlwind");
    fs::create_dir(&data).unwrap();
    drop(UnixListener::bind(data.join("control.sock")).unwrap());
    crate::fake_node::owner_only(&data.join("control.sock"));
    let said = run(folder.path(), &["ps"]);
    assert_eq!(said.status, 7);
    assert!(
        said.err.contains("left behind") && said.err.contains(".whirlwind/control.sock"),
        "{}",
        said.err
    );
}

#[test]
fn a_socket_that_others_may_open_is_not_found_by_itself() {
    use std::os::unix::fs::PermissionsExt as _;
    let node = empty();
    fs::set_permissions(node.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    let said = run(node.folder(), &["ps"]);
    assert_eq!(said.status, 7);
    assert!(said.err.contains("open to other users"), "{}", said.err);
    assert_eq!(run(node.folder(), &["ps", "--node", "."]).status, 0);
}
