//! Mappings that mean nothing, and what is said of each.

use whirlwind_provider_mqtt::{IdPlace, InMapping, OutMapping, Qos};

#[test]
fn a_target_that_means_nothing_is_told_how_to_mend_it() {
    for (filter, target, why) in [
        (
            "a",
            "",
            r#"the target is empty; write the topic that messages go to, such as "sensors/$1""#,
        ),
        (
            "+",
            "a/+",
            r#"target "a/+" has the wildcard "+"; write "$1" for what the first wildcard of the filter stands for"#,
        ),
        (
            "#",
            "a/#",
            r##"target "a/#" has the wildcard "#"; write "$1" for what the first wildcard of the filter stands for"##,
        ),
        (
            "+",
            "a/$",
            r##"target "a/$" has a "$" without a number; write "$1" for the first wildcard of the filter, "$#" for what its "#" matches, or "$$" for the character"##,
        ),
        (
            "+",
            "a/$x",
            r##"target "a/$x" has a "$" without a number; write "$1" for the first wildcard of the filter, "$#" for what its "#" matches, or "$$" for the character"##,
        ),
        (
            "+",
            "$$$",
            r##"target "$$$" has a "$" without a number; write "$1" for the first wildcard of the filter, "$#" for what its "#" matches, or "$$" for the character"##,
        ),
        (
            "a",
            "$1",
            r#"target "$1" has "$1", but the filter has no wildcard; write the name itself, or a "+" in the filter"#,
        ),
        (
            "+",
            "$0",
            r#"target "$0" has "$0", but the filter has one wildcard, which is "$1""#,
        ),
        (
            "+/a/#",
            "$3",
            r#"target "$3" has "$3", but the filter has 2 wildcards, "$1" to "$2""#,
        ),
        (
            "+",
            "$99999999999999999999999",
            r#"target "$99999999999999999999999" has "$18446744073709551615", but the filter has one wildcard, which is "$1""#,
        ),
        (
            "+",
            "a/$#",
            r##"target "a/$#" has "$#", but the filter does not end in "#""##,
        ),
        (
            "#",
            "a$#",
            r##"target "a$#" has what "#" matches beside other characters; write it alone between the slashes, for it may be several levels"##,
        ),
        (
            "#",
            "$1a/b",
            r##"target "$1a/b" has what "#" matches beside other characters; write it alone between the slashes, for it may be several levels"##,
        ),
        (
            "+/#",
            "$1$2",
            r##"target "$1$2" has what "#" matches beside other characters; write it alone between the slashes, for it may be several levels"##,
        ),
        (
            "#",
            "$#$$",
            r##"target "$#$$" has what "#" matches beside other characters; write it alone between the slashes, for it may be several levels"##,
        ),
        (
            "a",
            "$$sys/a",
            r#"target "$$sys/a" begins with "$", which topics of the system do; use another name"#,
        ),
        (
            "a",
            "x\ny",
            r#"topic "x\ny" has the character U+000A at level 1; remove it"#,
        ),
    ] {
        let inward = InMapping::new(filter, target).unwrap_err();
        assert_eq!(inward.to_string(), why);
        let outward = OutMapping::new(filter, target).unwrap_err();
        assert_eq!(outward.to_string(), why);
    }
}

#[test]
fn a_filter_that_is_none_is_told_how_to_mend_it() {
    for filter in ["", "a#", "a/#/b", "a+", "a\0", "a/##"] {
        let inward = InMapping::new(filter, "x").unwrap_err().to_string();
        assert!(inward.starts_with("topic filter "), "{inward}");
        let outward = OutMapping::new(filter, "x").unwrap_err().to_string();
        assert_eq!(inward, outward);
    }
}

#[test]
fn a_shared_subscription_has_a_group_and_a_filter() {
    for (filter, lacks) in [
        ("$share/", "filter"),
        ("$share/g", "filter"),
        ("$share/g/", "filter"),
        ("$share//a", "group"),
        ("$share/+/a", "group"),
        ("$share/g#/a", "group"),
    ] {
        let error = InMapping::new(filter, "x").unwrap_err().to_string();
        let why = format!(
            "shared subscription {filter:?} has no {lacks}; write \"$share/GROUP/FILTER\", the group without \"/\", \"+\" and \"#\""
        );
        assert_eq!(error, why);
    }
    for (filter, why) in [
        ("$share/g/a#", "beside other characters"),
        // What a broker would end the connection for.
        ("$share/g\0/a", "has the character U+0000 at level 2"),
        ("$share/g\n/a", "has the character U+000A at level 2"),
    ] {
        let error = InMapping::new(filter, "x").unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    // The filter would be short enough without its group.
    let long = format!("$share/g/{}", "a".repeat(65_530));
    let error = InMapping::new(&long, "x").unwrap_err().to_string();
    assert!(
        error.contains("has 65539 bytes, and 65535 are allowed"),
        "{error}"
    );
}

#[test]
fn types_and_content_types_are_those_that_an_event_may_have() {
    let mapping = || InMapping::new("a", "x").unwrap();
    for ty in ["", "a\nb", &"x".repeat(65_536)] {
        let error = mapping().with_type(ty).unwrap_err().to_string();
        assert!(error.starts_with("attribute \"type\""), "{error}");
    }
    for media_type in ["", "json", "a/b\n", "text/"] {
        let error = mapping().with_content_type(media_type).unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("attribute \"datacontenttype\""),
            "{error}"
        );
    }
    let mapping = mapping().with_type("t").unwrap();
    let mapping = mapping.with_content_type("text/plain").unwrap();
    assert_eq!(mapping.ty(), "t");
    assert_eq!(mapping.content_type(), Some("text/plain"));
}

#[test]
fn a_place_of_ids_that_is_none_is_told_how_to_mend_it() {
    let deep = "/a".repeat(65);
    let start = format!("{}...", &deep[..64]);
    for (pointer, shown, fault) in [
        ("", "", "is empty, which means the whole payload"),
        ("id", "id", r#"does not begin with "/""#),
        ("#/id", "#/id", r#"does not begin with "/""#),
        (" /id", " /id", r#"does not begin with "/""#),
        ("/a~", "/a~", r#"has a "~" that is neither "~0" nor "~1""#),
        (
            "/~2/a",
            "/~2/a",
            r#"has a "~" that is neither "~0" nor "~1""#,
        ),
        (
            "/a/~~0",
            "/a/~~0",
            r#"has a "~" that is neither "~0" nor "~1""#,
        ),
        (&deep, &start, "has more than 64 levels"),
    ] {
        let error = IdPlace::field(pointer).unwrap_err().to_string();
        let shown = match shown.strip_suffix("...") {
            Some(start) => format!("{start:?}..."),
            None => format!("{shown:?}"),
        };
        let why = format!(
            r#"id field {shown} {fault}; write a JSON Pointer to a text or a number in the payload, such as "/meta/seq""#
        );
        assert_eq!(error, why);
    }
    for pointer in ["/", "//", "/a/0/~0~1", &deep[2..]] {
        assert!(!IdPlace::field(pointer).unwrap().is_property());
    }

    for name in ["", "a\0", "a\nb", &"x".repeat(65_536)] {
        let error = IdPlace::property(name).unwrap_err().to_string();
        assert!(error.starts_with("id property \""), "{error}");
        let why = r#"" is no name of a user property; write 1 to 65535 bytes without control characters, such as "message-id""#;
        assert!(error.replace("\"...", "\"").ends_with(why), "{error}");
    }
    for name in ["id", "message id", "grüße", &"x".repeat(65_535)] {
        assert!(IdPlace::property(name).unwrap().is_property());
    }
}

#[test]
fn levels_of_service_have_their_numbers_and_no_others() {
    for level in 0..3 {
        assert_eq!(Qos::from_level(level).unwrap().level(), level);
    }
    assert_eq!(Qos::from_level(3), None);
}
