//! Documents that are no events, and what is said of each.

use whirlwind_event::json;

/// The required members, for documents whose fault lies elsewhere.
const GOOD: &str = r#""specversion":"1.0","id":"1","source":"/a","type":"t""#;

#[test]
fn a_document_that_is_no_event_is_told_why() {
    for (members, message) in [
        (
            r#""id":"1","source":"/a","type":"t""#,
            r#"the document has no "specversion"; a CloudEvent says "specversion": "1.0""#,
        ),
        (
            r#""specversion":null,"id":"1","source":"/a","type":"t""#,
            r#"the document has no "specversion"; a CloudEvent says "specversion": "1.0""#,
        ),
        (
            r#""specversion":"0.3","id":"1","source":"/a","type":"t""#,
            r#"attribute "specversion" is "0.3"; only CloudEvents "1.0" is understood"#,
        ),
        (
            r#""specversion":1.0"#,
            r#"member "specversion" is a number; it must be a string"#,
        ),
        (
            r#""specversion":"1.0","source":"/a","type":"t""#,
            r#"the event has no "id"; every CloudEvent has an id, a source and a type"#,
        ),
        (
            r#""specversion":"1.0","id":null,"source":"/a","type":"t""#,
            r#"the event has no "id"; every CloudEvent has an id, a source and a type"#,
        ),
        (
            r#""specversion":"1.0","id":"1","type":"t""#,
            r#"the event has no "source"; every CloudEvent has an id, a source and a type"#,
        ),
        (
            r#""specversion":"1.0","id":"1","source":"/a""#,
            r#"the event has no "type"; every CloudEvent has an id, a source and a type"#,
        ),
        (
            r#""specversion":"1.0","id":1"#,
            r#"member "id" is a number; it must be a string"#,
        ),
        (
            r#""specversion":"1.0","id":"","source":"/a","type":"t""#,
            r#"attribute "id" is empty; give it a value"#,
        ),
        (
            r#""source":{"a":1}"#,
            r#"member "source" is an object; it must be a string"#,
        ),
        (
            r#""type":["t"]"#,
            r#"member "type" is an array; it must be a string"#,
        ),
        (
            r#"GOOD,"subject":true"#,
            r#"member "subject" is a boolean; it must be a string"#,
        ),
        (
            r#"GOOD,"subject":"""#,
            r#"attribute "subject" is empty; give it a value, or leave it out"#,
        ),
        (
            r#"GOOD,"time":1522949460"#,
            r#"member "time" is a number; it must be a string"#,
        ),
        (
            r#"GOOD,"time":"2018-04-05 17:31:00Z""#,
            r#"attribute "time" is "2018-04-05 17:31:00Z", which is not an RFC 3339 timestamp; write one such as "2026-01-31T12:00:00Z""#,
        ),
        (
            r#"GOOD,"dataschema":"/schema""#,
            r#"attribute "dataschema" is "/schema", which is not an absolute URI; write one with its scheme, such as "https://example.com/schema.json""#,
        ),
        (
            r#"GOOD,"datacontenttype":{}"#,
            r#"member "datacontenttype" is an object; it must be a string"#,
        ),
        (
            r#"GOOD,"datacontenttype":"json","data":1"#,
            r#"member "data" is a number; it must be a string, because "datacontenttype" is "json" and not JSON"#,
        ),
        (
            r#"GOOD,"datacontenttype":"text/plain","data":{"a":1}"#,
            r#"member "data" is an object; it must be a string, because "datacontenttype" is "text/plain" and not JSON"#,
        ),
        (
            r#"GOOD,"data":1,"data_base64":"aGk=""#,
            r#"members "data" and "data_base64" are both there; leave one out"#,
        ),
        (
            r#"GOOD,"data_base64":7"#,
            r#"member "data_base64" is a number; it must be a string"#,
        ),
        (
            r#"GOOD,"data_base64":"aGk""#,
            r#"member "data_base64" is not base64: Invalid padding"#,
        ),
        (
            r#"GOOD,"data_base64":"a-_=""#,
            r#"member "data_base64" is not base64: Invalid symbol 45, offset 1."#,
        ),
        (
            r#"GOOD,"data":1,"data":1"#,
            r#"member "data" is there twice; leave one out"#,
        ),
        (
            r#"GOOD,"id":"1""#,
            r#"member "id" is there twice; leave one out"#,
        ),
        (
            r#"GOOD,"zone":null,"zone":"a""#,
            r#"member "zone" is there twice; leave one out"#,
        ),
        (
            r#"GOOD,"zone":"a","zon\u0065":"a""#,
            r#"member "zone" is there twice; leave one out"#,
        ),
        (
            r#"GOOD,"zone":{}"#,
            r#"member "zone" is an object; it must be a string, a boolean or an integer"#,
        ),
        (
            r#"GOOD,"zone":[1]"#,
            r#"member "zone" is an array; it must be a string, a boolean or an integer"#,
        ),
        (
            r#"GOOD,"zone":1.0"#,
            r#"member "zone" is a number with a fraction or an exponent; it must be an integer or a string"#,
        ),
        (
            r#"GOOD,"zone":1e3"#,
            r#"member "zone" is a number with a fraction or an exponent; it must be an integer or a string"#,
        ),
        (
            r#"GOOD,"zone":2147483648"#,
            r#"extension "zone" is 2147483648, outside the 32-bit range of a CloudEvents integer; send it as a string"#,
        ),
        (
            r#"GOOD,"zone":-99999999999999999999"#,
            r#"extension "zone" is -9223372036854775808, outside the 32-bit range of a CloudEvents integer; send it as a string"#,
        ),
        (
            r#"GOOD,"zone":"a\u0007""#,
            r#"attribute "zone" has the character U+0007 at byte 1; control characters and noncharacters are not allowed in attributes, only in data"#,
        ),
        (
            r#"GOOD,"zone":"\uDEAD""#,
            r#"member "zone" is not a text: lone leading surrogate in hex escape at line 1 column 7"#,
        ),
        (
            r#"GOOD,"Zone":"a""#,
            r#""Zone" cannot name an extension attribute; use 1 to 20 lower-case letters and digits"#,
        ),
        (
            r#"GOOD,"trace-id":1"#,
            r#""trace-id" cannot name an extension attribute; use 1 to 20 lower-case letters and digits"#,
        ),
        (
            r#"GOOD,"":"a""#,
            r#""" cannot name an extension attribute; use 1 to 20 lower-case letters and digits"#,
        ),
    ] {
        let document = format!("{{{}}}", members.replace("GOOD", GOOD));
        let error = json::from_slice(document.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), message, "{document}");
    }
}

#[test]
fn a_document_that_is_no_object_is_told_so() {
    for (document, message) in [
        (
            &b""[..],
            "the document cannot be read: EOF while parsing a value at line 1 column 0",
        ),
        (
            b"7",
            "the document cannot be read: invalid type: integer `7`, expected a CloudEvent, which is a JSON object at line 1 column 1",
        ),
        (
            b"[]",
            "the document cannot be read: invalid type: sequence, expected a CloudEvent, which is a JSON object at line 1 column 0",
        ),
        (
            b"{} x",
            "the document cannot be read: trailing characters at line 1 column 4",
        ),
        (
            b"{\"id\":\"1\"",
            "the document cannot be read: EOF while parsing an object at line 1 column 9",
        ),
        (b"{\"a\xff\":1}", "the document is not UTF-8 from byte 3 on"),
    ] {
        assert_eq!(json::from_slice(document).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_batch_names_the_event_that_cannot_be_read() {
    for (document, message) in [
        ("{}", "the document cannot be read: invalid type: map, expected a sequence at line 1 column 0".to_owned()),
        ("[7]", "event 1 of the batch: the document cannot be read: invalid type: integer `7`, expected a CloudEvent, which is a JSON object at line 1 column 1".to_owned()),
        ("[{GOOD},{GOOD,\"time\":3}]", "event 2 of the batch: member \"time\" is a number; it must be a string".to_owned()),
    ] {
        let document = document.replace("GOOD", GOOD);
        assert_eq!(json::batch_from_slice(document.as_bytes()).unwrap_err().to_string(), message);
    }
    assert!(json::batch_from_slice(b"[]").unwrap().is_empty());
}
