//! Names of apps, actors, supervisors and providers.

use crate::manifest::quoted;

/// The longest name, as in DNS: names become parts of topics, of addresses and of file names.
const LONGEST_NAME: usize = 63;

/// What a name may be.
pub(super) const NAME_HELP: &str =
    "use lower-case letters, digits and `-`, with a letter or digit first and last; at most 63";

/// Why a name is none: strict, as names become parts of topics, event sources and file names.
pub(super) fn name_fault(name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = name.len() <= LONGEST_NAME
        && name.starts_with(plain)
        && name.ends_with(plain)
        && name.chars().all(|c| plain(c) || c == '-');
    (!good).then(|| format!("{} is no name", quoted(name)))
}

/// The nearest name to what a folder is called.
pub(super) fn name_from(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = text.chars().map(plain).collect();
    let name: String = name.trim_matches('-').chars().take(LONGEST_NAME).collect();
    let name = name.trim_end_matches('-');
    if name.is_empty() {
        "app".to_owned()
    } else {
        name.to_owned()
    }
}
