//! Scenario, app, policy, rig and planted-value files: text with spans to types. The only module that knows the syntax, which is YAML without
//! anchors, aliases and tags. Every problem of a file is told at once; reading the files is the caller's.

mod app;
mod maestro;
mod planted;
mod policy;
mod problem;
mod read;
mod rig;
mod scenario;
mod tree;

pub use app::app;
pub use planted::planted;
pub use policy::policy;
pub use problem::{Problem, Problems};
pub(crate) use read::{LATITUDE, LONGITUDE};
pub use rig::rig;
pub use scenario::{scenario, scenario_among};

pub use app::KEYS as APP;
pub use planted::KEYS as PLANTED;
pub use policy::KEYS as POLICY;
pub use rig::KEYS as RIG;
pub use scenario::KEYS as SCENARIO;

use super::spec::{Key, Span, Values};

/// Reads a file by its keys, then makes of its values what `make` makes of them. `make` tells its own problems, and returns
/// `None` only when one was told, here or there.
fn file<T>(
    label: &str,
    text: &str,
    keys: &'static [Key],
    make: impl FnOnce(&Values, &mut Vec<Problem>) -> Option<T>,
) -> Result<T, Problems> {
    file_of(label, text, keys, Privacy::Forms, make)
}

/// What of a file no message shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Privacy {
    /// Texts whose form is secret.
    Forms,
    /// Those, and all numbers; all values, where the file is no YAML.
    Numbers,
}

/// [`file`], and what of it no message shows.
fn file_of<T>(
    label: &str,
    text: &str,
    keys: &'static [Key],
    privacy: Privacy,
    make: impl FnOnce(&Values, &mut Vec<Problem>) -> Option<T>,
) -> Result<T, Problems> {
    let (mut problems, mut secrets) = (Vec::new(), Vec::new());
    let root = tree::tree(text, &mut problems);
    if root.is_none() && privacy == Privacy::Numbers {
        secrets = after_colons(text);
    }
    let values = root.and_then(|root| read::root(&root, keys, privacy, &mut problems, &mut secrets));
    let made = values.and_then(|values| make(&values, &mut problems));
    match made {
        Some(made) if problems.is_empty() => Ok(made),
        _ => {
            if problems.is_empty() {
                // Cannot happen; if it does, a wrong message beats a file taken for something that it does not say.
                problems.push(Problem::new(0..0, "make sense of it", "please report this file"));
            }
            Err(Problems::new(label, text, problems, &secrets))
        }
    }
}

/// Everything that may be a value, line by line: what follows the first colon or dash.
fn after_colons(text: &str) -> Vec<Span> {
    let mut start = 0;
    let lines = text.split_inclusive('\n').map(|line| {
        let from = start;
        start += line.len();
        let value = line.find([':', '-', '[', '{']).map_or(line.len(), |at| at + 1);
        from + value..from + line.trim_end().len().max(value)
    });
    lines.filter(|span| !span.is_empty()).collect()
}

/// Tells when the name in a file is not the name it goes by.
fn check_name(values: &Values, key: &str, expected: &str, whose: &str, problems: &mut Vec<Problem>) {
    let Some((name, span)) = values.text(key).zip(values.span(key)) else { return };
    if name != expected {
        let problem = Problem::new(span, format!("use the {key} \"{name}\""), "another name");
        problems.push(problem.help(format!("{whose} is \"{expected}\": the two must be the same")));
    }
}

#[cfg(test)]
mod nested_tests;
#[cfg(test)]
mod tests;
