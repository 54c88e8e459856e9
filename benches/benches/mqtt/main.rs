//! A message through a broker, a component and the broker again, beside a loop of the client library that does the same without us.
//!
//! Needs mosquitto. `cargo bench --workspace --bench mqtt [-- [--json] [--test] [FILTER]]`; see `docs/benchmarks.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark reports by panicking

mod driver;
mod program;

use std::path::Path;
use std::process::ExitCode;

use tempfile::TempDir;
use whirlwind::{App, Node, PartState, Variables};
use whirlwind_benches::{Report, Run, Unit};
use whirlwind_tests::{Mosquitto, guest};

use crate::driver::{Acknowledges, Driver, echo};
use crate::program::Program;

/// The binary's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WINDOW: usize = 64;

/// Without the second line its bound would be measured.
fn lines(_: &Path) -> String {
    "allow_anonymous true\nmax_inflight_messages 1000".to_owned()
}

fn main() -> ExitCode {
    let title = "100 B of data, QoS 1, MQTT 5, mosquitto on loopback";
    whirlwind_benches::main("mqtt", title, async |run, report| {
        let (Some(relay), Some(broker)) = (guest("relay"), Mosquitto::start_with(lines)) else {
            return; // left out, which was said
        };
        round_trips(run, report, &relay, &broker).await;
    })
}

async fn round_trips(run: &Run, report: &mut Report, relay: &Path, broker: &Mosquitto) {
    const RAW_ONE: &str = "raw loop, one in flight";
    const LATE_ONE: &str = "raw loop that acknowledges afterwards, one in flight";
    const NODE_ONE: &str = "node, one in flight";
    const RAW_MANY: &str = "raw loop, 64 in flight";
    const LATE_MANY: &str = "raw loop that acknowledges afterwards, 64 in flight";
    const NODE_MANY: &str = "node, 64 in flight";
    let mut group = run
        .group("MQTT in, component, MQTT out")
        .row(RAW_ONE, Unit::Time, &[])
        .row(LATE_ONE, Unit::Time, &[RAW_ONE])
        .row(NODE_ONE, Unit::Time, &[RAW_ONE, LATE_ONE])
        .row(RAW_MANY, Unit::Rate, &[])
        .row(LATE_MANY, Unit::Rate, &[RAW_MANY])
        .row(NODE_MANY, Unit::Rate, &[RAW_MANY, LATE_MANY]);
    let program = Program::new();
    let (_folder, node) = program.run(start(manifest(relay, broker))).await;
    let _raw = echo(broker, ["raw/in", "raw/out"], Acknowledges::AtOnce).await;
    let _late = echo(broker, ["late/in", "late/out"], Acknowledges::Afterwards).await;
    let mut raw = Driver::connect(broker, "raw/in", "raw/out").await;
    let mut late = Driver::connect(broker, "late/in", "late/out").await;
    let mut through = Driver::connect(broker, "node/in", "node/out").await;
    let (few, many) = (group.events(400), group.events(4_000));
    for _ in 0..run.rounds() {
        for (name, driver) in [
            (RAW_ONE, &mut raw),
            (LATE_ONE, &mut late),
            (NODE_ONE, &mut through),
        ] {
            if group.wants(name) {
                group.add_median(name, driver.one_in_flight(few).await);
            }
        }
        for (name, driver) in [
            (RAW_MANY, &mut raw),
            (LATE_MANY, &mut late),
            (NODE_MANY, &mut through),
        ] {
            if group.wants(name) {
                group.add_total(name, many, driver.saturated(WINDOW, many).await);
            }
        }
    }
    program.run(async move { node.stop().await }).await;
    report.add(group);
}

/// A node that takes `node/in` in, relays it through a component, and sends it out on `node/out`.
fn manifest(relay: &Path, broker: &Mosquitto) -> String {
    let (relay, url) = (relay.display(), broker.url());
    format!(
        r#"
        manifest = 1
        [app]
        name = "bench"
        [actor.relay]
        component = "{relay}"
        subscribe = ["in"]
        publish   = ["out"]
        [provider.broker]
        type   = "mqtt"
        url    = "{url}"
        window = 128
        in     = [{{ mqtt = "node/in", topic = "in" }}]
        out    = [{{ topic = "out", mqtt = "node/out", mode = "data" }}]
        "#
    )
}

/// Returns when it is connected.
async fn start(manifest: String) -> (TempDir, Node) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("whirlwind.toml");
    std::fs::write(&file, manifest).unwrap();
    let app = App::load(&file, &Variables::none()).unwrap();
    let builder = Node::builder(app);
    let up = whirlwind::event::TopicFilter::parse("$sys/provider/broker/up").unwrap();
    let mut news = builder.subscribe(&up);
    let node = builder.start().await.unwrap();
    news.next().await.expect("the node is connected");
    let parts = node.parts().await;
    assert!(parts.iter().all(|part| part.state == PartState::Running));
    (folder, node)
}
