//! The control API: HTTP with JSON on a unix socket, as docs/control.md describes it.

mod actors;
mod answer;
mod buckets;
mod dead;
mod events;
mod socket;

pub use dead::{AllDeliveredAgain, DeadLetterCounts, DeliveredAgain, Dropped, NotDelivered};
pub(crate) use socket::Found;
pub use socket::{ControlError, SOCKET, Socket};

use std::sync::{Arc, Weak};

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use whirlwind_supervision::{ChildSpec, ExitReason, StartError};

use crate::node::{Inner, Node};
use answer::{Fault, json, lines};

/// The door's name in the tree.
pub(crate) const NAME: &str = "control";

/// The largest body: a value or an event of this size, far above what a topic or a bucket takes, so that their own errors come first.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// What `GET /v1/node` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The app's name.
    pub app: String,
    /// Its manifest; none when it was made in code.
    pub manifest: Option<String>,
    /// The version of the node.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Events that nobody subscribed to.
    pub unrouted: u64,
    /// Dead letters.
    #[serde(default)]
    pub dead_letters: DeadLetterCounts,
}

/// What `POST /v1/events` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The event's id.
    pub id: String,
    /// How many subscribers took it.
    pub delivered: usize,
}

/// What every error is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What was wrong, where, and what to do.
    pub error: String,
}

/// A page of keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPage {
    /// The keys, in order.
    pub keys: Vec<String>,
    /// Where the next page begins; none on the last.
    pub cursor: Option<String>,
}

/// The child of the tree that serves the API on `socket`. It opens the socket when it starts and removes it when it ends;
/// connections that are open then stay until the node has ended.
pub(crate) fn door(socket: Socket, node: Weak<Inner>) -> ChildSpec {
    let socket = Arc::new(socket);
    ChildSpec::worker(NAME, move |stop| {
        let (socket, node) = (Arc::clone(&socket), node.clone());
        async move {
            let listener = socket.listen().map_err(StartError::failed)?;
            let node = node.upgrade().ok_or(StartError::Stopped)?.node();
            Ok(async move {
                tokio::select! {
                    biased;
                    () = stop.asked() => ExitReason::Shutdown,
                    served = axum::serve(listener, router(node)) => {
                        ExitReason::failed(format!("the control socket no longer answers: {served:?}"))
                    }
                }
            })
        }
    })
}

fn router(node: Node) -> Router {
    Router::new()
        .route("/v1/node", get(about))
        .route("/v1/parts", get(parts))
        .route("/v1/tree", get(tree))
        .route("/v1/stop", post(stop))
        .route("/v1/actors/{name}/scale", post(actors::scale))
        .route("/v1/actors/{name}/restart", post(actors::restart))
        .route("/v1/actors/{name}/kill", post(actors::kill))
        .route("/v1/actors/{name}/reload", post(actors::reload))
        .route("/v1/dead", get(dead::list).delete(dead::drop_all))
        .route("/v1/dead/redeliver", post(dead::redeliver_all))
        .route("/v1/dead/{id}", get(dead::show).delete(dead::drop_one))
        .route("/v1/dead/{id}/redeliver", post(dead::redeliver))
        .route("/v1/events", get(events::watch).post(events::publish))
        .route("/v1/kv/{provider}/{bucket}", get(buckets::keys))
        .route(
            "/v1/kv/{provider}/{bucket}/value",
            get(buckets::get).put(buckets::set).delete(buckets::delete),
        )
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(map_response(answer::one_shape))
        .with_state(node)
}

async fn about(State(node): State<Node>) -> Response {
    json(&About {
        app: node.app().name.clone(),
        manifest: node
            .app()
            .manifest
            .as_ref()
            .map(|path| path.display().to_string()),
        version: crate::VERSION.to_owned(),
        pid: std::process::id(),
        unrouted: node.unrouted(),
        dead_letters: dead::counts(&node),
    })
}

async fn parts(State(node): State<Node>) -> Response {
    json(&node.parts().await)
}

async fn tree(State(node): State<Node>) -> Response {
    json(&[node.tree().await])
}

/// Begins the stop, and answers a stream that is open until it is done.
async fn stop(State(node): State<Node>) -> Response {
    tokio::spawn({
        let node = node.clone();
        async move { node.stop().await }
    });
    lines(futures::stream::once(async move {
        node.ended().await;
        Vec::new()
    }))
}

async fn nothing_here(uri: axum::http::Uri) -> Fault {
    Fault::missing(format!(
        "there is nothing at {}; docs/control.md has the list",
        uri.path()
    ))
}
