//! The control API of a node that can be gone at any moment.

use std::io;
use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::bed::PATIENCE;

/// One connection. Requests go one after the other.
pub struct Client(SendRequest<Full<Bytes>>);

impl Client {
    pub async fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Sends a request, and answers the status and the body. An error is the end of the node, or of the test's patience.
    pub async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> io::Result<(StatusCode, Bytes)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "node")
            .header(CONTENT_TYPE, "application/cloudevents+json")
            .body(Full::new(body.into()))
            .map_err(io::Error::other)?;
        let answer = async {
            self.0.ready().await?;
            let answer = self.0.send_request(request).await?;
            let status = answer.status();
            Ok((status, answer.into_body().collect().await?.to_bytes()))
        };
        let answer: Result<_, hyper::Error> = timeout(PATIENCE, answer).await?;
        answer.map_err(io::Error::other)
    }

    /// What the node, which is there, answers to `GET`.
    pub async fn get(&mut self, path: &str) -> Bytes {
        let (status, body) = self.ask(Method::GET, path, "").await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {body:?}");
        body
    }

    pub async fn get_json(&mut self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path).await).unwrap()
    }

    /// The names of all keys of a bucket.
    pub async fn keys(&mut self, bucket: &str) -> Vec<String> {
        let mut keys = Vec::new();
        let mut path = format!("/v1/kv/{bucket}");
        loop {
            let mut page = self.get_json(&path).await;
            let names: Vec<String> = serde_json::from_value(page["keys"].take()).unwrap();
            keys.extend(names);
            let Some(cursor) = page["cursor"].as_str() else {
                return keys;
            };
            // Of what needs an escape, keys have only spaces.
            path = format!("/v1/kv/{bucket}?cursor={}", cursor.replace(' ', "%20"));
        }
    }
}
