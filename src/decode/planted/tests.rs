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
    assert!(!search.end(index, &mut |_, path, value, reason| {
        assert!(value < index.values().len());
        tell(path, reason);
    }));
    told.sort();
    told
}

#[track_caller]
fn check(index: &Index, path: &str, text: &str, want: &str) {
    let told = searched(index, &[(path, Value::Text(text))]).join("; ");
    // How certain a hit is depends on how much was searched: other tests look at that.
    assert_eq!(told.replace('?', ""), want.replace('?', ""), "{path}={text}");
    if !want.is_empty() && !["whole", "since", "times"].iter().any(|whole| want.contains(whole)) {
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
fn short_numbers_need_a_name_that_speaks_of_them() {
    let index = Index::new(&planted());
    for (path, text, want) in [
        ("height", "171", "height profile.height_cm: whole value?"),
        ("height_in_cm", "171.0", "height_in_cm profile.height_cm: whole value?"),
        ("x", "171", ""),
        ("weight", "171", ""),
        ("weight", "63.40", "weight profile.weight_kg: whole value?"),
        ("weight_g", "63400", "weight_g profile.weight_kg: times 1,000?"),
        ("price", "63.4", ""),
        ("x", "sha256 63.4", ""),
    ] {
        check(&index, path, text, want);
    }
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
fn fields_that_were_tried_in_vain_are_left_alone_and_found_ones_are_not() {
    let index = Index::new(&planted());
    let id = "e2fc714c4727ee9395f324cd2e7f331f";
    for _ in 0..40 {
        assert_eq!(searched(&index, &[("id", Value::Text(id)), ("k", Value::Text("abc"))]), [""; 0]);
    }
    let digest = digest::hex(&Sha256::digest("s4ltquillon@example.test"));
    for _ in 0..40 {
        assert_eq!(searched(&index, &[("s", Value::Text("s4lt")), ("h", Value::Text(&digest))]).len(), 1);
    }
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
