//! Nearest known names.

use super::error::quoted;

/// Names longer than this are not typing errors of ours, and comparing them would cost.
const LONGEST: usize = 64;

/// The known name that was probably meant.
fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let name = name.to_ascii_lowercase();
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (strsim::jaro_winkler(&name, candidate), candidate))
        .filter(|(alike, candidate)| {
            // One slip in a short name, a third of a long one; or a common beginning ("mem" for "memory").
            let slips = strsim::osa_distance(&name, candidate);
            slips <= (name.chars().count() / 3).max(1) && *alike > 0.6 || *alike > 0.85
        })
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

/// What to say of a name that is not known: the nearest one, else what `all` there are.
pub(crate) fn hint<'n>(name: &str, known: impl IntoIterator<Item = &'n str>, all: &str) -> String {
    /// More names than anybody gives, and few enough to compare with each.
    const COMPARED: usize = 1000;
    const LISTED: usize = 20;
    let mut known: Vec<&str> = known.into_iter().take(COMPARED).collect();
    if let Some(near) = nearest(name, known.iter().copied()) {
        return format!("did you mean {}?", quoted(near));
    }
    known.sort_unstable();
    let more = if known.len() > LISTED { ", .." } else { "" };
    let listed: Vec<String> = known.iter().take(LISTED).map(|name| quoted(name)).collect();
    if listed.is_empty() {
        "there are none".to_owned()
    } else {
        format!("{all}: {}{more}", listed.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name() {
        let known = [
            "subscribe",
            "publish",
            "component",
            "max_restarts",
            "type",
            "path",
            "sled",
            "memory",
        ];
        let slips = [
            ("subscibe", "subscribe"),
            ("subscriptions", "subscribe"),
            ("Publish", "publish"),
            ("pubish", "publish"),
            ("max-restarts", "max_restarts"),
            ("tpye", "type"),
            ("mem", "memory"),
            ("seld", "sled"),
        ];
        for (written, meant) in slips {
            assert_eq!(nearest(written, known), Some(meant), "{written}");
        }
        for stranger in ["", "oci", "partition", "x", "zzzzzzzz"] {
            assert_eq!(nearest(stranger, known), None, "{stranger}");
        }
    }
}
