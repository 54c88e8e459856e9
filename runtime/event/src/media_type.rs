//! Media types, as far as the JSON format asks about them.

/// Whether `text` is `type "/" subtype` with or without parameters (RFC 2046; the grammar of the
/// tokens is that of RFC 2045, 5.1).
pub(crate) fn is_media_type(text: &str) -> bool {
    let (essence, parameters) = split_parameters(text);
    let Some((kind, subtype)) = essence.split_once('/') else {
        return false;
    };
    is_token(kind)
        && is_token(subtype)
        && parameters.is_none_or(|parameters| Parameters(parameters).all(|p| p.is_some()))
}

/// Whether data of this type is a JSON text: `*/json` or `*/*+json`, whatever the parameters
/// (JSON event format, 3.1.1).
pub(crate) fn is_json(text: &str) -> bool {
    let (essence, _) = split_parameters(text);
    essence
        .split_once('/')
        .is_some_and(|(_, subtype)| is_or_ends_with(subtype, "json", "+json"))
}

/// Whether data of this type is text in UTF-8: a `charset` that says so, or no `charset` and one
/// of the types whose data is text by definition (`text/*`, `*/xml`, `*/*+xml`).
pub(crate) fn is_utf8_text(text: &str) -> bool {
    let (essence, parameters) = split_parameters(text);
    let charset = Parameters(parameters.unwrap_or_default())
        .flatten()
        .find(|(name, _)| name.eq_ignore_ascii_case("charset"));
    match charset {
        Some((_, value)) => {
            let value = value.trim_matches('"');
            value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("us-ascii")
        }
        None => essence.split_once('/').is_some_and(|(kind, subtype)| {
            kind.eq_ignore_ascii_case("text") || is_or_ends_with(subtype, "xml", "+xml")
        }),
    }
}

/// Whether the subtype is `name`, or ends with `suffix`, in any mixture of cases.
fn is_or_ends_with(subtype: &str, name: &str, suffix: &str) -> bool {
    let end = subtype
        .len()
        .checked_sub(suffix.len())
        .and_then(|start| subtype.get(start..));
    subtype.eq_ignore_ascii_case(name) || end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// The type and subtype, and the text after the first semicolon.
fn split_parameters(text: &str) -> (&str, Option<&str>) {
    match text.split_once(';') {
        Some((essence, parameters)) => (essence.trim_matches(' '), Some(parameters)),
        None => (text, None),
    }
}

/// The parameters, `None` standing for one that is malformed; nothing comes after it.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = Option<(&'a str, &'a str)>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = std::mem::take(&mut self.0).trim_matches(' ');
        if text.is_empty() {
            return None;
        }
        let parameter = text.split_once('=').and_then(|(name, rest)| {
            let end = match rest.strip_prefix('"') {
                Some(quoted) => closing_quote(quoted)? + 2,
                None => rest.find(';').unwrap_or(rest.len()),
            };
            let (value, rest) = rest.split_at_checked(end)?;
            let value = value.trim_end_matches(' ');
            let rest = rest.trim_start_matches(' ');
            self.0 = match rest.strip_prefix(';') {
                Some(next) => next,
                None if rest.is_empty() => "",
                None => return None,
            };
            (is_token(name) && (value.starts_with('"') || is_token(value))).then_some((name, value))
        });
        Some(parameter)
    }
}

/// Where the quotation that begins before `text` ends; a backslash quotes the character after it.
fn closing_quote(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(at),
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
    None
}

/// A token of RFC 2045: printable ASCII without spaces and without the special characters.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| {
            byte.is_ascii_graphic()
                && !matches!(
                    byte,
                    b'(' | b')'
                        | b'<'
                        | b'>'
                        | b'@'
                        | b','
                        | b';'
                        | b':'
                        | b'\\'
                        | b'"'
                        | b'/'
                        | b'['
                        | b']'
                        | b'?'
                        | b'='
                )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_known_by_their_grammar() {
        for good in [
            "text/plain",
            "application/vnd.apache.thrift.binary",
            "text/plain; charset=utf-8",
            "text/plain;charset=utf-8",
            "text/plain ; charset=\"utf-8\" ; x=y",
            "multipart/mixed; boundary=\"a;b\\\"c\"",
            "text/plain;",
        ] {
            assert!(is_media_type(good), "{good:?}");
        }
        for bad in [
            "",
            "json",
            "/json",
            "text/",
            "text/plain/x",
            "te xt/plain",
            "text/plain; charset",
            "text/plain; charset=",
            "text/plain; =utf-8",
            "text/plain; a=\"b",
            "text/plain; a=\"b\"c",
            "text/plain; a=b c",
            "text/plain; a=b;; c",
            "text/pl\u{e9}in",
        ] {
            assert!(!is_media_type(bad), "{bad:?}");
        }
    }

    #[test]
    fn json_and_text_are_told_by_type_suffix_and_charset() {
        for (media_type, json, text) in [
            ("application/json", true, false),
            ("Application/JSON; charset=utf-8", true, true),
            ("text/json", true, true),
            ("application/vnd.api+json", true, false),
            ("application/senml+JSON;x=y", true, false),
            ("application/jsonlines", false, false),
            ("application/xjson", false, false),
            ("text/plain", false, true),
            ("TEXT/PLAIN", false, true),
            ("text/plain; charset=UTF-8", false, true),
            ("text/plain; charset=\"us-ascii\"", false, true),
            ("text/plain; charset=iso-8859-1", false, false),
            (
                "text/plain; x=\"charset=utf-8\"; charset=utf-16",
                false,
                false,
            ),
            ("application/xml", false, true),
            ("image/svg+xml", false, true),
            ("application/x-yaml; charset=utf-8", false, true),
            ("application/octet-stream", false, false),
            ("image/png", false, false),
        ] {
            assert_eq!(is_json(media_type), json, "json: {media_type}");
            assert_eq!(is_utf8_text(media_type), text, "text: {media_type}");
        }
    }
}
