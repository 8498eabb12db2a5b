//! Leaves, layers and exchanges searched for planted values: what is found, under which name, and what is not.

use std::fmt::Write as _;

use base64::{Engine, engine::general_purpose};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::*;
use crate::{
    decode::category,
    model::{App, Part, PlantedSource, Position},
};

fn value(name: &str, category: Category, value: Planted) -> PlantedValue {
    PlantedValue { name: name.into(), category, value, source: PlantedSource::Scenario, confirmed: true }
}

/// A profile and a band, all invented.
fn planted() -> Vec<PlantedValue> {
    vec![
        value("profile.nickname", Category::Profile, Planted::Text("Quillon".into())),
        value("profile.name", Category::Profile, Planted::Text("Jürgen Groß".into())),
        value("account.email", Category::Identifier, Planted::Text("quillon@example.test".into())),
        value("account.uuid", Category::Identifier, Planted::Text("8f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c".into())),
        value("band.mac", Category::Identifier, Planted::Mac([0xc0, 0xff, 0xee, 0x12, 0x34, 0x56])),
        value("profile.birth", Category::Profile, Planted::Date(jiff::civil::date(1984, 3, 7))),
        value("profile.height_cm", Category::Profile, Planted::Integer(171)),
        value("profile.weight_kg", Category::Profile, Planted::Decimal("63.4".into())),
        value("home", Category::Location, Planted::Position(Position { lat: 52.37403, lon: 4.88969 })),
        value("band.heart_rate", Category::HeartRate, Planted::Series(series(1))),
    ]
}

fn series(seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..1440).map(|minute| if minute % 5 == 0 { 0xff } else { random.u8(50..110) }).collect()
}

/// What one exchange of such leaves shows, one line a hit, a question mark after those that are likely only.
fn searched(index: &Index, leaves: &[(&str, Value<'_>)]) -> Vec<String> {
    let mut search = Search::default();
    let mut told = Vec::new();
    let mut tell = |path: &str, reason: Reason| {
        if let Reason::PlantedValue { name, spelling, certainty } = reason {
            told.push(format!("{path} {name}: {spelling}{}", if certainty == Certainty::Likely { "?" } else { "" }));
        }
    };
    for (path, value) in leaves {
        let facts = category::name_facts(&App::default(), "/", Part::Json, path);
        let leaf = RawLeaf { part: Part::Json, path, value: *value, chain: &[], bytes: None, exact: false, clean: false, group: 1 };
        let (mut reasons, mut found) = (Vec::new(), BTreeSet::new());
        index.find(&facts, &leaf, true, &mut search, &mut reasons, &mut found);
        assert!(found.len() >= reasons.len().min(1));
        reasons.into_iter().for_each(|(_, reason)| tell(path, reason));
    }
    assert!(
        !search
            .end(index, &mut |_, path, value, reason| {
                assert!(value < index.values().len());
                tell(path, reason);
            })
            .cut
    );
    told.sort();
    told
}

#[track_caller]
fn check(index: &Index, path: &str, text: &str, want: &str) {
    let told = searched(index, &[(path, Value::Text(text))]).join("; ");
    // How certain a hit is depends on how much was searched: other tests look at that.
    assert_eq!(told.replace('?', ""), want.replace('?', ""), "{path}={text}");
    if !want.is_empty() && !["whole", "since", " in "].iter().any(|whole| want.contains(whole)) {
        assert!(index.occurs_in(text.as_bytes()), "the layer that holds {path}={text}");
    }
}

#[test]
fn texts_are_found_in_their_spellings() {
    let index = Index::new(&planted());
    for (path, text, want) in [
        ("x", "hello Quillon!", "x profile.nickname: plain?"),
        ("x", "QUILLON", "x profile.nickname: case-folded?"),
        ("x", "Quill", ""),
        ("x", "Quillonia", ""),
        ("nickname", "Quillon", "nickname profile.nickname: plain?"),
        ("x", "nolliuQ", "x profile.nickname: reversed?"),
        ("x", "5175696c6c6f6e", "x profile.nickname: hex?"),
        ("x", "C0:FF:EE:12:34:56", "x band.mac: plain"),
        ("x", "c0ffee123456", "x band.mac: without separators, case-folded?"),
        ("x", "C0FFEEFFFE123456", "x band.mac: EUI-64"),
        ("x", "212205443363926", "x band.mac: as a number"),
        ("x", "to quillon%40example.test now", "x account.email: URL-encoded; x profile.nickname: case-folded"),
        ("x", "8F14E45FCEEA467F9A3B0B7D0C1B2A3C", "x account.uuid: without separators, case-folded"),
        ("x", "JÜRGEN GROSS", "x profile.name: upper case"),
        ("x", "Ju\u{308}rgen Groß", "x profile.name: decomposed accents"),
        ("x", "J\\u00FCrgen Gro\\u00DF", "x profile.name: \\u escapes, case-folded"),
        ("x", "juergen gross", "x profile.name: umlauts written out, case-folded"),
        ("x", "1984-03-07T00:00:00Z", "x profile.birth: plain?"),
        ("x", "19840307", "x profile.birth: without separators?"),
        ("x", "on March 7, 1984", "x profile.birth: month's name first"),
        ("x", "447465600000", "x profile.birth: milliseconds since 1970?"),
        ("birthday", "5179", "birthday profile.birth: days since 1970?"),
        ("x", "5179", ""),
    ] {
        check(&index, path, text, want);
    }
}

#[test]
fn a_moment_is_one_of_many_of_its_day_unless_a_name_speaks_of_it() {
    let began = |at: &str| value("band.workout.1", Category::Workout, Planted::Moment(at.parse().expect("a moment")));
    let index = Index::new(&[began("2026-03-14T17:02:31Z")]);
    for (path, text, want) in [
        ("workout", "1773507751", "workout band.workout.1: seconds since 1970"),
        ("workout", "1773507751000", "workout band.workout.1: milliseconds since 1970"),
        ("workout", "2026-03-14T18:02:31+01:00", "workout band.workout.1: in local time"),
        ("workout", "2026-03-14 17:02:31", "workout band.workout.1: in universal time"),
        ("workout", "1773507752", ""),
        ("sleep_start", "1773507751", ""),
        ("t", "1773507751", ""),
    ] {
        check(&index, path, text, want);
    }
    let rounded = Index::new(&[began("2026-03-14T17:02:00Z")]);
    check(&rounded, "workout", "1773507720", "");
    let needs = |at: &str| (needs_a_name(&began(at).value), is_too_short(&began(at).value));
    assert_eq!([needs("2026-03-14T17:02:31Z"), needs("2026-03-14T17:00:00Z")], [(true, false), (true, true)]);
}

#[test]
fn short_numbers_need_a_name_that_speaks_of_them() {
    let index = Index::new(&planted());
    for (path, text, want) in [
        ("height", "171", "height profile.height_cm: whole value?"),
        ("height_in_cm", "171.0", "height_in_cm profile.height_cm: whole value?"),
        ("x", "171", ""),
        ("weight", "171", ""),
        ("weight", "63.40", "weight profile.weight_kg: whole value?"),
        ("weight_g", "63400", "weight_g profile.weight_kg: in grams?"),
        ("height", "1.71", "height profile.height_cm: in metres?"),
        ("body.height_mm", "1710", "body.height_mm profile.height_cm: in millimetres?"),
        ("price", "63.4", ""),
        ("x", "sha256 63.4", ""),
    ] {
        check(&index, path, text, want);
    }
}

#[test]
fn numbers_and_dates_are_found_as_people_and_programs_write_them() {
    let index = Index::new(&planted());
    for (path, text, want) in [
        ("weight", "63,4", "weight profile.weight_kg: whole value, as people write it?"),
        ("weight", "63.4kg", "weight profile.weight_kg: whole value, as people write it?"),
        ("weight", "63400 g", "weight profile.weight_kg: in grams, as people write it?"),
        ("height", "171 cm", "height profile.height_cm: whole value, as people write it?"),
        ("height", "1,71 m", "height profile.height_cm: in metres, as people write it?"),
        ("weight", "63.400001525878906", "weight profile.weight_kg: whole value, a float of 32 bits?"),
        ("x", "63,4", ""),
        ("price", "63.4kg", ""),
        ("font_weight", "63.4kg", ""),
        ("height", "171 px", ""),
        ("x", "63.400001525878906", ""),
        ("birth_month", "1984-03", "birth_month profile.birth: year and month?"),
        ("birthday", "03/1984", "birthday profile.birth: year and month?"),
        ("x", "1984-03", ""),
        ("birthday", "1984-04", ""),
        // Midnight of 7 March 1984 in Berlin.
        ("birthday", "447462000", "birthday profile.birth: seconds since 1970, at local midnight?"),
        ("birthday", "447462000000", "birthday profile.birth: milliseconds since 1970, at local midnight?"),
        ("birthday", "447462001", ""),
    ] {
        let told = searched(&index, &[(path, Value::Text(text))]).join("; ");
        assert_eq!(told, want, "{path}={text}");
    }
    let index = Index::new(&[value("band.serial", Category::Identifier, Planted::Text("123456789".into()))]);
    for text in ["3421780262", "-873187034", "18446744072836364582"] {
        for value in [Value::Number(text), Value::Text(text)] {
            let told = searched(&index, &[("x", value)]).join("; ");
            assert_eq!(told.replace('?', ""), "x band.serial: crc32 of the plain text, as a number", "{text}");
        }
    }
}

#[test]
fn an_id_under_the_name_of_such_an_id_needs_not_say_much() {
    for category in [Category::AccountId, Category::Identifier] {
        let index = Index::new(&[value("account.id", category, Planted::Text("70000001".into()))]);
        for (path, want) in [
            ("account_id", "account_id account.id: plain?"),
            ("userId", "userId account.id: plain?"),
            ("uid", "uid account.id: plain?"),
            ("height", ""),
            ("x", ""),
        ] {
            for value in [Value::Number("70000001"), Value::Text("70000001")] {
                assert_eq!(searched(&index, &[(path, value)]).join("; "), want, "{path}");
            }
        }
        check(&index, "userId", "70000002", "");
        // Among very many people one has any number.
        let others: Vec<String> = (70_000_000..70_009_000).map(|id: u32| id.to_string()).collect();
        let leaves: Vec<(&str, Value<'_>)> = others.iter().map(|text| ("friends[].userId", Value::Number(text))).collect();
        assert_eq!(searched(&index, &leaves), [""; 0]);
    }
    let index = Index::new(&[
        value("account.id", Category::AccountId, Planted::Integer(10_000_000)),
        value("account.number", Category::AccountId, Planted::Integer(4_711)),
    ]);
    let told = searched(&index, &[("userId", Value::Number("10000000"))]);
    assert!(told.contains(&"userId account.id: whole value?".to_owned()), "{told:?}");
    // One in some thousand has four digits.
    check(&index, "userId", "4711", "");
    // Of a year any may be anybody's.
    let index = Index::new(&[value("year", Category::BirthDate, Planted::Integer(1984))]);
    check(&index, "birthday", "1984", "");
}

#[test]
fn phone_numbers_are_found_however_people_write_them() {
    let index = Index::new(&[value("phone.number", Category::PhoneNumber, Planted::Text("+4930123987654".into()))]);
    let spelled = "phone.number: as phone numbers are written?";
    for (text, want) in [
        ("+4930123987654", "phone.number: plain?"),
        ("4930123987654", "phone.number: digits alone?"),
        ("tel:4930123987654", "phone.number: digits alone?"),
        ("+49 30 123987654", spelled),
        ("+49 (0) 30 / 12 39 87-654", spelled),
        ("030 123987654", spelled),
        ("004930123987654", spelled),
        ("030123987654", spelled),
        ("+49 30 123987655", ""),
        ("123987654000", ""),
        ("987654", ""),
        ("+49 30 12398", ""),
        ("2026-03-14", ""),
    ] {
        for path in ["x", "phone"] {
            let want = if want.is_empty() { String::new() } else { format!("{path} {want}") };
            let told = searched(&index, &[(path, Value::Text(text))]).join("; ");
            assert_eq!(told.replace('?', ""), want.replace('?', ""), "{path}={text}");
        }
    }
    let told = searched(&index, &[("x", Value::Number("4930123987654"))]).join("; ");
    assert!(told.starts_with("x phone.number: digits alone"), "{told}");
    let digest = digest::hex(&Sha256::digest(b"4930123987654"));
    check(&index, "x", &digest, "x phone.number: sha256 of its digits, as hex");
    // Planted as people write it, sent as programs do.
    let index = Index::new(&[value("phone.number", Category::PhoneNumber, Planted::Text("030 123-987654".into()))]);
    let told = searched(&index, &[("x", Value::Text("+4930123987654"))]).join("; ");
    assert_eq!(told.replace('?', ""), format!("x {}", spelled.replace('?', "")));
    let index = Index::new(&[value("account.id", Category::AccountId, Planted::Text("30123987654".into()))]);
    check(&index, "x", "+49 30 123987654", "");
}

#[test]
fn base32_is_found_of_texts_addresses_and_bytes() {
    let index = Index::new(&planted());
    // Made by Python's base64.b32encode.
    for (text, want) in [
        ("OF2WS3DMN5XEAZLYMFWXA3DFFZ2GK43U", "account.email: base32; x profile.nickname: case-folded, as base32"),
        ("of2ws3dmn5xeazlymfwxa3dffz2gk43u", "account.email: base32; x profile.nickname: case-folded, as base32"),
        ("IMYDURSGHJCUKORRGI5DGNB2GU3A====", "band.mac: base32"),
        ("YD764ERUKY======", "band.mac: as raw bytes, base32?"),
    ] {
        check(&index, "x", text, &format!("x {want}"));
        assert!(index.is_in(text), "{text}");
    }
    let digest = Sha256::digest(b"quillon@example.test");
    let text = encodings::base32(&digest);
    for text in [&text, &text.to_lowercase(), &format!("{text}===="), &format!("v1:{text}")] {
        let told = searched(&index, &[("x", Value::Text(text))]);
        assert_eq!(told, ["x account.email: sha256 of the plain text, as raw bytes, as base32"], "{text}");
    }
    let mut keyed = Hmac::<Sha256>::new_from_slice(b"0123456789abcdef").expect("any length");
    keyed.update(b"quillon@example.test");
    let keyed = encodings::base32(&keyed.finalize().into_bytes());
    let told = searched(&index, &[("x", Value::Text(&keyed)), ("key", Value::Text("0123456789abcdef"))]);
    assert_eq!(told, ["x account.email: HMAC-SHA256 of the plain text, with a key from the same request, as base32"]);
    let mut gate = LeakGate::default();
    index.values().iter().for_each(|value| remember(&value.value, &mut gate));
    for name in ["imydursghjcukorrgi5dgnb2gu3a", "OF2WS3DMN5XEAZLYMFWXA3DFFZ2GK43U", "YD764ERUKY"] {
        assert!(gate.hides(name) && gate.check(&format!("json m.{name}  integer")).is_err(), "{name}");
    }
}

#[test]
fn a_series_behind_a_word_is_found() {
    let index = Index::new(&planted());
    let base64 = general_purpose::STANDARD.encode(series(1));
    for text in [format!("v1:{base64}"), format!("enc|{base64}")] {
        let told = searched(&index, &[("x", Value::Text(&text))]);
        assert_eq!(told, ["x band.heart_rate: 1,152 of 1,152 minutes, one byte each, as base64"]);
    }
    let base32 = encodings::base32(&series(1));
    let told = searched(&index, &[("x", Value::Text(&base32))]);
    assert_eq!(told, ["x band.heart_rate: 1,152 of 1,152 minutes, one byte each, as base32"]);
    assert_eq!(searched(&index, &[("x", Value::Text(&format!("two words:{base64}")))]), [""; 0]);
}

#[test]
fn two_digits_are_told_by_no_name_and_reports_say_so() {
    let resting = value("profile.resting_hr", Category::RestingHeartRate, Planted::Integer(58));
    let index = Index::new(std::slice::from_ref(&resting));
    check(&index, "resting_hr", "58", "");
    assert!(is_too_short(&resting.value) && needs_a_name(&resting.value));
    assert!(!is_too_short(&Planted::Integer(171)) && !is_too_short(&Planted::Text("max".into())));
    assert!(is_too_short(&Planted::Text("a1".into())) && !is_too_short(&Planted::Mac([0; 6])));
}

#[test]
fn short_values_need_a_name() {
    let needs = |value: Planted| needs_a_name(&value);
    assert!(needs(Planted::Integer(171)) && needs(Planted::Decimal("63.4".into())) && needs(Planted::Text("max".into())));
    assert!(needs(Planted::Mac([0; 6])) && needs(Planted::Text("00000000".into())));
    assert!(!needs(Planted::Text("Quillon".into())) && !needs(Planted::Integer(88_410_273)));
    assert!(
        planted()
            .iter()
            .filter(|value| needs_a_name(&value.value))
            .map(|value| value.name.as_str())
            .eq(["profile.height_cm", "profile.weight_kg"])
    );
}

#[test]
fn a_name_that_speaks_of_something_else_makes_no_number_a_hit() {
    let mut values = planted();
    values.push(value("account.level", Category::AccountId, Planted::Integer(1)));
    values.push(value("profile.birth_year", Category::Profile, Planted::Integer(1984)));
    let index = Index::new(&values);
    for (path, text) in [
        ("screen_height", "1710"),
        ("screen_height", "171"),
        ("height", "17100"),
        ("height", "171000"),
        ("img.height", "171000"),
        ("images[].height", "171"),
        ("font_weight", "634"),
        ("weight", "634"),
        ("edge_weight", "63400"),
        ("birthday_reminder_days", "5179"),
        ("level", "100"),
        ("level", "1"),
        ("account_level", "1"),
        ("year", "1984"),
        ("copyright.year", "1984"),
    ] {
        check(&index, path, text, "");
    }
    check(&index, "birth_year", "1984", "birth_year profile.birth_year: whole value?");
    let index = Index::new(&[value("profile.nickname", Category::Profile, Planted::Text("max".into()))]);
    check(&index, "nickname_max", "max", "");
    assert_eq!(searched(&index, &[("nickname", Value::Text("max"))]), ["nickname profile.nickname: plain?"]);
    // Among some hundred heights, one is 171.
    let index = Index::new(&planted());
    let heights: Vec<String> = (0..300).map(|at| (100 + at).to_string()).collect();
    let leaves: Vec<(&str, Value<'_>)> = heights.iter().map(|text| ("trees[].height", Value::Number(text))).collect();
    assert_eq!(searched(&index, &leaves), [""; 0]);
}

#[test]
fn digests_are_found_as_hex_as_base64_and_as_bytes() {
    let index = Index::new(&planted());
    let digest = Sha256::digest(b"quillon@example.test");
    check(&index, "x", &digest::hex(&digest), "x account.email: sha256 of the plain text, as hex");
    check(&index, "x", &digest::hex(&digest).to_uppercase(), "x account.email: sha256 of the plain text, as hex");
    let base64 = general_purpose::STANDARD.encode(digest);
    check(&index, "x", &base64, "x account.email: sha256 of the plain text, as base64");
    let bytes = [&[1, 2, 3][..], &digest, &[4]].concat();
    let told = searched(&index, &[("x", Value::Bytes { bytes: &bytes, text: None })]);
    assert_eq!(told, ["x account.email: sha256 of the plain text, as raw bytes"]);
    let mac = digest::hex(&digest::Algorithm::Md5.digest(b"c0ffee123456"));
    check(&index, "x", &mac, "x band.mac: md5 of lower case without separators, as hex");
    let number = digest::hex(&digest::Algorithm::Sha1.digest(b"171"));
    check(&index, "x", &number, "x profile.height_cm: sha1 of the number, as hex");
    // Of 32 bits: likely in a small request.
    let crc = crc32fast::hash(b"quillon@example.test");
    check(&index, "x", &format!("{crc:08x}"), "x account.email: crc32 of the plain text, as hex?");
    check(&index, "x", &crc.to_string(), "x account.email: crc32 of the plain text, as a number?");
    let bytes = crc.to_le_bytes();
    assert_eq!(searched(&index, &[("x", Value::Opaque(&bytes))]), ["x account.email: crc32 of the plain text, as raw bytes?"]);
    let certain = searched(&index, &[("x", Value::Text(&digest::hex(&digest))), ("y", Value::Text(&format!("{crc:08x}")))]);
    assert_eq!(certain.iter().filter(|line| line.ends_with('?')).count(), 1, "{certain:?}");
}

#[test]
fn a_short_hit_in_a_large_request_is_chance() {
    let index = Index::new(&planted());
    let crc = format!("{:08x}", crc32fast::hash(b"quillon@example.test"));
    let mut random = fastrand::Rng::with_seed(2);
    let others: Vec<String> = (0..20_000).map(|_| format!("{:08x}", random.u32(..))).collect();
    let mut leaves: Vec<(&str, Value<'_>)> = others.iter().map(|text| ("x", Value::Text(text))).collect();
    leaves.push(("y", Value::Text(&crc)));
    assert_eq!(searched(&index, &leaves), [""; 0]);
    // A value of one digit repeated says next to nothing, however long it is.
    let index = Index::new(&[value("band.serial", Category::Identifier, Planted::Text("00000000".into()))]);
    check(&index, "x", "00000000", "");
    check(&index, "serial", "00000000", "serial band.serial: plain?");
}

#[test]
fn bytes_in_short_base64_are_searched() {
    let index = Index::new(&planted());
    let day = series(1);
    let bytes = [&[7, 1, 250, 3, 9][..], &[0xc0, 0xff, 0xee, 0x12, 0x34, 0x56], &[4; 9]].concat();
    let base64 = general_purpose::STANDARD_NO_PAD.encode(&bytes);
    let told = searched(&index, &[("x", Value::Text(&base64))]);
    assert_eq!(told, ["x band.mac: as raw bytes, as base64"]);
    let digest = [&[1, 2][..], &digest::Algorithm::Sha256.digest(b"quillon@example.test")].concat();
    let base64 = general_purpose::URL_SAFE_NO_PAD.encode(&digest);
    let told = searched(&index, &[("x", Value::Text(&base64))]);
    assert_eq!(told.len(), 1, "{told:?}");
    // An hour and a bit.
    for text in [general_purpose::STANDARD_NO_PAD.encode(&day[..71]), digest::hex(&day[..71])] {
        let told = searched(&index, &[("x", Value::Text(&text))]).join("; ");
        assert!(told.starts_with("x band.heart_rate: 56 of 1,152 minutes (1 to 69), one byte each, as "), "{told}");
    }
}

#[test]
fn what_repeats_itself_says_nothing_with_separators_either() {
    let zeros = "00000000-0000-0000-0000-000000000000";
    let index = Index::new(&[
        value("phone.ad_id", Category::Identifier, Planted::Text(zeros.into())),
        value("band.mac", Category::Identifier, Planted::Mac([0; 6])),
        value("phone.mac", Category::Identifier, Planted::Mac([2, 0, 0, 0, 0, 0])),
    ]);
    let bare = "0".repeat(32);
    let digest = digest::hex(&Sha256::digest(zeros));
    let base64 = general_purpose::STANDARD.encode(zeros);
    let wrapped = format!("id {zeros}!");
    for text in [zeros, &bare, &digest, &base64, &wrapped, "00:00:00:00:00:00", "000000000000", "02:00:00:00:00:00"] {
        let told = searched(&index, &[("x", Value::Text(text))]);
        assert!(told.iter().all(|line| line.ends_with('?') && line.contains("phone.mac")), "{text}: {told:?}");
    }
    assert_eq!(searched(&index, &[("x", Value::Opaque(&[0; 400]))]), [""; 0]);
    let mut told = Vec::new();
    index.find_in_bytes(wrapped.as_bytes(), &mut |found| told.push(found.spelling.to_owned()));
    assert_eq!(told, [""; 0]);
    let told = searched(&index, &[("adId", Value::Text(zeros))]);
    assert!(told.is_empty() || told == ["adId phone.ad_id: plain?"], "{told:?}");
}

#[test]
fn bytes_are_searched_wherever_they_stand() {
    let index = Index::new(&planted());
    let mut told = Vec::new();
    index.find_in_bytes(b"photo-of-quillon@example.test-C0FFEEFFFE123456.jpg", &mut |found| {
        told.push((index.values()[found.value].name.clone(), found.spelling.to_owned(), found.range));
    });
    assert!(told.contains(&("account.email".into(), "plain".into(), 9..29)), "{told:?}");
    assert!(told.contains(&("band.mac".into(), "EUI-64".into(), 30..46)), "{told:?}");
    assert!(
        index.is_in("to-Quillon")
            && index.is_in("c0-ff-ee-12-34-56")
            && index.is_in("1984-03-07")
            && index.is_in("J%C3%BCrgen%20Gro%C3%9F")
    );
    assert!(!index.is_in("quill") && !index.is_in("height") && !index.is_in(""));
    let inside = general_purpose::URL_SAFE_NO_PAD.encode(b"?{\"user\":\"quillon@example.test\"}~~");
    index.find_in_bytes(inside.as_bytes(), &mut |found| told.push((String::new(), found.spelling.to_owned(), found.range)));
    assert!(told.iter().any(|(_, spelling, _)| spelling == "base64"), "{told:?}");
}

#[test]
fn a_series_is_found_in_bytes_arrays_and_lists() {
    let index = Index::new(&planted());
    let day = series(1);
    let readings = |text: &str| format!("x band.heart_rate: 1,152 of 1,152 minutes, {text}");
    assert_eq!(searched(&index, &[("x", Value::Bytes { bytes: &day, text: None })]), [readings("one byte each")]);
    let numbers: Vec<String> = day.iter().map(u8::to_string).collect();
    assert_eq!(searched(&index, &[("x", Value::Text(&numbers.join(",")))]), [readings("in a list")]);
    let mut leaves: Vec<(&str, Value<'_>)> = Vec::new();
    for (minute, number) in numbers.iter().enumerate() {
        leaves.push(("a[].time", Value::Number(if minute % 2 == 0 { "1773442800" } else { "1773442860" })));
        leaves.push(("a[].rate", Value::Number(number)));
    }
    assert_eq!(searched(&index, &leaves), [readings("in an array").replace("x band", "a[].rate band")]);
    let mut text = numbers[1].clone();
    let only: Vec<i32> = day.iter().filter(|value| **value != 0xff).map(|value| i32::from(*value)).collect();
    for pair in only.windows(2) {
        let _ = write!(text, ";{:+}", pair[1] - pair[0]);
    }
    assert_eq!(searched(&index, &[("x", Value::Text(&text))]), [readings("in a list, as differences")]);
    // Time and beats of a heart, the time left out where it is one second (`3,62;,1;,-2`).
    let sparse = only.windows(2).fold(format!("3,{}", only[0]), |text, pair| format!("{text};,{}", pair[1] - pair[0]));
    let told = searched(&index, &[("x", Value::Text(&sparse))]);
    assert_eq!(told, [readings("in a list, one number of 2, as differences")]);
    let other = series(2);
    assert_eq!(searched(&index, &[("x", Value::Opaque(&other))]), [""; 0]);
    assert_eq!(searched(&index, &[("x", Value::Opaque(&[0xff; 1440]))]), [""; 0]);
}

#[test]
fn a_series_is_found_in_whatever_fields_come_again() {
    let index = Index::new(&planted());
    let day: Vec<u8> = series(1).into_iter().filter(|value| *value != 0xff).collect();
    let readings = |path: &str| format!("{path} band.heart_rate: 1,152 of 1,152 minutes, ");
    let numbers: Vec<String> = day.iter().map(u8::to_string).collect();
    // A map by minute, and form fields of one name, with others between.
    let mut leaves: Vec<(&str, Value<'_>)> = Vec::new();
    for number in &numbers {
        leaves.extend([("t", Value::Text("1773442800")), ("heart.{id}", Value::Number(number)), ("id", Value::Text("7"))]);
    }
    assert_eq!(searched(&index, &leaves), [readings("heart.{id}") + "in fields of one name"]);
    let lines = numbers.iter().enumerate().fold(String::new(), |text, (at, number)| format!("{text}{at},{number}\n"));
    for value in [Value::Text(&lines), Value::Opaque(lines.as_bytes())] {
        assert_eq!(searched(&index, &[("x", value)]), [readings("x") + "in lines of text"]);
    }
    let other: Vec<String> = series(2).iter().map(u8::to_string).collect();
    let leaves: Vec<(&str, Value<'_>)> = other.iter().map(|number| ("heart.{id}", Value::Number(number))).collect();
    assert_eq!(searched(&index, &leaves), [""; 0]);
}

#[test]
fn keyed_and_salted_digests_are_found_with_the_key_beside_them() {
    let index = Index::new(&planted());
    let hmac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let mac = digest::hex(&hmac(b"q7RtYu1oPaSdFgHj", "quillon@example.test"));
    let want = "a2 account.email: HMAC-SHA256 of the plain text, with a key from the same request, as hex";
    assert_eq!(searched(&index, &[("a1", Value::Text("q7RtYu1oPaSdFgHj")), ("a2", Value::Text(&mac))]), [want]);
    assert_eq!(searched(&index, &[("a2", Value::Text(&mac))]), [""; 0]);
    let bytes = hmac(b"q7RtYu1oPaSdFgHj", "quillon@example.test");
    let told = searched(&index, &[("a1", Value::Text("q7RtYu1oPaSdFgHj")), ("a2", Value::Opaque(&bytes))]);
    assert_eq!(told, [want.replace("as hex", "as raw bytes")]);
    // The key itself in base64.
    let key = [9, 200, 3, 44, 5, 66, 7, 88, 19, 20, 21];
    let mac = general_purpose::STANDARD.encode(hmac(&key, "c0:ff:ee:12:34:56"));
    let key = general_purpose::STANDARD.encode(key);
    let want = "a2 band.mac: HMAC-SHA256 of lower case with colons, with a key from the same request, as base64";
    assert_eq!(searched(&index, &[("a2", Value::Text(&mac)), ("key", Value::Text(&key))]), [want]);
    for (salted, want) in [
        ("s4ltquillon@example.test", "after a salt from the same request"),
        ("quillon@example.test:s4lt", "before a salt from the same request"),
        ("s4lt|quillon@example.test", "after a salt from the same request"),
    ] {
        let digest = digest::hex(&Sha256::digest(salted));
        let told = searched(&index, &[("s", Value::Text("s4lt")), ("h", Value::Text(&digest))]);
        assert_eq!(told, [format!("h account.email: sha256 of the plain text, {want}, as hex")]);
    }
}

#[test]
fn a_salted_digest_of_a_short_value_needs_a_name_and_a_key_that_is_called_so() {
    let sha256 = |text: &str| digest::hex(&Sha256::digest(text));
    // What was hashed is something else, which begins or ends like the value.
    for (salted, salt) in [("article-171", "article"), ("2171", "2"), ("1719", "9"), ("63.48", "8"), ("build_171", "build")] {
        for (name, salt_name) in [("a1", "a2"), ("uid", "v"), ("a1", "key"), ("height_hash", "v")] {
            // Of what was tried in vain in earlier requests, no word here.
            let index = Index::new(&planted());
            let told = searched(&index, &[(name, Value::Text(&sha256(salted))), (salt_name, Value::Text(salt))]);
            assert_eq!(told, [""; 0], "{salted} as {name} with {salt_name}");
        }
    }
    let index = Index::new(&planted());
    let told = searched(&index, &[("height_hash", Value::Text(&sha256("q7RtYu1o171"))), ("salt", Value::Text("q7RtYu1o"))]);
    assert_eq!(told, ["height_hash profile.height_cm: sha256 of the number, after a salt from the same request, as hex?"]);
    // Nothing else has this HMAC, and nothing else ends in an address.
    let mac = digest::Algorithm::Sha256.hmac(b"q7RtYu1o", b"171").expect("keyed");
    let told = searched(&index, &[("a1", Value::Text(&digest::hex(&mac))), ("a2", Value::Text("q7RtYu1o"))]);
    assert_eq!(told, ["a1 profile.height_cm: HMAC-SHA256 of the number, with a key from the same request, as hex"]);
    let told = searched(&index, &[("a1", Value::Text(&sha256("7quillon@example.test"))), ("a2", Value::Text("7"))]);
    assert_eq!(told, ["a1 account.email: sha256 of the plain text, after a salt from the same request, as hex"]);
}

#[test]
fn a_key_that_is_called_so_is_tried_in_every_request_and_what_was_not_tried_is_told() {
    let index = Index::new(&planted());
    let id = |round: usize| digest::hex(&Sha256::digest(format!("id {round}")));
    let end = |leaves: &[(&str, &str)]| {
        let mut search = Search::default();
        for (path, text) in leaves {
            let facts = category::name_facts(&App::default(), "/", Part::Json, path);
            let value = Value::Text(text);
            let leaf = RawLeaf { part: Part::Json, path, value, chain: &[], bytes: None, exact: false, clean: false, group: 1 };
            index.find(&facts, &leaf, true, &mut search, &mut Vec::new(), &mut BTreeSet::new());
        }
        let mut hits = 0;
        let cut = search.end(&index, &mut |_, _, _, _| hits += 1).cut;
        (hits, cut)
    };
    for round in 0..40 {
        assert_eq!(end(&[("h", &id(round)), ("salt", "wrong")]).0, 0);
    }
    let digest = digest::hex(&Sha256::digest("s4ltquillon@example.test"));
    for _ in 0..40 {
        assert_eq!(end(&[("h", &digest), ("salt", "s4lt")]).0, 1);
    }
    // Nothing says that the salt is one: after a few requests it is no longer tried, and that is told.
    let told: Vec<bool> = (0..8).map(|round| end(&[("other", &id(round)), ("s", "s4lt")]).1).collect();
    assert_eq!((told[0], told[7]), (false, true));
    // More digests in one field than are kept.
    let many: Vec<String> = (0..100).map(id).collect();
    let mut leaves: Vec<(&str, &str)> = many.iter().map(|id| ("ids[]", id.as_str())).collect();
    leaves.push(("salt", "s4lt"));
    assert_eq!(end(&leaves), (0, true));
    leaves.truncate(40);
    leaves.extend([("ids[]", digest.as_str()), ("salt", "s4lt")]);
    assert_eq!(end(&leaves).0, 1);
}

#[test]
fn keyed_digests_are_found_however_they_and_their_keys_are_written() {
    let index = Index::new(&planted());
    let keyed = |algorithm: digest::Algorithm, key: &[u8]| digest::hex(&algorithm.hmac(key, b"quillon@example.test").expect("keyed"));
    for (algorithm, prefix) in [
        (digest::Algorithm::Sha224, ""),
        (digest::Algorithm::Sha384, ""),
        (digest::Algorithm::Sha256, "sha256:"),
        (digest::Algorithm::Sha256, "SHA-256="),
        (digest::Algorithm::Sha384, "hmac-sha384:"),
    ] {
        let text = format!("{prefix}{}", keyed(algorithm, b"q7RtYu1oPaSdFgHj"));
        let told = searched(&index, &[("k", Value::Text("q7RtYu1oPaSdFgHj")), ("h", Value::Text(&text))]);
        assert_eq!(told.len(), 1, "{prefix}{}: {told:?}", algorithm.word());
    }
    // A long token as key, after many other leaves.
    let key = "k".repeat(700);
    let text = keyed(digest::Algorithm::Sha256, key.as_bytes());
    let others: Vec<String> = (0..150).map(|at| format!("value {at}")).collect();
    let mut leaves: Vec<(&str, Value<'_>)> = others.iter().map(|text| ("x", Value::Text(text))).collect();
    leaves.extend([("h", Value::Text(&text)), ("token", Value::Text(&key))]);
    let mut search = Search::default();
    for (path, value) in &leaves {
        let facts = category::name_facts(&App::default(), "/", Part::Json, path);
        let leaf = RawLeaf { part: Part::Json, path, value: *value, chain: &[], bytes: None, exact: false, clean: false, group: 1 };
        index.find(&facts, &leaf, true, &mut search, &mut Vec::new(), &mut BTreeSet::new());
    }
    search.note_name(Part::Json, "users.{id}", &keyed(digest::Algorithm::Sha1, key.as_bytes()));
    let mut told = Vec::new();
    search.end(&index, &mut |_, path, _, reason| told.push(format!("{path} {reason}")));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("users.{id}") && line.contains("in a name")), "{told:?}");
}

/// 200 values of every kind.
fn many() -> Vec<PlantedValue> {
    let mut random = fastrand::Rng::with_seed(200);
    let mut word = |length: usize| -> String { std::iter::repeat_with(|| random.alphabetic()).take(length).collect() };
    (0..200_usize)
        .map(|number| {
            let value = match number % 10 {
                0 => Planted::Text(word(4 + number / 40)),
                1 => Planted::Text(format!("{}@{}.test", word(8), word(7))),
                2 => Planted::Text(format!("{:04}", 1_000 + number * 37)),
                3 => Planted::Text(format!("{} {}ö", word(5), word(6))),
                4 => Planted::Mac(std::array::from_fn(|at| (number * 41 + at * 59) as u8)),
                5 => Planted::Date(jiff::civil::date(1930 + number as i16 / 10, 3, 7)),
                6 => Planted::Integer(150 + number as i64),
                7 => Planted::Decimal(format!("{}.4", 40 + number / 2)),
                8 => Planted::Position(Position { lat: number as f64 / 4.1, lon: 4.88969 }),
                _ => Planted::Series(series(number as u64)),
            };
            PlantedValue {
                name: format!("a.v{number}"),
                category: Category::Profile,
                value,
                source: PlantedSource::Scenario,
                confirmed: true,
            }
        })
        .collect()
}

#[test]
fn nothing_is_found_in_unrelated_data() {
    let index = Index::new(&many());
    let mut random = fastrand::Rng::with_seed(77);
    let mut hits = Vec::new();
    // Twenty megabytes where the compiler has made it fast enough to wait for.
    let megabytes = if cfg!(debug_assertions) { 4 } else { 20 };
    for round in 0..megabytes * 20 {
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(10_000).collect();
        let hex = digest::hex(&bytes);
        let base64 = general_purpose::STANDARD.encode(&bytes);
        let words: String = bytes.iter().map(|byte| if byte % 6 == 0 { ' ' } else { char::from(b'a' + byte % 26) }).collect();
        let numbers: Vec<String> = bytes.chunks(4).map(|chunk| (chunk[0] as u32 * 13 + chunk[1] as u32 % 7).to_string()).collect();
        let dates: Vec<String> = bytes.chunks(4).map(|chunk| format!("2026-{:02}-{:02}", chunk[0] % 12 + 1, chunk[1] % 28 + 1)).collect();
        let short: Vec<&str> = (0..400).map(|at| &hex[at * 8..at * 8 + 8]).collect();
        let mut leaves =
            vec![("a", Value::Text(&words)), ("c", Value::Text(&hex)), ("d", Value::Text(&base64)), ("e", Value::Opaque(&bytes))];
        leaves.extend(numbers.iter().map(|text| ("f[]", Value::Number(text))));
        leaves.extend(dates.iter().map(|text| ("g[]", Value::Text(text))));
        leaves.extend(short.iter().map(|text| ("h[]", Value::Text(text))));
        let chunk = round % 4;
        let part = &leaves[if chunk == 0 { 0..leaves.len() } else { chunk - 1..chunk + 1 }];
        let mut search = Search::default();
        for (path, value) in part {
            let leaf = RawLeaf { part: Part::Json, path, value: *value, chain: &[], bytes: None, exact: false, clean: false, group: 1 };
            let (mut reasons, mut found) = (Vec::new(), BTreeSet::new());
            index.find(&NameFacts::default(), &leaf, true, &mut search, &mut reasons, &mut found);
            hits.extend(reasons.into_iter().map(|(_, reason)| format!("{path} {reason}")));
        }
        search.end(&index, &mut |_, path, _, reason| hits.push(format!("{path} {reason}")));
    }
    assert_eq!(hits, [""; 0]);
}

#[test]
fn the_leak_gate_knows_what_a_person_could_read() {
    let mut gate = LeakGate::default();
    planted().iter().for_each(|value| remember(&value.value, &mut gate));
    for text in ["Quillon", "QUILLON", "c0ffee123456", "C0FFEEFFFE123456", "1984-03-07", "5175696c6c6f6e", "52.374"] {
        assert!(gate.check(text).is_err(), "{text}");
    }
    for text in ["171", "63.4", "a walk of 23 minutes", "2026-03-14"] {
        assert_eq!(gate.check(text), Ok(()), "{text}");
    }
}

#[test]
fn the_real_day_of_the_corpus_is_found_in_other_layouts() {
    let Some(corpus) = std::env::var_os("TATTLETALE_CORPUS").map(std::path::PathBuf::from) else { return say_skipped() };
    let body = std::fs::read(corpus.join("huami/band_data.data_json.urlencoded.txt")).expect("the corpus is readable");
    let (leaves, _) = crate::decode::body_leaves(&body, None);
    let bytes = |suffix: &str| {
        let leaf = leaves.iter().find(|leaf| leaf.name.path.ends_with(suffix)).expect("a field of the upload");
        general_purpose::STANDARD.decode(leaf.value.expose()).expect("it came in base64")
    };
    let heart = bytes("data_hr");
    let samples = bytes("data[].value");
    let steps: Vec<u8> = samples.iter().skip(2).step_by(3).copied().collect();
    let others = [series(5), series(6)];
    for (name, day) in [("heart rate", &heart), ("steps", &steps)] {
        let index = Index::new(&[value("band.series", Category::HeartRate, Planted::Series(day.clone()))]);
        let readings = day.iter().filter(|reading| !matches!(reading, 0 | 0xfe | 0xff)).count();
        let told = |bytes: &[u8]| searched(&index, &[("x", Value::Opaque(bytes))]).join("; ");
        // Steps of a quiet day may be too few to be told from chance.
        let want = if readings < 20 { String::new() } else { format!("x band.series: {readings} of {readings} minutes") };
        let wide: Vec<u8> = day.iter().flat_map(|reading| [0, *reading]).collect();
        let seventh: Vec<u8> = day.iter().flat_map(|reading| [9, 1, 7, *reading, 3, 250, 2]).collect();
        let later: Vec<u8> = [0xff; 61].into_iter().chain(day.iter().copied()).collect();
        for layout in [day, &wide, &seventh, &later] {
            assert!(told(layout).starts_with(&want), "{name}, {} bytes", layout.len());
        }
        for other in &others {
            assert_eq!(told(other), "", "{name} in another day");
        }
    }
    let index = Index::new(&[value("band.heart_rate", Category::HeartRate, Planted::Series(heart))]);
    assert!(searched(&index, &[("x", Value::Opaque(&samples))]).is_empty(), "heart rate is no activity");
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn say_skipped() {
    eprintln!("skipped: no corpus (TATTLETALE_CORPUS is not set)");
}
