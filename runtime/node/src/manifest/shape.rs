//! The first check: every key is known and every value is of its type.
//!
//! It walks the parsed text beside the JSON Schema, so all faults are found in one pass and no key needs words of its
//! own. Only what schemars makes of our types is understood, which is much less than JSON Schema.

use std::ops::Range;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Problems, quoted};
use super::source::{At, Source};
use super::units::{ByteSize, TimeSpan, UnitError};

/// Looks at everything and puts down all that is wrong.
pub(super) fn check(source: &Source<'_>, problems: &mut Problems) {
    let root = super::json_schema();
    let mut walk = Walk {
        root,
        source,
        problems,
    };
    if let Some(schema) = root.as_object() {
        walk.table(schema, source.tree(), None);
    }
}

struct Walk<'w, 't> {
    root: &'w Value,
    source: &'w Source<'t>,
    problems: &'w mut Problems,
}

impl<'w, 't> Walk<'w, 't> {
    /// Follows `$ref`, and `allOf` of one (how draft 7 puts a description beside a `$ref`).
    fn resolve(&self, schema: &'w Value) -> &'w Value {
        let mut schema = schema;
        loop {
            if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
                match reference
                    .strip_prefix('#')
                    .and_then(|pointer| self.root.pointer(pointer))
                {
                    Some(next) => schema = next,
                    None => return schema,
                }
            } else if let Some([only]) = schema
                .get("allOf")
                .and_then(Value::as_array)
                .map(Vec::as_slice)
            {
                schema = only;
            } else {
                return schema;
            }
        }
    }

    fn value(&mut self, schema: &'w Value, value: &Spanned<DeValue<'t>>, at: At<'_>) {
        let schema = self.resolve(schema);
        if let Some(variants) = schema.get("oneOf").and_then(Value::as_array) {
            return self.word(variants, value, at);
        }
        if let Some(variants) = schema.get("anyOf").and_then(Value::as_array) {
            let fits = |variant: &&Value| type_of(self.resolve(variant)) == kind(value.get_ref());
            return match variants.iter().find(fits) {
                Some(variant) => self.value(variant, value, at),
                None => {
                    let kinds: Vec<&str> = variants
                        .iter()
                        .map(|variant| type_of(self.resolve(variant)).words())
                        .collect();
                    self.wrong_type(
                        &kinds.join(" or "),
                        value,
                        at,
                        "docs/manifest.md shows both forms",
                    );
                }
            };
        }
        let Some(schema) = schema.as_object() else {
            return;
        };
        match (Kind::named(schema.get("type")), value.get_ref()) {
            (Kind::Table, DeValue::Table(table)) => self.table(schema, table, Some(at)),
            (Kind::List, DeValue::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    if let Some(schema) = schema.get("items") {
                        self.value(schema, item, at.index(index));
                    }
                }
            }
            (Kind::Text, DeValue::String(text)) => self.text(schema, text, at),
            (Kind::Whole, DeValue::Integer(number)) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
                self.range(schema, number.map(|number| number as f64), at);
            }
            (Kind::Number, DeValue::Integer(number)) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
                self.range(schema, number.map(|number| number as f64), at);
            }
            (Kind::Number, DeValue::Float(number)) => {
                self.range(schema, number.as_str().parse().ok(), at)
            }
            (Kind::Truth, DeValue::Boolean(_)) => {}
            (wanted, _) => {
                let help = remedy(wanted, schema, value.get_ref(), &at);
                self.wrong_type(wanted.words(), value, at, &help);
            }
        }
    }

    /// A table, with keys of its own (`properties`) or with names for keys.
    fn table(&mut self, schema: &'w Map<String, Value>, table: &DeTable<'t>, at: Option<At<'_>>) {
        let known = schema.get("properties").and_then(Value::as_object);
        let others = schema
            .get("additionalProperties")
            .filter(|schema| schema.is_object());
        for (key, value) in table.iter() {
            let name: &str = key.get_ref();
            let here = at.as_ref().map_or_else(|| At::top(name), |at| at.key(name));
            match (known.and_then(|known| known.get(name)), others) {
                (Some(schema), _) => self.value(schema, value, here),
                (None, Some(schema)) => {
                    self.has_variable(name, self.source.key(&here), here);
                    self.value(schema, value, here);
                }
                (None, None) => self.unknown(name, known, at.as_ref(), here),
            }
        }
        for required in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let Some(name) = required.as_str() else {
                continue;
            };
            if !table.contains_key(name) {
                let help = match name {
                    "manifest" => "begin the file with the version of its format: manifest = 1",
                    "component" => "name its file: component = \"path/to/component.wasm\"",
                    "type" => "say what it is: type = \"memory\", \"sled\", \"store\" or \"mqtt\"",
                    _ => "add it",
                };
                let place = match &at {
                    Some(at) => self.source.key(at),
                    None => Some(0..0),
                };
                self.problems.push(
                    place,
                    format!("{} has no `{name}`", table_name(at.as_ref())),
                    help,
                );
            }
        }
    }

    fn unknown(
        &mut self,
        name: &str,
        known: Option<&Map<String, Value>>,
        table: Option<&At<'_>>,
        here: At<'_>,
    ) {
        let names = known.into_iter().flat_map(Map::keys).map(String::as_str);
        let in_links = table.is_some_and(|at| at.name() == Some("links"));
        let (what, all) = if in_links {
            ("interface", "interfaces that can be linked")
        } else {
            ("key", "known keys")
        };
        let message = format!("unknown {what} {} in {}", quoted(name), table_name(table));
        let help = match self.home(name) {
            Some(home) if !in_links => format!("{} belongs in {home}", quoted(name)),
            _ => self.problems.hint(name, names, all),
        };
        self.problems.push(self.source.key(&here), message, help);
    }

    /// The table that does have this key.
    fn home(&self, name: &str) -> Option<&'static str> {
        let homes = [
            ("/properties/actor/additionalProperties", "[actor.NAME]"),
            (
                "/properties/supervisor/additionalProperties",
                "[supervisor.NAME]",
            ),
            (
                "/properties/provider/additionalProperties",
                "[provider.NAME]",
            ),
            (
                "/properties/topic/additionalProperties",
                "[topic.\"FILTER\"]",
            ),
        ];
        let has = |pointer: &str| {
            let table = self
                .root
                .pointer(pointer)
                .map(|schema| self.resolve(schema));
            table
                .and_then(|table| table.get("properties")?.get(name))
                .is_some()
        };
        homes
            .into_iter()
            .find(|(pointer, _)| has(pointer))
            .map(|(_, home)| home)
    }

    /// One of a few words.
    fn word(&mut self, variants: &'w [Value], value: &Spanned<DeValue<'t>>, at: At<'_>) {
        let constants = |variant: &'w Value| {
            let several = variant.get("enum").and_then(Value::as_array);
            variant
                .get("const")
                .into_iter()
                .chain(several.into_iter().flatten())
        };
        let words: Vec<&str> = variants
            .iter()
            .flat_map(constants)
            .filter_map(Value::as_str)
            .collect();
        match value.get_ref().as_str() {
            Some(text)
                if words.contains(&text) || self.has_variable(text, self.source.value(&at), at) => {
            }
            Some(text) => {
                let message = format!("`{}` cannot be {}", at.describe(), quoted(text));
                let help = self.problems.hint(text, words, "it can be");
                self.problems.push(self.source.value(&at), message, help);
            }
            None => {
                let words: Vec<String> = words.into_iter().map(quoted).collect();
                let help = format!("in quotes, it can be: {}", words.join(", "));
                self.wrong_type("text", value, at, &help);
            }
        }
    }

    /// `${..}` where no variable is put in. Only what nothing prints may hold what may be a secret; a build command
    /// is left to the shell.
    fn has_variable(&mut self, text: &str, span: Option<Range<usize>>, at: At<'_>) -> bool {
        let secret = at.depth() == 4 && matches!(at.parent_name(), Some("config" | "env"));
        let command = at.depth() == 3 && at.name() == Some("build");
        let found = text.contains("${") && !secret && !command && !names_a_peer(at);
        if found {
            let help = "variables are put into the values of `config` and `env`, and into what a provider connects with: all else is shown in lists and logs";
            self.problems
                .push(span, "`${..}` has no meaning here", help);
        }
        found
    }

    fn text(&mut self, schema: &Map<String, Value>, text: &str, at: At<'_>) {
        if self.has_variable(text, self.source.value(&at), at) {
            return;
        }
        let (what, like, fault) = match schema.get("format").and_then(Value::as_str) {
            Some("byte-size") => (
                "size",
                "units are B, KiB, MiB and GiB: \"64MiB\"",
                text.parse::<ByteSize>().err(),
            ),
            Some("time-span") => (
                "time",
                "units are ms, s, m, h and d: \"500ms\"",
                text.parse::<TimeSpan>().err(),
            ),
            _ => return,
        };
        let Some(fault) = fault else { return };
        let help = match fault {
            UnitError::Number => {
                format!("write a whole number and its unit, without a space; {like}")
            }
            UnitError::TooLarge if what == "time" => "the longest is \"365d\"".to_owned(),
            _ => like.to_owned(),
        };
        let message = format!(
            "{} is no {what} for `{}`: {fault}",
            quoted(text),
            at.describe()
        );
        self.problems.push(self.source.value(&at), message, help);
    }

    fn range(&mut self, schema: &Map<String, Value>, number: Option<f64>, at: At<'_>) {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        // An `i64` always holds the few bounds there are; 2^32 - 1 is the type's own.
        let least = bound("minimum").unwrap_or(0.0);
        let most = bound("maximum").unwrap_or(f64::from(u32::MAX));
        if number.is_some_and(|number| (least..=most).contains(&number)) {
            return;
        }
        if at.describe() == "manifest" {
            let help = "this whirlwind reads version 1: manifest = 1";
            return self.problems.push(
                self.source.value(&at),
                "the version of the manifest is not known",
                help,
            );
        }
        let message = format!("`{}` must lie between {least} and {most}", at.describe());
        self.problems.push(
            self.source.value(&at),
            message,
            format!("write a number from {least} to {most}"),
        );
    }

    fn wrong_type(&mut self, wanted: &str, value: &Spanned<DeValue<'t>>, at: At<'_>, help: &str) {
        let found = match value.get_ref() {
            DeValue::Boolean(truth) => format!("`{truth}`"),
            DeValue::Float(_) => "a fraction".to_owned(),
            other => kind(other).words().to_owned(),
        };
        let message = format!("`{}` must be {wanted}, not {found}", at.describe());
        self.problems.push(self.source.value(&at), message, help);
    }
}

/// What a value is, in the words of the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Whole,
    Number,
    Truth,
    Date,
    List,
    Table,
}

impl Kind {
    fn named(name: Option<&Value>) -> Self {
        match name.and_then(Value::as_str) {
            Some("integer") => Self::Whole,
            Some("number") => Self::Number,
            Some("boolean") => Self::Truth,
            Some("array") => Self::List,
            Some("object") => Self::Table,
            _ => Self::Text,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Whole => "a whole number",
            Self::Number => "a number",
            Self::Truth => "true or false",
            Self::Date => "a date",
            Self::List => "a list",
            Self::Table => "a table",
        }
    }
}

fn type_of(schema: &Value) -> Kind {
    Kind::named(schema.get("type"))
}

fn kind(value: &DeValue<'_>) -> Kind {
    match value {
        DeValue::String(_) => Kind::Text,
        DeValue::Integer(_) => Kind::Whole,
        DeValue::Float(_) => Kind::Number,
        DeValue::Boolean(_) => Kind::Truth,
        DeValue::Datetime(_) => Kind::Date,
        DeValue::Array(_) => Kind::List,
        DeValue::Table(_) => Kind::Table,
    }
}

/// How to write it right. The example shows the key and the form, never the value: that may be long.
fn remedy(wanted: Kind, schema: &Map<String, Value>, found: &DeValue<'_>, at: &At<'_>) -> String {
    let key = at.describe();
    match (wanted, found) {
        (Kind::Text, _) => match schema.get("format").and_then(Value::as_str) {
            Some("byte-size") => {
                format!("write the number with its unit, in quotes: {key} = \"64MiB\"")
            }
            Some("time-span") => {
                format!("write the number with its unit, in quotes: {key} = \"5s\"")
            }
            _ if matches!(found, DeValue::Array(_) | DeValue::Table(_)) => {
                format!("write text: {key} = \"...\"")
            }
            _ => "put it in quotes".to_owned(),
        },
        (Kind::Whole | Kind::Number, DeValue::String(_)) => {
            "write the number without quotes".to_owned()
        }
        (Kind::Whole | Kind::Number, _) => format!("write a number: {key} = 1"),
        (Kind::List, DeValue::String(_)) => format!("put it in brackets: {key} = [\"...\"]"),
        (Kind::List, _) => format!("write a list: {key} = [\"...\"]"),
        (Kind::Table, _) if at.depth() == 2 => match at.parent_name() {
            Some(kind @ ("actor" | "supervisor" | "provider")) => {
                format!("each {kind} has a table of its own: [{kind}.NAME]")
            }
            Some("topic") => "each filter has a table of its own: [topic.\"FILTER\"]".to_owned(),
            _ => format!("write a table: {key} = {{ .. }}"),
        },
        (Kind::Table, _)
            if at.depth() == 1 && matches!(key.as_str(), "actor" | "supervisor" | "provider") =>
        {
            format!("write a table for each: [{key}.NAME]")
        }
        (Kind::Table, _) => format!("write a table: {key} = {{ .. }}"),
        (Kind::Truth | Kind::Date, _) => "write true or false".to_owned(),
    }
}

/// `[actor.decode]`, or the file as a whole.
fn table_name(at: Option<&At<'_>>) -> String {
    at.map_or_else(
        || "the manifest".to_owned(),
        |at| format!("[{}]", at.dotted()),
    )
}

/// Whether it is of what a provider connects with: where, as whom, and what it trusts.
fn names_a_peer(at: At<'_>) -> bool {
    const OWN: [&str; 5] = ["url", "client_id", "username", "password", "password_file"];
    const TLS: [&str; 3] = ["ca", "cert", "key"];
    let is_one_of = |names: &[&str]| at.name().is_some_and(|name| names.contains(&name));
    match at.depth() {
        3 => at.top_name() == Some("provider") && is_one_of(&OWN),
        4 => {
            at.top_name() == Some("provider") && at.parent_name() == Some("tls") && is_one_of(&TLS)
        }
        _ => false,
    }
}
