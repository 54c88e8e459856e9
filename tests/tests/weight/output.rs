//! Row 12: a guest that says more than anybody can read.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use whirlwind_tests::{Bed, full, guest};

use crate::{pair, rig};

/// The longest line that a guest may say, and what is put behind one that was cut.
const MAX_LINE: usize = (8 << 10) + 64;

#[test]
fn row_12_a_gibibyte_of_output_is_cut_to_its_rate_cleaned_and_every_line_of_it_counted() {
    let (Some(bad), Some(relay)) = (guest("misbehave"), guest("relay")) else {
        return;
    };
    let mebibytes: u64 = full(32, 1024);
    let lines = mebibytes << 20 >> 14;
    let manifest = format!(
        r#"
        manifest = 1
        [actor.flooder]
        component = {bad:?}
        subscribe = ["do"]
        publish   = ["answers"]
        limits    = {{ deadline = "10m" }}
        {}
        "#,
        pair::manifest(&relay)
    );
    rig::alone(async {
        keep();
        let bed = Bed::unlogged(&manifest).await;
        let mut answers = bed.watch("answers");
        let span = full(Duration::from_millis(500), Duration::from_secs(5));
        pair::one_in_flight(&bed.node, span).await;
        let idle = pair::one_in_flight(&bed.node, span).await;

        // Flood after flood, until as many turns of the pair lie beside them as beside nobody.
        let (begun, mut floods) = (Instant::now(), 0);
        let done = Arc::new(OnceLock::new());
        let (beside, ()) = tokio::join!(
            pair::while_it_holds(&bed.node, {
                let done = Arc::clone(&done);
                move || done.get().is_none()
            }),
            async {
                while floods == 0 || begun.elapsed() < span {
                    bed.publish("do", format!("spew {mebibytes}")).await;
                    bed.publish("do", "dry").await;
                    assert_eq!(answers.text().await, "dry");
                    floods += 1;
                }
                done.set(begun.elapsed()).unwrap();
            }
        );
        let took = *done.get().unwrap();
        let (mebibytes, lines) = (mebibytes * floods, lines * floods);
        bed.node.stop().await;
        // What is dropped last is said when the component goes.
        bed.leave();
        // It goes with the last task of the node, which may end a moment after the node.
        let all = async {
            while said().counted() < lines {
                tokio::task::yield_now().await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(20), all).await;
        let said = said();
        println!(
            "row 12: {mebibytes} MiB of output in {took:.1?}: {} bytes in {} lines written, {} lines dropped and counted, {} control characters, the longest line {} bytes; a healthy pair idle: {idle}; beside it: {beside}; p99 {:+.0} %",
            said.bytes,
            said.lines,
            said.dropped,
            said.controls,
            said.longest,
            (beside.p99().as_secs_f64() / idle.p99().as_secs_f64() - 1.0) * 100.0,
        );
        assert_eq!(said.counted(), lines);
        assert_eq!(said.controls, 0);
        assert!(said.longest <= MAX_LINE, "{}", said.longest);
        // Its rate is 1 MiB a second.
        let seconds = took.as_secs() as usize + 2;
        assert!(said.bytes <= seconds << 20, "{} bytes", said.bytes);
        if full(false, true) {
            assert!(said.bytes < 10 << 20, "{} bytes", said.bytes);
            let most = idle.p99().mul_f64(1.2);
            assert!(beside.p99() <= most, "{beside}, beside nobody {idle}");
        }
    });
}

/// What guests say, counted as it would be written.
struct Said {
    lines: u64,
    dropped: u64,
    bytes: usize,
    longest: usize,
    controls: usize,
    line: String,
}

static SAID: Mutex<Said> = Mutex::new(Said {
    lines: 0,
    dropped: 0,
    bytes: 0,
    longest: 0,
    controls: 0,
    line: String::new(),
});

struct Keeper;

/// Counts from now on. No other row keeps a log.
fn keep() {
    let subscriber = tracing_subscriber::registry().with(Keeper);
    tracing::subscriber::set_global_default(subscriber).unwrap();
}

impl Said {
    fn counted(&self) -> u64 {
        self.lines + self.dropped
    }
}

fn said() -> MutexGuard<'static, Said> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Subscriber> Layer<S> for Keeper {
    fn enabled(&self, about: &Metadata<'_>, _: Context<'_, S>) -> bool {
        about.target() == "whirlwind::guest" && *about.level() <= Level::INFO
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut said = said();
        said.line.clear();
        let dropped = said.dropped;
        event.record(&mut *said);
        said.lines += u64::from(said.dropped == dropped);
        said.bytes += said.line.len() + 1;
        said.longest = said.longest.max(said.line.len());
        said.controls += said.line.chars().filter(|c| c.is_control()).count();
    }
}

impl Visit for Said {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "dropped" {
            self.dropped += value;
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            write!(self.line, "{value:?}").unwrap();
        }
    }
}
