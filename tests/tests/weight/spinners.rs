//! Row 6: guests that never stop computing.

use std::time::Duration;

use whirlwind_tests::{Bed, full, guest};

use crate::{pair, rig};

#[test]
fn row_06_a_hundred_spinners_leave_a_healthy_pair_its_time() {
    let (Some(bad), Some(relay)) = (guest("misbehave"), guest("relay")) else {
        return;
    };
    // Past its deadline of five seconds each is trapped, and tried again at once: they spin without end.
    let manifest = format!(
        r#"
        manifest = 1
        [actor.spinner]
        component = {bad:?}
        instances = 100
        subscribe = ["do"]
        retry     = {{ max_deliver = 1000, backoff = {{ min = "0s", max = "0s" }} }}
        {}
        "#,
        pair::manifest(&relay)
    );
    let span = full(Duration::from_millis(500), Duration::from_secs(20));
    rig::alone(async {
        let bed = Bed::unlogged(&manifest).await;
        let measured = async || {
            (
                pair::on_time(&bed.node, span).await,
                pair::one_in_flight(&bed.node, span).await,
                pair::saturated(&bed.node, span).await,
            )
        };
        pair::one_in_flight(&bed.node, span / 10).await;
        let idle = measured().await;
        for _ in 0..100 {
            bed.publish("do", "spin").await;
        }
        let beside = measured().await;
        let spinner = bed.part("spinner").await;
        bed.node.kill();
        bed.node.ended().await;
        for (whose, (on_time, one, saturated)) in [("idle", &idle), ("beside 100", &beside)] {
            println!(
                "row 6: a healthy pair {whose}: an event every 2 ms: {on_time}; one after another: {one}, {:.0}/s; 16 in flight: {saturated:.0}/s",
                one.rate()
            );
        }
        // None has come to an end by itself.
        assert_eq!((spinner.handled, spinner.dead), (Some(0), Some(0)));
        println!("row 6: {:?} deadlines", spinner.failed);
        if full(false, true) {
            for times in [&beside.0, &beside.1] {
                assert!(times.p99() < Duration::from_millis(50), "{times}");
            }
            assert!(beside.1.rate() * 2.0 >= idle.1.rate());
            assert!(beside.2 * 2.0 >= idle.2);
        }
    });
}
