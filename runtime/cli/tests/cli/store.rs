//! `whirlwind store`, over what nodes left.

use std::fs;

use serde_json::{Value, json};

use crate::app::App;
use crate::bed::{Said, run};

fn lines(said: &Said) -> Vec<Value> {
    let lines = said.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{said:?}")))
        .collect()
}

/// Three pings were handled, and the fourth, a poison, is a dead letter.
fn left_behind() -> Option<App> {
    let app = App::durable()?;
    let mut up = app.up(&[]);
    for _ in 0..3 {
        assert_eq!(app.run(&["pub", "ping", "ping"]).status, 0);
    }
    app.pingpong_after(3);
    fs::write(app.path().join("poison"), b"p\xff").unwrap();
    assert_eq!(app.run(&["pub", "ping", "--file", "poison"]).status, 0);
    assert_eq!(app.run(&["pub", "ping", "ping"]).status, 0);
    app.pingpong_after(4);
    // Whoever would look into it now is told who has it.
    for verb in ["check", "export", "compact"] {
        let said = app.run(&["store", verb]);
        assert_eq!((said.status, said.out.as_str()), (1, ""), "{said:?}");
        assert!(said.err.contains("in use by another process"), "{said:?}");
    }
    assert_eq!(app.run(&["stop"]).status, 0);
    assert_eq!(up.end(), 0);
    Some(app)
}

#[test]
fn what_a_node_left_is_checked_printed_and_made_smaller_and_the_next_node_goes_on() {
    let Some(app) = left_behind() else { return };
    let said = app.run(&["store", "check", "--json"]);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    let [health] = &*lines(&said)[0].as_array().unwrap().clone() else {
        panic!("{said:?}")
    };
    assert_eq!(health["sound"], true);
    assert_eq!(health["damage"], json!([]));
    let said = app.run(&["store", "check"]);
    assert!(said.out.starts_with("SPACE"), "{said:?}");

    let said = app.run(&["store", "export"]);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    let exported = lines(&said);
    let of = |kind: &str| -> Vec<&Value> {
        exported
            .iter()
            .filter(|line| line["kind"] == kind)
            .collect()
    };
    assert_eq!(of("entry").len(), 1);
    assert_eq!(of("entry")[0]["bucket"], "default");
    assert_eq!(of("entry")[0]["value"], "4");
    assert_eq!(of("dead-letter").len(), 1);
    assert_eq!(of("dead-letter")[0]["event"]["data_base64"], "cP8=");

    let said = app.run(&["store", "compact", "--json"]);
    assert_eq!(said.status, 0, "{said:?}");
    let sizes = &lines(&said)[0][0];
    assert!(
        sizes["after"].as_u64() <= sizes["before"].as_u64(),
        "{sizes}"
    );
    // Nothing is gone by it.
    assert_eq!(lines(&app.run(&["store", "export"])), exported);

    let mut up = app.up(&["--sub", "pong", "--count", "1", "--pub", "ping=ping"]);
    up.out("pong  pong 5");
    assert_eq!(up.end(), 0);
}

#[test]
fn a_damaged_store_is_said_to_be_and_what_can_be_read_of_it_is_printed() {
    let Some(app) = left_behind() else { return };
    let file = app.path().join(".whirlwind/store/tree");
    let mut bytes = fs::read(&file).unwrap();
    // From behind the head on, every 512th byte.
    for byte in bytes.iter_mut().skip(4096).step_by(512) {
        *byte ^= 0x55;
    }
    fs::write(&file, bytes).unwrap();
    for verb in ["check", "export"] {
        let said = app.run(&["store", verb]);
        assert_eq!(said.status, 1, "{said:?}");
        assert!(said.err.contains("damaged"), "{said:?}");
        assert!(said.err.contains("whirlwind store export"), "{said:?}");
        // What the backend panics at is damage, and told as that.
        assert!(!said.err.contains("panicked at"), "{said:?}");
    }
    // A node sets it aside, says so, and runs.
    let mut up = app.up(&[]);
    assert_eq!(app.run(&["stop"]).status, 0);
    assert_eq!(up.end(), 0);
    let entries = fs::read_dir(app.path().join(".whirlwind")).unwrap();
    let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let aside = names.find(|name| name.contains("damaged")).unwrap();
    let said = app.run(&["store", "check", &format!(".whirlwind/{aside}")]);
    assert_eq!(said.status, 1, "{said:?}");
}

#[test]
fn where_there_is_no_store_it_is_said_and_none_is_made() {
    let folder = tempfile::tempdir().unwrap();
    for verb in ["check", "export", "compact"] {
        let said = run(folder.path(), &["store", verb]);
        assert_eq!((said.status, said.out.as_str()), (1, ""), "{said:?}");
        assert!(said.err.contains(".whirlwind/store"), "{said:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
