//! How the control API answers.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt as _};
use serde::Serialize;

use super::ErrorBody;

/// A request that is not done, and why: always the shape of [`ErrorBody`].
#[derive(Debug)]
pub(super) struct Fault(StatusCode, String);

impl Fault {
    pub(super) fn bad(error: impl ToString) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }

    pub(super) fn forbidden(error: impl ToString) -> Self {
        Self(StatusCode::FORBIDDEN, error.to_string())
    }

    pub(super) fn missing(error: impl ToString) -> Self {
        Self(StatusCode::NOT_FOUND, error.to_string())
    }

    pub(super) fn conflict(error: impl ToString) -> Self {
        Self(StatusCode::CONFLICT, error.to_string())
    }

    pub(super) fn too_large(error: impl ToString) -> Self {
        Self(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
    }

    pub(super) fn unavailable(error: impl ToString) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = ErrorBody { error: self.1 };
        (self.0, axum::Json(body)).into_response()
    }
}

/// The longest error in words that a library of ours makes.
const MAX_WORDS: usize = 16 * 1024;

/// Gives the errors that arise before a handler is called (a parameter missing, a body too large) the shape of all others.
pub(super) async fn one_shape(response: Response) -> Response {
    let status = response.status();
    let json = HeaderValue::from_static("application/json");
    if !(status.is_client_error() || status.is_server_error())
        || response.headers().get(header::CONTENT_TYPE) == Some(&json)
    {
        return response;
    }
    let words = axum::body::to_bytes(response.into_body(), MAX_WORDS).await;
    let words = String::from_utf8_lossy(&words.unwrap_or_default()).into_owned();
    let words = match words.is_empty() {
        true => status
            .canonical_reason()
            .unwrap_or("refused")
            .to_lowercase(),
        false => words,
    };
    Fault(status, words).into_response()
}

pub(super) fn json(value: &impl Serialize) -> Response {
    axum::Json(value).into_response()
}

/// A stream of JSON objects, one a line.
pub(super) fn lines(items: impl Stream<Item = Vec<u8>> + Send + 'static) -> Response {
    let body = Body::from_stream(items.map(Ok::<_, std::convert::Infallible>));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

/// `value` as one line.
pub(super) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}
