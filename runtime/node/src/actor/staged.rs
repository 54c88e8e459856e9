//! What a turn did to buckets, on its way into effect.

use whirlwind_bus::Transaction;
use whirlwind_provider_api::{Error, Staged, StagedBucket};
use whirlwind_provider_store::place;
use whirlwind_store::Space;

use crate::app::KeyValueLink;

/// What the bucket behind a link is called: a provider's name has no `/`.
pub(crate) fn name(link: &KeyValueLink) -> String {
    format!("{}/{}", link.provider, link.bucket)
}

/// Puts what lies in the node's store into the transaction: writes, and reads to be compared. Other providers take their writes now,
/// each bucket for itself.
///
/// # Errors
/// That of the first bucket that did not take its writes; others may have taken theirs.
pub(super) async fn put_into(transaction: &mut Transaction, staged: Staged) -> Result<(), Error> {
    for bucket in staged.into_buckets() {
        match bucket.linked.validated {
            true => in_store(transaction, bucket),
            false => bucket.apply().await?,
        }
    }
    Ok(())
}

fn in_store(transaction: &mut Transaction, bucket: StagedBucket) {
    let StagedBucket {
        linked,
        reads,
        writes,
    } = bucket;
    let name = linked.name.split_once('/').map_or("", |(_, name)| name);
    let batch = transaction.batch();
    for (key, value) in reads {
        batch.expect(Space::Buckets, place::of_key(name, &key), value);
    }
    for (key, value) in writes {
        let place = place::of_key(name, &key);
        match value {
            Some(value) => batch.put(Space::Buckets, place, value),
            None => batch.delete(Space::Buckets, place),
        }
    }
}
