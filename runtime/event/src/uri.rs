//! The grammar of URIs (RFC 3986), as far as it says yes or no: nothing is resolved or changed.

use std::net::Ipv6Addr;

/// Whether `text` is a URI-reference (section 4.1): a URI or a relative reference.
pub(crate) fn is_uri_reference(text: &str) -> bool {
    match split_scheme(text) {
        Some((scheme, rest)) => is_scheme(scheme) && is_hierarchy(rest),
        None => is_hierarchy(text),
    }
}

/// Whether `text` is a URI (section 3): it begins with a scheme. A fragment is let through, as the
/// `uri` format of the CloudEvents JSON schema does, because schemas are often named by one.
pub(crate) fn is_uri(text: &str) -> bool {
    split_scheme(text).is_some_and(|(scheme, rest)| is_scheme(scheme) && is_hierarchy(rest))
}

/// Splits at a colon in the first segment. There it ends a scheme and nothing else: a relative
/// reference may not have one (section 4.2).
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let mut bytes = text.bytes();
    let end = bytes.position(|byte| matches!(byte, b':' | b'/' | b'?' | b'#'))?;
    let (scheme, rest) = text.split_at_checked(end)?;
    Some((scheme, rest.strip_prefix(':')?))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// What follows the scheme: `[ "//" authority ] path [ "?" query ] [ "#" fragment ]`.
fn is_hierarchy(text: &str) -> bool {
    let (text, fragment) = split(text, '#');
    let (text, query) = split(text, '?');
    let path = match text.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            match rest.split_at_checked(end) {
                Some((authority, path)) if is_authority(authority) => path,
                _ => return false,
            }
        }
        None => text,
    };
    is_made_of(path, |byte| is_pchar(byte) || byte == b'/')
        && is_made_of(query, |byte| is_pchar(byte) || matches!(byte, b'/' | b'?'))
        && is_made_of(fragment, |byte| {
            is_pchar(byte) || matches!(byte, b'/' | b'?')
        })
}

/// The text before the mark, and the text after it (empty where there is no mark).
fn split(text: &str, mark: char) -> (&str, &str) {
    text.split_once(mark).unwrap_or((text, ""))
}

/// `[ userinfo "@" ] host [ ":" port ]`
fn is_authority(text: &str) -> bool {
    let (user, host) = text.rsplit_once('@').unwrap_or(("", text));
    if !is_made_of(user, |byte| is_name_byte(byte) || byte == b':') {
        return false;
    }
    if let Some(literal) = host.strip_prefix('[') {
        return literal.split_once(']').is_some_and(|(address, port)| {
            is_ip_literal(address) && port.strip_prefix(':').map_or(port.is_empty(), is_port)
        });
    }
    let (name, port) = split(host, ':');
    is_made_of(name, is_name_byte) && is_port(port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An IPv6 address, or `v` hex digits `.` and an address of a kind yet to come.
fn is_ip_literal(text: &str) -> bool {
    match text.strip_prefix(['v', 'V']) {
        Some(future) => future.split_once('.').is_some_and(|(version, address)| {
            !version.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !address.is_empty()
                && address
                    .bytes()
                    .all(|byte| byte != b'%' && (is_name_byte(byte) || byte == b':'))
        }),
        None => text.parse::<Ipv6Addr>().is_ok(),
    }
}

/// Whether each byte is allowed, and each `%` is followed by two hexadecimal digits.
fn is_made_of(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let good = match byte {
            b'%' => {
                let mut hex = || bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit());
                hex() && hex()
            }
            byte => allowed(byte),
        };
        if !good {
            return false;
        }
    }
    true
}

/// `pchar` without `pct-encoded` (section 3.3).
fn is_pchar(byte: u8) -> bool {
    is_name_byte(byte) || matches!(byte, b':' | b'@')
}

/// `unreserved` and `sub-delims` (section 2).
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_told_from_other_references_and_from_other_texts() {
        const URI: [bool; 2] = [true, true];
        const RELATIVE: [bool; 2] = [true, false];
        const NEITHER: [bool; 2] = [false, false];
        for (text, expected) in [
            ("https://example.com/a/b?c=d#e", URI),
            ("urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", URI),
            ("mailto:someone@example.com", URI),
            ("tag:example.com,2026:x", URI),
            ("http://user:secret@[2001:db8::7]:8080/", URI),
            ("http://[v7.a:b]/", URI),
            ("http://192.0.2.1:80", URI),
            ("http://a:/", URI),
            ("file:///etc/hosts", URI),
            ("a:", URI),
            ("a+b-c.9:x", URI),
            ("x:%41%6a", URI),
            ("/sensors/tn-1234567/alerts", RELATIVE),
            ("1-555-123-4567", RELATIVE),
            ("cloudevents/spec/pull/123", RELATIVE),
            ("//host/path", RELATIVE),
            ("./a:b", RELATIVE),
            ("/a:b", RELATIVE),
            ("?q", RELATIVE),
            ("#f", RELATIVE),
            ("#f/?", RELATIVE),
            ("", RELATIVE),
            ("1:2", NEITHER),
            (":a", NEITHER),
            ("a_b:c", NEITHER),
            ("a b", NEITHER),
            ("/a b", NEITHER),
            ("/\u{e9}", NEITHER),
            ("/a\\b", NEITHER),
            ("/{id}", NEITHER),
            ("/a<b>", NEITHER),
            ("/%4", NEITHER),
            ("/%4g", NEITHER),
            ("/%", NEITHER),
            ("/[a]", NEITHER),
            ("/a?[b]", NEITHER),
            ("#a#b", NEITHER),
            ("http://[::1/", NEITHER),
            ("http://[::g]/", NEITHER),
            ("http://[v.a]/", NEITHER),
            ("http://[v1.]/", NEITHER),
            ("http://[::1]a/", NEITHER),
            ("http://a:80a/", NEITHER),
            ("http://a@b@c/", NEITHER),
            ("http://a:1:2/", NEITHER),
            ("http://exa mple/", NEITHER),
        ] {
            assert_eq!([is_uri_reference(text), is_uri(text)], expected, "{text:?}");
        }
    }
}
