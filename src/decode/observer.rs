//! Folds the events of one run into [`Observations`]: whose each exchange is (R1), in which phase, where the phone was, and
//! what was in it.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::AhoCorasick;

use crate::model::{
    Alteration, App, AppVersion, BlindSpot, BlindSpotKind, Bodies, BodyContent, CaptureSource, Category, Certainty, ControlRun,
    EndpointFacts, EndpointKey, Evidence, Exchange, ExchangeId, FieldName, FieldType, HostCoverage, LeakGate, Ledger, Message,
    Observations, Origin, Part, Party, Planted, PlantedSource, PlantedValue, PositionSighting, Provenance, Quantity, Reason, Request, Rig,
    RunEnding, RunEvent, app::without_root, observation::PlantedFacts, text::printable,
};

use super::{
    MESSAGE_METHOD, answer,
    bands::Bands,
    blind::{self, BlindSpots, stronger},
    claims_on,
    descriptors::Descriptors,
    endpoint,
    hide::Hider,
    merge::merge_sightings,
    page::{Found, Page},
    places::{Hit, Places},
    planted::{self, FoundMinutes, Gathered, Index, Piece, Search, Together, Untold},
    receivers,
    request::{BodyGap, MOST_BODY, walk_message, walk_request},
    sinks::{Absorb, planted_near},
    tunnels::Tunnels,
    walker::Walker,
};

/// What is being read: a request with everything around it, or one message of a connection that stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Exchange,
    Message,
}

/// Reads one run, event by event. Memory grows with the number of different fields, not with the capture (R15).
#[derive(Debug)]
pub struct Observer<'a> {
    app: &'a App,
    run: u32,
    version: AppVersion,
    /// Names of the other versions of the app that steps installed.
    other_versions: BTreeSet<String>,
    imported: bool,
    /// Whether another program recorded it.
    foreign: bool,
    by_hand: bool,
    control: Option<ControlRun>,
    /// Finds the app's ids in a request.
    ids: Option<AhoCorasick>,
    words: Vec<String>,
    planted: Vec<PlantedValue>,
    index: Index,
    /// Whether the index misses values that were planted since it was made.
    stale: bool,
    bands: Bands,
    gathered: Gathered,
    found_in: BTreeMap<String, u64>,
    probably_in: BTreeMap<String, u64>,
    /// Whether the phone was placed somewhere, and confirmed it each time.
    placed: Option<bool>,
    /// Exchanges, not of the phone's own traffic, in which a place where it was is found.
    located_in: u64,
    probably_located_in: u64,
    places: Places,
    phases: Vec<(String, BTreeSet<Category>)>,
    pages: BTreeMap<EndpointKey, Page>,
    hosts: BTreeMap<String, HostCoverage>,
    tunnels: Tunnels,
    spots: BlindSpots,
    sightings: BTreeMap<(EndpointKey, FieldName, Option<FieldName>, BTreeSet<String>), PositionSighting>,
    in_flight: BTreeMap<ExchangeId, String>,
    descriptors: Descriptors,
    /// Connections whose messages are recorded.
    messaged: BTreeSet<ExchangeId>,
    /// Connections that turned into another protocol; a blind spot unless their messages are recorded.
    switched: Vec<(ExchangeId, BlindSpot)>,
    uploaded_bytes: u64,
    ledger: Ledger,
    ledger_unaided: Ledger,
    first_party_exchanges: u64,
    ending: Option<RunEnding>,
    gate: LeakGate,
}

impl<'a> Observer<'a> {
    /// An observer of the run that `provenance` describes. Its [`RunEvent::RunStarted`] may be absorbed too, or left out.
    pub fn new(app: &'a App, provenance: &Provenance) -> Self {
        // An export of our own has phases, but like any import it cannot prove that it holds everything.
        let unscripted = provenance.rig.is_unscripted();
        let imported = provenance.rig == Rig::Imported || matches!(provenance.source, CaptureSource::Har { .. });
        let target = &provenance.target;
        let words = vec![target.app.clone(), target.scenario.clone(), target.version.name.clone(), provenance.tool.clone()];
        let mut observer = Self {
            app,
            run: provenance.run,
            version: target.version.clone(),
            other_versions: BTreeSet::new(),
            imported,
            foreign: provenance.rig == Rig::Imported,
            by_hand: matches!(provenance.rig, Rig::ByHand { .. }),
            control: provenance.control.clone(),
            ids: AhoCorasick::new(app.ids.iter().filter(|id| id.len() >= 4)).ok().filter(|ids| ids.patterns_len() > 0),
            words,
            planted: Vec::new(),
            index: Index::default(),
            stale: true,
            bands: Bands::default(),
            gathered: Gathered::default(),
            found_in: BTreeMap::new(),
            probably_in: BTreeMap::new(),
            placed: None,
            located_in: 0,
            probably_located_in: 0,
            places: Places::default(),
            phases: Vec::new(),
            pages: BTreeMap::new(),
            hosts: BTreeMap::new(),
            tunnels: Tunnels::default(),
            spots: BlindSpots::default(),
            sightings: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            descriptors: Descriptors::new(app),
            messaged: BTreeSet::new(),
            switched: Vec::new(),
            uploaded_bytes: 0,
            ledger: Ledger::default(),
            ledger_unaided: Ledger::default(),
            first_party_exchanges: 0,
            ending: None,
            gate: LeakGate::default(),
        };
        // Before the first phase step it is `start`; an import has the phases of its exchanges only (R6).
        observer.begin_phase(if unscripted { UNSCRIPTED } else { "start" }, &[]);
        for value in &provenance.planted {
            observer.plant(value.clone());
        }
        observer
    }

    /// Takes one event in. Bodies that are not inline are read through `bodies`.
    pub fn absorb(&mut self, event: &RunEvent, bodies: &dyn Bodies) {
        match event {
            RunEvent::AppInstalled { version } => {
                if version.cmp(&self.version).is_ne() {
                    self.other_versions.insert(version.name.clone());
                }
            }
            RunEvent::ExchangeBegan { id, host, tunnel, .. } => {
                self.in_flight.insert(*id, host.clone());
                if let Some(tunnel) = tunnel {
                    self.tunnels.named(*tunnel, host);
                }
            }
            RunEvent::Exchange(exchange) => {
                self.in_flight.remove(&exchange.id);
                if let Some(tunnel) = exchange.tunnel {
                    self.tunnels.carried(tunnel, &exchange.request.url.host);
                }
                self.exchange(exchange, bodies, Kind::Exchange);
            }
            RunEvent::Message(message) => self.message(message, bodies),
            RunEvent::OutsideProxy { sent, received } => {
                let sentence =
                    format!("the phone counted {sent} bytes that the app sent past the proxy, and {received} that it received there");
                self.outside(BlindSpotKind::OutsideProxy, sentence);
            }
            RunEvent::OutsideUncounted { why } => {
                let sentence = format!("what the app sent past the proxy is not known, because {}", printable(why));
                self.outside(BlindSpotKind::OutsideUncounted, sentence);
            }
            RunEvent::AppAltered(alteration) => {
                let kind = match alteration {
                    Alteration::ScriptEnded { .. } => BlindSpotKind::ScriptEnded,
                    Alteration::Repackaged { .. } | Alteration::Script { .. } => BlindSpotKind::AppAltered,
                };
                self.spots.add(self.spot(kind, "", String::new(), Origin::App, alteration.sentence()));
            }
            RunEvent::PhaseBegan { name, explains } => self.begin_phase(name, explains),
            RunEvent::PhoneMoved { position, confirmed } => {
                self.places.moved(*position, *confirmed);
                self.placed = Some(self.placed.unwrap_or(true) && *confirmed);
                if *confirmed {
                    for value in self.planted.iter_mut().filter(|value| value.value == Planted::Position(*position)) {
                        value.confirmed = true;
                    }
                }
                planted::remember(&Planted::Position(*position), &mut self.gate);
            }
            RunEvent::Planted(value) => self.plant(value.clone()),
            RunEvent::RunEnded { ending } => self.ending = Some(ending.clone()),
            RunEvent::Tunnel(tunnel) => self.tunnels.add(tunnel),
            RunEvent::TunnelBegan { id, phase, host, .. } => self.tunnels.began(*id, phase, host),
            RunEvent::Attached(_)
            | RunEvent::RunStarted(_)
            | RunEvent::ExchangeNoted { .. }
            | RunEvent::StepBegan { .. }
            | RunEvent::StepEnded { .. } => {}
        }
    }

    /// Messages of the connection that this exchange became were seen elsewhere: that it has none here hides nothing.
    pub fn has_messages(&mut self, exchange: ExchangeId) {
        self.messaged.insert(exchange);
    }

    /// What was observed. A run that did not end complete counts for no field: its `runs` are 0.
    pub fn finish(mut self) -> Observations {
        self.put_together();
        for (id, host) in std::mem::take(&mut self.in_flight) {
            let spot = self.spot(BlindSpotKind::Unanswered, &host, String::new(), self.origin_of_host(&host), blind::CUT_OFF.to_owned());
            self.spots.add(BlindSpot { evidence: Some(self.evidence(Some(id))), ..spot });
        }
        for (_, spot) in std::mem::take(&mut self.switched).into_iter().filter(|(id, _)| !self.messaged.contains(id)) {
            self.spots.add(spot);
        }
        let app = self.app;
        let control = self.control.take();
        let watched = control.iter().flat_map(|control| &control.hosts);
        let own: BTreeSet<String> =
            watched.filter(|host| app.first_party_pattern(host).is_some()).map(|host| endpoint::host(app, host)).collect();
        std::mem::take(&mut self.tunnels).finish(
            self.run,
            &mut self.hosts,
            &mut self.spots,
            |host| origin_of_host(app, control.as_ref(), host),
            |host| endpoint::public_host(app, host),
            |host| endpoint::host(app, host),
        );
        if self.imported {
            let sentence = "the capture was imported: it does not say which hosts, tunnels and phases it missed".to_owned();
            let spot = self.spot(BlindSpotKind::NoCoverage, "", String::new(), Origin::Unknown, sentence);
            self.spots.add(spot);
        }
        if self.imported && !self.pages.keys().any(|key| key.phase == UNSCRIPTED) && self.phases.len() > 1 {
            self.phases.retain(|(name, _)| name != UNSCRIPTED);
        }
        let mut observations = Observations { phases: self.phases, ..Observations::default() };
        let coverage = &mut observations.coverage;
        match incomplete(self.ending.as_ref()).or_else(|| mixed(&self.other_versions)) {
            None => coverage.complete_runs = 1,
            Some(why) => coverage.incomplete_runs.push(format!("run {}: {why}", self.run)),
        }
        let runs = coverage.complete_runs;
        observations.runs = runs;
        coverage.known = !self.imported;
        coverage.hosts = self.hosts;
        coverage.blind_spots = self.spots.into_set(runs);
        coverage.uploaded_bytes = self.uploaded_bytes;
        coverage.ledger = self.ledger;
        coverage.ledger_unaided = self.ledger_unaided;
        coverage.first_party_exchanges = self.first_party_exchanges;
        if runs > 0 && !own.is_empty() {
            let hosts = own.into_iter().collect::<Vec<_>>().join(", ");
            coverage.doubts.push(format!(
                "run {}: its control run, with the app stopped, saw the app's own hosts ({hosts}): whose the other traffic is cannot be told",
                self.run
            ));
        }
        if runs > 0 && self.by_hand {
            coverage.doubts.push(format!("run {}: {BY_HAND}", self.run));
        }
        if runs > 0 && self.first_party_exchanges == 0 {
            coverage.doubts.push(format!("run {}: no request to the app's own hosts was read and answered", self.run));
        }
        observations.positions = merge_sightings(self.sightings.into_values().map(|sighting| PositionSighting { runs, ..sighting }));
        // Of a day without a single reading there is nothing to be found.
        let says_something = |value: &&PlantedValue| !matches!(&value.value, Planted::Minutes(minutes) if minutes.held().is_empty());
        for value in self.planted.iter().filter(says_something) {
            let found_in = self.found_in.get(&value.name).copied().unwrap_or_default();
            let probably_in = self.probably_in.get(&value.name).copied().unwrap_or_default();
            let fresh = PlantedFacts {
                category: value.category,
                confirmed: true,
                found_in,
                probably_in,
                needs_a_name: planted::needs_a_name(&value.value),
                too_short: planted::is_too_short(&value.value),
                is_series: matches!(value.value, Planted::Minutes(_) | Planted::Series(_)),
                in_pieces: false,
            };
            let facts = observations.planted.entry(value.name.clone()).or_insert(fresh);
            facts.confirmed &= value.confirmed;
        }
        if let Some(confirmed) = self.placed {
            let facts = PlantedFacts {
                category: Category::Location,
                confirmed,
                found_in: self.located_in,
                probably_in: self.probably_located_in,
                needs_a_name: false,
                too_short: false,
                is_series: false,
                in_pieces: false,
            };
            observations.planted.entry("location".to_owned()).or_insert(facts);
        }
        observations.endpoints = self.pages.into_iter().map(|(key, page)| (key, page.finish(runs))).collect();
        let mut gate = self.gate;
        let phases: Vec<String> = observations.phases.iter().map(|(name, _)| name.clone()).collect();
        for word in self.words.into_iter().chain(phases) {
            gate.allow(&word);
        }
        allow_words(app, &mut gate);
        observations.endpoints.values().for_each(|facts| allow_vendors(facts, &mut gate));
        hide_values(app, &gate, &mut observations);
        observations.bands = self.bands.finish(self.run, &self.planted, &observations).into_iter().collect();
        let in_pieces = |value: &&PlantedValue| {
            let of = |bands: &crate::model::BandFacts| value.quantity().is_some_and(|quantity| bands.pieces.contains_key(&quantity));
            matches!(value.value, Planted::Minutes(_) | Planted::Series(_)) && observations.bands.iter().any(of)
        };
        let in_pieces: Vec<&str> = self.planted.iter().filter(in_pieces).map(|value| value.name.as_str()).collect();
        for name in in_pieces {
            if let Some(facts) = observations.planted.get_mut(name) {
                facts.in_pieces = true;
            }
        }
        allow_names(&observations, &mut gate);
        observations.gate = gate;
        observations
    }

    fn begin_phase(&mut self, name: &str, explains: &[Category]) {
        self.places.begin_phase(name);
        match self.phases.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => known.extend(explains),
            None => self.phases.push((name.to_owned(), explains.iter().copied().collect())),
        }
    }

    fn plant(&mut self, mut value: PlantedValue) {
        if !self.names_apart(&mut value) {
            return;
        }
        planted::remember(&value.value, &mut self.gate);
        match &value.value {
            // Of an import, nobody can ask the phone: where a file says it was is searched for, and a miss is "not checked".
            Planted::Position(position) => self.places.moved(*position, value.confirmed || value.source == PlantedSource::File),
            Planted::Text(text) if is_address(value.category) => self.places.address(&value.name, text),
            _ => {}
        }
        self.planted.retain(|known| known.name != value.name || known.value != value.value);
        self.bands.plant(&value);
        self.planted.push(value);
        self.stale = true;
    }

    /// Sees to it that what a band says of itself has one name for each value: a band that is read twice may have another battery level,
    /// and what the first workout of one reading is, may be the second of another. False when the very workout has a name already.
    fn names_apart(&mut self, value: &mut PlantedValue) -> bool {
        let Some(quantity) = value.quantity() else { return true };
        let of_minutes = matches!(quantity, Quantity::HeartRate | Quantity::Steps | Quantity::ActivityKind);
        if of_minutes || matches!(value.value, Planted::Minutes(_)) {
            return true;
        }
        let is_moment = matches!(value.value, Planted::Moment(_)) && value.source == PlantedSource::Band;
        let is_whole = is_moment && quantity == Quantity::Workouts && planted::whole_of(value, &self.planted).is_none();
        let same = |known: &&mut PlantedValue| is_whole && known.quantity() == Some(quantity) && known.value == value.value;
        if let Some(known) = self.planted.iter_mut().find(same) {
            known.confirmed |= value.confirmed;
            return false;
        }
        let taken = |name: &str| self.planted.iter().any(|known| known.name == name && known.value != value.value);
        if taken(&value.name) {
            let name = (2..).map(|number: u32| format!("{} ({number})", value.name)).find(|name| !taken(name));
            value.name = name.unwrap_or_default();
        }
        true
    }

    /// A message that the app sent is read as if it were the body of a request of its own; one that the server sent only says
    /// that the connection's messages are recorded.
    fn message(&mut self, message: &Message, bodies: &dyn Bodies) {
        self.messaged.insert(message.exchange);
        if !message.sent {
            return;
        }
        let request = Request {
            method: MESSAGE_METHOD.to_owned(),
            url: message.url.clone(),
            http_version: String::new(),
            headers: Vec::new(),
            body: message.body.clone(),
            trailers: Vec::new(),
        };
        let exchange = Exchange {
            id: message.exchange,
            phase: message.phase.clone(),
            tunnel: None,
            began: message.at,
            ended: Some(message.at),
            request,
            response: None,
            error: None,
        };
        self.exchange(&exchange, bodies, Kind::Message);
    }

    fn exchange(&mut self, exchange: &Exchange, bodies: &dyn Bodies, kind: Kind) {
        let request = &exchange.request;
        let host = request.url.host.as_str();
        if !self.phases.iter().any(|(known, _)| *known == exchange.phase) {
            // A phase that no event announced: an import with times, or a log with a hole.
            self.begin_phase(&exchange.phase.clone(), &[]);
        }
        let mut origin = self.origin(exchange);
        if std::mem::take(&mut self.stale) {
            self.index = Index::new(&self.planted);
        }
        let index = &self.index;
        let named = endpoint::name(self.app, &request.method, &request.url, &|text| index.is_in(text));
        let method: String = match index.is_in(&request.method) {
            true => "{id}".to_owned(),
            false => printable(&request.method).chars().take(LONGEST_METHOD).collect(),
        };
        let key = EndpointKey { host: named.host, path: named.path, method, phase: exchange.phase.clone() };
        let overflow = !self.pages.contains_key(&key) && self.pages.len() >= MOST_ENDPOINTS;
        let key = if overflow { EndpointKey { path: "/…".to_owned(), ..key } } else { key };

        let bytes = match kind {
            Kind::Exchange => request.uploaded_bytes(),
            Kind::Message => request.body.bytes,
        };
        let first_party = self.app.first_party_pattern(host).is_some();
        let answered = exchange.response.as_ref().is_some_and(|response| response.status != 0);
        self.first_party_exchanges += u64::from(first_party && answered);

        let evidence = self.evidence(Some(exchange.id));
        let app = self.app;
        let page = self.pages.entry(key.clone()).or_insert_with(|| {
            let claims = claims_on(app, &key.host, &key.method, &key.path);
            Page::new(key.path.clone(), claims)
        });
        page.searches_band = self.bands.is_known();
        let facts = &mut page.facts;
        facts.party = match first_party {
            true => Party::FirstParty,
            false if self.app.first_party.is_empty() => Party::Unknown,
            false => Party::ThirdParty,
        };
        facts.receiver = receivers::receiver_of(self.app, &key.host);
        facts.exchanges += 1;
        facts.uploaded_bytes += bytes;
        facts.first = facts.first.take().into_iter().chain([evidence.clone()]).min();

        let mut absorb = Absorb::new(self.app, &self.index, &self.places, page, &mut self.gate, (self.run, exchange.id));
        absorb.search = Search::at(&key.host, &key.path);
        absorb.ids = self.ids.as_ref().filter(|_| origin != Origin::App);
        let (mut found_in_rest, mut named_in_rest) = (Found::new(), false);
        let mut walker = Walker::new(&mut absorb);
        let mut rest = |window: &[u8]| {
            named_in_rest |= self.ids.as_ref().is_some_and(|ids| ids.is_match(window));
            self.index.find_in_bytes(window, &mut |hit| {
                // Windows are judged by themselves: what is no more than likely there is nothing in the whole body.
                if hit.certainty == Certainty::Certain {
                    found_in_rest.insert(hit.value);
                }
            });
        };
        let unseen = match kind {
            Kind::Exchange => walk_request(request, &named.variables, &self.descriptors, bodies, &mut walker, &mut rest),
            Kind::Message => walk_message(&request.body, bodies, &mut walker, &mut rest),
        };
        let ledgers = walker.ledgers();
        if kind == Kind::Exchange && absorb.search.wants_keys(&self.index) {
            answer::note_keys(exchange, bodies, &mut absorb.search);
        }
        let cut = absorb.end();
        let (ledger, unaided) = ledgers.settled(&absorb.arrived);
        if absorb.names_app || named_in_rest {
            origin = Origin::App;
        }
        let (mut found, mut certain, series) = (absorb.found, absorb.certain, absorb.series);
        let (hits, dark, overflowed, pieces) = (absorb.hits, absorb.dark, absorb.overflowed, absorb.pieces);
        if let Some(page) = self.pages.get_mut(&key) {
            page.facts.ledger += ledger;
            page.facts.ledger_unaided += unaided;
            page.facts.origin = if page.facts.exchanges == 1 { origin } else { stronger(page.facts.origin, origin) };
        }
        found.extend(&found_in_rest);
        certain.extend(found_in_rest.iter().filter_map(|number| self.index.values().get(*number)).map(|value| value.name.clone()));
        if !found_in_rest.is_empty() {
            self.found_in_rest(&key, &found_in_rest, &evidence);
        }
        let (located, surely) = (!hits.is_empty(), hits.iter().any(|(hit, _)| hit.certainty == Certainty::Certain));
        for (hit, bytes) in hits {
            hit.spelled.iter().for_each(|coordinate| self.gate.remember_secret(coordinate));
            let number = self.sighting(&key, origin, &hit, Evidence { bytes, ..evidence.clone() });
            found.extend(number);
            if hit.certainty == Certainty::Certain {
                certain.extend(number.and_then(|number| self.index.values().get(number)).map(|value| value.name.clone()));
            }
        }
        let carries = found.iter().filter_map(|number| self.index.values().get(*number)).map(|value| value.category);
        let coverage =
            self.hosts.entry(endpoint::public_host(self.app, host)).or_insert(HostCoverage { origin, ..HostCoverage::default() });
        coverage.origin = stronger(coverage.origin, origin);
        coverage.exchanges += u64::from(kind == Kind::Exchange);
        coverage.uploaded_bytes += bytes;
        coverage.ledger += ledger;
        coverage.carries.extend(carries.chain(located.then_some(Category::Location)));
        if origin != Origin::Phone {
            self.uploaded_bytes += bytes;
            self.ledger += ledger;
            self.ledger_unaided += unaided;
            self.bands.absorb(self.index.values(), &series);
            self.gather(&key, host, (exchange.id, &series), pieces);
            self.located_in += u64::from(surely);
            self.probably_located_in += u64::from(located && !surely);
            let names: BTreeSet<&String> =
                found.iter().filter_map(|number| self.index.values().get(*number)).map(|value| &value.name).collect();
            for name in names {
                let counts = if certain.contains(name) { &mut self.found_in } else { &mut self.probably_in };
                *counts.entry(name.clone()).or_default() += 1;
            }
        }

        let mut spots = blind::of_walk(&unseen, request.body.bytes, encryption_header(exchange));
        if cut {
            let sentence =
                "a request holds more keys, digests and numbers than can be tried: not every planted value was looked for in them";
            spots.push((BlindSpotKind::LimitReached, sentence.to_owned()));
        }
        if overflow || overflowed {
            spots.push((BlindSpotKind::LimitReached, "there are more endpoints or fields than are listed one by one".to_owned()));
        }
        if !answered && kind == Kind::Exchange {
            spots.push((BlindSpotKind::Unanswered, blind::unanswered(exchange, self.foreign)));
        }
        spots.extend(blind::of_front(exchange));
        // The proxy says of a WebSocket when it could not read what passed: without that, every message is in the log.
        let listened = !self.imported && matches!(request.url.scheme.as_str(), "ws" | "wss");
        let ending = blind::of_ending(exchange).filter(|(_, sentence)| !listened || sentence != blind::SWITCHED);
        let switched = exchange.error.is_none() && ending.is_some();
        spots.extend(ending);
        if let Some(BodyGap::Opaque { .. }) = unseen.body {
        } else if let Some(sentence) = blind::dark_sentence(&dark) {
            spots.push((BlindSpotKind::BodyOpaque, sentence));
        }
        for (spot_kind, sentence) in spots {
            let spot = self.spot(spot_kind, host, key.place(), origin, sentence);
            let phases = BTreeMap::from([(exchange.phase.clone(), 1)]);
            let spot = BlindSpot { evidence: Some(evidence.clone()), phases, ..spot };
            if switched && spot.sentence == blind::SWITCHED {
                self.switched.push((exchange.id, spot));
            } else {
                self.spots.add(spot);
            }
        }
    }

    /// Adds the pieces of fields that one exchange holds, and takes in what can be told of them by now.
    fn gather(&mut self, key: &EndpointKey, host: &str, exchange: (ExchangeId, &BTreeMap<usize, FoundMinutes>), pieces: Vec<Piece>) {
        if pieces.is_empty() || !self.bands.is_known() {
            return;
        }
        let public_host = endpoint::public_host(self.app, host);
        for together in self.gathered.add(&self.index, (key, &public_host), exchange, pieces) {
            self.found_together(together);
        }
    }

    /// Looks at what was sent in pieces for the last time.
    fn put_together(&mut self) {
        let gathered = std::mem::take(&mut self.gathered);
        if gathered.cut {
            let sentence = "there are more fields of small numbers, or more of them, than are put together over the run: what a band held was not \
                            looked for in all of them together";
            self.spots.add(self.spot(BlindSpotKind::LimitReached, "", String::new(), Origin::App, sentence.to_owned()));
        }
        let (together, untold) = gathered.finish(&self.index);
        for together in together {
            self.found_together(together);
        }
        for Untold { field, phases, readings, could_be } in untold {
            // Of several phases the first stands for all: the readings count once.
            let mut keys = phases.into_iter().map(|phase| field.in_phase(phase));
            if let Some(page) = keys.find(|key| self.pages.contains_key(key)).and_then(|key| self.pages.get_mut(&key)) {
                page.add_untold(field.part, &field.path, readings, could_be);
            }
        }
    }

    /// Minutes that all pieces of a field show together: they count as those found in one exchange do. What was known before adds nothing.
    fn found_together(&mut self, together: Together) {
        let Together { field, phases, number, certain, probable, spelling, certainty, requests } = together;
        let Some(value) = self.index.values().get(number) else { return };
        let found = BTreeMap::from([(number, FoundMinutes { certain, probable })]);
        let holds = |phase: &String| {
            let page = self.pages.get(&field.in_phase(phase.clone()));
            page.is_some_and(|page| page.holds(field.part, &field.path, &value.name))
        };
        if phases.iter().all(holds) && !self.bands.is_more(self.index.values(), &found) {
            return;
        }
        let reason = Reason::PlantedValue { name: value.name.clone(), spelling, certainty };
        for phase in phases {
            if let Some(page) = self.pages.get_mut(&field.in_phase(phase)) {
                page.add_reason(field.part, &field.path, value.category, reason.clone());
            }
        }
        let counts = if certainty == Certainty::Certain { &mut self.found_in } else { &mut self.probably_in };
        *counts.entry(value.name.clone()).or_default() += requests;
        if let Some(coverage) = self.hosts.get_mut(&field.public_host) {
            coverage.carries.insert(value.category);
        }
        self.bands.found(self.index.values(), &found);
    }

    /// Planted values in the part of a body that was only searched: the body as a whole gets their category.
    fn found_in_rest(&mut self, key: &EndpointKey, found: &Found, evidence: &Evidence) {
        let Some(page) = self.pages.get_mut(key) else { return };
        for value in found.iter().filter_map(|number| self.index.values().get(*number)) {
            let reason = Reason::PlantedValue {
                name: value.name.clone(),
                spelling: format!("after the first {} MiB", MOST_BODY >> 20),
                certainty: Certainty::Certain,
            };
            page.add_unread(Part::Body, FieldType::Opaque, (value.category, reason), evidence);
        }
    }

    fn sighting(&mut self, key: &EndpointKey, origin: Origin, hit: &Hit, evidence: Evidence) -> Option<usize> {
        let planted = planted_near(&self.index, hit);
        let name = planted.as_ref().map_or("location", |(_, name)| name);
        let held_in = self.places.held_in(hit, &key.phase);
        if let Some(page) = self.pages.get_mut(key) {
            // How many points a track has, or where in the data it stands, belongs to one upload and not to the field.
            let spelling = if hit.distance_m < 1.0 { hit.notation.to_owned() } else { format!("{}, near it", hit.notation) };
            let reason = Reason::PlantedValue { name: name.to_owned(), spelling, certainty: hit.certainty };
            for (part, path) in std::iter::once(&hit.field).chain(&hit.companion) {
                page.add_reason(*part, path, hit.category(), reason.clone());
            }
        }
        let field_name = |(part, path): &(Part, String)| FieldName { part: *part, path: path.clone() };
        let sighting = PositionSighting {
            endpoint: key.clone(),
            field: field_name(&hit.field),
            companion: hit.companion.as_ref().map(field_name),
            origin,
            held_in,
            certainty: hit.certainty,
            // A centimetre is less than any clock or map knows; the sum of floating steps below it may differ.
            distance_m: (hit.distance_m * 100.0).round() / 100.0,
            how: hit.how.clone(),
            precision_m: (hit.precision_m * 100.0).round().max(1.0) / 100.0,
            runs: 1,
            evidence,
        };
        let place = (sighting.endpoint.clone(), sighting.field.clone(), sighting.companion.clone(), sighting.held_in.clone());
        let merged = merge_sightings(self.sightings.remove(&place).into_iter().chain([sighting]));
        self.sightings.extend(merged.into_iter().map(|sighting| (place.clone(), sighting)));
        planted.map(|(number, _)| number)
    }

    /// What went past the proxy is the app's: the phone counts for it alone.
    fn outside(&mut self, kind: BlindSpotKind, sentence: String) {
        let spot = self.spot(kind, "", String::new(), Origin::App, sentence);
        self.spots.add(BlindSpot { evidence: Some(self.evidence(None)), ..spot });
    }

    fn spot(&self, kind: BlindSpotKind, host: &str, endpoint: String, origin: Origin, sentence: String) -> BlindSpot {
        let host = if host.is_empty() { String::new() } else { endpoint::host(self.app, host) };
        BlindSpot { host, kind, endpoint, origin, phases: BTreeMap::from([(String::new(), 1)]), sentence, evidence: None }
    }

    const fn evidence(&self, exchange: Option<ExchangeId>) -> Evidence {
        Evidence { run: self.run, exchange, bytes: None, chain: Vec::new() }
    }

    /// R1, in its order: in the app file, named in the request, absent from the control run.
    fn origin(&self, exchange: &Exchange) -> Origin {
        let host = exchange.request.url.host.as_str();
        match self.origin_of_host(host) {
            Origin::Phone | Origin::Unknown if self.names_app(exchange) => Origin::App,
            origin => origin,
        }
    }

    /// Whether an id of the app stands in the URL, a header, or the first 64 KiB of a body that is at hand.
    fn names_app(&self, exchange: &Exchange) -> bool {
        let Some(ids) = &self.ids else { return false };
        let request = &exchange.request;
        let body: &[u8] = match &request.body.content {
            BodyContent::Inline(bytes) | BodyContent::Torn(bytes) => bytes.expose(),
            _ => &[],
        };
        ids.is_match(request.url.path_and_query.expose())
            || request.headers.iter().any(|header| ids.is_match(header.value.expose()))
            || ids.is_match(&body[..body.len().min(64 << 10)])
    }

    fn origin_of_host(&self, host: &str) -> Origin {
        origin_of_host(self.app, self.control.as_ref(), host)
    }
}

/// Whether a planted text of this category is an address or a town: not the name of a network.
const fn is_address(category: Category) -> bool {
    matches!(category, Category::Location | Category::PreciseLocation | Category::CoarseLocation | Category::PostalAddress)
}

fn origin_of_host(app: &App, control: Option<&ControlRun>, host: &str) -> Origin {
    if app.first_party_pattern(host).is_some() || app.receiver(host).is_some() {
        return Origin::App;
    }
    match control {
        None => Origin::Unknown,
        Some(control) if control.hosts.iter().any(|known| without_root(known).eq_ignore_ascii_case(without_root(host))) => Origin::Phone,
        Some(_) => Origin::App,
    }
}

/// The header by which the app says that it encrypts the body (docs/protocols, `x-hm-ekv`).
fn encryption_header(exchange: &Exchange) -> Option<&'static str> {
    exchange.request.header("x-hm-ekv").map(|_| "x-hm-ekv")
}

/// Why a run in which other versions of the app were installed counts for none; `None` when there were no others.
fn mixed(others: &BTreeSet<String>) -> Option<String> {
    let names = others.iter().map(|name| printable(name)).collect::<Vec<_>>().join(", ");
    (!others.is_empty()).then(|| format!("a step installed another version of the app ({names}): which version sent what cannot be told"))
}

/// Why a run is incomplete; `None` when it is not.
fn incomplete(ending: Option<&RunEnding>) -> Option<String> {
    match ending {
        Some(RunEnding::Complete) => None,
        Some(RunEnding::InstrumentFailed { why }) => Some(format!("an instrument failed: {}", printable(why))),
        Some(RunEnding::Interrupted) => Some("interrupted".to_owned()),
        Some(RunEnding::SelfCheckFailed { why }) => Some(format!("the phone's traffic cannot be read: {}", printable(why))),
        Some(RunEnding::StepFailed { why }) => Some(format!("a step failed: {}", printable(why))),
        None => Some("the recording breaks off".to_owned()),
    }
}

/// Takes out of every name what the whole run has shown to be a value.
fn hide_values(app: &App, gate: &LeakGate, observations: &mut Observations) {
    let hider = Hider { app, gate };
    let fields: BTreeSet<FieldName> = observations.endpoints.values().flat_map(|facts| facts.fields.keys()).cloned().collect();
    observations.endpoints = hider.endpoints(std::mem::take(&mut observations.endpoints), observations.runs);
    let runs = observations.runs;
    let sightings = std::mem::take(&mut observations.positions).into_iter().map(|sighting| PositionSighting {
        endpoint: hider.key(&sighting.endpoint),
        field: hider.field(&sighting.field),
        companion: sighting.companion.as_ref().map(|name| hider.field(name)),
        ..sighting
    });
    observations.positions = merge_sightings(sightings).into_iter().map(|sighting| PositionSighting { runs, ..sighting }).collect();
    let coverage = &mut observations.coverage;
    coverage.hosts = hider.hosts(std::mem::take(&mut coverage.hosts));
    let mut spots = BlindSpots::default();
    std::mem::take(&mut coverage.blind_spots).into_iter().for_each(|spot| spots.add(hider.spot(spot, &fields)));
    coverage.blind_spots = spots.into_set(runs);
}

/// Names that are going to be written, free of values by now, are no hits by their looks.
fn allow_names(observations: &Observations, gate: &mut LeakGate) {
    observations.coverage.hosts.keys().for_each(|host| gate.allow_name(host));
    for (key, facts) in &observations.endpoints {
        for name in [&key.host, &key.path, &key.method] {
            gate.allow_name(name);
        }
        facts.fields.keys().for_each(|name| gate.allow_name(&name.path));
    }
}

/// Words that a report may always print: the app file's and the taxonomy's.
fn allow_words(app: &App, gate: &mut LeakGate) {
    let mut allow = |text: &str| {
        gate.allow(text);
        for word in text.split(|c: char| c.is_whitespace() || "/,;&?[]{}.\"".contains(c)).filter(|word| word.len() >= 4) {
            gate.allow(word);
        }
    };
    for category in Category::ALL {
        for word in [category.word(), category.meaning(), category.dpv().concept, &category.dpv().iri()] {
            allow(word);
        }
        category.play().iter().chain(category.apple()).for_each(|id| allow(id));
    }
    for part in Part::ALL {
        allow(part.word());
    }
    for word in crate::model::Encoding::ALL.iter().map(|encoding| encoding.word()).chain(BlindSpotKind::ALL.iter().map(|kind| kind.word()))
    {
        allow(word);
    }
    for word in TAXONOMY {
        allow(word);
    }
    for word in [&app.name, &app.title].into_iter().chain(&app.ids) {
        allow(word);
    }
    for pattern in app.first_party.iter().chain(app.receivers.iter().map(|(pattern, _)| pattern)) {
        allow(&pattern.0);
    }
    for (_, company) in &app.receivers {
        allow(company);
    }
    for endpoint in &app.endpoints {
        allow(&endpoint.path.0);
        allow(&endpoint.about);
    }
    for leaf in &app.leaves {
        allow(&leaf.leaf);
        allow(&leaf.why);
    }
}

/// Words that a report prints because adapters and the table of receivers say so.
fn allow_vendors(facts: &EndpointFacts, gate: &mut LeakGate) {
    if let Some(receiver) = &facts.receiver {
        gate.allow(&receiver.company);
        gate.allow(&receiver.source);
    }
    for (_, reason) in facts.fields.values().flat_map(|field| &field.reasons) {
        if let Reason::Vendor { adapter, why } = reason {
            gate.allow(adapter);
            gate.allow(why);
        }
    }
}

/// Types and other words of our own that a name like `device_id_type: uuid` also carries as a value.
const TAXONOMY: &[&str] = &[
    "android",
    "app",
    "boolean",
    "bytes",
    "clean",
    "coordinates",
    "date",
    "decimal",
    "empty",
    "first-party",
    "inconclusive",
    "integer",
    "ios",
    "lab",
    "latitude",
    "longitude",
    "none",
    "null",
    "opaque",
    "phone",
    "simulated",
    "start",
    "text",
    "third-party",
    "unknown-party",
    "timestamp-ms",
    "timestamp-s",
    "token",
    "true",
    "false",
    "unknown",
    "unscripted",
    "uuid",
    "email",
];

/// Why what was watched while somebody used the phone by hand is never clean (R2): no two such sessions do the same.
const BY_HAND: &str = "the phone was used by hand: what the app sends when it is used otherwise was not seen";
/// The phase of everything in an import that gives no times (R6).
const UNSCRIPTED: &str = "unscripted";
const LONGEST_METHOD: usize = 16;
/// Most endpoints that are told apart.
const MOST_ENDPOINTS: usize = 20_000;
