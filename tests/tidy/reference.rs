//! The pages of `docs/reference/`, made from the program's own lists. Texts come from the lists; only headings and the sentence
//! that opens a page are written here.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};
use tattletale::{
    band::MODELS,
    cli::Args,
    detect::DETECTORS,
    report::FORMATS,
    scenario::{
        parse,
        schema::{self, key_table},
        spec::{Key, Kind},
        steps::{STEPS, Takes},
    },
};

/// A page made from a list: its file name in `docs/reference/`, and what makes its text.
pub(crate) type ReferencePage = (&'static str, fn() -> String);

/// Every page, sorted. To add one: one function, one entry; then
/// `TATTLETALE_WRITE_REFERENCE=1 cargo test --release --test tidy`.
pub(crate) const REFERENCE: &[ReferencePage] = &[
    ("app-file.md", app_file),
    ("commands.md", commands),
    ("policy-file.md", policy_file),
    ("report-formats.md", report_formats),
    ("rig-file.md", rig_file),
    ("rules.md", rules),
    ("scenario-file.md", scenario_file),
    ("steps.md", steps),
];

fn app_file() -> String {
    file_page("The app file", "`scenarios/<app>/app.yaml`", "", parse::APP, &schema::app_schema())
}

fn commands() -> String {
    let mut command = Args::command().term_width(COLUMNS);
    command.build();
    let mut body = String::new();
    help(&command, &mut body);
    page("Commands", "What `tattletale COMMAND --help` prints, command by command. `--quiet` and `--help` work everywhere.", &body)
}

fn policy_file() -> String {
    let more = "Every key may be left out, and so may the file. The rules and their own severities are in [rules.md](rules.md).";
    file_page("The policy file", "`policy.yaml`, beside `scenarios/`", more, parse::POLICY, &schema::policy_schema())
}

fn report_formats() -> String {
    let mut body = "| `--format` | gives |\n|---|---|\n".to_owned();
    for format in FORMATS {
        let _ = writeln!(body, "| `{}` | {} |", format.name(), format.about());
    }
    page("Report formats", "For `run`, `audit` and `report`. All say the same; values that were captured are in none.", &body)
}

fn rig_file() -> String {
    let more = "Without `--rig` it is the simulated rig. Keep the file to yourself; git ignores `rig.yaml`.";
    let mut text = file_page("The rig file", "Any file, named with `--rig`", more, parse::RIG, &schema::rig_schema());
    let names: Vec<String> = MODELS.iter().map(|model| format!("`{}`", model.name())).collect();
    let _ = write!(text, "\n## Band models\n\n{}. Where each byte was learned stands in [protocols](../protocols/).\n", names.join(", "));
    text
}

fn rules() -> String {
    let mut body = "| rule | objects to | severity, at worst |\n|---|---|---|\n".to_owned();
    for rule in DETECTORS {
        let _ = writeln!(body, "| [{0}](#{0}) | {1} | {2} |", rule.name(), rule.about(), rule.severity().word());
    }
    for rule in DETECTORS {
        let _ = write!(body, "\n## {}\n\n{}", rule.name(), demoted(rule.manual()));
    }
    let text =
        "Only traffic of the app is accused. [policy.yaml](policy-file.md) can change a rule's severity, and accept a finding for a time.";
    page("Rules", text, &body)
}

fn scenario_file() -> String {
    let more = "How one is written stands in [scenarios](../../scenarios/README.md), its steps in [steps.md](steps.md).";
    file_page("The scenario file", "`scenarios/<app>/<scenario>.yaml`", more, parse::SCENARIO, &schema::scenario_schema())
}

fn steps() -> String {
    let mut body = "| step | does |\n|---|---|\n".to_owned();
    for step in STEPS {
        let _ = writeln!(body, "| [{}](#{}) | {} |", step.name, step.name.to_lowercase(), step.about);
    }
    for step in STEPS {
        let _ = write!(body, "\n{}", demoted(&step.manual()));
        let Takes::Map(keys) = &step.takes else { continue };
        for (name, keys) in nested(keys) {
            let _ = write!(body, "\n### Keys of `{name}`\n\n{}", key_table(keys));
        }
    }
    page("Steps", "What a scenario's `steps` are made of. Names are Maestro's where the meaning is Maestro's.", &body)
}

fn page(title: &str, text: &str, body: &str) -> String {
    format!("<!-- Made from the program's own lists by tests/tidy/reference.rs: change it there. -->\n# {title}\n\n{text}\n\n{body}")
}

/// A page on a file that people write: where it is, what its schema says it is, its keys, and the keys of every map in it.
fn file_page(title: &str, place: &str, more: &str, keys: &'static [Key], schema: &serde_json::Value) -> String {
    let about = schema["description"].as_str().expect("a schema describes its file");
    let mut body = key_table(keys);
    for (name, keys) in nested(keys) {
        let _ = write!(body, "\n## `{name}`\n\n{}", key_table(keys));
    }
    page(title, format!("{place}. {about}. {more}").trim_end(), &body)
}

/// The maps below some keys, each named by its path (`plant.profile`, `receivers[]`), in the order of the file.
fn nested(keys: &'static [Key]) -> Vec<(String, &'static [Key])> {
    keys.iter().flat_map(|key| nested_in(key.name, &key.kind)).collect()
}

fn nested_in(path: &str, kind: &'static Kind) -> Vec<(String, &'static [Key])> {
    match kind {
        Kind::Map(keys) => {
            let below = keys.iter().flat_map(|key| nested_in(&format!("{path}.{}", key.name), &key.kind));
            [(path.to_owned(), *keys)].into_iter().chain(below).collect()
        }
        Kind::List { of, .. } => nested_in(&format!("{path}[]"), of),
        Kind::Table(_, of) => nested_in(&format!("{path}.…"), of),
        _ => Vec::new(),
    }
}

/// The help of a command and of every command below it.
fn help(command: &Command, text: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    // Trailing blanks would be somebody's next commit.
    let lines: Vec<String> = command.clone().render_long_help().to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    let _ = write!(text, "{}## {name}\n\n```text\n{}\n```\n", if text.is_empty() { "" } else { "\n" }, lines.join("\n").trim_end());
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        help(below, text);
    }
}

/// Markdown with every heading one level lower.
fn demoted(markdown: &str) -> String {
    let mut fenced = false;
    let lines = markdown.lines().map(|line| {
        fenced ^= line.starts_with("```");
        if line.starts_with('#') && !fenced { format!("#{line}\n") } else { format!("{line}\n") }
    });
    lines.collect()
}

/// Width of help texts, as on a wide terminal.
const COLUMNS: usize = 100;
