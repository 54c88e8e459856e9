//! Events keep what they are on their way through components.

use std::collections::BTreeSet;
use std::sync::Arc;

use whirlwind::event::{Event, EventBuilder, json};
use whirlwind_tests::bed::{event, topic_of};
use whirlwind_tests::{Bed, guest};

fn manifest() -> Option<String> {
    let (echo, misbehave, relay) = (
        guest("answers-wasi")?,
        guest("misbehave")?,
        guest("relay-wasi")?,
    );
    Some(format!(
        r#"
        manifest = 1
        [app]
        name = "house"
        [actor.echo]
        component = {echo:?}
        subscribe = ["in"]
        publish   = ["echo"]
        [actor.many]
        component = {misbehave:?}
        subscribe = ["many"]
        publish   = ["answers"]
        [actor.more]
        component = {misbehave:?}
        subscribe = ["many"]
        publish   = ["answers"]
        [actor.relay]
        component = {relay:?}
        subscribe = ["many"]
        publish   = ["out"]
        "#
    ))
}

fn whole() -> EventBuilder {
    let mut builder = EventBuilder::new()
        .id("order-17")
        .source("/shop/orders?year=2026#north")
        .ty("com.example.order.placed")
        .subject("lamp \u{e9}")
        .datacontenttype("text/plain; charset=utf-8")
        .dataschema("https://example.com/schemas/order")
        .extension("partitionkey", "customer-5")
        .extension("express", true)
        .extension("count", -5)
        .data("two lamps");
    builder
        .attribute("time", "2026-01-31T12:00:00.123+01:00")
        .unwrap();
    builder
}

async fn publish(bed: &Bed, topic: &str, event: &Arc<Event>) {
    let published = bed.node.publish(&topic_of(topic), Arc::clone(event)).await;
    assert_eq!(published.unwrap().id, event.id());
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_and_extensions_survive_the_way_through_wasi_messaging() {
    let Some(manifest) = manifest() else { return };
    let bed = Bed::start(&manifest).await;
    let mut echo = bed.watch("echo");
    let sent = Arc::new(whole().build().unwrap());
    publish(&bed, "in", &sent).await;
    let back = echo.next().await;
    // Metadata are text, so that is what extensions become; all else is as it was.
    let texts = whole()
        .extension("express", "true")
        .extension("count", "-5")
        .build()
        .unwrap();
    assert_eq!(*back, texts);
    assert_eq!(
        back.time_text().as_deref(),
        Some("2026-01-31T11:00:00.123Z")
    );

    // With nothing but what it must have, and with every byte there is as data.
    let bytes: Vec<u8> = (0..=255).collect();
    let sent = Arc::new(event(bytes));
    publish(&bed, "in", &sent).await;
    assert_eq!(*echo.next().await, *sent);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_holds_a_structured_event_is_sent_as_that_event() {
    let Some(manifest) = manifest() else { return };
    let bed = Bed::start(&manifest).await;
    let mut echo = bed.watch("echo");
    let inner = whole().build().unwrap();
    for media_type in [
        "application/cloudevents+json",
        "application/cloudevents+json; charset=UTF-8",
        "Application/CloudEvents+JSON",
    ] {
        let outer = EventBuilder::new()
            .id("outer")
            .source("/outer")
            .ty("outer")
            .datacontenttype(media_type)
            .data(json::to_vec(&inner));
        publish(&bed, "in", &Arc::new(outer.build().unwrap())).await;
        assert_eq!(*echo.next().await, inner, "{media_type}");
    }

    // One that only says so is refused to the guest, which gives up.
    for data in [
        "{}",
        "two lamps",
        r#"{"specversion":"0.3","id":"1","source":"/","type":"t"}"#,
    ] {
        let outer = event(data).to_builder();
        let outer = outer.datacontenttype("application/cloudevents+json");
        publish(&bed, "in", &Arc::new(outer.build().unwrap())).await;
        publish(&bed, "in", &Arc::new(event("next"))).await;
        assert_eq!(echo.text().await, "next");
        let letter = bed.node.dead_letters().pop().unwrap();
        assert_eq!(letter.reason.as_str(), "rejected");
        let words = "content type is application/cloudevents+json, but its data is no such event: ";
        assert!(letter.error.contains(words), "{}", letter.error);
    }
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_runs_again_publishes_the_same_ids_and_any_other_turn_other_ids() {
    let Some(manifest) = manifest() else { return };
    let (first, second) = (Arc::new(event("publish 3")), Arc::new(event("publish 3")));
    let mut runs = Vec::new();
    // The second round is another life of the node: what is derived is derived from the event alone.
    for _ in 0..2 {
        let bed = Bed::start(&manifest).await;
        for event in [&first, &first, &second] {
            runs.push(ids(&bed, event).await);
        }
        bed.stop().await;
    }
    let [once, again, other, later, _, later_other] = &runs[..] else {
        panic!("{runs:?}")
    };
    assert_eq!(once.len(), 7, "three each, and the relay's: {once:?}");
    assert_eq!(once, again);
    assert_eq!(once, later);
    assert_eq!(other, later_other);
    assert!(once.is_disjoint(other));
}

/// The sources and ids that all actors together publish because of `event`.
async fn ids(bed: &Bed, event: &Arc<Event>) -> BTreeSet<(String, String)> {
    let (mut answers, mut out) = (bed.watch("answers"), bed.watch("out"));
    publish(bed, "many", event).await;
    let mut ids = BTreeSet::new();
    for _ in 0..6 {
        let answer = answers.next().await;
        ids.insert((answer.source().to_owned(), answer.id().to_owned()));
    }
    let relayed = out.next().await;
    assert_eq!(relayed.source(), "/house/relay");
    ids.insert((relayed.source().to_owned(), relayed.id().to_owned()));
    let only: BTreeSet<_> = ids.iter().map(|(_, id)| id).collect();
    assert_eq!(only.len(), ids.len(), "no two publish the same id");
    ids
}
