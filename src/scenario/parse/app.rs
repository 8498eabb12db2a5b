//! App files (`scenarios/<app>/app.yaml`) to [`App`].

use super::{Problem, Problems, check_name, file};
use crate::{
    model::{
        App, Category, Endpoint, HostPattern, KnownLeaf, PathTemplate,
        app::{ProtobufCall, StandIn},
    },
    scenario::{
        forms,
        spec::{Key, Kind, Need, Placed, Values},
        steps::CATEGORIES,
    },
};

const METHODS: &[&str] = &["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Keys of an app file.
pub const KEYS: &[Key] = &[
    Key { name: "name", about: "Short name: the folder's", kind: Kind::Text(&forms::NAME), need: Need::Required },
    Key { name: "title", about: "What people call it", kind: Kind::Text(&forms::TEXT), need: Need::Required },
    Key {
        name: "ids",
        about: "Package and bundle ids, as they appear in traffic",
        kind: Kind::List { of: &Kind::Text(&forms::APP_ID), least: 1 },
        need: Need::Required,
    },
    Key {
        name: "first_party",
        about: "Hosts run by or for the maker of the app; * stays inside one label, and the pattern names the endpoint in snapshots",
        kind: Kind::List { of: &Kind::Text(&forms::HOST), least: 1 },
        need: Need::Required,
    },
    Key {
        name: "simulated",
        about: "Hosts of the simulated rig, each with the host that it stands for",
        kind: Kind::List { of: &Kind::Map(STAND_IN), least: 0 },
        need: Need::Optional,
    },
    Key {
        name: "receivers",
        about: "Known receivers other than the maker",
        kind: Kind::List { of: &Kind::Map(RECEIVER), least: 0 },
        need: Need::Optional,
    },
    Key {
        name: "endpoints",
        about: "Known calls, with {names} for the segments of a path that vary",
        kind: Kind::List { of: &Kind::Map(ENDPOINT), least: 0 },
        need: Need::Optional,
    },
    Key {
        name: "leaves",
        about: "What known fields mean, and why we say so",
        kind: Kind::List { of: &Kind::Map(LEAF), least: 0 },
        need: Need::Optional,
    },
    Key {
        name: "protobuf",
        about: "Calls whose body is a Protocol Buffers message, so that its fields have names",
        kind: Kind::List { of: &Kind::Map(PROTOBUF), least: 0 },
        need: Need::Optional,
    },
];

const STAND_IN: &[Key] = &[
    Key { name: "host", about: "The simulated rig's host; ends in .test", kind: Kind::Text(&forms::HOST), need: Need::Required },
    Key { name: "stands_for", about: "The real host, as first_party has it", kind: Kind::Text(&forms::HOST), need: Need::Required },
];

const RECEIVER: &[Key] = &[
    Key { name: "host", about: "Host pattern", kind: Kind::Text(&forms::HOST), need: Need::Required },
    Key { name: "company", about: "The company behind it", kind: Kind::Text(&forms::TEXT), need: Need::Required },
];

const ENDPOINT: &[Key] = &[
    Key { name: "method", about: "HTTP method", kind: Kind::Word(METHODS), need: Need::Required },
    Key { name: "path", about: "Path template", kind: Kind::Text(&forms::PATH), need: Need::Required },
    Key { name: "about", about: "What the call is for", kind: Kind::Text(&forms::TEXT), need: Need::Required },
];

const LEAF: &[Key] = &[
    Key {
        name: "leaf",
        about: "Field name as in a snapshot, with or without its part",
        kind: Kind::Text(&forms::TEXT),
        need: Need::Required,
    },
    Key {
        name: "endpoint",
        about: "Path template of the call; all of the app's when left out",
        kind: Kind::Text(&forms::PATH),
        need: Need::Optional,
    },
    Key { name: "category", about: "What it carries", kind: Kind::Word(CATEGORIES), need: Need::Required },
    Key { name: "why", about: "Why we say so", kind: Kind::Text(&forms::TEXT), need: Need::Required },
];

const PROTOBUF: &[Key] = &[
    Key { name: "path", about: "Path template of the call", kind: Kind::Text(&forms::PATH), need: Need::Required },
    Key { name: "message", about: "Full name of the message's type", kind: Kind::Text(&forms::MESSAGE), need: Need::Required },
    Key {
        name: "descriptors",
        about: "File beside this one, as protoc --include_imports --descriptor_set_out writes it",
        kind: Kind::Text(&forms::DESCRIPTORS),
        need: Need::Required,
    },
];

/// Reads an app file. `label` names the file in messages, `name` is the folder's name.
///
/// # Errors
/// Every problem of the file.
pub fn app(label: &str, name: &str, text: &str) -> Result<App, Problems> {
    file(label, text, KEYS, |values, problems| {
        check_name(values, "name", name, "the folder's name", problems);
        let mut first_party: Vec<HostPattern> =
            values.list("first_party").iter().filter_map(|item| item.value.as_text()).map(pattern).collect();
        let stand_ins = stand_ins(values.list("simulated"), &first_party, problems);
        // The stand-in of one of the maker's hosts is the maker's on the simulated rig.
        let makers: Vec<HostPattern> =
            stand_ins.iter().filter(|stand_in| first_party.contains(&stand_in.stands_for)).map(|stand_in| stand_in.host.clone()).collect();
        first_party.extend(makers);
        Some(App {
            name: values.text("name")?.to_owned(),
            title: values.text("title")?.to_owned(),
            ids: values.list("ids").iter().filter_map(|item| item.value.as_text()).map(str::to_owned).collect(),
            first_party,
            receivers: maps(values, "receivers")
                .filter_map(|map| Some((pattern(map.text("host")?), map.text("company")?.to_owned())))
                .collect(),
            endpoints: maps(values, "endpoints").filter_map(endpoint).collect(),
            leaves: maps(values, "leaves").filter_map(leaf).collect(),
            stand_ins,
            without_adapters: false,
            protobuf: maps(values, "protobuf").filter_map(protobuf).collect(),
        })
    })
}

/// The stand-in hosts; a simulated host that could be a real one is a problem (R17), and so is one that stands for nothing.
fn stand_ins(items: &[Placed], first_party: &[HostPattern], problems: &mut Vec<Problem>) -> Vec<StandIn> {
    let mut stand_ins = Vec::new();
    for map in items.iter().filter_map(|item| item.value.as_map()) {
        let (Some(host), Some(stands_for)) = (map.text("host"), map.text("stands_for")) else { continue };
        if !host.ends_with(".test") {
            let span = map.span("host").unwrap_or_default();
            let problem = Problem::new(span, format!("use \"{host}\" as a simulated host"), "could be a real host");
            problems.push(problem.help("hosts of the simulated rig end in .test, so that nothing can leave the machine"));
        }
        if !first_party.iter().any(|known| known.0 == stands_for) {
            let span = map.span("stands_for").unwrap_or_default();
            let known: Vec<&str> = first_party.iter().map(|host| host.0.as_str()).collect();
            let problem = Problem::new(span, format!("find \"{stands_for}\" in first_party"), "not there");
            problems.push(problem.choices(stands_for, "it has", &known));
        }
        stand_ins.push(StandIn { host: pattern(host), stands_for: pattern(stands_for) });
    }
    stand_ins
}

fn maps<'a>(values: &'a Values, key: &str) -> impl Iterator<Item = &'a Values> {
    values.list(key).iter().filter_map(|item| item.value.as_map())
}

fn pattern(text: &str) -> HostPattern {
    HostPattern(text.to_owned())
}

fn endpoint(map: &Values) -> Option<Endpoint> {
    Some(Endpoint {
        method: map.text("method")?.to_owned(),
        path: PathTemplate(map.text("path")?.to_owned()),
        about: map.text("about")?.to_owned(),
    })
}

/// The descriptors themselves are read by whoever reads files.
fn protobuf(map: &Values) -> Option<ProtobufCall> {
    Some(ProtobufCall {
        path: PathTemplate(map.text("path")?.to_owned()),
        message: map.text("message")?.to_owned(),
        file: map.text("descriptors")?.to_owned(),
        descriptors: Vec::new(),
    })
}

fn leaf(map: &Values) -> Option<KnownLeaf> {
    Some(KnownLeaf {
        endpoint: map.text("endpoint").map(|path| PathTemplate(path.to_owned())),
        leaf: map.text("leaf")?.to_owned(),
        category: Category::parse(map.text("category")?)?,
        why: map.text("why")?.to_owned(),
    })
}
