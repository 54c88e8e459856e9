//! What a manifest means.

use std::path::{Path, PathBuf};
use std::time::Duration;

use whirlwind::app::{Backend, Child, KeyValueLink, Supervisor, Variables, When};
use whirlwind::manifest::{
    ActorSection, Isolation, KeyValueLinks, LinksSection, Overflow, ProviderKind, ProviderSection,
    Restart, Strategy, SupervisorSection, TimerSection,
};
use whirlwind::{App, Manifest};
use whirlwind_event::{Topic, TopicFilter};

use super::{load, load_with};

fn topic(text: &str) -> Topic {
    Topic::parse(text).unwrap()
}

fn good(text: &str) -> App {
    load(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A manifest with one actor `a` whose table goes on with `more`.
fn actor(more: &str) -> App {
    good(&format!(
        "manifest = 1\n[actor.a]\ncomponent = \"a.wasm\"\n{more}"
    ))
}

/// The tree in one line: `root(a, p(b))`.
fn drawn(supervisor: &Supervisor) -> String {
    let children = supervisor.children.iter().map(|child| match child {
        Child::Actor(name) => name.clone(),
        Child::Supervisor(below) => drawn(below),
    });
    format!(
        "{}({})",
        supervisor.name,
        children.collect::<Vec<_>>().join(", ")
    )
}

const PINGPONG: &str = r#"
manifest = 1

[app]
name = "pingpong"

[actor.pingpong]
component = "../target/wasm32-wasip2/release/pingpong.wasm"
build     = "cargo build --release --target wasm32-wasip2"
subscribe = ["ping"]
publish   = ["pong"]
links     = { keyvalue = "counters" }

[provider.counters]
type = "sled"
"#;

const GREENHOUSE: &str = r##"
manifest = 1

[defaults]
restart = "transient"
mailbox = { capacity = 10, bytes = "1MiB", overflow = "drop-oldest" }
limits  = { memory = "32MiB", deadline = "1s" }
retry   = { max_deliver = 7, backoff = { min = "10ms", max = "1s" } }
max_hops = 5
drain   = "2s"

[supervisor.root]
strategy = "one-for-all"
max_restarts = 3
within   = "1m"
backoff  = { min = "1s", max = "2s", jitter = 0.5 }
children = ["pipeline", "audit"]
[supervisor.pipeline]
strategy = "rest-for-one"
restart = "temporary"
children = ["decode", "alarm"]

[actor.audit]
component = "/opt/audit.wasm"
subscribe = ["$sys/#", "#"]

[actor.decode]
component = "decode.wasm"
instances = 2
isolation = "per-message"
subscribe = ["sensors/+/raw"]
publish   = ["sensors/+/celsius"]
links     = { keyvalue = { default = "state", cache = "mem/sessions/a" } }
config    = { unit = "C" }
env       = { RUST_LOG = "info" }
mailbox   = { overflow = "dead-letter" }
limits    = { deadline = "30s" }
retry     = { backoff = { max = "20ms" } }
restart   = "permanent"
max_hops  = 0
max_restarts = 9

[actor.alarm]
component = "alarm.wasm"

[topic."#"]
max_event = "2KiB"
[topic."sensors/+/raw"]
max_event = "256KiB"
dead_letter = "dead/sensors"
[topic."sensors/#"]
dead_letter = "dead/rest"
[topic."sensors/one/raw"]
dead_letter = "dead/one"

[provider.state]
type = "sled"
path = "db/state"
[provider.mem]
type = "memory"
"##;

#[test]
fn a_small_manifest_gets_every_default() {
    let app = good(PINGPONG);
    assert_eq!(app.name, "pingpong");
    assert_eq!(drawn(&app.root), "root(pingpong)");
    assert_eq!(app.root.strategy, Strategy::OneForOne);
    assert_eq!(app.root.intensity.max_restarts, 5);
    assert_eq!(app.root.intensity.within, Duration::from_secs(10));
    assert_eq!(app.root.backoff.min, Duration::from_millis(100));
    assert_eq!(app.root.backoff.max, Duration::from_secs(30));
    assert_eq!(app.root.backoff.jitter, 0.2);

    let actor = &app.actors["pingpong"];
    assert_eq!(
        actor.build.as_deref(),
        Some("cargo build --release --target wasm32-wasip2")
    );
    assert_eq!(actor.instances, 1);
    assert_eq!(actor.isolation, Isolation::Resident);
    assert_eq!(actor.restart, Restart::Permanent);
    assert_eq!(actor.mailbox.capacity, 1024);
    assert_eq!(actor.mailbox.bytes, 16 * 1024 * 1024);
    assert_eq!(actor.mailbox.overflow, Overflow::Reject);
    assert_eq!(actor.limits.memory, 64 * 1024 * 1024);
    assert_eq!(actor.limits.deadline, Duration::from_secs(5));
    assert_eq!(actor.retry.max_deliver, 3);
    assert_eq!(actor.retry.backoff.min, Duration::from_millis(50));
    assert_eq!(actor.retry.backoff.max, Duration::from_secs(5));
    assert_eq!(actor.max_hops, Some(64));
    assert_eq!(actor.drain, Duration::from_secs(10));
    assert_eq!(actor.intensity, None);
    assert!(actor.config.is_empty() && actor.env.is_empty());

    let link = KeyValueLink {
        provider: "counters".to_owned(),
        bucket: "default".to_owned(),
    };
    assert_eq!(
        actor.keyvalue.iter().collect::<Vec<_>>(),
        [(&"default".to_owned(), &link)]
    );
    assert_eq!(
        app.providers["counters"].kind,
        Backend::Sled {
            path: PathBuf::from("counters")
        }
    );
    assert_eq!(app.max_event(&topic("ping")), 1024 * 1024);
    assert_eq!(app.dead_letter(&topic("ping")), None);
}

#[test]
fn the_full_form_means_what_it_says() {
    let app = good(GREENHOUSE);
    assert_eq!(drawn(&app.root), "root(pipeline(decode, alarm), audit)");
    assert_eq!(app.root.strategy, Strategy::OneForAll);
    assert_eq!(app.root.intensity.max_restarts, 3);
    assert_eq!(app.root.intensity.within, Duration::from_secs(60));
    assert_eq!(app.root.backoff.min, Duration::from_secs(1));
    assert_eq!(app.root.backoff.max, Duration::from_secs(2));
    assert_eq!(app.root.backoff.jitter, 0.5);
    let Child::Supervisor(pipeline) = &app.root.children[0] else {
        panic!("{:?}", app.root)
    };
    assert_eq!(pipeline.strategy, Strategy::RestForOne);
    assert_eq!(pipeline.restart, Restart::Temporary);
    // A supervisor has defaults of its own and inherits nothing.
    assert_eq!(pipeline.intensity.max_restarts, 5);

    let decode = &app.actors["decode"];
    assert_eq!(decode.instances, 2);
    assert_eq!(decode.isolation, Isolation::PerMessage);
    assert_eq!(decode.config["unit"].expose(), "C");
    assert_eq!(decode.env["RUST_LOG"].expose(), "info");
    assert_eq!(decode.keyvalue["default"].provider, "state");
    assert_eq!(decode.keyvalue["default"].bucket, "default");
    assert_eq!(decode.keyvalue["cache"].provider, "mem");
    assert_eq!(decode.keyvalue["cache"].bucket, "sessions/a");
    assert_eq!(
        app.providers["state"].kind,
        Backend::Sled {
            path: PathBuf::from("db/state")
        }
    );
    assert_eq!(app.providers["mem"].kind, Backend::Memory);
}

#[test]
fn an_actor_overrides_the_defaults_key_by_key() {
    let app = good(GREENHOUSE);
    let alarm = &app.actors["alarm"];
    assert_eq!(alarm.restart, Restart::Transient);
    assert_eq!((alarm.mailbox.capacity, alarm.mailbox.bytes), (10, 1 << 20));
    assert_eq!(alarm.mailbox.overflow, Overflow::DropOldest);
    assert_eq!(
        (alarm.limits.memory, alarm.limits.deadline),
        (32 << 20, Duration::from_secs(1))
    );
    assert_eq!(alarm.retry.max_deliver, 7);
    assert_eq!(alarm.retry.backoff.min, Duration::from_millis(10));
    assert_eq!(alarm.retry.backoff.max, Duration::from_secs(1));
    assert_eq!(alarm.max_hops, Some(5));
    assert_eq!(alarm.drain, Duration::from_secs(2));

    let decode = &app.actors["decode"];
    assert_eq!(decode.restart, Restart::Permanent);
    assert_eq!(
        (decode.mailbox.capacity, decode.mailbox.bytes),
        (10, 1 << 20)
    );
    assert_eq!(decode.mailbox.overflow, Overflow::DeadLetter);
    assert_eq!(
        (decode.limits.memory, decode.limits.deadline),
        (32 << 20, Duration::from_secs(30))
    );
    assert_eq!(decode.retry.max_deliver, 7);
    assert_eq!(decode.retry.backoff.min, Duration::from_millis(10));
    assert_eq!(decode.retry.backoff.max, Duration::from_millis(20));
    assert_eq!(decode.max_hops, None, "0 is no limit");
}

#[test]
fn an_actor_has_an_intensity_of_its_own_only_when_it_asks_for_one() {
    assert_eq!(actor("").actors["a"].intensity, None);
    let own = actor("max_restarts = 0").actors["a"].intensity.unwrap();
    assert_eq!((own.max_restarts, own.within), (0, Duration::from_secs(10)));
    let own = actor("max_restarts = 2\nwithin = \"1m\"").actors["a"]
        .intensity
        .unwrap();
    assert_eq!((own.max_restarts, own.within), (2, Duration::from_secs(60)));
}

#[test]
fn what_a_manifest_may_leave_out_or_push_to_its_bounds() {
    let table = [
        "",
        "subscribe = []\npublish = []",
        "instances = 1024",
        "links = {}",
        "links = { keyvalue = {} }",
        "subscribe = [\"#\"]\npublish = [\"#\", \"+/a\", \"/\", \"a//b\"]",
        "subscribe = [\"$sys/actor/+/crashed\", \"$sys/#\"]",
        "mailbox = { capacity = 1, bytes = \"1B\" }",
        "mailbox = { capacity = 1_000_000 }",
        "limits = { memory = \"64KiB\", deadline = \"1ms\" }",
        "limits = { memory = \"4GiB\", deadline = \"365d\" }",
        "retry = { max_deliver = 1, backoff = { min = \"0s\", max = \"0s\" } }",
        "drain = \"0s\"",
        "max_hops = 4294967295",
        "env = { \"a.b-c\" = \"\", PATH = \"=\" }",
        "config = { \"a b\" = \"x\\u0000y\" }",
        "[supervisor.root]",
        "[supervisor.root]\nchildren = [\"a\"]\nbackoff = { jitter = 0 }",
        "[supervisor.root.backoff]\njitter = 1",
        "[supervisor.root]\nmax_restarts = 0",
        "[topic.\"a\"]",
        "[topic.\"#\"]\ndead_letter = \"dead\"",
        "[provider.unused]\ntype = \"memory\"",
        "[provider.a]\ntype = \"sled\"",
    ];
    for more in table {
        actor(more);
    }
    assert!(good("manifest = 1").actors.is_empty());
    good("\u{feff}manifest = 1\r\n[actor.a]\r\ncomponent = \"a.wasm\"\r\n");
    good("manifest = 0b1 # binary\n[actor]\n1-a = { component = 'C:\\a.wasm' }");
}

#[test]
fn the_root_may_be_left_out_or_leave_out_its_children() {
    let actors = "[actor.c]\ncomponent = \"c\"\n[actor.a]\ncomponent = \"a\"\n[actor.b]\ncomponent = \"b\"\n";
    let table = [
        ("", "root(a, b, c)"),
        ("[supervisor.root]\nmax_restarts = 1", "root(a, b, c)"),
        (
            "[supervisor.root]\nchildren = [\"c\", \"b\", \"a\"]",
            "root(c, b, a)",
        ),
        (
            "[supervisor.p]\nchildren = [\"c\", \"a\"]",
            "root(b, p(c, a))",
        ),
        (
            "[supervisor.p]\nchildren = [\"q\"]\n[supervisor.q]\nchildren = [\"c\"]",
            "root(a, b, p(q(c)))",
        ),
    ];
    for (supervisors, tree) in table {
        let app = good(&format!("manifest = 1\n{actors}{supervisors}"));
        assert_eq!(drawn(&app.root), tree, "{supervisors}");
    }
}

#[test]
fn an_app_without_a_name_is_called_after_its_folder() {
    assert_eq!(good("manifest = 1").name, "greenhouse");
    let table = [
        ("greenhouse", "greenhouse"),
        ("Green House_2", "green-house-2"),
        ("--x--", "x"),
        (".tmpA", "tmpa"),
        ("日本", "app"),
        ("/", "app"),
    ];
    for (folder, name) in table {
        let folder = Path::new("/srv").join(folder);
        let app = App::from_manifest(&Manifest::default(), &folder, &Variables::none()).unwrap();
        assert_eq!(app.name, name, "{}", folder.display());
    }
}

#[test]
fn components_are_relative_to_the_manifest() {
    let around = tempfile::tempdir().unwrap();
    let folder = around.path().join("greenhouse");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("whirlwind.toml"), GREENHOUSE).unwrap();
    std::fs::write(folder.join("alarm.wasm"), "").unwrap();
    for path in [&folder, &folder.join("whirlwind.toml")] {
        let app = App::load(path, &Variables::none()).unwrap();
        assert_eq!(app.folder, folder);
        assert_eq!(app.manifest, Some(folder.join("whirlwind.toml")));
        assert_eq!(app.actors["decode"].component, folder.join("decode.wasm"));
        assert_eq!(app.actors["audit"].component, Path::new("/opt/audit.wasm"));
        let missing = app.missing_components();
        let actors: Vec<&str> = missing
            .iter()
            .map(|missing| missing.actor.as_str())
            .collect();
        assert_eq!(actors, ["audit", "decode"], "alarm.wasm is there");
    }
}

#[test]
fn a_missing_component_is_told_with_its_remedy() {
    let app = good(PINGPONG);
    let missing = app.missing_components().remove(0).to_string();
    assert!(
        missing.starts_with("the component of actor `pingpong` is missing: /"),
        "{missing}"
    );
    assert!(
        missing.ends_with("build it with `whirlwind build`, or start with `--build`"),
        "{missing}"
    );
    let missing = actor("").missing_components().remove(0).to_string();
    assert!(
        missing.ends_with("correct `component` in [actor.a], or give it a `build` command"),
        "{missing}"
    );
}

#[test]
fn of_several_rules_the_most_specific_that_says_something_holds() {
    let app = good(GREENHOUSE);
    let table = [
        ("other", 2 << 10, None),
        ("sensors", 2 << 10, Some("dead/rest")),
        ("sensors/one", 2 << 10, Some("dead/rest")),
        ("sensors/two/raw", 256 << 10, Some("dead/sensors")),
        ("sensors/one/raw", 256 << 10, Some("dead/one")),
        ("$sys/actor/a/started", 1 << 20, None),
    ];
    for (name, max_event, dead_letter) in table {
        assert_eq!(app.max_event(&topic(name)), max_event, "{name}");
        assert_eq!(
            app.dead_letter(&topic(name)).map(Topic::as_str),
            dead_letter,
            "{name}"
        );
    }
}

#[test]
fn an_actor_publishes_what_its_list_allows_and_never_on_the_nodes_topics() {
    let app = actor("publish = [\"sensors/+/celsius\", \"alarm\"]");
    let everything = actor("publish = [\"#\"]");
    let table = [
        ("sensors/a/celsius", true),
        ("alarm", true),
        ("sensors/a/b/celsius", false),
        ("alarm/x", false),
    ];
    for (name, allowed) in table {
        assert_eq!(app.actors["a"].may_publish(&topic(name)), allowed, "{name}");
        assert!(everything.actors["a"].may_publish(&topic(name)), "{name}");
        assert!(!actor("").actors["a"].may_publish(&topic(name)), "{name}");
    }
    let mut forced = everything.actors["a"].clone();
    forced.publish.push(TopicFilter::parse("$sys/#").unwrap());
    assert!(
        !forced.may_publish(&topic("$sys/actor/a/crashed")),
        "not even when code allows it"
    );
    for name in ["$sys/actor/a/crashed", "$other"] {
        assert!(!everything.actors["a"].may_publish(&topic(name)), "{name}");
    }
}

#[test]
fn variables_are_put_into_config_and_env_and_a_build_command_is_left_alone() {
    let text = r#"
manifest = 1
[actor.a]
component = "a.wasm"
build = "make ${TARGET}"
config = { url = "http://${HOST}:${PORT}/", literal = "$${HOST}" }
env = { HOST = "${HOST}" }
"#;
    let variables = Variables::none()
        .with("HOST", "example.org")
        .with("PORT", "80");
    let app = load_with(text, &variables).unwrap();
    let actor = &app.actors["a"];
    assert_eq!(actor.config["url"].expose(), "http://example.org:80/");
    assert_eq!(actor.config["literal"].expose(), "${HOST}");
    assert_eq!(actor.env["HOST"].expose(), "example.org");
    assert_eq!(actor.build.as_deref(), Some("make ${TARGET}"));
}

#[test]
fn a_manifest_made_in_code_means_the_same_as_its_file() {
    let mut manifest = Manifest::default();
    manifest.app.name = Some("pingpong".to_owned());
    manifest.actor.insert(
        "pingpong".to_owned(),
        ActorSection {
            component: "../target/wasm32-wasip2/release/pingpong.wasm".to_owned(),
            build: Some("cargo build --release --target wasm32-wasip2".to_owned()),
            subscribe: vec!["ping".to_owned()],
            publish: vec!["pong".to_owned()],
            links: LinksSection {
                keyvalue: Some(KeyValueLinks::Default("counters".to_owned())),
            },
            ..ActorSection::default()
        },
    );
    let counters = ProviderSection {
        kind: ProviderKind::Sled,
        ..ProviderSection::default()
    };
    manifest.provider.insert("counters".to_owned(), counters);
    assert_eq!(PINGPONG.parse::<Manifest>().unwrap(), manifest);

    let made =
        App::from_manifest(&manifest, Path::new("/srv/greenhouse"), &Variables::none()).unwrap();
    let mut read = good(PINGPONG);
    read.actors.get_mut("pingpong").unwrap().component = made
        .folder
        .join("../target/wasm32-wasip2/release/pingpong.wasm");
    (read.folder, read.manifest) = (made.folder.clone(), None);
    assert_eq!(made, read);
}

#[test]
fn every_key_survives_being_written_out() {
    let manifest: Manifest = GREENHOUSE.parse().unwrap();
    let written = toml::to_string(&manifest).unwrap();
    assert_eq!(written.parse::<Manifest>().unwrap(), manifest, "{written}");
}

#[test]
fn a_bad_manifest_made_in_code_is_refused_with_the_line_a_file_would_have() {
    let mut manifest = Manifest::default();
    let root = SupervisorSection {
        children: Some(vec!["nobody".to_owned()]),
        ..SupervisorSection::default()
    };
    manifest.supervisor.insert("root".to_owned(), root);
    let error = App::from_manifest(&manifest, Path::new("/"), &Variables::none()).unwrap_err();
    let wanted = "\
manifest:4:13: `nobody` is neither an actor nor a supervisor
  |
4 | children = [\"nobody\"]
  |             ^^^^^^^^
  = help: there are none";
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn an_mqtt_provider_has_its_defaults_and_its_topics_in_the_order_of_the_page() {
    let app = good(
        r#"
        manifest = 1
        [app]
        name = "house"
        [provider.broker]
        type = "mqtt"
        url  = "mqtts://user:secret@broker.example"
        in   = [
            { mqtt = "$share/two/z/+/a", topic = "s/$1" },
            { mqtt = "w/#", topic = "t/$#", qos = 2, ack = "accepted", format = "plain", type = "w" },
        ]
        out  = [{ topic = "alarms/+", mqtt = "house/$1", retain = true, mode = "data" }]
        [provider.dev]
        type = "mqtt-broker"
        "#,
    );
    let Backend::Mqtt(settings) = &app.providers["broker"].kind else {
        panic!("{:?}", app.providers)
    };
    let config = &settings.config;
    assert_eq!(config.url.to_string(), "mqtts://broker.example:8883");
    assert_eq!(config.client_id, "whirlwind-house-broker");
    assert_eq!((config.window, settings.outbox.capacity), (64, 1024));
    assert_eq!(config.session_expiry, Duration::from_secs(24 * 60 * 60));
    let inward = config.mappings.inward().iter();
    let inward: Vec<_> = inward.map(|m| (m.subscription(), m.target())).collect();
    assert_eq!(inward, [("$share/two/z/+/a", "s/$1"), ("w/#", "t/$#")]);
    assert_eq!(config.mappings.outward()[0].target(), "house/$1");
    let Backend::MqttBroker(broker) = &app.providers["dev"].kind else {
        panic!("{:?}", app.providers)
    };
    assert_eq!(broker.listen.to_string(), "127.0.0.1:1883");
    // Nothing that shows the app shows a secret.
    assert!(!format!("{app:?}").contains("secret"));
}

#[test]
fn a_timer_has_what_is_written_and_the_defaults() {
    let app = good(
        r#"
        manifest = 1
        [timer.tick]
        topic = "tick"
        every = "10ms"
        [timer.report]
        topic = "a/report"
        cron = "30 6 * * MON-FRI"
        type = "org.example.report"
        data = "{}"
        content_type = "application/json"
        [timer.word]
        topic = "tick"
        every = "365d"
        data = "x"
        "#,
    );
    let tick = &app.timers["tick"];
    assert_eq!((&*tick.name, &tick.topic), ("tick", &topic("tick")));
    assert_eq!(tick.when, When::Every(Duration::from_millis(10)));
    assert_eq!((&*tick.ty, &tick.data), ("dev.whirlwind.timer.tick", &None));
    let report = &app.timers["report"];
    assert_eq!(report.when.to_string(), "30 6 * * MON-FRI (UTC)");
    assert_eq!(report.ty, "org.example.report");
    let data = |text: &str, ty: &str| Some((text.to_owned(), ty.to_owned()));
    assert_eq!(report.data, data("{}", "application/json"));
    assert_eq!(app.timers["word"].data, data("x", "text/plain"));
}

#[test]
fn a_timer_made_in_code_is_the_same_as_one_in_a_file() {
    let manifest = Manifest {
        timer: [(
            "tick".to_owned(),
            TimerSection {
                topic: "tick".to_owned(),
                every: Some(Duration::from_secs(1).into()),
                ..TimerSection::default()
            },
        )]
        .into(),
        ..Manifest::default()
    };
    let app = App::from_manifest(&manifest, Path::new("/greenhouse"), &Variables::none()).unwrap();
    let file = good("manifest = 1\n[timer.tick]\ntopic = \"tick\"\nevery = \"1s\"\n");
    assert_eq!(app.timers, file.timers);
}
