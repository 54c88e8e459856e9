//! The ids of events that a turn publishes.

use uuid::Uuid;
use whirlwind_event::Event;
use xxhash_rust::xxh3::Xxh3;

/// The id of the `index`-th event (counted from 0) that `actor` publishes while it handles `cause`.
///
/// It follows from these alone, so a turn that runs again publishes the same ids, and whoever has seen them can tell. A UUID of
/// version 8 (RFC 9562, section 5.8: custom) over a 128-bit hash, since what matters is that it is the same each time.
pub(super) fn derived(cause: &Event, actor: &str, index: u32) -> String {
    let mut hash = Xxh3::new();
    for part in [cause.source(), cause.id(), actor] {
        hash.update(part.as_bytes());
        hash.update(&[0]); // no attribute may contain it, so parts cannot run together
    }
    hash.update(&index.to_le_bytes());
    let bytes = hash.digest128().to_be_bytes();
    Uuid::new_v8(bytes).to_string()
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

    #[test]
    fn an_id_is_a_uuid_of_version_8() {
        let id = Uuid::parse_str(&derived(&event("/a", "1"), "x", 0)).unwrap();
        assert_eq!(id.get_version_num(), 8);
    }
}
