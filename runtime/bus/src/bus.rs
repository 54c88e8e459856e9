//! Who subscribes to what.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::{ArcSwap, Guard};
use smallvec::SmallVec;
use tokio::sync::{Notify, oneshot};
use whirlwind_event::{Event, FilterTree, Topic, TopicFilter};
use whirlwind_store::Batch;

use crate::delivery::By;
use crate::durable::{Durable, Placed, Puts, Shelf};
use crate::mailbox::{Filled, Origin, Place};
use crate::notice::Listener;
use crate::{
    Audience, DeadLetters, Delivery, Envelope, Full, Inbox, Mailbox, MailboxSpec, NotDurable,
    Notice, Reason, Refusal, Settlement, Synced, TopicRules,
};

/// The table of subscriptions, and the way of an event into mailboxes: passive, with no task of its own and no lock across an
/// await.
#[derive(Debug)]
pub struct Bus {
    subscriptions: ArcSwap<FilterTree<Subscriber>>,
    mailboxes: Mutex<Vec<Mailbox>>,
    rules: TopicRules,
    dead_letters: Arc<DeadLetters>,
    durable: OnceLock<Durable>,
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
    pub(crate) topic: Topic,
    pub(crate) event: Arc<Event>,
    pub(crate) hops: u32,
    places: Few<(Place, bool)>,
    /// Whether anybody subscribes to its topic.
    is_routed: bool,
    /// Its places in queues of durable topics.
    pub(crate) placed: Option<Box<Placed>>,
}

impl Bus {
    /// An empty table.
    pub fn new(rules: TopicRules, dead_letters: DeadLetters) -> Self {
        Self {
            subscriptions: ArcSwap::default(),
            mailboxes: Mutex::default(),
            rules,
            dead_letters: Arc::new(dead_letters),
            durable: OnceLock::new(),
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
        self.subscribe_all(&[(filter.clone(), mailbox.clone())]);
    }

    /// The same for many at once. Each call makes a new table, so it takes as long for one as for all.
    pub fn subscribe_all(&self, subscriptions: &[(TopicFilter, Mailbox)]) {
        for (filter, mailbox) in subscriptions {
            if let Some(queue) = self.durable().and_then(|of| of.queue(mailbox.name())) {
                mailbox.read(queue);
            }
            if self.rules.may_know(filter) {
                mailbox.remember();
            }
            let mut mailboxes = self
                .mailboxes
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            // From the end: those of one mailbox follow each other.
            if !mailboxes.iter().rev().any(|known| known.same(mailbox)) {
                mailboxes.push(mailbox.clone());
            }
        }
        self.lead(subscriptions, false);
    }

    /// The same for somebody who only looks on: an observer holds up neither a door's acknowledgement nor [`Bus::idle`]. One and the
    /// same mailbox does the one or the other.
    pub fn observe(&self, filter: &TopicFilter, mailbox: &Mailbox) {
        self.lead(&[(filter.clone(), mailbox.clone())], true);
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

    fn lead(&self, subscriptions: &[(TopicFilter, Mailbox)], observer: bool) {
        let mut system = 0;
        self.subscriptions.rcu(|table| {
            let mut table = FilterTree::clone(table);
            system = 0; // this may run again, if somebody else was faster
            for (filter, mailbox) in subscriptions {
                // Under one filter a mailbox is once.
                let before = table.remove(filter, |s| s.mailbox.same(mailbox));
                let mailbox = mailbox.clone();
                table.insert(filter, Subscriber { mailbox, observer });
                system += usize::from(before == 0 && is_system(filter));
            }
            table
        });
        self.system.fetch_add(system, Ordering::Relaxed);
    }

    /// What holds for single topics.
    pub fn rules(&self) -> &TopicRules {
        &self.rules
    }

    /// Durable topics lie in these queues from now on. Call it before anybody subscribes.
    pub fn open_durable(&self, durable: Durable) {
        let shelf = Shelf(Arc::clone(durable.committer()));
        self.dead_letters.shelve(shelf, durable.last_letter());
        // Once: there is one store.
        let _ = self.durable.set(durable);
    }

    /// Returns when the store has room for an event on `topic`: at once, unless that is a durable one and the disk is behind.
    pub async fn ready(&self, topic: &Topic) {
        if let Some(durable) = self.durable()
            && !self.is_ready(topic)
        {
            durable.store().room().await;
        }
    }

    /// The queues of durable topics, where a store is open.
    pub fn durable(&self) -> Option<&Durable> {
        self.durable.get()
    }

    /// The dead letters of the node.
    pub fn dead_letters(&self) -> &DeadLetters {
        &self.dead_letters
    }

    pub(crate) fn letters(&self) -> &Arc<DeadLetters> {
        &self.dead_letters
    }

    /// How many events nobody subscribed to.
    pub fn unrouted(&self) -> u64 {
        self.unrouted.load(Ordering::Relaxed)
    }

    /// Hands an event that came through a door to every subscriber that has room; on a durable topic to all of them or to none, and
    /// there its share of what the door owes is settled when it is on the disk.
    pub fn publish(self: &Arc<Self>, envelope: Envelope) -> Delivery {
        if let Some(durable) = self.durable()
            && self.rules.is_durable(&envelope.topic)
        {
            return self.accept(durable, envelope);
        }
        let table = self.table();
        let subscribers = subscribers(&table, &envelope.topic);
        if subscribers.is_empty() {
            self.unrouted.fetch_add(1, Ordering::Relaxed);
        }
        let mut delivery = Delivery::default();
        let to = subscribers.into_iter().map(|s| (s, s.observer));
        give(to, envelope, |subscriber, envelope| {
            match self.offer(subscriber, envelope) {
                Ok(()) => delivery.delivered += 1,
                Err(refusal) => delivery.refused.push(refusal),
            }
        });
        delivery
    }

    /// Hands an event that came through a door to every subscriber, if there is room for it with each of them, and gives it back if
    /// not: then nobody has it.
    ///
    /// # Errors
    /// The event.
    pub fn try_publish(self: &Arc<Self>, envelope: Envelope) -> Result<(), Envelope> {
        if self.durable().is_some() && self.rules.is_durable(&envelope.topic) {
            return match self.publish(envelope).refused.pop() {
                None => Ok(()),
                Some(refusal) => Err(refusal.into_envelope()),
            };
        }
        let mut places = Few::new();
        for Subscriber { mailbox, observer } in subscribers(&self.table(), &envelope.topic) {
            match mailbox.reserve(envelope.size(), Origin::Door) {
                Ok(place) => places.push((place, *observer)),
                Err(_) => return Err(envelope),
            }
        }
        if places.is_empty() {
            self.unrouted.fetch_add(1, Ordering::Relaxed);
        }
        self.fill_all(places, envelope);
        Ok(())
    }

    /// Whether the store has room for an event on `topic`.
    pub fn is_ready(&self, topic: &Topic) -> bool {
        let durable = self.durable().filter(|_| self.rules.is_durable(topic));
        durable.is_none_or(|durable| durable.store().has_room())
    }

    /// Brings an event on a durable topic to the disk, for all who subscribe.
    fn accept(self: &Arc<Self>, durable: &Durable, envelope: Envelope) -> Delivery {
        let (mut queues, mut others) = (Few::new(), Few::<Subscriber>::new());
        for subscriber in subscribers(&self.table(), &envelope.topic) {
            match subscriber
                .mailbox
                .durable()
                .filter(|_| !subscriber.observer)
            {
                Some(queue) => queues.push(Arc::clone(queue)),
                None => others.push(subscriber.clone()),
            }
        }
        let delivered = queues.len() + others.len();
        if delivered == 0 {
            self.unrouted.fetch_add(1, Ordering::Relaxed);
            envelope.settle();
            return Delivery::default();
        }
        let keep = self.rules.keep(&envelope.topic);
        let (topic, event, hops) = (&envelope.topic, &envelope.event, envelope.hops);
        let puts = match queues.is_empty() {
            true => Puts::new(),
            false => match Placed::at(topic, event, hops, &queues, &keep) {
                Ok(placed) => placed.puts(topic, event, hops),
                Err((queue, bytes, full)) => {
                    let by = By::Queue {
                        queue,
                        bytes,
                        keep,
                        full,
                    };
                    return Delivery::refused(by, envelope);
                }
            },
        };
        let (told, synced) = oneshot::channel();
        let mut held = Some((told, envelope));
        let taken = durable.committer().commit(Batch::new(), puts, || {
            let (bus, held) = (Arc::clone(self), held.take());
            Box::new(move |done| {
                let Some((told, envelope)) = held else {
                    return;
                };
                match &done {
                    // Who only looks on sees what is there to stay.
                    Ok(()) => {
                        for other in &others {
                            // One who looks on and has no room misses it, as he is told himself.
                            let _ = bus.offer(other, envelope.copy(true));
                        }
                        envelope.settle();
                    }
                    // Its share is let go unsettled: whoever sent it will send it again.
                    Err(_) => drop(envelope),
                }
                // Nobody may wait.
                let _ = told.send(done);
            })
        });
        match (taken, held) {
            (Err(error), Some((_, envelope))) => {
                Delivery::refused(By::Store(NotDurable::new(&error)), envelope)
            }
            _ => Delivery {
                delivered,
                refused: Vec::new(),
                synced: Some(Synced::new(synced)),
            },
        }
    }

    /// Whether anybody subscribes to topics of the system at all: one load, for whoever would else build a topic to ask for.
    pub fn is_system_heard(&self) -> bool {
        self.system.load(Ordering::Relaxed) > 0
    }

    /// Whether anybody subscribes to `topic`.
    pub fn is_heard(&self, topic: &Topic) -> bool {
        let mut heard = false;
        self.table().for_each(topic, |_| heard = true);
        heard
    }

    /// Lets those know who want to: whoever has no room now misses it, and counts it as dropped. It waits for nobody, displaces
    /// nothing, is never refused and of its own end nothing is told.
    pub fn announce(&self, topic: &Topic, event: &Arc<Event>, hops: u32, audience: Audience) {
        for Subscriber { mailbox, observer } in subscribers(&self.table(), topic) {
            if *observer || audience == Audience::Everybody {
                let envelope = Envelope::new(topic.clone(), Arc::clone(event)).after_hops(hops);
                mailbox.take_or_miss(envelope);
            }
        }
    }

    /// Takes a place for `event` in every mailbox that it will go to, or in none. `hops` turns lie between it and its door.
    pub fn reserve(&self, topic: Topic, event: Arc<Event>, hops: u32) -> Result<Reservation, Full> {
        let is_durable = self.durable().is_some() && self.rules.is_durable(&topic);
        let (mut places, mut queues) = (Few::new(), Few::new());
        for Subscriber { mailbox, observer } in subscribers(&self.table(), &topic) {
            match mailbox.durable().filter(|_| is_durable && !observer) {
                Some(queue) => queues.push(Arc::clone(queue)),
                None => places.push((mailbox.reserve(event.size(), Origin::Inside)?, *observer)),
            }
        }
        let placed = match queues.is_empty() {
            true => None,
            false => {
                let keep = self.rules.keep(&topic);
                let placed = Placed::at(&topic, &event, hops, &queues, &keep);
                Some(Box::new(placed.map_err(|(_, _, full)| full)?))
            }
        };
        Ok(Reservation {
            topic,
            event,
            hops,
            is_routed: placed.is_some() || !places.is_empty(),
            places,
            placed,
        })
    }

    /// Lets an event of a turn that ended well go to its reserved places, holding a share of what the turn's door
    /// owes. Cannot fail. Its places in queues are for [`Transaction::publish`](crate::Transaction::publish).
    pub fn send(self: &Arc<Self>, reservation: Reservation, settlement: Option<Settlement>) {
        let Reservation {
            topic,
            event,
            hops,
            places,
            is_routed,
            ..
        } = reservation;
        if !is_routed {
            self.unrouted.fetch_add(1, Ordering::Relaxed);
        }
        let envelope = Envelope::new(topic, event)
            .after_hops(hops)
            .holding(settlement);
        self.fill_all(places, envelope);
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

    /// The subscriptions as they are now: whoever holds it sees no change.
    pub(crate) fn table(&self) -> Guard<Arc<FilterTree<Subscriber>>> {
        self.subscriptions.load()
    }

    pub(crate) fn offer(
        self: &Arc<Self>,
        subscriber: &Subscriber,
        envelope: Envelope,
    ) -> Result<(), Refusal> {
        let Subscriber { mailbox, observer } = subscriber;
        let bytes = envelope.size();
        let envelope = match mailbox.take(envelope) {
            Ok(()) => {
                self.bury_if_gone(mailbox);
                return Ok(());
            }
            Err(envelope) => envelope,
        };
        match mailbox.reserve(bytes, Origin::Door) {
            Ok(place) => self.fill(place, *observer, envelope),
            // One who looks on misses it.
            Err(_) if *observer && !mailbox.could_fit(bytes) => mailbox.miss(envelope),
            Err(full) if !mailbox.could_fit(bytes) => {
                // Waiting for room would be waiting for ever.
                let error = format!("an event of {bytes} bytes can never fit: {full}");
                self.dead_letter(envelope, full.name, Reason::MailboxFull, error);
            }
            Err(_) => {
                return Err(Refusal::new(By::Mailbox(subscriber.clone()), envelope));
            }
        }
        Ok(())
    }

    /// Who is to be told of the end of an event on `topic`, if anybody is.
    pub(crate) fn listener(&self, topic: &Topic) -> Option<&Listener> {
        let told = self.is_system_heard() && !topic.is_system();
        self.listener.as_ref().filter(|_| told)
    }

    pub(crate) fn fill(self: &Arc<Self>, mut place: Place, observer: bool, envelope: Envelope) {
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
        self.bury_if_gone(place.mailbox());
    }

    /// Fills all places, each of which says whether it is an observer's.
    pub(crate) fn fill_all(self: &Arc<Self>, places: Few<(Place, bool)>, envelope: Envelope) {
        let to = places.into_iter();
        let to = to.map(|(place, observer)| ((place, observer), observer));
        give(to, envelope, |(place, observer), envelope| {
            self.fill(place, observer, envelope);
        });
    }

    /// To be called after an event came in: so whoever left has emptied the mailbox after it, or this does.
    fn bury_if_gone(self: &Arc<Self>, mailbox: &Mailbox) {
        if mailbox.is_gone() {
            self.bury(mailbox);
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

/// Gives everybody a copy, and the last, mostly the only one, the event itself, unless he is an observer. With nobody it is settled.
fn give<T>(
    mut to: impl DoubleEndedIterator<Item = (T, bool)>,
    envelope: Envelope,
    mut give: impl FnMut(T, Envelope),
) {
    let last = to.next_back();
    for (one, observer) in to {
        give(one, envelope.copy(observer));
    }
    match last {
        Some((last, false)) => give(last, envelope),
        Some((last, true)) => {
            give(last, envelope.copy(true));
            envelope.settle();
        }
        None => envelope.settle(),
    }
}

/// Who subscribes to `topic`, each once: an actor whose filters overlap hears an event once. Observers come first, so that whoever
/// looks on sees a cause before what an actor makes of it.
pub(crate) fn subscribers<'a>(
    table: &'a FilterTree<Subscriber>,
    topic: &Topic,
) -> Few<&'a Subscriber> {
    let mut found = Few::new();
    let mut filters = 0;
    table.for_each_filter(topic, |subscribers| {
        found.extend(subscribers);
        filters += 1;
    });
    // Those of one filter are different ones.
    if filters > 1 {
        keep_first(&mut found);
    }
    if found.iter().any(|subscriber| subscriber.observer) {
        found.sort_by_key(|subscriber| !subscriber.observer);
    }
    found
}

/// Of those that have the same mailbox, keeps the first.
fn keep_first(found: &mut Few<&Subscriber>) {
    /// From so many on a table is faster than to look at all before.
    const MANY: usize = 32;
    if found.len() < MANY {
        let mut at = 1;
        while let Some(next) = found.get(at) {
            let mut before = found.iter().take(at);
            match before.any(|first| first.mailbox.same(&next.mailbox)) {
                true => drop(found.remove(at)),
                false => at += 1,
            }
        }
    } else {
        let mut seen = HashSet::with_capacity(found.len());
        found.retain(|next| seen.insert(next.mailbox.address()));
    }
}

fn is_system(filter: &TopicFilter) -> bool {
    filter.as_str().starts_with('$')
}

impl Drain {
    pub(crate) fn wake(&self) {
        if self.waiting.load(Ordering::SeqCst) {
            self.ended.notify_waiters();
        }
    }
}
