//! Whether an uploaded position or location field is explained by the phases of the run (R5). Shared by `passive-location` and
//! `never`; makes no findings of its own.

use super::{Case, START};
use crate::model::{
    Category, Certainty, EndpointFacts, EndpointKey, FieldFacts, FieldName, FieldShape, Origin, PositionSighting, Reason,
    position::{distance_words, exactness_words},
};

/// What a sighted position amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The phone was there only in phases that do not explain location.
    Passive,
    /// The phone was at one place in all phases, so only the phase in which it was sent can judge, and it explains nothing.
    PassiveBySending,
    /// The phone was there while it was sent, in a phase that explains nothing, but also in one that explains location.
    Ambiguous,
    /// It belongs to a phase that explains location, or the run has no phases.
    Explained,
}

/// Judges a position by the phases in which the phone was there.
pub(super) fn judge(case: &Case<'_>, sighting: &PositionSighting) -> Judgement {
    let sent_in = &sighting.endpoint.phase;
    let Some(sent_explained) = explains(case, sent_in, sighting) else { return Judgement::Explained };
    let held_explained = sighting.held_in.iter().any(|phase| explains(case, phase, sighting) == Some(true));
    let everywhere = never_moved(case, sighting);
    match (held_explained, sent_explained) {
        (false, true) if sighting.held_in.is_empty() => Judgement::Explained,
        (false, _) => Judgement::Passive,
        (true, false) if everywhere => Judgement::PassiveBySending,
        (true, false) if sighting.held_in.contains(sent_in) => Judgement::Ambiguous,
        (true, _) => Judgement::Explained,
    }
}

/// Whether a phase explains a position: as the kind of place that its digits make it, or as part of a track.
fn explains(case: &Case<'_>, phase: &str, sighting: &PositionSighting) -> Option<bool> {
    let is_in_track = || case.field(&sighting.endpoint, &sighting.field).is_some_and(|field| field.shape.is_a(Category::Track));
    let as_place = case.explains(phase, Category::of_exactness(sighting.precision_m))?;
    Some(as_place || (is_in_track() && case.explains(phase, Category::Track) == Some(true)))
}

/// Whether a sighted position is of a category, or of a member of a group: by its digits, or by what its field is.
pub(super) fn is_a(case: &Case<'_>, sighting: &PositionSighting, general: Category) -> bool {
    Category::of_exactness(sighting.precision_m).is_a(general)
        || case.field(&sighting.endpoint, &sighting.field).is_some_and(|field| field.shape.is_a(general))
}

/// Whether the phone was at this place from the start to the end of the phase in which it was sent.
fn never_moved(case: &Case<'_>, sighting: &PositionSighting) -> bool {
    let phases = case.observations.phases.iter().map(|(phase, _)| phase.as_str());
    let last = phases.clone().position(|phase| phase == sighting.endpoint.phase).unwrap_or(usize::MAX);
    let held = |phase: &str| sighting.held_in.contains(phase);
    held(START) && phases.take(last.saturating_add(1)).all(held)
}

/// Positions in uploads of the app.
pub(super) fn of_app<'a>(case: &Case<'a>) -> impl Iterator<Item = &'a PositionSighting> {
    case.observations.positions.iter().filter(|sighting| sighting.origin == Origin::App)
}

/// Location fields of the app without a sighted position, sent in a phase that does not explain location.
pub(super) fn unplanted<'a>(case: &Case<'a>) -> impl Iterator<Item = (&'a EndpointKey, &'a EndpointFacts, &'a FieldName, &'a FieldFacts)> {
    let case = *case;
    let endpoints = case
        .observations
        .endpoints
        .iter()
        .filter(move |(key, facts)| facts.origin == Origin::App && !belongs_to_an_explained_position(&case, key));
    endpoints.flat_map(|(key, facts)| facts.fields.iter().map(move |(name, field)| (key, facts, name, field))).filter(
        move |(key, _, name, field)| {
            field.shape.is_a(Category::Location)
                && case.explains_all(&key.phase, categories(&field.shape)) == Some(false)
                && !is_sighted(&case, key, name)
        },
    )
}

/// A track that is uploaded late brings its other location fields along.
fn belongs_to_an_explained_position(case: &Case<'_>, key: &EndpointKey) -> bool {
    let mut here = of_app(case).filter(|sighting| sighting.endpoint == *key).peekable();
    here.peek().is_some() && here.all(|sighting| judge(case, sighting) == Judgement::Explained)
}

fn is_sighted(case: &Case<'_>, key: &EndpointKey, name: &FieldName) -> bool {
    of_app(case).any(|sighting| sighting.endpoint == *key && (sighting.field == *name || sighting.companion.as_ref() == Some(name)))
}

/// What a field is of location.
pub(super) fn categories(shape: &FieldShape) -> impl Iterator<Item = Category> + '_ {
    shape.categories.iter().copied().filter(|category| category.is_a(Category::Location))
}

/// The reasons why a field is called location, or a kind of it.
pub(super) fn reasons(field: &FieldFacts) -> impl Iterator<Item = &Reason> {
    field.reasons.iter().filter(|(category, _)| category.is_a(Category::Location)).map(|(_, reason)| reason)
}

/// A sentence on one sighted position: endpoint, field, phases, distance.
pub(super) fn sentence(sighting: &PositionSighting, judgement: Judgement) -> String {
    let companion = sighting.companion.as_ref().map(|name| format!(" and {name}")).unwrap_or_default();
    let held: Vec<&str> = sighting.held_in.iter().map(String::as_str).collect();
    let whose = match judgement {
        Judgement::PassiveBySending => "the phone's position".to_owned(),
        _ if held.is_empty() => "a planted position".to_owned(),
        _ => format!("the position of {}", held.join(" or ")),
    };
    format!(
        "{whose}, sent in {} to {} as {}{companion}, {} from where the phone was",
        sighting.endpoint.phase,
        sighting.endpoint.place(),
        sighting.field,
        distance_words(sighting.distance_m)
    )
}

/// Positions of the app that belong to a phase that explains location and were sent in one that does not: no finding, but
/// said (R5). One sentence each.
pub fn late(case: &Case<'_>) -> Vec<String> {
    let sent_unexplained = |sighting: &PositionSighting| explains(case, &sighting.endpoint.phase, sighting) == Some(false);
    of_app(case)
        .filter(|sighting| sent_unexplained(sighting) && judge(case, sighting) == Judgement::Explained)
        .map(|sighting| sentence(sighting, Judgement::Explained))
        .collect()
}

/// More on one sighted position.
pub(super) fn details(sighting: &PositionSighting, judgement: Judgement, runs: u32) -> Vec<String> {
    let mut details = vec![
        format!("written as {}: exact to {}", sighting.how, exactness_words(sighting.precision_m)),
        format!("in {} of {runs} run{}", sighting.runs, if runs == 1 { "" } else { "s" }),
    ];
    if sighting.certainty == Certainty::Likely {
        details.push("probably: so few digits may stand there by chance".into());
    }
    match judgement {
        Judgement::PassiveBySending => {
            details.push("the phone was at one place in all phases: only when it was sent can be told, not when it was collected".into());
        }
        Judgement::Ambiguous => {
            details.push("the phone was there in a phase that explains location too, so which one it belongs to cannot be told".into());
        }
        Judgement::Passive | Judgement::Explained => {}
    }
    details
}
