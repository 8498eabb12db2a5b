//! Every form in which a planted value may be written: spellings, encodings, digests. Made once a run; finding them is `matcher`'s,
//! judging a hit `chance`'s.

use std::{borrow::Cow, collections::HashSet};

use base64::{Engine, engine::general_purpose};

use crate::model::Planted;

use super::{
    super::{
        kind::{self, Number},
        name,
    },
    chance::{self, Alphabet},
    dates,
    digest::{self, Algorithm, Written, hex},
    encodings::{base32, inside_base64, json_escaped, percent, unicode_escape},
    letters, moments,
};

/// One way to write a value.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) bytes: Vec<u8>,
    /// What reports call it.
    pub(super) spelling: Cow<'static, str>,
    pub(super) case: Case,
    pub(super) edges: Edges,
    /// What it is written in.
    pub(super) alphabet: Alphabet,
    /// How much it says.
    pub(super) bits: f32,
    /// Whoever reads it can know the value: no digest.
    pub(super) readable: bool,
}

/// What case means in a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// Another case is another text.
    Exact,
    /// Another case is the same text in another spelling.
    Folded,
    /// Nothing: hex digits, base32.
    Ignored,
}

/// What may stand beside a form inside a longer text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edges {
    /// Anything.
    Any,
    /// No digit beside a digit.
    Digits,
    /// No letter or digit beside a letter or digit.
    Words,
}

/// A number that a value may be sent as, with what to call it.
#[derive(Clone, Debug)]
pub(super) struct NumberForm {
    pub(super) value: f64,
    pub(super) spelling: &'static str,
    /// How much it says.
    pub(super) bits: f32,
}

/// All forms of one value, none twice.
pub(super) fn forms(value: &Planted) -> Vec<Form> {
    let mut all = Forms::of(value, true);
    all.add(value);
    all.all
}

/// Those from which the value can be known: all but digests.
pub(super) fn readable_forms(value: &Planted) -> Vec<Form> {
    let mut all = Forms::of(value, false);
    all.add(value);
    all.all
}

/// Numbers that a value may be sent as, alone in a leaf: itself, and in the units that a length in centimetres or a weight in
/// kilograms has beside its own. What its name says (`height_cm`, `weight`) tells the unit; another number has none.
pub(super) fn numbers(name: &str, value: &Planted) -> Vec<NumberForm> {
    let words = name::words(name.rsplit('.').next().unwrap_or_default());
    let says = |any: &[&str]| words.iter().any(|word| any.contains(&word.as_str()));
    let units: &[(i32, &'static str)] = if says(&["cm"]) || (says(&["height"]) && !says(LENGTHS)) {
        &[(1, "in millimetres"), (-2, "in metres")]
    } else if says(&["kg"]) || (says(&["weight"]) && !says(WEIGHTS)) {
        &[(3, "in grams")]
    } else {
        &[]
    };
    let scaled = |text: &str| -> Vec<NumberForm> {
        let Some(number) = Number::parse(text) else { return Vec::new() };
        let bits = chance::bits(text.bytes().filter(u8::is_ascii_digit).collect::<Vec<_>>().as_slice(), Alphabet::Text);
        let plain = NumberForm { value: number.value, spelling: "whole value", bits };
        // Parsed from text, so that 63.4 kg are 63,400 g and not a hair beside them.
        let others = units.iter().filter_map(|(power, spelling)| {
            let value = format!("{text}e{power}").parse().ok()?;
            Some(NumberForm { value, spelling, bits })
        });
        [plain].into_iter().chain(others.filter(|form| form.value != 0.0)).collect()
    };
    match value {
        Planted::Integer(number) => scaled(&number.to_string()),
        Planted::Decimal(text) => scaled(text),
        Planted::Date(date) => {
            let form = |(number, spelling): (i64, &'static str), less: f32| NumberForm {
                value: number as f64,
                spelling,
                bits: chance::bits(number.unsigned_abs().to_string().as_bytes(), Alphabet::Text) - less,
            };
            let local = dates::local_midnights(*date).into_iter().map(|number| form(number, BITS_OF_AN_HOUR));
            dates::epochs(*date).into_iter().map(|number| form(number, 0.0)).chain(local).collect()
        }
        Planted::Moment(moment) => {
            let bits = moments::bits(*moment);
            let form = |(number, spelling): (i64, &'static str)| NumberForm { value: number as f64, spelling, bits };
            moments::epochs(*moment).into_iter().map(form).collect()
        }
        _ => Vec::new(),
    }
}

/// Inputs of keyed and salted hashes, the likeliest first, each with its name.
pub(super) fn keyed_inputs(value: &Planted) -> Vec<(Vec<u8>, &'static str)> {
    let mut all: Vec<(Vec<u8>, &'static str)> = Vec::new();
    let mut add = |text: String, name| {
        if !text.is_empty() && !all.iter().any(|(known, _)| *known == text.as_bytes()) {
            all.push((text.into_bytes(), name));
        }
    };
    match value {
        Planted::Text(text) => {
            let text = text.trim();
            add(text.to_owned(), "the plain text");
            add(text.to_lowercase(), "lower case");
            add(without_separators(text), "the text without separators");
            add(text.to_uppercase(), "upper case");
            add(without_separators(text).to_lowercase(), "lower case without separators");
        }
        Planted::Mac(mac) => {
            let colons = mac_text(mac, ":");
            add(colons.to_lowercase(), "lower case with colons");
            add(mac_text(mac, "").to_lowercase(), "lower case without separators");
            add(mac_text(mac, ""), "upper case without separators");
            add(colons, "upper case with colons");
        }
        Planted::Date(date) => dates::hashed(*date).into_iter().take(2).for_each(|(text, name)| add(text, name)),
        Planted::Integer(number) => add(number.to_string(), "the number"),
        Planted::Decimal(text) => add(text.clone(), "the number"),
        Planted::Position(position) => add(format!("{},{}", position.lat, position.lon), "latitude and longitude"),
        // A moment of a known day is soon guessed, with any key.
        Planted::Minutes(_) | Planted::Moment(_) | Planted::Series(_) => {}
    }
    all
}

/// Upper-case hex digits of an address with a separator between bytes.
pub(super) fn mac_text(mac: &[u8], separator: &str) -> String {
    mac.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(separator)
}

/// Without spaces, dashes, dots, colons, underscores and slashes.
pub(super) fn without_separators(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !"-.:_/".contains(*c)).collect()
}

/// The digits of a phone number, however people write it (`+49 (0) 30 …`, `030-…`); `None` for anything else.
pub(super) fn phone_digits(text: &str) -> Option<String> {
    let is_of_number = |byte: u8| byte.is_ascii_digit() || b"+-./() ".contains(&byte);
    if !(FEWEST_OF_PHONE..=LONGEST_PHONE).contains(&text.len()) || !text.bytes().all(is_of_number) {
        return None;
    }
    let digits: String = text.replace("(0)", "").chars().filter(char::is_ascii_digit).collect();
    (digits.len() >= FEWEST_OF_PHONE).then_some(digits)
}

/// A decimal with exactly two digits after the point, where it has one.
fn two_decimals(text: &str) -> Option<String> {
    text.split_once('.').filter(|(_, fraction)| fraction.len() == 1).map(|_| format!("{text}0"))
}

/// Whether a value is one character repeated, whatever separates it: the advertising id that a phone gives when it gives none, an
/// address that is not there. Nothing that looks like it, and no digest of it, speaks of anybody.
pub(super) fn is_dull(value: &Planted) -> bool {
    match value {
        Planted::Text(text) => {
            let bare = without_separators(text).to_lowercase();
            let mut characters = bare.chars();
            characters.next().is_none_or(|first| characters.all(|other| other == first))
        }
        Planted::Mac(mac) => mac.iter().all(|byte| *byte == mac[0] && byte >> 4 == byte & 15),
        _ => false,
    }
}

struct Forms {
    with_digests: bool,
    /// No form that can be read says more: a value that repeats itself says little, however it is spelled.
    most_bits: f32,
    dull: bool,
    all: Vec<Form>,
    seen: HashSet<(Vec<u8>, bool)>,
}

impl Forms {
    fn of(value: &Planted, with_digests: bool) -> Self {
        let bare = match value {
            Planted::Text(text) => without_separators(text),
            Planted::Mac(mac) => mac_text(mac, ""),
            _ => String::new(),
        };
        // Separators say something only between characters that do.
        let bits = chance::bits(bare.as_bytes(), Alphabet::Text);
        let repeats = bare.len() >= SHORTEST_WITHOUT_EDGES && bits < LEAST_OF_A_CHARACTER * bare.len() as f32;
        let most_bits = match value {
            Planted::Moment(moment) => moments::bits(*moment),
            _ if repeats => bits,
            _ => f32::INFINITY,
        };
        Self { with_digests, most_bits, dull: is_dull(value), all: Vec::new(), seen: HashSet::new() }
    }

    fn add(&mut self, value: &Planted) {
        match value {
            Planted::Text(text) => self.text(text.trim()),
            Planted::Mac(mac) => self.mac(*mac),
            Planted::Date(date) => {
                for (text, spelling) in dates::spellings(*date) {
                    self.readable(&text, spelling, Case::Folded);
                    // The name of a month is for people to read.
                    if !spelling.contains("month's name") {
                        self.encoded(&text, spelling);
                    }
                }
                for (number, spelling) in dates::epochs(*date) {
                    self.number(&number.to_string(), spelling);
                }
                for (text, input) in dates::hashed(*date) {
                    self.digests(text.as_bytes(), input);
                }
            }
            Planted::Moment(moment) => {
                for (number, spelling) in moments::epochs(*moment) {
                    self.number(&number.to_string(), spelling);
                }
                for (text, spelling) in moments::spellings(*moment) {
                    self.readable(&text, spelling, Case::Folded);
                }
            }
            Planted::Integer(number) => {
                let text = number.to_string();
                self.number(&text, "plain");
                self.exact_base64(&text);
                self.digests(text.as_bytes(), "the number");
            }
            Planted::Decimal(text) => {
                self.number(text, "plain");
                self.exact_base64(text);
                self.digests(text.as_bytes(), "the number");
                if let Some(longer) = two_decimals(text) {
                    self.digests(longer.as_bytes(), "the number with two decimals");
                }
            }
            Planted::Position(position) => {
                // Plain coordinates are found by distance, which is `places`'s.
                let (lat, lon) = (position.lat.to_string(), position.lon.to_string());
                for (text, input) in [
                    (format!("{lat},{lon}"), "latitude and longitude"),
                    (format!("{lon},{lat}"), "longitude and latitude"),
                    (lat, "latitude"),
                    (lon, "longitude"),
                ] {
                    self.encoded(&text, input);
                    self.digests(text.as_bytes(), input);
                }
            }
            // Series have no text; `series` finds them.
            Planted::Minutes(_) | Planted::Series(_) => {}
        }
    }

    fn push(&mut self, mut form: Form) {
        if self.dull {
            form.bits = 0.0;
        } else if form.readable {
            form.bits = form.bits.min(self.most_bits);
        }
        let exact = form.case == Case::Exact;
        let key = if exact { form.bytes.clone() } else { form.bytes.to_ascii_lowercase() };
        if !form.bytes.is_empty() && form.bytes.len() <= LONGEST_FORM && self.seen.insert((key, exact)) {
            self.all.push(form);
        }
    }

    /// A text that a person would call the value itself, in all its encodings.
    fn spelled(&mut self, text: &str, spelling: &'static str) {
        self.readable(text, spelling, Case::Folded);
        self.encoded(text, spelling);
    }

    fn readable(&mut self, text: &str, spelling: impl Into<Cow<'static, str>>, case: Case) {
        let alphabet = if case == Case::Ignored { Alphabet::Hex } else { Alphabet::Text };
        let digits = text.bytes().all(|byte| !byte.is_ascii_alphabetic() && byte < 0x80);
        // Long texts stand in longer ones; a short one there would be part of a word.
        let edges = match text.len() {
            0..SHORTEST_WITHOUT_EDGES => Edges::Words,
            _ if digits => Edges::Digits,
            _ => Edges::Any,
        };
        let bits = chance::bits(text.as_bytes(), alphabet);
        self.push(Form { bytes: text.as_bytes().to_vec(), spelling: spelling.into(), case, edges, alphabet, bits, readable: true });
    }

    /// Reversible encodings of a text. They say as much as the text.
    fn encoded(&mut self, text: &str, spelling: &'static str) {
        let bits = chance::bits(text.as_bytes(), Alphabet::Text);
        if bits < LEAST_ENCODED {
            return;
        }
        let name = |encoding: &str| -> Cow<'static, str> {
            if spelling == "plain" { encoding.to_owned().into() } else { format!("{spelling}, {encoding}").into() }
        };
        let mut add = |form: Vec<u8>, encoding: &str| {
            if form != text.as_bytes() {
                self.disguised(form, name(encoding), Case::Folded, bits);
            }
        };
        for (keep, space) in [(&b"-._~"[..], "%20"), (b"-._*", "+"), (b"-_.!~*'()", "%20"), (b"", "%20")] {
            let all = keep.is_empty();
            let once = percent(text.as_bytes(), |byte| !all && (byte.is_ascii_alphanumeric() || keep.contains(&byte)), space);
            if !all {
                add(once.replace('%', "%25").into_bytes(), "URL-encoded twice");
            }
            add(once.into_bytes(), "URL-encoded");
        }
        // What an encoder of JSON escapes: what it must, also slashes, also what HTML would take for its own, everything.
        let ascii = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
        add(json_escaped(text, |c| !ascii(c) && c <= '~').into_bytes(), "JSON escapes");
        add(json_escaped(text, |c| (!ascii(c) && c <= '~') || c == '/').into_bytes(), "JSON escapes");
        add(json_escaped(text, |c| !ascii(c)).into_bytes(), "\\u escapes");
        add(json_escaped(text, |c| !ascii(c) || c == '/').into_bytes(), "\\u escapes");
        add(json_escaped(text, |c| !ascii(c) || "<>&='".contains(c)).into_bytes(), "\\u escapes");
        add(text.chars().map(unicode_escape).collect::<String>().into_bytes(), "\\u escapes");
        add(text.chars().rev().collect::<String>().into_bytes(), "reversed");
        let wide: Vec<u16> = text.encode_utf16().collect();
        add(wide.iter().flat_map(|unit| unit.to_le_bytes()).collect(), "UTF-16");
        add(wide.iter().flat_map(|unit| unit.to_be_bytes()).collect(), "UTF-16");
        if !text.is_ascii()
            && let Some(latin) = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<Vec<u8>>>()
        {
            add(percent(&latin, |byte| byte.is_ascii_alphanumeric(), "%20").into_bytes(), "Latin-1, URL-encoded");
            add(latin, "Latin-1");
        }
        self.disguised(hex(text.as_bytes()).into_bytes(), name("hex"), Case::Ignored, bits + BITS_OF_DISGUISE);
        // Another case is another base32 or base64 text.
        let (lower, upper) = (text.to_lowercase(), text.to_uppercase());
        for (text, encoding) in [(text, "base32"), (&lower, "lower case, base32"), (&upper, "upper case, base32")] {
            self.disguised(base32(text.as_bytes()).into_bytes(), name(encoding), Case::Ignored, bits + BITS_OF_DISGUISE);
        }
        self.base64(text, &name("base64"), bits);
        if lower != text {
            self.base64(&lower, &name("lower case, base64"), bits);
        }
        if upper != text {
            self.base64(&upper, &name("upper case, base64"), bits);
        }
        let inner = inside_base64(text.as_bytes(), &general_purpose::STANDARD_NO_PAD).into_iter();
        for inner in inner.chain([general_purpose::STANDARD.encode(text)]) {
            for outer in inside_base64(inner.as_bytes(), &general_purpose::STANDARD_NO_PAD) {
                self.base64_form(outer, name("base64 twice"), bits + BITS_OF_DISGUISE);
            }
        }
    }

    fn disguised(&mut self, bytes: Vec<u8>, spelling: Cow<'static, str>, case: Case, bits: f32) {
        let edges = if bytes.len() < SHORTEST_WITHOUT_EDGES { Edges::Words } else { Edges::Any };
        self.push(Form { bytes, spelling, case, edges, alphabet: Alphabet::Text, bits, readable: true });
    }

    /// Base64 in both alphabets, at each of the three alignments that a text has inside a longer one.
    fn base64(&mut self, text: &str, spelling: &str, bits: f32) {
        for engine in [&general_purpose::STANDARD_NO_PAD, &general_purpose::URL_SAFE_NO_PAD] {
            for form in inside_base64(text.as_bytes(), engine) {
                // An alignment that leaves out a character says that much less.
                let covered = (form.len() as f32 * 0.75 / text.len() as f32).min(1.0);
                self.base64_form(form, spelling.to_owned().into(), bits * covered + BITS_OF_DISGUISE);
            }
            // Alone in a leaf, also with the bits that depend on nothing that follows.
            if text.len() < 7 {
                self.base64_form(engine.encode(text), spelling.to_owned().into(), bits + BITS_OF_DISGUISE);
            }
        }
    }

    fn base64_form(&mut self, form: String, spelling: Cow<'static, str>, bits: f32) {
        let edges = if form.len() < SHORTEST_WITHOUT_EDGES { Edges::Words } else { Edges::Any };
        self.push(Form { bytes: form.into_bytes(), spelling, case: Case::Exact, edges, alphabet: Alphabet::Base64, bits, readable: true });
    }

    fn exact_base64(&mut self, text: &str) {
        let bits = chance::bits(text.as_bytes(), Alphabet::Text);
        if text.len() < 3 {
            return;
        }
        self.base64_form(general_purpose::STANDARD_NO_PAD.encode(text), "base64".into(), bits);
    }

    /// Decimal digits. Short ones are compared as numbers, alone in a leaf.
    fn number(&mut self, text: &str, spelling: &'static str) {
        if text.len() >= SHORTEST_WITHOUT_EDGES {
            let bits = chance::bits(text.as_bytes(), Alphabet::Text);
            let bytes = text.as_bytes().to_vec();
            self.push(Form {
                bytes,
                spelling: spelling.into(),
                case: Case::Exact,
                edges: Edges::Digits,
                alphabet: Alphabet::Text,
                bits,
                readable: true,
            });
        }
    }

    fn raw(&mut self, bytes: Vec<u8>, spelling: impl Into<Cow<'static, str>>) {
        let bits = chance::bits(&bytes, Alphabet::Raw);
        self.push(Form {
            bytes,
            spelling: spelling.into(),
            case: Case::Exact,
            edges: Edges::Any,
            alphabet: Alphabet::Raw,
            bits,
            readable: true,
        });
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if kind::is_mac(text)
            && text.len() == 17
            && let Some(mac) = digest::from_hex(&without_separators(text)).and_then(|bytes| <[u8; 6]>::try_from(bytes).ok())
        {
            self.mac(mac);
        }
        let bare = without_separators(text);
        self.spelled(text, "plain");
        let mut variants: Vec<(String, &'static str)> = vec![(bare.clone(), "without separators")];
        let digits = text.strip_prefix('+').and_then(phone_digits);
        variants.extend(digits.iter().map(|digits| (digits.clone(), "digits alone")));
        if !text.is_ascii() {
            // Upper and lower case of ASCII letters are folded anyway.
            variants.extend([
                (text.to_lowercase(), "lower case"),
                (text.to_uppercase(), "upper case"),
                (letters::composed(text), "composed accents"),
                (letters::decomposed(text), "decomposed accents"),
                (letters::without_accents(text), "without accents"),
                (letters::written_out(text), "umlauts written out"),
            ]);
        }
        for (variant, spelling) in variants {
            if variant != text && variant.len() >= SHORTEST_TEXT {
                self.spelled(&variant, spelling);
            }
        }
        if bare.len() >= 8
            && let Some(bytes) = digest::from_hex(&bare)
        {
            if kind::is_uuid(text) {
                let mut mixed = bytes.clone();
                mixed[..4].reverse();
                mixed[4..6].reverse();
                mixed[6..8].reverse();
                self.raw(mixed, "as raw bytes, in Microsoft's order");
            }
            self.packed(&bytes, "as raw bytes");
        }
        let inputs = [
            (text.to_owned(), "the plain text"),
            (text.to_lowercase(), "lower case"),
            (text.to_uppercase(), "upper case"),
            (bare.clone(), "the text without separators"),
            (bare.to_lowercase(), "lower case without separators"),
            (bare.to_uppercase(), "upper case without separators"),
            (letters::composed(text), "composed accents"),
            (letters::decomposed(text), "decomposed accents"),
            (letters::without_accents(text).to_lowercase(), "lower case without accents"),
        ];
        let inputs = inputs.into_iter().chain(digits.map(|digits| (digits, "its digits")));
        self.digests_of(inputs.map(|(text, name)| (text.into_bytes(), name)));
    }

    /// Bytes that a text of hex digits stands for: as they are, in base32, and in base64.
    fn packed(&mut self, bytes: &[u8], spelling: &'static str) {
        self.raw(bytes.to_vec(), spelling);
        let bits = chance::bits(bytes, Alphabet::Raw);
        self.disguised(base32(bytes).into_bytes(), format!("{spelling}, base32").into(), Case::Ignored, bits);
        for engine in [&general_purpose::STANDARD_NO_PAD, &general_purpose::URL_SAFE_NO_PAD] {
            self.base64_form(engine.encode(bytes), format!("{spelling}, base64").into(), bits);
        }
    }

    fn mac(&mut self, mac: [u8; 6]) {
        let reversed: Vec<u8> = mac.iter().rev().copied().collect();
        let [a, b, c, d, e, f] = mac;
        // IEEE EUI-64 from EUI-48: FFFE in the middle; RFC 4291 turns the second-lowest bit of the first byte for IPv6.
        let eui = [a, b, c, 0xff, 0xfe, d, e, f];
        let turned = [a ^ 2, b, c, 0xff, 0xfe, d, e, f];
        for (bytes, name) in [(&mac[..], ""), (&reversed, "reversed"), (&eui, "EUI-64"), (&turned, "EUI-64 of IPv6")] {
            let spelled = |how: &'static str| -> &'static str {
                // Names of spellings live as long as the program: there are four kinds of four.
                match (name, how) {
                    ("", how) => how,
                    ("reversed", "plain") => "reversed",
                    ("reversed", "with dashes") => "reversed, with dashes",
                    ("reversed", _) => "reversed, without separators",
                    ("EUI-64", "plain") => "EUI-64, with colons",
                    ("EUI-64", "with dashes") => "EUI-64, with dashes",
                    ("EUI-64", _) => "EUI-64",
                    (_, "plain") => "EUI-64 of IPv6, with colons",
                    (_, "with dashes") => "EUI-64 of IPv6, with dashes",
                    _ => "EUI-64 of IPv6",
                }
            };
            self.spelled(&mac_text(bytes, ":"), spelled("plain"));
            self.spelled(&mac_text(bytes, "-"), spelled("with dashes"));
            self.spelled(&mac_text(bytes, ""), spelled("without separators"));
        }
        self.readable(&mac_text(&mac, " "), "with spaces", Case::Folded);
        self.readable(&mac.chunks(2).map(hex).collect::<Vec<_>>().join("."), "in three groups", Case::Folded);
        self.readable(&mac.map(|byte| format!("{byte:x}")).join(":"), "without zeros", Case::Folded);
        self.readable(&turned.chunks(2).map(hex).collect::<Vec<_>>().join(":"), "end of an IPv6 address", Case::Folded);
        let integer = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)).to_string();
        self.number(&integer(&mac), "as a number");
        self.number(&integer(&reversed), "as a number, reversed");
        self.number(&integer(&eui), "EUI-64, as a number");
        self.packed(&mac, "as raw bytes");
        self.packed(&reversed, "reversed, as raw bytes");
        self.packed(&eui, "EUI-64, as raw bytes");
        let upper = |separator: &str| mac_text(&mac, separator).into_bytes();
        let lower = |separator: &str| mac_text(&mac, separator).to_lowercase().into_bytes();
        self.digests_of([
            (upper(":"), "upper case with colons"),
            (lower(":"), "lower case with colons"),
            (upper(""), "upper case without separators"),
            (lower(""), "lower case without separators"),
            (upper("-"), "upper case with dashes"),
            (lower("-"), "lower case with dashes"),
            (mac.to_vec(), "its raw bytes"),
            (mac_text(&reversed, "").to_lowercase().into_bytes(), "the reversed address"),
            (mac_text(&eui, "").into_bytes(), "the EUI-64"),
            (mac_text(&eui, "").to_lowercase().into_bytes(), "the EUI-64 in lower case"),
        ]);
    }

    fn digests_of(&mut self, inputs: impl IntoIterator<Item = (Vec<u8>, &'static str)>) {
        let mut seen = HashSet::new();
        for (input, name) in inputs {
            if seen.insert(input.clone()) {
                self.digests(&input, name);
            }
        }
    }

    /// Every digest of one input, written in every usual way.
    fn digests(&mut self, input: &[u8], name: &'static str) {
        if !self.with_digests {
            return;
        }
        for algorithm in Algorithm::ALL {
            for written in digest::written(algorithm, &algorithm.digest(input)) {
                let spelling = format!("{} of {name}, {}", algorithm.word(), written.word()).into();
                let (bytes, case, alphabet, edges) = match written {
                    Written::Hex(text) => (text.into_bytes(), Case::Ignored, Alphabet::Hex, Edges::Any),
                    Written::Uuid(text) => (text.into_bytes(), Case::Ignored, Alphabet::Hex, Edges::Any),
                    Written::Base64(text) => (text.into_bytes(), Case::Exact, Alphabet::Base64, Edges::Any),
                    Written::Raw(bytes) => (bytes, Case::Exact, Alphabet::Raw, Edges::Any),
                    Written::Decimal(text) => (text.into_bytes(), Case::Exact, Alphabet::Text, Edges::Digits),
                };
                // A short digest is one only if it stands alone.
                let edges = if algorithm.bytes() < 16 && alphabet != Alphabet::Raw && edges == Edges::Any { Edges::Words } else { edges };
                // Its own digits say how much it says; it cannot say more than it has bits.
                let bits = chance::bits(&bytes, alphabet).min(algorithm.bytes() as f32 * 8.0);
                self.push(Form { bytes, spelling, case, edges, alphabet, bits, readable: false });
            }
        }
    }
}

/// Digits of a phone number; shorter ones are extensions and services. ITU-T E.164 has fifteen at most.
const FEWEST_OF_PHONE: usize = 7;
const LONGEST_PHONE: usize = 32;
/// Any of 26 hours would do.
const BITS_OF_AN_HOUR: f32 = 4.7;
/// Units of a height or a weight that is not in centimetres or kilograms.
const LENGTHS: &[&str] = &["mm", "m", "in", "inch", "inches", "ft", "feet"];
const WEIGHTS: &[&str] = &["g", "lb", "lbs", "pounds", "st", "stone"];
/// A text of so many bytes is looked for inside others whatever stands beside it.
const SHORTEST_WITHOUT_EDGES: usize = 8;
/// Bits of a character below which a text mostly repeats itself: half a digit's.
const LEAST_OF_A_CHARACTER: f32 = 1.66;
/// Shorter variants of a text would be found everywhere.
const SHORTEST_TEXT: usize = 4;
/// What says less is not looked for in disguise: `30` is hex for `0`, and nearly always a thirty.
const LEAST_ENCODED: f32 = 14.0;
/// Nothing else that stands there is written in hex or base64 and turns out to be such a text: one place in a thousand is.
const BITS_OF_DISGUISE: f32 = 10.0;
/// Longer forms are found by what they begin with elsewhere; nobody plants a novel.
const LONGEST_FORM: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn has(value: &Planted, form: &[u8]) -> bool {
        forms(value)
            .iter()
            .any(|known| if known.case == Case::Exact { known.bytes == form } else { known.bytes.eq_ignore_ascii_case(form) })
    }

    #[test]
    fn an_address_is_written_in_many_ways() {
        let mac = Planted::Mac([0xc0, 0xff, 0xee, 0x12, 0x34, 0x56]);
        for form in [
            "C0:FF:EE:12:34:56",
            "c0-ff-ee-12-34-56",
            "c0ffee123456",
            "c0ff.ee12.3456",
            "56:34:12:ee:ff:c0",
            "563412eeffc0",
            "C0FFEEFFFE123456",
            "C2FFEEFFFE123456",
            "212205443363926",
            "C0%3AFF%3AEE%3A12%3A34%3A56",
            "C0%253AFF%253AEE%253A12%253A34%253A56",
            "QzA6RkY6RUU6MTI6MzQ6NT",
            "wP/uEjRW",
            "YD764ERUKY",
            "imydursghjcukorrgi5dgnb2gu3a",
        ] {
            assert!(has(&mac, form.as_bytes()), "{form}");
        }
        assert!(has(&mac, &[0xc0, 0xff, 0xee, 0x12, 0x34, 0x56]) && has(&mac, &[0x56, 0x34, 0x12, 0xee, 0xff, 0xc0]));
        assert!(forms(&Planted::Text("C0:FF:EE:12:34:56".into())).len() >= forms(&mac).len());
    }

    #[test]
    fn a_name_with_an_umlaut_is_written_in_many_ways() {
        let name = Planted::Text("Jürgen Groß".into());
        for form in [
            "Jürgen Groß".as_bytes(),
            "JÜRGEN GROSS".as_bytes(),
            "Ju\u{308}rgen Groß".as_bytes(),
            b"J\xfcrgen Gro\xdf",
            b"J%FCrgen%20Gro%DF",
            b"J%C3%BCrgen+Gro%C3%9F",
            b"J%25C3%25BCrgen%2520Gro%25C3%259F",
            b"J\\u00FCrgen Gro\\u00DF",
            b"\\u004a\\u00fc\\u0072\\u0067\\u0065\\u006e\\u0020\\u0047\\u0072\\u006f\\u00df",
            b"Jurgen Gross",
            b"Juergen Gross",
            "ßorG negrüJ".as_bytes(),
        ] {
            assert!(has(&name, form), "{}", String::from_utf8_lossy(form));
        }
    }

    #[test]
    fn base64_of_base64_is_found_inside_a_longer_text() {
        let value = Planted::Text("quillon@example.test".into());
        let all: Vec<Form> = forms(&value).into_iter().filter(|form| form.spelling == "base64 twice").collect();
        for before in 0..9 {
            let longer = [&b"abcdefghi"[..before], b"quillon@example.test~"].concat();
            let twice = general_purpose::STANDARD.encode(general_purpose::STANDARD.encode(longer));
            let inside = |form: &Form| twice.as_bytes().windows(form.bytes.len()).any(|window| window == form.bytes);
            assert!(all.iter().any(inside), "{before}");
        }
    }

    #[test]
    fn no_form_is_made_twice() {
        for value in [Planted::Text("quillon@example.test".into()), Planted::Integer(171), Planted::Date(jiff::civil::date(1984, 3, 7))] {
            let all = forms(&value);
            let different: HashSet<(&[u8], bool)> = all.iter().map(|form| (form.bytes.as_slice(), form.case == Case::Exact)).collect();
            assert_eq!(all.len(), different.len());
        }
    }
}
