//! The ids of a mobile phone mast, which say where a phone is as well as coordinates do: by name, where two of them stand side by
//! side. Networks around a phone are named by `category`.

use std::collections::HashMap;

use crate::model::{Category, Part, Reason};

use super::{
    super::{category::NameFacts, leaf::RawLeaf},
    Sign,
};

/// Ids of masts in one request, by group of siblings.
#[derive(Debug, Default)]
pub(super) struct Masts {
    groups: HashMap<u32, Vec<Found>>,
}

/// One id, its field, and how it was sent.
type Found = (Id, (Part, String), String);

/// An id that is part of a mast's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    /// Mobile country and network code: alone they name the operator.
    Operator,
    /// Location or tracking area code.
    Area,
    /// The cell within the area.
    Cell,
}

impl Masts {
    /// Looks at one leaf. Gives whether it is kept.
    pub(super) fn look(&mut self, leaf: &RawLeaf<'_>, name: &NameFacts) -> bool {
        let Some(id) = id_of(name) else { return false };
        let Some(text) = leaf.value.as_text() else { return false };
        // 3GPP TS 23.003 sections 4.3 and 19.4: the largest are cell identities of 28 bits, 36 bits in NR.
        let Some(number) = text.parse::<u64>().ok().filter(|number| *number > 0 && *number < 1 << 36) else {
            return false;
        };
        if (id == Id::Operator && number > 999) || self.groups.len() >= MOST_GROUPS {
            return false;
        }
        let group = self.groups.entry(leaf.group).or_default();
        let fits = group.len() < MOST_IDS;
        if fits {
            group.push((id, (leaf.part, leaf.path.to_owned()), text.to_owned()));
        }
        fits
    }

    /// The ids that belong to a mast: an area with a cell, or either with its operator.
    pub(super) fn signs(self) -> Vec<Sign> {
        let mut groups: Vec<_> = self.groups.into_iter().collect();
        groups.sort_by_key(|(group, _)| *group);
        let mut signs = Vec::new();
        for (_, ids) in groups {
            let has = |wanted: Id| ids.iter().any(|(id, ..)| *id == wanted);
            let kinds = [Id::Operator, Id::Area, Id::Cell].into_iter().filter(|id| has(*id)).count();
            if kinds < 2 {
                continue;
            }
            let places = ids.into_iter().filter(|(id, ..)| *id != Id::Operator);
            signs.extend(places.map(|(_, field, spelled)| Sign {
                field,
                category: Category::CellTower,
                reason: Reason::Shape { what: MAST.to_owned() },
                spelled,
            }));
        }
        signs
    }
}

fn id_of(name: &NameFacts) -> Option<Id> {
    let last = name.words.last()?.as_str();
    let before = name.words.len().checked_sub(2).and_then(|at| name.words.get(at)).map_or("", String::as_str);
    Some(match (before, last) {
        (_, "mcc" | "mnc" | "mccmnc" | "plmn") => Id::Operator,
        (_, "lac" | "tac") | ("area", "code") => Id::Area,
        (_, "cid" | "ci" | "eci" | "nci" | "cellid" | "enodeb" | "enb") | ("cell", "id" | "identity") => Id::Cell,
        _ => return None,
    })
}

/// Whether a value is the ids of a mast in one text, under a name that speaks of one.
pub(super) fn is_mast(name: &NameFacts, text: &str) -> bool {
    let speaks = name.words.iter().any(|word| ["cell", "cgi", "ecgi", "tower"].contains(&word.as_str()));
    speaks && is_global_cell(text)
}

/// `262-01-4660-22136`: country, network, area, cell.
fn is_global_cell(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', ',', ':', '_', '.', '|']).map(str::trim).collect();
    let number = |at: usize| parts.get(at).and_then(|part: &&str| part.parse::<u64>().ok());
    let country = number(0).is_some_and(|code| (200..800).contains(&code));
    let network = number(1).is_some_and(|code| code < 1000);
    let area = number(2).is_some_and(|code| code < 1 << 24);
    (4..=6).contains(&parts.len()) && country && network && area && number(3).is_some_and(|code| code < 1 << 36)
}

/// What the ids of a mast are.
pub(super) const MAST: &str = "the ids of a mobile phone mast";
const MOST_GROUPS: usize = 1_000;
const MOST_IDS: usize = 64;
