//! What targets become.

use crate::common::{config, inward, outward};

#[test]
fn a_place_is_filled_with_what_its_wildcard_stands_for() {
    for (filter, target, topic, expected) in [
        ("a", "x", "a", "x"),
        ("a", "x/y/z", "a", "x/y/z"),
        ("+", "x", "a", "x"),
        ("+", "$1", "a", "a"),
        (
            "zigbee2mqtt/+",
            "sensors/$1/raw",
            "zigbee2mqtt/lamp",
            "sensors/lamp/raw",
        ),
        ("a/+/b/+", "$2/$1", "a/1/b/2", "2/1"),
        ("a/+", "$1/$1", "a/x", "x/x"),
        // Within a level.
        ("a/+/+", "x-$1_$2y", "a/1/2", "x-1_2y"),
        ("+/+", "$1$2", "a/b", "ab"),
        // "$10" is the tenth, not the first and a zero.
        ("+/+/+/+/+/+/+/+/+/+", "x/$10", "0/1/2/3/4/5/6/7/8/9", "x/9"),
        ("+/+", "$01", "a/b", "a"),
        // The character itself; not a place.
        ("+", "x/$$1", "a", "x/$1"),
        ("+", "x$$$1$$", "a", "x$a$"),
        // Empty levels are levels.
        ("+", "x/$1", "a", "x/a"),
        ("a/+", "x/$1", "a/", "x/"),
        ("a/+/b", "x/$1/y", "a//b", "x//y"),
        ("+/+", "$1/$2", "/", "/"),
        // What stands for a level may have any characters that a topic may.
        (
            "a/+",
            "x/$1",
            "a/grüße 温度 $1 $$ %2F \"",
            "x/grüße 温度 $1 $$ %2F \"",
        ),
        ("a/+", "x/$1", "a/$SYS", "x/$SYS"),
    ] {
        both(filter, target, topic, expected);
    }
}

#[test]
fn the_rest_is_all_levels_of_the_hash_and_takes_its_slash_along_if_there_is_none() {
    for (filter, target, topic, expected) in [
        ("#", "$#", "a", "a"),
        ("#", "$1", "a/b", "a/b"),
        ("#", "x/$#", "a/b/c", "x/a/b/c"),
        ("#", "x", "a/b/c", "x"),
        ("a/#", "x/$#", "a/b/c", "x/b/c"),
        ("a/#", "x/$1", "a/b/c", "x/b/c"),
        ("a/+/#", "x/$2/$1", "a/b/c/d", "x/c/d/b"),
        ("a/+/#", "x/$#/$1", "a/b/c/d", "x/c/d/b"),
        ("a/#", "x/$#/y/$#", "a/b/c", "x/b/c/y/b/c"),
        // No level.
        ("a/#", "x/$#", "a", "x"),
        ("a/#", "x/$#/y", "a", "x/y"),
        ("a/#", "$#/y", "a", "y"),
        ("a/#", "$#/$#/y", "a", "y"),
        ("a/#", "x/$#/$#", "a", "x"),
        ("a/#", "$#//y", "a", "/y"),
        ("a/#", "/$#/y", "a", "/y"),
        ("a/+/#", "$#/$1", "a/b", "b"),
        ("a/+/#", "$1/$#", "a/b", "b"),
        ("a/+/#", "$1/$#/y", "a/b", "b/y"),
        // An empty level, which is one.
        ("a/#", "x/$#", "a/", "x/"),
        ("a/#", "$#/y", "a/", "/y"),
        ("a/#", "x/$#/y", "a//", "x///y"),
        ("a/+/#", "$1/$#/y", "a/", "/y"),
        ("a/+/#", "$1/$#/y", "a//", "//y"),
        ("a/+/#", "$1/x", "a/", "/x"),
    ] {
        both(filter, target, topic, expected);
    }
}

#[track_caller]
fn both(filter: &str, target: &str, topic: &str, expected: &str) {
    let config = config(&[(filter, target)], &[(filter, target)]);
    let case = format!("{topic} by {filter} to {target}");
    assert_eq!(inward(&config, topic).as_deref(), Ok(expected), "{case}");
    let out = outward(&config, topic);
    assert_eq!(out, Ok(vec![expected.to_owned()]), "{case}");
}

#[test]
fn a_message_goes_by_the_first_mapping_that_matches() {
    let config = config(
        &[
            ("a/+/c", "one"),
            ("a/b/c", "two"),
            ("a/b", "three"),
            ("$share/g/a/#", "four/$#"),
            ("#", "five/$#"),
            ("a/b/d", "never"),
            ("$SYS/broker/+", "six/$1"),
        ],
        &[],
    );
    for (topic, expected) in [
        ("a/b/c", "one"),
        ("a/b", "three"),
        ("a", "four"),
        ("a/b/d", "four/b/d"),
        ("b", "five/b"),
        ("/", "five//"),
        ("$SYS/broker/load", "six/load"),
    ] {
        assert_eq!(inward(&config, topic).as_deref(), Ok(expected), "{topic}");
    }
}

#[test]
fn a_message_that_no_mapping_takes_or_that_gets_no_topic_is_told_why() {
    let config = config(
        &[
            ("a/+", "$1/x"),
            ("b/#", "$#"),
            ("c/+", "$1"),
            ("long/+", "$1$1"),
        ],
        &[],
    );
    let empty = r#"topic is empty; give it at least one level, such as "sensors/kitchen""#;
    for (topic, why) in [
        ("other", "no in mapping takes this topic".to_owned()),
        // What an earlier run subscribed, or a broker that breaks the rules sends.
        ("$SYS/a", "no in mapping takes this topic".to_owned()),
        ("", empty.to_owned()),
        (
            "a/+",
            r#"topic "a/+" has the wildcard "+" at level 2; write the name itself: wildcards belong in topic filters"#.to_owned(),
        ),
        (
            "a/b#",
            r##"topic "a/b#" has the wildcard "#" at level 2; write the name itself: wildcards belong in topic filters"##.to_owned(),
        ),
        (
            "a/\0",
            r#"topic "a/\0" has the character U+0000 at level 2; remove it"#.to_owned(),
        ),
        (
            "a/\u{fffe}",
            r#"topic "a/\u{fffe}" has the character U+FFFE at level 2; remove it"#.to_owned(),
        ),
        (
            "a/$SYS",
            r#"its mapping makes "$SYS/x" of it, and topics that begin with "$" are the system's"#.to_owned(),
        ),
        ("b", format!("its mapping makes no topic of it: {empty}")),
        ("c/", format!("its mapping makes no topic of it: {empty}")),
    ] {
        let error = inward(&config, topic).unwrap_err();
        assert_eq!(error, format!("message on MQTT topic {topic:?}: {why}"));
    }
    let error = inward(&config, &format!("long/{}", "x".repeat(40_000))).unwrap_err();
    assert!(
        error.contains("has 80000 bytes, and 65535 are allowed"),
        "{error}"
    );
}
