//! `wasi:keyvalue@0.2.0-draft`: cursors and counters are unsigned numbers.

use wasmtime::component::{Linker, Resource};

use super::OpenBucket;
use crate::bindings::host::wasi::keyvalue0_2_0_draft as package;
use crate::host::HasState;
use crate::state::State;

use package::atomics;
use package::batch;
use package::store::{self, Error};

super::common!();

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    store::add_to_linker::<State, HasState>(linker, |state| state)?;
    atomics::add_to_linker::<State, HasState>(linker, |state| state)?;
    batch::add_to_linker::<State, HasState>(linker, |state| state)
}

impl store::HostBucket for State {
    super::bucket_methods!();

    async fn list_keys(
        &mut self,
        bucket: Resource<OpenBucket>,
        cursor: Option<u64>,
    ) -> wasmtime::Result<Result<store::KeyResponse, Error>> {
        let open = self.table.get(&bucket)?;
        let cursor = match cursor.map(|number| open.cursors.cursor(number)).transpose() {
            Ok(cursor) => cursor,
            Err(text) => return Ok(Err(Error::Other(text))),
        };
        let linked = super::linked(self, &bucket)?;
        let page = match super::call!(self, &linked, list_keys(cursor.as_deref())) {
            Ok(page) => page,
            Err(error) => return Ok(Err(error.into())),
        };
        let open = self.table.get_mut(&bucket)?;
        Ok(Ok(store::KeyResponse {
            keys: page.keys,
            cursor: page.cursor.map(|cursor| open.cursors.number(cursor)),
        }))
    }
}

impl atomics::Host for State {
    async fn increment(
        &mut self,
        bucket: Resource<OpenBucket>,
        key: String,
        delta: u64,
    ) -> wasmtime::Result<Result<u64, Error>> {
        // A bucket's numbers are signed, as the second draft has them.
        let Ok(delta) = i64::try_from(delta) else {
            return Ok(Err(Error::Other(format!(
                "an increment by {delta} is more than {}, the largest number",
                i64::MAX
            ))));
        };
        let linked = super::linked(self, &bucket)?;
        Ok(match super::call!(self, &linked, increment(&key, delta)) {
            Ok(sum) => u64::try_from(sum).map_err(|_| {
                Error::Other(format!(
                    "the number is {sum} now, and this version of wasi:keyvalue has no negative ones"
                ))
            }),
            Err(error) => Err(error.into()),
        })
    }
}
