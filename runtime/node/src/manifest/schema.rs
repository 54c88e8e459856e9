//! The JSON Schema of the manifest, generated from its types.
//!
//! Editors read it, and the shape check reads it: what it refuses is refused, in the same words for every key.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::Value;

use super::Manifest;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft07().with_transform(WithoutNull);
    settings
        .into_generator()
        .into_root_schema_for::<Manifest>()
        .to_value()
});

/// The JSON Schema (draft 7) of the manifest; the committed copy is `docs/manifest.schema.json`.
pub fn json_schema() -> &'static Value {
    &SCHEMA
}

/// Rust's `Option` becomes "or null" in a schema, but TOML has no null: an optional key is one that is left out.
#[derive(Debug, Clone)]
struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else {
            return;
        };
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                object.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(any)) = object.get_mut("anyOf") {
            any.retain(|schema| schema.get("type").is_none_or(|kind| kind != "null"));
            if let [only] = any.as_slice() {
                let only = only.clone();
                object.remove("anyOf");
                // Beside a `$ref` draft 7 ignores everything, the description too; within `allOf` it does not.
                object.insert("allOf".to_owned(), Value::Array(vec![only]));
            }
        }
    }
}
