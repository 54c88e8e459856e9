//! What the children of a simple-one-for-one supervisor are made from.

use std::{fmt, sync::Arc};

use crate::{handle::SupervisorRef, spec::ChildSpec};

/// What the children of a simple-one-for-one supervisor are made from: a child spec for each slot.
///
/// Slots are numbered from 0; a new child takes the lowest free one and keeps it through all its
/// restarts, until it is terminated or ends for good.
#[derive(Clone)]
pub struct Template {
    make: Arc<dyn Fn(usize) -> ChildSpec + Send + Sync>,
    first: Option<First>,
}

type First = Arc<dyn Fn(&SupervisorRef) -> usize + Send + Sync>;

impl Template {
    /// `make` answers the spec for a slot, with an id of its own for each. It is also called once,
    /// for slot 0, when the spec is checked.
    pub fn new(make: impl Fn(usize) -> ChildSpec + Send + Sync + 'static) -> Self {
        Self {
            make: Arc::new(make),
            first: None,
        }
    }

    /// With children from the start, where OTP has none: `first` is given each incarnation of the
    /// supervisor, before anything of it is started, and answers how many. They start one after the
    /// other, as the children of other supervisors do, and the supervisor has started when they have.
    /// Meanwhile slots may be added and ended, and a first child that ends is restarted.
    ///
    /// It is called in the supervisor's own task and may not block. Whoever keeps what it is given
    /// keeps a root alive; one that stands under another ends with that in any case.
    #[must_use]
    pub fn starting_with(
        mut self,
        first: impl Fn(&SupervisorRef) -> usize + Send + Sync + 'static,
    ) -> Self {
        self.first = Some(Arc::new(first));
        self
    }

    pub(crate) fn make(&self, slot: usize) -> ChildSpec {
        (self.make)(slot)
    }

    /// How many children `supervisor` starts with.
    pub(crate) fn first(&self, supervisor: &SupervisorRef) -> usize {
        self.first.as_ref().map_or(0, |first| first(supervisor))
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template")
    }
}
