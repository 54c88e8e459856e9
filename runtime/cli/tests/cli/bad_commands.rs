//! What is wrong with a command line, a manifest or a component, one row each: the input, the exit status, and words that must
//! be in the answer.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::bed::{Said, run};

/// Every failure says what it is on standard error, and nothing on standard output.
fn holds(said: &Said, status: i32, words: &[&str]) -> Result<(), String> {
    let problem = if said.status != status {
        format!("status {} instead of {status}", said.status)
    } else if !said.out.is_empty() {
        format!("standard output has {:?}", said.out)
    } else if !said.err.contains("error: ") {
        "no line begins with `error: `".to_owned()
    } else if said.err.contains("panicked") {
        "it panicked".to_owned()
    } else if let Some(word) = words.iter().find(|word| !said.err.contains(**word)) {
        format!("{word:?} is not said")
    } else {
        return Ok(());
    };
    Err(format!("{problem}:\n{}", said.err))
}

fn check(folder: &Path, table: &[(&str, i32, &[&str])]) {
    let mut wrong = Vec::new();
    for (line, status, words) in table {
        let args: Vec<&str> = line
            .split_whitespace()
            .map(|word| if word == "''" { "" } else { word })
            .collect();
        if let Err(problem) = holds(&run(folder, &args), *status, words) {
            wrong.push(format!("$ whirlwind {line}\n{problem}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        table.len(),
        wrong.join("\n")
    );
}

/// In an empty folder: all of these are found wrong before anything is looked for.
const COMMANDS: &[(&str, i32, &[&str])] = &[
    // Verbs.
    ("foo", 2, &["unrecognized subcommand 'foo'"]),
    ("upp", 2, &["similar", "'up'"]),
    ("chekc", 2, &["similar", "'check'"]),
    ("help", 2, &["unrecognized subcommand 'help'"]),
    ("dead lst", 2, &["similar", "'list'"]),
    ("dead show x", 2, &["invalid value 'x'", "ID"]),
    ("dead drop", 2, &["required", "ID"]),
    ("dead drop 1 --all", 2, &["cannot be used with"]),
    (
        "dead drop 1 --json",
        2,
        &["`dead drop` has nothing to print as JSON"],
    ),
    ("restrat a", 2, &["similar", "'restart'"]),
    ("bench", 2, &["required", "<TOPIC>"]),
    ("bench $sys/x", 2, &["the node's own"]),
    ("bench ping --rate 10", 2, &["such as 100/s"]),
    ("bench ping --window 0", 2, &["'0'", "--window <N>"]),
    ("bench ping --window 513", 2, &["'513'", "1..=512"]),
    (
        "bench ping --payload 100",
        2,
        &["the unit is missing", "100B"],
    ),
    ("bench ping --payload 19B", 2, &["between 20B", "1MiB"]),
    ("bench ping --payload 2MiB", 2, &["between 20B", "1MiB"]),
    ("bench ping x --payload 100B", 2, &["cannot be used with"]),
    ("bench ping --topics 0", 2, &["'0'", "--topics <K>"]),
    ("bench ping --count 0", 2, &["'0'", "--count <N>"]),
    ("bench ping --for 10", 2, &["the unit is missing", "10s"]),
    ("bench ping --reply a/#/b", 2, &["goes on after the \"#\""]),
    ("bench ping --grace 1s", 2, &["--reply <FILTER>"]),
    ("UP", 2, &["unrecognized subcommand 'UP'"]),
    ("--bogus ps", 2, &["unexpected argument '--bogus'"]),
    ("-x", 2, &["unexpected argument '-x'"]),
    ("ps extra", 2, &["unexpected argument 'extra'"]),
    ("tree extra", 2, &["unexpected argument 'extra'"]),
    ("stop extra", 2, &["unexpected argument 'extra'"]),
    ("ps --node", 2, &["a value is required for '--node <PATH>'"]),
    (
        "ps --data-dir",
        2,
        &["a value is required for '--data-dir <DIR>'"],
    ),
    ("ps --jsn", 2, &["unexpected argument '--jsn'", "'--json'"]),
    ("ps --json --json", 2, &["cannot be used multiple times"]),
    ("ps --json=yes", 2, &["unexpected value 'yes' for '--json'"]),
    // Global flags that mean nothing to a verb.
    (
        "ps --node x --data-dir y",
        2,
        &["--node and --data-dir both name a node", "choose one"],
    ),
    (
        "up --node x",
        2,
        &["`up` asks no running node", "whirlwind up x"],
    ),
    (
        "--node x build",
        2,
        &["`build` asks no running node", "whirlwind build x"],
    ),
    (
        "check --node x",
        2,
        &["`check` asks no running node", "whirlwind check x"],
    ),
    (
        "completions bash --node x",
        2,
        &["`completions` asks no running node", "leave out --node"],
    ),
    (
        "build --data-dir x",
        2,
        &["`build` touches no data", "leave out --data-dir"],
    ),
    (
        "completions bash --data-dir x",
        2,
        &["`completions` touches no data"],
    ),
    (
        "stop --json",
        2,
        &["`stop` has nothing to print as JSON", "leave out --json"],
    ),
    ("--json stop", 2, &["`stop` has nothing to print as JSON"]),
    ("build --json", 2, &["`build` has nothing to print as JSON"]),
    (
        "completions bash --json",
        2,
        &["`completions` has nothing to print as JSON"],
    ),
    ("up --json", 2, &["only with --sub"]),
    ("kv get counters k --json", 2, &["bytes as they are"]),
    (
        "kv set counters k v --json",
        2,
        &["`kv set` has nothing to print as JSON"],
    ),
    (
        "kv delete counters k --json",
        2,
        &["`kv delete` has nothing to print as JSON"],
    ),
    // up
    ("up --raw", 2, &["--sub <FILTER>"]),
    ("up --count 1", 2, &["--sub <FILTER>"]),
    ("up --sub pong --count 0", 2, &["'0'", "--count <N>"]),
    ("up --sub pong --count -1", 2, &["'-1'"]),
    ("up --sub pong --count x", 2, &["'x'", "--count <N>"]),
    (
        "up --sub pong --count 99999999999999999999",
        2,
        &["--count <N>"],
    ),
    ("up --sub pong --raw --json", 2, &["two ways", "choose one"]),
    ("up --json --sub pong --raw", 2, &["two ways", "choose one"]),
    (
        "up --sub a/#/b",
        2,
        &["--sub <FILTER>", "goes on after the \"#\" at level 2"],
    ),
    ("up --sub a+", 2, &["beside other characters"]),
    ("up --sub ''", 2, &["topic filter is empty"]),
    (
        "up --pub ping",
        2,
        &["write TOPIC=DATA, such as ping=hello"],
    ),
    ("up --pub =x", 2, &["topic is empty"]),
    ("up --pub a/+=x", 2, &["has the wildcard \"+\" at level 2"]),
    (
        "up --pub $sys/x=y",
        2,
        &["topics that begin with `$` are the node's own"],
    ),
    ("up --for", 2, &["--for <TIME>"]),
    (
        "up --for 10",
        2,
        &["the unit is missing", "such as 500ms, 10s or 5m"],
    ),
    ("up --for s", 2, &["whole number", "such as 500ms"]),
    ("up --for 1.5s", 2, &["whole number"]),
    ("up --for 10sec", 2, &["unit is not known"]),
    ("up --for -1s", 2, &["'-1'"]),
    ("up --for 999d", 2, &["too large"]),
    (
        "up --var =v",
        2,
        &["a --var has no name", "write --var KEY=VALUE"],
    ),
    ("up --var", 2, &["--var <KEY=VALUE>"]),
    ("up a b", 2, &["unexpected argument 'b'"]),
    ("up --build --build", 2, &["cannot be used multiple times"]),
    ("check a b", 2, &["unexpected argument 'b'"]),
    ("build a b", 2, &["unexpected argument 'b'"]),
    // pub
    ("pub", 2, &["<TOPIC>"]),
    ("pub ''", 2, &["topic is empty"]),
    ("pub a/+ x", 2, &["wildcard \"+\" at level 2"]),
    ("pub # x", 2, &["wildcard \"#\" at level 1"]),
    (
        "pub $sys/actor x",
        2,
        &["topics that begin with `$` are the node's own"],
    ),
    ("pub ping x y", 2, &["unexpected argument 'y'"]),
    ("pub ping x --file f", 2, &["cannot be used with"]),
    ("pub ping --file", 2, &["--file <PATH>"]),
    (
        "pub ping --tpye x",
        2,
        &["unexpected argument '--tpye'", "'--type'"],
    ),
    ("pub ping x --id a --count 2", 2, &["cannot be used with"]),
    ("pub ping - --id a", 2, &["cannot share an --id"]),
    (
        "pub ping - --count 2",
        2,
        &["an event for each line", "`--file -`"],
    ),
    (
        "pub ping x --rate 5/s",
        2,
        &["--rate paces many events", "--count N"],
    ),
    ("pub ping x --count 2 --rate 5", 2, &["such as 100/s"]),
    (
        "pub ping x --count 2 --rate 0/s",
        2,
        &["between 0.001/s and 1000000/s"],
    ),
    ("pub ping x --count 2 --rate -1/s", 2, &["'-1'"]),
    ("pub ping x --count 2 --rate NaN/s", 2, &["between"]),
    ("pub ping x --count 2 --rate inf/s", 2, &["between"]),
    ("pub ping x --count 2 --rate 5/min", 2, &["such as 100/s"]),
    ("pub ping x --count 0", 2, &["--count <N>"]),
    ("pub ping x --ext a", 2, &["write NAME=VALUE"]),
    ("pub ping x --ext =v", 2, &["write NAME=VALUE"]),
    ("pub ping x --ext A=v", 2, &["\"A\""]),
    ("pub ping x --ext a-b=v", 2, &["\"a-b\""]),
    ("pub ping x --ext id=v", 2, &["id"]),
    ("pub ping x --ext data=v", 2, &["data"]),
    (
        "pub ping x --ext a=1 --ext a=2",
        2,
        &["extension `a` is given twice"],
    ),
    ("pub ping x --id ''", 2, &["\"id\" is empty"]),
    ("pub ping x --type ''", 2, &["\"type\" is empty"]),
    ("pub ping x --source ''", 2, &["\"source\" is empty"]),
    ("pub ping x --source a^b", 2, &["source", "\"a^b\""]),
    ("pub ping x --content-type text", 2, &["\"text\""]),
    ("pub ping x --raw", 2, &["unexpected argument '--raw'"]),
    // sub
    ("sub", 2, &["<FILTER>"]),
    ("sub ''", 2, &["topic filter is empty"]),
    ("sub a/#/b", 2, &["must be the last level"]),
    ("sub a#", 2, &["beside other characters"]),
    ("sub a b", 2, &["unexpected argument 'b'"]),
    ("sub a --count 0", 2, &["--count <N>"]),
    ("sub a --timeout 5", 2, &["the unit is missing"]),
    ("sub a --timeout soon", 2, &["whole number"]),
    ("sub a --raw --json", 2, &["two ways", "choose one"]),
    ("--json sub a --raw", 2, &["two ways", "choose one"]),
    // kv
    ("kv peek a b", 2, &["unrecognized subcommand 'peek'"]),
    ("kv get", 2, &["<PROVIDER[/BUCKET]>", "<KEY>"]),
    ("kv get counters", 2, &["<KEY>"]),
    ("kv get / k", 2, &["write PROVIDER, or PROVIDER/BUCKET"]),
    (
        "kv get counters/ k",
        2,
        &["write PROVIDER, or PROVIDER/BUCKET"],
    ),
    ("kv get /x k", 2, &["write PROVIDER, or PROVIDER/BUCKET"]),
    ("kv get '' k", 2, &["PROVIDER"]),
    ("kv get counters k v", 2, &["unexpected argument 'v'"]),
    ("kv set counters k", 2, &["<VALUE>"]),
    ("kv set counters k v --file f", 2, &["cannot be used with"]),
    ("kv list", 2, &["<PROVIDER[/BUCKET]>"]),
    ("kv list counters k", 2, &["unexpected argument 'k'"]),
    ("kv delete counters", 2, &["<KEY>"]),
    // scale, restart, kill, reload
    ("scale", 2, &["<ACTOR=N>"]),
    ("scale a", 2, &["write ACTOR=N, such as pingpong=4"]),
    ("scale =2", 2, &["write ACTOR=N"]),
    ("scale a=0", 2, &["at least 1 instance"]),
    ("scale a=-1", 2, &["`-1` is no number of instances"]),
    ("scale a=many", 2, &["`many` is no number of instances"]),
    ("scale a=4294967296", 2, &["is no number of instances"]),
    ("scale a=1 b=1", 2, &["unexpected argument 'b=1'"]),
    (
        "scale a=1 --json",
        2,
        &["`scale` has nothing to print as JSON"],
    ),
    ("restart", 2, &["<ACTOR>"]),
    ("restart a b", 2, &["unexpected argument 'b'"]),
    (
        "restart a --json",
        2,
        &["`restart` has nothing to print as JSON"],
    ),
    ("kill", 2, &["<ACTOR>"]),
    ("kill a --json", 2, &["`kill` has nothing to print as JSON"]),
    ("reload", 2, &["<ACTOR>"]),
    ("reload a b c", 2, &["unexpected argument 'c'"]),
    (
        "reload a --json",
        2,
        &["`reload` has nothing to print as JSON"],
    ),
    // completions
    ("completions", 2, &["<SHELL>"]),
    ("completions tcsh", 2, &["'tcsh'", "bash", "zsh"]),
    // Files that are not there.
    ("pub ping --file nowhere", 1, &["nowhere cannot be read"]),
    (
        "kv set counters k --file nowhere",
        1,
        &["nowhere cannot be read"],
    ),
    ("up", 3, &["no whirlwind.toml"]),
    ("up nowhere", 3, &["nowhere does not exist"]),
    ("up nowhere/whirlwind.toml --build", 3, &["does not exist"]),
    ("up ''", 2, &["PATH"]),
    ("check", 3, &["no whirlwind.toml", "help: "]),
    ("check nowhere", 3, &["nowhere does not exist", "help: "]),
    ("build", 3, &["no whirlwind.toml", "help: "]),
    ("build /dev/null", 3, &["not a plain file"]),
];

#[test]
fn a_bad_command_says_what_is_wrong_with_it() {
    check(TempDir::new().unwrap().path(), COMMANDS);
}

const ACTOR: &str = "manifest = 1\n[actor.a]\ncomponent = \"a.wasm\"\n";

#[test]
fn a_bad_manifest_ends_every_verb_that_reads_one_with_3_and_its_place() {
    let rows: &[(&str, &[&str])] = &[
        (
            "manifest = 1\n[actor.a]\ncomponent = \"a.wasm\"\nsubscibe = [\"x\"]\n",
            &["whirlwind.toml:4:1", "did you mean `subscribe`?"],
        ),
        (
            "manifest = 1\n[actor.a]\ncomponent = \"a.wasm\"\nsubscribe = [\"a/#/b\"]\n",
            &["whirlwind.toml:4:"],
        ),
        (
            "manifest = 1\n[actor.a]\ncomponent = \n",
            &["whirlwind.toml:3:"],
        ),
        ("manifest = 1\n[actor.a]\n", &["component"]),
        ("manifest = 2\n", &["whirlwind.toml:1:"]),
        (
            "manifest = 1\n[actor.a]\ncomponent = \"a.wasm\"\nlinks = { keyvalue = \"stat\" }\n[provider.state]\ntype = \"memory\"\n",
            &["whirlwind.toml:4:", "did you mean `state`?"],
        ),
        (
            "manifest = 1\n[actor.a]\ncomponent = \"a.wasm\"\nenv = { A = \"${NOT_SET_ANYWHERE}\" }\n",
            &["NOT_SET_ANYWHERE", "--var"],
        ),
        ("", &["manifest"]),
    ];
    for (manifest, words) in rows {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("whirlwind.toml"), manifest).unwrap();
        for verb in ["up", "check", "build"] {
            if let Err(problem) = holds(&run(folder.path(), &[verb]), 3, words) {
                panic!("{verb} with {manifest:?}: {problem}");
            }
        }
    }
}

#[test]
fn a_value_of_a_variable_is_never_repeated() {
    let folder = TempDir::new().unwrap();
    fs::write(
        folder.path().join("whirlwind.toml"),
        format!("{ACTOR}max_hops = \"${{V}}\"\nenv = {{ A = \"${{V}}\" }}\n"),
    )
    .unwrap();
    for args in [
        &["check", "--var", "V=canary7"][..],
        &["check", "--var", "canary7"],
        &["up", "--var", "=canary7", "--var", "V=canary7"],
    ] {
        let said = run(folder.path(), args);
        assert_ne!(said.status, 0);
        assert!(!said.err.contains("canary7"), "{args:?}: {}", said.err);
    }
}

/// A component's file, if there is one, what else the manifest says of the actor, and words.
type Bad = (Option<&'static [u8]>, &'static str, &'static [&'static str]);

#[test]
fn a_component_that_is_missing_or_none_ends_with_4() {
    let rows: &[Bad] = &[
        (None, "", &["actor `a` is missing", "a.wasm", "[actor.a]"]),
        (
            None,
            "build = \"true\"\n",
            &["a.wasm", "whirlwind build", "--build"],
        ),
        (Some(b""), "", &["`a`"]),
        (Some(b"hello"), "", &["`a`"]),
        (Some(b"\0asm\x01\0\0\0"), "", &["`a`"]),
        (Some(b"\0asm\x0d\0\x01\0\xff"), "", &["`a`"]),
    ];
    for (bytes, more, words) in rows {
        let folder = TempDir::new().unwrap();
        fs::write(
            folder.path().join("whirlwind.toml"),
            format!("{ACTOR}{more}"),
        )
        .unwrap();
        if let Some(bytes) = bytes {
            fs::write(folder.path().join("a.wasm"), bytes).unwrap();
        }
        for verb in ["up", "check"] {
            if let Err(problem) = holds(&run(folder.path(), &[verb]), 4, words) {
                panic!("{verb} with {bytes:?}: {problem}");
            }
        }
    }
}

#[test]
fn a_log_filter_that_is_none_is_a_usage_error() {
    let mut command = crate::bed::whirlwind(Path::new("/"));
    let output = command
        .env("WHIRLWIND_LOG", "whirlwind=loud")
        .args(["completions", "bash"])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("WHIRLWIND_LOG") && error.contains("help:"),
        "{error}"
    );
}
