//! `${VARIABLES}` in the values of a manifest.

use std::collections::BTreeMap;
use std::env::{self, VarError};

use super::Secret;

/// All values together may not grow past this, in bytes: a megabyte of `${A}${A}..` with a long `A` would be gigabytes.
const MOST: usize = 1 << 20;

/// Where variables come from: those given by hand, then the environment of the process.
///
/// Only names that a manifest mentions are looked up. Nothing here prints a value.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    given: BTreeMap<String, Secret>,
    environment: bool,
}

impl Variables {
    /// None but those that [`with`](Self::with) adds.
    pub fn none() -> Self {
        Self::default()
    }

    /// The environment, read when a manifest names a variable.
    pub fn from_environment() -> Self {
        Self {
            given: BTreeMap::new(),
            environment: true,
        }
    }

    /// Adds one, which comes before the environment's.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.given.insert(name.into(), value.into());
        self
    }

    fn get(&self, name: &str) -> Result<String, Fault> {
        if let Some(value) = self.given.get(name) {
            return Ok(value.expose().to_owned());
        }
        match env::var_os(name).filter(|_| self.environment) {
            None => Err(Fault::Missing(name.to_owned())),
            Some(value) => value
                .into_string()
                .map_err(VarError::NotUnicode)
                .map_err(|_| Fault::NotText(name.to_owned())),
        }
    }
}

/// Why variables cannot be put in. It names variables and never holds a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    Missing(String),
    NotText(String),
    Unclosed,
    BadName(String),
    TooLong,
}

impl Fault {
    /// What is wrong and what to do.
    pub(super) fn words(&self) -> (String, String) {
        match self {
            Self::Missing(name) => (
                format!("the variable `{name}` is not set"),
                format!("set it in the environment, or give it with --var {name}=VALUE"),
            ),
            Self::NotText(name) => (
                format!("the variable `{name}` is not UTF-8 text"),
                format!("set it to text, or give it with --var {name}=VALUE"),
            ),
            Self::Unclosed => (
                "`${` without its `}`".to_owned(),
                "close it: ${NAME}; for the characters themselves write $${".to_owned(),
            ),
            Self::BadName(shown) => (
                format!("{shown} is no name of a variable"),
                "names are letters, digits and `_`, not beginning with a digit; for the characters themselves write $${"
                    .to_owned(),
            ),
            Self::TooLong => (
                format!("the values with their variables put in are longer than {} KiB", MOST / 1024),
                "give large data to the component in a bucket, not in its configuration".to_owned(),
            ),
        }
    }
}

/// Puts variables in, over all the values of a manifest.
pub(super) struct Substitution<'v> {
    variables: &'v Variables,
    left: usize,
}

impl<'v> Substitution<'v> {
    pub(super) fn new(variables: &'v Variables) -> Self {
        Self {
            variables,
            left: MOST,
        }
    }

    /// `${NAME}` becomes the variable's value, which is not looked at again; `$${` becomes `${`; all else stays.
    pub(super) fn apply(&mut self, text: &str) -> Result<Secret, Fault> {
        let mut value = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                self.add(&mut value, before)?;
                self.add(&mut value, "${")?;
                rest = after;
                continue;
            }
            self.add(&mut value, before)?;
            let (name, after) = after.split_once('}').ok_or(Fault::Unclosed)?;
            if !is_name(name) {
                return Err(Fault::BadName(crate::manifest::quoted(name)));
            }
            let variable = self.variables.get(name)?;
            self.add(&mut value, &variable)?;
            rest = after;
        }
        self.add(&mut value, rest)?;
        Ok(Secret::from(value))
    }

    fn add(&mut self, value: &mut String, part: &str) -> Result<(), Fault> {
        self.left = self.left.checked_sub(part.len()).ok_or(Fault::TooLong)?;
        value.push_str(part);
        Ok(())
    }
}

/// As the POSIX shell has them.
fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(text: &str) -> Result<String, Fault> {
        let variables = Variables::none().with("A", "1").with("B_2", "${A}");
        Substitution::new(&variables)
            .apply(text)
            .map(|value| value.expose().to_owned())
    }

    #[test]
    fn variables_are_put_in_once_and_only_where_they_are_named() {
        let table = [
            ("", ""),
            ("plain", "plain"),
            ("${A}", "1"),
            ("x${A}y${A}z", "x1y1z"),
            ("${B_2}", "${A}"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$A $ {A} } $", "$A $ {A} } $"),
        ];
        for (text, value) in table {
            assert_eq!(apply(text).as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_variable_is_a_fault() {
        let table = [
            ("${C}", Fault::Missing("C".to_owned())),
            ("${A", Fault::Unclosed),
            ("${}", Fault::BadName("\"\"".to_owned())),
            ("${1A}", Fault::BadName("`1A`".to_owned())),
            ("${A-x}", Fault::BadName("`A-x`".to_owned())),
            ("${A:-x}", Fault::BadName("`A:-x`".to_owned())),
        ];
        for (text, fault) in table {
            assert_eq!(apply(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn the_environment_is_read_only_when_asked_for_and_after_what_is_given() {
        // Cargo sets it for every test.
        let name = "CARGO_MANIFEST_DIR";
        let get = |variables: Variables| variables.get(name);
        assert_eq!(get(Variables::none()), Err(Fault::Missing(name.to_owned())));
        assert_eq!(
            get(Variables::from_environment()),
            Ok(env::var(name).unwrap())
        );
        assert_eq!(
            get(Variables::from_environment().with(name, "mine")),
            Ok("mine".to_owned())
        );
    }

    #[test]
    fn a_bomb_of_variables_is_refused() {
        let variables = Variables::none().with("A", "x".repeat(1000));
        let mut substitution = Substitution::new(&variables);
        assert!(substitution.apply(&"${A}".repeat(1000)).is_ok());
        assert_eq!(
            substitution.apply(&"${A}".repeat(1000)),
            Err(Fault::TooLong)
        );
    }
}
