//! Who subscribes to what.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use smallvec::SmallVec;
use tokio::sync::Notify;
use whirlwind_event::{Event, FilterTree, Topic, TopicFilter};

use crate::mailbox::{Filled, Origin, Place};
use crate::notice::Listener;
use crate::{
    Audience, DeadLetters, Envelope, Inbox, Mailbox, MailboxFull, MailboxSpec, Notice, Reason,
    Settlement, TopicRules,
};

/// The table of subscriptions, and the way of an event into mailboxes: passive, with no task of its own and no lock across an
/// await.
#[derive(Debug)]
pub struct Bus {
    subscriptions: ArcSwap<FilterTree<Subscriber>>,
    mailboxes: Mutex<Vec<Mailbox>>,
    rules: TopicRules,
    dead_letters: DeadLetters,
    drain: Arc<Drain>,
    unrouted: AtomicU64,
    listener: Option<Listener>,
    /// Subscriptions to topics of the system. With none there is nothing to tell, and no topic to look up for it.
    system: AtomicUsize,
}

#[derive(Clone, Debug)]
pub(crate) struct Subscriber {
    pub(crate) mailbox: Mailbox,
    /// Observers hold up no acknowledgement and no drain.
    pub(crate) observer: bool,
}

/// Wakes whoever waits for the bus to be idle; costs the busy bus one load.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    waiting: AtomicBool,
    ended: Notify,
}

/// Most events have at most this many subscribers; more of them go to the heap.
pub(crate) type Few<T> = SmallVec<[T; 4]>;

/// An event of a running turn, and a place in every mailbox that it will go to. Dropped unsent, all are given back.
#[derive(Debug)]
pub struct Reservation {
    topic: Topic,
    event: Arc<Event>,
    places: Few<(Place, bool)>,
}

/// What became of an event that a door published.
#[derive(Debug, Default)]
pub struct Delivery {
    /// How many mailboxes took it, or ended it as their overflow says.
    pub delivered: usize,
    /// Those that have no room now, each with what it missed.
    pub refused: Vec<Refusal>,
}

/// A full mailbox, and the envelope it did not take. A retry reaches this mailbox alone.
#[derive(Debug)]
pub struct Refusal {
    mailbox: Mailbox,
    observer: bool,
    envelope: Envelope,
}

impl Bus {
    /// An empty table.
    pub fn new(rules: TopicRules, dead_letters: DeadLetters) -> Self {
        Self {
            subscriptions: ArcSwap::default(),
            mailboxes: Mutex::default(),
            rules,
            dead_letters,
            drain: Arc::default(),
            unrouted: AtomicU64::new(0),
            listener: None,
            system: AtomicUsize::new(0),
        }
    }

    /// The same, with somebody who hears its [`Notice`]s. It is called where an event ends, so it must be quick and may not block.
    #[must_use]
    pub fn with_listener(mut self, hear: impl Fn(Notice<'_>) + Send + Sync + 'static) -> Self {
        self.listener = Some(Listener::new(hear));
        self
    }

    /// A mailbox that no topic leads to yet.
    pub fn mailbox(&self, spec: MailboxSpec) -> (Mailbox, Inbox) {
        Mailbox::new(spec, Arc::clone(&self.drain))
    }

    /// Leads the topics that match `filter` to `mailbox`. However many of its filters match, a mailbox gets an event once.
    pub fn subscribe(&self, filter: &TopicFilter, mailbox: &Mailbox) {
        let mut mailboxes = self
            .mailboxes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !mailboxes.iter().any(|known| known.same(mailbox)) {
            mailboxes.push(mailbox.clone());
        }
        drop(mailboxes);
        self.lead(filter, mailbox, false);
    }

    /// The same for somebody who only looks on: an observer holds up neither a door's acknowledgement nor [`Bus::idle`].
    pub fn observe(&self, filter: &TopicFilter, mailbox: &Mailbox) {
        self.lead(filter, mailbox, true);
    }

    /// Leads `filter` to `mailbox` no longer. What already lies in it stays.
    pub fn unsubscribe(&self, filter: &TopicFilter, mailbox: &Mailbox) {
        let mut removed = 0;
        self.subscriptions.rcu(|table| {
            let mut table = FilterTree::clone(table);
            removed = table.remove(filter, |s| s.mailbox.same(mailbox));
            table
        });
        if is_system(filter) {
            self.system.fetch_sub(removed, Ordering::Relaxed);
        }
    }

    fn lead(&self, filter: &TopicFilter, mailbox: &Mailbox, observer: bool) {
        let subscriber = Subscriber {
            mailbox: mailbox.clone(),
            observer,
        };
        self.subscriptions.rcu(|table| {
            let mut table = FilterTree::clone(table);
            table.insert(filter, subscriber.clone());
            table
        });
        if is_system(filter) {
            self.system.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What holds for single topics.
    pub fn rules(&self) -> &TopicRules {
        &self.rules
    }

    /// The dead letters of the node.
    pub fn dead_letters(&self) -> &DeadLetters {
        &self.dead_letters
    }

    /// How many events nobody subscribed to.
    pub fn unrouted(&self) -> u64 {
        self.unrouted.load(Ordering::Relaxed)
    }

    /// Hands an event that came through a door to every subscriber that has room.
    pub fn publish(&self, envelope: Envelope) -> Delivery {
        let mut delivery = Delivery::default();
        for Subscriber { mailbox, observer } in self.subscribers(&envelope.topic) {
            let copy = envelope.copy(observer);
            match self.offer(mailbox, observer, copy) {
                Ok(()) => delivery.delivered += 1,
                Err(refusal) => delivery.refused.push(refusal),
            }
        }
        if delivery.delivered == 0 && delivery.refused.is_empty() {
            self.unrouted.fetch_add(1, Ordering::Relaxed);
        }
        envelope.settle();
        delivery
    }

    /// Whether anybody subscribes to topics of the system at all: one load, for whoever would else build a topic to ask for.
    pub fn is_system_heard(&self) -> bool {
        self.system.load(Ordering::Relaxed) > 0
    }

    /// Whether anybody subscribes to `topic`.
    pub fn is_heard(&self, topic: &Topic) -> bool {
        let mut heard = false;
        self.subscriptions.load().for_each(topic, |_| heard = true);
        heard
    }

    /// Lets those know who want to: whoever has no room now misses it, and counts it as dropped. It waits for nobody, displaces
    /// nothing, is never refused and of its own end nothing is told.
    pub fn announce(&self, topic: &Topic, event: &Arc<Event>, hops: u32, audience: Audience) {
        for Subscriber { mailbox, observer } in self.subscribers(topic) {
            if observer || audience == Audience::Everybody {
                let envelope = Envelope::new(topic.clone(), Arc::clone(event)).after_hops(hops);
                mailbox.take_or_miss(envelope);
            }
        }
    }

    /// Takes a place for `event` in every mailbox that it will go to, or in none.
    pub fn reserve(&self, topic: Topic, event: Arc<Event>) -> Result<Reservation, MailboxFull> {
        let mut places = Few::new();
        for Subscriber { mailbox, observer } in self.subscribers(&topic) {
            places.push((mailbox.reserve(event.size(), Origin::Inside)?, observer));
        }
        Ok(Reservation {
            topic,
            event,
            places,
        })
    }

    /// Lets an event of a turn that ended well go to its reserved places: it lies `hops` turns from its door, and holds a share of
    /// what that door owes. Cannot fail.
    pub fn send(&self, reservation: Reservation, hops: u32, settlement: Option<Settlement>) {
        let Reservation {
            topic,
            event,
            places,
        } = reservation;
        if places.is_empty() {
            self.unrouted.fetch_add(1, Ordering::Relaxed);
        }
        let envelope = Envelope::new(topic, event)
            .after_hops(hops)
            .holding(settlement);
        for (place, observer) in places {
            self.fill(place, observer, envelope.copy(observer));
        }
        envelope.settle();
    }

    /// Records an event as a dead letter, and publishes it on the dead-letter topic of its own topic, if it has one.
    /// Answers the letter's id.
    pub fn dead_letter(
        &self,
        envelope: Envelope,
        actor: Arc<str>,
        reason: Reason,
        error: String,
    ) -> u64 {
        // What looped, or died on a dead-letter topic, is kept but not sent round again.
        let to = match reason {
            // Nor is there anybody left to be told of what lay about at the end.
            Reason::MaxHops | Reason::NodeEnded => None,
            _ if envelope.is_letter => None,
            _ => self.rules.dead_letter(&envelope.topic),
        };
        let copy = to.filter(|to| *to != envelope.topic).map(|to| {
            Envelope::new(to, Arc::clone(&envelope.event))
                .after_hops(envelope.hops + 1)
                .into_letter()
        });
        let (listener, hops) = (self.listener(&envelope.topic), envelope.hops);
        let (id, pushed_out) = self.dead_letters.record(envelope, actor, reason, error);
        if let Some(listener) = listener {
            // A letter too large for the box went out of it at once.
            let kept = self.dead_letters.latest(id);
            let letter = kept.as_ref().or_else(|| pushed_out.last());
            if let Some(letter) = letter.filter(|letter| letter.id == id) {
                listener.tell(Notice::DeadLettered { letter, hops });
            }
            for letter in pushed_out.iter().filter(|out| !out.topic.is_system()) {
                listener.tell(Notice::PushedOut { letter, hops });
            }
        }
        if let Some(copy) = copy {
            // The letter itself is safe in the box, so a full subscriber of the dead-letter topic costs only the notice.
            self.publish(copy);
        }
        id
    }

    /// Waits until every event that a subscriber accepted has come to its end. Call it when the doors are closed: an event
    /// that comes in afterwards is not waited for.
    pub async fn idle(&self) {
        loop {
            let mut ended = std::pin::pin!(self.drain.ended.notified());
            ended.as_mut().enable();
            self.drain.waiting.store(true, Ordering::SeqCst);
            if self.unfinished() == 0 {
                return; // the flag stays: somebody else may wait too, and a bus that was drained is at its end
            }
            ended.await;
        }
    }

    /// How many accepted events have not come to their end.
    ///
    /// Both counts only grow, and all that ended are summed before all that were accepted: so a zero was true at the moment
    /// between the two sums, however the events moved meanwhile.
    pub fn unfinished(&self) -> u64 {
        let mailboxes = self
            .mailboxes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let sum = |counter: fn(&crate::mailbox::Counters) -> &AtomicU64| -> u64 {
            mailboxes
                .iter()
                .map(|m| counter(&m.shared().counters).load(Ordering::SeqCst))
                .sum()
        };
        let ended = sum(|c| &c.ended);
        sum(|c| &c.accepted) - ended
    }

    pub(crate) fn subscribers(&self, topic: &Topic) -> Few<Subscriber> {
        let mut found = Few::<Subscriber>::new();
        self.subscriptions.load().for_each(topic, |subscriber| {
            // An actor whose filters overlap hears an event once.
            if found.iter().any(|f| f.mailbox.same(&subscriber.mailbox)) {
                return;
            }
            // Observers come first, so that whoever looks on sees a cause before what an actor makes of it.
            let place = if subscriber.observer { 0 } else { found.len() };
            found.insert(place, subscriber.clone());
        });
        found
    }

    fn offer(&self, mailbox: Mailbox, observer: bool, envelope: Envelope) -> Result<(), Refusal> {
        let bytes = envelope.size();
        match mailbox.reserve(bytes, Origin::Door) {
            Ok(place) => self.fill(place, observer, envelope),
            Err(full) if !mailbox.could_fit(bytes) => {
                // Waiting for room would be waiting for ever.
                let error = format!("an event of {bytes} bytes can never fit: {full}");
                self.dead_letter(envelope, full.name, Reason::MailboxFull, error);
            }
            Err(_) => {
                return Err(Refusal {
                    mailbox,
                    observer,
                    envelope,
                });
            }
        }
        Ok(())
    }

    /// Who is to be told of the end of an event on `topic`, if anybody is.
    fn listener(&self, topic: &Topic) -> Option<&Listener> {
        let told = self.is_system_heard() && !topic.is_system();
        self.listener.as_ref().filter(|_| told)
    }

    pub(crate) fn fill(&self, mut place: Place, observer: bool, envelope: Envelope) {
        let dropped = |mailbox: &Mailbox, dropped: &Envelope| {
            // What an observer misses it is told itself.
            if !observer && let Some(listener) = self.listener(&dropped.topic) {
                listener.tell(Notice::Dropped {
                    actor: mailbox.name(),
                    overflow: mailbox.overflow(),
                    topic: &dropped.topic,
                    event: &dropped.event,
                    hops: dropped.hops,
                });
            }
        };
        if let Filled::DeadLetter(envelope, full) = place.fill(envelope, dropped) {
            let error = full.to_string();
            self.dead_letter(envelope, full.name, Reason::MailboxFull, error);
        }
        // Looked at after the event is in: so whoever left has emptied the mailbox after it, or this does.
        if place.mailbox().is_gone() {
            self.bury(place.mailbox());
        }
    }

    /// The mailbox of this name, of those that somebody subscribed.
    pub(crate) fn named(&self, name: &str) -> Option<Mailbox> {
        let mailboxes = self
            .mailboxes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        mailboxes.iter().find(|m| **m.name() == *name).cloned()
    }
}

fn is_system(filter: &TopicFilter) -> bool {
    filter.as_str().starts_with('$')
}

impl Refusal {
    /// Whose mailbox is full.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// Waits until there is room again; somebody else may be faster.
    pub async fn room(&self) {
        self.mailbox.room(self.envelope.size()).await;
    }

    /// Waits until this mailbox has taken it, or has ended it as an event that can never fit.
    pub async fn insist(mut self, bus: &Bus) {
        loop {
            self.room().await;
            match self.retry(bus) {
                Ok(()) => return,
                Err(again) => self = again,
            }
        }
    }

    /// Tries this mailbox once more.
    pub fn retry(self, bus: &Bus) -> Result<(), Self> {
        bus.offer(self.mailbox, self.observer, self.envelope)
    }
}

impl Drain {
    pub(crate) fn wake(&self) {
        if self.waiting.load(Ordering::SeqCst) {
            self.ended.notify_waiters();
        }
    }
}
