//! The pages of `docs/reference/`, made from the program's own lists. Texts come from the lists; only headings and the sentence
//! that opens a page are written here.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};
use tattletale::{
    band::MODELS,
    cli::Args,
    decode::{adapter, receivers},
    detect::DETECTORS,
    model::Category,
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
    ("adapters.md", adapters),
    ("app-file.md", app_file),
    ("commands.md", commands),
    ("planted-file.md", planted_file),
    ("policy-file.md", policy_file),
    ("receivers.md", receivers),
    ("report-formats.md", report_formats),
    ("rig-file.md", rig_file),
    ("rules.md", rules),
    ("scenario-file.md", scenario_file),
    ("steps.md", steps),
    ("taxonomy.md", taxonomy),
];

fn adapters() -> String {
    let mut body = "| adapter | vendor | calls | claims |\n|---|---|---|---|\n".to_owned();
    for adapter in adapter::adapters() {
        let claims = adapter.claims.len() + adapter.endpoints.iter().map(|endpoint| endpoint.claims.len()).sum::<usize>();
        let _ = writeln!(body, "| [{0}](#{0}) | {1} | {2} | {claims} |", adapter.name, adapter.title, adapter.endpoints.len());
    }
    for adapter in adapter::adapters() {
        let hosts: Vec<String> = adapter.hosts.iter().map(|host| format!("`{}`", host.0)).collect();
        let _ = write!(body, "\n## {}\n\n{}\n\nHosts: {}.\n", adapter.name, adapter.about, hosts.join(", "));
        for endpoint in &adapter.endpoints {
            let method = endpoint.method.as_deref().map(|method| format!("{method} ")).unwrap_or_default();
            let paths: Vec<String> = endpoint.paths.iter().map(|path| format!("`{method}{}`", path.0)).collect();
            let place = if endpoint.anywhere { ", on any host" } else { "" };
            let _ = write!(body, "\n### {}{place}\n\nFor: {}.\n{}", paths.join(", "), endpoint.about, claim_table(&endpoint.claims));
        }
        if !adapter.claims.is_empty() {
            let _ = write!(body, "\n### In every request\n{}", claim_table(&adapter.claims));
        }
    }
    let text = "What is known of vendors' requests. An adapter gives a leaf a category and says why; it is never needed to find one. A claim of \
                [app.yaml](app-file.md) on the same leaf wins.";
    page("Adapters", text, &body)
}

/// The claims of one call, each source by the number under which it is listed below them.
fn claim_table(claims: &[adapter::Claim]) -> String {
    if claims.is_empty() {
        return String::new();
    }
    let mut sources: Vec<&str> = claims.iter().map(|claim| claim.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let mut text = "\n| leaf | category | what it is | source |\n|---|---|---|---|\n".to_owned();
    for claim in claims {
        let number = sources.iter().position(|source| *source == claim.source).expect("every source is in the list") + 1;
        let leaf = claim.leaf.replace('|', "\\|");
        let _ = writeln!(text, "| `{leaf}` | {} | {} | {number} |", claim.category, claim.why);
    }
    text.push('\n');
    for (number, source) in sources.iter().enumerate() {
        let _ = writeln!(
            text,
            "{}. {}",
            number + 1,
            if source.starts_with("https://") { format!("<{source}>") } else { format!("`{source}`") }
        );
    }
    text
}

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

fn planted_file() -> String {
    let more = "When it is used, and what it means for a value to be confirmed: [traffic you recorded yourself](../guide/imports.md).";
    file_page(
        "The file of planted values",
        "`planted.local.yaml`, or any file named with `--plant`",
        more,
        parse::PLANTED,
        &schema::planted_schema(),
    )
}

fn policy_file() -> String {
    let more = "Every key may be left out, and so may the file. The rules and their own severities are in [rules.md](rules.md).";
    file_page("The policy file", "`policy.yaml`, beside `scenarios/`", more, parse::POLICY, &schema::policy_schema())
}

fn receivers() -> String {
    let group = |row: &receivers::Row| (row.company, row.country, row.role, row.source());
    let mut companies: Vec<(&receivers::Row, Vec<String>)> = Vec::new();
    for row in receivers::rows() {
        let suffix = format!("`{}`", row.suffix);
        match companies.iter_mut().find(|(known, _)| group(known) == group(row)) {
            Some((_, suffixes)) => suffixes.push(suffix),
            None => companies.push((row, vec![suffix])),
        }
    }
    companies.sort_by_key(|(row, _)| row.company.to_lowercase());
    let mut body = "| company | country | role | hosts that end in | known from | on |\n|---|---|---|---|---|---|\n".to_owned();
    for (row, suffixes) in companies {
        let country = row.country.unwrap_or("unknown");
        let basis = row.data_set.map_or("generally known; check at".to_owned(), |data_set| format!("{data_set}:"));
        let (company, role, suffixes) = (row.company, row.role.word(), suffixes.join(", "));
        let _ = writeln!(body, "| {company} | {country} | {role} | {suffixes} | {basis} <{}> | {} |", row.page, row.date);
    }
    let text = "Which company runs a host, and where that company has its seat. The longest ending wins, and a receiver of \
                [app.yaml](app-file.md) before any of them. Hosts that are not here are unknown. Where the bytes are stored, and whose contract \
                a user has, are other questions. Of role `host` are hosts that a company rents out under names of its tenants: reports say who \
                hosts them, and that whose they are is not known. What is generally known was taken from no data set; the page is the \
                company's, and need not name the host. The head of `src/decode/receivers.tsv` says where rows come from and under which terms.";
    page("Receivers", text, &body)
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

fn taxonomy() -> String {
    let mut body = String::new();
    for group in Category::GROUPS {
        let _ = write!(body, "{}## {group}\n\n", if body.is_empty() { "" } else { "\n" });
        body.push_str("| word | means | DPV concept | special | Google Play | Apple |\n|---|---|---|---|---|---|\n");
        let members = Category::ALL.into_iter().filter(|category| category.group() == group && *category != group);
        for category in std::iter::once(group).chain(members) {
            let dpv = category.dpv();
            let apple: Vec<&str> = category.apple().iter().map(|id| id.trim_start_matches(APPLE)).collect();
            let _ = writeln!(
                body,
                "| **{category}** | {} | [{}]({}) | {} | {} | {} |",
                category.meaning(),
                dpv.concept,
                dpv.iri(),
                if dpv.special { "yes" } else { "" },
                one_of(category.play()),
                one_of(&apple),
            );
        }
    }
    let text = format!(
        "What a field can carry, in three layers: our word, the concept of the W3C Data Privacy Vocabulary 2.2, and what a vendor declares \
         to the app stores. The group's own word means that nothing finer is known; where a group is asked for (`never: location`, \
         `explains: [steps]`), all of its members are meant.\n\n\
         *Special*: DPV calls the concept a special category of personal data (GDPR, Article 9); that is said of the concept, not of one \
         field. *Google Play*: the box in the data-safety form; a dash where there is none. *Apple*: the value in a privacy manifest, \
         without `{APPLE}`. Several stand for one of them. Words are assigned by what was planted, by the app file, by the field's name \
         and by what the value looks like; each report says which."
    );
    page("Taxonomy", &text, &body)
}

fn one_of(ids: &[&str]) -> String {
    if ids.is_empty() { "–".to_owned() } else { ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(" or ") }
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

/// What every data type of a privacy manifest begins with.
const APPLE: &str = "NSPrivacyCollectedDataType";
/// Width of help texts, as on a wide terminal.
const COLUMNS: usize = 100;
