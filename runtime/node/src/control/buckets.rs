//! Looking into buckets.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use whirlwind_provider_api::{Bucket, Error};

use super::KeyPage;
use super::answer::{Fault, json};
use crate::manifest::hint;
use crate::node::Node;

#[derive(Deserialize)]
pub(super) struct Page {
    cursor: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Key {
    key: String,
}

type Place = Path<(String, String)>;

pub(super) async fn keys(
    State(node): State<Node>,
    Path(place): Place,
    Query(Page { cursor }): Query<Page>,
) -> Result<Response, Fault> {
    let bucket = bucket(&node, &place).await?;
    let page = bucket.list_keys(cursor.as_deref()).await.map_err(fault)?;
    Ok(json(&KeyPage {
        keys: page.keys,
        cursor: page.cursor,
    }))
}

pub(super) async fn get(
    State(node): State<Node>,
    Path(place): Place,
    Query(Key { key }): Query<Key>,
) -> Result<Response, Fault> {
    let bucket = bucket(&node, &place).await?;
    match bucket.get(&key).await.map_err(fault)? {
        Some(value) => {
            let octets = [(header::CONTENT_TYPE, "application/octet-stream")];
            Ok((octets, value).into_response())
        }
        None => Err(no_key(&*bucket, &place, &key).await),
    }
}

pub(super) async fn set(
    State(node): State<Node>,
    Path(place): Place,
    Query(Key { key }): Query<Key>,
    value: Bytes,
) -> Result<StatusCode, Fault> {
    let bucket = bucket(&node, &place).await?;
    bucket.set(&key, value).await.map_err(fault)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn delete(
    State(node): State<Node>,
    Path(place): Place,
    Query(Key { key }): Query<Key>,
) -> Result<StatusCode, Fault> {
    let bucket = bucket(&node, &place).await?;
    bucket.delete(&key).await.map_err(fault)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A bucket that is there: looking must not make one.
async fn bucket(
    node: &Node,
    (provider, name): &(String, String),
) -> Result<Arc<dyn Bucket>, Fault> {
    let Some(store) = node.store(provider) else {
        let known = node.app().providers.keys().map(String::as_str);
        let hint = hint(provider, known, "the providers are");
        return Err(Fault::missing(format!(
            "there is no provider `{provider}`; {hint}"
        )));
    };
    let store = store.map_err(fault)?;
    let there = store.buckets().await.map_err(fault)?;
    let linked = node
        .app()
        .actors
        .values()
        .flat_map(|actor| actor.keyvalue.values());
    let mut linked = linked.filter(|link| link.provider == *provider);
    if !there.contains(name) && !linked.any(|link| link.bucket == *name) {
        let hint = hint(name, there.iter().map(String::as_str), "its buckets are");
        return Err(Fault::missing(format!(
            "provider `{provider}` has no bucket `{name}`; {hint}"
        )));
    }
    store.bucket(name).await.map_err(fault)
}

async fn no_key(bucket: &dyn Bucket, (provider, name): &(String, String), key: &str) -> Fault {
    let page = bucket.list_keys(None).await;
    let keys = page.map(|page| page.keys).unwrap_or_default();
    let hint = hint(key, keys.iter().map(String::as_str), "its keys are");
    Fault::missing(format!(
        "bucket `{name}` of provider `{provider}` has no key `{key}`; {hint}"
    ))
}

fn fault(error: Error) -> Fault {
    match error {
        Error::Unavailable { .. } | Error::Io { .. } | Error::Full { .. } => {
            Fault::unavailable(error)
        }
        _ => Fault::bad(error),
    }
}
