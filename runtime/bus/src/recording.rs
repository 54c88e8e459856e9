//! An event's way among the dead letters.

use std::sync::Arc;

use whirlwind_store::{Batch, CommitError};

use crate::dead_letters::Dead;
use crate::durable::{Durable, Puts, letters};
use crate::{Bus, DeadLetter, Envelope, Reason};

impl Bus {
    /// Records an event that is no delivery of a [`Lease`](crate::Lease) as a dead letter, and publishes it on the dead-letter topic
    /// of its own topic, if it has one. Answers the letter's id.
    ///
    /// One of a durable topic goes into the store, and its share of what a door owes is settled when it is there. Should the store
    /// not take it, it is in memory; but one that a door still owes an answer for is no letter then, and its share is abandoned:
    /// whoever sent it sends it again.
    pub fn dead_letter(
        self: &Arc<Self>,
        envelope: Envelope,
        actor: Arc<str>,
        reason: Reason,
        error: String,
    ) -> u64 {
        let dead = Dead::new(&envelope, actor, reason, error);
        match self.durable_for(&dead) {
            Some(durable) => self.shelve(durable, dead, envelope),
            None => {
                let (id, ()) = self.record(dead, false, |_| ());
                envelope.settle();
                id
            }
        }
    }

    /// Where a letter has to lie that no event in the store becomes: none where that is in memory.
    pub(crate) fn durable_for(&self, dead: &Dead) -> Option<&Durable> {
        // At its end a node writes what lies in memory to its file, and ends the store.
        let durable = self
            .durable()
            .filter(|_| dead.reason != Reason::NodeEnded)?;
        self.rules().is_durable(&dead.topic).then_some(durable)
    }

    /// Records a letter, and puts it into the store in a commit of its own.
    fn shelve(self: &Arc<Self>, durable: &Durable, dead: Dead, envelope: Envelope) -> u64 {
        let mut held = Some(envelope);
        let (id, taken) = self.record(dead, true, |letter| {
            let letter = letter?;
            let mut batch = Batch::new();
            letters::put(&mut batch, letter);
            let taken = durable.committer().commit(batch, Puts::new(), || {
                let (bus, held, letter) = (Arc::clone(self), held.take(), letter.clone());
                Box::new(move |done| bus.shelved(held, letter, done))
            });
            Some((letter.clone(), taken))
        });
        match (taken, held) {
            (Some((letter, Err(error))), held) => self.shelved(held, letter, Err(error)),
            // Too large for the box, it is gone.
            (None, Some(envelope)) => envelope.settle(),
            _ => {}
        }
        id
    }

    fn shelved(
        &self,
        envelope: Option<Envelope>,
        letter: DeadLetter,
        done: Result<(), CommitError>,
    ) {
        match (done, envelope) {
            (Ok(()), Some(envelope)) => envelope.settle(),
            (Ok(()), None) => {}
            (Err(_), Some(envelope)) if envelope.settlement().is_some() => {
                self.dead_letters().unrecord(letter.id);
                drop(envelope);
            }
            (Err(_), _) => self.dead_letters().unshelved(letter),
        }
    }

    /// Records a letter, tells of it, and publishes it on the dead-letter topic of its own topic, if it has one. `shelve` as
    /// [`DeadLetters::record`](crate::DeadLetters) has it.
    pub(crate) fn record<T>(
        self: &Arc<Self>,
        dead: Dead,
        durable: bool,
        shelve: impl FnOnce(Option<&DeadLetter>) -> T,
    ) -> (u64, T) {
        let (hops, copy) = (dead.hops, self.copy_of(&dead));
        let listener = self.listener(&dead.topic);
        let mut told = None;
        let (id, pushed_out, shelved) = self.dead_letters().record(dead, durable, |letter| {
            told = letter.filter(|_| listener.is_some()).cloned();
            shelve(letter)
        });
        if let Some(listener) = listener {
            // A letter too large for the box went out of it at once.
            let itself = pushed_out.last().filter(|letter| letter.id == id);
            listener.tell_of(told.as_ref().or(itself), &pushed_out, hops);
        }
        if let Some(copy) = copy {
            // The letter itself is safe in the box, so a full subscriber of the dead-letter topic costs only the notice.
            self.publish(copy);
        }
        (id, shelved)
    }

    /// Records a letter that a turn has put into the store, and tells of it.
    pub(crate) fn record_stored(&self, letter: DeadLetter, hops: u32) {
        let told = self.listener(&letter.topic).map(|of| (of, letter.clone()));
        let pushed_out = self.dead_letters().record_stored(letter);
        if let Some((listener, letter)) = told {
            listener.tell_of(Some(&letter), &pushed_out, hops);
        }
    }

    fn copy_of(&self, dead: &Dead) -> Option<Envelope> {
        // What looped, or died on a dead-letter topic, is kept but not sent round again.
        let to = match dead.reason {
            // Nor is there anybody left to be told of what lay about at the end.
            Reason::MaxHops | Reason::NodeEnded => None,
            _ if dead.is_letter => None,
            _ => self.rules().dead_letter(&dead.topic),
        };
        let copy = |to| {
            Envelope::new(to, Arc::clone(&dead.event))
                .after_hops(dead.hops + 1)
                .into_letter()
        };
        to.filter(|to| *to != dead.topic).map(copy)
    }
}
