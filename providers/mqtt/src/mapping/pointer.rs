use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;
use whirlwind_event::Excerpt;

use super::MappingError;

/// How many levels down a pointer may lead: half of what the JSON reader goes down, so that what it names can be found.
const MAX_LEVELS: usize = 64;

/// A JSON Pointer (RFC 6901) to a text or a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    text: Box<str>,
    levels: Vec<Level>,
}

/// What leads one level down.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Level {
    /// The name of a member, unescaped.
    name: Box<str>,
    /// The place in an array, from 0.
    index: Option<usize>,
}

impl Pointer {
    pub(super) fn parse(text: &str) -> Result<Self, MappingError> {
        let refused = |fault| MappingError::Pointer {
            pointer: Excerpt::of(text),
            fault,
        };
        if text.is_empty() {
            return Err(refused("is empty, which means the whole payload"));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(refused("does not begin with \"/\""));
        };
        let levels: Option<Vec<Level>> = rest.split('/').map(Level::parse).collect();
        match levels {
            None => Err(refused("has a \"~\" that is neither \"~0\" nor \"~1\"")),
            Some(levels) if levels.len() > MAX_LEVELS => Err(refused("has more than 64 levels")),
            Some(levels) => Ok(Self {
                text: text.into(),
                levels,
            }),
        }
    }

    /// As written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The text that a document has there, or the number as it is written. None too if the document is no JSON, or a member on the
    /// way is there twice: which of the two is meant nobody can know (RFC 8259, 4).
    ///
    /// The document is read once, and nothing of it is kept.
    pub(super) fn find(&self, document: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(document).ok()?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let found = Below(&self.levels).deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        let value = found?.get();
        match value.as_bytes().first() {
            Some(b'"') => serde_json::from_str(value).ok(),
            Some(b'-' | b'0'..=b'9') => Some(value.to_owned()),
            _ => None,
        }
    }
}

impl Level {
    /// None if it has a "~" that escapes nothing.
    fn parse(text: &str) -> Option<Self> {
        let mut escapes = text.split('~').skip(1);
        if !escapes.all(|after| after.starts_with(['0', '1'])) {
            return None;
        }
        let is_index =
            text == "0" || !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self {
            // In this order: "~01" is "~1" (RFC 6901, 4).
            name: text.replace("~1", "/").replace("~0", "~").into(),
            index: is_index.then(|| text.parse().ok()).flatten(),
        })
    }
}

/// Reads a value, and of it only what lies at the end of these levels.
struct Below<'p>(&'p [Level]);

impl<'de> DeserializeSeed<'de> for Below<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        match self.0.split_first() {
            None => serde::Deserialize::deserialize(reader).map(Some),
            Some((level, rest)) => reader.deserialize_any(Within { level, rest }),
        }
    }
}

/// Goes through a value for what lies in it at `level`, and there at `rest`.
struct Within<'p> {
    level: &'p Level,
    rest: &'p [Level],
}

impl<'de> Visitor<'de> for Within<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let mut met = false;
        while let Some(is_it) = members.next_key_seed(Is(&self.level.name))? {
            if !is_it {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            if std::mem::replace(&mut met, true) {
                return Err(A::Error::custom("a member is there twice"));
            }
            found = members.next_value_seed(Below(self.rest))?;
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut before = self.level.index;
        let mut found = None;
        loop {
            match before {
                Some(0) => match items.next_element_seed(Below(self.rest))? {
                    Some(item) => found = item,
                    None => return Ok(found),
                },
                _ => {
                    if items.next_element::<IgnoredAny>()?.is_none() {
                        return Ok(found);
                    }
                }
            }
            before = before.and_then(|count| count.checked_sub(1));
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Whether the name of a member is this one.
struct Is<'p>(&'p str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<bool, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn find(pointer: &str, document: &str) -> Option<String> {
        Pointer::parse(pointer).unwrap().find(document.as_bytes())
    }

    #[test]
    fn a_text_or_a_number_is_found_and_nothing_else() {
        for (pointer, document, found) in [
            ("/id", r#"{"id":"a"}"#, Some("a")),
            (
                "/id",
                r#" {"x":[{"id":1}],"id" : "a" , "y":null} "#,
                Some("a"),
            ),
            (
                "/meta/seq",
                r#"{"seq":1,"meta":{"seq":2,"id":3}}"#,
                Some("2"),
            ),
            // A number is as it is written, beyond what any type of numbers holds.
            ("/n", r#"{"n":1.50}"#, Some("1.50")),
            ("/n", r#"{"n":-0}"#, Some("-0")),
            ("/n", r#"{"n":1E+400}"#, Some("1E+400")),
            (
                "/n",
                r#"{"n":123456789012345678901234567890 }"#,
                Some("123456789012345678901234567890"),
            ),
            // A text is what it means.
            (
                "/id",
                r#"{"\u0069d":"\u0061\"\ud83c\udf00"}"#,
                Some("a\"🌀"),
            ),
            ("/id", r#"{"id":""}"#, Some("")),
            ("/id", r#"{"id":"\ud800"}"#, None),
            // Places in arrays.
            ("/0", "[7]", Some("7")),
            ("/1/1", "[0,[1,2,3],4]", Some("2")),
            ("/2", "[0,1]", None),
            ("/-", "[0,1]", None),
            ("/01", "[0,1]", None),
            ("/+1", "[0,1]", None),
            ("/99999999999999999999999", "[0,1]", None),
            ("/01", r#"{"01":"a","1":"b"}"#, Some("a")),
            ("/1", r#"{"01":"a","1":"b"}"#, Some("b")),
            // Names with what escapes stand for, and names of nothing.
            ("/a~1b", r#"{"a/b":"x"}"#, Some("x")),
            ("/m~0n", r#"{"m~n":"x"}"#, Some("x")),
            ("/~01", r#"{"~1":"x","/":"y"}"#, Some("x")),
            ("/", r#"{"":"x"}"#, Some("x")),
            ("//", r#"{"":{"":"x"}}"#, Some("x")),
            ("/ä b", r#"{"ä b":"x"}"#, Some("x")),
            // What is there is no id.
            ("/id", r#"{"id":true}"#, None),
            ("/id", r#"{"id":null}"#, None),
            ("/id", r#"{"id":["a"]}"#, None),
            ("/id", r#"{"id":{"id":"a"}}"#, None),
            // There is nothing.
            ("/id", r#"{"ID":"a"}"#, None),
            ("/id", r#"{}"#, None),
            ("/id", r#""id""#, None),
            ("/id", "7", None),
            ("/id", "-7.5", None),
            ("/id", "-7", None),
            ("/id", "true", None),
            ("/id", "null", None),
            ("/id/x", r#"{"id":"a"}"#, None),
            // Which is meant?
            ("/id", r#"{"id":"a","id":"a"}"#, None),
            ("/m/id", r#"{"m":{"id":"a"},"m":{}}"#, None),
            ("/id", r#"{"x":1,"x":2,"id":"a"}"#, Some("a")),
            // No JSON, though it begins like it.
            ("/id", "", None),
            ("/id", r#"{"id":"a""#, None),
            ("/id", r#"{"id":"a"} x"#, None),
            ("/id", r#"{"id":"a",}"#, None),
            ("/id", r#"{"id":01}"#, None),
            ("/id", r#"{"id":"a","x":[}"#, None),
        ] {
            assert_eq!(
                find(pointer, document).as_deref(),
                found,
                "{pointer} in {document}"
            );
        }
        let not_text = Pointer::parse("/id").unwrap();
        assert_eq!(not_text.find(b"{\"id\":\"a\",\"x\":\"\xff\"}"), None);
    }

    #[test]
    fn what_is_nested_without_end_costs_no_stack() {
        let deep = 1_000_000;
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let beside = format!(
                r#"{{"x":{}1{},"id":"a"}}"#,
                open.repeat(deep),
                close.repeat(deep)
            );
            assert_eq!(find("/id", &beside).as_deref(), Some("a"));
            let within = format!("{}1{}", open.repeat(deep), close.repeat(deep));
            let longest = "/a".repeat(MAX_LEVELS);
            assert_eq!(find(&longest, &within), None);
        }
        // As far down as a pointer leads there is something to find.
        let way = "/a".repeat(MAX_LEVELS);
        let document = format!(
            "{}1{}",
            r#"{"a":"#.repeat(MAX_LEVELS),
            "}".repeat(MAX_LEVELS)
        );
        assert_eq!(find(&way, &document).as_deref(), Some("1"));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a0/~é-]{0,2}|0|1", inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn it_finds_what_serde_json_finds(
            document in any_json(),
            pointer in "(/([a0é-]|~0|~1){0,2}|/[01]){1,4}",
        ) {
            let expected = match document.pointer(&pointer) {
                Some(Value::String(text)) => Some(text.clone()),
                Some(Value::Number(number)) => Some(number.to_string()),
                _ => None,
            };
            for text in [document.to_string(), serde_json::to_string_pretty(&document).unwrap()] {
                prop_assert_eq!(find(&pointer, &text), expected.clone());
            }
        }

        #[test]
        fn it_finds_every_leaf_by_its_own_way(document in any_json()) {
            let mut leaves = Vec::new();
            walk(&document, String::new(), &mut leaves);
            for (pointer, leaf) in leaves {
                prop_assert_eq!(find(&pointer, &document.to_string()), Some(leaf), "{}", pointer);
            }
        }
    }

    /// All texts and numbers below a value, and the ways to them.
    fn walk(value: &Value, way: String, leaves: &mut Vec<(String, String)>) {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(item, format!("{way}/{index}"), leaves);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    walk(member, format!("{way}/{name}"), leaves);
                }
            }
            Value::String(text) if !way.is_empty() => leaves.push((way, text.clone())),
            Value::Number(number) if !way.is_empty() => leaves.push((way, number.to_string())),
            _ => {}
        }
    }
}
