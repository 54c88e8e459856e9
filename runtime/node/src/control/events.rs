//! Publishing, and looking on.

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::json;
use whirlwind_event::{Event, Topic, TopicFilter};

use super::Accepted;
use super::answer::{Fault, line, lines};
use crate::node::{Node, PublishError};
use crate::subscription::Seen;

#[derive(Deserialize)]
pub(super) struct To {
    topic: String,
}

#[derive(Deserialize)]
pub(super) struct Of {
    filter: String,
}

pub(super) async fn publish(
    State(node): State<Node>,
    Query(To { topic }): Query<To>,
    body: Bytes,
) -> Result<Response, Fault> {
    let topic = Topic::parse(&topic).map_err(Fault::bad)?;
    let event = whirlwind_event::json::from_slice(&body).map_err(Fault::bad)?;
    let published = node
        .publish(&topic, event)
        .await
        .map_err(|error| match error {
            PublishError::Reserved(_) => Fault::forbidden(error),
            PublishError::TooLarge { .. } => Fault::too_large(error),
            PublishError::MailboxFull { .. }
            | PublishError::NotDurable { .. }
            | PublishError::Stopping => Fault::unavailable(error),
        })?;
    let accepted = Accepted {
        id: published.id,
        delivered: published.delivered,
    };
    Ok((StatusCode::ACCEPTED, axum::Json(accepted)).into_response())
}

pub(super) async fn watch(
    State(node): State<Node>,
    Query(Of { filter }): Query<Of>,
) -> Result<Response, Fault> {
    let filter = TopicFilter::parse(&filter).map_err(Fault::bad)?;
    let subscription = node.subscribe(&filter);
    let first = line(&json!({ "subscribed": filter.as_str() }));
    let seen = futures::stream::unfold(subscription, |mut subscription| async move {
        let line = match subscription.next().await? {
            Seen::Event { topic, event } => with_topic(&event, &topic),
            Seen::Missed(missed) => line(&json!({ "missed": missed })),
        };
        Some((line, subscription))
    });
    Ok(lines(futures::stream::once(async { first }).chain(seen)))
}

/// A structured CloudEvent and its topic, as one line.
fn with_topic(event: &Event, topic: &Topic) -> Vec<u8> {
    let mut line = whirlwind_event::json::to_line(event);
    // An object's last byte is its brace. The topic goes before it, in place of an extension of that name.
    if event.extension("topic").is_some() {
        let renamed = event
            .to_builder()
            .extension("topic", topic.as_str())
            .build();
        line = renamed.map_or(line, |event| whirlwind_event::json::to_line(&event));
    } else if line.pop() == Some(b'}') {
        line.extend_from_slice(b",\"topic\":");
        line.extend(serde_json::to_vec(topic.as_str()).unwrap_or_default());
        line.push(b'}');
    }
    line.push(b'\n');
    line
}
