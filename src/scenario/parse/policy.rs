//! Policy files (`policy.yaml`) to [`Policy`].

use std::collections::HashMap;

use super::{Problem, Problems, file};
use crate::{
    model::{Accepted, FindingId, Policy, Severity},
    scenario::{
        forms,
        spec::{Key, Kind, Need, Span, Value, Values},
    },
};

/// Words of [`Severity`], sorted.
const SEVERITIES: &[&str] = &["alarm", "note", "warning"];

/// Keys of a policy file.
pub const KEYS: &[Key] = &[
    Key {
        name: "fail_level",
        about: "Findings at or above this severity fail an audit",
        kind: Kind::Word(SEVERITIES),
        need: Need::Default("warning"),
    },
    Key {
        name: "severity",
        about: "Severity of a rule's findings, where it differs from the rule's own",
        kind: Kind::Table(&forms::NAME, &Kind::Word(SEVERITIES)),
        need: Need::Optional,
    },
    Key {
        name: "accepted",
        about: "Findings accepted for a time",
        kind: Kind::List { of: &Kind::Map(ACCEPTED), least: 0 },
        need: Need::Optional,
    },
];

const ACCEPTED: &[Key] = &[
    Key { name: "finding", about: "The finding's id, as reports print it", kind: Kind::Text(&forms::FINDING), need: Need::Required },
    Key { name: "reason", about: "Why, in words that a stranger understands", kind: Kind::Text(&forms::TEXT), need: Need::Required },
    Key { name: "expires", about: "Last day on which it holds", kind: Kind::Text(&forms::DATE), need: Need::Required },
];

/// Reads a policy file. `label` names the file in messages; `rules` are the names of the rules there are, and when it is empty
/// any name is taken.
///
/// # Errors
/// Every problem of the file.
pub fn policy(label: &str, text: &str, rules: &[&str]) -> Result<Policy, Problems> {
    file(label, text, KEYS, |values, problems| {
        let mut policy = Policy::default();
        if let Some(Value::Table(entries)) = values.0.get("severity").map(|placed| &placed.value) {
            for (rule, span, level) in entries {
                if !rules.is_empty() && !rules.contains(&rule.as_str()) {
                    let problem = Problem::new(span.clone(), format!("find the rule \"{rule}\""), "no such rule");
                    problems.push(problem.choices(rule, "valid rules", rules));
                }
                policy.severity.extend(level.value.as_text().and_then(Severity::parse).map(|severity| (rule.clone(), severity)));
            }
        }
        let mut first: HashMap<&str, Span> = HashMap::new();
        for map in values.list("accepted").iter().filter_map(|item| item.value.as_map()) {
            let Some(finding) = map.text("finding") else { continue };
            let span = map.span("finding").unwrap_or_default();
            if let Some(before) = first.get(finding) {
                let problem = Problem::new(span, format!("accept {finding} twice"), "again here");
                problems.push(problem.other(before.clone(), "first here").help("keep one of them"));
                continue;
            }
            first.insert(finding, span);
            policy.accepted.extend(accepted(map));
        }
        policy.fail_level = Severity::parse(values.text("fail_level")?)?;
        Some(policy)
    })
}

fn accepted(map: &Values) -> Option<Accepted> {
    Some(Accepted {
        finding: FindingId(map.text("finding")?.to_owned()),
        reason: map.text("reason")?.to_owned(),
        expires: map.text("expires")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_severities() {
        assert!(SEVERITIES.is_sorted());
        assert!(Severity::ALL.iter().all(|severity| SEVERITIES.contains(&severity.word())));
        assert!(SEVERITIES.iter().all(|word| Severity::parse(word).is_some()));
    }
}
