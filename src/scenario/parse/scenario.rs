//! Scenario files to [`Scenario`]: what their values mean together.

use std::collections::HashMap;

use serde_json::json;

use super::{Problem, Problems, check_name, file};
use crate::{
    model::{App, Category, Expectation, FieldType, Planted, PlantedSource, PlantedValue, Position, text::sha256_hex},
    scenario::{
        PlacedStep, Scenario, forms,
        spec::{Key, Kind, Need, Span, StepCall, Value, Values},
        steps::{Build, Move, POSITION},
    },
};

/// What `never` may forbid: the categories, and the field types that are narrower than one.
const FORBIDDEN: &[&str] = &{
    let types = ["coordinates", "latitude", "longitude"];
    let mut words = [""; Category::COUNT + 3];
    let mut at = 0;
    while at < words.len() {
        words[at] = if at < Category::COUNT { Category::WORDS[at] } else { types[at - Category::COUNT] };
        at += 1;
    }
    words
};

/// Least distance between the positions of two stays, in metres (R5).
const APART_M: f64 = 5_000.0;

/// Most positions of one scenario: each is compared with those of every other stay.
const MOST_POSITIONS: usize = 2_000;

/// Keys of a scenario file.
pub const KEYS: &[Key] = &[
    Key { name: "name", about: "The scenario's name: the file's without its ending", kind: Kind::Text(&forms::NAME), need: Need::Required },
    Key { name: "app", about: "The app it belongs to: the folder's name", kind: Kind::Text(&forms::NAME), need: Need::Required },
    Key { name: "about", about: "What it does and why, for people", kind: Kind::Text(&forms::TEXT), need: Need::Required },
    Key {
        name: "runs",
        about: "How many runs make an audit; three or more tell what is always sent from what is sent at times",
        kind: Kind::Whole { least: 1, most: 100 },
        need: Need::Default("3"),
    },
    Key { name: "plant", about: "Values that the phone has from the start", kind: Kind::Map(PLANT), need: Need::Default("") },
    Key { name: "steps", about: "What happens, in order", kind: Kind::List { of: &Kind::Step, least: 1 }, need: Need::Required },
    Key {
        name: "expect",
        about: "What must not be uploaded outside phases that explain it",
        kind: Kind::List { of: &Kind::Map(EXPECT), least: 0 },
        need: Need::Optional,
    },
];

const PLANT: &[Key] = &[
    Key { name: "location", about: "Where the phone is from the start", kind: Kind::Map(POSITION), need: Need::Optional },
    Key { name: "profile", about: "What the account says about its owner", kind: Kind::Map(PROFILE), need: Need::Default("") },
];

const PROFILE: &[Key] = &[
    Key { name: "nickname", about: "Display name; choose a rare word", kind: Kind::Text(&forms::TEXT), need: Need::Optional },
    Key { name: "birth", about: "Date of birth", kind: Kind::Text(&forms::DATE), need: Need::Optional },
    Key { name: "height_cm", about: "Height in centimetres", kind: Kind::Number { least: 30.0, most: 272.0 }, need: Need::Optional },
    Key { name: "weight_kg", about: "Weight in kilograms", kind: Kind::Number { least: 2.0, most: 635.0 }, need: Need::Optional },
];

const EXPECT: &[Key] = &[Key {
    name: "never",
    about: "A category, a group of them, or a narrower field type",
    kind: Kind::Word(FORBIDDEN),
    need: Need::Required,
}];

/// Reads a scenario. `label` names the file in messages, `name` is the file's name without its ending.
///
/// # Errors
/// Every problem of the file.
pub fn scenario(label: &str, name: &str, text: &str, app: &App) -> Result<Scenario, Problems> {
    file(label, text, KEYS, |values, problems| {
        check_name(values, "name", name, "the file's name", problems);
        check_name(values, "app", &app.name, "the folder's name", problems);
        let location = values.map("plant").and_then(|plant| plant.map("location")).and_then(position);
        let calls: Vec<&StepCall> = calls(values).collect();
        let steps = steps(&calls, text, app, problems);
        check_phases(&calls, &steps, problems);
        check_distances(location.zip(location_span(values)), &calls, &steps, problems);
        Some(Scenario {
            name: values.text("name")?.to_owned(),
            app: values.text("app")?.to_owned(),
            about: values.text("about")?.to_owned(),
            runs: u32::try_from(values.whole("runs")?).ok()?,
            plant: values.map("plant")?.map("profile").map(profile).unwrap_or_default(),
            location,
            steps: steps.into_iter().flatten().collect(),
            expect: values.list("expect").iter().filter_map(|item| expectation(item.value.as_map()?.text("never")?)).collect(),
            hash: hash(values),
        })
    })
}

/// SHA-256 of what the scenario does: two files that say the same in other words, order or layout have the same.
fn hash(values: &Values) -> String {
    let mut canonical = values.canonical();
    if let Some(map) = canonical.as_object_mut() {
        map.shift_remove("about");
        map.shift_remove("runs");
        if map.get("expect").is_none() {
            map.insert("expect".into(), json!([]));
            map.sort_keys();
        }
    }
    sha256_hex(canonical.to_string().as_bytes())
}

fn calls(values: &Values) -> impl Iterator<Item = &StepCall> {
    values.list("steps").iter().filter_map(|item| if let Value::Step(call) = &item.value { Some(&**call) } else { None })
}

/// One for each call; `None` where a problem was told.
fn steps(calls: &[&StepCall], text: &str, app: &App, problems: &mut Vec<Problem>) -> Vec<Option<PlacedStep>> {
    let mut lines = LineNumbers { text, at: 0, line: 1 };
    calls
        .iter()
        .map(|call| {
            let line = lines.of(call.span.start);
            if !call.complete {
                return None;
            }
            let step = (call.kind.build)(&mut Build::new(call, app, problems))?;
            Some(PlacedStep { line, name: call.kind.name, step })
        })
        .collect()
}

/// Counts lines from one place to a later one, so that a long file is walked through once.
struct LineNumbers<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl LineNumbers<'_> {
    fn of(&mut self, offset: usize) -> u32 {
        let between = self.text.get(self.at..offset).unwrap_or_default();
        self.line = self.line.saturating_add(u32::try_from(between.matches('\n').count()).unwrap_or(u32::MAX));
        self.at = self.at.max(offset);
        self.line
    }
}

/// A phase's name is part of every endpoint's name in a snapshot, so it must not be there twice.
fn check_phases(calls: &[&StepCall], steps: &[Option<PlacedStep>], problems: &mut Vec<Problem>) {
    let mut first: HashMap<&str, Span> = HashMap::new();
    for (call, step) in calls.iter().zip(steps) {
        let Some(name) = step.as_ref().and_then(|step| step.step.phase()) else { continue };
        let span = call.arguments.span("name").unwrap_or_else(|| call.span.clone());
        if let Some(before) = first.get(name) {
            let problem = Problem::new(span, format!("name a second phase \"{name}\""), "again here");
            problems.push(problem.other(before.clone(), "first here").help("give each phase a name of its own"));
        } else {
            first.insert(name, span);
        }
    }
}

/// Places where the phone is meant to be for some time: from one `setLocation` to the next, with the tracks between. Places
/// that are closer than 5 km cannot be told apart in an upload (R5), unless they are the same place on purpose.
fn check_distances(from: Option<(Position, Span)>, calls: &[&StepCall], steps: &[Option<PlacedStep>], problems: &mut Vec<Problem>) {
    let mut stays: Vec<(Span, Vec<Position>)> = from.map(|(position, span)| (span, vec![position])).into_iter().collect();
    for (call, step) in calls.iter().zip(steps) {
        match step.as_ref().and_then(|step| step.step.moves()) {
            Some(Move::To(position)) => stays.push((call.span.clone(), vec![position])),
            Some(Move::Along(track)) => match stays.last_mut() {
                Some((_, positions)) => positions.extend_from_slice(track),
                None => stays.push((call.span.clone(), track.to_vec())),
            },
            None => continue,
        }
        let count: usize = stays.iter().map(|(_, positions)| positions.len()).sum();
        if count > MOST_POSITIONS {
            let problem = Problem::new(call.span.clone(), format!("plant more than {MOST_POSITIONS} positions"), "too many from here on");
            problems.push(problem.help("leave out points of the track"));
            return;
        }
    }
    for (n, (span, positions)) in stays.iter().enumerate() {
        let earlier = stays.iter().take(n).find_map(|(before, others)| {
            let pairs = positions.iter().flat_map(|a| others.iter().map(move |b| (a, b)));
            let too_near = pairs.filter(|(a, b)| a != b).map(|(a, b)| a.distance_m(*b)).filter(|metres| *metres < APART_M);
            too_near.reduce(f64::min).map(|metres| (before, metres))
        });
        if let Some((before, metres)) = earlier {
            let problem = Problem::new(span.clone(), "tell two places apart", format!("{metres:.0} m from an earlier place"));
            problems.push(problem.other(before.clone(), "that place").help("put them at least 5 km apart, or use the very same position"));
        }
    }
}

fn location_span(values: &Values) -> Option<Span> {
    values.map("plant")?.span("location")
}

fn position(values: &Values) -> Option<Position> {
    Position::new(values.number("lat")?, values.number("lon")?)
}

/// What the profile says. Not confirmed: whether the account really says so is for the phone to tell.
pub(super) fn profile(profile: &Values) -> Vec<PlantedValue> {
    let number = |number: f64| {
        if number.fract() == 0.0 { Planted::Integer(number as i64) } else { Planted::Decimal(number.to_string()) }
    };
    let values = [
        ("profile.nickname", Category::PersonName, profile.text("nickname").map(|text| Planted::Text(text.to_owned()))),
        ("profile.birth", Category::BirthDate, profile.text("birth").and_then(|text| text.parse().ok()).map(Planted::Date)),
        ("profile.height_cm", Category::Height, profile.number("height_cm").map(number)),
        ("profile.weight_kg", Category::Weight, profile.number("weight_kg").map(number)),
    ];
    let planted = |(name, category, value): (&str, Category, Option<Planted>)| {
        Some(PlantedValue { name: name.to_owned(), category, value: value?, source: PlantedSource::Scenario, confirmed: false })
    };
    values.into_iter().filter_map(planted).collect()
}

/// A category, or a field type narrower than one.
fn expectation(word: &str) -> Option<Expectation> {
    Category::parse(word).map(Expectation::NeverCategory).or_else(|| FieldType::parse(word).map(Expectation::NeverType))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_may_be_forbidden_is_a_category_or_a_field_type() {
        assert!(FORBIDDEN.iter().all(|word| expectation(word).is_some()));
        assert!(Category::ALL.iter().all(|category| FORBIDDEN.contains(&category.word())));
    }
}
