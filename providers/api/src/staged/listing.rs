//! A page of a bucket with a turn's own writes over it.

use std::collections::BTreeMap;
use std::iter::from_fn;
use std::ops::Bound;

use bytes::Bytes;

use crate::limits::KEYS_PER_PAGE;
use crate::{Bucket, Error, Keys};

/// The first page after `cursor`. Where the turn deleted much, it takes several pages of the bucket.
pub(super) async fn merged(
    bucket: &dyn Bucket,
    writes: &BTreeMap<String, Option<Bytes>>,
    cursor: Option<&str>,
) -> Result<Keys, Error> {
    /// One more tells whether another page comes.
    const ENOUGH: usize = KEYS_PER_PAGE + 1;
    let mut page = bucket.list_keys(cursor).await?;
    let after = cursor.map_or(Bound::Unbounded, Bound::Excluded);
    let mut own = writes.range::<str, _>((after, Bound::Unbounded)).peekable();
    if own.peek().is_none() {
        return Ok(page);
    }
    let mut keys = Vec::new();
    loop {
        let more = page.cursor;
        let mut theirs = page.keys.into_iter().peekable();
        let next = from_fn(|| {
            while let Some(key) = theirs.peek() {
                match own.next_if(|(own, _)| *own <= key) {
                    None => return theirs.next(),
                    Some((own, value)) => {
                        if own == key {
                            theirs.next();
                        }
                        if value.is_some() {
                            return Some(own.clone());
                        }
                    }
                }
            }
            if more.is_some() {
                // What comes after this page of the bucket is not known yet.
                return None;
            }
            own.find_map(|(own, value)| value.is_some().then(|| own.clone()))
        });
        keys.extend(next.take(ENOUGH - keys.len()));
        match more {
            Some(cursor) if keys.len() < ENOUGH => page = bucket.list_keys(Some(&cursor)).await?,
            _ => return Keys::page(keys.into_iter().map(Ok)),
        }
    }
}
