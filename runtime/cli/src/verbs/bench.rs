//! `bench`: a load on a running node, and what it makes of it.
//!
//! | module | holds |
//! |---|---|
//! | `schedule` | when events are to go out |
//! | `payload` | what they carry, and how its number is found in an answer |
//! | `sender` | one place in the window: a connection, and one event at a time on it |
//! | `answers` | which answer belongs to which event |
//! | `tally` | what is counted and measured |
//! | `latency` | distributions of times |
//! | `report` | the table and the JSON |
//!
//! # Coordinated omission
//!
//! With a rate, the time at which an event is to go out comes from the rate alone, and its latency counts from then. Where the
//! node holds up every place in the window, the events that are due meanwhile go out late and have waited: a stall of 100 ms shows
//! in all of them, not in one.

mod answers;
mod latency;
mod payload;
mod report;
mod schedule;
mod sender;
mod tally;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use whirlwind::manifest::TimeSpan;
use whirlwind_event::{TopicFilter, json};

use self::answers::{Answers, By};
use self::payload::{Events, Run};
use self::report::{Replies, Report};
use self::schedule::{Schedule, Source};
use self::sender::Sender;
use self::tally::{Shared, Tally};
use super::publish::{nearest, nobody};
use super::signals::Signals;
use super::sub::until;
use crate::args::{Bench, Global};
use crate::client::{Client, Lines, encoded};
use crate::exit::{Ended, Exit, Failure};
use crate::print;
use crate::progress::{Moving, Progress};

pub(crate) use self::payload::STAMP;

/// How long it sends where neither a time nor a count is given.
const LASTS: Duration = Duration::from_secs(10);

/// How often a person is told how far it is: often enough to be seen moving.
const NEWS: Duration = Duration::from_millis(250);

pub(crate) async fn run(global: &Global, bench: &Bench, progress: &Progress) -> Ended {
    let run = Run::random();
    let events = Events::of(bench, run)?;
    let size = events.size();
    let mut signals = Signals::new()?;
    let client = Client::connect(global).await?;
    let lines = match &bench.reply {
        Some(filter) => Some(subscribe(global, filter).await?),
        None => None,
    };
    let mut clients = vec![client];
    for _ in 1..bench.window {
        clients.push(Client::connect(global).await?);
    }
    let moving = progress.begin(title(bench, size));
    let mut load = Load::start(bench, run, events, clients, lines)?;
    load.attend(&mut signals, progress, &moving).await;
    drop(moving);
    load.end(global, size).await
}

/// What goes on, for a person.
fn title(bench: &Bench, size: usize) -> String {
    let how = match bench.rate {
        Some(rate) => format!("{}/s", rate.0),
        None => format!("{} in flight", bench.window),
    };
    let lasts = lasts(bench).map_or_else(String::new, |time| format!(" for {}", TimeSpan(time)));
    let count = bench
        .count
        .map_or_else(String::new, |count| format!(", {count} events"));
    format!("bench {}: {size} B, {how}{lasts}{count}", bench.topic)
}

fn lasts(bench: &Bench) -> Option<Duration> {
    bench.lasts.or(bench.count.is_none().then_some(LASTS))
}

/// Looks on at the answers from now on.
async fn subscribe(global: &Global, filter: &TopicFilter) -> Result<Lines, Failure> {
    let client = Client::connect(global).await?;
    let path = format!("/v1/events?filter={}", encoded(filter.as_str()));
    let mut lines = client.stream(Method::GET, &path).await?;
    // The first line says that it has begun.
    match lines.next().await {
        Some(_) => Ok(lines),
        None => Err(ended()),
    }
}

fn ended() -> Failure {
    Failure::failed("the node has ended")
}

/// What tells the lines of the stream apart.
#[derive(Debug, Deserialize)]
struct Head {
    missed: Option<u64>,
    specversion: Option<IgnoredAny>,
}

/// A load that is on.
struct Load<'b> {
    bench: &'b Bench,
    start: Instant,
    tally: Shared,
    senders: JoinSet<Result<(), Failure>>,
    stop: watch::Sender<bool>,
    lines: Option<Lines>,
    /// When the last sender ended.
    sent_all: Option<Instant>,
    interrupted: bool,
    /// By a second signal.
    forced: bool,
    failure: Option<Failure>,
}

impl<'b> Load<'b> {
    /// Starts a sender on each of the connections.
    fn start(
        bench: &'b Bench,
        run: Run,
        events: Events,
        clients: Vec<Client>,
        lines: Option<Lines>,
    ) -> Result<Self, Failure> {
        let answers = match lines {
            // The same data for all says nothing of which event it was.
            Some(_) => Some(Answers::new(run, bench.data.as_ref().map(|_| By::Order))?),
            None => None,
        };
        let start = Instant::now();
        let holds_places = bench.rate.is_none() && answers.is_some();
        let tally = Shared::new(Tally::new(start, answers, holds_places)?);
        let source = match bench.rate {
            Some(rate) => {
                let schedule = Schedule::new(start, rate, lasts(bench), bench.count);
                Source::paced(schedule, bench.window)?
            }
            None => Source::free(bench.count),
        };
        let (stop, stopped) = watch::channel(false);
        let sender = Sender {
            source,
            events: Arc::new(events),
            tally: tally.clone(),
            grace: bench.grace,
            stop: stopped,
        };
        let mut senders = JoinSet::new();
        for client in clients {
            senders.spawn(sender.clone().run(client));
        }
        Ok(Self {
            bench,
            start,
            tally,
            senders,
            stop,
            lines,
            sent_all: None,
            interrupted: false,
            forced: false,
            failure: None,
        })
    }

    /// Looks after it until all is sent, and answered where answers are waited for.
    async fn attend(&mut self, signals: &mut Signals, progress: &Progress, moving: &Moving) {
        let deadline = lasts(self.bench).map(|lasts| self.start + lasts);
        let mut news = interval(NEWS);
        news.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_over() {
            let (sending, quiet_at) = (self.sent_all.is_none(), self.quiet_at());
            let stopping = *self.stop.borrow();
            tokio::select! {
                joined = self.senders.join_next(), if sending => match joined {
                    Some(Ok(Ok(()))) => {}
                    Some(Ok(Err(failure))) => self.fail(failure),
                    Some(Err(error)) => self.fail(Failure::failed(format!("a sender ended: {error}"))),
                    None => self.sent_all = Some(Instant::now()),
                },
                line = next(&mut self.lines) => self.take(line),
                () = signals.next() => {
                    self.forced = self.interrupted;
                    self.interrupted = true;
                    if !self.forced {
                        progress.say("stopping: what is on its way is waited for");
                    }
                    self.no_more();
                }
                () = until(deadline), if !stopping => self.no_more(),
                () = until(quiet_at) => return,
                _ = news.tick() => self.tell(moving),
            }
        }
    }

    fn is_over(&self) -> bool {
        let sent = self.sent_all.is_some();
        self.forced || sent && (self.failure.is_some() || self.tally.lock().waiting() == 0)
    }

    /// When no answer more is waited for.
    fn quiet_at(&self) -> Option<Instant> {
        let sent_all = self.sent_all?;
        let tally = self.tally.lock();
        let answers = tally.answers.as_ref()?;
        Some(answers.quiet_at(sent_all, self.bench.grace))
    }

    /// No more events go out; those in flight are waited for.
    fn no_more(&self) {
        self.stop.send_replace(true);
    }

    /// What fails first is said; the rest follows from it.
    fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
        self.no_more();
    }

    /// Takes a line of the stream, and what is here with it. None: the node has ended.
    fn take(&mut self, first: Option<bytes::Bytes>) {
        let at = Instant::now();
        if first.is_none() {
            self.lines = None;
            return self.fail(ended());
        }
        let mut line = first;
        while let Some(this) = line {
            if let Err(failure) = self.take_line(&this, at) {
                return self.fail(failure);
            }
            line = self.lines.as_mut().and_then(Lines::ready);
        }
    }

    fn take_line(&self, line: &[u8], at: Instant) -> Result<(), Failure> {
        let unreadable = |error: &dyn std::fmt::Display| {
            Failure::failed(format!("the node sent what is no event: {error}"))
        };
        let head: Head = serde_json::from_slice(line).map_err(|error| unreadable(&error))?;
        let event = match head.specversion {
            Some(_) => Some(json::from_slice(line).map_err(|error| unreadable(&error))?),
            None => None,
        };
        if let Some(answers) = &mut self.tally.lock().answers {
            match (event, head.missed) {
                (Some(event), _) => answers.came(event.data(), at),
                (None, Some(missed)) => answers.missed_some(missed),
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn tell(&self, moving: &Moving) {
        let tally = self.tally.lock();
        let refused = match tally.refused {
            0 => String::new(),
            refused => format!(", {refused} refused"),
        };
        let waiting = match tally.waiting() {
            0 => String::new(),
            waiting => format!(", {waiting} wait for their answer"),
        };
        moving.at(format!("{} accepted{refused}{waiting}", tally.accepted));
    }

    /// Prints what it came to.
    async fn end(self, global: &Global, size: usize) -> Ended {
        let report = self.report(size);
        let lateness = report.lateness.map(|_| {
            let tally = self.tally.lock();
            (tally.lateness.quantile(0.5), tally.lateness.quantile(0.99))
        });
        let printed = match global.json {
            true => serde_json::to_vec(&report)
                .map_err(|error| {
                    Failure::failed(format!("the results cannot be written as JSON: {error}"))
                })
                .and_then(|json| print::json_line(&json))?,
            false => print::out(&report.table())?,
        };
        if report.unrouted > 0
            && self.failure.is_none()
            && let Ok(mut client) = Client::connect(global).await
        {
            let near = nearest(&mut client, &self.bench.topic).await;
            nobody(&self.bench.topic, near.as_ref());
        }
        for remark in report.remarks(lateness) {
            print::note(remark);
        }
        self.verdict(&report, printed)
    }

    /// How the command ends: of several reasons the gravest.
    fn verdict(self, report: &Report, printed: Exit) -> Ended {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if self.forced {
            return Ok(Exit::Forced);
        }
        if let Some(refusal) = self.tally.lock().first_refusal.take() {
            return Err(Failure::failed(format!(
                "{} of {} events were refused; the first: {}",
                report.refused,
                report.sent,
                refusal.message()
            )));
        }
        let unanswered = report
            .reply
            .as_ref()
            .map_or(0, |replies| replies.lost + replies.missed);
        if unanswered > 0 {
            let events = match unanswered {
                1 => "1 accepted event has".to_owned(),
                more => format!("{more} accepted events have"),
            };
            return Err(Failure::new(Exit::Unmet, format!("{events} no answer that was seen"))
                .help("is it the right topic? `whirlwind ps` shows what failed, and `whirlwind dead list` why; slow answers need a longer --grace"));
        }
        Ok(printed)
    }

    fn report(&self, size: usize) -> Report {
        let tally = self.tally.lock();
        let bench = self.bench;
        let asked = bench.rate.map(|rate| {
            // Cut short, no more was due than until then.
            let cut = self.interrupted || self.failure.is_some();
            let time = match (cut, lasts(bench)) {
                (false, Some(lasts)) => Some(lasts),
                (false, None) => None,
                (true, lasts) => {
                    let time = tally.last.saturating_duration_since(self.start);
                    Some(lasts.map_or(time, |lasts| lasts.min(time)))
                }
            };
            let due = time.map_or(u64::MAX, |time| rate.due_within(time));
            due.min(bench.count.unwrap_or(u64::MAX)).max(tally.sent)
        });
        // With a rate, n events take n of its pauses, of which the last has no event at its end.
        let paced = bench
            .rate
            .map_or(Duration::ZERO, |rate| rate.time_of(tally.sent));
        let elapsed = tally.last.saturating_duration_since(self.start).max(paced);
        let per_s = |count: u64, time: Duration| match time.is_zero() {
            true => 0.0,
            false => (count as f64 / time.as_secs_f64() * 10.0).round() / 10.0,
        };
        let reply = tally.answers.as_ref().zip(bench.reply.as_ref());
        Report {
            topic: bench.topic.as_str().to_owned(),
            topics: bench.topics,
            payload_bytes: size,
            kind: if bench.rate.is_some() {
                "open"
            } else {
                "closed"
            },
            window: bench.window,
            asked,
            asked_per_s: bench.rate.map(|rate| rate.0),
            elapsed_us: micros(elapsed),
            sent: tally.sent,
            sent_per_s: per_s(tally.sent, elapsed),
            accepted: tally.accepted,
            accepted_per_s: per_s(tally.accepted, elapsed),
            refused: tally.refused,
            unknown: tally.sent - tally.accepted - tally.refused,
            unrouted: tally.unrouted,
            acknowledged: tally.acknowledged.percentiles(),
            lateness: bench.rate.map(|_| tally.lateness.percentiles()),
            reply: reply.map(|(answers, filter)| {
                let last = answers.last.unwrap_or(self.start).max(self.start);
                let time = last.saturating_duration_since(self.start).max(paced);
                let answered = answers.latencies.count();
                Replies {
                    filter: filter.as_str().to_owned(),
                    matched_by: answers.by().map(By::as_str),
                    answered,
                    answered_per_s: per_s(answered, time),
                    lost: answers.lost(),
                    missed: answers.missed(),
                    unexpected: answers.unexpected,
                    latency: answers.latencies.percentiles(),
                }
            }),
            interrupted: self.interrupted,
            error: self
                .failure
                .as_ref()
                .map(|failure| failure.message().to_owned()),
        }
    }
}

/// The next line where there is a stream; else never.
async fn next(lines: &mut Option<Lines>) -> Option<bytes::Bytes> {
    match lines {
        Some(lines) => lines.next().await,
        None => pending().await,
    }
}

fn micros(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e7).round() / 10.0
}
