//! Which imports are served, and what to say about those that are not.
//!
//! The linker holds more than a component may have: what needs a link is linked for all and refused
//! here to those without one.

/// An import that cannot be served to this component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The import's name.
    pub import: String,
    /// Why, and the line of the manifest that would help, if one would.
    pub reason: String,
}

/// At most this many are listed; a component that is hostile can have millions.
const MAX_LISTED: usize = 64;

/// The interfaces of WASI 0.2, any patch version, by package.
const WASI: [(&str, &[&str]); 6] = [
    ("wasi:io", &["error", "poll", "streams"]),
    ("wasi:clocks", &["monotonic-clock", "wall-clock"]),
    ("wasi:random", &["random", "insecure", "insecure-seed"]),
    (
        "wasi:cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:filesystem", &["types", "preopens"]),
    (
        "wasi:sockets",
        &[
            "network",
            "instance-network",
            "ip-name-lookup",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
    ),
];

/// The other interfaces: package, interfaces, the versions that are served.
const SERVED: [(&str, &[&str], &[&str]); 5] = [
    ("wasi:messaging", &["types", "producer"], &["0.2.0-draft"]),
    (
        KEYVALUE,
        &["store", "atomics", "batch"],
        &["0.2.0-draft", "0.2.0-draft2"],
    ),
    ("wasi:config", &["store"], &["0.2.0-rc.1"]),
    ("wasi:logging", &["logging"], &["0.1.0-draft"]),
    ("whirlwind:actor", &["types", "producer"], &["0.1.0"]),
];

const KEYVALUE: &str = "wasi:keyvalue";

/// What to say about packages that people will try.
const ADVICE: [(&str, &str); 5] = [
    (
        "wasi:messaging/request-reply",
        "asking and waiting for a reply is not served; publish the question, and subscribe to a topic for the answers",
    ),
    (
        "wasi:http/",
        "no provider serves HTTP to components; take and publish events instead",
    ),
    (
        "wasmcloud:messaging/",
        "this interface is not served; `wasi:messaging@0.2.0-draft` is",
    ),
    (
        "wasi:keyvalue/watcher",
        "watching a bucket is not served; publish an event where the value is written",
    ),
    (
        "wasi:blobstore/",
        "no provider serves blob storage to components",
    ),
];

/// All imports that cannot be served, in their order. `linked` says whether the component has any link
/// for key-value.
pub(crate) fn unmet<'a>(imports: impl Iterator<Item = &'a str>, linked: bool) -> Vec<Unmet> {
    let mut unmet = Vec::new();
    let mut more = 0_usize;
    for import in imports {
        let Some(reason) = refusal(import, linked) else {
            continue;
        };
        if unmet.len() < MAX_LISTED {
            unmet.push(Unmet {
                import: crate::text::clean(import, 200),
                reason,
            });
        } else {
            more += 1;
        }
    }
    if more > 0 {
        unmet.push(Unmet {
            import: format!("and {more} more"),
            reason: "not served either".to_owned(),
        });
    }
    unmet
}

/// Why an import is not served; `None` if it is.
fn refusal(import: &str, linked: bool) -> Option<String> {
    let (path, version) = match import.split_once('@') {
        Some((path, version)) => (path, Some(version)),
        None => (import, None),
    };
    let Some((package, interface)) = path.split_once('/') else {
        return Some("not an interface of any package; only interfaces can be served".to_owned());
    };
    if let Some((_, interfaces)) = WASI.iter().find(|(name, _)| *name == package) {
        return match version {
            Some(version) if is_wasi_0_2(version) && interfaces.contains(&interface) => None,
            Some(version) if version.starts_with("0.3") => Some(
                "WASI 0.3 is not served; build for WASI 0.2 (`--target wasm32-wasip2`)".to_owned(),
            ),
            Some(version) if is_wasi_0_2(version) => {
                Some("this interface of WASI 0.2 is not served".to_owned())
            }
            _ => Some("only version 0.2 of it is served".to_owned()),
        };
    }
    if let Some((_, interfaces, versions)) = SERVED.iter().find(|(name, ..)| *name == package)
        && interfaces.contains(&interface)
    {
        return match version {
            Some(version) if versions.contains(&version) => (package == KEYVALUE && !linked).then(|| {
                "no key-value provider is linked to this actor; add `links = { keyvalue = \"PROVIDER\" }` to its manifest, PROVIDER being the name of a `[provider.NAME]` there".to_owned()
            }),
            _ => Some(format!(
                "this version is not served, but {} is",
                versions.join(" and ")
            )),
        };
    }
    let advice = ADVICE
        .iter()
        .find(|(start, _)| path.starts_with(start))
        .map_or("nothing here serves it", |(_, advice)| advice);
    Some(advice.to_owned())
}

/// `0.2.` and a number. Drafts and release candidates of 0.2.0 differ from it.
fn is_wasi_0_2(version: &str) -> bool {
    version
        .strip_prefix("0.2.")
        .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_and_what_is_said_of_the_rest() {
        // import, served with a link, a part of the reason without one (empty: served)
        for (import, with, without) in [
            ("wasi:cli/environment@0.2.0", true, ""),
            ("wasi:cli/environment@0.2.12", true, ""),
            ("wasi:cli/environment@0.2.99", true, ""),
            ("wasi:io/streams@0.2.3", true, ""),
            ("wasi:sockets/tcp@0.2.0", true, ""),
            ("wasi:filesystem/types@0.2.6", true, ""),
            (
                "wasi:cli/environment@0.2.0-rc-2023-11-10",
                false,
                "only version 0.2",
            ),
            ("wasi:cli/environment", false, "only version 0.2"),
            ("wasi:cli/environment@0.3.0", false, "wasm32-wasip2"),
            ("wasi:clocks/timezone@0.2.0", false, "not served"),
            ("wasi:messaging/types@0.2.0-draft", true, ""),
            ("wasi:messaging/producer@0.2.0-draft", true, ""),
            (
                "wasi:messaging/request-reply@0.2.0-draft",
                false,
                "subscribe to a topic",
            ),
            ("wasi:messaging/producer@0.2.0", false, "0.2.0-draft is"),
            (
                "wasi:keyvalue/store@0.2.0-draft",
                true,
                "links = { keyvalue = \"PROVIDER\" }",
            ),
            (
                "wasi:keyvalue/atomics@0.2.0-draft2",
                true,
                "links = { keyvalue = \"PROVIDER\" }",
            ),
            (
                "wasi:keyvalue/store@0.2.0-draft3",
                false,
                "0.2.0-draft and 0.2.0-draft2 is",
            ),
            ("wasi:keyvalue/watcher@0.2.0-draft", false, "watching"),
            ("wasi:config/store@0.2.0-rc.1", true, ""),
            ("wasi:logging/logging@0.1.0-draft", true, ""),
            ("wasi:logging/logging", false, "0.1.0-draft is"),
            ("whirlwind:actor/types@0.1.0", true, ""),
            ("whirlwind:actor/producer@0.1.0", true, ""),
            ("whirlwind:actor/producer@0.2.0", false, "0.1.0 is"),
            ("wasi:http/outgoing-handler@0.2.0", false, "HTTP"),
            (
                "wasmcloud:messaging/consumer@0.2.0",
                false,
                "wasi:messaging@0.2.0-draft",
            ),
            ("acme:thing/maker@1.0.0", false, "nothing here serves it"),
            ("log", false, "not an interface"),
        ] {
            assert_eq!(
                refusal(import, true).is_none(),
                with,
                "{import} with a link"
            );
            match refusal(import, false) {
                None => assert_eq!(without, "", "{import} without a link"),
                Some(reason) => assert!(
                    !without.is_empty() && reason.contains(without),
                    "{import}: {reason}"
                ),
            }
        }
    }

    #[test]
    fn all_unmet_imports_are_listed_up_to_a_bound() {
        let imports: Vec<_> = (0..1000).map(|n| format!("a:b/c{n}@1.0.0")).collect();
        let unmet = unmet(imports.iter().map(String::as_str), true);
        assert_eq!(unmet.len(), MAX_LISTED + 1);
        assert_eq!(unmet[MAX_LISTED].import, "and 936 more");
    }
}
