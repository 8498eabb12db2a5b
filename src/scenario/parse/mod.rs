//! Scenario, app, policy and rig files: text with spans to types. The only module that knows the syntax, which is YAML without
//! anchors, aliases and tags. Every problem of a file is told at once; reading the files is the caller's.

mod app;
mod policy;
mod problem;
mod read;
mod rig;
mod scenario;
mod tree;

pub use app::app;
pub use policy::policy;
pub use problem::{Problem, Problems};
pub(crate) use read::{LATITUDE, LONGITUDE};
pub use rig::rig;
pub use scenario::scenario;

pub use app::KEYS as APP;
pub use policy::KEYS as POLICY;
pub use rig::KEYS as RIG;
pub use scenario::KEYS as SCENARIO;

use super::spec::{Key, Values};

/// Reads a file by its keys, then makes of its values what `make` makes of them. `make` tells its own problems, and returns
/// `None` only when one was told, here or there.
fn file<T>(
    label: &str,
    text: &str,
    keys: &'static [Key],
    make: impl FnOnce(&Values, &mut Vec<Problem>) -> Option<T>,
) -> Result<T, Problems> {
    let (mut problems, mut secrets) = (Vec::new(), Vec::new());
    let root = tree::tree(text, &mut problems);
    let values = root.and_then(|root| read::root(&root, keys, &mut problems, &mut secrets));
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

/// Tells when the name in a file is not the name it goes by.
fn check_name(values: &Values, key: &str, expected: &str, whose: &str, problems: &mut Vec<Problem>) {
    let Some((name, span)) = values.text(key).zip(values.span(key)) else { return };
    if name != expected {
        let problem = Problem::new(span, format!("use the {key} \"{name}\""), "another name");
        problems.push(problem.help(format!("{whose} is \"{expected}\": the two must be the same")));
    }
}

#[cfg(test)]
mod tests;
