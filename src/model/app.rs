//! The app under audit: its ids, its own hosts, its path templates, and what each known leaf means and why.

use serde::{Deserialize, Serialize};

use super::Category;

/// The app under audit, as `scenarios/<app>/app.yaml` describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct App {
    /// Short name: the folder's (`mifit`).
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Package and bundle ids, as they appear in traffic.
    pub ids: Vec<String>,
    /// Hosts run by or for the maker of the app.
    pub first_party: Vec<HostPattern>,
    /// Known receivers other than the maker: pattern and company.
    pub receivers: Vec<(HostPattern, String)>,
    /// Path templates.
    pub endpoints: Vec<Endpoint>,
    /// What known leaves mean.
    pub leaves: Vec<KnownLeaf>,
    /// Hosts of the simulated rig that stand for hosts of the real app (R17).
    pub stand_ins: Vec<StandIn>,
    /// Whether the vendors' adapters are left out, to show what they add. They name leaves; no leaf is found by them.
    pub without_adapters: bool,
    /// Calls whose body is a message of a known type.
    pub protobuf: Vec<ProtobufCall>,
}

/// A call whose body is a Protocol Buffers message of a known type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtobufCall {
    /// Path template of the call.
    pub path: PathTemplate,
    /// Full name of the message, `demo.Upload`.
    pub message: String,
    /// The file of descriptors beside the app file, as `protoc --include_imports --descriptor_set_out` writes it.
    pub file: String,
    /// Its content: a serialised `google.protobuf.FileDescriptorSet`. Empty until somebody has read the file.
    pub descriptors: Vec<u8>,
}

/// A host of the simulated rig that stands for a host of the real app (R17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandIn {
    /// The simulated rig's: always ends in `.test`.
    pub host: HostPattern,
    /// The real app's.
    pub stands_for: HostPattern,
}

impl App {
    /// The first-party pattern that a host matches.
    pub fn first_party_pattern(&self, host: &str) -> Option<&HostPattern> {
        self.first_party.iter().find(|pattern| pattern.matches(host))
    }

    /// The company behind a host that app.yaml names, and the pattern that says so.
    pub fn receiver(&self, host: &str) -> Option<(&HostPattern, &str)> {
        self.receivers.iter().find(|(pattern, _)| pattern.matches(host)).map(|(pattern, company)| (pattern, company.as_str()))
    }

    /// A host pattern that a scenario names, and the patterns of the hosts that stand for it on the simulated rig: those whose
    /// real pattern is the same or wider.
    pub fn with_stand_ins(&self, host: &str) -> Vec<HostPattern> {
        let stand_ins = self.stand_ins.iter().filter(|stand_in| stand_in.stands_for.matches(host)).map(|stand_in| stand_in.host.clone());
        std::iter::once(HostPattern(host.to_owned())).chain(stand_ins).collect()
    }
}

/// A host with `*` for any run of characters inside one label: `api-mifit*.huami.com`. The pattern's own text names the
/// endpoint in snapshots, so that regional twins of one host are one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostPattern(pub String);

impl HostPattern {
    /// Whether a host (lower case, no port) matches. `*` stays inside one label; the dot of the root is no label.
    pub fn matches(&self, host: &str) -> bool {
        let (mut pattern, mut labels) = (self.0.split('.'), without_root(host).split('.'));
        loop {
            match (pattern.next(), labels.next()) {
                (None, None) => return true,
                (Some(glob), Some(label)) if glob_matches(glob.as_bytes(), label.as_bytes()) => {}
                _ => return false,
            }
        }
    }
}

/// A host without the dot of the root, which may end any name and changes nothing about whose it is.
pub fn without_root(host: &str) -> &str {
    host.strip_suffix('.').filter(|name| !name.is_empty()).unwrap_or(host)
}

/// Whether text matches a glob in which `*` stands for any run of bytes, ASCII case ignored.
fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    match glob.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skip| glob_matches(rest, &text[skip..])),
        Some((byte, rest)) => text.split_first().is_some_and(|(first, tail)| first.eq_ignore_ascii_case(byte) && glob_matches(rest, tail)),
    }
}

/// A known endpoint of the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Method, upper case.
    pub method: String,
    /// Path with `{name}` for variable segments.
    pub path: PathTemplate,
    /// What the call is for.
    pub about: String,
}

/// A path with `{name}` for segments that vary: `/users/{id}/devices`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathTemplate(pub String);

impl PathTemplate {
    /// Whether a path (no query) fits the template, segment by segment.
    pub fn matches(&self, path: &str) -> bool {
        let (mut template, mut segments) = (self.0.split('/'), path.split('/'));
        loop {
            match (template.next(), segments.next()) {
                (None, None) => return true,
                (Some(want), Some(is)) if want == is || (want.starts_with('{') && want.ends_with('}') && !is.is_empty()) => {}
                _ => return false,
            }
        }
    }
}

/// What one leaf means, said by somebody who looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLeaf {
    /// Path template of the endpoints it holds for; `None` for all of the app's.
    pub endpoint: Option<PathTemplate>,
    /// Field name as in a snapshot, with or without its part: `form data_json[].data_hr`, `apptoken`.
    pub leaf: String,
    /// What it carries.
    pub category: Category,
    /// Why we say so: a sentence, an address or a page of `docs/protocols/`.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_inside_one_label() {
        let pattern = HostPattern("api-mifit*.huami.test".into());
        for (host, want) in [
            ("api-mifit.huami.test", true),
            ("api-mifit-de.huami.test", true),
            ("API-MIFIT-de2.huami.test", true),
            ("api-mifit.evil.huami.test", false),
            ("api-mifit-de.huami.test.evil.test", false),
            ("huami.test", false),
        ] {
            assert_eq!(pattern.matches(host), want, "{host}");
        }
    }

    #[test]
    fn stand_ins_count_for_the_host_that_they_stand_for() {
        let pattern = |text: &str| HostPattern(text.into());
        let stand_in = StandIn { host: pattern("api*.maker.test"), stands_for: pattern("api*.maker.example") };
        let app = App { stand_ins: vec![stand_in], ..App::default() };
        assert_eq!(app.with_stand_ins("api*.maker.example"), [pattern("api*.maker.example"), pattern("api*.maker.test")]);
        assert_eq!(app.with_stand_ins("other.maker.example"), [pattern("other.maker.example")]);
    }

    #[test]
    fn a_template_fits_segment_by_segment() {
        let template = PathTemplate("/users/{id}/devices".into());
        assert!(template.matches("/users/1000000001/devices"));
        assert!(!template.matches("/users//devices"));
        assert!(!template.matches("/users/1/devices/2"));
    }
}
