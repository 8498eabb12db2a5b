//! The form of an adapter's file: YAML to an [`Adapter`], with every short name of a source resolved. What an adapter is for is
//! the module's.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::{Category, HostPattern, PathTemplate};

use super::{Adapter, AdapterEndpoint, Claim};

/// Reads one file.
///
/// # Errors
///
/// A sentence on what is wrong: no YAML of this form, a category or a source that does not exist.
pub(super) fn parse(name: &'static str, text: &str) -> Result<Adapter, String> {
    let file: File = serde_saphyr::from_str(text).map_err(|problem| format!("{name}: {problem}"))?;
    let claims = |entries: Vec<ClaimEntry>| claims(name, &file.sources, entries);
    let endpoint = |entry: EndpointEntry| {
        Ok::<_, String>(AdapterEndpoint {
            method: entry.method,
            paths: entry.paths.into_iter().map(PathTemplate).collect(),
            anywhere: entry.anywhere,
            about: entry.about,
            claims: claims(entry.claims)?,
        })
    };
    Ok(Adapter {
        name,
        endpoints: file.endpoints.into_iter().map(endpoint).collect::<Result<_, _>>()?,
        claims: claims(file.claims)?,
        title: file.title,
        about: file.about,
        hosts: file.hosts.into_iter().map(HostPattern).collect(),
    })
}

fn claims(adapter: &'static str, sources: &BTreeMap<String, String>, entries: Vec<ClaimEntry>) -> Result<Vec<Claim>, String> {
    let mut claims = Vec::new();
    for entry in entries {
        let unknown = |what: &str, word: &str| format!("{adapter}: {}: {word:?} is no {what}", entry.leaf);
        let source = sources.get(&entry.source).ok_or_else(|| unknown("source of this file", &entry.source))?;
        let category = Category::parse(&entry.category).ok_or_else(|| unknown("category", &entry.category))?;
        claims.push(Claim { adapter, category, source: source.clone(), leaf: entry.leaf, why: entry.why });
    }
    Ok(claims)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    about: String,
    /// Short name, by which claims name it, to address.
    sources: BTreeMap<String, String>,
    hosts: Vec<String>,
    #[serde(default)]
    endpoints: Vec<EndpointEntry>,
    #[serde(default)]
    claims: Vec<ClaimEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointEntry {
    #[serde(default)]
    method: Option<String>,
    paths: Vec<String>,
    #[serde(default)]
    anywhere: bool,
    about: String,
    #[serde(default)]
    claims: Vec<ClaimEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimEntry {
    leaf: String,
    category: String,
    why: String,
    source: String,
}
