//! What has been seen of one endpoint in one phase, while a run is being read: a table by name, so that looking at a leaf costs
//! one lookup and no allocation.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::{
    App, Category, EndpointFacts, Evidence, FieldFacts, FieldName, FieldShape, FieldType, Part, Quantity, Reason, category::keep_finest,
};

use super::{
    adapter::Claim,
    category::{NameFacts, claimed_facts},
    dark::Dark,
    leaf::RawLeaf,
};

/// One endpoint in one phase.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// All but the fields.
    pub(super) facts: EndpointFacts,
    /// Path template, for the app file's leaves.
    template: String,
    /// What vendors' adapters say of the endpoint's leaves.
    claims: Vec<&'static Claim>,
    /// Where in `slots` a field is.
    numbers: BTreeMap<Part, HashMap<String, usize>>,
    slots: Vec<Slot>,
    /// Whether what a band held is looked for by now.
    pub(super) searches_band: bool,
}

/// One field.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// What its name says.
    pub(super) name: NameFacts,
    facts: FieldFacts,
}

impl Page {
    /// An empty page for an endpoint with this path template, and with what adapters say of its leaves.
    pub(super) fn new(template: String, claims: Vec<&'static Claim>) -> Self {
        Self { template, claims, ..Self::default() }
    }

    /// The slot of a field; `None` when there are too many fields already.
    pub(super) fn slot(&mut self, app: &App, part: Part, path: &str) -> Option<&mut Slot> {
        let numbers = self.numbers.entry(part).or_default();
        let searched = self.searches_band;
        if let Some(&number) = numbers.get(path) {
            let slot = self.slots.get_mut(number)?;
            slot.facts.searched |= searched;
            return Some(slot);
        }
        if self.slots.len() >= MOST_FIELDS {
            return None;
        }
        numbers.insert(path.to_owned(), self.slots.len());
        let facts = FieldFacts { searched, ..FieldFacts::default() };
        self.slots.push(Slot { name: claimed_facts(app, &self.template, &self.claims, part, path), facts });
        self.slots.last_mut()
    }

    /// Adds what was found out about a field after it was absorbed.
    pub(super) fn add_reason(&mut self, part: Part, path: &str, category: Category, reason: Reason) {
        if let Some(slot) = self.existing(part, path) {
            slot.facts.shape.categories.insert(category);
            slot.facts.reasons.insert((category, reason));
        }
    }

    /// Whether a planted value of this name was found in a field.
    pub(super) fn holds(&self, part: Part, path: &str, planted: &str) -> bool {
        let slot = self.numbers.get(&part).and_then(|numbers| self.slots.get(*numbers.get(path)?));
        let is = |reason: &Reason| matches!(reason, Reason::PlantedValue { name, .. } if name == planted);
        slot.is_some_and(|slot| slot.facts.reasons.iter().any(|(_, reason)| is(reason)))
    }

    /// Notes readings of a field that nobody can tell from chance, because of the pieces in which they were sent.
    pub(super) fn add_untold(&mut self, part: Part, path: &str, readings: u64, could_be: BTreeMap<Quantity, u64>) {
        if let Some(slot) = self.existing(part, path) {
            slot.facts.untold += readings;
            add_all(&mut slot.facts.could_be, could_be);
        }
    }

    /// Whether a field is listed.
    pub(super) fn lists(&self, part: Part, path: &str) -> bool {
        self.numbers.get(&part).is_some_and(|numbers| numbers.contains_key(path))
    }

    /// Adds bytes of a field that nobody can explain, with their entropy.
    pub(super) fn add_unexplained(&mut self, part: Part, path: &str, Dark { bytes, entropy }: Dark) {
        if let Some(slot) = self.existing(part, path) {
            slot.facts.unexplained += bytes;
            slot.facts.entropy = slot.facts.entropy.max(entropy);
        }
    }

    /// Adds bytes that are in no field and that nobody can explain, under a name of our own; false when there are too many fields
    /// already. `seen` is empty when nobody looked at them.
    pub(super) fn add_rest(&mut self, app: &App, (part, path): (Part, &str), bytes: u64, seen: &[u8], evidence: &Evidence) -> bool {
        let Some(slot) = self.slot(app, part, path) else { return false };
        let facts = &mut slot.facts;
        facts.occurrences += 1;
        facts.shape.kind = FieldType::Opaque;
        facts.unexplained += bytes;
        facts.entropy = facts.entropy.max(super::body::entropy(seen));
        facts.first.get_or_insert_with(|| evidence.clone());
        true
    }

    /// Notes that something is in a part as a whole that was not decoded into fields.
    pub(super) fn add_unread(&mut self, part: Part, kind: FieldType, reason: (Category, Reason), evidence: &Evidence) {
        self.add_loose(part, "", reason, evidence);
        if let Some(slot) = self.existing(part, "") {
            slot.facts.shape.kind = std::mem::take(&mut slot.facts.shape.kind).join(kind);
        }
    }

    /// Notes that something is somewhere in a layer, in no leaf of it: the value around the layer has it.
    pub(super) fn add_loose(&mut self, part: Part, path: &str, reason: (Category, Reason), evidence: &Evidence) {
        let next = self.slots.len();
        let number = *self.numbers.entry(part).or_default().entry(path.to_owned()).or_insert(next);
        if number == next {
            self.slots.push(Slot::default());
        }
        let Some(slot) = self.slots.get_mut(number) else { return };
        slot.facts.searched |= self.searches_band;
        slot.facts.occurrences += 1;
        slot.facts.shape.categories.insert(reason.0);
        slot.facts.reasons.insert(reason);
        slot.facts.first.get_or_insert_with(|| evidence.clone());
    }

    fn existing(&mut self, part: Part, path: &str) -> Option<&mut Slot> {
        let number = self.numbers.get(&part)?.get(path)?;
        self.slots.get_mut(*number)
    }

    /// The fields that were absorbed, each counted for `runs` runs.
    pub(super) fn finish(mut self, runs: u32) -> EndpointFacts {
        for (part, numbers) in self.numbers {
            for (path, number) in numbers {
                let Some(slot) = self.slots.get_mut(number).filter(|slot| slot.facts.occurrences > 0) else { continue };
                let mut facts = FieldFacts { runs, ..std::mem::take(&mut slot.facts) };
                keep_finest(&mut facts.shape.categories);
                self.facts.fields.insert(FieldName { part, path }, facts);
            }
        }
        self.facts.runs = runs;
        self.facts
    }
}

impl Slot {
    /// Takes one occurrence in.
    pub(super) fn absorb(
        &mut self,
        leaf: &RawLeaf<'_>,
        kind: FieldType,
        reasons: &[(Category, Reason)],
        run: u32,
        exchange: crate::model::ExchangeId,
    ) {
        let facts = &mut self.facts;
        let first = facts.occurrences == 0;
        facts.occurrences += 1;
        // An empty occurrence says nothing about the layers that a full one has.
        let says_more = facts.shape.kind == FieldType::Empty && kind != FieldType::Empty;
        if first || says_more {
            facts.shape.chain = leaf.chain.to_vec();
        } else if kind != FieldType::Empty && facts.shape.chain != leaf.chain {
            facts.shape.chain = shorter_chain(&facts.shape.chain, leaf.chain).to_vec();
        }
        if facts.shape.kind != kind {
            facts.shape.kind = std::mem::take(&mut facts.shape.kind).join(kind);
        }
        for reason in reasons {
            if !facts.reasons.contains(reason) {
                facts.shape.categories.insert(reason.0);
                if facts.reasons.len() < MOST_REASONS {
                    facts.reasons.insert(reason.clone());
                }
            }
        }
        if facts.first.as_ref().is_none_or(|first| first.exchange > Some(exchange)) {
            facts.first = Some(Evidence { run, exchange: Some(exchange), bytes: leaf.range(), chain: leaf.chain.to_vec() });
        }
    }
}

/// Adds readings, by the quantity that they could be of.
pub(super) fn add_all(into: &mut BTreeMap<Quantity, u64>, other: BTreeMap<Quantity, u64>) {
    for (quantity, readings) in other {
        *into.entry(quantity).or_default() += readings;
    }
}

/// Joins what two runs saw of a shape.
pub(super) fn join_shapes(into: &mut FieldShape, other: FieldShape) {
    if into.kind == FieldType::Empty && other.kind != FieldType::Empty {
        into.chain = other.chain;
    } else if into.chain != other.chain && (other.kind != FieldType::Empty || into.kind == FieldType::Empty) {
        into.chain = shorter_chain(&into.chain, &other.chain).to_vec();
    }
    into.kind = std::mem::take(&mut into.kind).join(other.kind);
    into.categories.extend(other.categories);
    keep_finest(&mut into.categories);
}

/// The chain a field is shown with when its occurrences differ: the shorter one, then the smaller one.
fn shorter_chain<'a>(a: &'a [crate::model::Encoding], b: &'a [crate::model::Encoding]) -> &'a [crate::model::Encoding] {
    if (a.len(), a) <= (b.len(), b) { a } else { b }
}

/// Numbers of planted values found in one exchange.
pub(super) type Found = BTreeSet<usize>;

/// Most fields of one endpoint; an app has dozens.
const MOST_FIELDS: usize = 20_000;
const MOST_REASONS: usize = 64;
