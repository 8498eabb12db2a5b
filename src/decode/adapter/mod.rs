//! Vendors as data: what the leaves of their requests mean, each claim with its source. Adapters name leaves; reaching them is
//! the walker's, and without a single adapter the same leaves are found, under the same paths and with the same types.
//!
//! A vendor is one file beside this one and one entry in `ADAPTERS`. An endpoint of it holds on the vendor's hosts, or, where its
//! path is telling enough to say `anywhere`, on any host: relays, regional hosts and stand-ins speak like the original.

mod file;

use std::sync::LazyLock;

use crate::model::{Category, HostPattern, Part, PathTemplate};

use super::category::names_leaf;

/// Every vendor's file: its name, and its text. Sorted by name.
const ADAPTERS: &[(&str, &str)] = &[
    ("adjust", include_str!("adjust.yaml")),
    ("amap", include_str!("amap.yaml")),
    ("appsflyer", include_str!("appsflyer.yaml")),
    ("branch", include_str!("branch.yaml")),
    ("bugsnag", include_str!("bugsnag.yaml")),
    ("facebook", include_str!("facebook.yaml")),
    ("firebase", include_str!("firebase.yaml")),
    ("huami", include_str!("huami.yaml")),
    ("mistat", include_str!("mistat.yaml")),
    ("umeng", include_str!("umeng.yaml")),
];

/// What is known of one vendor's requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// Its file's name, without the ending: `huami`.
    pub name: &'static str,
    /// What people call the vendor or its product.
    pub title: String,
    /// What it does for an app, and what of it cannot be seen: a sentence or two.
    pub about: String,
    /// Its hosts; `*` stays inside one label.
    pub hosts: Vec<HostPattern>,
    /// Its known calls.
    pub endpoints: Vec<AdapterEndpoint>,
    /// What leaves mean in every request to its hosts, and in every call that holds anywhere.
    pub claims: Vec<Claim>,
}

/// One known call of a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterEndpoint {
    /// Method, upper case; `None` for any.
    pub method: Option<String>,
    /// Path templates, `{name}` for a segment that varies.
    pub paths: Vec<PathTemplate>,
    /// Whether the path is telling enough to hold on hosts that are not the vendor's.
    pub anywhere: bool,
    /// What the call is for.
    pub about: String,
    /// What its leaves mean.
    pub claims: Vec<Claim>,
}

/// What one leaf means, said by somebody who looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// [`Adapter::name`].
    pub adapter: &'static str,
    /// Name of the leaf as in a snapshot, with or without its part. `*` stands for any run of characters; `*.name` is `name` at any
    /// depth, the outermost included.
    pub leaf: String,
    /// What it carries.
    pub category: Category,
    /// What it is: a sentence fragment.
    pub why: String,
    /// Where that was learned: a public address, or a page of `docs/protocols/`.
    pub source: String,
}

/// Every adapter, sorted by name. Parsed once, when first asked for.
pub fn adapters() -> &'static [Adapter] {
    static PARSED: LazyLock<Vec<Adapter>> = LazyLock::new(|| {
        // The files are compiled in; the tests below parse every one.
        ADAPTERS.iter().map(|(name, text)| file::parse(name, text).expect("a shipped adapter is well-formed")).collect()
    });
    &PARSED
}

/// What adapters say of the leaves of one endpoint, in the order of the files.
///
/// `host` is a host, or the pattern that names it in snapshots; `path` has no query, and may have placeholders for segments that
/// vary. A pure function of the three, and meant to be called once an endpoint: it looks at every adapter.
pub fn claims(host: &str, method: &str, path: &str) -> Vec<&'static Claim> {
    let mut found = Vec::new();
    for adapter in adapters() {
        let on_its_hosts = adapter.hosts.iter().any(|pattern| pattern.matches(host));
        let called: Vec<&AdapterEndpoint> =
            adapter.endpoints.iter().filter(|endpoint| (on_its_hosts || endpoint.anywhere) && endpoint.is(method, path)).collect();
        if on_its_hosts || !called.is_empty() {
            found.extend(called.iter().flat_map(|endpoint| &endpoint.claims).chain(&adapter.claims));
        }
    }
    found
}

/// Those of some claims that are about one leaf: its part, and its path within it.
pub(super) fn on<'c>(claims: &'c [&'static Claim], part: Part, path: &'c str) -> impl Iterator<Item = &'static Claim> + 'c {
    claims.iter().copied().filter(move |claim| claim.is_on(part, path))
}

impl Claim {
    fn is_on(&self, part: Part, path: &str) -> bool {
        let within = self.leaf.strip_prefix(part.word()).and_then(|rest| rest.strip_prefix(' ')).unwrap_or(&self.leaf);
        names_leaf(&self.leaf, part, path) || within.strip_prefix("*.").is_some_and(|outermost| names_leaf(outermost, part, path))
    }
}

impl AdapterEndpoint {
    fn is(&self, method: &str, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method) && self.paths.iter().any(|template| template.matches(path))
    }
}

#[cfg(test)]
mod tests;
