//! Durable topics: what was accepted is there after the node, and takes effect once.

use std::path::Path;

use whirlwind::Node;
use whirlwind::event::{EventBuilder, Topic};
use whirlwind_tests::{Bed, bed, full, guest};

/// pingpong on durable topics, with its bucket in the node's store.
fn pingpong(component: &Path, instances: u32, more: &str) -> String {
    format!(
        r#"
        manifest = 1
        [actor.pingpong]
        component = {component:?}
        instances = {instances}
        subscribe = ["ping"]
        publish   = ["pong"]
        links     = {{ keyvalue = "counters" }}
        [topic."+"]
        durable = true
        [provider.counters]
        type = "store"
        {more}"#
    )
}

async fn counter(bed: &Bed) -> String {
    let store = bed.node.store("counters").unwrap().unwrap();
    let bucket = store.bucket("default").await.unwrap();
    let value = bucket.get("counter").await.unwrap().unwrap_or_default();
    String::from_utf8(value.to_vec()).unwrap()
}

/// Waits until nothing waits for anybody.
async fn settled(bed: &Bed) {
    while bed.part("pingpong").await.mailbox != Some(0) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_get_then_set_counts_each_event_once_over_four_instances() {
    let Some(component) = guest("pingpong") else {
        return;
    };
    let events = full(2_000, 100_000);
    let bed = Bed::start(&pingpong(&component, 4, "")).await;
    let guarantee = bed.part("pingpong").await.guarantee;
    assert_eq!(guarantee.as_deref(), Some("effectively-once"));
    let mut pongs = bed.watch("pong");
    let publishing = (0..8).map(|_| async {
        for _ in 0..events / 8 {
            bed.publish("ping", "ping").await;
        }
    });
    let counting = async {
        let mut seen = Vec::new();
        for _ in 0..events {
            seen.push(pongs.text().await);
        }
        seen
    };
    let (_, seen) = tokio::join!(futures::future::join_all(publishing), counting);
    let mut numbers: Vec<u64> = seen
        .iter()
        .map(|pong| pong.strip_prefix("pong ").unwrap().parse().unwrap())
        .collect();
    // Commits are made known in their order.
    assert!(numbers.is_sorted(), "{numbers:?}");
    numbers.dedup();
    assert_eq!(numbers.len(), events);
    assert_eq!(counter(&bed).await, events.to_string());
    // A pong is seen a moment before its turn is counted.
    settled(&bed).await;
    let part = bed.part("pingpong").await;
    println!("{events} pings over four instances: {:?}", part.detail);
    assert_eq!(part.handled, Some(events as u64));
    assert_eq!((part.failed, part.dead), (Some(0), Some(0)));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_when_a_node_ends_is_handled_by_the_next_and_nothing_twice() {
    let Some(component) = guest("pingpong") else {
        return;
    };
    let manifest = pingpong(&component, 1, "");
    let mut bed = Bed::start(&manifest).await;
    let mut published = 0;
    for round in 0..6 {
        let burst = (0..50).map(|_| bed.publish("ping", "ping"));
        published += futures::future::join_all(burst).await.len();
        // Some rounds end it in good order, some in the middle of things.
        let folder = match round % 2 {
            0 => bed.stop().await,
            _ => {
                bed.node.kill();
                bed.node.ended().await;
                bed.leave()
            }
        };
        bed = Bed::start_in(folder, &manifest).await.unwrap();
    }
    settled(&bed).await;
    assert_eq!(counter(&bed).await, published.to_string());
    assert_eq!(bed.node.dead_letters().len(), 0);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_seen_of_a_turn_that_failed() {
    let Some(buckets) = guest("buckets") else {
        return;
    };
    for provider in ["memory", "sled", "store"] {
        let manifest = format!(
            r#"
            manifest = 1
            [actor.failing]
            component = {buckets:?}
            subscribe = ["fails"]
            links     = {{ keyvalue = "entries" }}
            retry     = {{ max_deliver = 2, backoff = {{ min = "0s", max = "0s" }} }}
            [actor.script]
            component = {buckets:?}
            subscribe = ["script"]
            publish   = ["answers"]
            links     = {{ keyvalue = "entries" }}
            [topic.script]
            durable = true
            [topic.fails]
            durable = true
            dead_letter = "dead"
            [provider.entries]
            type = "{provider}"
            "#
        );
        let bed = Bed::start(&manifest).await;
        let (mut dead, mut seen) = (bed.watch("dead"), bed.watch("answers"));
        // Its turns set a key, and fail since it may not publish what came of it.
        bed.publish("fails", "set a 1\ndelete b").await;
        assert_eq!(dead.text().await, "set a 1\ndelete b", "{provider}");
        bed.publish("script", "get a\nset b 1\nget b").await;
        assert_eq!(seen.text().await, "none\nok\nsome 1\n", "{provider}");
        bed.publish("script", "get b").await;
        assert_eq!(seen.text().await, "some 1\n", "{provider}");
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_dead_letter_outlives_a_killed_node_and_can_be_delivered_again() {
    let Some(judge) = guest("misbehave") else {
        return;
    };
    let manifest = format!(
        r#"
        manifest = 1
        [actor.judge]
        component = {judge:?}
        subscribe = ["do"]
        retry     = {{ max_deliver = 1 }}
        [topic.do]
        durable = true
        dead_letter = "dead"
        "#
    );
    let bed = Bed::start(&manifest).await;
    let mut dead = bed.watch("dead");
    bed.publish("do", "reject").await;
    bed.publish("do", "ok").await;
    assert_eq!(dead.text().await, "reject");
    // An event more is handled, so the letter before it is on the disk.
    bed.publish("do", "ok").await;
    bed.node.kill();
    bed.node.ended().await;
    let bed = Bed::start_in(bed.leave(), &manifest).await.unwrap();
    let letters = bed.node.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].id, &*letters[0].actor), (1, "judge"));
    let mut dead = bed.watch("dead");
    bed.node.redeliver(1).unwrap();
    assert_eq!(dead.text().await, "reject");
    let folder = bed.stop().await;
    let bed = Bed::start_in(folder, &manifest).await.unwrap();
    let ids = bed.node.dead_letter_ids();
    assert_eq!(ids, [2], "the letter that was delivered again is gone");
    assert!(bed.node.drop_dead_letter(2).is_some());
    let folder = bed.stop().await;
    let bed = Bed::start_in(folder, &manifest).await.unwrap();
    assert_eq!(bed.node.dead_letters().len(), 0);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_again_is_acknowledged_and_not_handled_also_by_the_next_node() {
    let Some(component) = guest("pingpong") else {
        return;
    };
    let manifest = pingpong(&component, 1, "[topic.ping]\ndedup = {}\n");
    let mut bed = Bed::start(&manifest).await;
    let ping = |id: u32| {
        let event = EventBuilder::new().id(id.to_string()).source("/door");
        event.ty("test").data("ping").build().unwrap()
    };
    let topic = Topic::parse("ping").unwrap();
    for round in 0..2 {
        for id in [1, 2, 1, 3, 2] {
            bed.node.publish(&topic, ping(id)).await.unwrap();
        }
        // Handled after all of them.
        let last = bed.node.publish(&topic, ping(10 + round)).await.unwrap();
        assert_eq!(last.delivered, 1);
        settled(&bed).await;
        let detail = bed.part("pingpong").await.detail.unwrap();
        let again = [2, 5][round as usize];
        assert_eq!(
            detail,
            format!("{again} events came again and were not handled")
        );
        bed = Bed::start_in(bed.stop().await, &manifest).await.unwrap();
    }
    assert_eq!(counter(&bed).await, "5");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_one_subject_are_handled_in_order_by_four_instances() {
    let Some(relay) = guest("relay") else {
        return;
    };
    for durable in [true, false] {
        let manifest = format!(
            r#"
            manifest = 1
            [actor.relay]
            component = {relay:?}
            instances = 4
            subscribe = ["in"]
            publish   = ["key/+"]
            partition = "subject"
            [topic."key/+"]
            durable = {durable}
            [topic.in]
            durable = {durable}
            "#
        );
        // The relay publishes on the topic that the subject names.
        let bed = Bed::start(&manifest).await;
        let mut out = bed.watch("key/+");
        let topic = Topic::parse("in").unwrap();
        let (keys, each) = (5_usize, 100_usize);
        let (node, topic) = (&bed.node, &topic);
        let publishing = (0..keys).map(|key| async move {
            for number in 0..each {
                let event = EventBuilder::new().id(format!("{key}-{number}"));
                let event = event
                    .source("/door")
                    .ty("test")
                    .subject(format!("key/{key}"));
                let event = event.data(format!("{key} {number}")).build().unwrap();
                node.publish(topic, event).await.unwrap();
            }
        });
        let watching = async { out.texts(keys * each).await };
        let (_, texts) = tokio::join!(futures::future::join_all(publishing), watching);
        for key in 0..keys {
            let prefix = format!("{key} ");
            let numbers = texts.iter().filter_map(|text| text.strip_prefix(&prefix));
            let expected = (0..each).map(|number| number.to_string());
            assert!(numbers.eq(expected), "key {key}, durable {durable}");
        }
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_keeps_as_much_as_it_may_refuses_and_says_why() {
    let Some(judge) = guest("misbehave") else {
        return;
    };
    let manifest = format!(
        r#"
        manifest = 1
        [actor.judge]
        component = {judge:?}
        subscribe = ["do"]
        limits    = {{ deadline = "60s" }}
        [topic.do]
        durable = true
        keep    = {{ events = 2 }}
        "#
    );
    let bed = Bed::start(&manifest).await;
    bed.publish("do", "sleep 60000").await;
    bed.publish("do", "ok").await;
    let topic = Topic::parse("do").unwrap();
    let refused = bed.node.publish(&topic, bed::event("ok")).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("2 events wait for `judge`"), "{error}");
    bed.node.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_on_the_same_store_is_refused_in_words() {
    let Some(component) = guest("pingpong") else {
        return;
    };
    let bed = Bed::start(&pingpong(&component, 1, "")).await;
    let app = bed::app(
        bed.folder(),
        &pingpong(&component, 1, ""),
        &whirlwind::Variables::none(),
    );
    let error = Node::builder(app).start().await.unwrap_err();
    let words = error.to_string();
    assert!(words.contains("the store in "), "{words}");
    assert!(
        words.contains("another process") || words.contains("open"),
        "{words}"
    );
    bed.stop().await;
}
