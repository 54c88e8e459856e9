//! `pub`: publishes to a running node.

use std::io;
use std::path::Path;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Stdin};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;
use whirlwind::Manifest;
use whirlwind::control::{About, Accepted};
use whirlwind_event::{EventBuilder, Topic, TopicFilter, json};

use crate::args::{Global, Publish, Rate};
use crate::client::Client;
use crate::exit::{Ended, Exit, Failure};
use crate::hints;
use crate::print::{self, Reader};

/// The `source` of what is published by hand.
const SOURCE: &str = "/whirlwind/pub";

/// The `type` of a message that has none of its own.
const TYPE: &str = "dev.whirlwind.message";

pub(crate) async fn run(global: &Global, publish: Publish) -> Ended {
    let pattern = pattern(&publish)?;
    // Refused here already, before anything is read or sent: the rules are the same.
    pattern
        .clone()
        .id_or_else(|| "1".to_owned())
        .build()
        .map_err(|error| Failure::usage(error.to_string()))?;
    let mut payloads = Payloads::of(&publish).await?;
    let mut client = Client::connect(global).await?;
    let pace = Pace::new(publish.rate);
    let mut unrouted = false;
    for number in 1.. {
        let Some(data) = payloads.next().await? else {
            break;
        };
        pace.wait(number - 1).await;
        let mut event = pattern.clone().id_or_else(new_id);
        if let Some(data) = data {
            event = event.data(data);
        }
        let event = event
            .build()
            .map_err(|error| Failure::failed(error.to_string()))?;
        let accepted = client
            .publish(publish.topic.as_str(), json::to_vec(&event))
            .await
            .map_err(|failure| {
                if number > 1 {
                    failure.after(number - 1)
                } else {
                    failure
                }
            })?;
        if accepted.delivered == 0 && !unrouted {
            unrouted = true;
            let near = nearest(&mut client, &publish.topic).await;
            nobody(&publish.topic, near.as_ref());
        }
        if print::lines(&line(global, &accepted)?)? == Reader::Gone {
            break;
        }
    }
    Ok(Exit::Done)
}

/// All of the event but its data, and its id unless one is given.
fn pattern(publish: &Publish) -> Result<EventBuilder, Failure> {
    let mut event = message();
    if let Some(ty) = &publish.ty {
        event = event.ty(ty);
    }
    if let Some(source) = &publish.source {
        event = event.source(source);
    }
    if let Some(id) = &publish.id {
        event = event.id(id);
    }
    if let Some(subject) = &publish.subject {
        event = event.subject(subject);
    }
    if let Some(content_type) = &publish.content_type {
        event = event.datacontenttype(content_type);
    }
    for (name, value) in &publish.extensions {
        if event.has_extension(name) {
            return Err(
                Failure::usage(format!("the extension `{name}` is given twice"))
                    .help("give each --ext once"),
            );
        }
        event = event.extension(name, value.as_str());
    }
    Ok(event)
}

/// An event by hand, without id and data.
pub(super) fn message() -> EventBuilder {
    EventBuilder::new().source(SOURCE).ty(TYPE)
}

/// An id that sorts by time.
pub(super) fn new_id() -> String {
    Uuid::now_v7().to_string()
}

fn line(global: &Global, accepted: &Accepted) -> Result<String, Failure> {
    if global.json {
        let json = serde_json::to_string(accepted);
        return json.map(|json| json + "\n").map_err(|error| {
            Failure::failed(format!("the answer cannot be written as JSON: {error}"))
        });
    }
    Ok(format!("{}\n", print::printable(&accepted.id)))
}

/// Says that an event was accepted and reaches no one.
pub(super) fn nobody(topic: &Topic, near: Option<&TopicFilter>) {
    let hint = near
        .map(|filter| format!("; did you mean `{filter}`?"))
        .unwrap_or_default();
    print::note(format_args!("nobody subscribes to `{topic}`{hint}"));
}

/// The subscription that was probably meant, from the manifest that the node runs. A hint: what fails here is not said.
pub(super) async fn nearest(client: &mut Client, topic: &Topic) -> Option<TopicFilter> {
    let running: About = client.get_json("/v1/node").await.ok()?;
    let text = tokio::fs::read_to_string(running.manifest?).await.ok()?;
    let manifest: Manifest = text.parse().ok()?;
    let filters: Vec<TopicFilter> = manifest
        .actor
        .values()
        .flat_map(|actor| &actor.subscribe)
        .filter_map(|text| text.parse().ok())
        .collect();
    hints::nearest(topic, &filters).cloned()
}

/// The data of one event after the other.
enum Payloads {
    Same { data: Option<Vec<u8>>, left: u64 },
    Lines(BufReader<Stdin>),
}

impl Payloads {
    async fn of(publish: &Publish) -> Result<Self, Failure> {
        let data = match (&publish.data, &publish.file) {
            (Some(data), _) if data == "-" => {
                return Ok(Self::Lines(BufReader::new(tokio::io::stdin())));
            }
            (Some(data), _) => Some(data.clone().into_bytes()),
            (None, Some(path)) => Some(read_input(path).await?),
            (None, None) => None,
        };
        Ok(Self::Same {
            data,
            left: publish.count.unwrap_or(1),
        })
    }

    /// The next event's data, where it has any; none when there is no next event.
    async fn next(&mut self) -> Result<Option<Option<Vec<u8>>>, Failure> {
        match self {
            Self::Same { left: 0, .. } => Ok(None),
            Self::Same { data, left } => {
                *left -= 1;
                Ok(Some(data.clone()))
            }
            Self::Lines(stdin) => {
                let mut line = Vec::new();
                if stdin
                    .read_until(b'\n', &mut line)
                    .await
                    .map_err(|error| unreadable(Path::new("-"), &error))?
                    == 0
                {
                    return Ok(None);
                }
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                Ok(Some(Some(line)))
            }
        }
    }
}

/// When events are due. One that is late does not put off those after it: otherwise a slow answer would lower the rate, and
/// nobody would see it.
struct Pace {
    start: Instant,
    rate: Option<Rate>,
}

impl Pace {
    fn new(rate: Option<Rate>) -> Self {
        Self {
            start: Instant::now(),
            rate,
        }
    }

    /// Waits until the event with this number, from 0, is due.
    async fn wait(&self, number: u64) {
        if let Some(rate) = self.rate {
            sleep_until(self.start + rate.time_of(number)).await;
        }
    }
}

/// The bytes of a file, or of standard input for `-`.
pub(super) async fn read_input(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = if path == Path::new("-") {
        let mut bytes = Vec::new();
        tokio::io::stdin()
            .read_to_end(&mut bytes)
            .await
            .map(|_| bytes)
    } else {
        tokio::fs::read(path).await
    };
    read.map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let what = if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    Failure::failed(format!("{what} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_late_event_does_not_put_off_the_next() {
        let pace = Pace::new(Some(Rate(10.0)));
        let start = Instant::now();
        pace.wait(1).await;
        assert_eq!(start.elapsed().as_millis(), 100);
        tokio::time::advance(Duration::from_millis(350)).await; // a slow answer
        pace.wait(2).await;
        pace.wait(4).await;
        assert_eq!(start.elapsed().as_millis(), 450);
        pace.wait(5).await;
        assert_eq!(start.elapsed().as_millis(), 500);
    }
}
