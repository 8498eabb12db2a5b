//! The two takers of leaves: one folds them into a page of facts, one collects them with their values for a person.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aho_corasick::AhoCorasick;

use crate::model::{
    App, ByteRange, Captured, Category, Certainty, Evidence, ExchangeId, FieldName, FieldShape, FieldType, LeakGate, Part, Planted,
    PlantedValue, Reason, Standing, category::keep_finest,
};

use super::{
    adapter::Claim,
    category::{self, NameFacts, claimed_facts},
    dark::{self, Dark},
    kind::kind_of,
    leaf::{Arrived, Awaits, Expectation, Leaf, RawLeaf, Sink, Standings, Value, ticket},
    name::Placeholder,
    page::{Found, Page},
    places::{self, Hit, Pairs, Places, Sign},
    planted::{Ended, FoundMinutes, Index, Piece, Search},
    standing::{Proof, is_proven, may_be_proven, standings},
};

/// Folds the leaves of one exchange into its endpoint's page.
pub(super) struct Absorb<'x> {
    pub(super) app: &'x App,
    pub(super) index: &'x Index,
    pub(super) places: &'x Places,
    pub(super) page: &'x mut Page,
    pub(super) gate: &'x mut LeakGate,
    pub(super) run: u32,
    pub(super) exchange: ExchangeId,
    pub(super) pairs: Pairs,
    /// Planted values found.
    pub(super) found: Found,
    /// Names of those that do not stand there by chance.
    pub(super) certain: BTreeSet<String>,
    /// What the search for them knows only at the end.
    pub(super) search: Search,
    /// Positions found, with where.
    pub(super) hits: Vec<(Hit, Option<ByteRange>)>,
    /// Fields that nobody could decode, each with how much that was.
    pub(super) dark: BTreeMap<FieldName, Dark>,
    /// Finds the app's ids in leaves, however they were wrapped; `None` when nobody asks.
    pub(super) ids: Option<&'x AhoCorasick>,
    /// Whether one was found.
    pub(super) names_app: bool,
    /// Whether fields had to be left out.
    pub(super) overflowed: bool,
    /// What was found out of leaves only at the end.
    pub(super) arrived: Arrived,
    /// Minutes of planted series found, by the number of the value; known at the end.
    pub(super) series: BTreeMap<usize, FoundMinutes>,
    /// What each field adds to what it holds over the run; known at the end.
    pub(super) pieces: Vec<Piece>,
    reasons: Vec<(Category, Reason)>,
    /// Layers that hold planted texts, innermost last.
    layers: Vec<Layer>,
    /// Planted values found in leaves and names, in the order of the request.
    placed: Vec<usize>,
    /// Planted texts of layers that are in none of their leaves, unless the end of the request says otherwise.
    loose: Vec<Loose>,
    /// Leaves that nobody can explain, unless the end of the request says otherwise.
    unexplained: Vec<Unexplained>,
}

/// A leaf of which nobody knows yet what it is.
#[derive(Debug)]
struct Unexplained {
    ticket: u64,
    part: Part,
    path: String,
    bytes: Dark,
    dark: Option<Dark>,
}

/// A planted text that stands in a layer, and in no leaf of it.
#[derive(Debug)]
struct Loose {
    number: usize,
    part: Part,
    path: String,
    spelling: String,
}

/// A layer that is open and holds planted texts.
#[derive(Debug)]
struct Layer {
    /// Their numbers, with how each is written.
    holds: BTreeMap<usize, String>,
    /// How many of `placed` were there before it.
    placed_before: usize,
}

impl<'x> Absorb<'x> {
    pub(super) fn new(
        app: &'x App,
        index: &'x Index,
        places: &'x Places,
        page: &'x mut Page,
        gate: &'x mut LeakGate,
        (run, exchange): (u32, ExchangeId),
    ) -> Self {
        let (pairs, found) = (Pairs::default(), Found::new());
        Self {
            app,
            index,
            places,
            page,
            gate,
            run,
            exchange,
            pairs,
            found,
            certain: BTreeSet::new(),
            search: Search::default(),
            hits: Vec::new(),
            dark: BTreeMap::new(),
            ids: None,
            names_app: false,
            overflowed: false,
            arrived: Arrived::default(),
            series: BTreeMap::new(),
            pieces: Vec::new(),
            reasons: Vec::new(),
            layers: Vec::new(),
            placed: Vec::new(),
            loose: Vec::new(),
            unexplained: Vec::new(),
        }
    }

    fn remember(&mut self, leaf: &RawLeaf<'_>, kind: &FieldType) {
        let Some(text) = leaf.value.as_text() else { return };
        // What is measured has digits: a word under such a name (`sleep.state: deep`) is one of the app's own.
        let a_word = text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let secret = self.reasons.iter().any(|(category, reason)| {
            let about_person = category.is_about_person() && !(a_word && category.is_measured());
            about_person || matches!(reason, Reason::PlantedValue { .. })
        });
        let number =
            matches!(kind, FieldType::Integer | FieldType::Boolean | FieldType::TimestampS | FieldType::TimestampMs | FieldType::Decimal);
        if *kind == FieldType::Date {
            // Every report prints dates; a birth date is planted, or named.
            if self.reasons.iter().any(|(category, _)| category.is_a(Category::Profile)) {
                self.gate.remember_secret(text);
            }
        } else if secret && (4..=LONGEST_SECRET).contains(&text.len()) && (!number || text.len() >= SHORTEST_SECRET_NUMBER) {
            self.gate.remember_secret(text);
        } else {
            self.gate.remember(text);
        }
    }
}

impl Sink for Absorb<'_> {
    fn leaf(&mut self, leaf: &RawLeaf<'_>) -> Standings {
        let (run, exchange) = (self.run, self.exchange);
        self.reasons.clear();
        if let Some(ids) = self.ids.filter(|_| !self.names_app && !leaf.clean) {
            self.names_app = match leaf.value {
                Value::Text(text) => ids.is_match(text),
                Value::Bytes { bytes, .. } | Value::Opaque(bytes) => ids.is_match(bytes),
                Value::Null | Value::Boolean(_) | Value::Number(_) => false,
            };
        }
        let Some(slot) = self.page.slot(self.app, leaf.part, leaf.path) else {
            self.overflowed = true;
            // What cannot be listed is searched all the same.
            self.index.find(&NameFacts::default(), leaf, !leaf.clean, &mut self.search, &mut self.reasons, &mut self.found);
            return Standings::both(Standing::Unexplained);
        };
        let mut kind = kind_of(&leaf.value, &slot.name);
        category::categories(&slot.name, &kind, &leaf.value, &mut self.reasons);
        places::by_shape(&slot.name, &leaf.value, &mut self.reasons);
        let mut found = Found::new();
        self.index.find(&slot.name, leaf, !leaf.clean, &mut self.search, &mut self.reasons, &mut found);
        self.placed.extend(&found);
        self.found.extend(found);
        self.certain.extend(self.reasons.iter().filter_map(|(_, reason)| certain_name(reason)).map(str::to_owned));
        let proof = Proof { planted: self.index.values(), minutes: self.search.minutes };
        let dark = if is_proven(&leaf.value, &self.reasons, proof) || leaf.path.is_empty() { None } else { dark::look(leaf, &slot.name) };
        if dark.is_some() {
            kind = FieldType::Opaque;
        }
        slot.absorb(leaf, kind.clone(), &self.reasons, run, exchange);
        let (hits, reasons, bytes) = (&mut self.hits, &mut self.reasons, leaf.range());
        self.pairs.look(leaf, &slot.name, self.places, &mut |hit| {
            let hit = guessed(hit, leaf);
            let (name, spelling) = ("location".to_owned(), hit.notation.to_owned());
            reasons.push((hit.category(), Reason::PlantedValue { name, spelling, certainty: hit.certainty }));
            hits.push((hit, bytes));
        });
        // Short values of a field that is encrypted by its name are dark too; a whole body is told as a body.
        let dark = dark.or_else(|| (kind == FieldType::Opaque && !leaf.path.is_empty()).then(|| dark::of_bytes(leaf.value.as_bytes())));
        self.remember(leaf, &kind);
        let standings = standings(&kind, &leaf.value, &self.reasons, proof);
        let awaits = self.awaits(leaf, &kind);
        let unexplained = standings.all == Standing::Unexplained;
        let bytes = unexplained.then(|| dark::of_bytes(leaf.value.as_bytes()));
        let dark = dark.or(bytes.filter(|_| leaf.value.as_bytes().len() >= SHORTEST_DARK));
        match (bytes, awaits.ticket) {
            (Some(bytes), Some(ticket)) => {
                self.unexplained.push(Unexplained { ticket, part: leaf.part, path: leaf.path.to_owned(), bytes, dark });
            }
            _ => self.add_unexplained(leaf.part, leaf.path, bytes, dark),
        }
        Standings { awaits, ..standings }
    }

    fn also(&mut self, leaf: &RawLeaf<'_>, ticket: u64) -> Option<u64> {
        let slot = self.page.slot(self.app, leaf.part, leaf.path)?;
        let (hits, bytes) = (&mut self.hits, leaf.range());
        self.pairs.look_again(leaf, ticket, &slot.name, self.places, &mut |hit| hits.push((guessed(hit, leaf), bytes)));
        self.pairs.keeps().then_some(ticket)
    }

    fn rest(&mut self, part: Part, path: &str, bytes: u64, seen: &[u8]) {
        let evidence = Evidence { run: self.run, exchange: Some(self.exchange), bytes: None, chain: Vec::new() };
        if seen.len() >= SHORTEST_DARK {
            self.add_dark(part, path, dark::of_bytes(seen));
        }
        self.overflowed |= !self.page.add_rest(self.app, (part, path), bytes, seen, &evidence);
    }

    fn open_layer(&mut self, bytes: &[u8]) -> bool {
        if let Some(ids) = self.ids {
            self.names_app |= ids.is_match(bytes);
        }
        if !self.index.occurs_in(bytes) {
            return true;
        }
        let mut holds = BTreeMap::new();
        // What a layer by itself makes likely only, the whole request may not: that is for its leaves to say.
        self.index.find_in_bytes(bytes, &mut |hit| {
            if hit.certainty == Certainty::Certain {
                holds.insert(hit.value, hit.spelling.to_owned());
            }
        });
        self.layers.push(Layer { holds, placed_before: self.placed.len() });
        false
    }

    fn close_layer(&mut self, part: Part, path: &str) {
        let Some(layer) = self.layers.pop() else { return };
        let placed = self.placed.get(layer.placed_before..).unwrap_or_default();
        let loose = layer.holds.into_iter().filter(|(number, _)| !placed.contains(number));
        let loose: Vec<Loose> = loose.map(|(number, spelling)| Loose { number, part, path: path.to_owned(), spelling }).collect();
        // The layers around this one hold it too.
        self.placed.extend(loose.iter().map(|loose| loose.number));
        self.loose.extend(loose);
    }

    fn expectation(&mut self, part: Part, path: &str) -> Expectation {
        self.page.slot(self.app, part, path).map_or(Expectation::Open, |slot| slot.name.expectation)
    }

    fn is_planted(&self, key: &str) -> bool {
        self.index.is_in(key)
    }

    fn replaced_key(&mut self, placeholder: Placeholder, key: &str, part: Part, path: &str) {
        placeholder.remember(key, self.gate);
        self.search.note_name(part, path, key);
        let mut held = BTreeMap::new();
        self.index.find_in_bytes(key.as_bytes(), &mut |hit| {
            held.insert(hit.value, hit.spelling.to_owned());
        });
        held.into_iter()
            .for_each(|(number, spelling): (usize, String)| self.found_loose(number, part, path, &format!("{spelling}, in a name")));
        self.position_in_name(key, part, path);
    }
}

impl Absorb<'_> {
    /// What the end of the request may find out about a leaf that was just looked at.
    fn awaits(&self, leaf: &RawLeaf<'_>, kind: &FieldType) -> Awaits {
        let Awaits { ticket, column } = self.search.awaits;
        let ticket = ticket.filter(|_| may_be_proven(kind, &leaf.value));
        Awaits { ticket: ticket.or_else(|| self.pairs.keeps().then(|| leaf.ticket())), column }
    }

    fn add_unexplained(&mut self, part: Part, path: &str, bytes: Option<Dark>, dark: Option<Dark>) {
        if let Some(dark) = dark {
            self.add_dark(part, path, dark);
        }
        if let Some(bytes) = bytes {
            self.page.add_unexplained(part, path, bytes);
        }
    }

    fn add_dark(&mut self, part: Part, path: &str, dark: Dark) {
        if self.dark.len() < MOST_DARK {
            let name = FieldName { part, path: path.to_owned() };
            self.dark.entry(name).or_insert(dark);
        }
    }

    /// A map key may say where the phone was, as a value may: `{"52.374,4.8897": …}`.
    fn position_in_name(&mut self, key: &str, part: Part, path: &str) {
        let value = Value::Text(key);
        let leaf = RawLeaf { part, path, value, chain: &[], bytes: None, exact: false, clean: false, group: u32::MAX };
        let mut hits = Vec::new();
        self.pairs.look(&leaf, &NameFacts::default(), self.places, &mut |hit| hits.push(hit));
        for hit in hits {
            let (name, spelling) = ("location".to_owned(), format!("{}, in a name", hit.notation));
            let reason = Reason::PlantedValue { name, spelling, certainty: hit.certainty };
            let evidence = Evidence { run: self.run, exchange: Some(self.exchange), bytes: None, chain: Vec::new() };
            self.page.add_loose(part, path, (hit.category(), reason), &evidence);
            self.hits.push((hit, None));
        }
    }

    /// A planted value stands in no leaf, but in what the path names, or in the path itself.
    fn found_loose(&mut self, number: usize, part: Part, path: &str, spelling: &str) {
        self.placed.push(number);
        self.found.insert(number);
        let Some(PlantedValue { name, category, .. }) = self.index.values().get(number) else { return };
        self.certain.insert(name.clone());
        let reason = Reason::PlantedValue { name: name.clone(), spelling: spelling.to_owned(), certainty: Certainty::Certain };
        let evidence = Evidence { run: self.run, exchange: Some(self.exchange), bytes: None, chain: Vec::new() };
        self.page.add_loose(part, path, (*category, reason), &evidence);
    }

    /// Takes out the positions that stand in leaves below: distance finds them there, and only the layer around holds their writing.
    fn leave_out_held(&self, loose: &mut Vec<Loose>, signs: &[Sign]) {
        let values = self.index.values();
        let position = |number: usize| match values.get(number)?.value {
            Planted::Position(position) => Some(position),
            _ => None,
        };
        if !loose.iter().any(|loose| position(loose.number).is_some()) {
            return;
        }
        let mut held: BTreeSet<(usize, Part, &str)> = BTreeSet::new();
        for (hit, _) in &self.hits {
            let Some(nearest) = planted_near(self.index, hit).and_then(|(number, _)| position(number)) else { continue };
            // One place may be planted under several names.
            for number in (0..values.len()).filter(|number| position(*number) == Some(nearest)) {
                held.extend(std::iter::once(&hit.field).chain(&hit.companion).map(|(part, path)| (number, *part, path.as_str())));
            }
        }
        for Sign { field: (part, path), spelled, .. } in signs {
            let is = |coordinate: f64| coordinate.to_string() == *spelled;
            let numbers = (0..values.len()).filter(|number| position(*number).is_some_and(|position| is(position.lat) || is(position.lon)));
            held.extend(numbers.map(|number| (number, *part, path.as_str())));
        }
        loose.retain(|Loose { number, part, path, .. }| {
            let below = held.range((*number, *part, path.as_str())..).next();
            !below.is_some_and(|(value, of, field)| value == number && of == part && field.starts_with(path))
        });
    }

    /// The end of the request: what can be judged only when all of it was searched, and what stayed alone and is a sign of
    /// location, if no proof of one: a coordinate of a planted position, part of a planted address, the ids of a mast. Gives
    /// whether something was left unsearched because there was too much of it.
    pub(super) fn end(&mut self) -> bool {
        let (index, page, found, certain) = (self.index, &mut *self.page, &mut self.found, &mut self.certain);
        let mut loose = std::mem::take(&mut self.loose);
        let evidence = Evidence { run: self.run, exchange: Some(self.exchange), bytes: None, chain: Vec::new() };
        let Ended { cut, mut arrived, series, pieces } = std::mem::take(&mut self.search).end(index, &mut |part, path, value, reason| {
            found.insert(value);
            certain.extend(certain_name(&reason).map(str::to_owned));
            loose.retain(|loose| loose.number != value || loose.part != part || !path.starts_with(&loose.path));
            let category = index.values()[value].category;
            if page.lists(part, path) {
                page.add_reason(part, path, category, reason);
            } else {
                // It is in a name below which there are only fields with names of their own.
                page.add_loose(part, path, (category, reason), &evidence);
            }
        });
        arrived.tickets.extend(self.pairs.completed());
        let signs = std::mem::take(&mut self.pairs).signs(self.places);
        self.leave_out_held(&mut loose, &signs);
        for Loose { number, part, path, spelling } in loose {
            self.found_loose(number, part, &path, &format!("{spelling}, in a name or across several values"));
        }
        for sign in signs {
            arrived.tickets.insert(ticket(sign.field.0, &sign.field.1, sign.spelled.as_bytes()));
            if let Reason::PlantedValue { name, .. } = &sign.reason {
                let planted = self.index.values().iter().position(|value| value.name == *name && matches!(value.value, Planted::Text(_)));
                self.found.extend(planted);
            }
            self.page.add_reason(sign.field.0, &sign.field.1, sign.category, sign.reason);
            self.gate.remember_secret(&sign.spelled);
        }
        for Unexplained { ticket, part, path, bytes, dark } in std::mem::take(&mut self.unexplained) {
            if !arrived.tickets.contains(&ticket) {
                self.add_unexplained(part, &path, Some(bytes), dark);
            }
        }
        (self.arrived, self.series, self.pieces) = (arrived, series, pieces);
        cut
    }
}

/// A position in a message of which only its looks say that it is one says so itself.
fn guessed(mut hit: Hit, leaf: &RawLeaf<'_>) -> Hit {
    if leaf.chain.iter().any(|encoding| encoding.is_guess()) {
        hit.how.push_str("; that the bytes are a message is a guess");
    }
    hit
}

/// The name of the planted value that a reason has found beyond chance.
fn certain_name(reason: &Reason) -> Option<&str> {
    match reason {
        Reason::PlantedValue { name, certainty: Certainty::Certain, .. } => Some(name),
        _ => None,
    }
}

/// The name of the planted position that a hit is near, and its number, when one was planted by name.
pub(super) fn planted_near(index: &Index, hit: &Hit) -> Option<(usize, String)> {
    let distances = index.values().iter().enumerate().filter_map(|(number, value)| match value.value {
        Planted::Position(position) => Some((number, value.name.clone(), position.distance_m(hit.position))),
        _ => None,
    });
    let nearest = distances.filter(|(_, _, distance)| *distance <= places::NEAR_M.max(hit.distance_m)).min_by(|a, b| a.2.total_cmp(&b.2));
    nearest.map(|(number, name, _)| (number, name))
}

/// Collects leaves with their values.
pub(super) struct Collect<'x> {
    app: &'x App,
    template: &'x str,
    claims: Vec<&'static Claim>,
    names: HashMap<(Part, String), NameFacts>,
    /// In the order in which they were found.
    pub(super) leaves: Vec<Leaf>,
}

impl<'x> Collect<'x> {
    pub(super) fn new(app: &'x App, template: &'x str, claims: Vec<&'static Claim>) -> Self {
        Self { app, template, claims, names: HashMap::new(), leaves: Vec::new() }
    }

    fn name(&mut self, part: Part, path: &str) -> &NameFacts {
        let (app, template, claims) = (self.app, self.template, &self.claims);
        self.names.entry((part, path.to_owned())).or_insert_with(|| claimed_facts(app, template, claims, part, path))
    }
}

impl Sink for Collect<'_> {
    fn leaf(&mut self, leaf: &RawLeaf<'_>) -> Standings {
        let name = self.name(leaf.part, leaf.path);
        let dark = !leaf.path.is_empty() && dark::look(leaf, name).is_some();
        let kind = if dark { FieldType::Opaque } else { kind_of(&leaf.value, name) };
        let mut reasons = Vec::new();
        category::categories(name, &kind, &leaf.value, &mut reasons);
        places::by_shape(name, &leaf.value, &mut reasons);
        reasons.sort();
        reasons.dedup();
        let mut categories = reasons.iter().map(|(category, _)| *category).collect();
        keep_finest(&mut categories);
        let standings = standings(&kind, &leaf.value, &reasons, Proof::default());
        self.leaves.push(Leaf {
            name: FieldName { part: leaf.part, path: leaf.path.to_owned() },
            shape: FieldShape { kind, categories, chain: leaf.chain.to_vec() },
            reasons,
            bytes: leaf.range(),
            value: Captured::new(leaf.value.to_text().into_owned()),
        });
        standings
    }

    fn rest(&mut self, _part: Part, _path: &str, _bytes: u64, _seen: &[u8]) {}

    fn open_layer(&mut self, _bytes: &[u8]) -> bool {
        true
    }

    fn close_layer(&mut self, _part: Part, _path: &str) {}

    fn expectation(&mut self, part: Part, path: &str) -> Expectation {
        self.name(part, path).expectation
    }

    fn is_planted(&self, _key: &str) -> bool {
        false
    }

    fn replaced_key(&mut self, _placeholder: Placeholder, _key: &str, _part: Part, _path: &str) {}
}

/// What is shorter and cannot be explained is told by the ledger only.
const SHORTEST_DARK: usize = 64;
/// So many dark fields of one exchange are counted.
const MOST_DARK: usize = 1_000;
/// Numbers shorter than this are in every report, so the leak gate cannot look for them.
const SHORTEST_SECRET_NUMBER: usize = 7;
/// Longer values cannot slip into a report by accident, and remembering them would cost memory.
const LONGEST_SECRET: usize = 256;
