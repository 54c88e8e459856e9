//! The dead letters: looking, delivering again, forgetting.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use whirlwind_bus::{RedeliverError, Redelivered};

use super::answer::{Fault, json};
use crate::dead::DeadLetter;
use crate::node::{Node, RedeliveryError};

/// How many dead letters there are, in `GET /v1/node`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterCounts {
    /// Kept now.
    pub kept: usize,
    /// Recorded since the start, without those of the dead-letter file.
    pub recorded: u64,
    /// Pushed out of the full box since the start.
    pub pushed_out: u64,
}

/// What `POST /v1/dead/ID/redeliver` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveredAgain {
    /// The letter's id.
    pub id: u64,
    /// The actor whose mailbox it is in; none of one that was published.
    pub actor: Option<String>,
    /// The topic it was published on, since it had gone too far; none of one that went back to an actor.
    pub topic: Option<String>,
    /// How many mailboxes took it.
    pub delivered: usize,
}

/// What `POST /v1/dead/redeliver` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllDeliveredAgain {
    /// Those that were.
    pub redelivered: Vec<DeliveredAgain>,
    /// Those that were not, and are kept.
    pub refused: Vec<NotDelivered>,
}

/// A dead letter that was not delivered again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotDelivered {
    /// Its id.
    pub id: u64,
    /// Why.
    pub error: String,
}

/// What `DELETE /v1/dead` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// How many letters were forgotten.
    pub dropped: usize,
}

/// One array, made piece by piece: the box may hold far more than should be held twice.
pub(super) async fn list(State(node): State<Node>) -> Response {
    let letters = node.dead_letters().into_iter().enumerate();
    let pieces = letters.map(|(index, letter)| {
        let mut piece = match index {
            0 => Vec::new(),
            _ => vec![b','],
        };
        piece.extend(DeadLetter::from(letter).to_line());
        piece
    });
    let pieces = std::iter::once(b"[".to_vec())
        .chain(pieces)
        .chain(std::iter::once(b"]".to_vec()));
    let body = Body::from_stream(futures::stream::iter(
        pieces.map(Ok::<_, std::convert::Infallible>),
    ));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

pub(super) async fn show(State(node): State<Node>, Path(id): Path<u64>) -> Result<Response, Fault> {
    match node.dead_letter(id) {
        Some(letter) => Ok(json(&DeadLetter::from(letter))),
        None => Err(unknown(&node, id)),
    }
}

pub(super) async fn redeliver(
    State(node): State<Node>,
    Path(id): Path<u64>,
) -> Result<Response, Fault> {
    match node.redeliver(id) {
        Ok(redelivered) => Ok(json(&delivered_again(id, redelivered))),
        Err(RedeliveryError::Refused(RedeliverError::Unknown(id))) => Err(unknown(&node, id)),
        Err(RedeliveryError::Refused(refused)) if !refused.is_transient() => {
            Err(Fault::conflict(refused))
        }
        Err(error) => Err(Fault::unavailable(error)),
    }
}

pub(super) async fn redeliver_all(State(node): State<Node>) -> Result<Response, Fault> {
    let mut all = AllDeliveredAgain::default();
    for id in node.dead_letter_ids() {
        match node.redeliver(id) {
            Ok(redelivered) => all.redelivered.push(delivered_again(id, redelivered)),
            // Somebody else has it.
            Err(RedeliveryError::Refused(RedeliverError::Unknown(_))) => {}
            Err(RedeliveryError::Refused(refused)) => all.refused.push(NotDelivered {
                id,
                error: refused.to_string(),
            }),
            Err(RedeliveryError::Stopping) if all.redelivered.is_empty() => {
                return Err(Fault::unavailable(RedeliveryError::Stopping));
            }
            Err(RedeliveryError::Stopping) => break,
        }
    }
    Ok(json(&all))
}

pub(super) async fn drop_one(
    State(node): State<Node>,
    Path(id): Path<u64>,
) -> Result<StatusCode, Fault> {
    match node.drop_dead_letter(id) {
        Some(_) => Ok(StatusCode::NO_CONTENT),
        None => Err(unknown(&node, id)),
    }
}

pub(super) async fn drop_all(State(node): State<Node>) -> Response {
    json(&Dropped {
        dropped: node.drop_dead_letters(),
    })
}

pub(super) fn counts(node: &Node) -> DeadLetterCounts {
    let counts = node.dead_letter_counts();
    DeadLetterCounts {
        kept: counts.kept,
        recorded: counts.recorded,
        pushed_out: counts.pushed_out,
    }
}

fn delivered_again(id: u64, redelivered: Redelivered) -> DeliveredAgain {
    match redelivered {
        Redelivered::To(actor) => DeliveredAgain {
            id,
            actor: Some(actor.to_string()),
            topic: None,
            delivered: 1,
        },
        Redelivered::Published { topic, delivered } => DeliveredAgain {
            id,
            actor: None,
            topic: Some(topic.as_str().to_owned()),
            delivered,
        },
    }
}

fn unknown(node: &Node, id: u64) -> Fault {
    Fault::missing(crate::dead::unknown(id, &node.dead_letter_ids()))
}
