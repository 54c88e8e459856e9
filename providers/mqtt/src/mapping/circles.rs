use whirlwind_event::TopicFilter;

use super::template::{Piece, Template};
use super::{InMapping, OutMapping};

/// An out mapping whose messages come back through an in mapping and go out again, with no actor
/// between that could end it. Both are indices into the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Circle {
    /// The mapping that sends.
    pub outward: usize,
    /// The mapping that takes it in again.
    pub inward: usize,
}

/// Finds the mappings that feed each other for ever through the broker, directly or by way of
/// others: every pair of an out mapping and an in mapping where some message of the one may be
/// taken in by the other, whose events reach the one again.
///
/// It may find too much, where what a `$1` can stand for would have to be followed around; it
/// never finds too little, and finds nothing where levels that are written out differ.
pub fn circles(inward: &[InMapping], outward: &[OutMapping]) -> Vec<Circle> {
    let comes: Vec<(Vec<Step<'_>>, Vec<Step<'_>>)> = inward
        .iter()
        .map(|m| (of_filter(m.filter()), of_template(m.template())))
        .collect();
    let goes: Vec<(Vec<Step<'_>>, Vec<Step<'_>>)> = outward
        .iter()
        .map(|m| (of_filter(m.filter()), of_template(m.template())))
        .collect();
    let edges = |from: &[(Vec<Step<'_>>, Vec<Step<'_>>)], to: &[(Vec<Step<'_>>, Vec<Step<'_>>)]| {
        let row = |(_, target): &(Vec<Step<'_>>, Vec<Step<'_>>)| {
            to.iter()
                .enumerate()
                .filter(|(_, (filter, _))| meet(target, filter))
                .map(|(index, _)| index)
                .collect::<Vec<usize>>()
        };
        from.iter().map(row).collect::<Vec<_>>()
    };
    let back = edges(&goes, &comes);
    let forth = edges(&comes, &goes);

    let mut found = Vec::new();
    for (first, entries) in back.iter().enumerate() {
        for entry in entries {
            if leads_to(*entry, first, &forth, &back) {
                found.push(Circle {
                    outward: first,
                    inward: *entry,
                });
            }
        }
    }
    found
}

/// Whether a topic that `template` makes may be one that `filter` matches.
pub(super) fn may_reach(template: &Template, filter: &TopicFilter) -> bool {
    meet(&of_template(template), &of_filter(filter))
}

/// Whether what comes in through `entry` can get to the out mapping `wanted`.
fn leads_to(entry: usize, wanted: usize, forth: &[Vec<usize>], back: &[Vec<usize>]) -> bool {
    let mut seen = vec![false; forth.len()];
    let mut open = vec![entry];
    while let Some(at) = open.pop() {
        if seen
            .get_mut(at)
            .is_none_or(|seen| std::mem::replace(seen, true))
        {
            continue;
        }
        for exit in forth.get(at).into_iter().flatten() {
            if *exit == wanted {
                return true;
            }
            open.extend(back.get(*exit).into_iter().flatten());
        }
    }
    false
}

/// A level of the topics that a filter matches or a template makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step<'a> {
    Name(&'a str),
    /// One level, of which these characters are known to begin and to end it.
    One(&'a str, &'a str),
    /// Any number of levels.
    Many,
    /// A wildcard at the beginning of a filter: one level that does not begin with `$`.
    Unsystematic,
}

fn of_filter(filter: &TopicFilter) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    for (index, level) in filter.as_str().split('/').enumerate() {
        match (level, index) {
            ("+", 0) => steps.push(Step::Unsystematic),
            ("#", 0) => steps.extend([Step::Unsystematic, Step::Many]),
            ("+", _) => steps.push(Step::One("", "")),
            ("#", _) => steps.push(Step::Many),
            (name, _) => steps.push(Step::Name(name)),
        }
    }
    steps
}

fn of_template(template: &Template) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    // The level in the making: what it begins with, whether a place is in it, what follows that.
    let (mut head, mut open, mut tail) = ("", false, "");
    let mut many = false;
    fn push<'a>(
        steps: &mut Vec<Step<'a>>,
        head: &mut &'a str,
        open: &mut bool,
        tail: &mut &'a str,
        many: &mut bool,
    ) {
        steps.push(match (*many, *open) {
            (true, _) => Step::Many,
            (false, true) => Step::One(head, tail),
            (false, false) => Step::Name(head),
        });
        (*head, *open, *tail, *many) = ("", false, "", false);
    }
    for piece in template.pieces() {
        match piece {
            Piece::Text(text) => {
                for (index, part) in text.split('/').enumerate() {
                    if index > 0 {
                        push(&mut steps, &mut head, &mut open, &mut tail, &mut many);
                    }
                    if open {
                        tail = part;
                    } else {
                        head = part;
                    }
                }
            }
            Piece::Level(_) => (open, tail) = (true, ""),
            Piece::Rest => many = true,
        }
    }
    push(&mut steps, &mut head, &mut open, &mut tail, &mut many);
    steps
}

/// Whether some topic fits both.
fn meet(made: &[Step<'_>], matched: &[Step<'_>]) -> bool {
    // row[j]: whether what is left of `made` and `matched` from j on can meet.
    let mut row: Vec<bool> = vec![false; matched.len() + 1];
    for i in (0..=made.len()).rev() {
        let mut next = vec![false; matched.len() + 1];
        for j in (0..=matched.len()).rev() {
            let below = i < made.len() && row.get(j).copied().unwrap_or(false);
            let beside = next.get(j + 1).copied().unwrap_or(false);
            let both = i < made.len() && row.get(j + 1).copied().unwrap_or(false);
            let can = match (made.get(i), matched.get(j)) {
                (None, None) => true,
                (Some(Step::Many), Some(Step::Many)) => below || beside,
                // It ends here, or takes one more level of the other.
                (Some(Step::Many), Some(_)) => below || beside,
                (Some(_), Some(Step::Many)) => beside || below,
                (Some(Step::Many), None) => below,
                (None, Some(Step::Many)) => beside,
                (None, Some(_)) | (Some(_), None) => false,
                (Some(a), Some(b)) => both && fits(*a, *b),
            };
            if let Some(place) = next.get_mut(j) {
                *place = can;
            }
        }
        row = next;
    }
    row.first().copied().unwrap_or(false)
}

/// Whether one level can be both.
fn fits(a: Step<'_>, b: Step<'_>) -> bool {
    match (a, b) {
        (Step::Many, _) | (_, Step::Many) => true,
        (Step::Name(a), Step::Name(b)) => a == b,
        (Step::Name(name), Step::One(head, tail)) | (Step::One(head, tail), Step::Name(name)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
        (Step::One(head, tail), Step::One(other_head, other_tail)) => {
            (head.starts_with(other_head) || other_head.starts_with(head))
                && (tail.ends_with(other_tail) || other_tail.ends_with(tail))
        }
        (Step::Unsystematic, Step::Name(name)) | (Step::Name(name), Step::Unsystematic) => {
            !name.starts_with('$')
        }
        (Step::Unsystematic, Step::One(head, _)) | (Step::One(head, _), Step::Unsystematic) => {
            !head.starts_with('$')
        }
        (Step::Unsystematic, Step::Unsystematic) => true,
    }
}
