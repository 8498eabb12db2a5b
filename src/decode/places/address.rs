//! A planted postal address in other spellings: street types abbreviated, umlauts written out, the number in a field of its own,
//! everything run together, the town alone. The text as it was planted is found by `planted`.

use crate::model::{Category, Certainty, Part, Reason};

use super::{
    super::{kind::is_time_zone, leaf::RawLeaf},
    Sign,
};

/// A planted address, taken apart.
#[derive(Debug, PartialEq)]
pub(super) struct Address {
    /// The planted value's name.
    name: String,
    /// The street's name, folded, without spaces.
    street: Option<String>,
    /// The house number, folded: `6`, `12a`.
    number: Option<String>,
    /// The postal code, without spaces.
    postal: Option<String>,
    /// The town, folded, without spaces.
    town: Option<String>,
}

impl Address {
    /// Takes an address apart: `Rosenstraße 6, 10115 Musterstadt`, `12 Baker Street, London`, `Musterstadt`. `None` when there is
    /// nothing in it that can be looked for.
    pub(super) fn new(name: &str, text: &str) -> Option<Self> {
        let mut address = Self { name: name.to_owned(), street: None, number: None, postal: None, town: None };
        for part in text.split([',', '\n', ';']).map(words).filter(|words| !words.is_empty()) {
            let has_digit = |word: &String| word.bytes().any(|byte| byte.is_ascii_digit());
            let Some(at) = part.iter().position(has_digit) else {
                // A part without a number: the town, or what comes after it, a country.
                let joined = part.concat();
                address.town = address.town.take().or_else(|| (joined.len() >= SHORTEST_TOWN).then_some(joined));
                continue;
            };
            let code = part[at].as_str();
            let others: String = part.iter().enumerate().filter(|(index, _)| *index != at).map(|(_, word)| word.as_str()).collect();
            let is_code = code.len() >= 4 && code.bytes().all(|byte| byte.is_ascii_digit());
            if is_code && address.postal.is_none() {
                address.postal = Some(code.to_owned());
                // `1012 AB Amsterdam`: two letters belong to the code.
                let rest = part.get(at + 1).filter(|word| word.len() == 2).map_or(others.as_str(), |letters| &others[letters.len()..]);
                address.town = Some(rest.to_owned()).filter(|town| town.len() >= SHORTEST_TOWN).or(address.town);
            } else if address.street.is_none() && others.len() >= SHORTEST_STREET {
                let suffix = part.get(at + 1).filter(|word| word.len() == 1 && at + 2 == part.len());
                let others = suffix.map_or(others.as_str(), |letter| &others[..others.len() - letter.len()]);
                address.number = Some(suffix.map_or_else(|| code.to_owned(), |letter| format!("{code}{letter}")));
                address.street = Some(others.to_owned());
            }
        }
        (address.street.is_some() || address.town.is_some()).then_some(address)
    }
}

/// Parts of planted addresses in the leaves of one request.
#[derive(Debug, Default)]
pub(super) struct Parts {
    found: Vec<Found>,
    /// Short leaves that could be a house number or a postal code, if the rest stands beside them.
    codes: Vec<Code>,
}

#[derive(Debug)]
struct Found {
    group: u32,
    field: (Part, String),
    spelled: String,
    address: String,
    what: What,
}

#[derive(Debug)]
struct Code {
    group: u32,
    field: (Part, String),
    spelled: String,
    folded: String,
    number_of: Vec<String>,
    postal_of: Vec<String>,
}

/// What of an address stands in a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Street,
    StreetAndNumber,
    StreetAndTown,
    Town,
}

impl Parts {
    /// Looks at one leaf. Gives whether it is kept.
    pub(super) fn look(&mut self, leaf: &RawLeaf<'_>, addresses: &[Address]) -> bool {
        if addresses.is_empty() || self.found.len() >= MOST_PARTS {
            return false;
        }
        let Some(text) = leaf.value.as_text().filter(|text| (1..=LONGEST_TEXT).contains(&text.len())) else { return false };
        let words = words(text);
        // `Europe/Berlin` is no Berlin.
        if words.is_empty() || is_time_zone(text) {
            return false;
        }
        let kept = self.found.len() + self.codes.len();
        if words.len() <= 2 && text.len() <= LONGEST_CODE {
            self.code(leaf, text, &words, addresses);
        }
        let run = Run::new(&words);
        for address in addresses {
            if let Some(what) = in_words(address, &run) {
                self.found.push(Found {
                    group: leaf.group,
                    field: (leaf.part, leaf.path.to_owned()),
                    spelled: text.to_owned(),
                    address: address.name.clone(),
                    what,
                });
            }
        }
        self.found.len() + self.codes.len() > kept
    }

    fn code(&mut self, leaf: &RawLeaf<'_>, text: &str, words: &[String], addresses: &[Address]) {
        let folded = words.concat();
        let equal = |part: fn(&Address) -> &Option<String>| {
            let of = addresses.iter().filter(|address| part(address).as_ref() == Some(&folded));
            of.map(|address| address.name.clone()).collect::<Vec<_>>()
        };
        let (number_of, postal_of) = (equal(|address| &address.number), equal(|address| &address.postal));
        if (!number_of.is_empty() || !postal_of.is_empty()) && self.codes.len() < MOST_PARTS {
            let field = (leaf.part, leaf.path.to_owned());
            self.codes.push(Code { group: leaf.group, field, spelled: text.to_owned(), folded, number_of, postal_of });
        }
    }

    /// What was found: streets and towns by themselves, numbers and postal codes beside them.
    pub(super) fn signs(self) -> Vec<Sign> {
        let Self { found, codes } = self;
        let mut signs = Vec::new();
        let beside = |group: u32, address: &str, streets: bool| {
            found.iter().any(|found| found.group == group && found.address == address && (!streets || found.what != What::Town))
        };
        for code in &codes {
            let number = code.number_of.iter().find(|address| beside(code.group, address, true));
            let postal = code.postal_of.iter().find(|address| beside(code.group, address, false));
            let sign = number.map(|address| (address, "house number, beside its street"));
            if let Some((address, spelling)) = sign.or_else(|| postal.map(|address| (address, "postal code, beside its town or street"))) {
                // The field beside it makes it no chance; a number of one digit says little by itself.
                let certainty = if code.folded.len() >= 4 { Certainty::Certain } else { Certainty::Likely };
                signs.push(sign_of(&code.field, address, spelling, certainty, &code.spelled));
            }
        }
        for one in &found {
            // Many towns have a Main Street: alone it is a sign, with something else of the address it is this one.
            let same = |group: u32, address: &str| group == one.group && address == one.address;
            let with_town = || found.iter().any(|other| other.what == What::Town && same(other.group, &other.address));
            let with_code =
                || codes.iter().any(|code| code.number_of.iter().chain(&code.postal_of).any(|address| same(code.group, address)));
            let (spelling, certainty) = match one.what {
                What::StreetAndNumber => ("street and house number", Certainty::Certain),
                What::StreetAndTown => ("street and town or postal code", Certainty::Certain),
                What::Street if with_town() || with_code() => ("street", Certainty::Certain),
                What::Street => ("street", Certainty::Likely),
                What::Town => (TOWN, Certainty::Likely),
            };
            signs.push(sign_of(&one.field, &one.address, spelling, certainty, &one.spelled));
        }
        signs
    }
}

fn sign_of(field: &(Part, String), address: &str, spelling: &str, certainty: Certainty, spelled: &str) -> Sign {
    let reason = Reason::PlantedValue { name: address.to_owned(), spelling: spelling.to_owned(), certainty };
    let category = if spelling == TOWN { Category::CoarseLocation } else { Category::PostalAddress };
    Sign { field: field.clone(), category, reason, spelled: spelled.to_owned() }
}

/// Words written without spaces, and where each began.
struct Run {
    text: String,
    starts: Vec<usize>,
    words: usize,
}

impl Run {
    fn new(words: &[String]) -> Self {
        let starts = words.iter().scan(0, |at, word| {
            let start = *at;
            *at += word.len();
            Some(start)
        });
        Self { starts: starts.collect(), text: words.concat(), words: words.len() }
    }

    /// Where something ends that begins with a word.
    fn find(&self, what: &str) -> Option<usize> {
        self.starts.iter().find(|start| self.text[**start..].starts_with(what)).map(|start| start + what.len())
    }

    /// Whether a word begins here, or the text ends.
    fn is_between_words(&self, at: usize) -> bool {
        at == self.text.len() || self.starts.binary_search(&at).is_ok()
    }
}

/// The most that a text says of an address.
fn in_words(address: &Address, run: &Run) -> Option<What> {
    let street = address.street.as_ref().and_then(|street| {
        let end = run.find(street)?;
        let number = address.number.as_ref();
        // The number may have run into the postal code: `Rosenstr 610115 Musterstadt`.
        let followed = |number: &String| {
            run.text[end..].strip_prefix(number.as_str()).is_some_and(|rest| {
                let postal = address.postal.as_ref().is_some_and(|postal| rest.starts_with(postal.as_str()));
                postal || !rest.starts_with(|c: char| c.is_ascii_digit()) || run.is_between_words(end + number.len())
            })
        };
        let ahead = |number: &String| run.find(&format!("{number}{street}")).is_some();
        if number.is_some_and(|number| followed(number) || ahead(number)) {
            Some(What::StreetAndNumber)
        } else {
            // A street's name that goes on is another's; with digits after it, it is this street and another house.
            let whole = run.is_between_words(end) || run.text[end..].starts_with(|c: char| c.is_ascii_digit());
            let beside = |part: &Option<String>| part.as_ref().is_some_and(|part| run.find(part).is_some());
            let what = if beside(&address.town) || beside(&address.postal) { What::StreetAndTown } else { What::Street };
            whole.then_some(what)
        }
    });
    let town = || {
        let town = address.town.as_ref()?;
        let end = run.find(town)?;
        // The names of small towns are words too: only by themselves.
        let long = town.len() >= LONG_TOWN
            && (run.is_between_words(end) || address.postal.as_ref().is_some_and(|code| run.text.contains(code.as_str())));
        (long || run.words <= 2 && run.text == *town).then_some(What::Town)
    };
    street.or_else(town)
}

/// The words of a text, folded: lower case, umlauts and accents written plainly, street types in one spelling.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        // Accents that stand by themselves (Unicode normalization form D).
        if ('\u{300}'..='\u{36f}').contains(&c) {
            continue;
        }
        if c.is_alphanumeric() {
            c.to_lowercase().for_each(|c| push_folded(&mut word, c));
        } else if !word.is_empty() {
            words.push(street_type(std::mem::take(&mut word)));
        }
    }
    if !word.is_empty() {
        words.push(street_type(word));
    }
    words
}

fn push_folded(word: &mut String, c: char) {
    match c {
        'ß' => word.push_str("ss"),
        'æ' | 'ä' | 'à' | 'á' | 'â' | 'ã' | 'å' | 'ą' => word.push('a'),
        'ç' | 'ć' | 'č' => word.push('c'),
        'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ě' => word.push('e'),
        'ì' | 'í' | 'î' | 'ï' => word.push('i'),
        'ł' => word.push('l'),
        'ñ' | 'ń' => word.push('n'),
        'œ' | 'ö' | 'ò' | 'ó' | 'ô' | 'õ' | 'ø' => word.push('o'),
        'ř' => word.push('r'),
        'ś' | 'š' => word.push('s'),
        'ü' | 'ù' | 'ú' | 'û' | 'ů' => word.push('u'),
        'ý' | 'ÿ' => word.push('y'),
        'ź' | 'ż' | 'ž' => word.push('z'),
        // `ae` is how ä is written without it; folding both sides costs nothing.
        'e' if word.ends_with(['a', 'o', 'u']) => {}
        c => word.push(c),
    }
}

/// A word with its street type in the shortest spelling: `rosenstrasse` is `rosenstr`, `street` is `st`.
fn street_type(mut word: String) -> String {
    for (long, short) in STREET_TYPES {
        if word == *long {
            return (*short).to_owned();
        }
    }
    for (long, short) in STREET_ENDINGS {
        if word.ends_with(long) && word.len() > long.len() {
            word.truncate(word.len() - long.len());
            word.push_str(short);
            break;
        }
    }
    word
}

/// Written with a word before them. Folded: `avenue` has lost an `e`.
const STREET_TYPES: &[(&str, &str)] = &[
    ("strasse", "str"),
    ("street", "st"),
    ("road", "rd"),
    ("lane", "ln"),
    ("drive", "dr"),
    ("square", "sq"),
    ("avenu", "ave"),
    ("av", "ave"),
    ("boulevard", "blvd"),
    ("bd", "blvd"),
    ("platz", "pl"),
    ("place", "pl"),
    ("straat", "str"),
    ("ulica", "ul"),
    ("calle", "c"),
];
/// Written as the end of a word.
const STREET_ENDINGS: &[(&str, &str)] = &[("strasse", "str"), ("straat", "str"), ("platz", "pl"), ("gasse", "g")];

const TOWN: &str = "town";
const SHORTEST_TOWN: usize = 4;
/// Longer names of towns are no other word.
const LONG_TOWN: usize = 6;
const SHORTEST_STREET: usize = 5;
/// A house number or a postal code is no longer.
const LONGEST_CODE: usize = 12;
/// Longer texts are no address.
const LONGEST_TEXT: usize = 2048;
const MOST_PARTS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<What>) {
        let address = Address::new("location.address", "Große Rosenstraße 6, 10115 Musterstädt, DE").expect("an address");
        assert_eq!(in_words(&address, &Run::new(&words(text))), want, "{text}");
    }

    #[test]
    fn an_address_is_found_in_its_spellings() {
        check("Grosse Rosenstr. 6", Some(What::StreetAndNumber));
        check("GROSSE ROSENSTRASSE 6, 10115 MUSTERSTAEDT", Some(What::StreetAndNumber));
        check("Große Rosen-Straße 6", Some(What::StreetAndNumber));
        check("Große Rosenstraße 610115 MusterstädtGermany", Some(What::StreetAndNumber));
        check("6 Grosse Rosenstr", Some(What::StreetAndNumber));
        check("Große Rosenstraße 7", Some(What::Street));
        check("große rosenstraße", Some(What::Street));
        check("Große Rosenstraße, Musterstädt", Some(What::StreetAndTown));
        check("10115, Große Rosenstr.", Some(What::StreetAndTown));
        check("Große Rosenstraßenbahn", None);
        check("Musterstaedt", Some(What::Town));
        check("near Musterstädt, Germany", Some(What::Town));
        check("Musterstädter", None);
        check("Rosenstraße 6", None);
    }

    #[test]
    fn addresses_are_taken_apart() {
        let address = |text: &str| {
            let parts = Address::new("a", text).map(|a| [a.street, a.number, a.postal, a.town]);
            parts.map(|parts| parts.map(Option::unwrap_or_default).join("|"))
        };
        assert_eq!(address("12 Invented Street, Sampleton").as_deref(), Some("inventedst|12||sampleton"));
        assert_eq!(address("Kerkstraat 6 b, 1012 AB Sampledam").as_deref(), Some("kerkstr|6b|1012|sampledam"));
        assert_eq!(address("Musterstadt").as_deref(), Some("|||musterstadt"));
        assert_eq!(address("6"), None);
    }
}
