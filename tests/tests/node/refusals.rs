//! What is refused before anything runs: all of it at once, each with what would help.

use whirlwind::{StartError, Variables, check};
use whirlwind_tests::{Bed, bed, guest};

#[tokio::test(flavor = "multi_thread")]
async fn all_components_that_do_not_fit_are_told_together_each_with_its_remedy() {
    let guests = ["no-handler", "wants-http", "buckets", "relay"].map(guest);
    let [
        Some(no_handler),
        Some(wants_http),
        Some(buckets),
        Some(relay),
    ] = guests
    else {
        return;
    };
    let folder = tempfile::TempDir::new().unwrap();
    let whole = std::fs::read(&relay).unwrap();
    let text = b"this is no component\n".to_vec();
    let core = wat::parse_str("(module (func (export \"run\")))").unwrap();
    for (name, bytes) in [
        ("core.wasm", core),
        ("text.wasm", text),
        ("truncated.wasm", whole[..whole.len() / 2].to_vec()),
        ("empty.wasm", Vec::new()),
        ("old.wasm", [b"\0asm\x0a\0\x01\0", &whole[8..]].concat()),
    ] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let manifest = format!(
        r#"
        manifest = 1
        [actor.fine]
        component = {relay:?}
        [actor.handles-nothing]
        component = {no_handler:?}
        [actor.wants-http]
        component = {wants_http:?}
        [actor.unlinked]
        component = {buckets:?}
        [actor.core]
        component = "core.wasm"
        [actor.text]
        component = "text.wasm"
        [actor.truncated]
        component = "truncated.wasm"
        [actor.empty]
        component = "empty.wasm"
        [actor.old]
        component = "old.wasm"
        [actor.missing]
        component = "missing.wasm"
        [actor.unbuilt]
        component = "unbuilt.wasm"
        build     = "cargo build"
        "#
    );
    /// An actor, and what must be said of it.
    const REFUSED: [(&str, &[&str]); 10] = [
        (
            "missing",
            &["missing.wasm", "correct `component` in [actor.missing]"],
        ),
        (
            "unbuilt",
            &["unbuilt.wasm", "build it with `whirlwind build`"],
        ),
        (
            "handles-nothing",
            &[
                "exports no handler",
                "whirlwind:actor/handler@0.1.0",
                "wasi:messaging/incoming-handler@0.2.0-draft",
            ],
        ),
        (
            "wants-http",
            &[
                "wasi:http/types@0.2",
                "wasi:http/outgoing-handler@0.2",
                "no provider serves HTTP",
            ],
        ),
        (
            "unlinked",
            &[
                "wasi:keyvalue/store@0.2.0-draft2",
                "wasi:keyvalue/atomics@0.2.0-draft2",
                "wasi:keyvalue/batch@0.2.0-draft2",
                "links = { keyvalue = \"PROVIDER\" }",
            ],
        ),
        (
            "core",
            &["core WebAssembly module", "--target wasm32-wasip2"],
        ),
        ("text", &["not a WebAssembly component", "a text"]),
        ("truncated", &["not a valid component"]),
        ("empty", &["an empty file"]),
        ("old", &["component encoding 0xa", "current tools"]),
    ];
    let app = bed::app(folder.path(), &manifest, &Variables::none());
    let checked = check(&app, None).await.map(|_| ());
    let started = Bed::start_app(folder, app).await.map(|_| ());
    for (door, result) in [("check", checked), ("start", started)] {
        let Err(StartError::Components(errors)) = result else {
            panic!("{door}: {result:?}")
        };
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), REFUSED.len(), "{door}: {errors:#?}");
        for (actor, words) in REFUSED {
            let named = format!("`{actor}`");
            let of = errors.iter().find(|error| error.contains(&named));
            let error = of.unwrap_or_else(|| panic!("{door}: nothing of {actor}: {errors:#?}"));
            for part in words {
                assert!(
                    error.contains(part),
                    "{door}, {actor}: no `{part}` in `{error}`"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mutation_of_a_component_does_more_than_be_refused_or_run() {
    let Some(relay) = guest("relay") else { return };
    let whole = std::fs::read(&relay).unwrap();
    let mutations = whirlwind_tests::full(40, 10_000);
    let folder = tempfile::TempDir::new().unwrap();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    // Several in one app: they are compiled side by side, and all refusals come together.
    for round in 0..mutations / 10 {
        let mut manifest = String::from("manifest = 1\n");
        for n in 0..10 {
            let mut bytes = whole.clone();
            match n % 3 {
                0 => bytes.truncate(random(whole.len())),
                1 => (0..8).for_each(|_| bytes[random(whole.len())] = random(256) as u8),
                _ => bytes[8 + random(256)] ^= 1 << random(8),
            }
            let name = format!("mutant-{n}.wasm");
            std::fs::write(folder.path().join(&name), bytes).unwrap();
            manifest.push_str(&format!("[actor.mutant-{n}]\ncomponent = \"{name}\"\n"));
        }
        let app = bed::app(folder.path(), &manifest, &Variables::none());
        match whirlwind::Node::builder(app).start().await {
            Ok(node) => drop(node.stop().await),
            Err(StartError::Components(errors)) => {
                assert!(!errors.is_empty() && errors.len() <= 10);
                for error in errors {
                    assert!(error.to_string().contains("mutant-"), "{error}");
                }
            }
            // One that loads can still fail to start, in words.
            Err(StartError::Tree(words)) => assert!(words.contains("mutant-"), "{words}"),
            Err(other) => panic!("round {round}: {other}"),
        }
    }
}
