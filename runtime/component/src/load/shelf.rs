//! Compiled code, one copy for all actors that run the same file.
//!
//! Compiled code takes some hundred KiB and some memory maps. A thousand actors of one file would take a thousand times that,
//! though it never changes; what each of them has of its own is linked and made from it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

/// What is compiled, by the SHA-256 of its file: a hash that nobody can aim, or a component could pass for another's.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<HashMap<[u8; 32], Weak<Place>>>);

/// One file's place. It is empty until the first compilation has ended; whoever comes meanwhile waits for it.
#[derive(Default)]
struct Place(Mutex<Option<Component>>);

/// Compiled code that is on the shelf as long as anybody holds this.
#[derive(Clone)]
pub(crate) struct Shelved {
    pub(crate) component: Component,
    _place: Arc<Place>,
}

impl Shelf {
    /// The code of the file with these bytes, compiled if it is not there.
    pub(crate) fn get<E>(
        &self,
        bytes: &[u8],
        compile: impl FnOnce() -> Result<Component, E>,
    ) -> Result<Shelved, E> {
        let place = self.place(Sha256::digest(bytes).into());
        let mut compiled = lock(&place.0);
        let component = match &*compiled {
            Some(component) => component.clone(),
            None => compiled.insert(compile()?).clone(),
        };
        drop(compiled);
        Ok(Shelved {
            component,
            _place: place,
        })
    }

    fn place(&self, key: [u8; 32]) -> Arc<Place> {
        let mut places = lock(&self.0);
        if let Some(place) = places.get(&key).and_then(Weak::upgrade) {
            return place;
        }
        places.retain(|_, place| place.strong_count() > 0);
        let place = Arc::default();
        places.insert(key, Arc::downgrade(&place));
        place
    }
}

/// A compiler that panicked has left its place empty, as it was.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn one_file_is_compiled_once_while_anybody_has_it_and_a_failure_is_not_kept() {
        let engine = wasmtime::Engine::default();
        let bytes = wat::parse_str("(component)").unwrap();
        let shelf = Shelf::default();
        let count = Cell::new(0);
        let compile = || {
            count.set(count.get() + 1);
            Component::from_binary(&engine, &bytes)
        };
        let first = shelf.get(&bytes, compile).unwrap();
        let second = shelf.get(&bytes, compile).unwrap();
        assert_eq!(count.get(), 1);
        let other = shelf.get(b"other", || Err::<Component, _>("no component"));
        assert!(other.is_err());
        shelf.get(b"other", compile).unwrap();
        assert_eq!(count.get(), 2);
        drop(first);
        shelf.get(&bytes, compile).unwrap();
        assert_eq!(count.get(), 2);
        drop(second);
        let third = shelf.get(&bytes, compile).unwrap();
        assert_eq!(count.get(), 3);
        assert_eq!(lock(&shelf.0).len(), 1, "what nobody has is forgotten");
        drop(third);
    }
}
