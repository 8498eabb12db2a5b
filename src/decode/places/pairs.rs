//! Finds what says where the phone was among the leaves of one request: a latitude and a longitude in one text or in two
//! siblings, a cell or a track in one text, numbers in binary data, also behind hex, base32 or base64. Also what stayed alone: half a pair, part of an address.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
};

use crate::model::{Category, Certainty, Encoding, Part, Position, Reason};

use super::{
    super::{
        category::NameFacts,
        format,
        kind::{Axis, Number, is_uuid},
        leaf::{Expectation, RawLeaf, Value},
        looks::Looks,
        name,
    },
    Hit, NEAR_M, Nearest, Places, Sight, Sign, address,
    angles::{self, Item},
    binary,
    chance::{self, Family, Looked},
    degrees::{Notation, Reading, readings},
    geohash, plus_code, radio, size_m, tile, track,
};

/// Finds positions among the leaves of one request.
#[derive(Debug, Default)]
pub(in crate::decode) struct Pairs {
    looked: Looked,
    /// Numbers so far.
    numbers: u32,
    /// Bytes behind hex or base64 that nobody took for a layer, so far.
    packed: usize,
    candidates: VecDeque<Candidate>,
    /// Pairs of candidates that were judged so far.
    pub(super) tried: u32,
    tiles: tile::Row,
    addresses: address::Parts,
    masts: radio::Masts,
    /// How near the nearest hit was that was given out of a field, by held position.
    told: HashMap<(Part, String, usize), f64>,
    /// Whether the last leaf holds half a pair whose other half may come, or what may turn out to be a sign.
    keeps: bool,
    /// Leaves whose other half came, by ticket.
    completed: Vec<u64>,
    /// The ticket of the leaf that is being looked at, when it was given as something else.
    instead: Option<u64>,
}

/// Half a pair: one reading of one number.
#[derive(Clone, Debug)]
struct Candidate {
    group: u32,
    /// Which number of the request it is.
    number: u32,
    field: (Part, String),
    /// The number as it was sent.
    value: f64,
    reading: Reading,
    /// In how many ways the number can be read.
    readings: f64,
    fits: Fits,
    /// Which coordinate its point of the compass makes it.
    axis: Option<Axis>,
    named: Named,
    spelled: String,
    /// Of the leaf that it is in.
    ticket: u64,
}

/// What a reading may be, by where the phone was.
#[derive(Clone, Copy, Debug, Default)]
struct Fits {
    latitude: bool,
    longitude: bool,
    /// It is a coordinate of a held position to its last digit, and so exact that the other one need be no sibling.
    exact: bool,
}

impl Fits {
    /// Either coordinate: its name says which.
    const NAMED: Self = Self { latitude: true, longitude: true, exact: false };

    fn of(reading: Reading, places: &Places) -> Self {
        Self {
            latitude: places.near_latitudes.hold(reading.degrees),
            longitude: places.near_longitudes.hold(reading.degrees),
            exact: reading.unit <= APART_UNIT && places.is_coordinate(reading.degrees, reading.unit),
        }
    }

    /// Whether two of them may be a latitude and a longitude.
    const fn go_together(self, other: Self) -> bool {
        (self.latitude && other.longitude) || (self.longitude && other.latitude)
    }
}

/// How the two numbers of a pair stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// In different objects.
    Apart,
    /// In one object, or one text.
    Together,
    /// They are a whole text, with a comma between: the shape of coordinates.
    Alone,
}

/// What a name says about a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Named {
    axis: Option<Axis>,
    place: bool,
    /// It speaks of an amount: of money, or of something measured.
    amount: bool,
}

impl Named {
    fn of(name: &NameFacts, path: &str) -> Self {
        let is_unit = |word: &String| UNITS.contains(&word.as_str());
        let measured = || name.quantity || name.expectation == Expectation::Measurements || name.words.iter().any(is_unit);
        let amount = || measured() || name::segments(path).flat_map(name::words).any(|word| AMOUNTS.contains(&word.as_str()));
        Self { axis: name.axis, place: name.place, amount: !name.place && name.axis.is_none() && amount() }
    }
}

impl Pairs {
    /// Looks at one leaf; every position it completes is given out, of one field only ever nearer ones.
    pub(in crate::decode) fn look(&mut self, leaf: &RawLeaf<'_>, name: &NameFacts, places: &Places, found: &mut dyn FnMut(Hit)) {
        self.keeps = self.masts.look(leaf, name);
        self.keeps |= self.addresses.look(leaf, &places.addresses);
        if places.is_empty() {
            return;
        }
        match leaf.value {
            Value::Number(text) | Value::Text(text) => {
                let text = text.trim();
                self.packed(text, leaf, places, found);
                match Number::parse(text) {
                    Some(number) => self.number((number, text), leaf, name, places, found),
                    None => self.text(text, leaf, name, places, found),
                }
            }
            Value::Bytes { bytes, text } => {
                let mut nearest = Nearest::default();
                binary::look(bytes, bytes.len(), "", places, &mut nearest);
                if let Some(text) = text {
                    self.cells(text, name, places, &mut nearest);
                }
                self.give(nearest, leaf, found);
            }
            Value::Opaque(bytes) => {
                let mut nearest = Nearest::default();
                binary::look(bytes, bytes.len(), "", places, &mut nearest);
                self.give(nearest, leaf, found);
            }
            Value::Null | Value::Boolean(_) => {}
        }
    }

    /// Looks at the last leaf, which has this ticket, as if it were another one.
    pub(in crate::decode) fn look_again(
        &mut self,
        leaf: &RawLeaf<'_>,
        ticket: u64,
        name: &NameFacts,
        places: &Places,
        found: &mut dyn FnMut(Hit),
    ) {
        self.instead = Some(ticket);
        self.look(leaf, name, places, found);
        self.instead = None;
    }

    /// Whether the last leaf holds what waits for its other half, or for what stands beside it; or is the other half.
    pub(in crate::decode) const fn keeps(&self) -> bool {
        self.keeps
    }

    /// The tickets of leaves whose other half came after them.
    pub(in crate::decode) fn completed(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.completed)
    }

    /// What stayed alone at the end of the request: coordinates of held positions, each exact enough to be no chance; parts of
    /// planted addresses; the ids of masts.
    pub(in crate::decode) fn signs(self, places: &Places) -> Vec<Sign> {
        let Self { looked, candidates, addresses, masts, .. } = self;
        let halves = candidates.into_iter().filter_map(|candidate| {
            let exact = candidate.reading.notation.decimals().is_some_and(|decimals| decimals >= ALONE_DECIMALS)
                && places.is_coordinate(candidate.reading.degrees, candidate.reading.unit);
            let chance = 2.0 * chance::width(candidate.reading.degrees, candidate.reading.unit.max(1e-5));
            let expected = chance * looked.of(candidate.reading.notation.family()) * places.held.len() as f64;
            let named = candidate.named.axis.is_some();
            let certainty = if named { Some(Certainty::Certain) } else { chance::certainty(expected * ALONE_BONUS) };
            let certainty = certainty.filter(|_| exact)?;
            let reason = Reason::PlantedValue { name: LOCATION.to_owned(), spelling: HALF.to_owned(), certainty };
            Some(Sign { field: candidate.field, category: Category::PreciseLocation, reason, spelled: candidate.spelled })
        });
        halves.chain(addresses.signs()).chain(masts.signs()).collect()
    }

    fn number(
        &mut self,
        (number, text): (Number, &str),
        leaf: &RawLeaf<'_>,
        name: &NameFacts,
        places: &Places,
        found: &mut dyn FnMut(Hit),
    ) {
        self.count(number);
        if number.integer {
            if let Some((sight, fields)) = self.tiles.look(leaf, text, name, places, &mut self.looked) {
                let [latitude, longitude] = fields;
                let companion = (longitude != latitude).then_some(longitude);
                self.give_one(sight, latitude, companion, found);
                return;
            }
            let mut nearest = Nearest::default();
            tile::quadkeys(text, name, places, &mut self.looked, &mut nearest);
            self.give(nearest, leaf, found);
        }
        let windows = if number.integer { &places.whole } else { &places.fractions };
        // Whole numbers in E-notation lie in neither window of their own.
        let rounded = number.decimals == 1 && name.axis.is_some_and(|axis| places.rounds_to(axis, number.value));
        if !windows.hold(number.value) && (number.integer || !places.whole.hold(number.value)) && !rounded {
            return;
        }
        let new = self.read(number, text, leaf, name, places);
        self.join(new, places, found);
    }

    fn count(&mut self, number: Number) {
        self.numbers += 1;
        self.looked.add(if number.integer { Family::Integers } else { Family::Decimals(number.decimals) });
    }

    /// The readings of a number that may be a coordinate near a held position.
    fn read(&self, number: Number, text: &str, leaf: &RawLeaf<'_>, name: &NameFacts, places: &Places) -> Vec<Candidate> {
        let all: Vec<Reading> = readings(number, name.axis.is_some()).collect();
        let count = all.len() as f64;
        // Tenths of degrees move a position farther than it may be from where the phone was: names must say what they are.
        let rounded =
            |reading: &Reading| reading.notation == TENTHS && name.axis.is_some_and(|axis| places.rounds_to(axis, reading.degrees));
        let near = all.into_iter().filter(|reading| places.degrees.hold(reading.degrees) || rounded(reading));
        near.map(|reading| Candidate {
            group: leaf.group,
            number: self.numbers,
            field: (leaf.part, leaf.path.to_owned()),
            value: number.value,
            reading,
            readings: count,
            fits: if rounded(&reading) { Fits::NAMED } else { Fits::of(reading, places) },
            axis: None,
            named: Named::of(name, leaf.path),
            spelled: text.to_owned(),
            ticket: self.instead.unwrap_or_else(|| leaf.ticket()),
        })
        .collect()
    }

    /// Finds the other half of a number, else keeps it.
    fn join(&mut self, new: Vec<Candidate>, places: &Places, found: &mut dyn FnMut(Hit)) {
        let mut tries = if self.tried < MOST_TRIES { TRIES_OF_ONE } else { FEWEST_TRIES };
        let mut partner = None;
        'search: for old in self.candidates.iter().rev() {
            for new in &new {
                let stand = if old.group == new.group { Stand::Together } else { Stand::Apart };
                if !(old.fits.go_together(new.fits) && (stand == Stand::Together || old.fits.exact && new.fits.exact)) {
                    continue;
                }
                if tries == 0 {
                    break 'search;
                }
                tries -= 1;
                self.tried = self.tried.saturating_add(1);
                if let Some((sight, latitude_first)) = pair(old, new, stand, &self.looked, places) {
                    partner = Some((old.clone(), new.clone(), sight, latitude_first));
                    break 'search;
                }
            }
        }
        match partner {
            Some((old, new, sight, latitude_first)) => {
                self.completed.extend([old.ticket, new.ticket]);
                self.keeps = true;
                self.candidates.retain(|candidate| candidate.number != old.number);
                let (latitude, longitude) = if latitude_first { (old.field, new.field) } else { (new.field, old.field) };
                let companion = (longitude != latitude).then_some(longitude);
                self.give_one(sight, latitude, companion, found);
            }
            None => {
                self.keeps |= !new.is_empty();
                for candidate in new {
                    if self.candidates.len() >= MOST_CANDIDATES {
                        self.candidates.pop_front();
                    }
                    self.candidates.push_back(candidate);
                }
            }
        }
    }

    fn text(&mut self, text: &str, leaf: &RawLeaf<'_>, name: &NameFacts, places: &Places, found: &mut dyn FnMut(Hit)) {
        if text.len() < SHORTEST_TEXT {
            return;
        }
        if !text.bytes().any(|byte| byte.is_ascii_digit()) {
            // Only a track is written without digits, or a cell whose name says that it is one.
            let mut nearest = Nearest::default();
            track::polyline(text, name, places, &mut self.looked, &mut nearest);
            if geohash::is_named(name) {
                geohash::look(text, name, places, &mut self.looked, &mut nearest);
            }
            self.give(nearest, leaf, found);
            return;
        }
        if text.len() > LONGEST_WORD && Looks::of(text.as_bytes()).is_only(Looks::WORD) || is_uuid(text) {
            // A hash or a token: no number in it stands free, and no cell has so long a name.
            return;
        }
        if leaf.part == Part::Path
            && let Some((sight, [latitude, longitude])) = self.tiles.look(leaf, text, name, places, &mut self.looked)
        {
            self.give_one(sight, latitude, Some(longitude), found);
            return;
        }
        if let Some((reading, axis)) = angles::whole(text) {
            self.numbers += 1;
            self.looked.add(reading.notation.family());
            if places.degrees.hold(reading.degrees) {
                let candidate = self.angle(reading, axis, text, leaf, name, places);
                self.join(vec![candidate], places, found);
            }
            return;
        }
        if let Some(reading) = angles::colons(text) {
            // Durations and paces are written so too.
            self.alone((reading, DURATIONS, false), text, leaf, name, places, found);
            return;
        }
        if let Some(reading) = angles::rationals(text) {
            self.alone((reading, 2.0, true), text, leaf, name, places, found);
            return;
        }
        if let Some(number) = angles::comma_for_point(text) {
            self.count(number);
            let new = self.read(number, text, leaf, name, places);
            self.join(new, places, found);
            return;
        }
        let mut nearest = Nearest::default();
        track::deltas(text, places, &mut self.looked, &mut nearest);
        if nearest.0.is_empty() {
            self.among(angles::items(text), text, leaf, name, places, &mut nearest);
        }
        if nearest.0.is_empty() {
            self.among(angles::pieces(text).into_iter(), text, leaf, name, places, &mut nearest);
        }
        track::polyline(text, name, places, &mut self.looked, &mut nearest);
        self.cells(text, name, places, &mut nearest);
        self.give(nearest, leaf, found);
    }

    /// Names of cells in a text.
    fn cells(&mut self, text: &str, name: &NameFacts, places: &Places, nearest: &mut Nearest) {
        geohash::look(text, name, places, &mut self.looked, nearest);
        plus_code::look(text, places, nearest);
        tile::in_text(text, places, &mut self.looked, nearest);
        tile::quadkeys(text, name, places, &mut self.looked, nearest);
    }

    /// Numbers in the bytes behind hex, base32 or base64, also with a word before it, whether or not anything else speaks for these
    /// being a layer: what is so near a held position is. All such bytes of a request count as looked at.
    fn packed(&mut self, text: &str, leaf: &RawLeaf<'_>, places: &Places, found: &mut dyn FnMut(Hit)) {
        if !(SHORTEST_PACKED..=LONGEST_PACKED).contains(&text.len()) {
            return;
        }
        let is_packed = |digits: &&str| Looks::of(digits.as_bytes()).is_only(PACKED) && digits.len() >= SHORTEST_PACKED;
        let Some(digits) = Some(text).filter(is_packed).or_else(|| format::behind_word(text).filter(is_packed)) else { return };
        let is_hex = || digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let base32 = format::from_base32(digits.as_bytes()).filter(|_| !is_hex()).map(|bytes| (Encoding::Base32, bytes));
        let Some((encoding, bytes)) = base32.or_else(|| format::unpack(digits.as_bytes(), MOST_PACKED)) else { return };
        let wrapped = match encoding {
            Encoding::Hex => " in hex",
            Encoding::Base32 => " in base32",
            _ => " in base64",
        };
        self.packed += bytes.len();
        let mut nearest = Nearest::default();
        binary::look(&bytes, self.packed, wrapped, places, &mut nearest);
        if text.len() <= LONGEST_SPELLED {
            nearest.0.iter_mut().for_each(|sight| sight.spelled.push(text.to_owned()));
        }
        self.give(nearest, leaf, found);
    }

    fn angle(&self, reading: Reading, axis: Option<Axis>, text: &str, leaf: &RawLeaf<'_>, name: &NameFacts, places: &Places) -> Candidate {
        Candidate {
            group: leaf.group,
            number: self.numbers,
            field: (leaf.part, leaf.path.to_owned()),
            value: reading.degrees,
            reading,
            readings: 1.0,
            fits: Fits::of(reading, places),
            axis,
            named: Named::of(name, leaf.path),
            spelled: text.to_owned(),
            ticket: leaf.ticket(),
        }
    }

    /// An angle as a whole text, which can be read in so many ways; `either` says that its sign is unknown.
    fn alone(
        &mut self,
        (reading, ways, either): (Reading, f64, bool),
        text: &str,
        leaf: &RawLeaf<'_>,
        name: &NameFacts,
        places: &Places,
        found: &mut dyn FnMut(Hit),
    ) {
        self.numbers += 1;
        self.looked.add(reading.notation.family());
        let negative = either.then_some(Reading { degrees: -reading.degrees, ..reading });
        let near = [reading].into_iter().chain(negative).filter(|reading| places.degrees.hold(reading.degrees));
        let new = near.map(|reading| Candidate { readings: ways, ..self.angle(reading, None, text, leaf, name, places) }).collect();
        self.join(new, places, found);
    }

    /// Every two numbers or angles that follow each other closely in a text.
    fn among(
        &mut self,
        items: impl Iterator<Item = (Range<usize>, Item)>,
        text: &str,
        leaf: &RawLeaf<'_>,
        name: &NameFacts,
        places: &Places,
        nearest: &mut Nearest,
    ) {
        let mut last: Option<(Range<usize>, Vec<Candidate>)> = None;
        for (range, item) in items {
            let spelled = text.get(range.clone()).unwrap_or_default();
            let candidates = match item {
                Item::Number(number) => {
                    self.count(number);
                    let hold = if number.integer { places.whole.hold(number.value) } else { places.fractions.hold(number.value) };
                    if hold { self.read(number, spelled, leaf, name, places) } else { Vec::new() }
                }
                Item::Angle { reading, axis } => {
                    self.numbers += 1;
                    self.looked.add(reading.notation.family());
                    if places.degrees.hold(reading.degrees) {
                        vec![self.angle(reading, axis, spelled, leaf, name, places)]
                    } else {
                        Vec::new()
                    }
                }
            };
            if let Some((first, before)) = &last
                && range.start.saturating_sub(first.end) <= WIDEST_GAP
            {
                let comma = || text.get(first.end..range.start).is_some_and(|between| between.trim_end() == ",");
                let stand = if (first.start, range.end) == (0, text.len()) && comma() { Stand::Alone } else { Stand::Together };
                let both = before.iter().flat_map(|old| candidates.iter().map(move |new| (old, new)));
                let hits = both.filter_map(|(old, new)| pair(old, new, stand, &self.looked, places)).map(|(sight, _)| sight);
                if let Some(sight) = hits.min_by(|a, b| a.distance_m.total_cmp(&b.distance_m)) {
                    nearest.add(sight);
                    last = None;
                    continue;
                }
            }
            last = Some((range, candidates));
        }
    }

    fn give(&mut self, nearest: Nearest, leaf: &RawLeaf<'_>, found: &mut dyn FnMut(Hit)) {
        for sight in nearest.0 {
            self.give_one(sight, (leaf.part, leaf.path.to_owned()), None, found);
        }
    }

    fn give_one(&mut self, sight: Sight, field: (Part, String), companion: Option<(Part, String)>, found: &mut dyn FnMut(Hit)) {
        let nearest = self.told.entry((field.0, field.1.clone(), sight.held)).or_insert(f64::INFINITY);
        if sight.distance_m < *nearest {
            *nearest = sight.distance_m;
            found(sight.at(field, companion));
        }
    }
}

/// Two halves as a position near a held one, in the order that is nearer; and whether the latitude is the older. `None` when
/// they are none, or chance would give as much.
fn pair(old: &Candidate, new: &Candidate, stand: Stand, looked: &Looked, places: &Places) -> Option<(Sight, bool)> {
    if !old.reading.notation.goes_with(new.reading.notation) {
        return None;
    }
    let both = |axis: Axis, one: &Candidate, other: &Candidate| {
        one.axis.is_none_or(|says| says == axis) && other.axis.is_none_or(|says| says != axis)
    };
    let near = |latitude: &Candidate, longitude: &Candidate| {
        if !latitude.fits.latitude || !longitude.fits.longitude {
            return None;
        }
        let position = Position::new(latitude.reading.degrees, longitude.reading.degrees)?;
        let (held, distance_m) = places.nearest(position, NEAR_M).or_else(|| {
            let tenths = |one: &Candidate, axis: Axis| one.reading.notation == TENTHS && one.named.axis == Some(axis);
            let named = tenths(latitude, Axis::Latitude) && tenths(longitude, Axis::Longitude);
            named.then(|| places.rounded_to(position)).flatten()
        })?;
        both(Axis::Latitude, latitude, longitude).then_some((position, held, distance_m))
    };
    let (first, second) = (near(old, new), near(new, old));
    let ambiguous = first.is_some() && second.is_some() && old.reading.degrees != new.reading.degrees;
    let latitude_first = match (&first, &second) {
        (Some(a), Some(b)) => a.2 <= b.2,
        (Some(_), None) => true,
        _ => false,
    };
    let (position, held, distance_m) = if latitude_first { first? } else { second? };
    let (latitude, longitude) = if latitude_first { (old, new) } else { (new, old) };
    let units = (latitude.reading.unit, longitude.reading.unit);
    let named = match (latitude.named.axis.or(latitude.axis), longitude.named.axis.or(longitude.axis)) {
        (Some(a), Some(b)) => a != b,
        _ => false,
    };
    let certainty = if named {
        // A cell of eleven kilometres holds more than where the phone was.
        if distance_m > NEAR_M { Certainty::Likely } else { Certainty::Certain }
    } else {
        if is_time(old) && is_time(new) {
            return None;
        }
        let coarse = latitude.reading.is_coarse() || longitude.reading.is_coarse();
        let place = latitude.named.place && longitude.named.place;
        // What two numbers look like says less than a name that says they are something else.
        let rounded = || stand == Stand::Alone || places.round_to(latitude.reading, longitude.reading);
        if coarse && !place && (old.named.amount || new.named.amount || !rounded()) {
            return None;
        }
        let family = coarser(latitude.reading.notation, longitude.reading.notation);
        let apart = if stand == Stand::Apart { f64::MAX } else { f64::from(new.number.saturating_sub(old.number)) };
        let place = if place { PLACE_BONUS } else { 1.0 };
        let ways = latitude.readings.min(longitude.readings);
        let chance = chance::of_pair(places.held[held].position, distance_m, units);
        chance::certainty(chance * looked.pairs(family, apart) * ways * places.chances(distance_m) * place)?
    };
    let notation = latitude.reading.notation;
    let mut how = notation.words().to_owned();
    if let (Some(a), Some(b)) = (notation.decimals(), longitude.reading.notation.decimals()) {
        let decimals = a.min(b);
        how.push_str(&format!(", {decimals} decimal{}", if decimals == 1 { "" } else { "s" }));
    }
    if ambiguous {
        how.push_str("; latitude and longitude order ambiguous: both fit");
    } else if !latitude_first && latitude.field == longitude.field {
        how.push_str(", longitude first");
    }
    let precision_m = size_m(position, units.0, units.1);
    let spelled = vec![latitude.spelled.clone(), longitude.spelled.clone()];
    Some((Sight { position, held, distance_m, precision_m, notation: notation.words(), how, certainty, spelled }, latitude_first))
}

/// The family of the less exact of two numbers, which is the larger one.
fn coarser(a: Notation, b: Notation) -> Family {
    match (a.family(), b.family()) {
        (Family::Decimals(a), Family::Decimals(b)) => Family::Decimals(a.min(b)),
        (family, _) => family,
    }
}

/// Whether a whole number passes for a time: seconds or milliseconds of the years 2001 to 2096. Two times are no position.
fn is_time(candidate: &Candidate) -> bool {
    let is_between = |years: Range<f64>| years.contains(&candidate.value) || years.contains(&(candidate.value / 1000.0));
    // Read as negative: of 2038 and later.
    let wrapped = candidate.value > 0.0 && candidate.reading.degrees < 0.0;
    match candidate.reading.notation {
        Notation::Multiple(..) => !wrapped && is_between(1e9..4e9),
        // Of 50 degrees and more with the sign as last bit all would pass for one; those of our years are latitudes nobody lives at.
        Notation::Zigzag => is_between(TIMES_OF_OUR_YEARS),
        _ => false,
    }
}

/// The name of a position that was planted by moving the phone.
const LOCATION: &str = "location";
const HALF: &str = "one of its two coordinates";
/// A coordinate without its other half counts from so many decimals on.
const ALONE_DECIMALS: u8 = 4;
/// Half a pair is a sign, not a proof: ten times as much chance is allowed.
const ALONE_BONUS: f64 = 0.1;
/// Two coordinates that are no siblings belong together when both are those of a held position, and so exact (in degrees).
const APART_UNIT: f64 = 1.1e-3;
/// Seconds of the years 2014 to 2036.
const TIMES_OF_OUR_YEARS: Range<f64> = 1.4e9..2.1e9;
/// Degrees that were rounded to one decimal.
const TENTHS: Notation = Notation::Degrees(1);
/// Names that speak of a place make chance so much less likely.
const PLACE_BONUS: f64 = 1e-3;
/// So many times as often as an angle a text of two or three numbers between colons is a duration.
const DURATIONS: f64 = 1_000.0;
/// Words of names of what has two decimals, as a coarse coordinate has. What the taxonomy calls a measurement is one without
/// standing here.
const AMOUNTS: &[&str] = &[
    "amount",
    "amounts",
    "average",
    "avg",
    "balance",
    "bpm",
    "calories",
    "charge",
    "cost",
    "costs",
    "discount",
    "distance",
    "duration",
    "fee",
    "fees",
    "gross",
    "height",
    "iva",
    "kcal",
    "mwst",
    "net",
    "pace",
    "paid",
    "payment",
    "percent",
    "percentage",
    "precio",
    "preis",
    "price",
    "prices",
    "prix",
    "rate",
    "rating",
    "ratio",
    "revenue",
    "salary",
    "score",
    "shipping",
    "speed",
    "steuer",
    "subtotal",
    "sum",
    "tax",
    "taxes",
    "temp",
    "temperature",
    "tip",
    "total",
    "totals",
    "tva",
    "vat",
    "weight",
];
/// The same of the last name alone: further out they may hold anything (`days[].q`). Units, currencies, versions, what a scale shows.
const UNITS: &[&str] = &[
    "bmi",
    "bone",
    "build",
    "celsius",
    "chf",
    "cny",
    "days",
    "dollars",
    "elapsed",
    "eur",
    "euro",
    "euros",
    "fahrenheit",
    "fat",
    "gbp",
    "hours",
    "hydration",
    "inr",
    "interval",
    "jpy",
    "kg",
    "kilometers",
    "kilometres",
    "km",
    "kmh",
    "latency",
    "lbs",
    "mass",
    "meters",
    "metres",
    "miles",
    "minute",
    "minutes",
    "mmhg",
    "mph",
    "muscle",
    "percentile",
    "pounds",
    "protein",
    "release",
    "rmb",
    "sec",
    "seconds",
    "secs",
    "timeout",
    "usd",
    "ver",
    "version",
    "versions",
    "visceral",
    "voltage",
    "water",
];
const MOST_CANDIDATES: usize = 256;
/// Older candidates that one number is judged with, the latest first; in a request of very many near numbers, so few.
const TRIES_OF_ONE: u32 = 64;
const FEWEST_TRIES: u32 = 4;
const MOST_TRIES: u32 = 100_000;
/// Characters between two coordinates in one text: `, "longitude" : ` and the like.
const WIDEST_GAP: usize = 24;
/// The shortest text with a cell or a pair in it.
const SHORTEST_TEXT: usize = 5;
/// Eight bytes in base64; so many bytes are looked at, and so many characters they have in hex.
const SHORTEST_PACKED: usize = 11;
const MOST_PACKED: usize = 4096;
const LONGEST_PACKED: usize = 2 * MOST_PACKED;
/// Longer texts cannot slip into a report by accident.
const LONGEST_SPELLED: usize = 256;
/// The characters of hex and of both alphabets of base64.
const PACKED: Looks = Looks::WORD.or(Looks::PLUS_SLASH).or(Looks::DASH).or(Looks::EQUALS);
/// A quadkey of the nearest zoom, with a letter before it.
const LONGEST_WORD: usize = 24;
