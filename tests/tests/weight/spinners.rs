use std::time::Duration;
use whirlwind_tests::{Bed, full, guest};

use crate::{pair, rig};

#[test]
fn a_hundred_spinners_leave_a_healthy_pair_its_time() {
    let (Some(bad), Some(relay)) = (guest("misbehave"), guest("relay")) else {
        return;
    };
    let deadline = std::env::var("DEADLINE").unwrap_or("1m".into());
    let manifest = format!(
        r#"
        manifest = 1
        [actor.spinner]
        component = {bad:?}
        instances = 100
        subscribe = ["do"]
        limits = {{ deadline = "{deadline}" }}
        retry     = {{ max_deliver = 1000, backoff = {{ min = "0s", max = "0s" }} }}
        {}
        "#,
        pair::manifest(&relay)
    );
    let span = full(Duration::from_millis(500), Duration::from_secs(10));
    rig::alone(async {
        let bed = Bed::unlogged(&manifest).await;
        pair::saturated(&bed.node, span / 5).await;
        for spinning in [false, true] {
            if spinning {
                for _ in 0..100 {
                    bed.publish("do", "spin").await;
                }
            }
            let a = pair::on_time(&bed.node, span).await;
            println!("{spinning}: on time {a}");
            let a = pair::one_in_flight(&bed.node, span).await;
            println!("{spinning}: one in flight {a} {:.0}/s", a.rate());
            let a = pair::on_time(&bed.node, span).await;
            println!("{spinning}: on time {a}");
            let a = pair::saturated(&bed.node, span).await;
            println!("{spinning}: saturated {a:.0}/s");
        }
        println!("{:?}", bed.part("spinner").await);
        bed.node.kill();
        bed.node.ended().await;
    });
}
