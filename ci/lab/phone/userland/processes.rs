//! Processes of the phone as toybox's `ps` and `pidof` tell them, read from /proc.

use std::fs;

use crate::answer::Answer;

/// `pidof [-s] NAME…`: exit 1 and nothing when there is none.
pub(crate) fn pidof(arguments: &[String]) -> Answer {
    let names: Vec<&str> = arguments.iter().map(String::as_str).filter(|name| !name.starts_with('-')).collect();
    let mut found: Vec<u32> = all().into_iter().filter(|process| names.contains(&process.name())).map(|process| process.pid).collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    if arguments.iter().any(|argument| argument == "-s") {
        found.truncate(1);
    }
    if found.is_empty() {
        return Answer { code: 1, ..Answer::silent() };
    }
    Answer::line(found.iter().map(u32::to_string).collect::<Vec<_>>().join(" "))
}

/// `ps [-A] [-P PARENT] [-p PID] [-o FIELD,…]`, with toybox's fields.
pub(crate) fn ps(arguments: &[String]) -> Answer {
    let value = |flags: &[&str]| arguments.iter().skip_while(|argument| !flags.contains(&argument.as_str())).nth(1);
    let fields = value(&["-o"]).map_or("USER,PID,PPID,NAME", String::as_str);
    let fields: Vec<(&str, bool)> = fields.split([',', ' ']).map(|field| (field.trim_end_matches('='), !field.ends_with('='))).collect();
    let one_of = |list: Option<&String>, number: u32| list.is_none_or(|list| list.split(',').any(|one| one.parse() == Ok(number)));
    let (parent, pid) = (value(&["-P", "--ppid"]), value(&["-p"]));
    let mut out = String::new();
    if fields.iter().any(|(_, titled)| *titled) {
        let titles: Vec<String> = fields.iter().map(|(field, _)| pad(&field.to_uppercase(), field)).collect();
        out.push_str(&format!("{}\n", titles.join(" ").trim_end()));
    }
    for process in all().iter().filter(|process| one_of(parent, process.parent) && one_of(pid, process.pid)) {
        let columns: Vec<String> = fields.iter().map(|(field, _)| pad(&process.field(&field.to_uppercase()), field)).collect();
        out.push_str(&format!("{}\n", columns.join(" ").trim_end()));
    }
    Answer::said(out)
}

/// A process.
struct Process {
    pid: u32,
    parent: u32,
    arguments: Vec<String>,
    comm: String,
}

impl Process {
    /// The last part of what it was started as; an app is named like its package.
    fn name(&self) -> &str {
        self.arguments.first().map_or(self.comm.as_str(), |first| first.rsplit('/').next().unwrap_or(first))
    }

    fn field(&self, field: &str) -> String {
        match field {
            "PID" => self.pid.to_string(),
            "PPID" => self.parent.to_string(),
            "USER" | "UID" => "root".to_owned(),
            "ARGS" | "CMDLINE" => self.arguments.join(" "),
            "COMM" => self.comm.clone(),
            _ => self.name().to_owned(),
        }
    }
}

fn pad(text: &str, field: &str) -> String {
    match field.to_uppercase().as_str() {
        "PID" | "PPID" => format!("{text:>5}"),
        "USER" => format!("{text:<12}"),
        _ => text.to_owned(),
    }
}

fn all() -> Vec<Process> {
    let Ok(folder) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found: Vec<Process> =
        folder.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(process).collect();
    found.sort_by_key(|process| process.pid);
    found
}

/// `None` when it has ended meanwhile.
fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(')')?;
    let comm = head.split_once('(')?.1.to_owned();
    let mut tail = tail.split_whitespace();
    if tail.next()? == "Z" {
        return None;
    }
    let parent = tail.next()?.parse().ok()?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let arguments = line.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).filter(|part| !part.is_empty());
    Some(Process { pid, parent, arguments: arguments.collect(), comm })
}
