//! What the children of a simple-one-for-one supervisor are made from.

use std::{fmt, sync::Arc};

use crate::spec::ChildSpec;

/// What the children of a simple-one-for-one supervisor are made from: a child spec for each slot.
///
/// Slots are numbered from 0; a new child takes the lowest free one and keeps it through all its
/// restarts, until it is terminated or ends for good.
#[derive(Clone)]
pub struct Template(Arc<dyn Fn(usize) -> ChildSpec + Send + Sync>);

impl Template {
    /// `make` answers the spec for a slot, with an id of its own for each. It is also called once,
    /// for slot 0, when the spec is checked.
    pub fn new(make: impl Fn(usize) -> ChildSpec + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    pub(crate) fn make(&self, slot: usize) -> ChildSpec {
        (self.0)(slot)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template")
    }
}
