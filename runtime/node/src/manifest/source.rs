//! The text of a manifest with its places.
//!
//! A check names what it looks at by its path ([`At`]), `actor.decode.subscribe[1]`; the source knows where that
//! stands. So the types of the manifest carry no places, and a manifest made in code is checked by the same checks.

use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ManifestError, Problems, quoted};
use super::file::{MAX_MANIFEST, too_large};
use super::{Manifest, shape};

/// A parsed text.
pub(crate) struct Source<'t> {
    file: &'t str,
    text: Arc<str>,
    tree: Spanned<DeTable<'t>>,
}

/// One step of a path.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// A path into the manifest, each part leaning on the one before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

impl<'a> At<'a> {
    /// A table or key at the top.
    pub(crate) fn top(key: &'a str) -> Self {
        Self {
            parent: None,
            step: Step::Key(key),
        }
    }

    pub(crate) fn key(&'a self, key: &'a str) -> Self {
        Self {
            parent: Some(self),
            step: Step::Key(key),
        }
    }

    pub(crate) fn index(&'a self, index: usize) -> Self {
        Self {
            parent: Some(self),
            step: Step::Index(index),
        }
    }

    /// How many steps it has.
    pub(super) fn depth(&self) -> usize {
        self.steps().len()
    }

    /// The last step, when it is a key.
    pub(super) fn name(&self) -> Option<&'a str> {
        match self.step {
            Step::Key(name) => Some(name),
            Step::Index(_) => None,
        }
    }

    /// The table at the top that it lies in.
    pub(super) fn top_name(&self) -> Option<&'a str> {
        match self.parent {
            None => self.name(),
            Some(parent) => parent.top_name(),
        }
    }

    pub(super) fn parent_name(&self) -> Option<&'a str> {
        self.parent.and_then(At::name)
    }

    /// The key it is or lies in, without its table: `subscribe[1]`.
    pub(crate) fn describe(&self) -> String {
        match (self.step, self.parent) {
            (Step::Index(index), Some(parent)) => format!("{}[{index}]", parent.describe()),
            (Step::Index(index), None) => format!("[{index}]"),
            (Step::Key(name), _) => shown(name),
        }
    }

    /// The whole path, as TOML writes it: `topic."sensors/#"`.
    pub(crate) fn dotted(&self) -> String {
        let mut path = String::new();
        for step in self.steps() {
            match step {
                Step::Key(name) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&shown(name));
                }
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }

    fn steps(&self) -> Vec<Step<'a>> {
        let mut steps = self.parent.map_or_else(Vec::new, At::steps);
        steps.push(self.step);
        steps
    }
}

impl<'t> Source<'t> {
    /// Parses the text; the first fault of its grammar is the only one reported, as the others often follow from it.
    pub(crate) fn parse(file: &'t str, text: &'t str) -> Result<Self, ManifestError> {
        if text.len() as u64 > MAX_MANIFEST {
            return Err(too_large(file));
        }
        let shared: Arc<str> = text.into();
        match DeTable::parse(text) {
            Ok(tree) => Ok(Self {
                file,
                text: shared,
                tree,
            }),
            Err(error) => {
                let mut problems = Problems::new(file, shared);
                problems.push(
                    error.span(),
                    format!("this is not TOML: {}", error.message()),
                    help_for(error.message()),
                );
                Err(problems.into_error())
            }
        }
    }

    /// The manifest in the types, after keys and types are checked.
    pub(crate) fn manifest(&self) -> Result<Manifest, ManifestError> {
        let mut problems = self.problems();
        shape::check(self, &mut problems);
        if !problems.is_empty() {
            return Err(problems.into_error());
        }
        Manifest::deserialize(toml::Deserializer::from(self.tree.clone())).map_err(|error| {
            // What the shape check let through and the types refuse.
            problems.push(
                error.span(),
                error.message(),
                "docs/manifest.md lists every key",
            );
            problems.into_error()
        })
    }

    pub(super) fn tree(&self) -> &DeTable<'t> {
        self.tree.get_ref()
    }

    /// To gather what is wrong with it.
    pub(crate) fn problems(&self) -> Problems {
        Problems::new(self.file, Arc::clone(&self.text))
    }

    /// Where the value stands; of what is not written, the nearest thing around it that is.
    pub(crate) fn value(&self, at: &At<'_>) -> Option<Range<usize>> {
        self.find(at, false)
    }

    /// Where the key stands, of a table its header.
    pub(crate) fn key(&self, at: &At<'_>) -> Option<Range<usize>> {
        self.find(at, true)
    }

    fn find(&self, at: &At<'_>, want_key: bool) -> Option<Range<usize>> {
        let mut found = None;
        let mut table = Some(self.tree.get_ref());
        let mut array = None;
        for step in at.steps() {
            let (key, value) = match step {
                Step::Key(name) => {
                    let entry = table.and_then(|table| table.get_key_value(name));
                    match entry {
                        Some((key, value)) => (Some(key.span()), value),
                        None => break,
                    }
                }
                Step::Index(index) => {
                    match array.and_then(|array: &toml::de::DeArray<'t>| array.get(index)) {
                        Some(value) => (None, value),
                        None => break,
                    }
                }
            };
            // A table's own span is its first line or all of it: its name says more.
            let is_table = matches!(value.get_ref(), DeValue::Table(_));
            found = Some(match key {
                Some(key) if want_key || is_table => key,
                _ => value.span(),
            });
            table = value.get_ref().as_table();
            array = value.get_ref().as_array();
        }
        found
    }
}

/// A remedy for the slips that are made most.
fn help_for(message: &str) -> &'static str {
    if message.contains("duplicate key") {
        "each key and each table is written once: join the two, or give one another name"
    } else if message.contains("unquoted key") {
        "a key with other characters stands in quotes: [topic.\"sensors/#\"]"
    } else if message.contains("escaped value") {
        "in \"...\" a backslash is written twice; in '...' once"
    } else if message.contains("quoted") || message.contains("string value") {
        "text stands in quotes: \"like this\""
    } else if message.contains("recursion") {
        "no part of a manifest is nested this deeply"
    } else {
        "the format is TOML, see https://toml.io"
    }
}

/// A key as TOML writes it, bounded.
fn shown(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let quoted = quoted(name);
    let inner = quoted.trim_matches('`');
    if !name.is_empty() && name.chars().all(bare) {
        inner.to_owned()
    } else {
        format!("\"{inner}\"")
    }
}
