//! What a running node says of its parts: the shapes of the control API.

use serde::{Deserialize, Serialize};

/// A provider, an actor or a door, as `ps` lists it. Counters are none where they mean nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name in the manifest.
    pub name: String,
    /// What it is.
    pub kind: PartKind,
    /// How it is.
    pub state: PartState,
    /// Live instances of an actor's component.
    pub instances: Option<usize>,
    /// Events waiting.
    pub mailbox: Option<usize>,
    /// Turns that ended well.
    pub handled: Option<u64>,
    /// Turns that did not.
    pub failed: Option<u64>,
    /// Deliveries that were tried again.
    pub retried: Option<u64>,
    /// Instances replaced after a trap or an exit.
    pub restarts: Option<u64>,
    /// Events that ended as dead letters.
    pub dead: Option<u64>,
    /// Events that a dropping overflow ended.
    pub dropped: Option<u64>,
    /// What an event gets that the actor accepted.
    pub guarantee: Option<String>,
    /// Words for a person, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What a [`Part`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// A real thing behind an interface.
    Provider,
    /// A component and its supervisor.
    Actor,
    /// A way in or out.
    Door,
}

/// How a part, or a node of the tree, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartState {
    /// On its way up.
    Starting,
    /// Up.
    Running,
    /// Down, and about to be started again.
    Restarting,
    /// Not usable now; `detail` says why.
    Down,
    /// On its way down, in good order.
    Stopping,
    /// Down for good.
    Stopped,
}

/// A node of the supervision tree, as `tree` draws it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeNode {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: TreeKind,
    /// How it is.
    pub state: PartState,
    /// How often its supervisor started it again.
    pub restarts: u64,
    /// How it supervises; none for what supervises nothing.
    pub strategy: Option<String>,
    /// Those under it, in the order of start.
    pub children: Vec<TreeNode>,
}

/// What a [`TreeNode`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TreeKind {
    /// Supervises what is below it, and nothing else.
    Supervisor,
    /// A provider.
    Provider,
    /// The native supervisor actor around a component.
    Actor,
    /// One instance of a component.
    Instance,
    /// A door.
    Door,
}

impl PartKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Actor => "actor",
            Self::Door => "door",
        }
    }
}

impl PartState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Down => "down",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

impl TreeKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Provider => "provider",
            Self::Actor => "actor",
            Self::Instance => "instance",
            Self::Door => "door",
        }
    }
}
