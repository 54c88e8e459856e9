//! What the host adds to one call.

use std::path::Path;
use std::sync::Arc;

use whirlwind_benches::bare::Floor;
use whirlwind_benches::events::{IN, event, topic};
use whirlwind_benches::{Report, Run, Unit};
use whirlwind_component::Settings;

use crate::hosted::{Hosted, KeepNothing, component};
use crate::mailbox::Mailed;
use crate::slot::Commit;

const BARE: &str = "bare call";
const HANDLE: &str = "handle";
const MAILED: &str = "publish, lease, handle, settle";

pub async fn measure(run: &Run, report: &mut Report, relay: &Path) {
    let mut group = run
        .group("one turn")
        .row(BARE, Unit::Time, &[])
        .row(HANDLE, Unit::Time, &[BARE])
        .row(MAILED, Unit::Time, &[BARE, HANDLE]);
    if !group.is_wanted() {
        return;
    }
    let mut bare = Floor::resident(relay).instantiate().await;
    let component = component(relay, Settings::default()).await;
    let mut hosted = Hosted::new(&component).await;
    let mut mailed = Mailed::new(&component).await;
    let (topic, event) = (topic(IN), Arc::new(event()));
    for _ in 0..run.rounds() {
        group
            .mean(BARE, 15_000, async || bare.call(IN, &event).await)
            .await;
        group
            .mean(HANDLE, 15_000, async || {
                let outbox = hosted.call(&topic, &event, Box::new(KeepNothing)).await;
                outbox.commit();
            })
            .await;
        group
            .mean(MAILED, 15_000, async || mailed.turn(&topic, &event).await)
            .await;
    }
    report.add(group);
}
