//! Our store.

use std::ops::Bound;
use std::path::Path;

use whirlwind_store::{Batch, Space, Store};

use super::{Opened, Rival, said};
use crate::workload::{Contents, SPACES, Writes};

pub(super) fn open(dir: &Path) -> Result<Opened, String> {
    let opened = Store::open(dir).map_err(said)?;
    let torn = opened.torn.then(|| "the end was torn".to_owned());
    let found = opened.set_aside.map(said).or(torn);
    Ok((Box::new(opened.store), found))
}

impl Rival for Store {
    fn commit(&self, writes: &Writes) -> Result<(), String> {
        let mut batch = Batch::new();
        for ((space, key), value) in writes {
            let space = Space::ALL[*space];
            match value {
                Some(value) => batch.put(space, key.clone(), value.clone()),
                None => batch.delete(space, key.clone()),
            }
        }
        self.commit(batch).map_err(said)?.wait().map_err(said)
    }

    fn contents(&self) -> Result<Contents, String> {
        let mut contents = Contents::new();
        for space in 0..SPACES {
            let all = (Bound::Unbounded, Bound::Unbounded);
            for (key, value) in self
                .scan(Space::ALL[space], all, usize::MAX)
                .map_err(said)?
            {
                contents.insert((space, key.to_vec()), value.to_vec());
            }
        }
        Ok(contents)
    }

    fn close(self: Box<Self>) {
        Store::close(&self);
    }
}
