//! A section of a page in `docs/measured/`, between two marks, written anew.

use std::{fs, path::Path};

use super::Outcome;

/// Puts a text between `<!-- NAME -->` and `<!-- end of NAME -->`.
pub(crate) fn write(page: &Path, name: &str, text: &str) -> Outcome<()> {
    let old = fs::read_to_string(page)?;
    let (opening, closing) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = old.split_once(&opening).ok_or_else(|| format!("{} has no mark {opening}", page.display()))?;
    let (_, after) = rest.split_once(&closing).ok_or_else(|| format!("{} has no mark {closing}", page.display()))?;
    Ok(fs::write(page, format!("{before}{opening}{text}{closing}{after}"))?)
}

/// What kind of machine this is, and how busy, for the head of a section.
pub(crate) fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, model)| model.to_owned()));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?").to_owned();
    format!("{processors} processors ({}), load {load} when it began", model.unwrap_or_else(|| "of an unknown kind".to_owned()))
}
