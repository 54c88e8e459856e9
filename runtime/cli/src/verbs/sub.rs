//! `sub`: prints what a running node's topics carry.

use std::future::pending;

use hyper::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::{Instant, sleep_until};
use whirlwind_event::{Event, ExtensionValue, json};

use crate::args::{Global, Subscribe};
use crate::client::{Client, Lines, encoded};
use crate::exit::{Ended, Exit, Failure};
use crate::print::{self, Reader};
use crate::show::{Format, Printer};

/// What tells the lines of the stream apart.
#[derive(Debug, Deserialize)]
struct Head {
    subscribed: Option<IgnoredAny>,
    missed: Option<u64>,
    specversion: Option<IgnoredAny>,
}

pub(crate) async fn run(global: &Global, subscribe: &Subscribe) -> Ended {
    let deadline = subscribe.timeout.map(|timeout| Instant::now() + timeout);
    let client = Client::connect(global).await?;
    let path = format!("/v1/events?filter={}", encoded(subscribe.filter.as_str()));
    let lines = client.stream(Method::GET, &path).await?;
    let printer = Printer::new(Format::of(global.json, subscribe.raw));
    let mut stream = Stream {
        lines,
        printer,
        subscribe,
        printed: 0,
    };
    tokio::select! {
        ended = stream.print() => ended,
        () = until(deadline) => Ok(Exit::Timeout),
    }
}

/// At the deadline; without one never.
pub(super) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

/// Says that some events did not fit into a subscription's buffer.
pub(super) fn missed(count: u64) {
    let events = if count == 1 { "event" } else { "events" };
    print::note(format_args!(
        "{count} {events} missed: this reader is too slow for what is published"
    ));
}

struct Stream<'s> {
    lines: Lines,
    printer: Printer,
    subscribe: &'s Subscribe,
    printed: u64,
}

impl Stream<'_> {
    async fn print(&mut self) -> Ended {
        while let Some(first) = self.lines.next().await {
            let mut line = Some(first);
            // What has come already is printed in one go.
            while let Some(this) = line {
                self.take(&this)?;
                line = if self.enough() {
                    None
                } else {
                    self.lines.ready()
                };
            }
            if self.printer.flush().await? == Reader::Gone || self.enough() {
                return Ok(Exit::Done);
            }
        }
        match self.subscribe.count {
            None => {
                print::note("the node has ended");
                Ok(Exit::Done)
            }
            Some(count) => Err(Failure::failed(format!(
                "the node ended after {} of {count} events",
                self.printed
            ))),
        }
    }

    fn enough(&self) -> bool {
        self.subscribe
            .count
            .is_some_and(|count| self.printed >= count)
    }

    fn take(&mut self, line: &[u8]) -> Result<(), Failure> {
        let unreadable = |error: &dyn std::fmt::Display| {
            Failure::failed(format!("the node sent what is no event: {error}"))
        };
        let head: Head = serde_json::from_slice(line).map_err(|error| unreadable(&error))?;
        if head.specversion.is_none() {
            if head.subscribed.is_some() {
                print::say(format_args!("subscribed {}", self.subscribe.filter));
            }
            if let Some(count) = head.missed {
                missed(count);
            }
            return Ok(());
        }
        if self.printer.format() == Format::Json {
            self.printer.line(line);
        } else {
            let event = json::from_slice(line).map_err(|error| unreadable(&error))?;
            self.printer.event(topic(&event), &event)?;
        }
        self.printed += 1;
        Ok(())
    }
}

/// The topic an event came on, which the stream adds as an extension.
fn topic(event: &Event) -> &str {
    match event.extension("topic") {
        Some(ExtensionValue::String(topic)) => topic,
        _ => "?",
    }
}
