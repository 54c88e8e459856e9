//! A component has what its manifest gives it, and nothing else; and what it is given is nobody else's to see.

use std::net::TcpListener;
use std::path::Path;

use whirlwind::Variables;
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
