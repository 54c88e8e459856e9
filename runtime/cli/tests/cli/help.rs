//! What is printed for whoever asks.

use std::path::Path;

use crate::bed::run;

const VERBS: [&[&str]; 25] = [
    &["up"],
    &["build"],
    &["check"],
    &["doctor"],
    &["pub"],
    &["sub"],
    &["bench"],
    &["ps"],
    &["tree"],
    &["dead"],
    &["dead", "list"],
    &["dead", "show"],
    &["dead", "redeliver"],
    &["dead", "drop"],
    &["kv"],
    &["kv", "get"],
    &["kv", "set"],
    &["kv", "list"],
    &["kv", "delete"],
    &["scale"],
    &["restart"],
    &["kill"],
    &["reload"],
    &["stop"],
    &["completions"],
];

#[test]
fn help_is_as_it_was_read_and_found_good() {
    let mut text = run(Path::new("/"), &["--help"]).out;
    for verb in VERBS {
        let mut args = verb.to_vec();
        args.push("--help");
        let said = run(Path::new("/"), &args);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{verb:?}");
        text.push_str(&format!(
            "\n$ whirlwind {} --help\n{}",
            verb.join(" "),
            said.out
        ));
    }
    insta::assert_snapshot!("help", text);
}

#[test]
fn the_page_of_commands_knows_every_verb_and_flag() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
    let page = std::fs::read_to_string(page).unwrap();
    for verb in VERBS {
        let name = verb.last().unwrap();
        assert!(
            page.contains(&format!("`{name}`")),
            "{name} is not on the page"
        );
        let help = run(Path::new("/"), &[verb, &["--help"]].concat()).out;
        let words = help
            .split_whitespace()
            .filter(|word| word.starts_with("--"));
        for flag in
            words.map(|word| word.trim_matches(|c: char| !c.is_ascii_alphabetic() && c != '-'))
        {
            let known = flag == "--help"
                || page.contains(&format!("`{flag}"))
                || page.contains(&format!("{flag} "));
            assert!(known, "{flag} of {name} is not on the page");
        }
    }
}

#[test]
fn every_shell_gets_completions_that_know_the_verbs() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let said = run(Path::new("/"), &["completions", shell]);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{shell}");
        for word in ["check", "completions", "data-dir"] {
            assert!(said.out.contains(word), "{shell} does not know {word}");
        }
    }
}

#[test]
fn the_version_is_on_standard_output() {
    let said = run(Path::new("/"), &["--version"]);
    assert_eq!(
        (said.status, said.out),
        (0, format!("whirlwind {}\n", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn without_a_verb_the_help_goes_to_standard_error() {
    for args in [&[][..], &["kv"]] {
        let said = run(Path::new("/"), args);
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{args:?}");
        assert!(said.err.contains("Usage: whirlwind"), "{}", said.err);
    }
}
