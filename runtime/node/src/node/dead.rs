//! The dead letters of a running node, and what becomes of them when it ends.

use std::io;
use std::path::{Path, PathBuf};

use whirlwind_bus::{
    Bus, DeadLetter, DeadLetterCounts, Emptied, Reason, RedeliverError, Redelivered,
};

use super::Node;
use crate::dead::{self, file};

/// Why [`Node::redeliver`] did not. The letter is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedeliveryError {
    /// The letter cannot go where it should.
    #[error(transparent)]
    Refused(#[from] RedeliverError),
    /// The node is stopping.
    #[error("the node is stopping and delivers nothing more; the letter is kept")]
    Stopping,
}

/// What a node left when it ended, in its dead-letter file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftBehind {
    /// The file.
    pub file: PathBuf,
    /// How many letters are in it.
    pub letters: usize,
    /// How many of these were still in mailboxes.
    pub unfinished: u64,
    /// Events in mailboxes that are not in it, since a door goes on owing their acknowledgement.
    pub returned: u64,
    /// Why the file could not be written: then all of these are lost.
    pub error: Option<String>,
}

impl Node {
    /// The dead letters that are kept, oldest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.0.bus.dead_letters().list()
    }

    /// The ids of the dead letters that are kept, oldest first.
    pub fn dead_letter_ids(&self) -> Vec<u64> {
        self.0.bus.dead_letters().ids()
    }

    /// One of the dead letters.
    pub fn dead_letter(&self, id: u64) -> Option<DeadLetter> {
        self.0.bus.dead_letters().get(id)
    }

    /// How many dead letters there are, were, and were pushed out of the full box.
    pub fn dead_letter_counts(&self) -> DeadLetterCounts {
        self.0.bus.dead_letters().counts()
    }

    /// Delivers a dead letter again, to the actor that could not handle it; one that went too far (`max_hops`) is published on its
    /// topic, with no turns behind it. It leaves the box when it is in the mailbox, and of several who try at the same time one succeeds.
    ///
    /// # Errors
    /// [`RedeliveryError`] says why not: no such letter or actor, a full mailbox, a node that stops.
    pub fn redeliver(&self, id: u64) -> Result<Redelivered, RedeliveryError> {
        // As for a publish: a stop either turns it away or waits for it.
        let _publishing = self.0.publishing.token();
        if self.0.stopping.is_cancelled() {
            return Err(RedeliveryError::Stopping);
        }
        let redelivered = self.0.bus.redeliver(id)?;
        tracing::info!("dead letter {id} is delivered again");
        Ok(redelivered)
    }

    /// Forgets a dead letter; answers it, if it was there.
    pub fn drop_dead_letter(&self, id: u64) -> Option<DeadLetter> {
        self.0.bus.dead_letters().take(id)
    }

    /// Forgets all dead letters; answers how many.
    pub fn drop_dead_letters(&self) -> usize {
        self.0.bus.dead_letters().clear()
    }

    /// What it left when it ended; none while it runs, and none of one that was killed.
    pub fn left_behind(&self) -> Option<&LeftBehind> {
        self.0.left.get()
    }

    /// Ends what is still in mailboxes, and writes all dead letters to the file. Called when nobody handles or publishes any more.
    pub(super) async fn leave_behind(&self) {
        let inner = &self.0;
        let box_of = inner.bus.dead_letters();
        // The file takes them all; the box is bounded for the node's memory, which is about to go.
        box_of.lift_bounds();
        let mut emptied = Emptied::default();
        let outboxes = inner.providers.messaging.iter();
        let outboxes = outboxes.filter_map(|provider| provider.outbox.as_ref());
        let inboxes = inner.actors.values().map(|actor| &actor.inbox);
        for inbox in inboxes.chain(outboxes) {
            emptied += inner.bus.empty(inbox, Reason::NodeEnded);
        }
        let mut letters = box_of.list();
        // Those that lie in the store need no file.
        letters.retain(|letter| !letter.durable);
        let mut left = LeftBehind {
            file: inner.data_dir.join(file::FILE),
            letters: letters.len(),
            unfinished: emptied.dead,
            returned: emptied.returned,
            error: None,
        };
        let folder = inner.data_dir.clone();
        let written = tokio::task::spawn_blocking(move || {
            let lines = letters.into_iter();
            file::write(&folder, lines.map(|l| dead::DeadLetter::from(l).to_line()))
        });
        let written = written.await.map_err(io::Error::other).flatten();
        if let Err(error) = written {
            tracing::error!(
                "{} dead letters are lost: {} cannot be written: {error}",
                left.letters,
                left.file.display()
            );
            left.error = Some(error.to_string());
        }
        // The first and only end: nobody else sets it.
        let _ = inner.left.set(left);
    }
}

/// Puts the letters that an earlier node left in `folder` into the box of `bus`.
pub(super) async fn take_up(folder: &Path, bus: &Bus) -> io::Result<()> {
    let of = folder.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let contents = file::read(&of.join(file::FILE))?;
        for damage in &contents.damage {
            tracing::error!(
                "line {} of {} is no dead letter, and is kept in {}: {}",
                damage.line,
                file::FILE,
                file::DAMAGED,
                damage.error
            );
        }
        if !contents.damage.is_empty()
            && let Err(error) = file::set_aside(&of, &contents)
        {
            tracing::error!("{} cannot be written: {error}", file::DAMAGED);
        }
        Ok(contents.letters)
    });
    let letters = read.await.map_err(io::Error::other).flatten()?;
    // What is read was checked: each is one.
    let letters = letters.into_iter().filter_map(|l| l.try_into().ok());
    letters.for_each(|letter| bus.dead_letters().restore(letter));
    let pushed_out = bus.dead_letters().counts().pushed_out;
    if pushed_out > 0 {
        tracing::warn!(
            "{pushed_out} of the oldest dead letters of the last node do not fit in the box; the file has them until this node ends"
        );
    }
    Ok(())
}
