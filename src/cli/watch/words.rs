//! Counts and sizes in words, and what happened in a session as lines: for a terminal that is none, and for the end.

use std::time::Instant;

use ratatui::text::Span;

use super::{
    super::table::table,
    live::{Live, NEW, News, Receiver},
};
use crate::model::text::printable;

/// `1 host`, `2 hosts`.
pub(super) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Bytes in a unit that fits: `0 B`, `999 B`, `1.0 kB`, `12 MB`. Powers of ten, as everywhere where a reader adds up.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match UNITS.iter().find(|(_, unit)| number >= *unit) {
        None => format!("{number} B"),
        Some((word, unit)) => {
            let tenths = number / (unit / 10);
            if tenths >= 100 { format!("{} {word}", tenths / 10) } else { format!("{}.{} {word}", tenths / 10, tenths % 10) }
        }
    }
}

/// What happened, in one line.
pub(super) fn line(news: &News) -> String {
    let text = match news {
        News::Receiver { host, company } => {
            format!("new receiver  {host}  {}", company.as_deref().unwrap_or("company unknown"))
        }
        News::Category { host, category, field, why } => {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            format!("new category  {host}  {category}  ({field}{why})")
        }
        News::BlindSpot { host, words } => format!("blind spot    {host}  {words}"),
        News::Planted { name, certain } => format!("planted       {name}  {}found", if *certain { "" } else { "probably " }),
        News::Outside { words } => format!("outside       {words}"),
    };
    printable(&text)
}

/// Said when the capture cannot be written any more, and the phone still needs its network.
pub(super) fn unrecorded(why: &str) -> String {
    printable(&format!("NOT RECORDED from now on: {why}. The phone's traffic goes on; end the session, make room, and begin another"))
}

/// What a session saw, as a table, no wider than this; empty when nothing came.
pub(super) fn summary(live: &Live, width: usize, now: Instant) -> String {
    let mut receivers = live.rows();
    receivers.sort_by_key(|(host, row)| (std::cmp::Reverse(row.bytes), *host));
    let mut text = String::new();
    if !receivers.is_empty() {
        let longest = receivers.iter().map(|(host, _)| Span::raw(*host).width()).max().unwrap_or_default();
        let room = width.saturating_sub(longest.min(LONGEST_HOST) + NUMBERS);
        let rows: Vec<_> = receivers.iter().map(|(host, row)| cells(host, row, room, now)).collect();
        text = table(&["receiver", "requests", "read", "fields", "what"], &rows, &[1, 2, 3], width);
    }
    if !live.outside.is_empty() {
        text.push_str(&format!("outside the scope: {}\n", live.outside.in_words()));
    }
    for (name, hits) in &live.planted {
        text.push_str(&format!("planted {}: {}\n", printable(name), hits.in_words()));
    }
    if live.skipped > 0 {
        let what = if live.skipped == 1 { "exchange, message or connection" } else { "exchanges, messages and connections" };
        let them = if live.skipped == 1 { "it" } else { "them" };
        text.push_str(&format!(
            "{} {what} came too fast for this table; what is in {them}, and what could not be read, `audit` tells\n",
            live.skipped
        ));
    }
    if live.broken {
        text.push_str("this table broke off in the middle, which is a defect; the capture holds everything\n");
    }
    if text.is_empty() { "nothing came through the proxy\n".to_owned() } else { text }
}

/// One receiver of the summary: what was seen of it in lines that fit so many columns.
fn cells(host: &str, row: &Receiver, room: usize, now: Instant) -> Vec<String> {
    let company = row.company.as_deref().unwrap_or("company unknown");
    let seen: Vec<String> = row.categories(now + NEW).iter().map(|(category, _)| category.to_string()).collect();
    let spots = row.blind_spots().into_iter().map(|words| format!("blind spot: {words}"));
    let texts = [company.to_owned(), seen.join(", ")].into_iter().filter(|text| !text.is_empty()).chain(spots);
    let what: Vec<String> = texts.flat_map(|text| folded(&text, room)).collect();
    let fields = row.fields.len() as u64 + row.more_fields;
    let numbers = [row.requests, row.bytes, fields].map(|number| number.to_string());
    std::iter::once(host.to_owned()).chain(numbers).chain([what.join("\n")]).collect()
}

/// Text in lines of at most so many columns, broken between words; a word longer than a line is cut into pieces.
pub(super) fn folded(text: &str, columns: usize) -> Vec<String> {
    let room = columns.max(LEAST_ROOM);
    let mut lines = vec![String::new()];
    for piece in text.split(' ').flat_map(|word| pieces(word, room)) {
        let last = lines.last_mut().expect("it begins with one line");
        if last.is_empty() {
            *last = piece;
        } else if Span::raw(last.as_str()).width() + 1 + Span::raw(piece.as_str()).width() <= room {
            last.push(' ');
            last.push_str(&piece);
        } else {
            lines.push(piece);
        }
    }
    lines
}

fn pieces(word: &str, room: usize) -> Vec<String> {
    let characters: Vec<char> = word.chars().collect();
    // Two columns a character at most.
    let most = if Span::raw(word).width() > characters.len() { room / 2 } else { room };
    characters.chunks(most).map(|piece| piece.iter().collect()).collect()
}

/// Columns of the longest host that does not have to wrap.
const LONGEST_HOST: usize = 40;
/// Columns of the summary's numbers, and what stands between columns.
const NUMBERS: usize = 34;
/// Columns that text needs at least.
const LEAST_ROOM: usize = 16;

#[cfg(test)]
mod tests {
    use super::{super::live::tests as seen, *};
    use crate::model::{App, Category};

    #[test]
    fn sizes_are_short_and_never_rounded_up() {
        for (number, want) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_999, "1.9 kB"),
            (99_999, "99 kB"),
            (1_000_000, "1.0 MB"),
            (12_345_678, "12 MB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(bytes(number), want);
        }
        assert_eq!((count(1, "host"), count(0, "host")), ("1 host".into(), "0 hosts".into()));
    }

    #[test]
    fn a_session_is_summed_up_with_what_it_did_not_see() {
        let (mut live, app, now) = (Live::default(), App::default(), Instant::now());
        assert_eq!(summary(&live, 100, now), "nothing came through the proxy\n");
        live.observed(&app, seen::observations("api.band.test", &[("hr", Category::HeartRate)]), now);
        live.tunnel(&app, &seen::refused("pinned.test"), now);
        live.tunnel(&app, &seen::outside(1, crate::model::TunnelOutcome::PassedThrough), now);
        let mut passed = seen::tunnel("unread.test", crate::model::TunnelOutcome::PassedThrough);
        passed.evidence.bytes = Some(crate::model::tunnel::PassedBytes { sent: 350_000, received: 0 });
        live.tunnel(&app, &passed, now);
        let text = summary(&live, 100, now);
        for words in [
            "api.band.test",
            "heart-rate",
            "100",
            "blind spot: refused our certificate",
            "blind spot: passed through unread, 350 kB sent unread",
            "outside the scope: 1 host, 1 connection, 110 B passed",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(
            text.lines().next().is_some_and(|head| head.split_whitespace().eq(["receiver", "requests", "read", "fields", "what"])),
            "{text}"
        );
        let narrow = summary(&live, 80, now);
        assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
        let lines: Vec<String> = live.take_news().iter().map(line).collect();
        assert_eq!(lines[0], "new receiver  api.band.test  company unknown");
        assert!(lines[1].starts_with("new category  api.band.test  heart-rate  (POST /v1/data json hr: its name says"), "{lines:?}");
        assert!(lines.contains(&"outside       1 host, 1 connection, 110 B passed through unread".to_owned()));
    }
}
