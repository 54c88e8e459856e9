//! Documents as others write them, what event each is, and how it is written here.
//!
//! In `golden/` lie, for each case, `NAME.in.json`, `NAME.event.txt` and `NAME.out.json`; for a
//! batch the last two have a line for each event. All are written by hand from the rules and the
//! shapes of the examples in the JSON event format.

use std::fs;
use std::path::{Path, PathBuf};

use whirlwind_event::{Event, json};

/// The attributes and the data as a person writes them down.
fn described(event: &Event) -> String {
    let mut lines: Vec<String> = event
        .attributes()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    if let Some(media_type) = event.datacontenttype() {
        lines.push(format!("datacontenttype = {media_type}"));
    }
    if let Some(data) = event.data() {
        lines.push(format!("data = {}", data.escape_ascii()));
    }
    lines.join("\n") + "\n"
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/values/golden");
    let mut inputs: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".in.json"))
        .collect();
    inputs.sort();
    inputs
}

fn beside(input: &Path, ending: &str) -> String {
    let path = input.to_string_lossy().replace(".in.json", ending);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_document_is_the_event_and_the_output_beside_it() {
    let cases = cases();
    assert_eq!(cases.len(), 11);
    for input in cases {
        let name = input.display();
        let document = fs::read(&input).unwrap();
        let is_batch = document.starts_with(b"[");
        let events = if is_batch {
            json::batch_from_slice(&document)
        } else {
            json::from_slice(&document).map(|event| vec![event])
        };
        let events = events.unwrap_or_else(|error| panic!("{name}: {error}"));

        let description: Vec<String> = events.iter().map(described).collect();
        assert_eq!(
            description.join("\n"),
            beside(&input, ".event.txt"),
            "{name}"
        );

        let out = if is_batch {
            json::batch_to_vec(&events)
        } else {
            json::to_vec(&events[0])
        };
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out + "\n", beside(&input, ".out.json"), "{name}");
    }
}
