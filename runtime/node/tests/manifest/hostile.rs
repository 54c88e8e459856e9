//! Manifests from strangers: whatever they hold, there is an answer, soon, and nothing outside is touched.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use whirlwind::App;
use whirlwind::app::Variables;
use whirlwind::manifest::MAX_MANIFEST;

use super::{load, load_with, path};

fn told(text: impl AsRef<[u8]>) -> String {
    load_with(text, &Variables::none()).unwrap_err().to_string()
}

#[test]
fn what_is_no_manifest_file_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let load = |path: &Path| App::load(path, &Variables::none()).unwrap_err().to_string();

    let none = load(folder.path());
    assert!(
        none.starts_with("there is no whirlwind.toml in /"),
        "{none}"
    );
    assert!(
        none.ends_with("= help: name a manifest or a folder that holds a whirlwind.toml"),
        "{none}"
    );
    assert!(load(&at("absent.toml")).contains("absent.toml does not exist"));

    let _socket = UnixListener::bind(at("socket")).unwrap();
    assert!(load(&at("socket")).contains("socket is not a plain file"));
    assert!(load(Path::new("/dev/zero")).contains("/dev/zero is not a plain file"));

    symlink("loop", at("loop")).unwrap();
    assert!(load(&at("loop")).contains("does not exist"));

    fs::create_dir_all(at("folder/whirlwind.toml")).unwrap();
    assert!(load(&at("folder")).contains("is not a plain file"));
}

#[test]
fn a_manifest_is_read_up_to_its_limit() {
    let comment = "manifest = 1\n#".to_owned();
    let fits = comment.clone() + &"x".repeat(MAX_MANIFEST as usize - comment.len());
    assert!(load(&fits).is_ok());
    let error = told(fits + "x");
    assert!(
        error.contains("whirlwind.toml is larger than 1024 KiB"),
        "{error}"
    );
    let error = told(vec![b'a'; 10_000_000]);
    assert!(error.contains("is larger than 1024 KiB"), "{error}");
    assert!(
        "#".repeat(10_000_000)
            .parse::<whirlwind::Manifest>()
            .is_err()
    );
}

#[test]
fn text_that_is_not_utf8_is_placed() {
    let error = told(b"manifest = 1\n[app]\nname = \"\xff\"\n");
    assert!(
        error.contains("whirlwind.toml:3: the manifest is not UTF-8"),
        "{error}"
    );
}

#[test]
fn nesting_does_not_reach_the_stack() {
    const DEEP: usize = 100_000;
    let bombs = [
        format!("x = {}", "[".repeat(DEEP)),
        format!("x = {}{}", "[".repeat(DEEP), "]".repeat(DEEP)),
        format!("x = {}1{}", "{a=".repeat(DEEP), "}".repeat(DEEP)),
        format!("{}a = 1", "a.".repeat(DEEP)),
        format!("[{}a]", "a.".repeat(DEEP)),
        format!(
            "[actor.a]\ncomponent = \"x\"\nconfig{} = \"1\"",
            ".a".repeat(DEEP)
        ),
        format!("[actor.a]\nlinks = {}", "{keyvalue=[".repeat(DEEP)),
        format!("[[{}a]]", "a.".repeat(DEEP)),
    ];
    for bomb in bombs {
        let error = told(format!("manifest = 1\n{bomb}\n"));
        assert!(error.len() < 5000, "{} bytes of error", error.len());
    }
}

#[test]
fn a_deep_tree_of_supervisors_is_refused_and_a_sane_one_is_not() {
    let tree = |depth: usize| {
        let mut text = "manifest = 1\n[actor.a]\ncomponent = \"a\"\n".to_owned();
        for level in 1..depth {
            writeln!(
                text,
                "[supervisor.s{level}]\nchildren = [\"s{}\"]",
                level + 1
            )
            .unwrap();
        }
        writeln!(text, "[supervisor.s{depth}]\nchildren = [\"a\"]").unwrap();
        text
    };
    assert!(load(&tree(31)).is_ok());
    let error = told(tree(32));
    assert!(
        error.contains("[supervisor.s32] lies more than 32 supervisors deep"),
        "{error}"
    );
    let error = told(tree(15_000));
    assert!(error.ends_with("more"), "{error}");
}

/// A megabyte of faults of each kind. Where one costs a look at all the others, this takes hours.
#[test]
fn many_faults_are_counted_and_the_first_are_told() {
    let many = |head: &str, one: &dyn Fn(usize) -> String, tail: &str| {
        let mut text = format!("manifest = 1\n{head}");
        for index in 0.. {
            let next = one(index);
            if text.len() + next.len() + tail.len() > MAX_MANIFEST as usize - 10 {
                break;
            }
            text += &next;
        }
        text + tail
    };
    let actor = "[actor.a]\ncomponent = \"a\"\n";
    let bombs = [
        many("", &|n| format!("k{n} = 1\n"), ""),
        many("", &|n| format!("[actor.a{n}]\n"), ""),
        many("", &|n| format!("[actor.A{n}]\ncomponent=\"\"\n"), ""),
        many("", &|n| format!("[supervisor.s{n}]\n"), ""),
        many(
            "",
            &|n| format!("[supervisor.s{n}]\nchildren=[\"s{n}\",\"x\"]\n"),
            "",
        ),
        many(
            "[supervisor.root]\nchildren = [",
            &|n| format!("\"c{n}\","),
            "]\n",
        ),
        many(
            &format!("{actor}subscribe = ["),
            &|_| "\"\",".to_owned(),
            "]\n",
        ),
        many(
            &format!("{actor}publish = ["),
            &|_| "\"x\",".to_owned(),
            "]\n",
        ),
        many(
            &format!("{actor}config = {{"),
            &|n| format!("k{n}=\"${{A}}\","),
            "}\n",
        ),
        many(
            actor,
            &|n| format!("[provider.p{n}]\ntype=\"sled\"\npath=\"x\"\n"),
            "",
        ),
        many("", &|n| format!("[topic.\"#/{n}\"]\n"), ""),
        many(
            "[provider.p]\ntype=\"memory\"\n",
            &|n| format!("[actor.a{n}]\ncomponent=\"a\"\nlinks.keyvalue=\"q\"\n"),
            "",
        ),
    ];
    for (index, bomb) in bombs.iter().enumerate() {
        let error = load_with(bomb, &Variables::none()).unwrap_err();
        assert!(error.problems().len() <= 100, "bomb {index}");
        let shown = error.to_string();
        assert!(shown.ends_with(" more"), "bomb {index}: {shown}");
        assert!(shown.len() < 40_000, "bomb {index}: {} bytes", shown.len());
    }
}

#[test]
fn a_large_good_manifest_is_good() {
    let mut text = "manifest = 1\n[provider.p]\ntype = \"memory\"\n".to_owned();
    for actor in 0..5000 {
        writeln!(text, "[actor.a{actor}]\ncomponent = \"a.wasm\"\nsubscribe = [\"t/{actor}/+\"]\nlinks.keyvalue = \"p/{actor}\"")
            .unwrap();
    }
    assert_eq!(load(&text).unwrap().root.children.len(), 5000);
}

#[test]
fn nothing_in_a_manifest_reaches_the_terminal_as_a_command() {
    let texts = [
        "manifest = 1\n\"\\u001b[2J\" = 1\n",
        "manifest = 1\n[app]\nname = \"\u{202e}x\"\n",
        "manifest = 1\n[app]\nname = \"\\u001b]0;x\\u0007\"\n",
        "manifest = 1\n[actor.a]\ncomponent = \"a\"\nsubscribe = [\"\\u001b+\"]\n",
        "manifest = 1\n[app]\nname = '\u{9b}31m'\n",
        "manifest = 1\nx = \u{1b}[31m\n",
        "manifest = 1\n[supervisor.\"\\u001bx\"]\n",
        "manifest = 1\n[supervisor.\"\\u001bx\"]\nchildren = [\"\\u001bx\"]\n",
        "manifest = 1\n[actor.a]\ncomponent=\"x\"\nlinks.keyvalue.\"\\u001bx\" = 1\n",
    ];
    for text in texts {
        let shown = told(text);
        let command = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!shown.contains(command), "{shown:?}");
    }
}

#[test]
fn a_line_of_a_megabyte_is_shown_around_the_place() {
    let text = format!(
        "manifest = 1\n[app]\nname = \"{}\"  # {}\n",
        "ä".repeat(100_000),
        "x".repeat(100_000)
    );
    let shown = told(text);
    assert!(shown.len() < 2000, "{} bytes", shown.len());
    let text = format!("manifest = 1\nx = [{}, é é]\n", "\"ä\"".repeat(10_000));
    assert!(told(text).len() < 2000);
}

/// A small generator of numbers, so that a mutation that hurts can be had again from its number.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// Bytes changed, cut, doubled and swapped in good manifests and in all bad ones.
#[test]
fn mutated_manifests_never_panic() {
    let mut texts: Vec<String> = Vec::new();
    for entry in fs::read_dir(path("tests/manifests/bad")).unwrap() {
        let table = fs::read_to_string(entry.unwrap().path()).unwrap();
        texts.extend(table.split("=== ").skip(1).map(|case| {
            let (_, rest) = case.split_once('\n').unwrap();
            rest.split("---\n").next().unwrap().to_owned()
        }));
    }
    let page = fs::read_to_string(path("../../docs/manifest.md")).unwrap();
    texts.extend(
        page.split("```toml\n")
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap().to_owned()),
    );

    const SPICE: [&[u8]; 16] = [
        b"\"",
        b"[",
        b"]",
        b"{",
        b"}",
        b"=",
        b".",
        b"\n",
        b"${",
        b"\xff",
        b"\0",
        b"'''",
        b"\"\"\"",
        b"-1",
        "é".as_bytes(),
        b"#",
    ];
    for seed in 0..600 {
        let mut dice = Dice(seed);
        let mut text = texts[dice.below(texts.len())].clone().into_bytes();
        for _ in 0..=dice.below(6) {
            let at = dice.below(text.len());
            let to = (at + dice.below(20)).min(text.len());
            match dice.below(5) {
                0 => drop(text.drain(at..to)),
                1 => drop(text.splice(at..to, SPICE[dice.below(SPICE.len())].iter().copied())),
                2 => {
                    let piece = text[at..to].to_vec();
                    let into = dice.below(text.len());
                    drop(text.splice(into..into, piece));
                }
                3 => text.truncate(at),
                _ => {
                    if let Some(byte) = text.get_mut(at) {
                        *byte = dice.below(256) as u8;
                    }
                }
            }
        }
        if let Err(error) = load_with(&text, &Variables::none()) {
            assert!(!error.problems().is_empty(), "seed {seed}");
            assert!(!error.to_string().is_empty(), "seed {seed}");
        }
    }
}

#[test]
fn no_hostile_path_of_a_provider_is_taken() {
    let ups = ["..", "../..", "a/..", "a/../..", "./..", "..//..", "../a"];
    let roots = ["/", "//", "/./", "/../", "/tmp/", "./", "", "a/"];
    let mut seen = 0;
    for root in roots {
        for up in ups {
            for tail in ["", "/", "/x", "/../x"] {
                let text = format!(
                    "manifest = 1\n[provider.p]\ntype = \"sled\"\npath = \"{root}{up}{tail}\"\n"
                );
                assert!(load(&text).is_err(), "{text}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 200, "{seen}");
}
