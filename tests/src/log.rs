//! What all nodes of a process say in the log.
//!
//! The log is one for a process, and tests run side by side: a test that looks for a line gives its actors names of their own.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::bed::PATIENCE;

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Line {
    /// How grave it is.
    pub level: Level,
    /// The module that says it, or `whirlwind::guest` for what guests say.
    pub target: &'static str,
    /// The words.
    pub message: String,
    /// What stands beside them, such as `actor`.
    pub fields: Vec<(&'static str, String)>,
}

impl Line {
    /// One of the fields, or nothing.
    pub fn field(&self, name: &str) -> &str {
        let mut fields = self.fields.iter();
        let found = fields.find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }

    /// Whether the words `what` are in it, and the name `whose` is in its words or fields.
    pub fn says(&self, whose: &str, what: &str) -> bool {
        let named = self.message.contains(whose)
            || self.fields.iter().any(|(_, value)| value.contains(whose));
        named && self.message.contains(what)
    }
}

static LOG: OnceLock<Arc<Log>> = OnceLock::new();

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<Line>>,
    grown: Notify,
}

/// Keeps every line of the house from now on, in all threads. Calls after the first do nothing.
pub fn keep() {
    kept();
}

/// All lines so far.
pub fn lines() -> Vec<Line> {
    kept().lock().clone()
}

/// The first line for which `wanted` holds, as soon as there is one. Fails the test when none comes.
pub async fn wait(wanted: impl Fn(&Line) -> bool) -> Line {
    let log = kept();
    let mut seen = 0;
    let found = async {
        loop {
            let mut grown = std::pin::pin!(log.grown.notified());
            grown.as_mut().enable();
            {
                let lines = log.lock();
                let new = lines.iter().skip(seen);
                if let Some(line) = new.into_iter().find(|line| wanted(line)) {
                    return line.clone();
                }
                seen = lines.len();
            }
            grown.await;
        }
    };
    match timeout(PATIENCE, found).await {
        Ok(line) => line,
        Err(_) => panic!("no such line in the log in {PATIENCE:?}{}", last()),
    }
}

/// The last lines, for a test that waits in vain.
pub(crate) fn last() -> String {
    let Some(log) = LOG.get() else {
        return String::new(); // the test keeps none
    };
    let log = log.lock();
    let lines = log.iter().rev().take(20).rev();
    let lines = lines.map(
        |Line {
             level,
             message,
             fields,
             ..
         }| {
            let start: String = message.chars().take(300).collect();
            format!("\n  {level} {start} {fields:?}")
        },
    );
    format!("; the log, of all tests:{}", lines.collect::<String>())
}

fn kept() -> &'static Arc<Log> {
    LOG.get_or_init(|| {
        let log = Arc::new(Log::default());
        let subscriber = tracing_subscriber::registry().with(Keeper(Arc::clone(&log)));
        if let Err(error) = tracing::subscriber::set_global_default(subscriber) {
            panic!("somebody else keeps the log: {error}");
        }
        log
    })
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Keeper(Arc<Log>);

impl<S: Subscriber> Layer<S> for Keeper {
    /// The house from `debug` on. What the compiler traces would be gigabytes.
    fn enabled(&self, about: &Metadata<'_>, _: Context<'_, S>) -> bool {
        about.target().starts_with("whirlwind") && *about.level() <= Level::DEBUG
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut line = Line {
            level: *event.metadata().level(),
            target: event.metadata().target(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut line);
        self.0.lock().push(line);
        self.0.grown.notify_waiters();
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.fields.push((name, format!("{value:?}"))),
        }
    }
}
