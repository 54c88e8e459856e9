//! What a hostile component tries, beside others that must not notice.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use whirlwind::PartState;
use whirlwind_tests::{Bed, Watch, full, guest, log};

fn manifest(bad: &Path, name: &str, settings: &str, good: &Path) -> String {
    format!(
        r#"
        manifest = 1
        [actor.{name}]
        component = {bad:?}
        subscribe = ["do"]
        publish   = ["answers", "allowed/+"]
        retry     = {{ max_deliver = 1 }}
        {settings}
        [actor.good]
        component = {good:?}
        subscribe = ["ping"]
        publish   = ["pong"]
        links     = {{ keyvalue = "counters" }}
        [provider.counters]
        type = "memory"
        [topic.do]
        dead_letter = "dead"
        "#
    )
}

/// A command, the reason of its dead letter, and what must be among its words.
const HARM: [(&str, &str, &[&str]); 17] = [
    ("panic", "max-deliver", &["panicked at ", "asked to panic"]),
    ("spin", "max-deliver", &["ran past its deadline of 300 ms"]),
    (
        "sleep 60000",
        "max-deliver",
        &["ran past its deadline of 300 ms"],
    ),
    (
        "eat",
        "max-deliver",
        &["ran out of memory: its limit is 16 MiB"],
    ),
    ("recurse", "max-deliver", &["used up its stack of 512 KiB"]),
    (
        "handles",
        "max-deliver",
        &["held more than 4096 handles of the host at once"],
    ),
    ("random", "max-deliver", &["was stopped by its host: "]),
    (
        "hostcall 1000",
        "max-deliver",
        &["passed more than 24 MiB to the host in one call"],
    ),
    (
        "exit 0",
        "max-deliver",
        &["exited with status 0 instead of answering"],
    ),
    (
        "exit 1",
        "max-deliver",
        &["exited with status 1 instead of answering"],
    ),
    (
        "publish-then-fail answers",
        "max-deliver",
        &["asked to fail after a publish"],
    ),
    (
        "publish-then-panic answers",
        "max-deliver",
        &["panicked at ", "asked to panic after a publish"],
    ),
    (
        "publish 5 elsewhere",
        "max-deliver",
        &["may not publish on `elsewhere`", "[actor.villain]"],
    ),
    ("retry", "max-deliver", &["asked to retry"]),
    ("reject", "rejected", &["asked to reject"]),
    ("exit now", "rejected", &["`now` is not a number"]),
    ("sleep long", "rejected", &["`long` is not a number"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_component_does_others_answer_and_its_dead_letter_says_what_it_was() {
    let (Some(bad), Some(good)) = (guest("misbehave"), guest("pingpong")) else {
        return;
    };
    let settings = r#"limits = { deadline = "300ms", memory = "16MiB" }"#;
    let bed = Bed::start(&manifest(&bad, "villain", settings, &good)).await;
    let (mut answers, mut dead) = (bed.watch("answers"), bed.watch("dead"));
    let mut pings = Pings::new(&bed);
    for (n, (command, reason, words)) in HARM.into_iter().enumerate() {
        bed.publish("do", command).await;
        pings.some(&bed, 10).await;
        assert_eq!(dead.text().await, command);
        let letter = bed.node.dead_letters().pop().unwrap();
        assert_eq!(letter.id, n as u64 + 1);
        assert_eq!(
            (&*letter.actor, letter.reason.as_str(), letter.attempts),
            ("villain", reason, 1),
            "{command}"
        );
        for part in words {
            assert!(
                letter.error.contains(part),
                "{command}: no `{part}` in `{}`",
                letter.error
            );
        }
        // It is there again, and nothing left the turn that failed.
        bed.publish("do", "hello").await;
        assert_eq!(answers.text().await, "hello", "after {command}");
        let line = log::lines()
            .into_iter()
            .rfind(|line| line.field("actor") == "villain" && line.message.contains(words[0]));
        assert!(line.is_some(), "the log says nothing of {command}");
    }
    assert_eq!(bed.part("villain").await.state, PartState::Running);
    assert_eq!(bed.place("villain").await.restarts, 0);
    bed.node.stop().await;
    assert_eq!(answers.rest().await, [""; 0]);
    assert_eq!(bed.part("good").await.restarts, Some(0));
    assert_eq!(bed.part("villain").await.dead, Some(HARM.len() as u64));
}

#[tokio::test(start_paused = true)]
async fn turns_cut_off_in_a_call_to_the_host_leave_nothing_behind() {
    let (Some(bad), Some(good)) = (guest("misbehave"), guest("pingpong")) else {
        return;
    };
    let turns = full(1000, 10_000);
    let settings = r#"instances = 50
        limits = { deadline = "1s" }"#;
    let bed = Bed::start(&manifest(&bad, "sleepy", settings, &good)).await;
    let (mut answers, mut dead) = (bed.watch("answers"), bed.watch("dead"));
    let mut sent = 0;
    for _ in 0..turns {
        while sent < turns && bed.part("sleepy").await.mailbox < Some(100) {
            bed.publish("do", "sleep 60000").await;
            sent += 1;
        }
        assert_eq!(dead.text().await, "sleep 60000");
    }
    // All fifty are there again: they sleep side by side.
    bed.publish("do", "awake").await;
    assert_eq!(answers.text().await, "awake");
    for _ in 0..50 {
        bed.publish("do", "sleep 500").await;
    }
    let began = Instant::now();
    bed.node.stop().await;
    assert_eq!(began.elapsed().as_millis() / 100, 5);
    let part = bed.part("sleepy").await;
    assert_eq!((part.handled, part.restarts), (Some(51), Some(turns)));
    let letters = bed.node.dead_letters();
    assert_eq!(letters.len() as u64, turns);
    let words = "ran past its deadline of 1 s";
    assert!(letters.iter().all(|letter| letter.error.starts_with(words)));
}

/// A topic, and what the refusal says; nothing where it is allowed.
const TOPICS: [(&str, Option<&str>); 12] = [
    ("allowed/one", None),
    ("elsewhere", Some("may not publish on `elsewhere`")),
    ("allowed", Some("may not publish on `allowed`")),
    ("allowed/one/two", Some("may not publish on")),
    ("Answers", Some("may not publish on `Answers`")),
    ("$sys/actor/good/stopped", Some("reserved for the node")),
    ("$other", Some("reserved for the node")),
    ("allowed/+", Some("Invalid")),
    ("allowed/#", Some("Invalid")),
    ("#", Some("Invalid")),
    ("", Some("Invalid")),
    ("allowed/\0", Some("Invalid")),
];

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_publishes_outside_the_allow_list_are_refused_and_none_is_delivered() {
    let (Some(bad), Some(good)) = (guest("misbehave"), guest("pingpong")) else {
        return;
    };
    let bed = Bed::start(&manifest(&bad, "pushy", "", &good)).await;
    let mut answers = bed.watch("answers");
    let outside = ["elsewhere/#", "allowed", "allowed/+/#", "$sys/#", "$other"];
    let outside = outside.map(|filter| bed.watch(filter));
    let mut allowed = 0;
    for n in 0..10_000 {
        let (topic, refusal) = TOPICS[n % TOPICS.len()];
        bed.publish("do", format!("forbidden {topic}")).await;
        let answer = answers.text().await;
        match refusal {
            None => {
                allowed += 1;
                assert_eq!(answer, "published", "{topic:?}");
            }
            Some(words) => {
                assert!(answer.starts_with("refused: "), "{topic:?}: {answer}");
                assert!(answer.contains(words), "{topic:?}: {answer}");
            }
        }
    }
    bed.node.stop().await;
    let [elsewhere, one, below, system, other] = outside;
    for (name, watch) in [
        ("elsewhere", elsewhere),
        ("allowed", one),
        ("$other", other),
    ] {
        // The node's own events may be among them: of those that were refused, none is.
        let delivered = watch.rest().await;
        assert!(!delivered.contains(&"forbidden".to_owned()), "{name}");
    }
    // There the node alone speaks, and of nothing but the end.
    let news = system.rest().await;
    assert!(news.iter().all(|data| data.starts_with('{')), "{news:?}");
    assert_eq!(news.len(), 3, "two actors and a provider: {news:?}");
    // `allowed/+/#` sees what was allowed, and none of two levels.
    assert_eq!(below.rest().await.len(), allowed);
}

/// Somebody else at work.
struct Pings {
    pongs: Watch,
    answered: u64,
}

impl Pings {
    fn new(bed: &Bed) -> Self {
        Self {
            pongs: bed.watch("pong"),
            answered: 0,
        }
    }

    /// Pings, each of which must be answered in its turn, a few at a time.
    async fn some(&mut self, bed: &Bed, count: u64) {
        /// A ping beside a hostile neighbour may be slow on a loaded machine, but not as slow as this.
        const PATIENCE: Duration = Duration::from_secs(20);
        let (first, last, in_flight) = (self.answered + 1, self.answered + count, 16);
        let mut sent = self.answered;
        for n in first..=last {
            while sent < last && sent < n + in_flight {
                bed.publish("ping", "ping").await;
                sent += 1;
            }
            let pong = tokio::time::timeout(PATIENCE, self.pongs.text()).await;
            assert_eq!(pong.as_deref(), Ok(&*format!("pong {n}")));
        }
        self.answered = last;
    }
}
