//! The planted position in the bodies of two real apps, read in place through `TATTLETALE_CORPUS`: found with its distance, also
//! when every key is renamed so that only the values can say it. Prints shapes and distances, no values.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;
use tattletale::{
    decode::Observer,
    model::{
        App, AppVersion, Body, BodyContent, CaptureSource, Captured, Category, Exchange, ExchangeId, FieldFacts, FieldName, NoBodies,
        NumberedEvent, Observations, Planted, PlantedSource, PlantedValue, Platform, Position, PositionSighting, Provenance, Reason,
        Recording, Request, Response, Rig, RunEnding, RunEvent, Target, Url,
    },
    traffic::har::HarRecording,
};

#[test]
fn the_position_is_found_in_a_form_with_json_in_it() {
    let Some(corpus) = corpus() else { return };
    let body = read(&corpus, "pacer.txt");
    for (names, body) in [("its own", body.clone()), ("none that speak", renamed_form(&body))] {
        let seen = observe(&corpus, body);
        let [sighting] = seen.positions.as_slice() else { panic!("{} sightings with names: {names}", seen.positions.len()) };
        tell("pacer.txt", names, sighting);
        assert!(sighting.companion.is_some(), "its two coordinates are two fields");
        assert!((0.5..5.0).contains(&sighting.distance_m), "{} m", sighting.distance_m);
        assert!(sighting.how.starts_with("decimal degrees, 1"), "{}", sighting.how);
    }
}

#[test]
fn the_position_is_found_in_one_text_of_a_json_body() {
    let Some(corpus) = corpus() else { return };
    let body = read(&corpus, "saramart.json");
    for (names, body) in [("its own", body.clone()), ("none that speak", renamed_json(&body))] {
        let seen = observe(&corpus, body);
        let [sighting] = seen.positions.as_slice() else { panic!("{} sightings with names: {names}", seen.positions.len()) };
        tell("saramart.json", names, sighting);
        assert!(sighting.companion.is_none(), "both coordinates are in one text");
        assert!(sighting.distance_m < 1.0, "{} m", sighting.distance_m);
    }
}

#[test]
fn the_street_and_the_town_of_the_planted_address_are_found_in_both() {
    let Some(corpus) = corpus() else { return };
    for (file, rename) in [("pacer.txt", renamed_form as fn(&[u8]) -> Vec<u8>), ("saramart.json", renamed_json)] {
        let body = rename(&read(&corpus, file));
        let seen = observe(&corpus, body);
        let spelled = |wanted: &str| {
            let says =
                |reason: &Reason| matches!(reason, Reason::PlantedValue { name, spelling, .. } if name == ADDRESS && spelling == wanted);
            fields(&seen).filter(|(_, facts)| facts.reasons.iter().any(|(_, reason)| says(reason))).count()
        };
        // What was sent is the house next door, so its number is no part of the planted address.
        let counts = ["street", "town", "postal code, beside its town or street", "street and house number"].map(spelled);
        say(&format!("{file}: street, town, postal code, street with number in {counts:?} fields"));
        assert!(counts[..3].iter().all(|count| *count > 0) && counts[3] == 0, "{counts:?}");
    }
}

#[test]
fn a_position_elsewhere_is_found_in_neither() {
    let Some(corpus) = corpus() else { return };
    let here = planted_position(&corpus);
    for (north, east) in [(0.05, 0.0), (0.0, 0.05), (-20.0, 30.0)] {
        let elsewhere = Position { lat: here.lat + north, lon: here.lon + east };
        for file in ["pacer.txt", "saramart.json"] {
            let seen = observe_at(elsewhere, None, read(&corpus, file));
            assert_eq!(seen.positions.len(), 0, "{file}");
        }
    }
}

#[test]
fn places_where_nobody_was_are_found_in_no_body_of_the_corpus() {
    let Some(corpus) = corpus() else { return };
    let mut bodies = vec![std::fs::read(corpus.join("huami/band_data.data_json.urlencoded.txt")).expect("the corpus is readable")];
    let mut hars: Vec<PathBuf> =
        std::fs::read_dir(corpus.join("har")).expect("a folder har").map(|entry| entry.expect("readable").path()).collect();
    hars.sort();
    for har in hars.iter().filter(|har| har.file_stem().is_some_and(|stem| stem != "broken")) {
        let recording = HarRecording::open(har, Some(provenance(Vec::new()).target)).expect("readable");
        let mut absorb = |event: &NumberedEvent| {
            let RunEvent::Exchange(exchange) = &event.event else { return };
            let response = exchange.response.as_ref().map(|response| &response.body);
            let inline = |body: &Body| match &body.content {
                BodyContent::Inline(bytes) => Some(bytes.expose().to_vec()),
                _ => None,
            };
            bodies.extend(std::iter::once(&exchange.request.body).chain(response).filter_map(inline).filter(|body| !body.is_empty()));
            bodies.push(exchange.request.url.path_and_query.expose().clone().into_bytes());
        };
        recording.replay(&mut |event, _| absorb(event)).expect("readable to its end");
    }
    let bytes: usize = bodies.iter().map(Vec::len).sum();
    for (lat, lon) in [(47.05, 8.31), (-33.45, -70.66), (1.35, 103.82), (64.15, -21.94), (5.6, -0.19)] {
        for body in &bodies {
            let seen = observe_at(Position { lat, lon }, Some("Inventedstreet 12, 99999 Nowhereville".into()), body.clone());
            let planted = |facts: &FieldFacts| facts.reasons.iter().any(|(_, reason)| matches!(reason, Reason::PlantedValue { .. }));
            assert_eq!((seen.positions.len(), fields(&seen).filter(|(_, facts)| planted(facts)).count()), (0, 0), "{lat} {lon}");
        }
    }
    say(&format!("{} bodies, {bytes} bytes: none of five places", bodies.len()));
}

fn fields(seen: &Observations) -> impl Iterator<Item = (&FieldName, &FieldFacts)> {
    seen.endpoints.values().flat_map(|endpoint| &endpoint.fields)
}

fn observe(corpus: &Path, body: Vec<u8>) -> Observations {
    observe_at(planted_position(corpus), Some(planted_address(corpus)), body)
}

/// What a run saw in which one request had this body.
fn observe_at(position: Position, address: Option<String>, body: Vec<u8>) -> Observations {
    let value = |name: &str, value| PlantedValue {
        name: name.into(),
        category: Category::Location,
        value,
        source: PlantedSource::Scenario,
        confirmed: true,
    };
    let planted = std::iter::once(value("location", Planted::Position(position)))
        .chain(address.map(|address| value(ADDRESS, Planted::Text(address))))
        .collect();
    let app = App::default();
    let mut observer = Observer::new(&app, &provenance(planted));
    observer.absorb(&RunEvent::Exchange(Box::new(exchange(body))), &NoBodies);
    observer.absorb(&RunEvent::RunEnded { ending: RunEnding::Complete }, &NoBodies);
    observer.finish()
}

fn provenance(planted: Vec<PlantedValue>) -> Provenance {
    Provenance {
        format: 1,
        tool: "test".into(),
        source: CaptureSource::Proxy,
        target: Target {
            app: "corpus".into(),
            platform: Platform::Ios,
            version: AppVersion::named("1.0"),
            scenario: "corpus".into(),
            claimed: true,
        },
        scenario_hash: None,
        run: 1,
        runs: 1,
        rig: Rig::Imported,
        started: Timestamp::UNIX_EPOCH,
        planted,
        expectations: Vec::new(),
        control: None,
    }
}

fn exchange(body: Vec<u8>) -> Exchange {
    Exchange {
        id: ExchangeId(1),
        phase: "unscripted".into(),
        tunnel: None,
        began: Timestamp::UNIX_EPOCH,
        ended: None,
        request: Request {
            method: "POST".into(),
            url: Url { scheme: "https".into(), host: "corpus.test".into(), port: 443, path_and_query: Captured::new("/c".into()) },
            http_version: "HTTP/1.1".into(),
            headers: Vec::new(),
            body: Body::inline(body),
            trailers: Vec::new(),
        },
        response: Some(Response {
            status: 200,
            http_version: String::new(),
            headers: Vec::new(),
            body: Body::default(),
            trailers: Vec::new(),
        }),
        error: None,
    }
}

/// The same JSON with keys `a1`, `a2`, …, the same for the same key.
fn renamed_json(body: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(body).expect("the body is JSON");
    rename(value, &mut Vec::new()).to_string().into_bytes()
}

/// The same form with renamed keys, also in the JSON of its values.
fn renamed_form(body: &[u8]) -> Vec<u8> {
    let mut names = Vec::new();
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (key, value) in form_urlencoded::parse(body.trim_ascii_end()) {
        let renamed = match serde_json::from_str::<Value>(&value) {
            Ok(json @ (Value::Object(_) | Value::Array(_))) => rename(json, &mut names).to_string(),
            _ => value.into_owned(),
        };
        form.append_pair(&name_of(&key, &mut names), &renamed);
    }
    form.finish().into_bytes()
}

fn rename(value: Value, names: &mut Vec<String>) -> Value {
    match value {
        Value::Array(values) => values.into_iter().map(|value| rename(value, names)).collect(),
        Value::Object(object) => object.into_iter().map(|(key, value)| (name_of(&key, names), rename(value, names))).collect(),
        value => value,
    }
}

fn name_of(key: &str, names: &mut Vec<String>) -> String {
    let at = names.iter().position(|known| known == key).unwrap_or(names.len());
    if at == names.len() {
        names.push(key.to_owned());
    }
    format!("a{}", at + 1)
}

/// The planted position, as the corpus's own description gives it.
fn planted_position(corpus: &Path) -> Position {
    let text = description(corpus);
    let numbers: Vec<f64> = text.split([' ', ',']).filter(|word| word.contains('.')).filter_map(|word| word.parse().ok()).collect();
    Position::new(numbers[0], numbers[1]).expect("the description opens with a latitude and a longitude")
}

/// Its postal address, which stands behind it in brackets, without the country.
fn planted_address(corpus: &Path) -> String {
    let text = description(corpus);
    let (_, rest) = text.split_once('(').expect("an address in brackets");
    let parts: Vec<&str> = rest.split([',', ')']).map(str::trim).collect();
    parts[..2].join(", ")
}

/// What the corpus says of the planted position.
fn description(corpus: &Path) -> String {
    let readme = std::fs::read_to_string(corpus.join("README.md")).expect("the corpus has a description");
    let (_, rest) = readme.split_once("planted position was ").expect("it tells the planted position");
    rest.lines().next().unwrap_or_default().to_owned()
}

fn read(corpus: &Path, file: &str) -> Vec<u8> {
    let bytes = std::fs::read(corpus.join("location").join(file)).expect("the corpus is readable");
    // The file ends in a line feed that the app did not send.
    bytes.trim_ascii_end().to_vec()
}

fn tell(file: &str, names: &str, sighting: &PositionSighting) {
    say(&format!(
        "{file}, names: {names}: {:.2} m away, exact to {} m, as {}{}",
        sighting.distance_m,
        sighting.precision_m,
        sighting.how,
        if sighting.companion.is_some() { ", in two fields" } else { "" }
    ));
}

/// The corpus; `None`, and a word about it, when there is none.
fn corpus() -> Option<PathBuf> {
    let corpus = std::env::var_os("TATTLETALE_CORPUS").map(PathBuf::from);
    if corpus.is_none() {
        say("skipped: no corpus");
    }
    corpus
}

#[allow(clippy::print_stderr, reason = "a test tells what it found, or that it was skipped")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// The name of the planted address.
const ADDRESS: &str = "location.address";
