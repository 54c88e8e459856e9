//! The ids of events that a turn publishes.

use smallvec::SmallVec;
use uuid::Uuid;
use uuid::fmt::Hyphenated;
use whirlwind_event::Event;
use xxhash_rust::xxh3::xxh3_128;

/// The id of the `index`-th event (counted from 0) that `actor` publishes while it handles `cause`.
///
/// It follows from these alone, so a turn that runs again publishes the same ids, and whoever has seen them can tell. A UUID of
/// version 8 (RFC 9562, section 5.8: custom) over a 128-bit hash, since what matters is that it is the same each time.
pub(super) fn derived(cause: &Event, actor: &str, index: u32) -> String {
    // In one piece: a hash that takes its parts one by one has half a KiB of state to begin with.
    let mut text = SmallVec::<[u8; 256]>::new();
    for part in [cause.source(), cause.id(), actor] {
        text.extend_from_slice(part.as_bytes());
        text.push(0); // no attribute may contain it, so parts cannot run together
    }
    text.extend_from_slice(&index.to_le_bytes());
    let id = Uuid::new_v8(xxh3_128(&text).to_be_bytes());
    let mut digits = [0; Hyphenated::LENGTH];
    id.hyphenated().encode_lower(&mut digits).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use whirlwind_event::EventBuilder;

    fn event(source: &str, id: &str) -> Event {
        let builder = EventBuilder::new().source(source).id(id).ty("t");
        builder.build().unwrap()
    }

    #[test]
    fn the_same_turn_gives_the_same_ids_and_any_difference_another() {
        let base = derived(&event("/a", "1"), "x", 0);
        assert_eq!(base, derived(&event("/a", "1"), "x", 0));
        let others = [
            derived(&event("/a", "2"), "x", 0),
            derived(&event("/b", "1"), "x", 0),
            derived(&event("/a", "1"), "y", 0),
            derived(&event("/a", "1"), "x", 1),
            derived(&event("/a1", "1"), "x", 0),
        ];
        assert!(others.iter().all(|other| *other != base));
    }

    /// Written down by an earlier build: what a durable turn published before an update has the same ids after it.
    #[test]
    fn ids_stay_what_they_were() {
        let long = "x".repeat(1000);
        let ids = ["1", &long].map(|id| derived(&event("/a", id), "x", 7));
        let before = [
            "cb158fc7-5a0f-8e5b-b871-ff1d2159605d",
            "cc66627a-bd96-8f53-a6ef-c1f8dfb813b4",
        ];
        assert_eq!(ids, before);
    }

    #[test]
    fn an_id_is_a_uuid_of_version_8() {
        let id = Uuid::parse_str(&derived(&event("/a", "1"), "x", 0)).unwrap();
        assert_eq!(id.get_version_num(), 8);
    }
}
