//! What an endpoint is called: the host by its pattern, the path by a template. A pure function of one URL and the app file,
//! never learned from the set (R11).

use std::{borrow::Cow, ops::Range};

use percent_encoding::percent_decode_str;

use crate::model::{App, Url, app::without_root};

use super::name::{Placeholder, placeholder_of_segment};

/// Host and path as they name an endpoint, and the values that the path held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// First-party pattern, receiver pattern or host.
    pub(super) host: String,
    /// Template.
    pub(super) path: String,
    /// Variable segments, in the order of the path.
    pub(super) variables: Vec<Variable>,
}

/// A segment of a path, or what follows after very many, that is a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    /// Field name.
    pub(super) name: String,
    /// Percent-decoded.
    pub(super) value: String,
    /// Where it stands in the path, in bytes.
    pub(super) range: Range<usize>,
}

/// Names the endpoint of a URL. `is_planted` says whether a text holds a planted value.
pub(super) fn name(app: &App, method: &str, url: &Url, is_planted: &dyn Fn(&str) -> bool) -> Named {
    let (path, variables) = path(app, method, url.path(), is_planted);
    Named { host: host(app, &url.host), path, variables }
}

/// The pattern of the app file that a host matches, else the host with labels that are ids as `{id}`.
pub(super) fn host(app: &App, host: &str) -> String {
    if let Some(pattern) = app.first_party_pattern(host) {
        pattern.0.clone()
    } else if let Some((pattern, _)) = app.receiver(host) {
        pattern.0.clone()
    } else {
        public_host(app, host)
    }
}

/// A host as it may be written: its own name when the app file knows it or it is an address, else with labels that are ids as
/// `{id}` and with anything that is no host character replaced. With the dot of the root it is the same host.
pub(super) fn public_host(app: &App, host: &str) -> String {
    let host = without_root(host);
    if app.first_party_pattern(host).is_some() || app.receiver(host).is_some() || host.parse::<core::net::IpAddr>().is_ok() {
        return host.to_owned();
    }
    let labels: Vec<Cow<'_, str>> = host.split('.').take(MOST_SEGMENTS).map(public_label).collect();
    labels.join(".")
}

fn public_label(label: &str) -> Cow<'_, str> {
    let digits = label.bytes().filter(u8::is_ascii_digit).count();
    let hex = label.len() >= 8 && digits > 0 && label.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex || digits >= 6 || label.len() > 48 || crate::model::leak::looks_like_id(label) && digits >= 4 {
        "{id}".into()
    } else if label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_*{}".contains(&byte)) {
        label.into()
    } else {
        label.chars().map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '?' }).collect::<String>().into()
    }
}

fn path(app: &App, method: &str, path: &str, is_planted: &dyn Fn(&str) -> bool) -> (String, Vec<Variable>) {
    let fitting = app.endpoints.iter().filter(|endpoint| endpoint.path.matches(path));
    // The template with the fewest variable segments is the most telling; the method decides between equals.
    let best = fitting.min_by_key(|endpoint| (endpoint.path.0.matches('{').count(), endpoint.method != method));
    let mut names = Names::default();
    if let Some(endpoint) = best {
        let mut at = 0;
        for (template, segment) in endpoint.path.0.split('/').zip(path.split('/')) {
            if template.starts_with('{') {
                names.add(template, decode(segment), at..at + segment.len());
            }
            at += segment.len() + 1;
        }
        return (endpoint.path.0.clone(), names.0);
    }
    let mut text = String::new();
    let mut segments = path.split('/');
    let mut at = 0;
    for (number, segment) in segments.by_ref().take(MOST_SEGMENTS).enumerate() {
        if number > 0 {
            text.push('/');
        }
        let value = decode(segment);
        let placeholder = if is_planted(&value) { Placeholder::Id } else { placeholder_of_segment(&value) };
        match placeholder.text() {
            Some(placeholder) => {
                text.push_str(placeholder);
                names.add(placeholder, value, at..at + segment.len());
            }
            None => push_literal(&mut text, segment),
        }
        at += segment.len() + 1;
    }
    let rest: Vec<&str> = segments.collect();
    if !rest.is_empty() {
        text.push_str("/…");
        names.add("{id}", decode(&rest.join("/")), at..path.len());
    }
    (text, names.0)
}

/// Names of variable segments: `{id}`, then `{id}2`.
#[derive(Default)]
struct Names(Vec<Variable>);

impl Names {
    fn add(&mut self, placeholder: &str, value: String, range: Range<usize>) {
        let same = self.0.iter().filter(|variable| variable.name.starts_with(placeholder)).count();
        let name = if same == 0 { placeholder.to_owned() } else { format!("{placeholder}{}", same + 1) };
        self.0.push(Variable { name, value, range });
    }
}

fn decode(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// A literal segment, with whatever is no visible ASCII percent-encoded, so that one path has one spelling and no power.
fn push_literal(text: &mut String, segment: &str) {
    const LEAVE: &percent_encoding::AsciiSet =
        &percent_encoding::CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'{').add(b'}');
    text.extend(percent_encoding::utf8_percent_encode(segment, LEAVE));
}

/// More segments than this are one value.
const MOST_SEGMENTS: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Captured, Endpoint, HostPattern, PathTemplate};

    fn app() -> App {
        App {
            first_party: vec![HostPattern("api-mifit*.huami.test".into())],
            receivers: vec![(HostPattern("*.ads.test".into()), "Ads Ltd".into())],
            endpoints: vec![Endpoint { method: "GET".into(), path: PathTemplate("/users/{user}/devices".into()), about: "devices".into() }],
            ..App::default()
        }
    }

    #[track_caller]
    fn check(host: &str, path: &str, want: &str, variables: &str) {
        let url = Url { scheme: "https".into(), host: host.into(), port: 443, path_and_query: Captured::new(path.into()) };
        let named = name(&app(), "GET", &url, &|text| text.contains("Quillon"));
        let names: Vec<&str> = named.variables.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!((format!("{}{}", named.host, named.path), names.join(" ")), (want.to_owned(), variables.to_owned()));
    }

    #[test]
    fn endpoints_are_named_by_pattern_and_template() {
        check("api-mifit-de.huami.test", "/v1/data/band_data.json?r=1", "api-mifit*.huami.test/v1/data/band_data.json", "");
        check("x.ads.test", "/", "*.ads.test/", "");
        check("x.test", "/users/1000000001/devices", "x.test/users/{user}/devices", "{user}");
        check("x.test", "/users/1000000001/things/2026-03-14", "x.test/users/{id}/things/{date}", "{id} {date}");
        check("x.test", "/a/8f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c/C0FFEEFFFE123456", "x.test/a/{uuid}/{mac}", "{uuid} {mac}");
        check("x.test", "/registrations/someone%40example.test/tokens", "x.test/registrations/{id}/tokens", "{id}");
        check("x.test", "/at/52.374/4.889", "x.test/at/{id}/{id}", "{id} {id}2");
        check("x.test", "/hello/Quillon", "x.test/hello/{id}", "{id}");
        check("0b7d0c1b2a3c.cdn.test", "/a b/ü", "{id}.cdn.test/a%20b/%C3%BC", "");
        check("10.0.2.2", "/v2.0/x", "10.0.2.2/v2.0/x", "");
    }
}
