//! A component has what its manifest gives it, and nothing else; and what it is given is nobody else's to see.

use std::net::{TcpListener, UdpSocket};
use std::path::Path;

use whirlwind::{StartError, Variables};
use whirlwind_tests::{Bed, bed, guest, log};

fn manifest(component: &Path, given: &str) -> String {
    format!(
        r#"
        manifest = 1
        [actor.curious]
        component = {component:?}
        subscribe = ["do"]
        publish   = ["answers"]
        retry     = {{ max_deliver = 1 }}
        {given}
        "#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_manifest_does_not_give_is_not_there() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let bed = Bed::start(&manifest(&component, "")).await;
    let mut answers = bed.watch("answers");
    // Whoever runs the tests has these; the component has not.
    assert!(std::env::var_os("PATH").is_some());
    let here = bed.folder().join("whirlwind.toml");
    for (command, expected) in [
        ("env PATH".to_owned(), "none"),
        ("env HOME".to_owned(), "none"),
        ("env PWD".to_owned(), "none"),
        ("env CARGO_MANIFEST_DIR".to_owned(), "none"),
        ("config key".to_owned(), "none"),
        ("config ".to_owned(), "none"),
        ("file /etc/passwd".to_owned(), "refused: "),
        ("file /proc/self/environ".to_owned(), "refused: "),
        ("file whirlwind.toml".to_owned(), "refused: "),
        ("file .".to_owned(), "refused: "),
        ("file ../../../../etc/passwd".to_owned(), "refused: "),
        (format!("file {}", here.display()), "refused: "),
        (format!("connect {address}"), "refused: "),
        (format!("connect localhost:{}", address.port()), "refused: "),
        ("connect [::1]:80".to_owned(), "refused: "),
        ("connect example.com:80".to_owned(), "refused: "),
    ] {
        bed.publish("do", command.as_str()).await;
        let answer = answers.text().await;
        assert!(answer.starts_with(expected), "{command}: {answer}");
    }
    let knocked = listener.accept().map(|_| ());
    let nobody = knocked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(nobody, "somebody came to {address}");
    assert_eq!(bed.part("curious").await.failed, Some(0));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_manifest_gives_is_seen_by_its_actor_and_shown_nowhere() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    const CANARIES: [&str; 3] = ["canary-1f6b", "canary-72ce", "canary-90aa"];
    let [config, env, variable] = CANARIES;
    let given = format!(
        r#"
        config = {{ key = "{config}" }}
        env    = {{ NAME = "{env}", FROM = "${{SECRET}}" }}
        [actor.neighbour]
        component = {component:?}
        subscribe = ["next-door"]
        publish   = ["answers"]
        "#
    );
    let folder = tempfile::TempDir::new().unwrap();
    let variables = Variables::none().with("SECRET", variable);
    let app = bed::app(folder.path(), &manifest(&component, &given), &variables);
    let shown = format!("{app:?} {variables:?}");
    let bed = Bed::start_app(folder, app).await.unwrap();
    let mut answers = bed.watch("answers");
    for (command, value) in [
        ("config key", config),
        ("env NAME", env),
        ("env FROM", variable),
        ("env SECRET", "none"),
        ("config NAME", "none"),
        ("env key", "none"),
    ] {
        bed.publish("do", command).await;
        assert_eq!(answers.text().await, value, "{command}");
        bed.publish("next-door", command).await;
        assert_eq!(answers.text().await, "none", "{command} next door");
    }
    // Whatever goes wrong, and whoever is asked how things are.
    let mut everything = vec![shown];
    for command in [
        "panic",
        "exit 1",
        "recurse",
        "handles",
        "retry",
        "reject",
        "forbidden elsewhere",
        "huge 2000000",
        "exit now",
    ] {
        bed.publish("do", command).await;
    }
    bed.publish("do", "over").await;
    while answers.text().await != "over" {}
    everything.push(format!("{:?}", bed.node.dead_letters()));
    everything.push(format!("{:?}", bed.node.parts().await));
    everything.push(format!("{:?}", bed.node.tree().await));
    everything.push(format!("{:?} {:?}", bed.node, bed.node.app()));
    bed.node.stop().await;
    everything.push(format!("{:?}", log::lines()));
    for shown in everything {
        for canary in CANARIES {
            let at = shown.find(canary);
            let around = at.map(|at| &shown[at.saturating_sub(200)..at]);
            assert_eq!(around, None, "{canary} is shown");
        }
    }
}

/// What a component gets of an interface.
enum Gets {
    /// An answer that is this.
    Answer(&'static str),
    /// An answer that begins like this.
    Refusal(&'static str),
    /// It does not start: its import is named, and what would help.
    NotLoaded(&'static str),
}

use Gets::{Answer, NotLoaded, Refusal};

/// One interface: a guest that calls it, what it is told to do, the lines of the manifest that grant it, and what comes of it
/// without them and with them. Without lines there is nothing that grants it.
struct Row {
    interface: &'static str,
    guest: &'static str,
    command: &'static str,
    grant: &'static str,
    without: Gets,
    with: Gets,
}

const fn never(interface: &'static str, command: &'static str, gets: &'static str) -> Row {
    Row {
        interface,
        guest: "misbehave",
        command,
        grant: "",
        without: Refusal(gets),
        with: Refusal(gets),
    }
}

const fn bucket(interface: &'static str, guest: &'static str, does: [&'static str; 2]) -> Row {
    Row {
        interface,
        guest,
        command: does[0],
        grant: r#"links = { keyvalue = "store" }"#,
        without: NotLoaded(interface),
        with: Answer(does[1]),
    }
}

const READ: [&str; 2] = [
    "set a 1\nget a\nopen secrets\nget a",
    "ok\nsome 1\naccess-denied\naccess-denied\n",
];
const ADD: [&str; 2] = [
    "delete n\nincrement n 2\nopen secrets\nincrement n 2",
    "ok\n2\naccess-denied\naccess-denied\n",
];
const MANY: [&str; 2] = [
    "set-many a 1 b 2\nget-many a b\nopen secrets\nget-many a",
    "ok\na=1 b=2\naccess-denied\naccess-denied\n",
];

const INTERFACES: [Row; 31] = [
    Row {
        interface: "whirlwind:actor/producer@0.1.0",
        guest: "misbehave",
        command: "forbidden elsewhere",
        grant: r#"publish = ["answers", "elsewhere"]"#,
        without: Refusal("refused: "),
        with: Answer("published"),
    },
    Row {
        interface: "wasi:messaging/producer@0.2.0-draft",
        guest: "relay-wasi",
        command: "said",
        grant: r#"publish = ["out"]"#,
        without: Refusal("no answer"),
        with: Answer("said"),
    },
    Row {
        interface: "wasi:config/store@0.2.0-rc.1",
        guest: "misbehave",
        command: "config key",
        grant: r#"config = { key = "value" }"#,
        without: Answer("none"),
        with: Answer("value"),
    },
    Row {
        interface: "wasi:cli/environment@0.2 variables",
        guest: "misbehave",
        command: "reach env",
        grant: r#"env = { GIVEN = "value" }"#,
        without: Answer(""),
        with: Answer("GIVEN"),
    },
    bucket("wasi:keyvalue/store@0.2.0-draft2", "buckets", READ),
    bucket("wasi:keyvalue/atomics@0.2.0-draft2", "buckets", ADD),
    bucket("wasi:keyvalue/batch@0.2.0-draft2", "buckets", MANY),
    bucket("wasi:keyvalue/store@0.2.0-draft", "buckets-draft", READ),
    bucket("wasi:keyvalue/atomics@0.2.0-draft", "buckets-draft", ADD),
    bucket("wasi:keyvalue/batch@0.2.0-draft", "buckets-draft", MANY),
    Row {
        interface: "wasi:cli/environment@0.2 arguments",
        guest: "misbehave",
        command: "reach args",
        grant: "",
        // Its own name, and nothing of the process.
        without: Answer("NAME"),
        with: Answer("NAME"),
    },
    Row {
        interface: "wasi:cli/stdin@0.2",
        guest: "misbehave",
        command: "reach stdin",
        grant: "",
        without: Answer(""),
        with: Answer(""),
    },
    Row {
        interface: "wasi:http/outgoing-handler@0.2",
        guest: "wants-http",
        command: "",
        grant: "",
        without: NotLoaded("wasi:http/outgoing-handler@0.2"),
        with: NotLoaded("no provider serves HTTP"),
    },
    never(
        "wasi:filesystem/preopens, reading",
        "file /etc/passwd",
        "refused: ",
    ),
    never(
        "wasi:filesystem/preopens, its own folder",
        "file whirlwind.toml",
        "refused: ",
    ),
    never(
        "wasi:filesystem/preopens, its own environment",
        "file /proc/self/environ",
        "refused: ",
    ),
    never(
        "wasi:filesystem/types, listing",
        "reach list /",
        "refused: ",
    ),
    never(
        "wasi:filesystem/types, listing here",
        "reach list .",
        "refused: ",
    ),
    never(
        "wasi:filesystem/types, writing",
        "reach write reached",
        "refused: ",
    ),
    never(
        "wasi:filesystem/types, writing outside",
        "reach write /tmp/reached",
        "refused: ",
    ),
    never(
        "wasi:filesystem/types, removing",
        "reach remove whirlwind.toml",
        "refused: ",
    ),
    never(
        "wasi:filesystem/types, making",
        "reach make reached",
        "refused: ",
    ),
    never(
        "wasi:filesystem/types, looking",
        "reach stat /",
        "refused: ",
    ),
    never(
        "wasi:filesystem/types, renaming",
        "reach rename whirlwind.toml",
        "refused: ",
    ),
    never(
        "wasi:sockets/tcp, connecting",
        "connect ADDRESS",
        "refused: ",
    ),
    never(
        "wasi:sockets/tcp, listening",
        "reach listen 127.0.0.1:0",
        "refused: ",
    ),
    never(
        "wasi:sockets/tcp, listening to all",
        "reach listen [::]:0",
        "refused: ",
    ),
    never("wasi:sockets/udp, binding", "reach udp", "refused: "),
    never(
        "wasi:sockets/udp, sending",
        "reach send ADDRESS",
        "refused: ",
    ),
    never(
        "wasi:sockets/ip-name-lookup, of this machine",
        "reach resolve localhost",
        "refused: ",
    ),
    never(
        "wasi:sockets/ip-name-lookup, of another",
        "reach resolve example.com",
        "refused: ",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_interface_gives_what_the_manifest_grants_and_nothing_without() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let datagrams = UdpSocket::bind(address).unwrap();
    datagrams.set_nonblocking(true).unwrap();

    // An actor for each row with its grant and one without: those that load in one app, those that do not in another.
    let Some(other) = guest("relay") else { return };
    let common = COMMON.replace("COMPONENT", &format!("{other:?}"));
    let (mut loads, mut fails) = (common.clone(), common);
    let mut asked = Vec::new();
    let mut refused = Vec::new();
    for (n, row) in INTERFACES.iter().enumerate() {
        let Some(component) = guest(row.guest) else {
            return;
        };
        for (granted, gets) in [(false, &row.without), (true, &row.with)] {
            let name = format!("row-{n}-{granted}");
            let actor = actor(&name, row, &component, granted);
            match gets {
                NotLoaded(words) => {
                    fails.push_str(&actor);
                    refused.push((name, *words));
                }
                _ => {
                    loads.push_str(&actor);
                    asked.push((name, row, gets));
                }
            }
        }
    }

    let folder = tempfile::TempDir::new().unwrap();
    let app = bed::app(folder.path(), &fails, &Variables::none());
    let Err(StartError::Components(errors)) = Bed::start_app(folder, app).await else {
        panic!("components that lack their links were loaded")
    };
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), refused.len(), "{errors:#?}");
    for (name, words) in &refused {
        let named = format!("`{name}`");
        let of = errors.iter().find(|error| error.contains(&named));
        assert!(
            of.is_some_and(|error| error.contains(words)),
            "{name}: {of:?}"
        );
    }

    let bed = Bed::start(&loads).await;
    let (mut answers, mut out) = (bed.watch("answers"), bed.watch("out"));
    let mut dead = bed.watch("dead");
    for (name, row, gets) in &asked {
        let command = row.command.replace("ADDRESS", &address.to_string());
        bed.publish(&format!("do/{name}"), command).await;
        let got = tokio::select! {
            answer = answers.text() => answer,
            answer = out.text() => answer,
            _ = dead.text() => "no answer".to_owned(),
        };
        let fits = match gets {
            Answer(whole) => got == whole.replace("NAME", name),
            Refusal(start) => got.starts_with(start),
            NotLoaded(_) => false,
        };
        assert!(fits, "{name}, {}: {got}", row.interface);
    }
    bed.stop().await;
    // Whatever they were answered: nobody came.
    assert!(listener.accept().is_err() && datagrams.recv(&mut [0; 64]).is_err());
    println!(
        "{} uses of interfaces, with the grant and without: {} answered as granted, {} refused at load, 0 leaks",
        INTERFACES.len(),
        asked.len(),
        refused.len()
    );
}

/// Somebody else, who may publish where the others may not and has a bucket of his own.
const COMMON: &str = r#"
manifest = 1
[provider.store]
type = "memory"
[topic."do/+"]
dead_letter = "dead"
[actor.other]
component = COMPONENT
subscribe = ["never"]
publish   = ["out", "elsewhere", "answers"]
links     = { keyvalue = { secrets = "store/secrets" } }
config    = { key = "another's" }
env       = { OTHERS = "another's" }
"#;

fn actor(name: &str, row: &Row, component: &Path, granted: bool) -> String {
    let grant = if granted { row.grant } else { "" };
    // All but the guest that does nothing else need a way to answer.
    let answers = match granted && row.grant.starts_with("publish") || row.guest == "relay-wasi" {
        true => "",
        false => r#"publish = ["answers"]"#,
    };
    format!(
        r#"
        [actor.{name}]
        component = {component:?}
        subscribe = ["do/{name}"]
        retry     = {{ max_deliver = 1 }}
        {answers}
        {grant}
        "#
    )
}
