//! Who puts events into one end of a way through actors and waits for what comes out at the other.
//!
//! The driver is a task of the runtime like the actors: on the thread that blocks on the runtime, each event would also wake a
//! thread.

use std::time::Duration;

use tokio::time::Instant;

/// A way through actors, of which an event goes in and an event comes out.
pub trait Way: Send + 'static {
    /// Puts in an event, made for it.
    fn put(&mut self) -> impl Future<Output = ()> + Send;

    /// Waits for the next that comes out.
    fn take(&mut self) -> impl Future<Output = ()> + Send;
}

/// Puts an event in, waits for what comes of it, and so on. Answers how long each took.
pub async fn one_in_flight(mut way: impl Way, events: usize) -> Vec<Duration> {
    let driver = tokio::spawn(async move {
        let mut times = Vec::with_capacity(events);
        for _ in 0..events {
            let start = Instant::now();
            way.put().await;
            way.take().await;
            times.push(start.elapsed());
        }
        times
    });
    driver.await.unwrap()
}

/// Keeps `window` events in flight until so many have come through. Answers how long they all took.
pub async fn saturated(mut way: impl Way, window: usize, events: usize) -> Duration {
    let driver = tokio::spawn(async move {
        let start = Instant::now();
        for _ in 0..window.min(events) {
            way.put().await;
        }
        for out in 0..events {
            way.take().await;
            if out + window < events {
                way.put().await;
            }
        }
        start.elapsed()
    });
    driver.await.unwrap()
}
