//! How long to wait before connecting again.

use std::time::Duration;

use proptest::prelude::*;
use whirlwind_provider_mqtt::Backoff;

#[test]
fn the_wait_doubles_from_the_first_to_the_longest() {
    let backoff = Backoff::default();
    for (attempts, millis) in [
        (0, 500),
        (1, 500),
        (2, 1_000),
        (3, 2_000),
        (6, 16_000),
        (7, 30_000),
        (100, 30_000),
        (u32::MAX, 30_000),
    ] {
        let wait = backoff.delay(attempts, 0.5);
        assert_eq!(wait, Duration::from_millis(millis), "{attempts}");
    }
    assert_eq!(backoff.delay(1, 0.0), Duration::from_millis(400));
    assert_eq!(backoff.delay(1, 1.0), Duration::from_millis(600));
}

proptest! {
    #[test]
    fn any_wait_is_within_its_jitter(
        min in 1..=u64::MAX,
        more in any::<u64>(),
        jitter in 0.0..=1.0,
        attempts in any::<u32>(),
        random in prop_oneof![0.0..=1.0, any::<f64>()],
    ) {
        let (min, max) = (Duration::from_nanos(min), Duration::from_nanos(min.saturating_add(more)));
        let wait = Backoff { min, max, jitter }.delay(attempts, random).as_secs_f64();
        let (least, most) = (min.as_secs_f64(), max.as_secs_f64());
        if !random.is_nan() {
            prop_assert!(wait >= least * (1.0 - jitter) - 1e-6, "{} {}", wait, least);
        }
        prop_assert!(wait <= most * (1.0 + jitter) + 1e-6 * most.max(1.0), "{} {}", wait, most);
    }
}
