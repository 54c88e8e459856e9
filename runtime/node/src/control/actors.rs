//! Changing what runs.

use std::path::PathBuf;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::answer::{Fault, json};
use crate::node::{ChangeError, Changed, Node};

#[derive(Deserialize)]
pub(super) struct To {
    instances: u32,
}

#[derive(Deserialize)]
pub(super) struct Of {
    file: Option<PathBuf>,
}

pub(super) async fn scale(
    State(node): State<Node>,
    Path(actor): Path<String>,
    Query(To { instances }): Query<To>,
) -> Result<Response, Fault> {
    answer(node.scale(&actor, instances).await)
}

pub(super) async fn restart(
    State(node): State<Node>,
    Path(actor): Path<String>,
) -> Result<Response, Fault> {
    answer(node.restart(&actor).await)
}

pub(super) async fn kill(
    State(node): State<Node>,
    Path(actor): Path<String>,
) -> Result<Response, Fault> {
    answer(node.kill_actor(&actor).await)
}

pub(super) async fn reload(
    State(node): State<Node>,
    Path(actor): Path<String>,
    Query(Of { file }): Query<Of>,
) -> Result<Response, Fault> {
    if let Some(file) = file.as_ref().filter(|file| !file.is_absolute()) {
        // Whoever asks and the node need not have the same folder.
        return Err(Fault::bad(format!(
            "{} is not an absolute path: name the component's file from the root on",
            file.display()
        )));
    }
    answer(node.reload(&actor, file.as_deref()).await)
}

fn answer(changed: Result<Changed, ChangeError>) -> Result<Response, Fault> {
    let error = match changed {
        Ok(changed) => return Ok(json(&changed)),
        Err(error) => error,
    };
    Err(match error {
        ChangeError::Unknown { .. } => Fault::missing(error),
        ChangeError::Number { .. } | ChangeError::NoRoom { .. } => Fault::bad(error),
        ChangeError::Gone { .. }
        | ChangeError::Down { .. }
        | ChangeError::Away { .. }
        | ChangeError::NotStarted { .. }
        | ChangeError::PutBack { .. }
        | ChangeError::Neither { .. } => Fault::conflict(error),
        ChangeError::Component(_) | ChangeError::NoInstance { .. } => Fault::unfit(error),
        ChangeError::Stopping => Fault::unavailable(error),
    })
}
