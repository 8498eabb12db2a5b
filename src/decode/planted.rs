//! Planted values found in plain form (R10): texts, addresses and dates anywhere in a leaf, numbers as a whole leaf whose name
//! fits. Positions are `places`'s, minute series `series`'s.

use std::collections::{BTreeSet, HashMap};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use jiff::civil::Date;

use crate::model::{Category, Certainty, LeakGate, Planted, PlantedValue, Reason};

use super::{category::NameFacts, kind::Number, leaf::Value, name, series::AllSeries};

/// All planted values of a run, made ready for searching.
#[derive(Debug, Default)]
pub(super) struct Index {
    values: Vec<PlantedValue>,
    needles: Vec<Needle>,
    automaton: Option<AhoCorasick>,
    /// Planted numbers by the bits of their value.
    numbers: HashMap<u64, Vec<usize>>,
    /// Texts too short to be searched for.
    short: HashMap<String, Vec<usize>>,
    series: AllSeries,
}

#[derive(Debug)]
struct Needle {
    value: usize,
    exact: String,
    spelling: &'static str,
}

impl Index {
    /// Prepares a search. A later value replaces an earlier one of the same name.
    pub(super) fn new(values: &[PlantedValue]) -> Self {
        let mut index = Self::default();
        for value in values {
            index.values.retain(|known| known.name != value.name || known.value != value.value);
            index.values.push(value.clone());
        }
        for (number, value) in index.values.iter().enumerate() {
            for (exact, spelling) in spellings(&value.value) {
                if exact.chars().count() >= SHORTEST_TEXT {
                    index.needles.push(Needle { value: number, exact, spelling });
                } else if !exact.is_empty() {
                    index.short.entry(exact).or_default().push(number);
                }
            }
            let planted_number = match &value.value {
                Planted::Integer(value) => Some(*value as f64),
                Planted::Decimal(text) => Number::parse(text).map(|number| number.value),
                _ => None,
            };
            if let Some(value) = planted_number {
                index.numbers.entry(bits(value)).or_default().push(number);
            }
        }
        index.series = AllSeries::new(index.values.iter().enumerate().filter_map(|(number, value)| match &value.value {
            Planted::Series(series) => Some((number, series.as_slice())),
            _ => None,
        }));
        if !index.needles.is_empty() {
            let patterns = index.needles.iter().map(|needle| needle.exact.as_bytes());
            // Every uploaded byte passes it. For a few thousand characters, the fastest kind costs less than two megabytes.
            let characters: usize = index.needles.iter().map(|needle| needle.exact.len()).sum();
            let kind = (characters <= FASTEST_UP_TO).then_some(AhoCorasickKind::DFA);
            // Refused only when the needles are larger than memory allows; then nothing is found, and nothing said to be.
            index.automaton = AhoCorasick::builder().ascii_case_insensitive(true).kind(kind).build(patterns).ok();
        }
        index
    }

    /// The values, in the order in which they became known.
    pub(super) fn values(&self) -> &[PlantedValue] {
        &self.values
    }

    /// Whether a text holds a planted text, address or date.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.automaton.as_ref().is_some_and(|automaton| automaton.is_match(text))
    }

    /// Whether bytes hold a planted text, address or date.
    pub(super) fn occurs_in(&self, bytes: &[u8]) -> bool {
        self.automaton.as_ref().is_some_and(|automaton| automaton.is_match(bytes))
    }

    /// Whether bytes hold a planted text, address or date; `found` gets its number.
    pub(super) fn find_in_bytes(&self, bytes: &[u8], mut found: impl FnMut(usize)) {
        let Some(automaton) = &self.automaton else { return };
        for hit in automaton.find_overlapping_iter(bytes) {
            found(self.needles[hit.pattern().as_usize()].value);
        }
    }

    /// Everything planted in one leaf: categories with reasons, and the numbers of the values found. `search_text` is false when
    /// a search of the layer around it has shown that no planted text is in it.
    pub(super) fn find(
        &self,
        name: &NameFacts,
        value: &Value<'_>,
        search_text: bool,
        reasons: &mut Vec<(Category, Reason)>,
        found: &mut BTreeSet<usize>,
    ) {
        if self.values.is_empty() {
            return;
        }
        let mut hit = |number: usize, spelling: &str| {
            found.insert(number);
            let PlantedValue { name, category, .. } = &self.values[number];
            reasons.push((
                *category,
                Reason::PlantedValue { name: name.clone(), spelling: spelling.to_owned(), certainty: Certainty::Certain },
            ));
        };
        if let Some(text) = value.as_text() {
            if search_text {
                self.find_in_text(text, &mut hit);
            }
            self.find_whole(text, name, &mut hit);
        } else if let Value::Bytes { bytes, .. } | Value::Opaque(bytes) = value {
            self.find_in_bytes(bytes, |number| hit(number, "plain, in binary data"));
            self.series.find(bytes, &mut hit);
        }
    }

    fn find_in_text(&self, text: &str, hit: &mut impl FnMut(usize, &str)) {
        let Some(automaton) = self.automaton.as_ref().filter(|_| text.len() >= SHORTEST_TEXT) else { return };
        for found in automaton.find_overlapping_iter(text) {
            let needle = &self.needles[found.pattern().as_usize()];
            let same = text.get(found.range()) == Some(needle.exact.as_str());
            hit(needle.value, if same { needle.spelling } else { "case-folded" });
        }
    }

    /// Values too short to be searched for: the whole leaf, and a name that fits.
    fn find_whole(&self, text: &str, name: &NameFacts, hit: &mut impl FnMut(usize, &str)) {
        let numbers = if self.numbers.is_empty() { None } else { Number::parse(text).and_then(|is| self.numbers.get(&bits(is.value))) };
        let short = if text.len() < SHORTEST_TEXT * 4 { self.short.get(text) } else { None };
        for &number in numbers.into_iter().chain(short).flatten() {
            if name_fits(name, &self.values[number]) {
                hit(number, "whole value");
            }
        }
    }
}

/// One key for equal numbers: zero has two signs.
fn bits(value: f64) -> u64 {
    (value + 0.0).to_bits()
}

/// Tells the leak gate every spelling of a value. Short numbers are left out: they are in every report.
pub(super) fn remember(value: &Planted, gate: &mut LeakGate) {
    for (text, _) in spellings(value) {
        gate.remember_planted(&text);
        gate.remember_planted(&text.to_lowercase());
        gate.remember_planted(&text.to_uppercase());
    }
    match value {
        Planted::Integer(number) if number.abs() >= 100_000 => gate.remember_planted(&number.to_string()),
        Planted::Decimal(text) if text.len() >= 6 => gate.remember_planted(text),
        Planted::Position(position) => {
            for coordinate in [position.lat, position.lon] {
                for decimals in 3..=7 {
                    gate.remember_planted(&format!("{coordinate:.decimals$}"));
                }
                gate.remember_planted(&coordinate.to_string());
            }
        }
        _ => {}
    }
}

/// How a value may be written, with what to call each spelling.
fn spellings(value: &Planted) -> Vec<(String, &'static str)> {
    match value {
        Planted::Text(text) => vec![(text.clone(), "plain")],
        Planted::Mac(mac) => {
            let hex = |separator: &str| mac.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(separator);
            let [a, b, c, d, e, f] = mac;
            vec![
                (hex(":"), "plain"),
                (hex("-"), "with dashes"),
                (hex(""), "without separators"),
                // IEEE EUI-64 from EUI-48: FFFE in the middle.
                (format!("{a:02X}{b:02X}{c:02X}FFFE{d:02X}{e:02X}{f:02X}"), "EUI-64"),
            ]
        }
        Planted::Date(date) => date_spellings(*date),
        Planted::Decimal(_) | Planted::Integer(_) | Planted::Position(_) | Planted::Series(_) => Vec::new(),
    }
}

fn date_spellings(date: Date) -> Vec<(String, &'static str)> {
    let (y, m, d) = (date.year(), date.month(), date.day());
    vec![
        (format!("{y:04}-{m:02}-{d:02}"), "plain"),
        (format!("{y:04}{m:02}{d:02}"), "without separators"),
        (format!("{y:04}/{m:02}/{d:02}"), "with slashes"),
        (format!("{d:02}.{m:02}.{y:04}"), "day first"),
    ]
}

/// Whether a leaf's name speaks of what was planted: a word of its category, or a word of the planted value's own name.
fn name_fits(name: &NameFacts, planted: &PlantedValue) -> bool {
    let own = planted.name.rsplit('.').next().unwrap_or_default();
    name.may_be(planted.category) || name::words(own).iter().any(|word| word.len() >= 3 && name.words.contains(word))
}

/// Shorter texts would be found everywhere.
const SHORTEST_TEXT: usize = 4;
const FASTEST_UP_TO: usize = 8_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::category,
        model::{App, Part, PlantedSource},
    };

    fn planted() -> Index {
        let value = |name: &str, category, value| PlantedValue {
            name: name.into(),
            category,
            value,
            source: PlantedSource::Scenario,
            confirmed: true,
        };
        Index::new(&[
            value("profile.nickname", Category::PersonName, Planted::Text("Quillon".into())),
            value("band.mac", Category::BandMac, Planted::Mac([0xc0, 0xff, 0xee, 0x12, 0x34, 0x56])),
            value("profile.birth", Category::BirthDate, Planted::Date(jiff::civil::date(1984, 3, 7))),
            value("profile.height_cm", Category::Height, Planted::Integer(171)),
            value("profile.weight_kg", Category::Weight, Planted::Decimal("63.4".into())),
            value("band.heart_rate", Category::HeartRateSeries, Planted::Series(series())),
        ])
    }

    fn series() -> Vec<u8> {
        (0..240_u32).map(|minute| if minute % 5 == 0 { 0xff } else { 60 + (minute * 7 % 23) as u8 }).collect()
    }

    fn found(name: &str, value: Value<'_>) -> String {
        let facts = category::name_facts(&App::default(), "/", Part::Json, name);
        let mut reasons = Vec::new();
        planted().find(&facts, &value, true, &mut reasons, &mut BTreeSet::new());
        let shown: Vec<String> = reasons
            .into_iter()
            .map(|(_, reason)| match reason {
                Reason::PlantedValue { name, spelling, .. } => format!("{name}: {spelling}"),
                other => other.to_string(),
            })
            .collect();
        shown.join("; ")
    }

    #[test]
    fn texts_are_found_in_their_spellings() {
        for (name, text, want) in [
            ("x", "hello Quillon!", "profile.nickname: plain"),
            ("x", "QUILLON", "profile.nickname: case-folded"),
            ("x", "Quill", ""),
            ("x", "C0:FF:EE:12:34:56", "band.mac: plain"),
            ("x", "c0ffee123456", "band.mac: case-folded"),
            ("x", "C0FFEEFFFE123456", "band.mac: EUI-64"),
            ("x", "1984-03-07T00:00:00Z", "profile.birth: plain"),
            ("x", "19840307", "profile.birth: without separators"),
            ("height", "171", "profile.height_cm: whole value"),
            ("height_in_cm", "171.0", "profile.height_cm: whole value"),
            ("x", "171", ""),
            ("weight", "63.40", "profile.weight_kg: whole value"),
            ("price", "63.4", ""),
            // Of the same group, and something else: a weight of 171 pounds is no height.
            ("weight", "171", ""),
        ] {
            assert_eq!(found(name, Value::Text(text)), want, "{name}={text}");
        }
    }

    #[test]
    fn a_minute_series_is_found_shifted_and_interleaved() {
        let bytes = |bytes: &[u8]| found("x", Value::Bytes { bytes, text: None });
        assert_eq!(bytes(&series()), "band.heart_rate: one byte a minute");
        let mut day = vec![0xff; 1440];
        day[500..740].copy_from_slice(&series());
        assert_eq!(bytes(&day), "band.heart_rate: one byte a minute");
        let interleaved: Vec<u8> = day.iter().flat_map(|reading| [1, *reading, 90]).collect();
        assert_eq!(bytes(&interleaved), "band.heart_rate: one byte of three a minute");
        let other: Vec<u8> = series().iter().map(|reading| reading.wrapping_add(1)).collect();
        assert_eq!(bytes(&other), "");
        assert_eq!(bytes(&[0xff; 1440]), "");
    }
}
