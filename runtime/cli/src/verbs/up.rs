//! `up`: a node in the foreground.

mod banner;
mod broker;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Mutex;

use futures::future::{FusedFuture as _, FutureExt as _};
use futures::stream::{self, StreamExt as _};
use tokio::time::Instant;
use whirlwind::{App, End, Node, Seen, Subscription};

use super::publish::{message, new_id, nobody};
use super::signals::Signals;
use super::sub::{missed, until};
use super::{app, build, gave_up, start_failure};
use crate::args::{Global, Publication, Up};
use crate::exit::{Ended, Exit, Failure};
use crate::hints;
use crate::print::{self, Reader};
use crate::progress::{Moving, Progress};
use crate::show::{Format, Printer};

/// Events that are printed in one go, if they are there.
const CHUNK: usize = 256;

pub(crate) async fn run(global: &Global, up: Up, progress: &Progress) -> Ended {
    let app = match up.broker {
        true => broker::app(&up.app)?,
        false => app(&up.app)?,
    };
    let mut signals = Signals::new()?;
    let begun = Instant::now();
    let (node, subscriptions) = tokio::select! {
        started = start(global, &up, app, progress) => started?,
        // Nothing was accepted yet, so nothing has to be drained.
        () = signals.next() => return Ok(Exit::Forced),
    };
    for line in banner::last(&node, begun.elapsed()) {
        print::say(line);
    }
    let printer = Printer::new(Format::of(global.json, up.raw));
    let printing = print_events(subscriptions, printer, up.count);
    attend(&node, &up, printing, &mut signals).await
}

async fn start(
    global: &Global,
    up: &Up,
    app: App,
    progress: &Progress,
) -> Result<(Node, Vec<Subscription>), Failure> {
    if up.build {
        build::all(&app, progress).await?;
    }
    print::say(banner::first(&app));
    let mut builder = Node::builder(app.clone()).control();
    if let Some(folder) = &global.data_dir {
        builder = builder.data_dir(folder);
    }
    let compiling: Mutex<BTreeMap<String, Moving>> = Mutex::default();
    let progress = progress.clone();
    let builder = builder.on_progress(move |news| {
        let Ok(mut compiling) = compiling.lock() else {
            return;
        };
        match news {
            whirlwind::Progress::Compiling { actor } => {
                let moving = progress.begin(format!("compiling {actor}"));
                compiling.insert(actor, moving);
            }
            whirlwind::Progress::Up { kind, name, detail } => {
                compiling.remove(&name);
                if let Some(line) = banner::part(&app, kind, &name, detail.as_deref()) {
                    progress.say(line);
                }
            }
        }
    });
    // Before the start, which the topics of the system tell of.
    let subscriptions = up
        .subscribe
        .iter()
        .map(|filter| builder.subscribe(filter))
        .collect();
    match builder.start().await {
        Ok(node) => Ok((node, subscriptions)),
        Err(error) => Err(start_failure(&error)),
    }
}

/// Why a node stops.
enum Why {
    Counted,
    TimeOver,
    Signal,
    ReaderGone,
    /// By itself, or by `whirlwind stop`.
    Ended,
    Failed(Failure),
}

/// Runs the node until it ends or there is a reason to stop it, and stops it.
async fn attend(
    node: &Node,
    up: &Up,
    printing: impl Future<Output = Result<Printed, Failure>>,
    signals: &mut Signals,
) -> Ended {
    let deadline = up.lasts.map(|lasts| Instant::now() + lasts);
    let mut printing = pin!(printing.fuse());
    let mut publishing = pin!(publish(node, &up.publish).fuse());
    let why = loop {
        tokio::select! {
            printed = &mut printing => match printed {
                Ok(Printed::All) => {}
                Ok(Printed::Enough) => break Why::Counted,
                Ok(Printed::ReaderGone) => break Why::ReaderGone,
                Err(failure) => break Why::Failed(failure),
            },
            Err(failure) = &mut publishing => break Why::Failed(failure),
            () = until(deadline) => break Why::TimeOver,
            () = signals.next() => break Why::Signal,
            _ = node.ended() => break Why::Ended,
        }
    };
    if let Why::Signal = why {
        print::say("stopping: mailboxes are emptied first; Ctrl-C again ends it at once");
    }
    let drained = async {
        let end = node.stop().await;
        // What was published meanwhile.
        let rest = if printing.is_terminated() {
            Ok(Printed::All)
        } else {
            printing.await
        };
        (end, rest)
    };
    let (end, rest) = tokio::select! {
        drained = drained => drained,
        () = signals.next() => {
            node.kill();
            return Ok(Exit::Forced);
        }
    };
    if let Why::Failed(failure) = why {
        return Err(failure);
    }
    rest?;
    match (ended(node, end)?, why) {
        (Exit::Done, Why::TimeOver) if up.count.is_some() => Ok(Exit::Timeout),
        (exit, _) => Ok(exit),
    }
}

fn ended(node: &Node, end: End) -> Ended {
    let lost = farewell(node);
    match (end, lost) {
        (End::Killed, _) => Ok(Exit::Forced),
        (End::GaveUp(words), lost) => {
            if let Some(lost) = lost {
                print::say(lost);
            }
            Err(gave_up(&words))
        }
        (End::Stopped { .. }, Some(lost)) => Err(lost),
        (End::Stopped { .. }, None) => {
            print::say("stopped");
            Ok(Exit::Done)
        }
    }
}

/// Says what the node left in its dead-letter file, and answers what is lost for want of one.
fn farewell(node: &Node) -> Option<Failure> {
    let left = node.left_behind()?;
    let events = |count: u64| {
        let events = if count == 1 {
            "event was"
        } else {
            "events were"
        };
        format!("{count} {events} still in mailboxes at the end")
    };
    if left.returned > 0 {
        let returned = events(left.returned);
        print::note(format_args!(
            "{returned}, and nobody was told that they were handled: they will come again"
        ));
    }
    let letters = match left.letters {
        0 => return None,
        1 => "1 dead letter".to_owned(),
        letters => format!("{letters} dead letters"),
    };
    let unfinished = match left.unfinished {
        0 => String::new(),
        unfinished => format!(" ({})", events(unfinished)),
    };
    if let Some(error) = &left.error {
        let failure = Failure::failed(format!(
            "{letters}{unfinished} lost, as the file could not be written: {error}"
        ));
        return Some(failure.at_path(&left.file));
    }
    let file = print::printable(&left.file.display().to_string());
    print::note(format_args!(
        "{file} keeps {letters}{unfinished}; see `whirlwind dead list`"
    ));
    None
}

async fn publish(node: &Node, publications: &[Publication]) -> Result<(), Failure> {
    for Publication { topic, data } in publications {
        let event = message().id(new_id()).data(data.as_bytes()).build();
        let event = event.map_err(|error| Failure::failed(error.to_string()))?;
        let published = node
            .publish(topic, event)
            .await
            .map_err(|error| Failure::failed(error.to_string()))?;
        if published.delivered == 0 {
            let known = node
                .app()
                .actors
                .values()
                .flat_map(|actor| &actor.subscribe);
            nobody(topic, hints::nearest(topic, known));
        }
    }
    Ok(())
}

/// Why printing came to its end.
enum Printed {
    /// As many as were wanted.
    Enough,
    /// All there will ever be.
    All,
    ReaderGone,
}

async fn print_events(
    subscriptions: Vec<Subscription>,
    mut printer: Printer,
    count: Option<u64>,
) -> Result<Printed, Failure> {
    let streams = subscriptions.into_iter().map(|subscription| {
        stream::unfold(subscription, |mut subscription| async move {
            let seen = subscription.next().await?;
            Some((seen, subscription))
        })
        .boxed()
    });
    let mut chunks = stream::select_all(streams).ready_chunks(CHUNK);
    let mut left = count;
    while let Some(chunk) = chunks.next().await {
        for seen in chunk {
            match seen {
                Seen::Event { topic, event } if left != Some(0) => {
                    printer.event(topic.as_str(), &event)?;
                    left = left.map(|left| left - 1);
                }
                Seen::Event { .. } => {}
                Seen::Missed(count) => missed(count),
            }
        }
        if printer.flush().await? == Reader::Gone {
            return Ok(Printed::ReaderGone);
        }
        if left == Some(0) {
            return Ok(Printed::Enough);
        }
    }
    Ok(Printed::All)
}
