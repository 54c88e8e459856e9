//! What a manifest's values and variables hold is never shown, whatever goes wrong and whoever asks.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use whirlwind_tests::guest;

use crate::bed::{Running, Said, finish, whirlwind};

/// In a `config` as it is; by a variable of the environment; by one of `--var`.
const PLAIN: &str = "canary-plain-5e1f";
const ENVIRONMENT: &str = "canary-environment-77a0";
const VAR: &str = "canary-var-c3d9";
const CANARIES: [&str; 3] = [PLAIN, ENVIRONMENT, VAR];

/// What an actor can be told to do that ends in an error, and some things that do not.
const COMMANDS: [&str; 50] = [
    "panic",
    "exit 0",
    "exit 1",
    "exit now",
    "recurse",
    "spin",
    "sleep 60000",
    "sleep long",
    "eat",
    "handles",
    "random",
    "hostcall 1000",
    "retry",
    "reject",
    "publish 5 elsewhere",
    "publish 1 $sys/x",
    "publish x",
    "publish-then-fail answers",
    "publish-then-panic answers",
    "publish-then-fail elsewhere",
    "forbidden elsewhere",
    "forbidden $sys/actor/leaky/stopped",
    "forbidden #",
    "forbidden a/+",
    "forbidden ",
    "huge 2000000",
    "huge x",
    "config none",
    "env NONE",
    "file /etc/passwd",
    "file /proc/self/environ",
    "file whirlwind.toml",
    "connect 127.0.0.1:1",
    "connect localhost:1",
    "connect nowhere",
    "reach args",
    "reach here",
    "reach stdin",
    "reach list /",
    "reach write x",
    "reach remove whirlwind.toml",
    "reach make x",
    "reach stat .",
    "reach rename whirlwind.toml",
    "reach listen 127.0.0.1:0",
    "reach udp",
    "reach send 127.0.0.1:1",
    "reach resolve localhost",
    "reach nowhere",
    "log said",
];

/// What is asked of the running node, and fails or not.
const REQUESTS: [&[&str]; 26] = [
    &["ps"],
    &["ps", "--json"],
    &["tree"],
    &["tree", "--json"],
    &["dead", "list"],
    &["dead", "list", "--json"],
    &["dead", "show", "1"],
    &["scale", "nobody=2"],
    &["reload", "nobody", "/nowhere"],
    &["check", ".", "--var", VARIABLE],
    &["check", ".", "--json", "--var", VARIABLE],
    &["kv", "list", "counters"],
    &["kv", "get", "counters", "none"],
    &["kv", "get", "nobody", "none"],
    &["kv", "delete", "counters", "none"],
    &["pub", "answers/+", "x"],
    &["pub", "$sys/x", "x"],
    &["pub", "nobody/listens", "x"],
    &["pub", "do", "--file", "/nowhere"],
    &["sub", "#/x"],
    &["sub", "do", "--timeout", "1ms"],
    &["up"],
    &["up", "nowhere"],
    &["ps", "--node", "nowhere"],
    &["build", "."],
    &["check", ".", "--var", ENVIRONMENT],
];

/// A component for `leaky`, and what goes before its table or after it, of which no node comes up.
const FAULTS: [(&str, &str); 24] = [
    ("absent.wasm", ""),
    ("no-handler.wasm", ""),
    ("wants-http.wasm", ""),
    ("buckets.wasm", ""),
    ("broken-start.wasm", ""),
    ("text.wasm", ""),
    ("empty.wasm", ""),
    ("truncated.wasm", ""),
    (".", ""),
    ("/dev/zero", ""),
    ("misbehave.wasm", "limits = { memory = \"64KiB\" }"),
    ("misbehave.wasm", "instances = 0"),
    ("misbehave.wasm", "links = { keyvalue = \"nobody\" }"),
    ("misbehave.wasm", "subscribe = [\"${SECRET}\"]"),
    ("misbehave.wasm", "publish = [\"${SECRET}\", \"a/+x\"]"),
    ("misbehave.wasm", "restart = \"${SECRET}\""),
    ("misbehave.wasm", "config = { again = 1 }"),
    ("misbehave.wasm", "mailbox = { bytes = \"${SECRET}\" }"),
    ("misbehave.wasm", "limits = { deadline = \"${SECRET}\" }"),
    ("misbehave.wasm", "[provider.p]\ntype = \"${SECRET}\""),
    (
        "misbehave.wasm",
        "[provider.p]\ntype = \"sled\"\npath = \"../${SECRET}\"",
    ),
    (
        "misbehave.wasm",
        "[topic.\"${SECRET}\"]\nmax_event = \"${SECRET}\"",
    ),
    (
        "misbehave.wasm",
        "[supervisor.root]\nchildren = [\"${SECRET}\"]",
    ),
    (
        "misbehave.wasm",
        "[actor.b]\ncomponent = \"x\"\nenv = { A = \"${MISSING}${SECRET}\" }",
    ),
];

#[test]
fn no_canary_comes_out_of_a_hundred_errors() {
    let Some(folder) = folder() else { return };
    let mut errors = 0;
    let mut looked_through = 0;
    let mut clean = |what: &str, text: &str| {
        looked_through += text.len();
        for canary in CANARIES {
            assert!(!text.contains(canary), "{what} shows {canary}:\n{text}");
        }
    };

    // Of a node that does not come up.
    for (component, more) in FAULTS {
        write(folder.path(), component, more);
        for verb in [
            &["check", "--var", VARIABLE],
            &["up", "--var", VARIABLE, "--for", "1ms"][..],
        ] {
            let said = ask(folder.path(), verb, b"");
            errors += usize::from(said.status != 0);
            clean(
                &format!("{verb:?} of {component}, {more}"),
                &format!("{}{}", said.out, said.err),
            );
        }
    }
    // `check` does not see what fails only at the start, nor `up` what is a mere warning.
    assert!(
        errors >= 40,
        "only {errors} of those that were meant to fail did"
    );

    // Of a node that runs, as loud as it can be.
    write(folder.path(), "misbehave.wasm", "");
    let mut up = whirlwind(folder.path());
    up.args(["up", "--var", VARIABLE, "--sub", "#"])
        .env("SECRET", ENVIRONMENT)
        .env("WHIRLWIND_LOG", "debug,whirlwind=trace,kameo=trace");
    let mut up = Running::of(up, usize::MAX);
    up.err("; Ctrl-C stops it");
    // It has them: where the actor itself says one, it is seen.
    for (key, canary) in [("key", PLAIN), ("secret", ENVIRONMENT), ("flag", VAR)] {
        let asked = format!("config {key}");
        assert_eq!(ask(folder.path(), &["pub", "told", &asked], b"").status, 0);
        while !up.next_out().contains(canary) {}
    }
    let told = up.printed().len();
    for _ in 0..2 {
        let lines = COMMANDS.join("\n");
        let said = ask(folder.path(), &["pub", "do", "-"], lines.as_bytes());
        assert_eq!(said.status, 0, "{said:?}");
        clean("pub", &format!("{}{}", said.out, said.err));
        errors += COMMANDS.len();
    }
    let said = ask(folder.path(), &["pub", "do", "the last"], b"");
    assert_eq!(said.status, 0);
    up.out("answers  the last");
    for request in REQUESTS {
        let said = ask(folder.path(), request, b"");
        errors += usize::from(said.status != 0);
        clean(
            &format!("{request:?}"),
            &format!("{}{}", said.out, said.err),
        );
    }
    up.signal("INT");
    assert_eq!(up.end(), 0);
    clean("up", &up.printed()[told..].join("\n"));
    clean("the log", &up.complained().join("\n"));
    assert!(errors >= 100, "{errors}");
    println!("{errors} errors, {looked_through} bytes looked through: 0 canaries");
}

const VARIABLE: &str = "FLAG=canary-var-c3d9";

/// What an actor is given. A line with an error is shown as it is written: so each value has a line of its own.
fn given(actor: &str) -> String {
    format!(
        "[actor.{actor}.config]\nkey = \"{PLAIN}\"\nsecret = \"${{SECRET}}\"\nflag = \"${{FLAG}}\"\n\
         [actor.{actor}.env]\nSECRET = \"${{SECRET}}\"\nMIXED = \"x${{FLAG}}y\"\n"
    )
}

/// A folder with good components and bad.
fn folder() -> Option<TempDir> {
    let folder = TempDir::new().unwrap();
    for name in [
        "misbehave",
        "no-handler",
        "wants-http",
        "buckets",
        "broken-start",
    ] {
        fs::copy(guest(name)?, folder.path().join(format!("{name}.wasm"))).unwrap();
    }
    let whole = fs::read(folder.path().join("misbehave.wasm")).unwrap();
    for (name, bytes) in [
        ("text.wasm", &b"this is no component"[..]),
        ("empty.wasm", &[]),
        ("truncated.wasm", &whole[..whole.len() / 2]),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    Some(folder)
}

/// Writes a manifest in which `leaky` has this component and, of its keys or after its table, `more`.
fn write(folder: &Path, component: &str, more: &str) {
    let or = |key: &str, default: &str| match more.starts_with(key) {
        true => String::new(),
        false => format!("{key} = {default}\n"),
    };
    let (keys, tables) = if more.starts_with('[') {
        ("", more)
    } else {
        (more, "")
    };
    let given_to_it = match more.starts_with("config") {
        true => String::new(),
        false => given("leaky"),
    };
    let manifest = format!(
        "manifest = 1\n[app]\nname = \"app\"\n[provider.counters]\ntype = \"memory\"\n\
         [actor.told]\ncomponent = \"misbehave.wasm\"\nsubscribe = [\"told\"]\npublish = [\"answers\"]\n{}\
         [actor.leaky]\ncomponent = \"{component}\"\nretry = {{ max_deliver = 1 }}\n{}{}{}{keys}\n{given_to_it}{tables}\n",
        given("told"),
        or("subscribe", "[\"do\"]"),
        or("publish", "[\"answers\"]"),
        or("limits", "{ memory = \"16MiB\", deadline = \"300ms\" }"),
    );
    fs::write(folder.join("whirlwind.toml"), manifest).unwrap();
}

/// Runs a command with the variable set, as loud as it can be.
fn ask(folder: &Path, args: &[&str], input: &[u8]) -> Said {
    let mut command = whirlwind(folder);
    let command = {
        command
            .args(args)
            .env("SECRET", ENVIRONMENT)
            .env("WHIRLWIND_LOG", "debug,whirlwind=trace");
        command
    };
    finish(command, args, input)
}
