//! One connection, from its first packet to its last.
//!
//! ```text
//! Connecting -> Replaying -> Subscribing -> Up -> Leaving -> Farewell
//! ```
//!
//! What an earlier connection left unconfirmed is sent again and confirmed before anything takes a packet id, a subscription
//! included: their ids are in use until then.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};
use whirlwind_provider_api::{Link, SendError};

use crate::connection::{Life, count, never, patience};
use crate::inbound::Arrival;
use crate::limits::Limits;
use crate::shared::Shared;
use crate::wire::{End, Happened, Line, Requests};
use crate::{Message, Properties, Qos};

/// How long the broker has to confirm what is on its way when the provider is closed.
const LEAVE: Duration = Duration::from_secs(2);

/// One connection's doing.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    shared: &'a Arc<Shared>,
    life: &'a mut Life,
    requests: Requests,
    phase: Phase,
    limits: Limits,
    up_since: Option<Instant>,
    /// Whether the farewell is written.
    gone: bool,
    /// When the phase ends if nothing ends it.
    until: Instant,
    /// When something last happened.
    heard: Instant,
    /// When something was last confirmed, or was not owed.
    confirmed: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Replaying,
    Subscribing,
    Up,
    Leaving,
    Farewell,
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Closed,
    Lost(End),
}

impl<'a> Session<'a> {
    pub(crate) fn new(shared: &'a Arc<Shared>, life: &'a mut Life, requests: Requests) -> Self {
        let now = Instant::now();
        Self {
            shared,
            life,
            requests,
            phase: Phase::Connecting,
            limits: Limits {
                window: 1,
                packet: usize::MAX,
                qos: Qos::ExactlyOnce,
                retain: true,
                keep_alive: None,
            },
            up_since: None,
            gone: false,
            until: now + shared.config.connect_timeout,
            heard: now,
            confirmed: now,
        }
    }

    /// When the link came up, if it did.
    pub(crate) fn up_since(&self) -> Option<Instant> {
        self.up_since
    }

    /// Does all that is to do on a line until it ends. The line is of no use then.
    pub(crate) async fn run(&mut self, line: &mut Line) -> Ended {
        let mut alarm = pin!(sleep_until(self.until));
        let mut phase = self.phase;
        loop {
            let happened = {
                let mut poll = pin!(line.poll());
                loop {
                    let done = tokio::select! {
                        biased;
                        happened = &mut poll => break happened,
                        () = self.shared.work.notified() => self.hand_over(),
                        () = &mut alarm => {
                            let watched = self.watch();
                            alarm.as_mut().reset(self.alarm());
                            watched
                        }
                    };
                    if let Err(ended) = done {
                        return ended;
                    }
                    if phase != self.phase {
                        phase = self.phase;
                        alarm.as_mut().reset(self.alarm());
                    }
                }
            };
            let done = match happened {
                Ok(happened) => self.happened(happened, line).map_err(Ended::Lost),
                Err(end) => Err(Ended::Lost(end)),
            };
            if let Err(ended) = done
                .and_then(|()| self.hand_over())
                .and_then(|()| self.watch())
            {
                return ended;
            }
            if self.gone {
                return Ended::Closed;
            }
            if phase != self.phase {
                phase = self.phase;
                alarm.as_mut().reset(self.alarm());
            }
        }
    }

    /// What had happened before a line ended: the broker's word counts, messages come again.
    pub(crate) fn rest(&mut self, rest: Vec<Happened>) {
        for happened in rest {
            match happened {
                Happened::Written(id) => self.shared.outbox(|outbox| outbox.written(id)),
                Happened::Confirmed(id, how) => self.confirm(id, how.map_err(SendError::Refused)),
                Happened::Recorded(id, Ok(())) => {
                    self.shared.outbox(|outbox| outbox.recorded(id));
                }
                Happened::Recorded(id, Err(why)) => self.confirm(id, Err(SendError::Refused(why))),
                Happened::Completed(id, _) => self.confirm(id, Ok(())),
                _ => {}
            }
        }
    }

    fn happened(&mut self, happened: Happened, line: &mut Line) -> Result<(), End> {
        self.heard = Instant::now();
        match happened {
            Happened::Connected { session, limits } if self.phase == Phase::Connecting => {
                self.connected(session, limits, line)?;
            }
            Happened::Connected { .. } => {
                return Err(End::new("the broker took the connection a second time"));
            }
            Happened::Subscribed(answers) => self.subscribed(answers)?,
            Happened::Arrived(id, message) => {
                let arrival = self.shared.inbound().arrive(message, id);
                match arrival {
                    Arrival::Offered(offer) => self.shared.offer(offer),
                    Arrival::Unread => self.shared.came.notify_one(),
                    Arrival::Passed => {}
                }
            }
            Happened::ArrivedMalformed(id, qos) => {
                warn!(
                    provider = self.shared.config.name,
                    "a message is acknowledged whose topic is not UTF-8"
                );
                self.shared.inbound().arrive_malformed(id, qos);
            }
            Happened::Confirmed(id, how) => self.confirm(id, how.map_err(SendError::Refused)),
            Happened::Recorded(id, Ok(())) => {
                self.shared.outbox(|outbox| outbox.recorded(id));
                self.confirmed = self.heard;
            }
            Happened::Recorded(id, Err(why)) => {
                self.confirm(id, Err(SendError::Refused(why)));
                // The library counts the message as on its way for ever.
                return Err(End::new("the broker refused a message of QoS 2"));
            }
            Happened::Completed(id, counted) => {
                self.confirm(id, Ok(()));
                if !counted {
                    return Err(End::new("the broker had forgotten a message of QoS 2"));
                }
            }
            Happened::Written(id) => {
                self.shared.outbox(|outbox| outbox.written(id));
                if id == 0 {
                    self.shared.room.notify_waiters();
                }
            }
            Happened::Acked => self.shared.inbound().acked(),
            Happened::Disconnected if self.phase == Phase::Farewell => self.gone = true,
            Happened::Disconnected | Happened::Alive => {}
        }
        if self.phase == Phase::Replaying {
            self.replay(line)?;
        }
        Ok(())
    }

    fn connected(&mut self, session: bool, limits: Limits, line: &mut Line) -> Result<(), End> {
        self.limits = limits;
        self.shared
            .packet
            .store(limits.packet, std::sync::atomic::Ordering::Relaxed);
        count(self.shared, self.life);
        if !session {
            self.life.subscribed = false;
        }
        self.shared.inbound().resumed(session);
        self.shared.outbox(|outbox| outbox.resumed(session));
        if self.life.subscribed {
            self.up();
        }
        self.phase = Phase::Replaying;
        self.until = never(self.heard);
        self.confirmed = self.heard;
        self.replay(line)
    }

    /// Sends again what an earlier connection left unconfirmed, then goes on.
    fn replay(&mut self, line: &mut Line) -> Result<(), End> {
        let settled = self.shared.outbox(|outbox| {
            while let Some(again) = outbox.again(&self.limits) {
                line.again(again);
            }
            outbox.is_settled()
        });
        if !settled {
            return Ok(());
        }
        let filters = self.shared.config.mappings.subscriptions();
        if self.life.subscribed || filters.is_empty() {
            self.life.subscribed = true;
            self.begin_to_send();
            return Ok(());
        }
        self.phase = Phase::Subscribing;
        self.until = self.heard + self.shared.config.connect_timeout;
        self.requests.subscribe(filters)
    }

    fn subscribed(&mut self, answers: Vec<Result<Qos, String>>) -> Result<(), End> {
        if self.phase != Phase::Subscribing {
            return Err(End::new(
                "the broker answered a subscription that was not made",
            ));
        }
        let filters = self.shared.config.mappings.subscriptions();
        if filters.len() != answers.len() {
            return Err(End::new("the broker did not answer every subscription"));
        }
        for ((filter, wanted), answer) in filters.into_iter().zip(answers) {
            match answer {
                Ok(granted) if granted < wanted => warn!(
                    provider = self.shared.config.name,
                    "subscription `{filter}` is granted with {granted:?}, not {wanted:?}"
                ),
                Ok(_) => {}
                Err(why) => {
                    return Err(End::new(format!("subscription `{filter}` refused: {why}")));
                }
            }
        }
        self.life.subscribed = true;
        self.begin_to_send();
        Ok(())
    }

    fn begin_to_send(&mut self) {
        self.up();
        self.phase = Phase::Up;
        self.until = never(self.heard);
        if let Some(state) = &self.shared.config.state {
            self.say(state.online.clone());
        }
    }

    fn up(&mut self) {
        if self.up_since.is_none() {
            self.up_since = Some(self.heard);
            info!(provider = self.shared.config.name, "connected");
            self.shared.link.send_replace(Link::Up);
        }
    }

    /// Says how we are, where that is wanted.
    fn say(&self, text: impl Into<Bytes>) {
        let Some(state) = &self.shared.config.state else {
            return;
        };
        let mut message = Message {
            topic: state.topic.clone(),
            payload: text.into(),
            qos: state.qos,
            retain: true,
            dup: false,
            properties: Properties::default(),
        };
        let size = message.size();
        // Nobody waits for it who could be told.
        match self.limits.fit(&mut message, size) {
            Ok(()) => self.shared.outbox(|outbox| outbox.say(message, size)),
            Err(error) => warn!(
                provider = self.shared.config.name,
                "the state cannot be said: {error}"
            ),
        }
    }

    fn confirm(&mut self, id: u16, how: Result<(), SendError>) {
        self.shared.outbox(|outbox| outbox.confirmed(id, how));
        self.confirmed = self.heard;
        self.shared.room.notify_waiters();
    }

    /// Leaves with the client library all that may go now. There is always room for it.
    fn hand_over(&mut self) -> Result<(), Ended> {
        self.hand_over_acks().map_err(Ended::Lost)?;
        if self.shared.is_closing() {
            self.leave()?;
        } else if self.shared.inbound().wants_back() {
            return Err(Ended::Lost(End::new("a message goes back to the broker")));
        } else if self.shared.inbound().is_spent() {
            return Err(Ended::Lost(End::new(
                "more came than `window` and `max_packet` allow, and comes again",
            )));
        }
        if matches!(self.phase, Phase::Up | Phase::Leaving) {
            self.hand_over_messages().map_err(Ended::Lost)?;
        }
        if self.phase == Phase::Leaving && self.shared.outbox(|outbox| outbox.is_empty()) {
            self.farewell()?;
        }
        Ok(())
    }

    fn hand_over_acks(&mut self) -> Result<(), End> {
        let mut inbound = self.shared.inbound();
        while let Some((id, qos)) = inbound.next_ack() {
            self.requests.ack(id, qos)?;
        }
        Ok(())
    }

    fn hand_over_messages(&mut self) -> Result<(), End> {
        let (limits, requests) = (&self.limits, &self.requests);
        let (awaits, has_more_room) = self.shared.outbox(|outbox| {
            let (awaits, waiting) = (outbox.awaits(), outbox.waiting());
            while let Some(message) = outbox.next(limits) {
                requests.publish(message)?;
            }
            Ok((awaits, outbox.waiting() < waiting))
        })?;
        if !awaits {
            self.confirmed = Instant::now();
        }
        if has_more_room {
            self.shared.room.notify_waiters();
        }
        Ok(())
    }

    /// Begins to end the connection in good order.
    fn leave(&mut self) -> Result<(), Ended> {
        match self.phase {
            Phase::Connecting => return Err(Ended::Closed),
            Phase::Replaying | Phase::Subscribing => self.farewell()?,
            Phase::Up => {
                self.phase = Phase::Leaving;
                self.until = Instant::now() + LEAVE;
                if let Some(state) = &self.shared.config.state {
                    self.say(state.offline.clone());
                }
            }
            Phase::Leaving | Phase::Farewell => {}
        }
        Ok(())
    }

    fn farewell(&mut self) -> Result<(), Ended> {
        self.phase = Phase::Farewell;
        self.until = Instant::now() + LEAVE;
        self.requests.disconnect().map_err(Ended::Lost)
    }

    /// When [`watch`](Self::watch) would find something if nothing happened until then.
    fn alarm(&self) -> Instant {
        self.until.min(self.heard + self.patience())
    }

    /// As long as the pings that the broker asked for are apart, nothing need move.
    fn patience(&self) -> Duration {
        let ours = self.shared.config.keep_alive;
        patience(self.limits.keep_alive.unwrap_or(ours).max(ours))
    }

    /// Ends a connection that is stuck.
    fn watch(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        let answer = self.shared.config.connect_timeout;
        let lost = |reason: String| Err(Ended::Lost(End::new(reason)));
        if now >= self.until {
            return match self.phase {
                Phase::Connecting => lost(format!("no answer within {answer:?}")),
                Phase::Subscribing => {
                    lost(format!("no answer to the subscriptions within {answer:?}"))
                }
                Phase::Leaving => self.farewell(),
                Phase::Farewell => Err(Ended::Closed),
                Phase::Replaying | Phase::Up => Ok(()),
            };
        }
        let patience = self.patience();
        let seconds = patience.as_secs();
        if now >= self.heard + patience {
            return lost(format!("nothing has moved for {seconds} s"));
        }
        if now >= self.confirmed + patience && self.shared.outbox(|outbox| outbox.awaits()) {
            return lost(format!("the broker has confirmed nothing for {seconds} s"));
        }
        Ok(())
    }
}
