//! The supervision tree, as the manifest shapes it and as it heals.

use std::path::Path;

use whirlwind::{Node, PartState, StartError, TreeNode, Variables};
use whirlwind_tests::{Bed, Watch, bed, guest, log};

fn actor(name: &str, component: &Path, settings: &str) -> String {
    format!(
        r#"
        [actor.{name}]
        component = {component:?}
        subscribe = ["{name}"]
        publish   = ["answers"]
        retry     = {{ max_deliver = 1 }}
        {settings}
        "#
    )
}

/// The tree as lines: depth, name, kind, strategy.
fn drawn(node: &TreeNode, depth: usize, into: &mut Vec<String>) {
    assert_eq!((node.state, node.restarts), (PartState::Running, 0));
    let strategy = node.strategy.as_deref().unwrap_or("-");
    let kind = node.kind.as_str();
    into.push(format!("{depth} {} {kind} {strategy}", node.name));
    for child in &node.children {
        drawn(child, depth + 1, into);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_shapes_the_tree() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let manifest = format!(
        r#"
        manifest = 1
        [supervisor.root]
        strategy = "one-for-all"
        children = ["zeta", "pipeline", "alpha"]
        [supervisor.pipeline]
        strategy = "rest-for-one"
        children = ["inner", "beta"]
        [supervisor.inner]
        children = ["delta", "gamma"]
        {}{}{}{}{}
        [provider.stuff]
        type = "memory"
        [provider.more]
        type = "sled"
        "#,
        actor("alpha", &component, ""),
        actor("beta", &component, "instances = 2"),
        actor("gamma", &component, ""),
        actor("delta", &component, ""),
        actor("zeta", &component, ""),
    );
    let folder = tempfile::TempDir::new().unwrap();
    let app = bed::app(folder.path(), &manifest, &Variables::none());
    let node = Node::builder(app).control().start().await.unwrap();
    let mut lines = Vec::new();
    drawn(&node.tree().await, 0, &mut lines);
    let expected = [
        "0 node supervisor rest-for-one",
        "1 providers supervisor one-for-one",
        "2 more provider -",
        "2 stuff provider -",
        "1 root supervisor one-for-all",
        "2 zeta actor simple-one-for-one",
        "3 zeta/0 instance -",
        "2 pipeline supervisor rest-for-one",
        "3 inner supervisor one-for-one",
        "4 delta actor simple-one-for-one",
        "5 delta/0 instance -",
        "4 gamma actor simple-one-for-one",
        "5 gamma/0 instance -",
        "3 beta actor simple-one-for-one",
        "4 beta/0 instance -",
        "4 beta/1 instance -",
        "2 alpha actor simple-one-for-one",
        "3 alpha/0 instance -",
        "1 doors supervisor one-for-one",
        "2 control door -",
    ];
    assert_eq!(lines, expected);
    let parts = node.parts().await;
    let names: Vec<_> = parts.iter().map(|part| part.name.as_str()).collect();
    // In the order of start: providers, actors, doors; a door last.
    assert_eq!(names[..2], ["more", "stuff"]);
    assert_eq!(names.last(), Some(&"control"));
    assert_eq!(parts.len(), 8);
    node.stop().await;
    assert_eq!(node.tree().await.state, PartState::Stopped);
}

/// Who starts anew when the one in the middle gives up, and in which order they end and start.
const STRATEGIES: [(&str, &[&str], &[&str]); 3] = [
    ("one-for-one", &["b"], &["-b", "+b"]),
    ("rest-for-one", &["b", "c"], &["-b", "-c", "+b", "+c"]),
    (
        "one-for-all",
        &["a", "b", "c"],
        &["-b", "-c", "-a", "+a", "+b", "+c"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_restarts_whom_it_says_in_its_order_and_nobody_else() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    for (strategy, anew, order) in STRATEGIES {
        let full = |short: &str| format!("{short}-{strategy}");
        let fragile = |name: &str| match name {
            "b" => "max_restarts = 0",
            _ => "",
        };
        let names = ["a", "b", "c", "outside"];
        let actors = names.map(|name| actor(&full(name), &component, fragile(name)));
        let manifest = format!(
            r#"
            manifest = 1
            [supervisor.root]
            children = ["group", "{outside}"]
            [supervisor.group]
            strategy = "{strategy}"
            children = ["{a}", "{b}", "{c}"]
            {actors}
            "#,
            a = full("a"),
            b = full("b"),
            c = full("c"),
            outside = full("outside"),
            actors = actors.concat(),
        );
        let (bed, mut news) = Bed::start_watched(&manifest, "$sys/actor/#").await;
        let mut answers = bed.watch("answers");
        for name in names {
            assert_eq!(count(&bed, &mut answers, &full(name)).await, "1");
        }
        let mut first = Vec::new();
        for _ in names {
            first.extend(change(&mut news, strategy).await);
        }
        assert_eq!(first, ["+a", "+b", "+c", "+outside"], "{strategy}");
        bed.publish(&full("b"), "panic").await;
        // What comes while they are down waits in their mailboxes.
        let mut then = Vec::new();
        while then.len() < order.len() {
            then.extend(change(&mut news, strategy).await);
        }
        assert_eq!(then, order, "{strategy}");
        for name in names {
            let expected = if anew.contains(&name) { "1" } else { "2" };
            let counted = count(&bed, &mut answers, &full(name)).await;
            assert_eq!(counted, expected, "{name} under {strategy}");
            // A bystander's restart is one too.
            let restarted = u64::from(anew.contains(&name));
            assert_eq!(bed.place(&full(name)).await.restarts, restarted, "{name}");
        }
        bed.stop().await;
    }
}

/// What the next of the news says of an actor: that it started or ended, if that.
async fn change(news: &mut Watch, strategy: &str) -> Option<String> {
    let (topic, data) = news.json().await;
    let sign = match topic.as_str().rsplit_once('/')?.1 {
        "started" => '+',
        "restarted" if data["instance"].is_null() => '+',
        "stopped" => '-',
        _ => return None,
    };
    let name = data["actor"].as_str()?;
    Some(format!(
        "{sign}{}",
        name.strip_suffix(&format!("-{strategy}"))?
    ))
}

/// What a line of the log says of a child: that it started or ended, if that.
fn logged(line: &log::Line, name: &str) -> Option<char> {
    let rest = line.message.strip_prefix(&format!("`{name}` "))?;
    match rest {
        rest if rest.starts_with("started") => Some('+'),
        rest if rest.starts_with("ended") => Some('-'),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_gives_up_is_restarted_by_the_one_above_and_its_actors_keep_their_mail() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let manifest = format!(
        r#"
        manifest = 1
        [supervisor.root]
        children = ["upper"]
        [supervisor.upper]
        max_restarts = 1
        children = ["lower", "above"]
        [supervisor.lower]
        max_restarts = 0
        strategy = "one-for-all"
        children = ["weak", "witness"]
        {}{}{}
        "#,
        actor("weak", &component, "max_restarts = 0"),
        actor("witness", &component, ""),
        actor("above", &component, ""),
    );
    let bed = Bed::start(&manifest).await;
    let mut answers = bed.watch("answers");
    for name in ["weak", "witness", "above"] {
        assert_eq!(count(&bed, &mut answers, name).await, "1");
    }
    bed.publish("weak", "panic").await;
    // Accepted while it is down: it waits.
    assert_eq!(count(&bed, &mut answers, "weak").await, "1");
    assert_eq!(bed.place("lower").await.restarts, 1);
    assert_eq!(
        count(&bed, &mut answers, "witness").await,
        "1",
        "stopped with it"
    );
    assert_eq!(count(&bed, &mut answers, "above").await, "2", "untouched");
    assert_eq!(bed.place("upper").await.restarts, 0);
    let gave_up = log::lines();
    let gave_up = gave_up
        .iter()
        .map(|line| &line.message)
        .find(|words| words.starts_with("supervisor `lower` gave up") && words.contains("`weak`"));
    let words = gave_up.unwrap();
    assert!(words.contains("supervisor `weak` gave up"), "{words}");
    assert!(words.contains("asked to panic"), "{words}");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_actor_that_gave_up_stays_down_and_a_transient_one_comes_back() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let settings = |restart: &str| format!("max_restarts = 0\nrestart = \"{restart}\"");
    let manifest = format!(
        "manifest = 1\n{}{}",
        actor("for-once", &component, &settings("temporary")),
        actor("comes-back", &component, &settings("transient")),
    );
    let bed = Bed::start(&manifest).await;
    let mut answers = bed.watch("answers");
    let mut stopped = bed.watch("$sys/actor/for-once/stopped");
    for name in ["comes-back", "for-once"] {
        assert_eq!(count(&bed, &mut answers, name).await, "1");
        bed.publish(name, "panic").await;
    }
    stopped.next().await;
    assert_eq!(count(&bed, &mut answers, "comes-back").await, "1");
    assert_eq!(bed.part("for-once").await.state, PartState::Stopped);
    assert_eq!(bed.part("for-once").await.instances, Some(0));
    assert_eq!(bed.part("comes-back").await.state, PartState::Running);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_half_way_stops_what_had_started_in_reverse_order() {
    let (Some(component), Some(broken)) = (guest("misbehave"), guest("broken-start")) else {
        return;
    };
    let manifest = format!(
        r#"
        manifest = 1
        [supervisor.root]
        children = ["half-1", "half-2", "half-broken", "half-3"]
        {}{}{}
        [actor.half-broken]
        component = {broken:?}
        "#,
        actor("half-1", &component, ""),
        actor("half-2", &component, ""),
        actor("half-3", &component, ""),
    );
    let started = Bed::try_start(&manifest).await.map(|_| ());
    let Err(StartError::Tree(words)) = started else {
        panic!("{started:?}")
    };
    assert!(words.contains("`half-broken`"), "{words}");
    let log = log::lines();
    let names = ["half-1", "half-2", "half-3"];
    let changes: Vec<_> = log
        .iter()
        .flat_map(|line| names.map(|name| Some((logged(line, name)?, name))))
        .flatten()
        .collect();
    let expected = [
        ('+', "half-1"),
        ('+', "half-2"),
        ('-', "half-2"),
        ('-', "half-1"),
    ];
    assert_eq!(changes, expected);
}

/// What the actor `name` counts: how many such events its instance has seen.
async fn count(bed: &Bed, answers: &mut Watch, name: &str) -> String {
    bed.publish(name, "count").await;
    let answer = answers.next().await;
    assert!(answer.source().ends_with(name), "{}", answer.source());
    bed::text(&answer)
}
