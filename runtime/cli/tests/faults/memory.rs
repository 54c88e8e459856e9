//! What a gateway weighs.

use whirlwind_tests::{full, guest};

use crate::broker::Broker;
use crate::stream::{Fault, Stream};

/// KiB: what the allocator and the tables of a busy hour may keep.
const GROWTH: u64 = 32 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_weighs_the_same_after_a_million_messages() {
    let (Some(relay), Some(broker)) = (guest("relay"), Broker::mosquitto()) else {
        return;
    };
    let messages = full(5_000, 1_000_000);
    let mut stream = Stream::new(&relay, broker, 5, messages).await;
    // Its component is compiled by now.
    stream.suffer(Fault::KillNode).await;
    let idle = stream.node().memory();
    stream.flow(1_000).await;
    stream.run(&[]).await;
    let after = stream.node().memory();
    eprintln!("resident: idle {idle} KiB, after {messages} messages {after} KiB");
    assert!(after < idle + GROWTH, "{idle} KiB became {after} KiB");
}
