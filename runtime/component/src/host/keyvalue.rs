//! `wasi:keyvalue`, in the two drafts that are alive: `store`, `atomics` and `batch` of each over the
//! buckets that the component is linked to. What the drafts share is here; each has its own file for
//! where they part.

pub(crate) mod draft1;
pub(crate) mod draft2;

use std::collections::VecDeque;

use wasmtime::component::{Linker, Resource};
use whirlwind_provider_api::Linked;

use crate::settings::Links;
use crate::state::State;

/// The identifier that an empty one stands for.
const DEFAULT: &str = "default";

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    draft1::add_to_linker(linker)?;
    draft2::add_to_linker(linker)
}

/// A bucket that a guest opened, in either draft.
#[derive(Debug)]
pub struct OpenBucket {
    linked: Linked,
    cursors: Cursors,
}

/// Why a bucket was not opened: the words that both drafts have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    NoSuchStore,
    AccessDenied,
}

fn open(links: &Links, identifier: &str) -> Result<OpenBucket, Closed> {
    let identifier = if identifier.is_empty() {
        DEFAULT
    } else {
        identifier
    };
    match links.buckets.get(identifier) {
        Some(linked) => Ok(OpenBucket {
            linked: linked.clone(),
            cursors: Cursors::default(),
        }),
        None if links.known.contains(identifier) => Err(Closed::AccessDenied),
        None => Err(Closed::NoSuchStore),
    }
}

/// The bucket behind a handle.
fn linked(state: &State, handle: &Resource<OpenBucket>) -> wasmtime::Result<Linked> {
    Ok(state.table.get(handle)?.linked.clone())
}

/// Calls a method of a bucket: through what the running turn keeps until its end, or at once where it keeps
/// nothing.
macro_rules! call {
    ($state:ident, $linked:expr, $method:ident($($argument:expr),*)) => {{
        let linked: &whirlwind_provider_api::Linked = $linked;
        match &mut $state.staged {
            Some(staged) => {
                let answer = staged.$method(linked, $($argument),*).await;
                $state.meter.stage(staged.size())?;
                answer
            }
            None => linked.bucket.$method($($argument),*).await,
        }
    }};
}
use call;

/// The cursors given out as numbers, which is what the first draft has for them.
///
/// A listing uses one cursor at a time, so only the last few are kept; a number from before is an
/// error, not a wrong page.
#[derive(Debug, Default)]
struct Cursors {
    last: u64,
    kept: VecDeque<(u64, String)>,
}

impl Cursors {
    /// As many listings of one bucket may be under way at once.
    const KEPT: usize = 16;

    fn number(&mut self, cursor: String) -> u64 {
        if self.kept.len() == Self::KEPT {
            self.kept.pop_front();
        }
        self.last += 1;
        self.kept.push_back((self.last, cursor));
        self.last
    }

    fn cursor(&self, number: u64) -> Result<String, String> {
        self.kept
            .iter()
            .find(|(kept, _)| *kept == number)
            .map(|(_, cursor)| cursor.clone())
            .ok_or_else(|| {
                format!(
                    "cursor {number} is not one of this bucket's last {}",
                    Self::KEPT
                )
            })
    }
}

/// Keys and values of a batch, missing ones in their places.
fn pairs(keys: Vec<String>, values: Vec<Option<bytes::Bytes>>) -> Vec<Option<(String, Vec<u8>)>> {
    keys.into_iter()
        .zip(values)
        .map(|(key, value)| Some((key, value?.into())))
        .collect()
}

/// Entries of a batch as a bucket takes them.
fn entries(pairs: Vec<(String, Vec<u8>)>) -> Vec<(String, bytes::Bytes)> {
    pairs
        .into_iter()
        .map(|(key, value)| (key, value.into()))
        .collect()
}

/// The functions that differ between the drafts only by the module of their types.
macro_rules! common {
    () => {
        impl From<whirlwind_provider_api::Error> for Error {
            fn from(error: whirlwind_provider_api::Error) -> Self {
                Self::Other(error.to_string())
            }
        }

        impl From<super::Closed> for Error {
            fn from(closed: super::Closed) -> Self {
                match closed {
                    super::Closed::NoSuchStore => Self::NoSuchStore,
                    super::Closed::AccessDenied => Self::AccessDenied,
                }
            }
        }

        impl store::Host for State {
            fn open(
                &mut self,
                identifier: String,
            ) -> wasmtime::Result<Result<Resource<OpenBucket>, Error>> {
                Ok(match super::open(&self.shared.links, &identifier) {
                    Ok(bucket) => Ok(self.table.push(bucket)?),
                    Err(closed) => Err(closed.into()),
                })
            }
        }

        impl batch::Host for State {
            async fn get_many(
                &mut self,
                bucket: Resource<OpenBucket>,
                keys: Vec<String>,
            ) -> wasmtime::Result<Result<Vec<Option<(String, Vec<u8>)>>, Error>> {
                let linked = super::linked(self, &bucket)?;
                Ok(match super::call!(self, &linked, get_many(&keys)) {
                    Ok(values) => Ok(super::pairs(keys, values)),
                    Err(error) => Err(error.into()),
                })
            }

            async fn set_many(
                &mut self,
                bucket: Resource<OpenBucket>,
                key_values: Vec<(String, Vec<u8>)>,
            ) -> wasmtime::Result<Result<(), Error>> {
                let linked = super::linked(self, &bucket)?;
                let entries = super::entries(key_values);
                Ok(super::call!(self, &linked, set_many(entries)).map_err(Error::from))
            }

            async fn delete_many(
                &mut self,
                bucket: Resource<OpenBucket>,
                keys: Vec<String>,
            ) -> wasmtime::Result<Result<(), Error>> {
                let linked = super::linked(self, &bucket)?;
                Ok(super::call!(self, &linked, delete_many(&keys)).map_err(Error::from))
            }
        }
    };
}
use common;

/// The methods of a bucket but `list-keys`, to stand inside the `impl` of either draft.
macro_rules! bucket_methods {
    () => {
        async fn get(
            &mut self,
            bucket: Resource<OpenBucket>,
            key: String,
        ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
            let linked = super::linked(self, &bucket)?;
            Ok(match super::call!(self, &linked, get(&key)) {
                Ok(value) => Ok(value.map(Vec::from)),
                Err(error) => Err(error.into()),
            })
        }

        async fn set(
            &mut self,
            bucket: Resource<OpenBucket>,
            key: String,
            value: Vec<u8>,
        ) -> wasmtime::Result<Result<(), Error>> {
            let linked = super::linked(self, &bucket)?;
            Ok(super::call!(self, &linked, set(&key, value.into())).map_err(Error::from))
        }

        async fn delete(
            &mut self,
            bucket: Resource<OpenBucket>,
            key: String,
        ) -> wasmtime::Result<Result<(), Error>> {
            let linked = super::linked(self, &bucket)?;
            Ok(super::call!(self, &linked, delete(&key)).map_err(Error::from))
        }

        async fn exists(
            &mut self,
            bucket: Resource<OpenBucket>,
            key: String,
        ) -> wasmtime::Result<Result<bool, Error>> {
            let linked = super::linked(self, &bucket)?;
            Ok(super::call!(self, &linked, exists(&key)).map_err(Error::from))
        }

        fn drop(&mut self, bucket: Resource<OpenBucket>) -> wasmtime::Result<()> {
            self.table.delete(bucket)?;
            Ok(())
        }
    };
}
use bucket_methods;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_found_again_until_others_push_it_out() {
        let mut cursors = Cursors::default();
        let first = cursors.number("a".to_owned());
        assert_eq!(cursors.cursor(first), Ok("a".to_owned()));
        let numbers: Vec<_> = (0..Cursors::KEPT)
            .map(|n| (cursors.number(n.to_string()), n.to_string()))
            .collect();
        for (number, cursor) in numbers {
            assert_eq!(cursors.cursor(number), Ok(cursor));
        }
        assert!(
            cursors
                .cursor(first)
                .unwrap_err()
                .contains(&first.to_string())
        );
        assert!(cursors.cursor(u64::MAX).is_err());
        assert_eq!(cursors.kept.len(), Cursors::KEPT);
    }
}
