//! Scenario files to [`Scenario`]: what their values mean together.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;

use super::{Problem, Problems, check_name, file};
use crate::{
    model::{
        App, Category, Expectation, FieldType, Planted, PlantedSource, PlantedValue, Position,
        text::{printable, sha256_hex},
    },
    scenario::{
        Alone, PlacedStep, Scenario, ScenarioFiles, Secrets, forms,
        spec::{Key, Kind, Need, Span, StepCall, Values},
        steps::{self, Build, Move, Nest, POSITION},
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

/// Most files that stand open at a time, each named by the one before it, the scenario's own counted.
const DEEPEST: usize = 9;

/// Most files that a scenario pulls in.
const MOST_PULLED_IN: usize = 64;

/// Most steps of a run, those that hold others counted.
const MOST_STEPS: u64 = 10_000;

/// Longest line of a step that is shown of it.
const LONGEST_WRITTEN: usize = 200;

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

/// Reads a scenario that stands alone. `label` names the file in messages, `name` is the file's name without its ending.
///
/// # Errors
/// Every problem of the file.
pub fn scenario(label: &str, name: &str, text: &str, app: &App) -> Result<Scenario, Problems> {
    scenario_among(label, name, text, app, &Alone)
}

/// Reads a scenario that may name other files, the scenarios among them included. `label` names the file in messages, `name` is the
/// file's name without its ending.
///
/// # Errors
/// Every problem of the file, and of those that it pulls in.
pub fn scenario_among(label: &str, name: &str, text: &str, app: &App, files: &dyn ScenarioFiles) -> Result<Scenario, Problems> {
    let mut whole = Whole { app, files, open: vec![format!("{name}.yaml")], pulled_in: Vec::new(), others: Vec::new() };
    let read = file(label, text, KEYS, |values, problems| {
        check_name(values, "name", name, "the file's name", problems);
        check_name(values, "app", &app.name, "the folder's name", problems);
        let location = values.map("plant").and_then(|plant| plant.map("location")).and_then(position);
        let calls: Vec<&StepCall> = steps::calls(values.list("steps")).collect();
        let steps = Nested::new(&mut whole, None, text, problems).build(&calls);
        let flat = flat(&calls, &steps);
        check_phases(&flat, problems);
        check_distances(location.zip(location_span(values)), &flat, problems);
        check_films(&calls, &steps, problems);
        check_length(&calls, &steps, problems);
        Some(Scenario {
            name: values.text("name")?.to_owned(),
            app: values.text("app")?.to_owned(),
            about: values.text("about")?.to_owned(),
            runs: u32::try_from(values.whole("runs")?).ok()?,
            plant: values.map("plant")?.map("profile").map(profile).unwrap_or_default(),
            location,
            steps: steps.into_iter().flatten().collect(),
            expect: values.list("expect").iter().filter_map(|item| expectation(item.value.as_map()?.text("never")?)).collect(),
            hash: hash(values, &whole.pulled_in),
            secrets: Secrets::default(),
        })
    });
    read.map_err(|problems| problems.with_others(whole.others))
}

/// SHA-256 of what the scenario does: two files that say the same in other words, order or layout have the same. What it pulls in
/// counts by the steps of each file, in the order in which they are named.
fn hash(values: &Values, pulled_in: &[serde_json::Value]) -> String {
    let mut canonical = values.canonical();
    if let Some(map) = canonical.as_object_mut() {
        map.shift_remove("about");
        map.shift_remove("runs");
        if map.get("expect").is_none() {
            map.insert("expect".into(), json!([]));
        }
        if !pulled_in.is_empty() {
            map.insert("pulled_in".into(), json!(pulled_in));
        }
        map.sort_keys();
    }
    sha256_hex(canonical.to_string().as_bytes())
}

/// A scenario with all files that it pulls in, while it is read.
struct Whole<'a> {
    app: &'a App,
    files: &'a dyn ScenarioFiles,
    /// Files that are being read, the scenario's own first; each is named by the one before it. Paths from the app's folder.
    open: Vec<String>,
    /// Steps of each file that was pulled in, in canonical form, in the order in which they are named.
    pulled_in: Vec<serde_json::Value>,
    /// Problems of those files.
    others: Vec<Problems>,
}

/// The steps of one file, as they are made.
struct Nested<'n, 'a> {
    whole: &'n mut Whole<'a>,
    /// The file, when it is not the scenario's own.
    file: Option<Arc<str>>,
    problems: &'n mut Vec<Problem>,
    lines: LineNumbers<'n>,
}

impl<'n, 'a> Nested<'n, 'a> {
    fn new(whole: &'n mut Whole<'a>, file: Option<Arc<str>>, text: &'n str, problems: &'n mut Vec<Problem>) -> Self {
        Self { whole, file, problems, lines: LineNumbers { text, at: 0, line: 1 } }
    }

    /// One for each call; `None` where a problem was told.
    fn build(&mut self, calls: &[&StepCall]) -> Vec<Option<PlacedStep>> {
        let mut steps = Vec::with_capacity(calls.len());
        for call in calls {
            let line = self.lines.of(call.span.start);
            if !call.complete {
                steps.push(None);
                continue;
            }
            let app = self.whole.app;
            let step = (call.kind.build)(&mut Build::new(call, app, self));
            let written = self.lines.written(call);
            steps.push(step.map(|step| PlacedStep { line, file: self.file.clone(), written, name: call.kind.name, step }));
        }
        steps
    }

    /// A path from the app's folder, made of one from this file's folder; `None` when it leads out of it.
    fn path_in_app(&self, path: &str) -> Option<String> {
        let here = self.whole.open.last().map_or("", String::as_str);
        let mut segments: Vec<&str> = here.split('/').collect();
        segments.pop();
        for segment in path.split('/') {
            match segment {
                "." => {}
                ".." => drop(segments.pop()?),
                _ => segments.push(segment),
            }
        }
        Some(segments.join("/"))
    }

    /// Tells that a file cannot be pulled in, and what to do about it.
    fn refuse(&mut self, path: &str, span: Span, label: String, help: &str) {
        self.problems.push(Problem::new(span, format!("run \"{path}\""), label).help(help));
    }
}

impl Nest for Nested<'_, '_> {
    fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn steps(&mut self, calls: &[&StepCall]) -> Option<Vec<PlacedStep>> {
        // All of them are made before one that is wrong counts: all problems at once.
        self.build(calls).into_iter().collect()
    }

    fn scenario(&mut self, written: &str, span: Span) -> Option<Vec<PlacedStep>> {
        let Some(path) = self.path_in_app(written) else {
            let label = "leads out of the app's folder".to_owned();
            self.refuse(written, span, label, "a scenario of another app speaks of other hosts: copy it into this app's folder");
            return None;
        };
        if let Some(first) = self.whole.open.iter().position(|open| *open == path) {
            let circle: Vec<&str> = self.whole.open.iter().skip(first).map(String::as_str).chain([path.as_str()]).collect();
            let label = format!("it would run for ever: {}", circle.join(" runs "));
            self.refuse(written, span, label, "a scenario cannot run itself, nor one that runs it: use repeat");
            return None;
        }
        if self.whole.open.len() >= DEEPEST || self.whole.pulled_in.len() >= MOST_PULLED_IN {
            let label = if self.whole.open.len() >= DEEPEST { "too deep" } else { "too many" }.to_owned();
            let help = format!("a scenario runs others {} deep, and {MOST_PULLED_IN} in all, at most", DEEPEST - 1);
            self.refuse(written, span, label, &help);
            return None;
        }
        let (label, text) = match self.whole.files.scenario(&path) {
            Ok(found) => found,
            Err(why) => {
                let help = "its path begins in the folder of the file that names it";
                self.refuse(written, span, format!("cannot be read: {why}"), help);
                return None;
            }
        };
        let name = path.rsplit('/').next().and_then(|file| file.strip_suffix(".yaml")).unwrap_or_default().to_owned();
        let at = self.whole.pulled_in.len();
        self.whole.pulled_in.push(serde_json::Value::Null);
        self.whole.open.push(path.clone());
        let whole = &mut *self.whole;
        let read = file(&label, &text, KEYS, |values, problems| {
            check_name(values, "name", &name, "the file's name", problems);
            check_name(values, "app", &whole.app.name, "the folder's name", problems);
            whole.pulled_in[at] = values.0.get("steps").map(|steps| steps.value.canonical()).unwrap_or_default();
            let calls: Vec<&StepCall> = steps::calls(values.list("steps")).collect();
            Nested::new(whole, Some(Arc::from(path.as_str())), &text, problems).build(&calls).into_iter().collect()
        });
        self.whole.open.pop();
        match read {
            Ok(steps) => Some(steps),
            Err(wrong) => {
                let count = wrong.all().len() + wrong.left_off();
                let label = if count == 1 { "it has a problem".to_owned() } else { format!("it has {count} problems") };
                self.refuse(written, span, label, "they are told below, or with that file");
                self.whole.others.push(wrong);
                None
            }
        }
    }

    fn place(&self, path: &str) -> Option<PathBuf> {
        if Path::new(path).is_absolute() {
            return Some(PathBuf::from(path));
        }
        let here = self.whole.open.last().and_then(|open| open.rsplit_once('/')).map_or("", |(folder, _)| folder);
        self.whole.files.place(here).map(|folder| folder.join(path))
    }
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

    /// A step's line as it is written, without what is before the step and without a comment.
    fn written(&self, call: &StepCall) -> String {
        let line = self.text.get(call.span.start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let line: String = line.split(" #").next().unwrap_or_default().trim().chars().take(LONGEST_WRITTEN).collect();
        if line.starts_with(call.kind.name) { printable(&line) } else { call.kind.name.to_owned() }
    }
}

/// A step, and where the file shows it: of one that was pulled in, where it is named.
struct Shown<'a> {
    span: Span,
    /// Where its phase's name is shown.
    name: Span,
    placed: &'a PlacedStep,
    /// Whether it is done more than once, or may be.
    again: bool,
}

/// Every step that does something itself, each once, in the order in which they are done first.
fn flat<'a>(calls: &[&StepCall], steps: &'a [Option<PlacedStep>]) -> Vec<Shown<'a>> {
    let mut all = Vec::new();
    for (call, step) in calls.iter().zip(steps) {
        if let Some(placed) = step {
            let name = call.arguments.span("name").unwrap_or_else(|| call.span.clone());
            collect(placed, Some(call), (&call.span, &name), false, &mut all);
        }
    }
    all
}

fn collect<'a>(placed: &'a PlacedStep, call: Option<&StepCall>, (span, name): (&Span, &Span), again: bool, all: &mut Vec<Shown<'a>>) {
    let inner = placed.step.inner();
    if inner.steps.is_empty() {
        all.push(Shown { span: span.clone(), name: name.clone(), placed, again });
        return;
    }
    let calls: Vec<&StepCall> = call.map(inner_calls).unwrap_or_default();
    for (number, placed) in inner.steps.iter().enumerate() {
        let again = again || inner.most_times > 1;
        match calls.get(number) {
            Some(call) => {
                let name = call.arguments.span("name").unwrap_or_else(|| call.span.clone());
                collect(placed, Some(call), (&call.span, &name), again, all);
            }
            None => collect(placed, None, (span, span), again, all),
        }
    }
}

/// Calls of the steps that a step of the same file holds.
fn inner_calls(call: &StepCall) -> Vec<&StepCall> {
    steps::calls(call.arguments.list("commands")).collect()
}

/// A phase's name is part of every endpoint's name in a snapshot, so it must not be there twice; and it has one beginning.
fn check_phases(steps: &[Shown<'_>], problems: &mut Vec<Problem>) {
    let mut first: HashMap<&str, Span> = HashMap::new();
    for Shown { name: span, placed, again, .. } in steps {
        let Some(name) = placed.step.phase() else { continue };
        if *again {
            let problem = Problem::new(span.clone(), format!("begin the phase \"{name}\" more than once"), "would begin again");
            problems.push(problem.help("a phase has one beginning: put it before the repeat or retry"));
        } else if let Some(before) = first.get(name) {
            let problem = Problem::new(span.clone(), format!("name a second phase \"{name}\""), "again here");
            problems.push(problem.other(before.clone(), "first here").help("give each phase a name of its own"));
        } else {
            first.insert(name, span.clone());
        }
    }
}

/// The screen is filmed once at a time, each film ends, and no secret is typed on one or before one: what was typed may show later. What
/// may be done again is looked at twice.
fn check_films(calls: &[&StepCall], steps: &[Option<PlacedStep>], problems: &mut Vec<Problem>) {
    /// Where what goes on began.
    #[derive(Default)]
    struct Since {
        film: Option<Span>,
        secret: Option<Span>,
        /// Where a film was refused for a secret's sake, once each.
        refused: Vec<Span>,
    }
    fn follow(placed: &PlacedStep, call: Option<&StepCall>, span: &Span, since: &mut Since, problems: &mut Vec<Problem>) {
        let inner = placed.step.inner();
        let calls: Vec<&StepCall> = call.map(inner_calls).unwrap_or_default();
        for _ in 0..inner.most_times.min(2) {
            for (number, placed) in inner.steps.iter().enumerate() {
                let call = calls.get(number).copied();
                follow(placed, call, call.map_or(span, |call| &call.span), since, problems);
            }
        }
        if placed.name == "startRecording"
            && let Some(secret) = since.secret.as_ref().filter(|_| !since.refused.contains(span))
        {
            let problem = Problem::new(span.clone(), "film the screen after a secret was typed", "it may show here");
            problems.push(problem.other(secret.clone(), "typed here").help("film before it, or in a scenario that types none"));
            since.refused.push(span.clone());
        }
        if !placed.step.variables().is_empty() {
            since.secret.get_or_insert_with(|| span.clone());
        }
        match (placed.name, &since.film) {
            ("startRecording", Some(before)) => {
                let problem = Problem::new(span.clone(), "film the screen twice at a time", "begins again here");
                problems.push(problem.other(before.clone(), "first here").help("end the first one with stopRecording"));
            }
            ("startRecording", None) => since.film = Some(span.clone()),
            ("stopRecording", None) => {
                let problem = Problem::new(span.clone(), "end a film of the screen", "none was begun");
                problems.push(problem.help("begin it with startRecording"));
            }
            ("stopRecording", Some(_)) => since.film = None,
            (_, Some(before)) if !placed.step.variables().is_empty() => {
                let problem = Problem::new(span.clone(), "type a secret", "the screen is being filmed");
                problems.push(problem.other(before.clone(), "from here on").help("end the film with stopRecording first"));
            }
            _ => {}
        }
    }
    let mut since = Since::default();
    for (call, placed) in calls.iter().zip(steps) {
        match placed {
            Some(placed) => follow(placed, Some(call), &call.span, &mut since, problems),
            // What it would have been is not known.
            None => return,
        }
    }
    if let Some(span) = since.film {
        problems.push(Problem::new(span, "end this film of the screen", "begins here").help("end it with stopRecording"));
    }
}

/// A scenario comes to an end in a person's life.
fn check_length(calls: &[&StepCall], steps: &[Option<PlacedStep>], problems: &mut Vec<Problem>) {
    fn length(placed: &PlacedStep) -> u64 {
        let inner = placed.step.inner();
        let once = inner.steps.iter().map(length).fold(0_u64, u64::saturating_add);
        once.saturating_mul(inner.most_times.into()).saturating_add(1)
    }
    let mut all = 0_u64;
    for (call, placed) in calls.iter().zip(steps) {
        all = all.saturating_add(placed.as_ref().map_or(1, length));
        if all > MOST_STEPS {
            let problem = Problem::new(call.span.clone(), format!("do more than {MOST_STEPS} steps"), "too many from here on");
            problems.push(problem.help("repeat less often"));
            return;
        }
    }
}

/// Places where the phone is meant to be for some time: from one `setLocation` to the next, with the tracks between. Places
/// that are closer than 5 km cannot be told apart in an upload (R5), unless they are the same place on purpose.
fn check_distances(from: Option<(Position, Span)>, steps: &[Shown<'_>], problems: &mut Vec<Problem>) {
    let mut stays: Vec<(Span, Vec<Position>)> = from.map(|(position, span)| (span, vec![position])).into_iter().collect();
    for Shown { span, placed, .. } in steps {
        match placed.step.moves() {
            Some(Move::To(position)) => stays.push((span.clone(), vec![position])),
            Some(Move::Along(track)) => match stays.last_mut() {
                Some((_, positions)) => positions.extend_from_slice(track),
                None => stays.push((span.clone(), track.to_vec())),
            },
            None => continue,
        }
        let count: usize = stays.iter().map(|(_, positions)| positions.len()).sum();
        if count > MOST_POSITIONS {
            let problem = Problem::new(span.clone(), format!("plant more than {MOST_POSITIONS} positions"), "too many from here on");
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
