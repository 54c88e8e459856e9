//! `wasi:keyvalue@0.2.0-draft2`: cursors are strings, counters are signed, and there is compare-and-swap.

use bytes::Bytes;
use wasmtime::component::{Linker, Resource};
use whirlwind_provider_api::Linked;

use super::OpenBucket;
use crate::bindings::host::wasi::keyvalue0_2_0_draft2 as package;
use crate::host::HasState;
use crate::limits::KEPT_OVERHEAD;
use crate::state::State;

use package::atomics::{self, CasError};
use package::batch;
use package::store::{self, Error};

super::common!();

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    store::add_to_linker::<State, HasState>(linker, |state| state)?;
    atomics::add_to_linker::<State, HasState>(linker, |state| state)?;
    batch::add_to_linker::<State, HasState>(linker, |state| state)
}

/// A key, and the value it had when it was looked at.
#[derive(Debug)]
pub struct Cas {
    linked: Linked,
    key: String,
    current: Option<Bytes>,
}

impl Cas {
    fn weight(&self) -> usize {
        KEPT_OVERHEAD + self.key.len() + self.current.as_ref().map_or(0, Bytes::len)
    }
}

impl State {
    /// Looks at a key and remembers what it saw.
    async fn look(
        &mut self,
        linked: Linked,
        key: String,
    ) -> wasmtime::Result<Result<Resource<Cas>, Error>> {
        let current = match super::call!(self, &linked, get(&key)) {
            Ok(current) => current,
            Err(error) => return Ok(Err(error.into())),
        };
        let cas = Cas {
            linked,
            key,
            current,
        };
        self.meter.hold(0, cas.weight())?;
        Ok(Ok(self.table.push(cas)?))
    }

    fn take_cas(&mut self, cas: Resource<Cas>) -> wasmtime::Result<Cas> {
        let cas = self.table.delete(cas)?;
        self.meter.release(cas.weight());
        Ok(cas)
    }
}

impl store::HostBucket for State {
    super::bucket_methods!();

    async fn list_keys(
        &mut self,
        bucket: Resource<OpenBucket>,
        cursor: Option<String>,
    ) -> wasmtime::Result<Result<store::KeyResponse, Error>> {
        let linked = super::linked(self, &bucket)?;
        Ok(
            match super::call!(self, &linked, list_keys(cursor.as_deref())) {
                Ok(page) => Ok(store::KeyResponse {
                    keys: page.keys,
                    cursor: page.cursor,
                }),
                Err(error) => Err(error.into()),
            },
        )
    }
}

impl atomics::HostCas for State {
    async fn new(
        &mut self,
        bucket: Resource<OpenBucket>,
        key: String,
    ) -> wasmtime::Result<Result<Resource<Cas>, Error>> {
        let linked = super::linked(self, &bucket)?;
        self.look(linked, key).await
    }

    fn current(&mut self, cas: Resource<Cas>) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let cas = self.table.get(&cas)?;
        Ok(Ok(cas.current.as_ref().map(|value| value.to_vec())))
    }

    fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.take_cas(cas)?;
        Ok(())
    }
}

impl atomics::Host for State {
    async fn increment(
        &mut self,
        bucket: Resource<OpenBucket>,
        key: String,
        delta: i64,
    ) -> wasmtime::Result<Result<i64, Error>> {
        let linked = super::linked(self, &bucket)?;
        Ok(super::call!(self, &linked, increment(&key, delta)).map_err(Error::from))
    }

    async fn swap(
        &mut self,
        cas: Resource<Cas>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), CasError>> {
        let cas = self.take_cas(cas)?;
        let (key, current) = (&cas.key, cas.current.as_deref());
        let swapped = super::call!(
            self,
            &cas.linked,
            compare_and_swap(key, current, value.into())
        );
        Ok(match swapped {
            Ok(true) => Ok(()),
            Ok(false) => Err(match self.look(cas.linked, cas.key).await? {
                Ok(fresh) => CasError::CasFailed(fresh),
                Err(error) => CasError::StoreError(error),
            }),
            Err(error) => Err(CasError::StoreError(error.into())),
        })
    }
}
