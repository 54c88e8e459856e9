//! Getting everything out of a store that nobody has open.

use std::path::Path;
use std::sync::Arc;

use crate::lock::Looking;
use crate::look::look;
use crate::medium::{Directory, Medium};
use crate::{Health, OpenError, Space};

/// Gives every entry of the store in the directory `dir` to `each`, space by space and in the order of their
/// keys, until it answers an error. Nobody may have the store open. It may be damaged, or one that was set
/// aside: then what can be read is given, and [`Health::damage`] says what may be missing. Nothing in the
/// directory is changed. Blocks.
///
/// # Errors
/// [`OpenError`], as of [`check`](crate::check), and what `each` answers. After an [`OpenError::Locked`] entries
/// may have been given: the store was opened meanwhile.
pub fn export<E: From<OpenError>>(
    dir: impl AsRef<Path>,
    each: impl FnMut(Space, &[u8], &[u8]) -> Result<(), E>,
) -> Result<Health, E> {
    let dir = dir.as_ref();
    let looking = Looking::begin(dir)?;
    let medium: Arc<dyn Medium> = Arc::new(Directory(dir.to_owned()));
    let mut look = look(&medium).map_err(|failure| failure.at(dir))?;
    look.entries(each)?;
    let health = look.health();
    looking.end()?;
    Ok(health)
}
