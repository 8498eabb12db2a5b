//! What is said of a planted value: once, where it stands, and no more than was seen of it.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{FORM, HOME, JSON, complete, exchange, observe_one, provenance};
use crate::{
    decode::Observer,
    model::{App, BlindSpotKind, Body, NoBodies, Observations, Position, Reason, RunEvent, text::hex},
};

/// Fields that a planted value was told to be in, as `part path: value (spelling)`.
fn told(seen: &Observations) -> Vec<String> {
    let fields = seen.endpoints.values().flat_map(|facts| &facts.fields);
    fields
        .flat_map(|(name, field)| field.reasons.iter().map(move |(_, reason)| (name, reason)))
        .filter_map(|(field, reason)| match reason {
            Reason::PlantedValue { name, spelling, .. } => Some(format!("{field}: {name} ({spelling})")),
            _ => None,
        })
        .collect()
}

#[test]
fn what_of_an_answer_was_not_tried_as_a_key_is_told_where_a_digest_stays_unexplained() {
    use sha2::Digest as _;
    let digest = hex(&sha2::Sha256::digest("s4ltvaluequillon@example.test"));
    let seen = |request: &str, answer: &str| {
        let app = App::default();
        let mut observer = Observer::new(&app, &provenance(1));
        let mut exchange = exchange(1, "start", "POST", "x.test/a", &[], format!(r#"{{"h":"{request}"}}"#).into_bytes());
        exchange.response.as_mut().expect("answered").body = Body::inline(answer.as_bytes().to_vec());
        observer.absorb(&RunEvent::Exchange(Box::new(exchange)), &NoBodies);
        observer.absorb(&complete(), &NoBodies);
        let seen = observer.finish();
        let limit = seen.coverage.blind_spots.iter().any(|spot| spot.kind == BlindSpotKind::LimitReached);
        (seen.planted["account.email"].found_in, limit)
    };
    let values: Vec<String> = (0..150).map(|at| format!(r#""k{at}":"v{at}""#)).collect();
    let many = |last: &str| format!("{{{},{last}}}", values.join(","));
    let long = |last: &str| format!(r#"{{"list":["{}"],{last}}}"#, "x ".repeat(600_000));
    assert_eq!(seen(&digest, r#"{"s":"s4ltvalue"}"#), (1, false));
    assert_eq!(seen(&digest, &many(r#""salt":"s4ltvalue""#)), (1, false), "a salt that is called so is always kept");
    assert_eq!(seen(&digest, &many(r#""s":"s4ltvalue""#)), (0, true));
    assert_eq!(seen(&digest, &long(r#""salt":"s4ltvalue""#)), (0, true));
    // Without a digest there was nothing to try.
    assert_eq!(seen("hello", &long(r#""s":"other""#)), (0, false));
}

#[test]
fn both_halves_of_a_position_in_fixed_fields_are_named_in_the_ledger() {
    let named = |held: Position, longitude_first: bool| {
        let e7 = |degrees: f64| (degrees * 1e7).round() as i32;
        let (mut first, mut second) = (e7(held.lat), e7(held.lon));
        if longitude_first {
            (first, second) = (second, first);
        }
        let fields = [&b"\x1d"[..], &first.to_le_bytes(), b"\x25", &second.to_le_bytes()].concat();
        let body = [&b"\x0a\x0ean invented id\x10\x05"[..], &fields].concat();
        let app = App::default();
        let mut observer = Observer::new(&app, &provenance(1));
        observer.absorb(&RunEvent::PhoneMoved { position: held, confirmed: true }, &NoBodies);
        let exchange = exchange(1, "start", "POST", "x.test/a", &[], body);
        observer.absorb(&RunEvent::Exchange(Box::new(exchange)), &NoBodies);
        observer.absorb(&complete(), &NoBodies);
        observer.finish().coverage.ledger.named
    };
    // As floats, 104.88969 and 121.47371 degrees times 10^7 are numbers too; 52.37403 is none.
    for held in [HOME, Position { lat: 52.37403, lon: 104.88969 }, Position { lat: 31.23041, lon: 121.47371 }] {
        assert_eq!((named(held, false), named(held, true)), (8, 8), "{held:?}");
    }
}

#[test]
fn the_same_position_sent_twice_is_named_twice_in_the_ledger() {
    let body = br#"[{"a1":52.37403,"a2":4.88969},{"a1":52.37403,"a2":4.88969}]"#;
    assert_eq!(observe_one("x.test/a", &[JSON], body).coverage.ledger.named, 30);
}

#[test]
fn a_position_in_an_encoded_text_is_told_once_and_where_it_stands() {
    let pair = "52.37403,4.88969";
    let base64 = STANDARD.encode(format!("at {pair} ok"));
    let twice = STANDARD.encode(&base64);
    let inside = |text: &str| format!(r#"{{"p":"{text}","q":1}}"#);
    let again = format!(r#"{{"p":["{base64}","{}"]}}"#, STANDARD.encode(format!("then {pair} again")));
    for (url, headers, body, field) in [
        ("x.test/a", &[FORM][..], "p=52.37403%2C4.88969&q=1", "form p"),
        ("x.test/a?ll=52.37403%2C4.88969&q=1", &[], "", "query ll"),
        ("x.test/a", &[JSON], &inside(&base64), "json p"),
        ("x.test/a", &[JSON], &inside(&twice), "json p"),
        ("x.test/a", &[JSON], &inside(&hex(format!("at {pair} now").as_bytes())), "json p"),
        ("x.test/a", &[JSON], &inside(&format!("v1:{}", STANDARD.encode(format!(r#"{{"k":"{pair}"}}"#)))), "json p.k"),
        ("x.test/a", &[JSON], &again, "json p[]"),
    ] {
        let seen = observe_one(url, headers, body.as_bytes());
        assert_eq!(told(&seen), [format!("{field}: location (decimal degrees)")], "{url} {body}");
        assert_eq!(seen.planted["location"].found_in, 1);
    }
    // One coordinate that its writing proves, and in a name nothing but the writing.
    let seen = observe_one("x.test/a", &[JSON], inside(&STANDARD.encode("52.37403")).as_bytes());
    assert!(told(&seen).iter().all(|line| line.starts_with("json p: ")), "{:?}", told(&seen));
    let seen = observe_one("x.test/a", &[JSON], format!(r#"{{"{}":1}}"#, STANDARD.encode(pair)).as_bytes());
    assert!(told(&seen).iter().any(|line| line.contains("json {id}: ") && line.contains("base64, in a name")), "{:?}", told(&seen));
}
