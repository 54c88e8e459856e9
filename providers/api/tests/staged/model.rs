//! Turns at random, each compared with a copy of the entries that was made at its begin.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use whirlwind_provider_api::conformance::run;
use whirlwind_provider_api::{KeyValue, Linked, MemoryKeyValue, Staged, number};

use super::entries;

#[derive(Clone, Debug)]
enum Operation {
    Get(String),
    Set(String, Bytes),
    Delete(String),
    Exists(String),
    List(Option<String>),
    Increment(String, i64),
    /// The expectation is what is there, or else this.
    Swap(String, Option<Option<Bytes>>, Bytes),
    GetMany(Vec<String>),
    SetMany(Vec<(String, Bytes)>),
    DeleteMany(Vec<String>),
}

#[derive(Clone, Debug)]
struct Turn {
    /// Which bucket, and what to do to it.
    operations: Vec<(usize, Operation)>,
    good: bool,
}

/// Few, so that operations meet.
fn key() -> impl Strategy<Value = String> + Clone {
    select(&["", "a", "a\0", "ab", "b", "n", "m", "ß", "\u{10ffff}"][..]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Bytes> + Clone {
    prop_oneof![
        (-3..3_i64).prop_map(number::to_bytes),
        select(&["", "x", "text", "9223372036854775807"][..])
            .prop_map(|text| Bytes::from_static(text.as_bytes())),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::{
        Delete, DeleteMany, Exists, Get, GetMany, Increment, List, Set, SetMany, Swap,
    };
    prop_oneof![
        4 => key().prop_map(Get),
        4 => (key(), value()).prop_map(|(key, value)| Set(key, value)),
        3 => key().prop_map(Delete),
        2 => key().prop_map(Exists),
        2 => proptest::option::of(key()).prop_map(List),
        4 => (key(), -2..3_i64).prop_map(|(key, delta)| Increment(key, delta)),
        4 => (key(), proptest::option::of(proptest::option::of(value())), value())
            .prop_map(|(key, expected, value)| Swap(key, expected, value)),
        2 => vec(key(), 0..5).prop_map(GetMany),
        2 => vec((key(), value()), 0..5).prop_map(SetMany),
        2 => vec(key(), 0..5).prop_map(DeleteMany),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    let operations = vec((0..BUCKETS.len(), operation()), 0..16);
    (operations, any::<bool>()).prop_map(|(operations, good)| Turn { operations, good })
}

/// Two links lead to the first bucket.
const BUCKETS: [(&str, bool); 4] = [
    ("validated", true),
    ("validated", true),
    ("plain", false),
    ("also plain", false),
];

/// One bucket, as the simplest code has it.
#[derive(Clone, Default)]
struct Model {
    validated: bool,
    /// What everybody sees.
    outside: BTreeMap<String, Bytes>,
    /// What the turn sees.
    inside: BTreeMap<String, Bytes>,
    reads: BTreeMap<String, Option<Bytes>>,
    writes: BTreeMap<String, Option<Bytes>>,
}

impl Model {
    fn begin(&mut self) {
        self.inside = self.outside.clone();
        self.reads.clear();
        self.writes.clear();
    }

    fn read(&mut self, key: &str) -> Option<Bytes> {
        let value = self.inside.get(key).cloned();
        if self.validated && !self.writes.contains_key(key) {
            self.reads.insert(key.to_owned(), value.clone());
        }
        value
    }

    fn write(&mut self, key: String, value: Option<Bytes>) {
        match value.clone() {
            Some(value) => self.inside.insert(key.clone(), value),
            None => self.inside.remove(&key),
        };
        self.writes.insert(key, value);
    }

    /// Of a number or a swap: at once, where that is how it goes.
    fn change(&mut self, key: String, value: Bytes) {
        if self.validated || self.writes.contains_key(&key) {
            self.write(key, Some(value));
        } else {
            self.inside.insert(key.clone(), value.clone());
            self.outside.insert(key, value);
        }
    }
}

/// Does one thing to both, and compares the answers.
async fn both(staged: &mut Staged, of: &Linked, model: &mut Model, operation: Operation) {
    match operation {
        Operation::Get(key) => {
            assert_eq!(staged.get(of, &key).await, Ok(model.read(&key)));
        }
        Operation::Set(key, value) => {
            staged.set(of, &key, value.clone()).await.unwrap();
            model.write(key, Some(value));
        }
        Operation::Delete(key) => {
            staged.delete(of, &key).await.unwrap();
            model.write(key, None);
        }
        Operation::Exists(key) => {
            let exists = model.read(&key).is_some();
            assert_eq!(staged.exists(of, &key).await, Ok(exists));
        }
        Operation::List(cursor) => {
            let page = staged.list_keys(of, cursor.as_deref()).await.unwrap();
            let keys = model.inside.keys();
            let after = keys.filter(|key| cursor.as_ref().is_none_or(|cursor| *key > cursor));
            assert!(page.keys.iter().eq(after), "{page:?}");
            assert_eq!(page.cursor, None);
        }
        Operation::Increment(key, delta) => {
            let sum = number::add(&key, model.read(&key).as_deref(), delta);
            assert_eq!(staged.increment(of, &key, delta).await, sum);
            if let Ok(sum) = sum {
                model.change(key, number::to_bytes(sum));
            }
        }
        Operation::Swap(key, other, value) => {
            let present = model.read(&key);
            let expected = other.unwrap_or_else(|| present.clone());
            let swap = staged.compare_and_swap(of, &key, expected.as_deref(), value.clone());
            assert_eq!(swap.await, Ok(expected == present));
            if expected == present {
                model.change(key, value);
            }
        }
        Operation::GetMany(keys) => {
            let values = keys.iter().map(|key| model.read(key)).collect();
            assert_eq!(staged.get_many(of, &keys).await, Ok(values));
        }
        Operation::SetMany(batch) => {
            staged.set_many(of, batch.clone()).await.unwrap();
            for (key, value) in batch {
                model.write(key, Some(value));
            }
        }
        Operation::DeleteMany(keys) => {
            staged.delete_many(of, &keys).await.unwrap();
            for key in keys {
                model.write(key, None);
            }
        }
    }
}

async fn compare(turns: Vec<Turn>) {
    let store = MemoryKeyValue::new();
    let mut links = Vec::new();
    let mut models = BTreeMap::new();
    for (name, validated) in BUCKETS {
        links.push(Linked {
            name: name.into(),
            bucket: store.bucket(name).await.unwrap(),
            validated,
        });
        let model = Model {
            validated,
            ..Model::default()
        };
        models.insert(name, model);
    }
    for turn in turns {
        let mut staged = Staged::default();
        models.values_mut().for_each(Model::begin);
        for (at, operation) in turn.operations {
            let of = &links[at];
            let model = models.get_mut(&*of.name).unwrap();
            both(&mut staged, of, model, operation).await;
            assert_eq!(entries(&of.bucket).await, model.outside, "before the end");
        }

        let size = staged.size();
        let empty = staged.is_empty();
        let staged: BTreeMap<_, _> = staged
            .into_buckets()
            .map(|bucket| (bucket.linked.name.to_string(), bucket))
            .collect();
        assert_eq!(empty, staged.is_empty());
        let mut held = 0;
        for (name, model) in &mut models {
            let bucket = staged.get(*name);
            let (reads, writes) = bucket
                .map(|bucket| (bucket.reads.clone(), bucket.writes.clone()))
                .unwrap_or_default();
            for (key, value) in reads.iter().chain(&writes) {
                held += 128 + key.len() + value.as_ref().map_or(0, Bytes::len);
            }
            assert_eq!(reads, model.reads, "of {name}");
            assert_eq!(writes, model.writes, "of {name}");
            if turn.good {
                model.outside = model.inside.clone();
                if let Some(bucket) = bucket {
                    bucket.apply().await.unwrap();
                }
            }
        }
        assert_eq!(size, held);
        for link in &links {
            assert_eq!(entries(&link.bucket).await, models[&*link.name].outside);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn turns_do_what_they_would_do_to_a_copy_that_is_kept_or_thrown_away(
        turns in vec(turn(), 1..6),
    ) {
        run(compare(turns));
    }
}
