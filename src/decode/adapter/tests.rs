//! Adapters as a user meets them: every file is sound, an endpoint gets the claims that are about it, and they name without
//! reaching.

use std::collections::BTreeSet;

use super::*;
use crate::{
    decode::{body, sinks::Collect, walker::Walker},
    model::{App, KnownLeaf, Reason},
};

#[test]
fn every_file_is_sound_and_every_claim_has_a_source() {
    assert!(ADAPTERS.is_sorted_by(|a, b| a.0 < b.0), "sorted by name");
    for adapter in adapters() {
        let name = adapter.name;
        assert!(!adapter.title.is_empty() && adapter.about.ends_with('.'), "{name}: says what it is, in sentences");
        assert!(!adapter.hosts.is_empty(), "{name}: has hosts");
        let all = adapter.endpoints.iter().map(|endpoint| &endpoint.claims).chain([&adapter.claims]);
        for claims in all {
            let mut seen = BTreeSet::new();
            for claim in claims {
                let leaf = &claim.leaf;
                assert!(seen.insert((leaf, &claim.why)), "{name}: {leaf} is claimed twice");
                assert!(!leaf.is_empty() && leaf != "*", "{name}: {leaf} names everything");
                assert!(!claim.why.is_empty() && !claim.why.ends_with('.'), "{name}: {leaf}: why is a fragment");
                let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(&claim.source);
                let public = claim.source.starts_with("https://");
                assert!(public || claim.source.starts_with("docs/protocols/") && page.exists(), "{name}: {leaf}: {}", claim.source);
            }
        }
        for endpoint in &adapter.endpoints {
            assert!(!endpoint.about.is_empty() && !endpoint.paths.is_empty(), "{name}: {:?}", endpoint.paths);
            for PathTemplate(path) in &endpoint.paths {
                assert!(path.starts_with('/') && !path.contains('*'), "{name}: {path}");
                assert!(!endpoint.anywhere || is_telling(path), "{name}: {path} is not telling enough to hold anywhere");
            }
        }
    }
}

/// Whether a path has two fixed words of its own.
fn is_telling(path: &str) -> bool {
    let words = path.split(['/', '.']).filter(|word| !word.is_empty() && !word.starts_with('{'));
    words.filter(|word| word.len() >= 3 && *word != "json" && *word != "api").count() >= 2
}

#[test]
fn a_bad_file_is_refused_with_its_place() {
    let check = |text: &str, want: &str| {
        let problem = file::parse("bad", text).expect_err("it is bad");
        assert!(problem.starts_with("bad: ") && problem.contains(want), "{problem}");
    };
    let file = |claim: &str| format!("title: a\nabout: b\nsources: {{ s: \"https://a.test\" }}\nhosts: [a.test]\nclaims: [{claim}]\n");
    check("title: [", "");
    check(&file("{ leaf: a, category: shoe-size, why: w, source: s }"), "\"shoe-size\" is no category");
    check(&file("{ leaf: a, category: sleep, why: w, source: hearsay }"), "\"hearsay\" is no source of this file");
    check(&file("{ leaf: a, category: sleep, why: w }"), "source");
    check(&file("{ leaf: a, category: sleep, why: w, source: s, sure: very }"), "sure");
    assert!(file::parse("good", &file("{ leaf: a, category: sleep, why: w, source: s }")).is_ok());
}

#[track_caller]
fn check_claims(host: &str, method: &str, path: &str, want: &str) {
    let found: BTreeSet<&str> = claims(host, method, path).iter().map(|claim| claim.adapter).collect();
    assert_eq!(found.into_iter().collect::<Vec<_>>().join(" "), want, "{method} {host}{path}");
}

#[test]
fn an_endpoint_gets_the_claims_of_its_vendor() {
    check_claims("api-mifit-de.huami.com", "POST", "/v1/data/band_data.json", "huami");
    check_claims("api-mifit*.huami.com", "POST", "/v1/data/band_data.json", "huami");
    check_claims("api-mifit-de.huami.com", "GET", "/anything/else", "huami");
    check_claims("relay.test", "POST", "/v1/data/band_data.json", "huami");
    check_claims("relay.test", "GET", "/anything/else", "");
    check_claims("huami.com.evil.test", "GET", "/", "");
    check_claims("graph.facebook.com", "POST", "/v14.0/{id}/activities", "facebook");
    check_claims("relay.test", "POST", "/v14.0/{id}/activities", "");
    check_claims("graph.facebook.com", "GET", "/v14.0/app/model_asset", "");
    check_claims("api2.branch.io", "POST", "/v1/open", "branch");
    check_claims("sessions.bugsnag.com", "POST", "/", "bugsnag");
    check_claims("notify.bugsnag.com", "POST", "/", "bugsnag");
    check_claims("relay.test", "POST", "/", "");
    check_claims("app.adjust.com", "POST", "/session", "adjust");
    check_claims("app.eu.adjust.com", "GET", "/attribution", "adjust");
    check_claims("c5ipmc.launches.appsflyersdk.com", "POST", "/api/v6.12/androidevent", "appsflyer");
    check_claims("firebaseinstallations.googleapis.com", "POST", "/v1/projects/demo/installations", "firebase");
    check_claims("crashlyticsreports-pa.googleapis.com", "POST", "/v1/firelog/legacy/batchlog", "firebase");
    check_claims("data.mistat.intl.xiaomi.com", "POST", "/mistats/v2", "mistat");
    check_claims("restapi.amap.com", "GET", "/v3/weather/weatherInfo", "amap");
    check_claims("abroad.apilocate.amap.com", "POST", "/mobile/binary", "");
    check_claims("alog.umeng.com", "POST", "/app_logs", "umeng");
    check_claims("", "", "/", "");
}

/// The leaves of a body: `name | type | chain`, and the words of what adapters say.
fn leaves(app: &App, text: &str, claims: Vec<&'static Claim>) -> Vec<(String, String)> {
    let mut collect = Collect::new(app, "/v1/x", claims);
    let mut walker = Walker::new(&mut collect);
    body::walk_body(text.as_bytes(), body::Declared::default(), &mut walker);
    let line = |leaf: crate::decode::Leaf| {
        let chain: Vec<&str> = leaf.shape.chain.iter().map(|encoding| encoding.word()).collect();
        let said = leaf.reasons.iter().filter(|(_, reason)| matches!(reason, Reason::Vendor { .. }));
        let words: Vec<String> = said.map(|(category, reason)| format!("{category}: {reason}")).collect();
        (format!("{} | {} | {}", leaf.name, leaf.shape.kind, chain.join(">")), words.join("; "))
    };
    collect.leaves.into_iter().map(line).collect()
}

const ACTIVITIES: &str = "format=json&event=CUSTOM_APP_EVENTS&anon_id=XZ0b7d0c1b-2a3c-4d5e-8f60-718293a4b5c6&attribution=&\
                          custom_events=%5B%7B%22_eventName%22%3A%22opened%22%2C%22_session_id%22%3A%228f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c%22%7D%5D&\
                          advertiser_id=1f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c&a1=52.374";

#[test]
fn a_claim_names_the_leaf_and_says_why() {
    let app = App::default();
    let named = leaves(&app, ACTIVITIES, claims("graph.facebook.com", "POST", "/v14.0/{id}/activities"));
    let said = |name: &str| {
        let leaf = named.iter().find(|(line, _)| line.starts_with(&format!("form {name} "))).expect("the leaf is there");
        leaf.1.clone()
    };
    assert_eq!(said("advertiser_id"), "advertising-id: adapter facebook: advertising id of the phone");
    assert_eq!(said("custom_events[]._session_id"), "session-id: adapter facebook: id of the session");
    assert_eq!(said("attribution"), "", "a field that is empty tells nothing of anybody");
    assert_eq!(said("a1"), "", "nobody claims it");
}

#[test]
fn without_a_single_adapter_the_same_leaves_are_found_with_the_same_types() {
    let app = App::default();
    let day = "userid=1000000001&data_json=%5B%7B%22data_hr%22%3A%22%2Fv7%2BQkNE%22%2C%22data%22%3A%5B%7B%22value%22%3A%22fgAAfgAA%22%2C%22did%22%3A%22\
               C0FFEEFFFE123456%22%7D%5D%2C%22summary%22%3A%22%7B%5C%22slp%5C%22%3A%7B%5C%22st%5C%22%3A1773486000%7D%7D%22%7D%5D";
    let install = r#"{"hardware_id":"0b7d0c1b2a3c4d5e","local_ip":"10.0.2.15","os_version":30,"lat_val":0,"advertising_ids":{"aaid":"1f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c"}}"#;
    for (text, host, path) in [
        (ACTIVITIES, "graph.facebook.com", "/v14.0/{id}/activities"),
        (day, "relay.test", "/v1/data/band_data.json"),
        (install, "api2.branch.io", "/v1/open"),
    ] {
        let claims = claims(host, "POST", path);
        assert!(!claims.is_empty(), "{host}{path}");
        let (with, without) = (leaves(&app, text, claims), leaves(&app, text, Vec::new()));
        let lines = |leaves: &[(String, String)]| leaves.iter().map(|(line, _)| line.clone()).collect::<Vec<_>>();
        assert_eq!(lines(&with), lines(&without), "{host}{path}");
        assert!(with.iter().any(|(_, said)| !said.is_empty()), "{host}{path}: something is named");
        assert!(without.iter().all(|(_, said)| said.is_empty()), "{host}{path}: nothing is named");
    }
}

#[test]
fn the_app_file_has_the_last_word_on_a_leaf() {
    let known = KnownLeaf { endpoint: None, leaf: "form advertiser_id".into(), category: Category::Profile, why: "we looked".into() };
    let app = App { leaves: vec![known], ..App::default() };
    let named = leaves(&app, ACTIVITIES, claims("graph.facebook.com", "POST", "/v14.0/{id}/activities"));
    let silent = named.iter().find(|(line, _)| line.starts_with("form advertiser_id ")).expect("the leaf is there");
    assert_eq!(silent.1, "");
}

#[test]
fn a_star_and_a_dot_mean_any_depth_the_outermost_included() {
    let check = |leaf: &str, part, path: &str, want: bool| {
        let claim = Claim { adapter: "a", leaf: leaf.into(), category: Category::Sleep, why: "w".into(), source: "s".into() };
        assert_eq!(claim.is_on(part, path), want, "{leaf} on {path}");
    };
    check("*.sn", Part::Form, "sn", true);
    check("*.sn", Part::Json, "items[].sn", true);
    check("*.sn", Part::Json, "reasn", false);
    check("json *.sn", Part::Json, "sn", true);
    check("json *.sn", Part::Form, "sn", false);
    check("header apptoken", Part::Header, "apptoken", true);
    check("header apptoken", Part::Cookie, "apptoken", false);
    check("apptoken", Part::Cookie, "apptoken", true);
}

/// What adapters claim of one leaf of a call, each category once, as a field that has them all would keep them.
#[track_caller]
fn check_categories(host: &str, path: &str, (part, leaf): (Part, &str), want: &str) {
    let claims = claims(host, "POST", path);
    let mut categories: BTreeSet<Category> = on(&claims, part, leaf).map(|claim| claim.category).collect();
    crate::model::category::keep_finest(&mut categories);
    let words: Vec<&str> = categories.iter().map(|category| category.word()).collect();
    assert_eq!(words.join(" "), want, "{leaf} of {host}{path}");
}

#[test]
fn a_list_of_many_things_keeps_what_each_of_them_is() {
    let call = ("graph.facebook.com", "/v14.0/{id}/activities");
    check_categories(call.0, call.1, (Part::Form, "extinfo[]"), "device-model locale network-operator os-version time-zone");
}

#[test]
fn what_is_the_bands_is_not_said_of_the_phone() {
    let day = |leaf: &str, want: &str| check_categories("api-mifit.huami.com", "/v1/data/band_data.json", (Part::Form, leaf), want);
    day("data_json[].source", "device");
    day("data_json[].data[].src", "device");
    day("last_source", "device");
    day("data_json[].summary.slp.dp", "sleep-stages");
    day("data_json[].summary.slp.lt", "sleep-stages");
    day("data_json[].summary.slp.wk", "sleep-stages");
    let bind = |leaf: &str, want: &str| check_categories("api-mifit.huami.com", "/v1/device/binds.json", (Part::Form, leaf), want);
    bind("productId", "device");
    bind("device_source", "device");
    bind("hardwareVersion", "device");
    bind("sys_model", "device-model");
}

#[test]
fn an_id_that_may_be_random_is_not_called_the_phones() {
    let check = |host: &str, path: &str, leaf: &str, want: &str| check_categories(host, path, (Part::Json, leaf), want);
    check("api2.branch.io", "/v1/open", "hardware_id", "identifier");
    check("api2.branch.io", "/v1/open", "idfv", "installation-id");
    check("api2.branch.io", "/v1/open", "ios_vendor_id", "installation-id");
    check("app.adjust.com", "/session", "idfv", "installation-id");
}
