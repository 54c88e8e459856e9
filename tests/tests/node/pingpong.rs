//! The program this project began with: it answers, counts, and keeps its order.

use std::path::Path;
use tokio::time::Instant;

use whirlwind_tests::{Bed, guest};

/// One actor `pingpong` of `instances` over a provider `counters`, and `more`.
pub fn manifest(component: &Path, provider: &str, instances: u32, more: &str) -> String {
    format!(
        r#"
        manifest = 1
        [app]
        name = "pingpong"
        [actor.pingpong]
        component = {component:?}
        instances = {instances}
        subscribe = ["ping"]
        publish   = ["pong"]
        links     = {{ keyvalue = "counters" }}
        {more}
        [provider.counters]
        type = "{provider}"
        "#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn ping_is_answered_with_pong_and_counted() {
    for name in ["pingpong", "pingpong-events"] {
        let Some(component) = guest(name) else { return };
        for provider in ["memory", "sled"] {
            let bed = Bed::start(&manifest(&component, provider, 1, "")).await;
            let mut pongs = bed.watch("pong");
            bed.publish("ping", "ping").await;
            assert_eq!(pongs.text().await, "pong 1");
            bed.publish("ping", "ping").await;
            let second = pongs.next().await;
            assert_eq!(second.source(), "/pingpong/pingpong");
            assert_eq!(second.ty(), "dev.whirlwind.message");
            bed.publish("ping", "reset").await;
            bed.publish("ping", "ping").await;
            assert_eq!(pongs.text().await, "pong 1", "{name} over {provider}");
            bed.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_ping_is_answered_once_and_in_order_by_one_instance() {
    many_pings("pingpong", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_ping_is_answered_once_by_two_instances() {
    many_pings("pingpong", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_ping_is_answered_once_by_four_instances() {
    many_pings("pingpong", 4).await;
}

/// Few enough for the observer's buffer of 1024, enough to keep four instances busy.
const IN_FLIGHT: u64 = 512;

async fn many_pings(name: &str, instances: u32) {
    let Some(component) = guest(name) else { return };
    let pings = 100_000;
    let bed = Bed::start(&manifest(&component, "memory", instances, "")).await;
    let mut pongs = bed.watch("pong");
    let began = Instant::now();
    let mut sent = 0;
    for answered in 1..=pings {
        while sent < pings && sent < answered + IN_FLIGHT {
            bed.publish("ping", "ping").await;
            sent += 1;
        }
        let pong = pongs.text().await;
        match instances {
            1 => assert_eq!(pong, format!("pong {answered}")),
            // Several instances read and write the counter side by side: the numbers say nothing, but the pongs are counted.
            _ => assert!(pong.starts_with("pong "), "{pong}"),
        }
    }
    let took = began.elapsed();
    println!("{pings} pings, {name} x{instances}: {took:.2?}");
    bed.node.stop().await;
    let part = bed.part("pingpong").await;
    assert_eq!(part.handled, Some(pings));
    assert_eq!((part.failed, part.dead), (Some(0), Some(0)));
    assert_eq!(pongs.rest().await, [""; 0], "more pongs than pings");
}
