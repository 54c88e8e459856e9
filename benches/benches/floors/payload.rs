//! What data costs on its way through a turn.
//!
//! The relay publishes the data it is given, so both sides copy it twice: from the event into the guest's memory, and from there into
//! a `Vec` of the host's. Neither copies it again: the bare side drops that `Vec`, ours moves it into an `EventBuilder`, which the
//! outbox drops.

use std::path::Path;
use std::sync::Arc;

use whirlwind_benches::bare::Floor;
use whirlwind_benches::events::{IN, event_with, topic};
use whirlwind_benches::{Report, Run, Unit};
use whirlwind_component::Settings;

use crate::hosted::component;
use crate::mailbox::Mailed;

/// Events with so much data.
struct Size {
    bytes: usize,
    /// How many in a round.
    events: usize,
    bare: &'static str,
    mailed: &'static str,
}

static SIZES: [Size; 4] = [
    Size {
        bytes: 100,
        events: 7_000,
        bare: "100 B: bare call",
        mailed: "100 B: publish, lease, handle, settle",
    },
    Size {
        bytes: 1 << 10,
        events: 7_000,
        bare: "1 KiB: bare call",
        mailed: "1 KiB: publish, lease, handle, settle",
    },
    Size {
        bytes: 10 << 10,
        events: 4_000,
        bare: "10 KiB: bare call",
        mailed: "10 KiB: publish, lease, handle, settle",
    },
    Size {
        bytes: 100 << 10,
        events: 1_000,
        bare: "100 KiB: bare call",
        mailed: "100 KiB: publish, lease, handle, settle",
    },
];

pub async fn measure(run: &Run, report: &mut Report, relay: &Path) {
    let mut group = run.group("payload");
    for size in &SIZES {
        group = group.row(size.bare, Unit::Time, &[]).row(
            size.mailed,
            Unit::Time,
            std::slice::from_ref(&size.bare),
        );
    }
    if !group.is_wanted() {
        return;
    }
    let mut bare = Floor::resident(relay).instantiate().await;
    let component = component(relay, Settings::default()).await;
    let mut mailed = Mailed::new(&component).await;
    let topic = topic(IN);
    for _ in 0..run.rounds() {
        for size in &SIZES {
            let event = Arc::new(event_with(vec![b'x'; size.bytes]));
            group
                .mean(size.bare, size.events, async || bare.call(IN, &event).await)
                .await;
            group
                .mean(size.mailed, size.events, async || {
                    mailed.turn(&topic, &event).await
                })
                .await;
        }
    }
    report.add(group);
}
