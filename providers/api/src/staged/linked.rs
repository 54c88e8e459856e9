use std::fmt;
use std::sync::Arc;

use crate::Bucket;

/// A bucket as a component is linked to it.
#[derive(Clone)]
pub struct Linked {
    /// The provider's name and the bucket's. Equal names are the same bucket, and agree in all else.
    pub name: Arc<str>,
    /// The bucket itself.
    pub bucket: Arc<dyn Bucket>,
    /// Whether whoever commits the turn compares, in the commit, what the turn read of this bucket with
    /// what is there.
    pub validated: bool,
}

impl Linked {
    /// A bucket that commits nothing together with a turn: it is written to at the turn's end.
    pub fn new(name: &str, bucket: Arc<dyn Bucket>) -> Self {
        Self {
            name: name.into(),
            bucket,
            validated: false,
        }
    }

    /// Whether both are the same bucket. Mostly both names are one.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.name, &other.name) || self.name == other.name
    }
}

impl fmt::Debug for Linked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The bucket is left out: one in memory shows its entries.
        f.debug_struct("Linked")
            .field("name", &self.name)
            .field("validated", &self.validated)
            .finish_non_exhaustive()
    }
}
