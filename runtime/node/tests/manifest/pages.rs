//! The pages that describe the manifest say what is so.

use std::fs;

use serde_json::Value;
use whirlwind::app::Variables;
use whirlwind::manifest::json_schema;
use whirlwind::{App, Manifest};

use super::{golden, load, path};

fn page() -> String {
    fs::read_to_string(path("../../docs/manifest.md")).unwrap()
}

/// The first example under a heading.
fn example(heading: &str) -> String {
    let page = page();
    let (_, section) = page
        .split_once(heading)
        .unwrap_or_else(|| panic!("no heading {heading}"));
    let (_, code) = section.split_once("```toml\n").unwrap();
    code.split_once("```").unwrap().0.to_owned()
}

/// Every key of every table, out of the schema.
fn keys(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties") {
                found.extend(properties.keys().cloned());
            }
            object.values().for_each(|value| keys(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn manifest_schema_is_current() {
    let schema = serde_json::to_string_pretty(json_schema()).unwrap() + "\n";
    golden(&path("../../docs/manifest.schema.json"), &schema);
}

#[test]
fn every_example_on_the_page_is_good() {
    let page = page();
    let examples = page.split("```toml\n").skip(1);
    let whole = examples
        .map(|rest| rest.split("```").next().unwrap())
        .filter(|code| code.contains("manifest = 1"));
    let mut seen = 0;
    for code in whole {
        load(code).unwrap_or_else(|error| panic!("{error}"));
        seen += 1;
    }
    assert!(seen >= 2, "{seen} examples");
}

#[test]
fn the_whole_form_has_every_key_and_the_page_names_each() {
    let mut names = Vec::new();
    keys(json_schema(), &mut names);
    assert!(names.len() > 30, "{names:?}");
    let (page, form) = (page(), example("## The whole form"));
    for name in names {
        // A key by itself, a table by its heading.
        assert!(
            page.contains(&format!("`{name}`")) || page.contains(&format!("[{name}.")),
            "docs/manifest.md does not name `{name}`"
        );
        let words = form.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        assert!(
            words.into_iter().any(|word| word == name),
            "the whole form does not use `{name}`"
        );
    }
}

#[test]
fn what_the_page_calls_the_defaults_is_what_holds() {
    let bare = "manifest = 1\n[actor.a]\ncomponent = \"a.wasm\"\n";
    let written = format!("{bare}{}", example("## Defaults"));
    let table: Manifest = written.parse().unwrap();
    let defaults = &table.defaults;
    assert!(defaults.restart.is_some() && defaults.max_hops.is_some() && defaults.drain.is_some());
    assert!(table.supervisor["root"].backoff.jitter.is_some());

    let (bare, written) = (load(bare).unwrap(), load(&written).unwrap());
    assert_eq!(bare.actors["a"].mailbox, written.actors["a"].mailbox);
    assert_eq!(bare.actors["a"].limits, written.actors["a"].limits);
    assert_eq!(bare.actors["a"].retry, written.actors["a"].retry);
    assert_eq!(bare.actors["a"].restart, written.actors["a"].restart);
    assert_eq!(bare.actors["a"].max_hops, written.actors["a"].max_hops);
    assert_eq!(bare.actors["a"].drain, written.actors["a"].drain);
    assert_eq!(bare.root, written.root);
}

#[test]
fn the_manifests_of_the_actors_here_are_good() {
    let mut seen = 0;
    let variables = Variables::none().with("MQTT_URL", "mqtt://localhost");
    for entry in fs::read_dir(path("../../actors")).unwrap() {
        let manifest = entry.unwrap().path().join("whirlwind.toml");
        if manifest.exists() {
            App::load(&manifest, &variables).unwrap_or_else(|error| panic!("{error}"));
            seen += 1;
        }
    }
    assert!(seen >= 1);
}
