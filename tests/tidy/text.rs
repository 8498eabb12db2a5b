//! Rules about committed text: how a file opens, what it must not name, and that its links lead somewhere.

use super::{Paths, Problem, Rule, source::Source, source::is_word};

pub(crate) const LINKS_LEAD_SOMEWHERE: Rule = Rule {
    name: "links-lead-somewhere",
    check: links_lead_somewhere,
    rejects: &[("docs/a.md", "See [the guide](guide/missing.md)."), ("README.md", "[here](docs/missing/)")],
    accepts: &[
        ("docs/guide/a.md", "[itself](a.md#part) [folder](../guide) [web](https://host.test/x) [part](#part) `[x](y)`\n```\n[x](y)\n```\n"),
        ("README.md", "[itself](README.md)"),
    ],
};

pub(crate) const LINTS_CARRY_POLICY: Rule = Rule {
    name: "lints-carry-policy",
    check: lints_carry_policy,
    rejects: &[
        ("Cargo.toml", "[lints.rust]\nunsafe_code = \"warn\"\n"),
        (
            "Cargo.toml",
            "unsafe_code = \"forbid\"\nmissing_docs = \"warn\"\ndbg_macro = \"warn\"\nprint_stderr = \"warn\"\nprint_stdout = \"warn\"\n\
             unwrap_used = \"warn\"\npanic = \"abort\"\n",
        ),
    ],
    accepts: &[
        (
            "Cargo.toml",
            "unsafe_code = \"forbid\"\nmissing_docs = \"warn\"\ndbg_macro = \"warn\"\nprint_stderr = \"warn\"\nprint_stdout = \"warn\"\n\
             unwrap_used = \"warn\"\npanic = \"unwind\"\n",
        ),
        ("rustfmt.toml", ""),
    ],
};

pub(crate) const NO_LEFTOVERS: Rule = Rule {
    name: "no-leftovers",
    check: no_leftovers,
    rejects: &[("src/diff/mod.rs", concat!("// TO", "DO: later")), ("docs/a.md", concat!("FIX", "ME"))],
    accepts: &[("src/diff/mod.rs", "// What is to do stands in the issues.")],
};

pub(crate) const NO_MACHINE_PATHS: Rule = Rule {
    name: "no-machine-paths",
    check: no_machine_paths,
    rejects: &[
        ("docs/a.md", concat!("It lies in /ro", "ot/project/file.")),
        ("src/store/mod.rs", concat!("const A: &str = \"/tm", "p/x\";")),
        ("ci/all", concat!("cd /wor", "k/main")),
        ("tests/x.rs", concat!("// file:///hom", "e/someone/x")),
        ("README.md", concat!("C:\\Use", "rs\\someone")),
    ],
    accepts: &[
        ("docs/a.md", "POST host.test/v1/work/items; #!/usr/bin/env bash; ~/homework; ../work/x"),
        ("Cargo.lock", concat!("source = \"/ro", "ot/x\"")),
    ],
};

pub(crate) const NO_PACKAGE_REGISTRIES: Rule = Rule {
    name: "no-package-registries",
    check: no_package_registries,
    rejects: &[
        ("README.md", concat!("https://cra", "tes.io/x")),
        ("ci/all", concat!("curl https://index.cra", "tes.io")),
        ("docs/a.md", concat!("py", "pi.org")),
    ],
    accepts: &[("README.md", "cargo install --path ."), ("Cargo.lock", concat!("registry+https://index.cra", "tes.io"))],
};

pub(crate) const OPENS_WITH_A_SENTENCE: Rule = Rule {
    name: "opens-with-a-sentence",
    check: opens_with_a_sentence,
    rejects: &[
        ("src/diff/mod.rs", "use std::fmt;"),
        ("src/diff/mod.rs", ""),
        ("src/diff/mod.rs", "// What differs between two snapshots."),
        ("src/diff/mod.rs", "//! Diff"),
        ("src/diff/mod.rs", "//!\n//! What differs between two snapshots."),
        ("tests/cli.rs", "use std::fmt;\n//! The commands, as a user types them."),
    ],
    accepts: &[
        ("src/diff/mod.rs", "//! What differs between two snapshots,\n//! with its confidence.\n\nuse std::fmt;"),
        ("src/diff/mod.rs", "//! `diff`: what differs between two snapshots.\n//!\n//! | a | table |\n"),
        ("docs/a.md", "# Title"),
    ],
};

pub(crate) const SCRIPTS_STOP_AT_A_FAILURE: Rule = Rule {
    name: "scripts-stop-at-a-failure",
    check: scripts_stop_at_a_failure,
    rejects: &[
        ("ci/test", "#!/usr/bin/env bash\ncargo test\n"),
        ("ci/test", "set -euo pipefail\ncargo test\n"),
        (".ci/run", "#!/bin/sh\nset -e\n"),
    ],
    accepts: &[
        ("ci/test", "#!/usr/bin/env bash\n# Runs the tests.\nset -euo pipefail\n"),
        ("ci/licences-allowed", "MIT\n"),
        ("ci/licences.py", "\"\"\"Licences.\"\"\"\n"),
    ],
};

pub(crate) const SIMULATED_HOSTS_END_IN_TEST: Rule = Rule {
    name: "simulated-hosts-end-in-test",
    check: simulated_hosts_end_in_test,
    rejects: &[
        ("src/phone/simulated/app.rs", "const HOST: &str = \"api-mifit-de.huami.com\";"),
        ("src/phone/simulated/app.rs", "const URL: &str = \"https://tracker.invalid/collect\";"),
        ("src/phone/simulated.rs", "fn f() { format!(\"https://{region}.huami.com/x\") }"),
        ("src/phone/simulated/cloud.rs", "#[cfg(test)] mod tests { const HOST: &str = \"weather.net\"; }"),
    ],
    accepts: &[
        (
            "src/phone/simulated/app.rs",
            "const A: &[&str] = &[\"tracker.test\", \"https://api-mifit-de.huami.test/v1/data/band_data.json\"];",
        ),
        ("src/phone/simulated/app.rs", "// huami.com\nconst A: &str = \"https://{host}/x\"; const PACKAGE: &str = \"com.example.net\";"),
        ("src/phone/simulated/app.rs", "const A: &str = \"http://127.0.0.1:{port}/\";"),
        ("src/decode/endpoint.rs", "const A: &str = \"api-mifit-de.huami.com\";"),
    ],
};

fn opens_with_a_sentence(source: &Source, _: &Paths) -> Vec<Problem> {
    if !source.path.ends_with(".rs") {
        return Vec::new();
    }
    let paragraph: Vec<&str> = source.text.lines().map_while(|line| line.strip_prefix("//! ")).map(str::trim).collect();
    let sentence = paragraph.join(" ");
    if sentence.split_whitespace().count() >= 3 && sentence.ends_with(['.', ':']) {
        return Vec::new();
    }
    vec![Problem { line: 1, says: "opens with a `//!` sentence on what it is for and what it leaves to others".to_owned() }]
}

fn simulated_hosts_end_in_test(source: &Source, _: &Paths) -> Vec<Problem> {
    if !source.path.starts_with("src/phone/simulated") {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for (at, literal) in source.all_literals() {
        let host = literal.split(|c: char| !(is_word(c) || ".-{}:/".contains(c))).find(|word| names_another_host(word));
        if let Some(host) = host {
            problems.push(Problem { line: source.line(at), says: format!("`{host}`: every host of the simulated rig ends in `.test`") });
        }
    }
    problems
}

/// Whether a word of a literal names a host that is not a `.test` one: after `://` any name, else one under a public suffix.
fn names_another_host(word: &str) -> bool {
    let (after_scheme, rest) = word.split_once("://").map_or((false, word), |(_, rest)| (true, rest));
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    let last = host.rsplit('.').next().unwrap_or_default();
    let reversed = host.starts_with("com.") || host.starts_with("org.");
    if after_scheme {
        let open = last.is_empty() || last.ends_with('}') || last.bytes().all(|byte| byte.is_ascii_digit());
        return !open && last != "test" && host != "localhost";
    }
    host.contains('.') && !reversed && PUBLIC_SUFFIXES.contains(&last)
}

fn lints_carry_policy(source: &Source, _: &Paths) -> Vec<Problem> {
    if source.path != "Cargo.toml" {
        return Vec::new();
    }
    let missing = POLICY.iter().filter(|wanted| !source.text.lines().any(|line| line.trim() == **wanted));
    missing.map(|wanted| Problem { line: 1, says: format!("`{wanted}` is missing") }).collect()
}

fn no_machine_paths(source: &Source, _: &Paths) -> Vec<Problem> {
    let before = |c: char| !(is_word(c) || ".~-})*>".contains(c));
    forbid(source, MACHINE_PATHS, before, "a path of one machine")
}

fn no_package_registries(source: &Source, _: &Paths) -> Vec<Problem> {
    forbid(source, REGISTRIES, |c| !is_word(c), "a package registry's host")
}

fn no_leftovers(source: &Source, _: &Paths) -> Vec<Problem> {
    forbid(source, LEFTOVERS, |c| !is_word(c), "work left over belongs into an issue")
}

/// Finds texts where the character before satisfies a condition. Cargo's own lock file may name anything.
fn forbid(source: &Source, texts: &[&str], before: fn(char) -> bool, says: &str) -> Vec<Problem> {
    if source.path == "Cargo.lock" {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for text in texts {
        let hits = source.text.match_indices(text).filter(|(at, _)| source.text[..*at].chars().next_back().is_none_or(before));
        problems.extend(hits.map(|(at, _)| Problem { line: source.line(at), says: format!("`{text}`: {says}") }));
    }
    problems
}

fn scripts_stop_at_a_failure(source: &Source, _: &Paths) -> Vec<Problem> {
    let in_ci = source.path.starts_with("ci/") || source.path.starts_with(".ci/");
    let script = source.text.starts_with("#!") || source.text.lines().any(|line| line.starts_with("set -"));
    let stops = source.text.starts_with("#!/usr/bin/env bash\n") && source.text.lines().any(|line| line == "set -euo pipefail");
    if !in_ci || !script || stops {
        return Vec::new();
    }
    vec![Problem { line: 1, says: "a script opens with `#!/usr/bin/env bash` and says `set -euo pipefail`".to_owned() }]
}

fn links_lead_somewhere(source: &Source, paths: &Paths) -> Vec<Problem> {
    if !source.path.ends_with(".md") {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let mut fenced = false;
    for (index, line) in source.text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        // Every second piece between backticks is code.
        let prose = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        for target in prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target) {
            let file = target.split('#').next().unwrap_or_default();
            if !fenced && !file.is_empty() && !file.contains(':') && !leads(&source.path, file, paths) {
                problems.push(Problem { line: index + 1, says: format!("the link to `{target}` leads nowhere") });
            }
        }
    }
    problems
}

/// Whether a relative link from a file ends at a file or folder of the repository.
fn leads(from: &str, target: &str, paths: &Paths) -> bool {
    let mut folders: Vec<&str> = from.split('/').collect();
    folders.pop();
    for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            if folders.pop().is_none() {
                return false;
            }
        } else {
            folders.push(part);
        }
    }
    let full = folders.join("/");
    paths.contains(&full) || paths.iter().any(|path| path.strip_prefix(&full).is_some_and(|rest| rest.starts_with('/')))
}

// The texts below are written in two pieces, so that this file does not object to itself.

const LEFTOVERS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];

const MACHINE_PATHS: &[&str] = &[
    concat!("/wor", "k/"),
    concat!("/ro", "ot/"),
    concat!("/tm", "p/"),
    concat!("/hom", "e/"),
    concat!("/Use", "rs/"),
    concat!("C:\\Use", "rs"),
];

/// Lints that hold a promise, and unwinding, because a panic in a task of the Bluetooth library must not end an audit.
const POLICY: &[&str] = &[
    "dbg_macro = \"warn\"",
    "missing_docs = \"warn\"",
    "panic = \"unwind\"",
    "print_stderr = \"warn\"",
    "print_stdout = \"warn\"",
    "unsafe_code = \"forbid\"",
    "unwrap_used = \"warn\"",
];

/// Endings under which real hosts live, as far as an invented upload might name one.
const PUBLIC_SUFFIXES: &[&str] =
    &["app", "cloud", "cn", "co", "com", "de", "dev", "eu", "info", "invalid", "io", "me", "net", "nl", "org", "uk", "us"];

const REGISTRIES: &[&str] = &[
    concat!("cra", "tes.io"),
    concat!("py", "pi.org"),
    concat!("python", "hosted.org"),
    concat!("npm", "js.org"),
    concat!("npm", "js.com"),
    concat!("ruby", "gems.org"),
    concat!("proxy.go", "lang.org"),
    concat!("deb.deb", "ian.org"),
];
