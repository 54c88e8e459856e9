//! What a run came to: a table for people, an object for programs.

use std::time::Duration;

use owo_colors::Style;
use serde::Serialize;

use super::latency::Percentiles;
use crate::print::{Align, Cell, Table};

/// From here on the generator's own lateness is said: a thousandth of a second at the 99th percentile, several times what an
/// acknowledgement takes.
const LATE: Duration = Duration::from_millis(1);

/// What a run came to. The names of its fields are what scripts rely on; times are in microseconds, rates in events a second.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) topic: String,
    pub(super) topics: u32,
    /// The size of each event's data.
    pub(super) payload_bytes: usize,
    /// `open` with a rate, else `closed`.
    #[serde(rename = "loop")]
    pub(super) kind: &'static str,
    pub(super) window: u16,
    /// Events that were due; none in a closed loop.
    pub(super) asked: Option<u64>,
    pub(super) asked_per_s: Option<f64>,
    pub(super) elapsed_us: f64,
    pub(super) sent: u64,
    pub(super) sent_per_s: f64,
    pub(super) accepted: u64,
    pub(super) accepted_per_s: f64,
    pub(super) refused: u64,
    /// Sent, and the node said nothing of it.
    pub(super) unknown: u64,
    /// Accepted, and nobody subscribed.
    pub(super) unrouted: u64,
    pub(super) acknowledged: Percentiles,
    /// The generator's own lateness; none in a closed loop.
    pub(super) lateness: Option<Percentiles>,
    pub(super) reply: Option<Replies>,
    pub(super) interrupted: bool,
    /// Why the run ended before its time.
    pub(super) error: Option<String>,
}

/// What came of the answers.
#[derive(Debug, Serialize)]
pub(super) struct Replies {
    pub(super) filter: String,
    /// `number` or `order`; none where there was no answer.
    pub(super) matched_by: Option<&'static str>,
    pub(super) answered: u64,
    pub(super) answered_per_s: f64,
    pub(super) lost: u64,
    pub(super) missed: u64,
    pub(super) unexpected: u64,
    pub(super) latency: Percentiles,
}

impl Report {
    /// The table.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new(&[
            ("EVENTS", Align::Left),
            ("COUNT", Align::Right),
            ("RATE", Align::Right),
            ("P50", Align::Right),
            ("P90", Align::Right),
            ("P99", Align::Right),
            ("P99.9", Align::Right),
            ("MAX", Align::Right),
        ]);
        let mut row =
            |name: String, count: String, per_s: Option<f64>, latency: Option<Percentiles>| {
                table.row(line(name, count, per_s, latency));
            };
        if let (Some(asked), Some(per_s)) = (self.asked, self.asked_per_s) {
            row("asked".to_owned(), asked.to_string(), Some(per_s), None);
        }
        row(
            "sent".to_owned(),
            self.sent.to_string(),
            Some(self.sent_per_s),
            None,
        );
        row(
            "accepted".to_owned(),
            self.accepted.to_string(),
            Some(self.accepted_per_s),
            Some(self.acknowledged),
        );
        if let Some(replies) = &self.reply {
            let how = replies
                .matched_by
                .map_or_else(String::new, |by| format!(", by {by}"));
            row(
                format!("answered{how}"),
                replies.answered.to_string(),
                Some(replies.answered_per_s),
                Some(replies.latency),
            );
        }
        if let Some(lateness) = self.lateness {
            row(
                "sent late by".to_owned(),
                String::new(),
                None,
                Some(lateness),
            );
        }
        let mut losses = vec![
            ("refused", self.refused, true),
            ("unknown", self.unknown, false),
        ];
        if let Some(replies) = &self.reply {
            losses.push(("lost", replies.lost, true));
            losses.push(("missed", replies.missed, false));
            losses.push(("unexpected", replies.unexpected, true));
        }
        // Those that are rare are there when there is something to say.
        for (name, count, always) in losses {
            if always || count > 0 {
                table.row(loss(name, count));
            }
        }
        // No row ends in blanks.
        let text = table.render();
        text.lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect()
    }

    /// What a person should know of the figures.
    pub(super) fn remarks(&self, lateness: Option<(Duration, Duration)>) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(asked) = self.asked.filter(|asked| *asked > self.sent) {
            remarks.push(format!(
                "{} events were due and not sent: there was no place for them in the window of {} before the end",
                asked - self.sent,
                self.window
            ));
        }
        if let Some((half, hundredth)) = lateness.filter(|(_, hundredth)| *hundredth > LATE) {
            remarks.push(format!(
                "the generator was late: half of the events by {} or more, one in a hundred by {} or more; the figures are of this machine, not of the node alone",
                time(half),
                time(hundredth)
            ));
        }
        let Some(replies) = &self.reply else {
            return remarks;
        };
        if replies.matched_by == Some("order") {
            remarks.push(
                "answers carry no number and were matched by order: right where one instance answers each event once"
                    .to_owned(),
            );
        }
        if replies.missed > 0 {
            remarks.push(format!(
                "{} answers missed: this reader is too slow for what is published; as many events without an answer do not count as lost",
                replies.missed
            ));
        }
        remarks
    }
}

fn line(
    name: String,
    count: String,
    per_s: Option<f64>,
    latency: Option<Percentiles>,
) -> Vec<Cell> {
    let mut cells = vec![
        Cell::new(name),
        Cell::new(count),
        Cell::new(per_s.map_or_else(String::new, rate)),
    ];
    if let Some(found) = latency {
        let all = [
            found.p50_us,
            found.p90_us,
            found.p99_us,
            found.p99_9_us,
            found.max_us,
        ];
        cells.extend(all.map(|micros| {
            let shown = micros.map(|micros| time(Duration::from_secs_f64(micros / 1e6)));
            Cell::new(shown.unwrap_or_else(|| "-".to_owned()))
        }));
    }
    cells
}

/// What a person looks for stands out.
fn loss(name: &str, count: u64) -> Vec<Cell> {
    let style = match count {
        0 => Style::new(),
        _ => Style::new().red(),
    };
    vec![Cell::new(name), Cell::styled(count.to_string(), style)]
}

fn rate(per_s: f64) -> String {
    match per_s {
        few if few < 100.0 => format!("{few:.1}/s"),
        many => format!("{many:.0}/s"),
    }
}

/// In three digits or so.
fn time(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        few if few < 10.0 => format!("{few:.1} µs"),
        some if some < 1000.0 => format!("{some:.0} µs"),
        more if more < 1e6 => format!("{:.2} ms", more / 1e3),
        many => format!("{:.2} s", many / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percentiles(of: f64) -> Percentiles {
        Percentiles {
            p50_us: Some(of),
            p90_us: Some(of * 10.0),
            p99_us: Some(of * 100.0),
            p99_9_us: Some(of * 1000.0),
            max_us: Some(of * 100_000.0),
        }
    }

    fn report() -> Report {
        Report {
            topic: "ping".to_owned(),
            topics: 1,
            payload_bytes: 100,
            kind: "open",
            window: 64,
            asked: Some(1000),
            asked_per_s: Some(99.5),
            elapsed_us: 1e7,
            sent: 990,
            sent_per_s: 99.0,
            accepted: 980,
            accepted_per_s: 98.0,
            refused: 9,
            unknown: 1,
            unrouted: 0,
            acknowledged: percentiles(85.44),
            lateness: Some(percentiles(7.0)),
            reply: Some(Replies {
                filter: "pong".to_owned(),
                matched_by: Some("order"),
                answered: 970,
                answered_per_s: 1234.5,
                lost: 7,
                missed: 3,
                unexpected: 2,
                latency: percentiles(100.0),
            }),
            interrupted: false,
            error: None,
        }
    }

    fn plain(report: &Report) -> String {
        anstream::adapter::strip_str(&report.table()).to_string()
    }

    #[test]
    fn the_table_has_all_that_people_look_for() {
        let wanted = "\
EVENTS              COUNT    RATE     P50      P90       P99      P99.9      MAX
asked                1000  99.5/s
sent                  990  99.0/s
accepted              980  98.0/s   85 µs   854 µs   8.54 ms   85.44 ms   8.54 s
answered, by order    970  1234/s  100 µs  1.00 ms  10.00 ms  100.00 ms  10.00 s
sent late by                       7.0 µs    70 µs    700 µs    7.00 ms   700.00 ms
";
        let found = plain(&report());
        let head: Vec<&str> = found.lines().take(6).collect();
        let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let wanted: Vec<String> = wanted.lines().map(squeeze).collect();
        let squeezed: Vec<String> = head.into_iter().map(squeeze).collect();
        assert_eq!(squeezed, wanted, "{found}");
        let rest: Vec<String> = found.lines().skip(6).map(squeeze).collect();
        assert_eq!(
            rest,
            [
                "refused 9",
                "unknown 1",
                "lost 7",
                "missed 3",
                "unexpected 2"
            ]
        );
        assert!(found.lines().all(|line| line == line.trim_end()), "{found}");
    }

    #[test]
    fn rows_that_have_nothing_to_say_are_left_out() {
        let mut report = report();
        (
            report.asked,
            report.asked_per_s,
            report.lateness,
            report.reply,
        ) = (None, None, None, None);
        (report.unknown, report.refused) = (0, 0);
        let found = plain(&report);
        let names: Vec<&str> = found
            .lines()
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        assert_eq!(names, ["EVENTS", "sent", "accepted", "refused"]);
    }

    #[test]
    fn what_makes_the_figures_doubtful_is_said() {
        let late = |ms| Some((Duration::from_micros(200), Duration::from_millis(ms)));
        let said = report().remarks(late(3)).join("\n");
        for words in [
            "10 events were due and not sent",
            "the generator was late: half of the events by 200 µs or more, one in a hundred by 3.00 ms or more",
            "were matched by order",
            "3 answers missed",
        ] {
            assert!(said.contains(words), "{said}");
        }
        let mut report = report();
        (report.sent, report.reply) = (1000, None);
        assert_eq!(report.remarks(late(1)), Vec::<String>::new());
    }
}
