//! Takes values out of names (R12): a host label, a path segment or a map key that turned out to be a planted, identifying or
//! health value of this run becomes `{id}`, once the whole run is known. What is a value, the leak gate knows.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;

use crate::model::{App, BlindSpot, EndpointFacts, EndpointKey, FieldName, HostCoverage, LeakGate, Part};

use super::merge::merge_endpoint;

/// Writes names without the values in them.
pub(super) struct Hider<'x> {
    pub(super) app: &'x App,
    pub(super) gate: &'x LeakGate,
}

impl Hider<'_> {
    /// A host, or the pattern of one. What the app file calls a host stays, and so does the last label: no value is a
    /// top-level domain.
    pub(super) fn host(&self, host: &str) -> String {
        let patterns = || self.app.first_party.iter().chain(self.app.receivers.iter().map(|(pattern, _)| pattern));
        let known = patterns().any(|pattern| pattern.0 == host || pattern.matches(host));
        let Some((labels, top)) = host.rsplit_once('.').filter(|_| !known && host.parse::<core::net::IpAddr>().is_err()) else {
            return host.to_owned();
        };
        let labels: Vec<&str> = labels.split('.').map(|label| if self.gate.hides(label) { HIDDEN } else { label }).collect();
        format!("{}.{top}", labels.join("."))
    }

    /// A path template; one of the app file stays.
    pub(super) fn path(&self, path: &str) -> String {
        if self.app.endpoints.iter().any(|endpoint| endpoint.path.0 == path) {
            return path.to_owned();
        }
        let hides = |segment: &str| !segment.starts_with('{') && self.gate.hides(&percent_decode_str(segment).decode_utf8_lossy());
        path.split('/').map(|segment| if hides(segment) { HIDDEN } else { segment }).collect::<Vec<_>>().join("/")
    }

    /// The key of an endpoint.
    pub(super) fn key(&self, key: &EndpointKey) -> EndpointKey {
        let method = if self.gate.hides(&key.method) { HIDDEN } else { &key.method };
        EndpointKey { host: self.host(&key.host), path: self.path(&key.path), method: method.to_owned(), phase: key.phase.clone() }
    }

    /// A field.
    pub(super) fn field(&self, name: &FieldName) -> FieldName {
        if name.part == Part::Path {
            return name.clone();
        }
        let mut path = String::new();
        for segment in segments(&name.path) {
            if !path.is_empty() {
                path.push('.');
            }
            let key = segment.trim_end_matches("[]");
            let spelled: Option<String> = if key.starts_with('"') { serde_json::from_str(key).ok() } else { None };
            if !key.starts_with('{') && self.gate.hides(spelled.as_deref().unwrap_or(key)) {
                path.push_str(HIDDEN);
                path.push_str(&segment[key.len()..]);
            } else {
                path.push_str(segment);
            }
        }
        FieldName { part: name.part, path }
    }

    /// Endpoints and their fields; those that now have one name become one, seen in `runs` runs.
    pub(super) fn endpoints(&self, endpoints: BTreeMap<EndpointKey, EndpointFacts>, runs: u32) -> BTreeMap<EndpointKey, EndpointFacts> {
        let mut hidden: BTreeMap<EndpointKey, EndpointFacts> = BTreeMap::new();
        for (key, mut facts) in endpoints {
            for (name, field) in std::mem::take(&mut facts.fields) {
                let name = self.field(&name);
                let one = EndpointFacts { fields: BTreeMap::from([(name, field)]), ..EndpointFacts::default() };
                merge_fields_of_one_run(&mut facts, one, runs);
            }
            match hidden.entry(self.key(&key)) {
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(facts);
                }
                std::collections::btree_map::Entry::Occupied(mut entry) => {
                    merge_endpoint(entry.get_mut(), facts);
                    entry.get_mut().runs = runs;
                    entry.get_mut().fields.values_mut().for_each(|field| field.runs = runs);
                }
            }
        }
        hidden
    }

    /// Hosts; those that now have one name become one.
    pub(super) fn hosts(&self, hosts: BTreeMap<String, HostCoverage>) -> BTreeMap<String, HostCoverage> {
        let mut hidden: BTreeMap<String, HostCoverage> = BTreeMap::new();
        for (host, coverage) in hosts {
            match hidden.entry(self.host(&host)) {
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(coverage);
                }
                std::collections::btree_map::Entry::Occupied(mut entry) => super::blind::merge_host(entry.get_mut(), coverage),
            }
        }
        hidden
    }

    /// A blind spot: its host, its endpoint, and the fields that its sentence names.
    pub(super) fn spot(&self, spot: BlindSpot, fields: &BTreeSet<FieldName>) -> BlindSpot {
        let endpoint = match spot.endpoint.split_once(' ') {
            Some((method, place)) => {
                let path_at = place.find('/').unwrap_or(place.len());
                let method = if self.gate.hides(method) { HIDDEN } else { method };
                format!("{method} {}{}", self.host(&place[..path_at]), self.path(&place[path_at..]))
            }
            None => spot.endpoint,
        };
        let mut sentence = spot.sentence;
        for name in fields {
            let hidden = self.field(name);
            if hidden != *name {
                sentence = sentence.replace(&name.to_string(), &hidden.to_string());
            }
        }
        BlindSpot { host: self.host(&spot.host), endpoint, sentence, ..spot }
    }
}

fn merge_fields_of_one_run(into: &mut EndpointFacts, one: EndpointFacts, runs: u32) {
    for (name, field) in one.fields {
        match into.fields.entry(name) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(field);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                super::merge::merge_field(entry.get_mut(), field);
                entry.get_mut().runs = runs;
            }
        }
    }
}

/// The keys of a field's path as they are written; a dot inside quotes ends none.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    path.split(move |c: char| {
        let ends = c == '.' && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => {}
        }
        ends
    })
    .filter(|segment| !segment.is_empty())
}

/// What stands for a value in a name.
const HIDDEN: &str = "{id}";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HostPattern;

    #[test]
    fn names_lose_their_values_and_keep_their_words() {
        let mut gate = LeakGate::default();
        for value in ["Quillonia", "janvermeer", "jan.vermeer@example.test", "Kees de Vries", "huami"] {
            gate.remember_secret(value);
        }
        let app = App { first_party: vec![HostPattern("api-mifit*.huami.test".into())], ..App::default() };
        let hider = Hider { app: &app, gate: &gate };
        for (host, want) in [
            ("janvermeer.cloud.test", "{id}.cloud.test"),
            ("api-mifit*.huami.test", "api-mifit*.huami.test"),
            ("api-mifit-de.huami.test", "api-mifit-de.huami.test"),
            ("10.0.2.2", "10.0.2.2"),
        ] {
            assert_eq!(hider.host(host), want);
        }
        for (path, want) in [
            ("/v1/people/Quillonia/photos", "/v1/people/{id}/photos"),
            ("/to/Kees%20de%20Vries/{id}", "/to/{id}/{id}"),
            ("/v1/data/band_data.json", "/v1/data/band_data.json"),
        ] {
            assert_eq!(hider.path(path), want);
        }
        for (path, want) in [
            ("friends.Quillonia[].x", "friends.{id}[].x"),
            ("\"a.b\".\"jan.vermeer@example.test\".c", "\"a.b\".{id}.c"),
            ("friends.\"Kees de Vries\"", "friends.{id}"),
            ("janvermeer", "{id}"),
            ("data_json[].summary.slp.st", "data_json[].summary.slp.st"),
        ] {
            assert_eq!(hider.field(&FieldName { part: Part::Json, path: path.into() }).path, want);
        }
    }
}
