//! F1, the difference that no script shows, since every script says its intensity.

use std::time::Duration;

use tokio::time::sleep;
use whirlwind_supervision::{
    Backoff, ChildSpec, ExitReason, Intensity, Reporter, Strategy, Supervisor, SupervisorSpec,
};

use crate::oracle;

#[test]
fn f1_the_default_intensity_tolerates_more_than_that_of_otp() {
    let Some(mut erlang) = oracle() else {
        return;
    };
    assert_eq!(erlang.ask("tolerated"), ["1"]);
    assert_eq!(tolerated(Intensity::OTP), 1);
    assert_eq!(tolerated(Intensity::default()), 5);
}

/// How many kills in a row of its one child a supervisor survives.
fn tolerated(intensity: Intensity) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let child = ChildSpec::worker("w0", |_| async { Ok(std::future::pending::<ExitReason>()) });
        let mut spec = SupervisorSpec::new("root", Strategy::OneForOne).child(child);
        spec.intensity = intensity;
        let spec = spec.backoff(Backoff::NONE);
        let root = Supervisor::start(spec, Reporter::log()).await.unwrap();
        for kills in 0.. {
            if root.kill_child("w0").await.is_err() {
                return kills - 1;
            }
            // On the paused clock: until nobody can run.
            sleep(Duration::from_millis(1)).await;
        }
        unreachable!()
    })
}
