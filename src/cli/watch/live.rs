//! What has been seen so far in a session, receiver by receiver: what the live table, the lines and the summary are made of. Holds
//! shapes and counts, no value; decoding is `decode`'s, drawing is `screen`'s and `lines`'.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use super::words::{bytes, count};
use crate::{
    decode::{receiver_of, shown_host},
    model::{
        App, BlindSpotKind, Category, EndpointFacts, ExchangeId, FieldFacts, FieldName, Observations, Tunnel, TunnelEvidence, TunnelId,
        TunnelOutcome,
        text::printable,
        tunnel::{PassReason, PassedBytes, is_outside_host, shown_protocol},
    },
};

/// A category or a receiver is called new for so long.
pub(super) const NEW: Duration = Duration::from_secs(10);
/// A connection of which nothing was read has its row after so long. Most that can be read are by then.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// Open connections that are kept in mind.
const MOST_OPEN: usize = 2_000;
/// Receivers that are listed one by one.
const MOST_RECEIVERS: usize = 2_000;
/// Fields of one receiver that are listed one by one.
const MOST_FIELDS: usize = 2_000;
/// Reasons that are kept of one field.
const MOST_REASONS: usize = 8;
/// Lines that wait for somebody to print them.
const MOST_NEWS: usize = 10_000;

/// What has been seen so far.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// By host as a snapshot names it.
    receivers: BTreeMap<String, Receiver>,
    /// Requests that have begun and not ended, with their host.
    in_flight: BTreeMap<ExchangeId, String>,
    /// Connections that are open, as far as anybody knows without a request that was read.
    open: BTreeMap<TunnelId, Open>,
    /// Exchanges that have ended.
    pub(super) exchanges: u64,
    /// Messages of connections that stay open.
    pub(super) messages: u64,
    /// What went to hosts outside the scope.
    pub(super) outside: Outside,
    /// Planted values that were found, each with how many requests held it.
    pub(super) planted: BTreeMap<String, PlantedHits>,
    /// Exchanges, messages and connections that came faster than they could be decoded. They are in the capture.
    pub(super) skipped: u64,
    /// Whether decoding has stopped, which it never should.
    pub(super) broken: bool,
    /// What happened, for whoever prints lines.
    news: VecDeque<News>,
    seen: u64,
}

/// A connection that is open, and of which nothing was read.
#[derive(Debug)]
struct Open {
    /// Host of the CONNECT.
    host: String,
    /// When it was told.
    since: Instant,
    /// The row that shows it, once it has one.
    row: Option<String>,
}

/// How many requests held a planted value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PlantedHits {
    /// Beyond chance.
    pub(super) certain: u64,
    /// Probably.
    pub(super) likely: u64,
}

impl PlantedHits {
    /// `found in 2 requests`, `probably found in 1 request`.
    pub(super) fn in_words(self) -> String {
        match self {
            Self { certain: 0, likely } => format!("probably found in {}", count(likely, "request")),
            Self { certain, .. } => format!("found in {}", count(certain, "request")),
        }
    }
}

/// What went to hosts outside the scope: counted, and of no name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outside {
    /// By what stands for them in the capture.
    hosts: BTreeSet<String>,
    /// Connections that were passed through.
    passed: u64,
    /// Bytes both ways.
    bytes: u64,
    /// Connections whose server could not be reached.
    unreachable: u64,
}

impl Outside {
    /// Whether there was none.
    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// `2 hosts, 3 connections, 330 B passed through unread`.
    pub(super) fn in_words(&self) -> String {
        let mut words = count(self.hosts.len() as u64, "host");
        if self.passed > 0 {
            words.push_str(&format!(", {}, {} passed through unread", count(self.passed, "connection"), bytes(self.bytes)));
        }
        if self.unreachable > 0 {
            words.push_str(&format!(", {} to an unreachable server", count(self.unreachable, "connection")));
        }
        words
    }

    /// Takes a connection in; says whether its host is new.
    fn add(&mut self, tunnel: &Tunnel) -> bool {
        match tunnel.outcome {
            TunnelOutcome::Unreachable { .. } => self.unreachable += 1,
            _ => self.passed += 1,
        }
        let PassedBytes { sent, received } = tunnel.evidence.bytes.unwrap_or_default();
        self.bytes = self.bytes.saturating_add(sent).saturating_add(received);
        self.hosts.len() < MOST_RECEIVERS && self.hosts.insert(tunnel.host.clone())
    }
}

/// One row of the table.
#[derive(Debug)]
pub(super) struct Receiver {
    /// The company behind the host and its country; `None`: unknown.
    pub(super) company: Option<String>,
    /// Requests that were read.
    pub(super) requests: u64,
    /// Requests of which the head was read, and which are not over.
    pub(super) in_flight: u64,
    /// Bytes that were sent there by requests that were read.
    pub(super) bytes: u64,
    /// Fields by endpoint and name.
    pub(super) fields: BTreeMap<(String, FieldName), Field>,
    /// Fields beyond those that are listed.
    pub(super) more_fields: u64,
    /// What was seen, and when for the first time.
    pub(super) categories: BTreeMap<Category, Instant>,
    /// What could not be seen, by why in words.
    pub(super) gaps: BTreeMap<String, Gap>,
    /// Connections that were closed without a request: a gap where nothing else was read, else only opened ahead of need.
    pub(super) unused: u64,
    /// Connections that have been open for a while without a request: a gap where nothing else was read.
    open: u64,
    /// When it was first seen.
    pub(super) since: Instant,
    /// Its place among the others, from 1.
    number: u64,
}

/// What could not be seen for one reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gap {
    /// How often.
    times: u64,
    /// Bytes that went there all the same, as far as they were counted.
    sent: u64,
}

impl Gap {
    /// `passed through unread (2x), 350 kB sent unread`.
    fn in_words(self, why: &str) -> String {
        let times = if self.times > 1 { format!(" ({}x)", self.times) } else { String::new() };
        let sent = if self.sent > 0 { format!(", {} sent unread", bytes(self.sent)) } else { String::new() };
        format!("{why}{times}{sent}")
    }
}

/// One field of a receiver.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Field {
    /// Type, in a word.
    pub(super) kind: String,
    /// What it means, and why.
    pub(super) reasons: BTreeSet<(Category, String)>,
    /// Its categories, the finest.
    pub(super) categories: BTreeSet<Category>,
    /// How often it was seen.
    pub(super) occurrences: u64,
}

/// Something that is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// A host that had not been seen.
    Receiver {
        /// Host.
        host: String,
        /// Company and country.
        company: Option<String>,
    },
    /// A category that this receiver had not got.
    Category {
        /// Host.
        host: String,
        /// What.
        category: Category,
        /// The field that shows it.
        field: String,
        /// Why.
        why: String,
    },
    /// Something that could not be seen.
    BlindSpot {
        /// Host.
        host: String,
        /// Why, in words.
        words: String,
    },
    /// A planted value was found.
    Planted {
        /// Its name.
        name: String,
        /// Whether beyond chance.
        certain: bool,
    },
    /// There is a host more outside the scope.
    Outside {
        /// What went to all of them so far.
        words: String,
    },
}

impl Live {
    /// Receivers, the last to appear first: what is new is on top.
    pub(super) fn rows(&self) -> Vec<(&str, &Receiver)> {
        let mut rows: Vec<_> =
            self.receivers.iter().filter(|(_, row)| row.has_anything()).map(|(host, row)| (host.as_str(), row)).collect();
        rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.number));
        rows
    }

    /// One receiver.
    pub(super) fn receiver(&self, host: &str) -> Option<&Receiver> {
        self.receivers.get(host)
    }

    /// Requests that have begun and not ended.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether anything at all came.
    pub(super) fn is_empty(&self) -> bool {
        self.receivers.is_empty() && self.outside.is_empty()
    }

    /// Takes what happened since the last time.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        self.news.drain(..).collect()
    }

    /// A request's head was read.
    pub(super) fn began(&mut self, app: &App, id: ExchangeId, tunnel: Option<TunnelId>, host: &str, now: Instant) {
        // What its connection carries is being read.
        tunnel.into_iter().for_each(|tunnel| self.not_open(tunnel));
        let host = shown_host(app, host);
        if let Some(row) = self.row(app, &host, now) {
            row.in_flight += 1;
            self.in_flight.insert(id, host);
        }
    }

    /// An exchange is over. What was in it comes with [`Live::observed`].
    pub(super) fn ended(&mut self, id: ExchangeId) {
        self.exchanges += 1;
        if let Some(row) = self.in_flight.remove(&id).and_then(|host| self.receivers.get_mut(&host)) {
            row.in_flight = row.in_flight.saturating_sub(1);
        }
    }

    /// A connection was opened. It has no row yet: most are read or refused at once.
    pub(super) fn opened(&mut self, id: TunnelId, host: &str, now: Instant) {
        if !is_outside_host(host) && self.open.len() < MOST_OPEN {
            self.open.insert(id, Open { host: host.to_owned(), since: now, row: None });
        }
    }

    /// A connection is over, or a request of it was read.
    pub(super) fn not_open(&mut self, id: TunnelId) {
        let row = self.open.remove(&id).and_then(|open| open.row).and_then(|host| self.receivers.get_mut(&host));
        if let Some(row) = row {
            row.open = row.open.saturating_sub(1);
        }
    }

    /// Whether there are connections that may have their row when some time has passed.
    pub(super) fn is_waiting(&self) -> bool {
        self.open.values().any(|open| open.row.is_none())
    }

    /// Gives a row to connections that have been open for [`PATIENCE`] and of which nothing was read.
    pub(super) fn settle(&mut self, app: &App, now: Instant) {
        let is_due = |open: &&Open| open.row.is_none() && now.saturating_duration_since(open.since) >= PATIENCE;
        let due: Vec<TunnelId> = self.open.iter().filter(|(_, open)| is_due(open)).map(|(id, _)| *id).collect();
        for id in due {
            let Some(open) = self.open.get_mut(&id) else { continue };
            let host = if open.host.is_empty() { UNNAMED.to_owned() } else { shown_host(app, &open.host) };
            open.row = Some(host.clone());
            let Some(row) = self.row(app, &host, now) else { continue };
            row.open += 1;
            if row.open == 1 {
                self.tell(News::BlindSpot { host, words: NOT_READ_YET.to_owned() });
            }
        }
    }

    /// A tunnel is over.
    pub(super) fn tunnel(&mut self, app: &App, tunnel: &Tunnel, now: Instant) {
        self.not_open(tunnel.id);
        if tunnel.is_outside_scope() {
            if self.outside.add(tunnel) {
                self.tell(News::Outside { words: self.outside.in_words() });
            }
            return;
        }
        let is_address = tunnel.host.parse::<std::net::IpAddr>().is_ok();
        let host = tunnel.sni.as_ref().filter(|_| is_address).unwrap_or(&tunnel.host);
        let host = if host.is_empty() { UNNAMED.to_owned() } else { shown_host(app, &host.to_ascii_lowercase()) };
        let evidence = &tunnel.evidence;
        // What was counted is what followed, where something did.
        let last = evidence.afterwards.as_ref().unwrap_or(&tunnel.outcome);
        let passed = (evidence.passed_because == Some(PassReason::NamesOutside)).then_some(&TunnelOutcome::PassedThrough);
        let carried = passed.filter(|_| matches!(tunnel.outcome, TunnelOutcome::Read { .. }));
        for outcome in [carried, Some(&tunnel.outcome), evidence.afterwards.as_ref()].into_iter().flatten() {
            let Some(words) = not_read(evidence, outcome) else { continue };
            let sent = evidence.bytes.filter(|_| std::ptr::eq(outcome, last)).map_or(0, |bytes| bytes.sent);
            // A client that said something had more in mind than to be quick later.
            let is_unused = *outcome == TunnelOutcome::ClosedWithoutRequest && sent == 0;
            let Some(row) = self.row(app, &host, now) else { return };
            if !is_unused {
                self.gap(app, host.clone(), words, sent, now);
                continue;
            }
            row.unused += 1;
            if row.unused == 1 && row.requests == 0 {
                self.tell(News::BlindSpot { host: host.clone(), words });
            }
        }
    }

    /// Adds one more that could not be seen, of which so many bytes went to the host.
    fn gap(&mut self, app: &App, host: String, words: String, sent: u64, now: Instant) {
        let Some(row) = self.row(app, &host, now) else { return };
        let known = row.gaps.get(&words).copied().unwrap_or_default();
        let gap = Gap { times: known.times + 1, sent: known.sent.saturating_add(sent) };
        row.gaps.insert(words.clone(), gap);
        if gap.times == 1 {
            self.tell(News::BlindSpot { host, words: gap.in_words(&words) });
        }
    }

    /// Something to or from a host came too fast to be decoded here.
    pub(super) fn left_out(&mut self, app: &App, host: &str, now: Instant) {
        self.gap(app, shown_host(app, host), TOO_FAST.to_owned(), 0, now);
    }

    /// So many bytes of what was decoded were sent to a host, and not recorded.
    pub(super) fn not_kept(&mut self, app: &App, host: &str, lost: u64) {
        let row = self.receivers.get_mut(&shown_host(app, host));
        if let Some(gap) = row.and_then(|row| row.gaps.get_mut(in_words(BlindSpotKind::BodyMissing))) {
            gap.sent = gap.sent.saturating_add(lost);
        }
    }

    /// What decoding saw in some exchanges.
    pub(super) fn observed(&mut self, app: &App, mut observations: Observations, now: Instant) {
        let gate = std::mem::take(&mut observations.gate);
        // Names are free of values that decoding knows; what is left of them must not be shown either (R12).
        let safe = |text: String| if gate.check(&text).is_ok() { text } else { "(withheld: it holds a value)".to_owned() };
        for (key, facts) in observations.endpoints {
            let place = safe(format!("{} {}", key.method, key.path));
            let host = safe(key.host);
            self.endpoint(app, &host, &place, facts, &safe, now);
        }
        for spot in observations.coverage.blind_spots.into_iter().filter(|spot| !spot.kind.hides_host() && !spot.host.is_empty()) {
            self.gap(app, safe(spot.host), in_words(spot.kind).to_owned(), 0, now);
        }
        for (name, facts) in observations.planted {
            let hits = self.planted.get(&name).copied().unwrap_or_default();
            let now = PlantedHits { certain: hits.certain + facts.found_in, likely: hits.likely + facts.probably_in };
            if now == hits {
                continue;
            }
            self.planted.insert(name.clone(), now);
            if hits.certain == 0 && (now.certain > 0 || hits.likely == 0) {
                self.tell(News::Planted { name, certain: now.certain > 0 });
            }
        }
    }

    fn endpoint(&mut self, app: &App, host: &str, place: &str, facts: EndpointFacts, safe: &dyn Fn(String) -> String, now: Instant) {
        let Some(row) = self.row(app, host, now) else { return };
        row.requests += facts.exchanges;
        row.bytes += facts.uploaded_bytes;
        let mut news = Vec::new();
        for (name, field) in facts.fields {
            let name = FieldName { path: safe(name.path), ..name };
            for category in &field.shape.categories {
                if !row.categories.contains_key(category) {
                    row.categories.insert(*category, now);
                    let why = field.reasons.iter().find(|(of, _)| of == category).map(|(_, why)| safe(why.to_string())).unwrap_or_default();
                    let (host, field) = (host.to_owned(), format!("{place} {name}"));
                    news.push(News::Category { host, category: *category, field, why });
                }
            }
            let key = (place.to_owned(), name);
            if row.fields.len() < MOST_FIELDS || row.fields.contains_key(&key) {
                row.fields.entry(key).or_default().join(field, safe);
            } else {
                row.more_fields += 1;
            }
        }
        news.into_iter().for_each(|news| self.tell(news));
    }

    /// The row of a host, made when it is the first time; `None` when there are too many.
    fn row(&mut self, app: &App, host: &str, now: Instant) -> Option<&mut Receiver> {
        if !self.receivers.contains_key(host) {
            if self.receivers.len() >= MOST_RECEIVERS {
                return None;
            }
            self.seen += 1;
            let company = receiver_of(app, host).map(|receiver| printable(&receiver.in_words()));
            self.tell(News::Receiver { host: host.to_owned(), company: company.clone() });
            self.receivers.insert(host.to_owned(), Receiver::new(company, self.seen, now));
        }
        self.receivers.get_mut(host)
    }

    fn tell(&mut self, news: News) {
        if self.news.len() >= MOST_NEWS {
            self.news.pop_front();
        }
        self.news.push_back(news);
    }
}

impl Receiver {
    const fn new(company: Option<String>, number: u64, since: Instant) -> Self {
        Self {
            company,
            requests: 0,
            in_flight: 0,
            bytes: 0,
            fields: BTreeMap::new(),
            more_fields: 0,
            categories: BTreeMap::new(),
            gaps: BTreeMap::new(),
            unused: 0,
            open: 0,
            since,
            number,
        }
    }

    /// A name that turned out to hold a value has given its requests to the name without it.
    fn has_anything(&self) -> bool {
        self.requests > 0 || self.in_flight > 0 || !self.gaps.is_empty() || self.unused > 0 || self.open > 0
    }

    /// What could not be seen, for a reader: `refused our certificate (UnknownCA) (3x)`.
    pub(super) fn blind_spots(&self) -> Vec<String> {
        let unused = (self.unused > 0 && self.requests == 0).then_some((UNUSED, Gap { times: self.unused, sent: 0 }));
        let open = (self.open > 0).then_some((NOT_READ_YET, Gap { times: self.open, sent: 0 }));
        let known = self.gaps.iter().map(|(words, gap)| (words.as_str(), *gap));
        known.chain(unused).chain(open).map(|(words, gap)| gap.in_words(words)).collect()
    }

    /// Its categories, the new ones first, each with whether it is new.
    pub(super) fn categories(&self, now: Instant) -> Vec<(Category, bool)> {
        let mut all: Vec<(Category, bool)> =
            self.categories.iter().map(|(category, since)| (*category, now.saturating_duration_since(*since) < NEW)).collect();
        all.sort_by_key(|(category, is_new)| (!is_new, weight(*category), *category));
        all
    }
}

impl Field {
    fn join(&mut self, facts: FieldFacts, safe: &dyn Fn(String) -> String) {
        self.kind = facts.shape.kind.to_string();
        self.categories.extend(facts.shape.categories);
        let room = MOST_REASONS.saturating_sub(self.reasons.len());
        self.reasons.extend(facts.reasons.into_iter().take(room).map(|(category, why)| (category, safe(why.to_string()))));
        self.occurrences += facts.occurrences;
    }
}

/// What a person asks for first: where they were, what was measured on their body, then whatever else is about them.
fn weight(category: Category) -> u8 {
    match category {
        place if place.is_a(Category::Location) => 0,
        measured if measured.is_measured() => 1,
        person if person.is_about_person() => 2,
        _ => 3,
    }
}

/// Why nothing of a tunnel was read, by what became of it or of what followed; `None` where it was.
fn not_read(evidence: &TunnelEvidence, outcome: &TunnelOutcome) -> Option<String> {
    Some(match outcome {
        TunnelOutcome::Read { .. } => return None,
        TunnelOutcome::CertificateRefused { alert } => format!("refused our certificate ({})", printable(alert)),
        TunnelOutcome::ClosedDuringHandshake => "closed when it had our certificate".to_owned(),
        TunnelOutcome::ClosedWithoutRequest => UNUSED.to_owned(),
        TunnelOutcome::HandshakeFailed { why } => format!("no TLS with us: {}", printable(why)),
        TunnelOutcome::Malformed { why } => format!("could not be read as HTTP: {}", printable(why)),
        TunnelOutcome::NotTls | TunnelOutcome::OwnProtocol => match (&evidence.protocol, outcome) {
            (Some(protocol), _) => format!("not HTTP but {}", shown_protocol(protocol)),
            (None, TunnelOutcome::NotTls) => "neither TLS nor HTTP".to_owned(),
            (None, _) => "TLS, but not HTTP in it".to_owned(),
        },
        TunnelOutcome::PassedThrough => match evidence.passed_because {
            Some(PassReason::Refused) => "passed through unread, after it had refused three times".to_owned(),
            Some(PassReason::NamesOutside) => "passed through unread, because it named a host outside the scope".to_owned(),
            _ => "passed through unread".to_owned(),
        },
        TunnelOutcome::Unreachable { why } => format!("unreachable: {}", printable(why)),
    })
}

/// Said of what came without a CONNECT and names no host.
const UNNAMED: &str = "(host not named)";
/// Said of a connection that is open without a request.
const NOT_READ_YET: &str = "connection open, not read yet";
/// Said of what was recorded, and not decoded for the table.
const TOO_FAST: &str = "came too fast to be looked at here";
/// Said of a connection on which nothing was asked for.
const UNUSED: &str = "closed without a request";

/// What could not be seen of an exchange, in words short enough for a table.
const fn in_words(kind: BlindSpotKind) -> &'static str {
    match kind {
        BlindSpotKind::BodyMissing => "not recorded to its end",
        BlindSpotKind::BodyOpaque => "could not be decoded",
        BlindSpotKind::Fronted => "names another host",
        BlindSpotKind::LimitReached => "too much to decode in full",
        BlindSpotKind::Unanswered => "not answered",
        _ => "not read",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{EndpointKey, FieldShape, Reason, TunnelId, observation::PlantedFacts};

    fn key(host: &str) -> EndpointKey {
        EndpointKey { host: host.into(), path: "/v1/data".into(), method: "POST".into(), phase: "unscripted".into() }
    }

    fn field(part: crate::model::Part, path: &str, category: Category) -> (FieldName, FieldFacts) {
        let shape = FieldShape { categories: BTreeSet::from([category]), ..FieldShape::default() };
        let reasons = BTreeSet::from([(category, Reason::Name { word: path.to_owned() })]);
        (FieldName { part, path: path.into() }, FieldFacts { shape, reasons, occurrences: 1, ..FieldFacts::default() })
    }

    /// One request of 100 bytes with these fields.
    pub(crate) fn observations(host: &str, fields: &[(&str, Category)]) -> Observations {
        let fields = fields.iter().map(|(path, category)| field(crate::model::Part::Json, path, *category)).collect();
        let facts = EndpointFacts { exchanges: 1, uploaded_bytes: 100, fields, ..EndpointFacts::default() };
        Observations { endpoints: BTreeMap::from([(key(host), facts)]), ..Observations::default() }
    }

    pub(crate) fn tunnel(host: &str, outcome: TunnelOutcome) -> Tunnel {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let (phase, sni, alpn) = ("unscripted".to_owned(), None, Vec::new());
        let evidence = crate::model::tunnel::TunnelEvidence::default();
        Tunnel { id: TunnelId(1), phase, host: host.into(), port: 443, sni, alpn, began: at, ended: Some(at), outcome, evidence }
    }

    /// One to a host outside the scope, by which 110 bytes passed.
    pub(crate) fn outside(number: u64, outcome: TunnelOutcome) -> Tunnel {
        let mut passed = tunnel(&crate::model::tunnel::outside_host(number), outcome);
        passed.evidence.passed_because = Some(PassReason::OutsideScope);
        passed.evidence.bytes = Some(PassedBytes { sent: 10, received: 100 });
        passed
    }

    pub(crate) fn refused(host: &str) -> Tunnel {
        tunnel(host, TunnelOutcome::CertificateRefused { alert: "UnknownCA".into() })
    }

    #[test]
    fn a_receiver_is_there_as_soon_as_its_request_begins() {
        let (mut live, app, now) = (Live::default(), App::default(), Instant::now());
        live.began(&app, ExchangeId(1), None, "app.adjust.com", now);
        let rows = live.rows();
        assert_eq!((rows[0].0, rows[0].1.in_flight, rows[0].1.requests), ("app.adjust.com", 1, 0));
        assert!(rows[0].1.company.as_deref().is_some_and(|company| company.contains("Adjust")));
        live.ended(ExchangeId(1));
        live.observed(&app, observations("app.adjust.com", &[("hr", Category::HeartRate)]), now);
        let row = live.receiver("app.adjust.com").expect("it is there");
        assert_eq!((row.in_flight, row.requests, row.bytes, row.fields.len()), (0, 1, 100, 1));
        let news = live.take_news();
        assert!(matches!(&news[..], [News::Receiver { .. }, News::Category { category: Category::HeartRate, .. }]), "{news:?}");
    }

    #[test]
    fn the_last_receiver_to_appear_is_on_top_and_a_category_is_new_for_a_while() {
        let (mut live, app, now) = (Live::default(), App::default(), Instant::now());
        live.observed(&app, observations("one.test", &[("hr", Category::HeartRate)]), now);
        live.observed(&app, observations("two.test", &[]), now);
        live.observed(&app, observations("one.test", &[("hr", Category::HeartRate), ("lat", Category::PreciseLocation)]), now + NEW);
        let hosts: Vec<&str> = live.rows().iter().map(|(host, _)| *host).collect();
        assert_eq!(hosts, ["two.test", "one.test"]);
        let row = live.receiver("one.test").expect("it is there");
        assert_eq!(row.categories(now + NEW), [(Category::PreciseLocation, true), (Category::HeartRate, false)]);
        assert!(row.categories(now + NEW + NEW).iter().all(|(_, is_new)| !is_new));
        assert_eq!(row.fields.values().map(|field| field.occurrences).sum::<u64>(), 3);
    }

    #[test]
    fn a_connection_that_stays_open_unread_has_a_row_until_it_is_known_what_it_is() {
        let (mut live, app, now) = (Live::default(), App::default(), Instant::now());
        live.opened(TunnelId(1), "own.test", now);
        live.opened(TunnelId(2), "read.test", now);
        live.opened(TunnelId(3), &crate::model::tunnel::outside_host(1), now);
        live.settle(&app, now + PATIENCE / 2);
        assert!(live.rows().is_empty() && live.is_waiting());
        live.began(&app, ExchangeId(1), Some(TunnelId(2)), "read.test", now + PATIENCE / 2);
        live.settle(&app, now + PATIENCE);
        assert!(!live.is_waiting());
        let hosts = |live: &Live| live.rows().iter().map(|(host, _)| (*host).to_owned()).collect::<Vec<_>>();
        assert_eq!(hosts(&live), ["own.test", "read.test"]);
        let spots = |live: &Live, host| live.receiver(host).expect("it is there").blind_spots();
        assert_eq!(spots(&live, "own.test"), ["connection open, not read yet"]);
        assert_eq!(spots(&live, "read.test"), [""; 0]);
        let words = "connection open, not read yet".to_owned();
        assert!(live.take_news().contains(&News::BlindSpot { host: "own.test".into(), words }));
        let mut ended = tunnel("own.test", TunnelOutcome::NotTls);
        ended.evidence.bytes = Some(PassedBytes { sent: 8_000, received: 0 });
        live.tunnel(&app, &ended, now + NEW);
        assert_eq!(spots(&live, "own.test"), ["neither TLS nor HTTP, 8.0 kB sent unread"]);
        // One that turns out to be read under another name leaves nothing behind.
        live.opened(TunnelId(4), "192.0.2.1", now);
        live.settle(&app, now + PATIENCE);
        live.began(&app, ExchangeId(2), Some(TunnelId(4)), "read.test", now + PATIENCE);
        assert_eq!(hosts(&live), ["own.test", "read.test"]);
        // One more to a host of which another is read is still unread.
        live.opened(TunnelId(5), "read.test", now);
        live.began(&app, ExchangeId(3), Some(TunnelId(4)), "read.test", now + PATIENCE);
        assert!(live.is_waiting());
    }

    #[test]
    fn what_was_not_read_is_told_with_its_reason_and_counted() {
        let (mut live, app, now) = (Live::default(), App::default(), Instant::now());
        live.tunnel(&app, &refused("pinned.test"), now);
        live.tunnel(&app, &refused("pinned.test"), now);
        live.tunnel(&app, &tunnel("read.test", TunnelOutcome::Read { requests: 2 }), now);
        let row = live.receiver("pinned.test").expect("it is there");
        assert_eq!(row.blind_spots(), ["refused our certificate (UnknownCA) (2x)"]);
        assert!(live.receiver("read.test").is_none());
        let unread = |news: &News| matches!(news, News::BlindSpot { .. });
        assert_eq!(live.take_news().iter().filter(|news| unread(news)).count(), 1);
    }

    #[test]
    fn what_followed_what_was_read_or_passed_on_is_told_by_what_it_was() {
        let (mut live, app, now) = (Live::default(), App::default(), Instant::now());
        let mut after = |host: &str, outcome, afterwards| {
            let mut after = tunnel(host, outcome);
            after.evidence.bytes = Some(PassedBytes { sent: 17, received: 0 });
            after.evidence.afterwards = Some(afterwards);
            live.tunnel(&app, &after, now);
            live.receiver(host).expect("it is there").blind_spots()
        };
        let read = || TunnelOutcome::Read { requests: 1 };
        assert_eq!(after("plain.test", read(), TunnelOutcome::NotTls), ["neither TLS nor HTTP, 17 B sent unread"]);
        assert_eq!(after("inside.test", read(), TunnelOutcome::OwnProtocol), ["TLS, but not HTTP in it, 17 B sent unread"]);
        let malformed = TunnelOutcome::Malformed { why: "invalid URI".into() };
        let both = after("both.test", TunnelOutcome::PassedThrough, malformed);
        assert_eq!(both, ["could not be read as HTTP: invalid URI, 17 B sent unread", "passed through unread"]);
        // One among those that were read.
        let mut carried = tunnel("carried.test", TunnelOutcome::Read { requests: 1 });
        carried.evidence.passed_because = Some(PassReason::NamesOutside);
        live.tunnel(&app, &carried, now);
        let named = "passed through unread, because it named a host outside the scope";
        assert_eq!(live.receiver("carried.test").expect("it is there").blind_spots(), [named]);
    }

    #[test]
    fn bytes_that_went_unread_are_summed_up_beside_why() {
        let (mut live, app, now) = (Live::default(), App::default(), Instant::now());
        let passed = |host: &str, outcome, sent| {
            let mut passed = tunnel(host, outcome);
            passed.evidence.bytes = Some(PassedBytes { sent, received: 9_000_000 });
            passed
        };
        live.tunnel(&app, &passed("one.test", TunnelOutcome::PassedThrough, 350_000), now);
        live.tunnel(&app, &passed("one.test", TunnelOutcome::PassedThrough, 50_000), now);
        live.tunnel(&app, &passed("two.test", TunnelOutcome::ClosedWithoutRequest, 20), now);
        live.observed(&app, observations("two.test", &[]), now);
        let spots = |host| live.receiver(host).expect("it is there").blind_spots();
        assert_eq!(spots("one.test"), ["passed through unread (2x), 400 kB sent unread"]);
        assert_eq!(spots("two.test"), ["closed without a request, 20 B sent unread"], "it was no connection ahead of need");
        let told = live.take_news();
        let words = || "passed through unread, 350 kB sent unread".to_owned();
        assert!(told.contains(&News::BlindSpot { host: "one.test".into(), words: words() }), "{told:?}");
    }

    #[test]
    fn a_connection_opened_ahead_of_need_is_no_gap_where_something_was_read() {
        let (mut live, app, now) = (Live::default(), App::default(), Instant::now());
        live.tunnel(&app, &tunnel("one.test", TunnelOutcome::ClosedWithoutRequest), now);
        assert_eq!(live.receiver("one.test").expect("it is there").blind_spots(), ["closed without a request"]);
        live.observed(&app, observations("one.test", &[]), now);
        assert_eq!(live.receiver("one.test").expect("it is there").blind_spots(), [""; 0]);
    }

    #[test]
    fn what_is_outside_the_scope_is_counted_and_has_no_row() {
        let (mut live, app, now) = (Live::default(), App::default(), Instant::now());
        for number in [1, 2, 1] {
            live.tunnel(&app, &outside(number, TunnelOutcome::PassedThrough), now);
        }
        live.tunnel(&app, &outside(3, TunnelOutcome::Unreachable { why: "the server refused the connection".into() }), now);
        assert!(live.rows().is_empty() && !live.is_empty());
        let words = "3 hosts, 3 connections, 440 B passed through unread, 1 connection to an unreachable server";
        assert_eq!(live.outside.in_words(), words);
        assert_eq!(live.take_news().last(), Some(&News::Outside { words: words.to_owned() }));
    }

    #[test]
    fn a_server_that_could_not_be_reached_was_not_passed_through() {
        let (mut live, app, now) = (Live::default(), App::default(), Instant::now());
        let mut dead = tunnel("dead.test", TunnelOutcome::Unreachable { why: "the server refused the connection".into() });
        dead.evidence.passed_because = Some(PassReason::Refused);
        live.tunnel(&app, &dead, now);
        assert_eq!(live.receiver("dead.test").expect("it is there").blind_spots(), ["unreachable: the server refused the connection"]);
    }

    #[test]
    fn a_name_that_holds_a_captured_value_is_not_shown() {
        let (mut live, app, now) = (Live::default(), App::default(), Instant::now());
        let mut observations = observations("one.test", &[("users.Quillon.hr", Category::HeartRate)]);
        observations.gate.remember_secret("Quillon");
        live.observed(&app, observations, now);
        let told = format!("{:?} {:?}", live.take_news(), live.rows());
        assert!(!told.contains("Quillon") && told.contains("withheld"), "{told}");
    }

    #[test]
    fn a_planted_value_is_told_once_and_again_when_it_is_certain() {
        let (mut live, app, now) = (Live::default(), App::default(), Instant::now());
        let facts = |found_in, probably_in| PlantedFacts {
            category: Category::Location,
            confirmed: true,
            found_in,
            probably_in,
            needs_a_name: false,
            too_short: false,
            is_series: false,
            in_pieces: false,
        };
        for (found_in, probably_in) in [(0, 0), (0, 1), (0, 1), (1, 0), (1, 1)] {
            let planted = BTreeMap::from([("home".to_owned(), facts(found_in, probably_in))]);
            live.observed(&app, Observations { planted, ..Observations::default() }, now);
        }
        let name = || "home".to_owned();
        assert_eq!(live.take_news(), [News::Planted { name: name(), certain: false }, News::Planted { name: name(), certain: true }]);
        assert_eq!(live.planted, BTreeMap::from([(name(), PlantedHits { certain: 2, likely: 3 })]));
        assert_eq!(live.planted["home"].in_words(), "found in 2 requests");
    }

    #[test]
    fn memory_is_bounded_whatever_a_client_sends() {
        let (mut live, app, now) = (Live::default(), App::default(), Instant::now());
        let word = |number: u64| format!("{number:012b}").replace('0', "o").replace('1', "l");
        for number in 0..(MOST_RECEIVERS as u64 + 50) {
            live.began(&app, ExchangeId(number), None, &format!("{}.test", word(number)), now);
        }
        assert_eq!((live.rows().len(), live.in_flight()), (MOST_RECEIVERS, MOST_RECEIVERS));
        assert!(live.take_news().len() <= MOST_NEWS);
    }
}
