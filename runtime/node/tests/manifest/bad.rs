//! The tables in `tests/manifests/bad`: a name, a manifest, and what is said about it.
//!
//! Of each problem a table holds `LINE:COLUMN MESSAGE` and, under it, the remedy.

use std::fs;
use std::path::PathBuf;

use miette::Diagnostic;
use whirlwind::Manifest;

use super::{golden, load, path};

struct Case {
    name: String,
    manifest: String,
}

fn tables() -> Vec<PathBuf> {
    let entries = fs::read_dir(path("tests/manifests/bad")).unwrap();
    let mut tables: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    tables.sort();
    tables
}

fn cases(table: &str) -> Vec<Case> {
    let blocks = table.split("=== ").skip(1);
    blocks
        .map(|block| {
            let (name, rest) = block.split_once('\n').unwrap();
            let manifest = rest.split("---\n").next().unwrap();
            Case {
                name: name.to_owned(),
                manifest: manifest.to_owned(),
            }
        })
        .collect()
}

#[test]
fn every_bad_manifest_is_told_where_it_is_wrong_and_what_to_do() {
    let mut seen = 0;
    for table in tables() {
        let mut written = String::new();
        for case in cases(&fs::read_to_string(&table).unwrap()) {
            seen += 1;
            let error = load(&case.manifest).expect_err(&case.name);
            written += &format!("=== {}\n{}---\n", case.name, case.manifest);
            for problem in error.problems() {
                let place = problem.place.as_ref().expect(&case.name);
                assert!(
                    place.file.ends_with("greenhouse/whirlwind.toml"),
                    "{}",
                    case.name
                );
                let help = problem.help.as_ref().expect(&case.name);
                written += &format!(
                    "{}:{} {}\n  {help}\n",
                    place.line, place.column, problem.message
                );
            }
            written += "\n";
        }
        golden(&table, &written);
    }
    assert!(seen >= 150, "only {seen} cases were found");
}

const TWO: &str = "manifest = 1\n[actor.a]\n\tcomponent = 1\nsubscribe = [\n  \"ä\", 2\n]\n";

#[test]
fn a_printed_error_shows_each_line_and_marks_the_place() {
    let wanted = "\
whirlwind.toml:3:14: `component` must be text, not a whole number
  |
3 |  component = 1
  |              ^
  = help: put it in quotes

whirlwind.toml:5:8: `subscribe[1]` must be text, not a whole number
  |
5 |   \"ä\", 2
  |        ^
  = help: put it in quotes";
    let error = TWO.parse::<Manifest>().unwrap_err();
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn each_problem_is_a_miette_diagnostic() {
    let error = TWO.parse::<Manifest>().unwrap_err();
    let problem = &error.problems()[1];
    assert_eq!(
        problem.to_string(),
        "`subscribe[1]` must be text, not a whole number"
    );
    assert_eq!(
        Diagnostic::help(problem).unwrap().to_string(),
        "put it in quotes"
    );
    let label = problem.labels().unwrap().next().unwrap();
    let source = problem.source_code().unwrap();
    let marked = source.read_span(label.inner(), 0, 0).unwrap();
    assert_eq!(marked.line(), 4, "counted from 0");
    assert_eq!(&TWO[label.offset()..label.offset() + label.len()], "2");
}
