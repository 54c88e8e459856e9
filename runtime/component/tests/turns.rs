//! Turns of guests built from `actors/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod common;

use std::collections::BTreeMap;

use common::{Actor, End};
use whirlwind_component::{Handler, Links, Settings};
use whirlwind_provider_api::{KeyValue, MemoryKeyValue};

async fn linked() -> Settings {
    let store = MemoryKeyValue::new();
    Settings {
        links: Links {
            buckets: BTreeMap::from([("default".to_owned(), store.bucket("b").await.unwrap())]),
            ..Links::default()
        },
        ..Settings::default()
    }
}

#[tokio::test]
async fn both_pingpongs_count_their_pongs() {
    for (name, handler) in [
        ("pingpong", Handler::Messages),
        ("pingpong-events", Handler::Events),
    ] {
        let Some(mut actor) = Actor::guest(name, linked().await).await else {
            return;
        };
        assert_eq!(actor.component.handler(), handler);
        for pong in ["pong 1", "pong 2", "pong 3"] {
            actor.tell("ping").await.ok();
            assert_eq!(actor.sent.text(), pong, "{name}");
        }
    }
}

#[tokio::test]
async fn a_poison_event_costs_the_instance_and_its_panic_is_told() {
    for name in ["pingpong", "pingpong-events"] {
        let Some(mut actor) = Actor::guest(name, linked().await).await else {
            return;
        };
        let end = actor.handle(common::event(vec![0xff, 0xfe])).await;
        let End::Trap(trap) = end else {
            panic!("{end:?}")
        };
        println!("{trap:?}");
        actor.tell("ping").await.ok();
        assert_eq!(actor.sent.text(), "pong 1");
    }
}
