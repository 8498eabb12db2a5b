//! Vendors' adapters on what real apps sent: with them leaves have a meaning, without them the same leaves are there. The files are
//! found through `TATTLETALE_CORPUS`; counts and names are printed, never a value.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use tattletale::{
    decode::Observer,
    model::{App, AppVersion, EndpointKey, Evidence, FieldName, FieldType, Observations, Platform, Reason, Recording, Target},
    traffic::har::HarRecording,
};

#[test]
fn adapters_name_leaves_of_real_uploads_and_find_none() {
    let Some(root) = corpus() else { return };
    let mut named: BTreeMap<String, u64> = BTreeMap::new();
    for file in std::fs::read_dir(Path::new(&root).join("har")).expect("the corpus has a folder har") {
        let path = file.expect("readable").path();
        let Ok(recording) = HarRecording::open(&path, Some(target())) else { continue };
        let (with, without) = (observe(&recording, false), observe(&recording, true));
        assert_eq!(shapes(&with), shapes(&without), "{}", path.display());
        assert!(vendors(&without).is_empty(), "{}", path.display());
        for vendor in vendors(&with) {
            *named.entry(vendor).or_default() += 1;
        }
    }
    say(&format!("leaves named by adapters: {named:?}"));
    for vendor in ["branch", "bugsnag", "facebook"] {
        assert!(named.get(vendor).is_some_and(|count| *count >= 5), "{vendor}: {named:?}");
    }
}

#[test]
fn receivers_of_real_uploads_have_a_company_and_a_country() {
    let Some(root) = corpus() else { return };
    let recording = HarRecording::open(&root.join("har/android-first-run.har"), Some(target())).expect("it is a HAR");
    let seen = observe(&recording, false);
    let mut companies = BTreeSet::new();
    for (key, facts) in &seen.endpoints {
        let receiver = facts.receiver.as_ref().unwrap_or_else(|| panic!("{} is nobody's", key.host));
        assert!(receiver.source.contains("https://"), "{}", receiver.source);
        companies.insert(receiver.in_words());
    }
    say(&format!("receivers: {companies:?}"));
    assert!(companies.contains("Meta Platforms, Inc., US") && companies.contains("Branch Metrics, Inc., US"), "{companies:?}");
}

/// Everything that was found, but for what it means.
type Shapes = BTreeMap<(EndpointKey, FieldName), (FieldType, Vec<&'static str>, Option<Evidence>, u64)>;

fn shapes(seen: &Observations) -> Shapes {
    let fields = seen.endpoints.iter().flat_map(|(key, facts)| facts.fields.iter().map(move |(name, field)| (key, name, field)));
    fields
        .map(|(key, name, field)| {
            let chain = field.shape.chain.iter().map(|encoding| encoding.word()).collect();
            ((key.clone(), name.clone()), (field.shape.kind.clone(), chain, field.first.clone(), field.occurrences))
        })
        .collect()
}

/// The adapter of each reason that is one's.
fn vendors(seen: &Observations) -> Vec<String> {
    let reasons = seen.endpoints.values().flat_map(|facts| facts.fields.values()).flat_map(|field| &field.reasons);
    let vendor = |(_, reason): &(_, Reason)| match reason {
        Reason::Vendor { adapter, .. } => Some(adapter.clone()),
        _ => None,
    };
    reasons.filter_map(vendor).collect()
}

fn observe(recording: &HarRecording, without_adapters: bool) -> Observations {
    let app = App { without_adapters, ..App::default() };
    let mut observer = Observer::new(&app, recording.provenance());
    recording.replay(&mut |event, bodies| observer.absorb(&event.event, bodies)).expect("a HAR replays");
    observer.finish()
}

fn target() -> Target {
    Target {
        app: "demo".into(),
        platform: Platform::Android,
        version: AppVersion::named("1.0"),
        scenario: "unscripted".into(),
        claimed: true,
    }
}

#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn corpus() -> Option<std::path::PathBuf> {
    let root = std::env::var_os("TATTLETALE_CORPUS").map(std::path::PathBuf::from);
    if root.is_none() {
        eprintln!("skipped: no corpus");
    }
    root
}

#[allow(clippy::print_stderr, reason = "counts, for docs/measured")]
fn say(words: &str) {
    eprintln!("{words}");
}
