//! What is changed of a running app, while events flow.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all};
use tokio::sync::Semaphore;
use whirlwind::{ChangeError, Changed, ComponentError, PartState, StartError};
use whirlwind_tests::bed::{event, topic_of};
use whirlwind_tests::{Bed, Watch, guest};

/// As many as a test lets flow.
const EVENTS: usize = 10_000;

/// Unanswered events at any time: enough to keep a mailbox busy, and fewer than a watch has room for.
const WINDOW: usize = 500;

/// An actor that answers on `answers` or, as another component, on `out`.
fn work(component: &Path, settings: &str) -> String {
    actor("work", component, settings)
}

fn actor(name: &str, component: &Path, settings: &str) -> String {
    format!(
        r#"
        [actor.{name}]
        component = {component:?}
        subscribe = ["in/{name}"]
        publish   = ["answers", "out"]
        {settings}
        "#
    )
}

async fn start(rest: &str) -> Bed {
    Bed::start(&format!("manifest = 1\n{rest}")).await
}

fn changed(actor: &str, instances: u32) -> Changed {
    Changed {
        actor: actor.to_owned(),
        instances,
    }
}

/// Numbered events through the actor `work`, and their answers.
struct Flow {
    window: Arc<Semaphore>,
    answers: Watch,
    seen: Vec<usize>,
}

impl Flow {
    fn start(bed: &Bed) -> Self {
        let window = Arc::new(Semaphore::new(WINDOW));
        let (open, node) = (Arc::clone(&window), bed.node.clone());
        let answers = bed.watch("+");
        tokio::spawn(async move {
            for number in 0..EVENTS {
                open.acquire().await.unwrap().forget();
                let numbered = event(number.to_string());
                node.publish(&topic_of("in/work"), numbered).await.unwrap();
            }
        });
        Self {
            window,
            answers,
            seen: Vec::new(),
        }
    }

    /// Reads on until so many answers came.
    async fn until(&mut self, count: usize) {
        while self.seen.len() < count {
            let answer = self.answers.text().await;
            self.seen.push(answer.parse().unwrap());
            self.window.add_permits(1);
        }
    }

    /// Stops the node and takes what is left to see.
    async fn end(mut self, bed: &Bed) -> Vec<usize> {
        self.until(EVENTS).await;
        bed.node.stop().await;
        let rest = self.answers.rest().await;
        self.seen.extend(rest.iter().map(|answer| {
            let answer: usize = answer.parse().unwrap();
            answer
        }));
        self.seen
    }
}

/// Every number once, in order.
fn all() -> Vec<usize> {
    (0..EVENTS).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_events_are_each_handled_once_while_the_actor_is_scaled() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let bed = start(&work(&component, "")).await;
    let mut flow = Flow::start(&bed);
    for (step, instances) in [4, 1, 3, 2, 1024, 1].into_iter().enumerate() {
        let flows = flow.until(1500 * (step + 1));
        let (_, scaled) = join(flows, bed.node.scale("work", instances)).await;
        assert_eq!(scaled.unwrap(), changed("work", instances));
        let there = bed.part("work").await.instances;
        assert_eq!(there, usize::try_from(instances).ok());
    }
    let mut seen = flow.end(&bed).await;
    seen.sort_unstable();
    assert_eq!(seen, all());
    let part = bed.part("work").await;
    let counts = (part.handled, part.failed, part.retried, part.restarts);
    assert_eq!(counts, (Some(EVENTS as u64), Some(0), Some(0), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn they_keep_their_order_while_it_is_restarted_and_its_component_replaced_and_put_back() {
    let (Some(component), Some(other)) = (guest("misbehave"), guest("relay")) else {
        return;
    };
    // No restart is charged, or the first would be one too many.
    let root = "[supervisor.root]\nmax_restarts = 0\n";
    let bed = start(&format!("{root}{}", work(&component, ""))).await;
    let mut flow = Flow::start(&bed);
    for step in 1..=6 {
        let flows = flow.until(1000 * step);
        let done = changed("work", 1);
        match step {
            2 => assert_eq!(
                join(flows, bed.node.reload("work", Some(&other)))
                    .await
                    .1
                    .unwrap(),
                done
            ),
            4 => assert_eq!(
                join(flows, bed.node.reload("work", None)).await.1.unwrap(),
                done
            ),
            _ => assert_eq!(join(flows, bed.node.restart("work")).await.1.unwrap(), done),
        }
    }
    assert_eq!(flow.end(&bed).await, all());
    let part = bed.part("work").await;
    let counts = (part.handled, part.failed, part.restarts);
    assert_eq!(counts, (Some(EVENTS as u64), Some(0), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_none_of_them_and_raises_no_attempt() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    // Five are tolerated in ten seconds. One failed attempt would end an event.
    let root = "[supervisor.root]\nbackoff = { min = \"1ms\", max = \"1ms\" }\n";
    let settings = "instances = 2\nretry = { max_deliver = 1 }";
    let bed = start(&format!("{root}{}", work(&component, settings))).await;
    let mut flow = Flow::start(&bed);
    for step in 1..=5 {
        flow.until(1000 * step).await;
        assert_eq!(
            bed.node.kill_actor("work").await.unwrap(),
            changed("work", 2)
        );
    }
    let mut seen = flow.end(&bed).await;
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, all());
    let part = bed.part("work").await;
    assert_eq!((part.failed, part.dead), (Some(0), Some(0)));
}

#[tokio::test(start_paused = true)]
async fn a_kill_ends_a_call_in_its_middle_and_the_event_is_handled_again_as_at_first() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let settings = r#"limits = { deadline = "1m" }
        retry = { max_deliver = 1 }"#;
    let bed = start(&work(&component, settings)).await;
    let mut answers = bed.watch("answers");
    bed.publish("in/work", "sleep 30000").await;
    bed.publish("in/work", "next").await;
    let began = tokio::time::Instant::now();
    // The clock moves on when all are waiting: by then it sleeps.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        bed.node.kill_actor("work").await.unwrap();
    }
    assert_eq!(answers.text().await, "next");
    // The last of four calls slept to its end.
    assert_eq!(began.elapsed().as_secs() / 10, 3 + 3);
    bed.node.stop().await;
    let part = bed.part("work").await;
    let counts = (part.handled, part.failed, part.dead);
    assert_eq!(counts, (Some(2), Some(0), Some(0)));
}

#[tokio::test(start_paused = true)]
async fn an_event_of_an_instance_that_is_scaled_away_waits_on_and_comes_before_later_ones() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let settings = r#"instances = 3
        retry = { max_deliver = 2, backoff = { min = "30s", max = "30s" } }"#;
    let bed = start(&work(&component, settings)).await;
    let mut answers = bed.watch("answers");
    for _ in 0..3 {
        bed.publish("in/work", "retry").await;
    }
    // All three have failed once, and wait.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(bed.part("work").await.retried, Some(3));
    bed.node.scale("work", 1).await.unwrap();
    bed.publish("in/work", "last").await;
    assert_eq!(answers.text().await, "last");
    let dead = bed.node.dead_letters();
    let attempts: Vec<_> = dead.iter().map(|letter| letter.attempts).collect();
    assert_eq!(attempts, [2, 2, 2]);
    bed.node.stop().await;
    assert_eq!(bed.part("work").await.handled, Some(1));
}

/// What an actor counts: how many such events its instance has seen.
async fn count(bed: &Bed, answers: &mut Watch, actor: &str) -> String {
    bed.publish(&format!("in/{actor}"), "count").await;
    answers.text().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_touches_nobody_else_and_a_kill_whom_the_strategy_says() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let bed = start(&format!(
        r#"
        [supervisor.root]
        children = ["group"]
        [supervisor.group]
        strategy = "one-for-all"
        max_restarts = 1
        children = ["a", "b"]
        {}{}"#,
        actor("a", &component, ""),
        actor("b", &component, ""),
    ))
    .await;
    let mut answers = bed.watch("answers");
    for counted in ["1", "2"] {
        assert_eq!(count(&bed, &mut answers, "a").await, counted);
        assert_eq!(count(&bed, &mut answers, "b").await, counted);
    }
    for _ in 0..3 {
        bed.node.restart("a").await.unwrap();
        assert_eq!(count(&bed, &mut answers, "a").await, "1");
    }
    assert_eq!(count(&bed, &mut answers, "b").await, "3");
    assert_eq!(bed.place("a").await.restarts, 0);

    bed.node.kill_actor("a").await.unwrap();
    assert_eq!(count(&bed, &mut answers, "a").await, "1");
    assert_eq!(count(&bed, &mut answers, "b").await, "1");
    assert_eq!(bed.place("b").await.restarts, 1);
    // The second one is one too many for the group, and the first for the one above.
    bed.node.kill_actor("b").await.unwrap();
    assert_eq!(count(&bed, &mut answers, "b").await, "1");
    assert_eq!(bed.place("group").await.restarts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_stays_when_the_tree_starts_the_actor_again_and_concerns_no_other() {
    let (Some(component), Some(other)) = (guest("misbehave"), guest("relay")) else {
        return;
    };
    let root = "[supervisor.root]\nbackoff = { min = \"1ms\", max = \"1ms\" }\n";
    let twins = [work(&component, ""), actor("twin", &component, "")].concat();
    let bed = start(&format!("{root}{twins}")).await;
    bed.node.scale("work", 3).await.unwrap();
    bed.node.reload("work", Some(&other)).await.unwrap();
    assert_eq!(bed.part("work").await.restarts, Some(0));
    bed.node.kill_actor("work").await.unwrap();

    let (mut out, mut answers) = (bed.watch("out"), bed.watch("answers"));
    bed.publish("in/work", "from the new one").await;
    assert_eq!(out.text().await, "from the new one");
    bed.publish("in/twin", "from the old one").await;
    assert_eq!(answers.text().await, "from the old one");
    // The next change waits until it is up.
    bed.node.scale("work", 3).await.unwrap();
    assert_eq!(bed.place("work").await.children.len(), 3);
    assert_eq!(bed.place("work").await.restarts, 1);
    bed.node.restart("work").await.unwrap();
    assert_eq!(bed.part("work").await.instances, Some(3));
    assert_eq!(bed.part("twin").await.instances, Some(1));
    // And back to what the manifest names.
    bed.node.reload("work", None).await.unwrap();
    bed.publish("in/work", "from the old one again").await;
    assert_eq!(answers.text().await, "from the old one again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_does_not_fit_is_refused_in_the_words_of_a_start_and_the_old_one_stays() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let bed = start(&work(&component, "")).await;
    let mut answers = bed.watch("answers");
    assert_eq!(count(&bed, &mut answers, "work").await, "1");
    for name in ["no-handler", "wants-http"] {
        let unfit = guest(name).unwrap();
        let refused = bed.node.reload("work", Some(&unfit)).await.unwrap_err();
        let manifest = format!("manifest = 1\n{}", work(&unfit, ""));
        let Err(StartError::Components(errors)) = Bed::try_start(&manifest).await.map(drop) else {
            panic!("{name} starts");
        };
        assert_eq!(refused.to_string(), errors[0].to_string());
    }
    let broken = guest("broken-start").unwrap();
    let refused = bed.node.reload("work", Some(&broken)).await.unwrap_err();
    assert!(
        matches!(refused, ChangeError::NoInstance { .. }),
        "{refused:?}"
    );
    let nowhere = bed.folder().join("nowhere.wasm");
    let refused = bed.node.reload("work", Some(&nowhere)).await.unwrap_err();
    let unfit = matches!(
        refused,
        ChangeError::Component(ComponentError::Unfit { .. })
    );
    assert!(unfit, "{refused:?}");
    // The same instance goes on.
    assert_eq!(count(&bed, &mut answers, "work").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifests_file_is_read_anew_and_may_be_missing() {
    let (Some(component), Some(other)) = (guest("misbehave"), guest("relay")) else {
        return;
    };
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("work.wasm");
    std::fs::copy(component, &file).unwrap();
    let bed = start(&work(&file, "")).await;
    std::fs::remove_file(&file).unwrap();
    let refused = bed.node.reload("work", None).await.unwrap_err();
    let missing = matches!(refused, ChangeError::Component(ComponentError::Missing(_)));
    assert!(missing, "{refused:?}");
    std::fs::copy(other, &file).unwrap();
    bed.node.reload("work", None).await.unwrap();
    let mut out = bed.watch("out");
    bed.publish("in/work", "new").await;
    assert_eq!(out.text().await, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_one_actor_wait_for_each_other() {
    let (Some(component), Some(other)) = (guest("misbehave"), guest("relay")) else {
        return;
    };
    let bed = start(&work(&component, "")).await;
    let mut flow = Flow::start(&bed);
    let node = &bed.node;
    let scales = async {
        for instances in [5, 2, 7, 3] {
            let scaled = node.scale("work", instances).await.unwrap();
            assert_eq!(scaled, changed("work", instances));
        }
    };
    let restarts = async {
        for restarted in join_all((0..4).map(|_| node.restart("work"))).await {
            restarted.unwrap();
        }
    };
    let reloads = async {
        for file in [Some(&*other), None, Some(&*other)] {
            node.reload("work", file).await.unwrap();
        }
    };
    tokio::join!(scales, restarts, reloads, flow.until(EVENTS / 2));
    assert_eq!(bed.part("work").await.instances, Some(3));
    let mut seen = flow.end(&bed).await;
    seen.sort_unstable();
    assert_eq!(seen, all());
    let part = bed.part("work").await;
    assert_eq!((part.failed, part.restarts), (Some(0), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_in_words() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let bed = start(&format!(
        "{}{}{}",
        work(&component, ""),
        actor("brief", &component, "restart = \"temporary\""),
        actor("pooled", &component, "isolation = \"per-message\""),
    ))
    .await;
    let node = &bed.node;
    let says = |refused: Result<Changed, ChangeError>, words: &str| {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    };
    says(node.scale("wrok", 2).await, "did you mean `work`?");
    says(node.restart("wrok").await, "did you mean `work`?");
    says(node.kill_actor("wrok").await, "did you mean `work`?");
    says(node.reload("wrok", None).await, "did you mean `work`?");
    says(node.scale("work", 0).await, "from 1 to 1024");
    says(node.scale("work", 1025).await, "from 1 to 1024");
    // 64 places, of which one is for a component that is tried.
    says(
        node.scale("pooled", 64).await,
        "room for 63 instances of `pooled`, not for 64",
    );
    node.scale("pooled", 63).await.unwrap();
    node.reload("pooled", None).await.unwrap();
    assert_eq!(bed.part("pooled").await.instances, Some(63));

    node.kill_actor("brief").await.unwrap();
    // Its end is decided on before the next question is answered, once it has ended.
    while bed.part("brief").await.state != PartState::Stopped {
        tokio::task::yield_now().await;
    }
    says(node.restart("brief").await, "has ended for good");
    says(node.kill_actor("brief").await, "has ended for good");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_changed_of_a_node_that_stops() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let bed = start(&work(&component, "")).await;
    let mut answers = bed.watch("answers");
    bed.publish("in/work", "sleep 1000").await;
    bed.publish("in/work", "last").await;
    let restart = tokio::spawn({
        let node = bed.node.clone();
        async move { node.restart("work").await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut stop = Box::pin(bed.node.stop());
    assert!(futures::poll!(&mut stop).is_pending());
    let node = &bed.node;
    for refused in [
        node.scale("work", 2).await,
        node.restart("work").await,
        node.kill_actor("work").await,
        node.reload("work", None).await,
    ] {
        let stopping = matches!(refused, Err(ChangeError::Stopping));
        assert!(stopping, "{refused:?}");
    }
    // The restart that had begun is carried out, and what is in the mailbox drained.
    assert_eq!(answers.text().await, "last");
    restart.await.unwrap().unwrap();
    stop.await;
}
