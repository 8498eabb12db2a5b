//! The house rules that a compiler does not check: which module may import which, what the core must not touch, what committed
//! text must not name. Every rule carries bad sources that it must reject and good ones that it must accept.

use std::{collections::BTreeSet, fs, path::Path};

#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/purity.rs"]
mod purity;
#[path = "tidy/reference.rs"]
mod reference;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/text.rs"]
mod text;

use reference::REFERENCE;
use source::Source;

/// The layer table. A module imports only from layers below its own; instruments and core meet only in `cli`. `main.rs` is layer
/// 7. Changing the table is a decision and gets a page in `docs/decisions/`.
const LAYERS: &[(u8, &str, Side)] = &[
    (0, "clock", Side::Neither),
    (0, "model", Side::Neither),
    (1, "decode", Side::Core),
    (1, "detect", Side::Core),
    (1, "diff", Side::Core),
    (1, "link", Side::Instrument),
    (1, "report", Side::Core),
    (1, "snapshot", Side::Core),
    (1, "store", Side::Neither),
    (1, "traffic", Side::Instrument),
    (2, "band", Side::Instrument),
    (3, "phone", Side::Instrument),
    (4, "scenario", Side::Instrument),
    (5, "audit", Side::Core),
    (5, "run", Side::Instrument),
    (6, "cli", Side::Neither),
];

/// Every rule, sorted by name. To add one: a constant beside its kind, one entry.
const RULES: &[Rule] = &[
    purity::CORE_IS_PURE,
    imports::EVERY_MODULE_HAS_A_LAYER,
    imports::HALVES_MEET_IN_CLI,
    imports::LAYERS_POINT_DOWN,
    text::LINKS_LEAD_SOMEWHERE,
    text::LINTS_CARRY_POLICY,
    text::NO_LEFTOVERS,
    text::NO_MACHINE_PATHS,
    text::NO_PACKAGE_REGISTRIES,
    imports::NO_WAY_ROUND,
    text::OPENS_WITH_A_SENTENCE,
    text::SCRIPTS_STOP_AT_A_FAILURE,
    text::SIMULATED_HOSTS_END_IN_TEST,
    imports::STAND_IN_KNOWS_NO_DECODER,
    purity::SURROUNDINGS_IN_MAIN,
];

/// One of the two halves, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// Synchronous, no I/O of its own, cannot fail.
    Core,
    /// Async, touches the world.
    Instrument,
    /// May be used by both, or uses both.
    Neither,
}

/// A rule over one file.
struct Rule {
    /// Its name.
    name: &'static str,
    /// What it objects to in a file, given the paths of all files.
    check: fn(&Source, &Paths) -> Vec<Problem>,
    /// Paths and texts that it must object to: at least one.
    rejects: &'static [(&'static str, &'static str)],
    /// Paths and texts that it must leave alone: at least one.
    accepts: &'static [(&'static str, &'static str)],
}

/// Paths of all files, from the repository root.
type Paths = BTreeSet<String>;

/// What a rule objects to.
#[derive(Debug)]
struct Problem {
    /// Line, from 1.
    line: usize,
    /// A sentence on what is wrong.
    says: String,
}

#[test]
fn the_tree_is_tidy() {
    let files = tree();
    let paths: Paths = files.iter().map(|file| file.path.clone()).collect();
    assert!(paths.contains("src/lib.rs") && paths.contains("README.md"), "the repository was not found");
    let mut problems = Vec::new();
    for file in &files {
        for rule in RULES {
            let found = (rule.check)(file, &paths);
            problems.extend(found.into_iter().map(|problem| format!("{}:{}: {} [{}]", file.path, problem.line, problem.says, rule.name)));
        }
    }
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn every_rule_rejects_its_bad_sources_and_accepts_its_good_ones() {
    for rule in RULES {
        assert!(!rule.rejects.is_empty(), "{}: a rule without a bad source proves nothing", rule.name);
        assert!(!rule.accepts.is_empty(), "{}: a rule without a good source may reject everything", rule.name);
        for (samples, bad) in [(rule.rejects, true), (rule.accepts, false)] {
            for (path, text) in samples {
                let problems = (rule.check)(&Source::new(path, text), &BTreeSet::from([(*path).to_owned()]));
                assert_eq!(!problems.is_empty(), bad, "{}: {path}: {text:?}: {problems:?}", rule.name);
            }
        }
    }
}

#[test]
fn rules_layers_and_reference_pages_are_sorted() {
    assert!(REFERENCE.is_sorted_by(|a, b| a.0 < b.0));
    assert!(RULES.is_sorted_by(|a, b| a.name < b.name));
    assert!(LAYERS.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
}

#[test]
fn every_layer_is_of_a_module_that_exists() {
    let files = tree();
    for (_, module, _) in LAYERS {
        assert!(files.iter().any(|file| paths::module_of(&file.path) == Some(module)), "there is no module `{module}` any more");
    }
}

#[test]
fn reference_pages_are_fresh() {
    let folder = root().join("docs/reference");
    if std::env::var_os("TATTLETALE_WRITE_REFERENCE").is_some() && std::env::var_os("CI").is_none() {
        for (page, generate) in REFERENCE {
            fs::create_dir_all(&folder).expect("docs can be written");
            fs::write(folder.join(page), generate()).expect("docs can be written");
        }
    }
    let committed: Vec<(String, String)> =
        tree().into_iter().filter_map(|file| Some((file.path.strip_prefix("docs/reference/")?.to_owned(), file.text))).collect();
    let generated: Vec<(String, String)> = REFERENCE.iter().map(|(page, generate)| ((*page).to_owned(), generate())).collect();
    let stale = stale_pages(&committed, &generated);
    assert!(stale.is_empty(), "{}; to write them anew: TATTLETALE_WRITE_REFERENCE=1 cargo test --release --test tidy", stale.join(", "));
}

#[test]
fn a_stale_missing_or_handmade_reference_page_is_rejected() {
    let page = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let check = |committed: &[(String, String)], expected: &[&str]| {
        assert_eq!(stale_pages(committed, &[page("steps.md", "# Steps\n")]), expected);
    };
    check(&[page("steps.md", "# Steps\n")], &[]);
    check(&[page("steps.md", "# Old steps\n")], &["docs/reference/steps.md is not what the lists make it"]);
    check(&[], &["docs/reference/steps.md is missing"]);
    check(&[page("steps.md", "# Steps\n"), page("mine.md", "")], &["docs/reference/mine.md is made by nothing in REFERENCE"]);
}

/// What is wrong with the committed pages, compared with the generated ones.
fn stale_pages(committed: &[(String, String)], generated: &[(String, String)]) -> Vec<String> {
    let mut stale = Vec::new();
    for (name, text) in generated {
        match committed.iter().find(|(committed, _)| committed == name) {
            None => stale.push(format!("docs/reference/{name} is missing")),
            Some((_, committed)) if committed != text => stale.push(format!("docs/reference/{name} is not what the lists make it")),
            Some(_) => {}
        }
    }
    let handmade = committed.iter().filter(|(name, _)| !generated.iter().any(|(generated, _)| generated == name));
    stale.extend(handmade.map(|(name, _)| format!("docs/reference/{name} is made by nothing in REFERENCE")));
    stale
}

/// Every text file of the repository that git would keep.
fn tree() -> Vec<Source> {
    let mut files = Vec::new();
    read_folder(root(), "", &mut files);
    let test_modules: Vec<String> = files.iter().flat_map(Source::test_modules).collect();
    for file in &mut files {
        let declared = |module: &String| if module.ends_with('/') { file.path.starts_with(module.as_str()) } else { file.path == *module };
        if test_modules.iter().any(declared) {
            file.mark_test_only();
        }
    }
    files
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<Source>) {
    let entries = fs::read_dir(folder).expect("the repository can be read");
    for entry in entries.map(|entry| entry.expect("the repository can be read")) {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}{name}");
        let hidden = name.starts_with('.') && !HIDDEN.contains(&name.as_str());
        let exported = prefix.is_empty() && name.ends_with(".har");
        if hidden || exported || IGNORED.contains(&path.as_str()) || name.ends_with(".snap.new") {
            continue;
        }
        if entry.file_type().expect("the repository can be read").is_dir() {
            read_folder(&entry.path(), &format!("{path}/"), files);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            // What is not UTF-8 is a fixture, not text.
            files.push(Source::new(&path, &text));
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is ours although its name begins with a dot; the rest is git's, or an editor's.
const HIDDEN: &[&str] = &[".ci", ".gitattributes", ".gitignore"];

/// As `.gitignore` says.
const IGNORED: &[&str] = &[
    "fuzz/Cargo.lock",
    "fuzz/artifacts",
    "fuzz/corpus",
    "fuzz/coverage",
    "fuzz/target",
    "planted.local.yaml",
    "rig.yaml",
    "runs",
    "target",
];
