//! The program this project began with, over a whole node.
#![allow(clippy::unwrap_used, clippy::panic)]

use whirlwind_tests::{Bed, guest};

fn manifest(component: &str, provider: &str) -> String {
    format!(
        r#"
        manifest = 1
        [app]
        name = "pingpong"
        [actor.pingpong]
        component = "{component}"
        subscribe = ["ping"]
        publish   = ["pong"]
        links     = {{ keyvalue = "counters" }}
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
            let bed = Bed::start(&manifest(&component.display().to_string(), provider)).await;
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
