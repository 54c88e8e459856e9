//! The spaces of a store.

/// A space: keys in order, apart from those of the other spaces.
///
/// There are four, and what lies in each is for those above to say; the store sees bytes. A fifth is a
/// new format version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Events that were accepted, and dead letters.
    Events,
    /// How far each subscriber is, and what it has not settled.
    Positions,
    /// Entries of key-value buckets.
    Buckets,
    /// Events that were seen, so that one that comes again is known.
    Seen,
}

impl Space {
    /// Every space.
    pub const ALL: [Self; 4] = [Self::Events, Self::Positions, Self::Buckets, Self::Seen];

    /// The name under which the space lies in the store's file. Part of the format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Positions => "positions",
            Self::Buckets => "buckets",
            Self::Seen => "seen",
        }
    }

    /// What stands for it in the journal. Part of the format; never 0, so that no entry is all zeros.
    pub(crate) const fn tag(self) -> u8 {
        match self {
            Self::Events => 1,
            Self::Positions => 2,
            Self::Buckets => 3,
            Self::Seen => 4,
        }
    }

    pub(crate) fn of_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|space| space.tag() == tag)
    }
}
