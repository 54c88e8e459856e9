//! `up --broker`: an app that speaks MQTT, on a machine without a broker.

use std::fs;

use tempfile::TempDir;

use crate::bed::{finish, whirlwind};

/// What is published on `a` goes through the broker and comes back on `b`.
const ROUND: &str = r#"
manifest = 1
[app]
name = "round"
[provider.mqtt]
type = "mqtt"
url  = "${MQTT_URL}"
in   = [{ mqtt = "outside/+", topic = "b/$1" }]
out  = [{ topic = "a/+", mqtt = "outside/$1" }]
"#;

const LINE: &str = "up . --broker --pub a/x=hello --sub b/# --count 1 --for 60s";

#[test]
fn a_broker_is_started_where_none_is_named_and_events_go_through_it() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("whirlwind.toml"), ROUND).unwrap();
    let args: Vec<&str> = LINE.split(' ').collect();
    let mut command = whirlwind(folder.path());
    command.args(&args).env_remove("MQTT_URL");
    let said = finish(command, &args, b"");
    let (status, out) = (said.status, said.out.as_str());
    assert_eq!((status, out), (0, "b/x  hello\n"), "{}", said.err);
    for words in [
        "provider  mqtt-broker  mqtt broker  for development, listens at 127.0.0.1:",
        "provider  mqtt         mqtt  mqtt://127.0.0.1:",
        "topic     a/+          to mqtt",
        "topic     b/$1         from mqtt",
    ] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
}

#[test]
fn a_broker_that_is_named_is_used_and_none_is_started() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("whirlwind.toml"), ROUND).unwrap();
    let args: Vec<&str> = "up . --broker --for 1ms".split(' ').collect();
    let mut command = whirlwind(folder.path());
    // Nothing listens there: the node starts all the same.
    command.args(&args).env("MQTT_URL", "mqtt://127.0.0.1:9");
    let said = finish(command, &args, b"");
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(
        said.err
            .contains("MQTT_URL names a broker, so none is started")
    );
    assert!(!said.err.contains("mqtt-broker"), "{}", said.err);
}
