//! Events to bytes and back, at random; and bytes that are no event.

use chrono::DateTime;
use proptest::prelude::*;
use whirlwind_event::binary::{self, BinaryError};
use whirlwind_event::generated::any_event;
use whirlwind_event::{Event, EventBuilder, EventError, ExtensionValue, MAX_EXTENSIONS};

fn encoded(event: &Event) -> Vec<u8> {
    let mut bytes = Vec::new();
    binary::encode(event, &mut bytes);
    bytes
}

fn minimal() -> EventBuilder {
    EventBuilder::new().id("1").source("/a").ty("t")
}

fn assert_same(read: &Event, event: &Event) {
    assert_eq!(read, event);
    assert_eq!(read.size(), event.size());
    assert_eq!(read.dataschema(), event.dataschema());
    assert_eq!(read.data(), event.data());
    assert!(read.extensions().eq(event.extensions()));
}

proptest! {
    #[test]
    fn an_event_comes_back_as_it_was(event in any_event()) {
        let bytes = encoded(&event);
        let read = binary::decode(&bytes).unwrap();
        assert_same(&read, &event);
        // Equal events make equal bytes.
        prop_assert_eq!(encoded(&read), bytes);
    }

    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = binary::decode(&bytes);
        if let Some(version) = bytes.first_mut() {
            *version = 1;
        }
        let _ = binary::decode(&bytes);
    }

    #[test]
    fn damaged_bytes_are_refused_or_are_another_valid_event(
        event in any_event(),
        cut in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        more in prop::collection::vec(any::<u8>(), 1..4),
    ) {
        let whole = encoded(&event);
        // Nothing of it is an event of its own, and nothing may follow it.
        prop_assert!(binary::decode(&whole[..cut.index(whole.len())]).is_err());
        let longer = [&whole[..], &more].concat();
        prop_assert_eq!(
            binary::decode(&longer).unwrap_err(),
            BinaryError::Trailing { count: more.len() }
        );
        let mut changed = whole;
        for (place, byte) in changes {
            let place = place.index(changed.len());
            changed[place] = byte;
        }
        if let Ok(event) = binary::decode(&changed) {
            // The builder lets it pass once more, so it broke no rule.
            assert_same(&event.to_builder().build().unwrap(), &event);
            assert_same(&binary::decode(&encoded(&event)).unwrap(), &event);
        }
    }
}

/// These bytes lie on disks.
#[test]
fn the_bytes_of_version_1_stay_as_they_are() {
    let event = minimal()
        .subject("s")
        .time(DateTime::from_timestamp(-1, 1_999_999_999).unwrap())
        .datacontenttype("text/x")
        .dataschema("HTTP://A")
        .extension("c", "")
        .extension("a", true)
        .extension("b", -2_i64)
        .data("\0")
        .build()
        .unwrap();
    let bytes: &[&[u8]] = &[
        b"\x01",                         // version
        b"\x011\x02/a\x01t",             // id, source, type
        b"\x01\x01s",                    // subject
        b"\x01\x01\xff\xa7\xd6\xb9\x07", // time: the leap second before 1970
        b"\x01\x06text/x",               // datacontenttype
        b"\x01\x08HTTP://A",             // dataschema
        b"\x03\x01a\x01\x01\x01b\x02\x03\x01c\x00\x00",
        b"\x01\x01\0", // data
    ];
    let bytes = bytes.concat();
    assert_eq!(encoded(&event), bytes);
    assert_same(&binary::decode(&bytes).unwrap(), &event);
}

#[test]
fn no_data_and_data_of_no_bytes_stay_apart() {
    let none = minimal().build().unwrap();
    let empty = minimal().data("").build().unwrap();
    assert_eq!(binary::decode(&encoded(&none)).unwrap().data(), None);
    assert_eq!(
        binary::decode(&encoded(&empty)).unwrap().data(),
        Some(&[][..])
    );
}

#[test]
fn space_around_json_data_is_kept() {
    let event = minimal()
        .datacontenttype("application/json")
        .data(" {}\n")
        .build()
        .unwrap();
    assert_same(&binary::decode(&encoded(&event)).unwrap(), &event);
}

#[test]
fn an_event_is_written_after_what_is_there() {
    let event = minimal().build().unwrap();
    let mut bytes = b"before".to_vec();
    binary::encode(&event, &mut bytes);
    assert_eq!(bytes, [b"before", &encoded(&event)[..]].concat());
}

#[test]
fn the_most_extensions_are_read_and_one_more_is_not() {
    let mut builder = minimal();
    for number in 0..MAX_EXTENSIONS {
        builder = builder.extension(format!("n{number:03}"), "");
    }
    let event = builder.build().unwrap();
    let bytes = encoded(&event);
    assert_same(&binary::decode(&bytes).unwrap(), &event);

    // The count is the varint 256 before the first name; the last entry is before the absent data.
    let at = bytes.windows(3).position(|w| w == b"\x80\x02\x04").unwrap();
    let mut more = bytes;
    more[at] = 0x81;
    more.pop();
    more.extend_from_slice(b"\x01z\x00\x00\x00");
    let error = binary::decode(&more).unwrap_err();
    assert!(matches!(error, BinaryError::Damaged { .. }), "{error}");
}

/// `\x01` is the version, then come an id, a source and a type of `1`, `/a` and `t`.
#[test]
fn what_is_refused_is_refused_by_its_cause() {
    const REQUIRED: &[u8] = b"\x01\x011\x02/a\x01t";
    let with = |rest: &[u8]| binary::decode(&[REQUIRED, rest].concat());
    assert_eq!(with(b"\0\0\0\0\0\0").unwrap(), minimal().build().unwrap());

    assert_eq!(binary::decode(b"").unwrap_err(), BinaryError::Nothing);
    for version in [0, 2, 0xff] {
        assert_eq!(
            binary::decode(&[version, 0]).unwrap_err(),
            BinaryError::Version { version }
        );
    }
    let damaged: [(&str, &[u8]); 9] = [
        ("an option that is neither", b"\x02\x01s\0\0\0\0\0"),
        ("a text that is not UTF-8", b"\x01\x01\xff\0\0\0\0\0"),
        (
            "a second that leaps in the middle of a minute",
            b"\0\x01\x00\xff\xa7\xd6\xb9\x07\0\0\0\0",
        ),
        (
            "a time beyond all",
            b"\0\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0\0\0\0",
        ),
        ("a name twice", b"\0\0\0\0\x02\x01a\x01\0\x01a\x01\0\0"),
        (
            "names out of order",
            b"\0\0\0\0\x02\x01b\x01\0\x01a\x01\0\0",
        ),
        ("an extension of no type", b"\0\0\0\0\x01\x01a\x03\0\0"),
        (
            "more data than there is",
            b"\0\0\0\0\0\x01\xff\xff\xff\xff\x0fx",
        ),
        (
            "more extensions than there are",
            b"\0\0\0\0\xff\xff\xff\xff\x0f",
        ),
    ];
    for (what, rest) in damaged {
        let error = with(rest).unwrap_err();
        assert!(
            matches!(error, BinaryError::Damaged { .. }),
            "{what}: {error}"
        );
    }
    let invalid: [(&str, &[u8]); 6] = [
        ("an empty subject", b"\x01\0\0\0\0\0\0"),
        ("a control character", b"\x01\x01\x07\0\0\0\0\0"),
        ("no media type", b"\0\0\x01\x01x\0\0\0"),
        ("a schema that is relative", b"\0\0\0\x01\x01x\0\0"),
        ("a reserved name", b"\0\0\0\0\x01\x02id\x01\0\0"),
        (
            "a number past 32 bits",
            b"\0\0\0\0\x01\x01a\x02\x80\x80\x80\x80\x10\0",
        ),
    ];
    for (what, rest) in invalid {
        let error = with(rest).unwrap_err();
        assert!(matches!(error, BinaryError::Event(_)), "{what}: {error}");
    }
    assert_eq!(
        binary::decode(b"\x01\0\x02/a\x01t\0\0\0\0\0\0").unwrap_err(),
        BinaryError::Event(EventError::Empty { attribute: "id" })
    );
    let wide = with(b"\0\0\0\0\x01\x01a\x02\xff\xff\xff\xff\x0f\0").unwrap();
    let least = ExtensionValue::Integer(i64::from(i32::MIN));
    assert_eq!(wide.extension("a"), Some(&least));
}
