//! What is refused at load, and in which words.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{
    Actor, EVENTS, MESSAGES, core_module, engine, event, guest, handle_message, idle, on_receive,
    wat_guest,
};
use whirlwind_component::{
    CompileLimits, Component, Engine, EngineConfig, EngineError, Handler, Isolation, Limits,
    LoadFault, Pool, Settings,
};

async fn fault(bytes: impl Into<Vec<u8>>) -> (LoadFault, String) {
    let error = Component::load(&engine(), "actor", bytes.into(), Settings::default())
        .await
        .unwrap_err();
    let text = error.to_string();
    (error.fault, text)
}

#[tokio::test]
async fn a_file_that_is_no_component_is_told_what_it_is() {
    let header = |version: u8, layer: u8| [b'\0', b'a', b's', b'm', version, 0, layer, 0].to_vec();
    let whole = idle();
    for (bytes, word) in [
        (vec![], "an empty file"),
        (b"\0as".to_vec(), "some other kind of file"),
        (b"\0asm".to_vec(), "ends within its header"),
        (header(1, 0), "--target wasm32-wasip2"),
        (
            wat::parse_str("(module (func))").unwrap(),
            "--target wasm32-wasip2",
        ),
        (header(0x0a, 1), "component encoding 0xa"),
        (header(0x0c, 1), "component encoding 0xc"),
        (header(0x0e, 1), "component encoding 0xe"),
        (header(0x0d, 2), "not known"),
        (header(0x0d, 1), "it exports nothing"),
        (whole[..whole.len() / 2].to_vec(), "not a valid component"),
        (whole[..9].to_vec(), "not a valid component"),
        (
            [whole.clone(), vec![0xff]].concat(),
            "not a valid component",
        ),
        (b"(component)".to_vec(), "wasm-tools parse"),
        (b"package a:b;".to_vec(), "a WIT file"),
        (
            b"\x7fELF\x02\x01\x01\0 and more".to_vec(),
            "a native program",
        ),
        (b"PK\x03\x04".to_vec(), "an archive"),
        (b"{}".to_vec(), "a text"),
        (vec![0xff; 100], "some other kind of file"),
    ] {
        let start = bytes[..bytes.len().min(12)].to_vec();
        let (_, text) = fault(bytes).await;
        assert!(text.contains(word), "{start:?}: {text}");
        assert!(text.starts_with("component `actor` "), "{text}");
    }
}

#[tokio::test]
async fn compiled_code_is_never_taken() {
    let compiled = wasmtime::Engine::default()
        .precompile_component(&idle())
        .unwrap();
    let (fault, text) = fault(compiled).await;
    assert!(matches!(fault, LoadFault::Precompiled), "{text}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (path, word) in [
        (
            folder.path().join("absent.wasm"),
            "there is no such file; was it built?",
        ),
        (folder.path().to_owned(), "it is not a file"),
        ("/dev/zero".into(), "it is not a file"),
    ] {
        let error = Component::load(&engine(), "actor", path.clone(), Settings::default())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{error}");
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn a_file_over_the_size_limit_is_refused_before_it_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.wasm");
    // As large as a file system allows, and holding nothing.
    std::fs::File::create(&path)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let error = Component::load(&engine(), "actor", path, Settings::default())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "component `actor` is larger than 64 MiB, the limit"
    );

    let exact = |size| Settings {
        compile: CompileLimits {
            size,
            ..CompileLimits::default()
        },
        ..Settings::default()
    };
    let bytes = idle();
    let size = bytes.len();
    Component::load(&engine(), "actor", bytes.clone(), exact(size))
        .await
        .unwrap();
    let error = Component::load(&engine(), "actor", bytes, exact(size - 1))
        .await
        .unwrap_err();
    assert!(matches!(error.fault, LoadFault::TooLarge { .. }), "{error}");
}

/// A component whose compilation takes seconds: one function of very many blocks.
fn slow() -> Vec<u8> {
    let blocks = "(if (i32.eqz (local.get $e)) (then (local.set $e (i32.add (local.get $e) (i32.const 3)))))".repeat(60_000);
    wat_guest(EVENTS, &core_module("", &on_receive(&blocks)))
}

#[tokio::test]
async fn a_compilation_that_takes_its_time_says_so_once_and_is_given_up_at_its_limit() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let settings = Settings {
        compile: CompileLimits {
            time: Duration::from_millis(400),
            ..CompileLimits::default()
        },
        progress: Some(Arc::new({
            let told = Arc::clone(&told);
            move |name: &str| told.lock().unwrap().push(name.to_owned())
        })),
        ..Settings::default()
    };
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let error = Component::load(&engine, "slow", slow(), settings.clone())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "component `slow` took longer than 400 ms to compile, the limit"
    );
    assert_eq!(*told.lock().unwrap(), ["slow"]);
    // The next one is not kept waiting by it.
    Component::load(&engine, "quick", idle(), settings)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stopped_clock_does_not_run_ahead_of_the_compiler() {
    Component::load(&engine(), "actor", idle(), Settings::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_component_without_a_handler_is_told_which_there_are() {
    let Some(path) = guest("no-handler") else {
        return;
    };
    let error = Component::load(&engine(), "greeter", path, Settings::default())
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "component `greeter` exports no handler that is called here (whirlwind:actor/handler@0.1.0, \
         wasi:messaging/incoming-handler@0.2.0-draft); it exports example:no-handler/greeting"
    );
}

#[tokio::test]
async fn all_imports_that_cannot_be_served_are_listed_with_the_line_that_helps() {
    let imports = r#"
        (import "wasi:messaging/request-reply@0.2.0-draft" "[constructor]request-options" (func (result i32)))
        (import "wasi:keyvalue/store@0.2.0-draft2" "[resource-drop]bucket" (func (param i32)))
        (import "wasi:keyvalue/store@0.2.0-draft" "[resource-drop]bucket" (func (param i32)))
        (import "wasi:logging/logging@0.1.0-draft" "log" (func (param i32 i32 i32 i32 i32)))
        (import "maker" "make" (func))
        (import "$root" "help" (func))"#;
    let world = format!(
        "{EVENTS}
         import wasi:messaging/request-reply@0.2.0-draft;
         import wasi:keyvalue/store@0.2.0-draft2;
         import wasi:keyvalue/store@0.2.0-draft;
         import wasi:logging/logging@0.1.0-draft;
         import maker: interface {{ make: func(); }}
         import help: func();"
    );
    let (fault, text) = fault(wat_guest(&world, &core_module(imports, &on_receive("")))).await;
    let LoadFault::Imports(unmet) = fault else {
        panic!("{text}")
    };
    let mut names: Vec<_> = unmet.iter().map(|unmet| unmet.import.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "help",
            "maker",
            "wasi:keyvalue/store@0.2.0-draft",
            "wasi:keyvalue/store@0.2.0-draft2",
            "wasi:messaging/request-reply@0.2.0-draft",
        ]
    );
    assert!(
        text.contains("links = { keyvalue = \"PROVIDER\" }"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 6, "{text}");
}

#[tokio::test]
async fn http_is_refused_by_name() {
    let Some(path) = guest("wants-http") else {
        return;
    };
    let error = Component::load(&engine(), "caller", path, Settings::default())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error.fault, LoadFault::Imports(_)), "{text}");
    assert!(text.contains("wasi:http/outgoing-handler@0.2"), "{text}");
}

#[tokio::test]
async fn an_interface_with_the_right_name_and_other_types_is_refused() {
    let lifted = r#"
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))"#;
    let handler = format!(
        r#"(component {lifted}
            (instance $h (export "on-receive" (func $f)))
            (export "whirlwind:actor/handler@0.1.0" (instance $h)))"#
    );
    let import = format!(
        r#"(component
            (import "wasi:logging/logging@0.1.0-draft" (instance (export "log" (func (param "x" u32)))))
            {lifted}
            (instance $h (export "on-receive" (func $f)))
            (export "whirlwind:actor/handler@0.1.0" (instance $h)))"#
    );
    for (text, word) in [
        (handler, "on-receive"),
        (import, "wasi:logging/logging@0.1.0-draft"),
    ] {
        let (fault, text) = fault(wat::parse_str(text).unwrap()).await;
        assert!(matches!(fault, LoadFault::Mismatch(_)), "{text}");
        assert!(text.contains(word), "{text}");
    }
}

#[tokio::test]
async fn of_two_handlers_ours_is_called() {
    let both = core_module(
        "",
        &format!("{}{}", on_receive(""), handle_message("unreachable")),
    );
    let both = wat_guest(&format!("{EVENTS}{MESSAGES}"), &both);
    let mut actor = Actor::new(both, Settings::default()).await;
    assert_eq!(actor.component.handler(), Handler::Events);
    actor.handle(event("x")).await.ok();
}

#[tokio::test]
async fn what_is_young_in_webassembly_is_off() {
    for (core, name) in [
        ("(module (memory i64 1))", "memory64"),
        ("(module (memory 1 1 shared))", "threads"),
        ("(module (tag))", "exceptions"),
        ("(module (type (struct)))", "gc"),
    ] {
        let text = format!("(component (core {}", &core[1..]).to_owned() + ")";
        let (fault, text) =
            fault(wat::parse_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"))).await;
        assert!(matches!(fault, LoadFault::Invalid(_)), "{name}: {text}");
    }
}

#[tokio::test]
async fn compiled_code_is_found_again_in_the_cache_and_a_useless_cache_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cached = EngineConfig {
        cache: Some(folder.path().join("code")),
        ..EngineConfig::default()
    };
    let files = || {
        let mut folders = vec![folder.path().join("code")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path);
                }
            }
        }
        files.retain(|file| file.extension().is_none());
        files
    };
    for _ in 0..2 {
        let engine = Engine::new(cached.clone()).unwrap();
        Component::load(&engine, "actor", idle(), Settings::default())
            .await
            .unwrap();
        assert_eq!(files().len(), 1, "{:?}", files());
    }

    let taken = folder.path().join("taken");
    std::fs::write(&taken, "a file").unwrap();
    let error = Engine::new(EngineConfig {
        cache: Some(taken),
        ..EngineConfig::default()
    })
    .unwrap_err();
    assert!(matches!(error, EngineError::Cache { .. }), "{error}");
}

#[tokio::test]
async fn instances_per_message_come_from_a_pool_of_the_given_size() {
    let engine = Engine::new(EngineConfig {
        pool: Pool {
            instances: 2,
            memory: 1 << 20,
        },
        ..EngineConfig::default()
    })
    .unwrap();
    let per_message = Settings {
        isolation: Isolation::PerMessage,
        ..Settings::default()
    };
    let mut actor = Actor::load(&engine, idle(), per_message.clone())
        .await
        .unwrap();
    actor.handle(event("x")).await.ok();
    let second = actor.component.instantiate().await.unwrap();
    let error = actor.component.instantiate().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "all 2 places of the pool for instances per message are taken"
    );
    drop(second);
    actor.component.instantiate().await.unwrap();

    // The pool's bound on memory holds too, whatever the component's own is.
    let large = core_module("", &on_receive("")).replace(
        "(memory (export \"memory\") 1)",
        "(memory (export \"memory\") 17)",
    );
    let error = Component::load(&engine, "large", wat_guest(EVENTS, &large), per_message)
        .await
        .unwrap_err();
    assert!(matches!(error.fault, LoadFault::Invalid(_)), "{error}");
}

/// Pseudo-random numbers, the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutated_components_are_refused_or_run_but_never_crash_the_host() {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let original = idle();
    let settings = Settings {
        limits: Limits {
            deadline: Duration::from_millis(100),
            ..Limits::default()
        },
        ..Settings::default()
    };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let run = AtomicUsize::new(0);
    for _ in 0..10_000 {
        let mut bytes = original.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
                2 => bytes.truncate(at.max(8)),
                _ => {
                    let byte = bytes[at];
                    bytes.insert(at, byte);
                }
            }
        }
        let Ok(mut actor) = Actor::load(&engine, bytes, settings.clone()).await else {
            continue;
        };
        run.fetch_add(1, Ordering::Relaxed);
        let Ok(instance) = actor.component.instantiate().await else {
            continue;
        };
        drop(instance);
        let _ = actor.handle(event("x")).await;
    }
    // Some still were components: what runs was put to the test as well.
    assert!(run.load(Ordering::Relaxed) > 300, "{run:?}");
    assert_eq!(engine.instances(), 0);
}
