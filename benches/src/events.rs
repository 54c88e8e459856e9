//! The event that goes round, and the one that a handler publishes.

use std::sync::atomic::{AtomicU64, Ordering};

use whirlwind::event::{Event, EventBuilder, Topic};

/// What the first actor hears.
pub const IN: &str = "in";
/// What the first actor publishes on, because the event's subject says so, and the second hears.
pub const MIDDLE: &str = "middle";
/// What the second publishes on, because its event has no subject.
pub const OUT: &str = "out";

/// An event such as a door makes.
pub fn event() -> Event {
    event_with([b'x'; 100])
}

/// The same with other data.
pub fn event_with(data: impl Into<Vec<u8>>) -> Event {
    let builder = EventBuilder::new()
        .subject(MIDDLE)
        .datacontenttype("text/plain")
        .data(data);
    complete(builder)
}

/// Fills in what a publisher leaves to the node, as cheaply as can be.
pub fn complete(builder: EventBuilder) -> Event {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    builder
        .id_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed).to_string())
        .source_or_else(|| "/bench/relay".to_owned())
        .ty_or_else(|| "dev.whirlwind.message".to_owned())
        .build()
        .unwrap()
}

/// A topic of this name.
pub fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}
