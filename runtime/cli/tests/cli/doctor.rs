//! `doctor` and `check --online`: what is wrong is found, said with its remedy, and shows no secret.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use whirlwind_tests::Mosquitto;

use crate::bed::{Running, Said, finish, run, whirlwind};

const CANARY: &str = "canary-doctor-91b2";

/// A folder with a manifest of these providers, and a broker's port beside it.
fn app(providers: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(
        folder.path().join("whirlwind.toml"),
        format!("manifest = 1\n{providers}"),
    )
    .unwrap();
    folder
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// What `doctor --json` finds, with its status.
fn findings(folder: &Path) -> (Vec<Value>, i32) {
    let said = run(folder, &["doctor", "--json"]);
    let found = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
    (found, said.status)
}

/// The one finding of this check about something.
fn one<'f>(found: &'f [Value], check: &str, about: &str) -> &'f Value {
    let all: Vec<_> = found
        .iter()
        .filter(|one| one["check"] == check && one["about"].as_str().unwrap().ends_with(about))
        .collect();
    assert_eq!(all.len(), 1, "{check} {about}: {found:#?}");
    all[0]
}

fn with_own_broker(port: u16) -> String {
    format!(
        "[provider.own]\ntype = \"mqtt-broker\"\nlisten = \"127.0.0.1:{port}\"\n\
         [provider.out]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\n\
         in = [{{ mqtt = \"z/+\", topic = \"s/$1\" }}]\n"
    )
}

#[test]
fn a_good_app_is_ok_before_and_while_it_runs() {
    let folder = app(&with_own_broker(free_port()));
    let (found, status) = findings(folder.path());
    assert_eq!(status, 0, "{found:#?}");
    for one in &found {
        let names: Vec<_> = one.as_object().unwrap().keys().collect();
        assert_eq!(names, ["about", "check", "message", "remedy", "state"]);
        assert_ne!(one["state"], "fault", "{one}");
    }
    let message = one(&found, "broker", "out")["message"].as_str().unwrap();
    assert!(message.contains("starts with it"), "{message}");

    let mut up = Running::start(folder.path(), &["up"]);
    up.err("; Ctrl-C stops it");
    let (found, status) = findings(folder.path());
    assert_eq!(status, 0, "{found:#?}");
    let socket = one(&found, "socket", "control.sock");
    assert_eq!(socket["message"], "a node runs and answers on it");
    let port = one(&found, "port", "own")["message"].as_str().unwrap();
    assert!(port.ends_with("in use, and the app's node runs"), "{port}");
    let subscription = one(&found, "subscription", "out");
    assert_eq!(subscription["message"], "`z/+` is granted with QoS 1");
    let said = run(folder.path(), &["check", "--online"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.out.contains("takes the connection"), "{said:?}");
    // The provider's own session was left in peace.
    let parts: Vec<Value> =
        serde_json::from_str(&run(folder.path(), &["ps", "--json"]).out).unwrap();
    let provider = parts.iter().find(|part| part["name"] == "out").unwrap();
    assert_eq!(provider["state"], "running", "{provider}");
    up.signal("INT");
    assert_eq!(up.end(), 0);
}

#[test]
fn a_broker_that_is_not_there_is_a_fault_without_its_password() {
    let port = free_port();
    let folder = app(&format!(
        "[provider.out]\ntype = \"mqtt\"\nurl = \"mqtt://who:{CANARY}@127.0.0.1:{port}\"\n"
    ));
    for args in [
        &["doctor"][..],
        &["check", "--online"],
        &["check", "--online", "--json"],
    ] {
        let said = run(folder.path(), args);
        assert_eq!(said.status, 1, "{said:?}");
        assert!(said.out.contains("fault"), "{said:?}");
        assert!(said.out.contains("start the broker"), "{said:?}");
        let all = format!("{}{}", said.out, said.err);
        assert!(!all.contains(CANARY), "{said:?}");
    }
    // Without a word of brokers none is tried.
    assert_eq!(run(folder.path(), &["check"]).status, 0);
}

#[test]
fn a_port_in_use_is_a_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = app(&format!(
        "[provider.own]\ntype = \"mqtt-broker\"\nlisten = \"{}\"\n",
        listener.local_addr().unwrap()
    ));
    let (found, status) = findings(folder.path());
    let port = one(&found, "port", "own");
    assert_eq!((status, port["state"].as_str()), (1, Some("fault")));
    assert!(port["remedy"].as_str().unwrap().contains("`listen`"));
}

#[test]
fn what_is_in_the_place_of_socket_and_data_is_told_apart() {
    let folder = app("");
    let data = folder.path().join(".whirlwind");
    fs::create_dir(&data).unwrap();
    let socket = data.join("control.sock");
    // As a killed process leaves it: the file is there, and nobody listens.
    drop(UnixListener::bind(&socket).unwrap());
    let (found, status) = findings(folder.path());
    let stale = one(&found, "socket", "control.sock");
    assert_eq!((status, stale["state"].as_str()), (0, Some("ok")));
    let message = stale["message"].as_str().unwrap();
    assert!(message.starts_with("left by a node"), "{message}");
    assert!(socket.exists(), "doctor took it away");

    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "mine").unwrap();
    let (found, status) = findings(folder.path());
    let taken = one(&found, "socket", "control.sock");
    assert_eq!(
        (status, taken["remedy"].as_str()),
        (1, Some("move it away"))
    );

    let long = folder.path().join("x".repeat(100));
    let long = ["doctor", "--data-dir", long.to_str().unwrap()];
    let said = run(folder.path(), &long);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(
        said.out.contains("more than a unix socket takes"),
        "{said:?}"
    );

    let file = ["doctor", "--data-dir", "whirlwind.toml"];
    let said = run(folder.path(), &file);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.out.contains("is not a folder"), "{said:?}");
}

#[test]
fn without_a_manifest_only_the_machine_is_looked_at_and_that_is_said() {
    let folder = TempDir::new().unwrap();
    let said = run(folder.path(), &["doctor"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.err.contains("only the machine"), "{said:?}");
    assert!(said.out.contains("vm.max_map_count"), "{said:?}");
    assert_eq!(run(folder.path(), &["doctor", "nowhere"]).status, 3);
}

#[test]
fn manifests_and_components_keep_their_statuses() {
    let folder = app("[provider.out]\ntype = \"mqtt\"\nurl = \"${NO_SUCH_VARIABLE_HERE}\"\n");
    assert_eq!(run(folder.path(), &["doctor"]).status, 3);

    let folder = app(
        "[actor.a]\ncomponent = \"a.wasm\"\nbuild = \"cargo build --target wasm32-wasip2\"\nsubscribe = [\"a\"]\n",
    );
    let mut command = whirlwind(folder.path());
    command.arg("doctor").env("PATH", "/nowhere");
    let said: Said = finish(command, &["doctor"], b"");
    assert_eq!(said.status, 4, "{said:?}");
    assert!(
        said.out.contains("rustup target add wasm32-wasip2"),
        "{said:?}"
    );
    assert!(said.out.contains("is missing"), "{said:?}");
}

/// A broker that wants a password and grants `ok/#`.
fn guarded() -> Option<Mosquitto> {
    Mosquitto::start_with(|folder| {
        let (passwords, rules) = (folder.join("passwords"), folder.join("rules"));
        let made = Command::new("mosquitto_passwd")
            .args(["-b", "-c", passwords.to_str().unwrap(), "good", "right"])
            .status();
        assert!(made.unwrap().success());
        fs::write(&rules, "user good\ntopic read ok/#\n").unwrap();
        format!(
            "allow_anonymous false\npassword_file {}\nacl_file {}",
            passwords.display(),
            rules.display()
        )
    })
}

#[test]
fn a_wrong_password_and_an_open_file_of_it_are_found_and_not_shown() {
    let Some(mosquitto) = guarded() else {
        return;
    };
    for version in [5, 4] {
        let folder = app(&format!(
            "[provider.out]\ntype = \"mqtt\"\nversion = {version}\nurl = \"mqtt://good@127.0.0.1:{}\"\n\
             password_file = \"secret\"\nin = [{{ mqtt = \"ok/+\", topic = \"s/$1\" }}]\n",
            mosquitto.port()
        ));
        let secret = folder.path().join("secret");
        let put = |password: &str, mode| {
            fs::write(&secret, password).unwrap();
            fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
        };
        put(CANARY, 0o644);
        let said = run(folder.path(), &["doctor", "--json"]);
        assert!(!format!("{said:?}").contains(CANARY), "{said:?}");
        let found: Vec<Value> = serde_json::from_str(&said.out).unwrap();
        let refused = one(&found, "broker", "out");
        assert_eq!((said.status, refused["state"].as_str()), (1, Some("fault")));
        assert!(refused["remedy"].as_str().unwrap().contains("`password`"));
        let open = one(&found, "secret", "out");
        assert_eq!(open["state"], "warning", "{open}");

        put("right", 0o600);
        let (found, status) = findings(folder.path());
        assert_eq!(status, 0, "{found:#?}");
        assert_eq!(one(&found, "secret", "out")["state"], "ok");
        assert_eq!(one(&found, "subscription", "out")["state"], "ok");
    }
}
