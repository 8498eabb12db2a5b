//! Finds the phrases of `words` in the names that a field's path is made of.

use std::{borrow::Cow, collections::HashMap, sync::LazyLock};

use crate::model::Category;

use super::words::{
    ENTRIES, NO_CYCLE, NO_PLACE, NO_SLEEP, NO_STEP, NO_STEPS, NO_STRESS, NO_VALUE, ON_A_SCREEN, REFINEMENTS, SCREEN, SCREEN_PARTS, Stands,
    WAITS,
};
use crate::decode::name;

/// One name of a path, ready for looking things up.
#[derive(Clone, Debug, Default)]
pub(super) struct Name {
    /// As it was written, in lower case and with its accents folded.
    text: String,
    /// Its words, folded.
    pub(super) words: Vec<String>,
}

impl Name {
    /// Reads one segment of a path, quoted or not.
    pub(super) fn new(segment: &str) -> Self {
        let text = name::unquoted(segment);
        let words = name::words(&text).iter().map(|word| fold(word).into_owned()).collect();
        let text = if text.is_ascii() { String::new() } else { fold(&text.to_lowercase()).into_owned() };
        Self { text, words }
    }

    /// Whether one of its words is in a list.
    pub(super) fn has(&self, list: &[&str]) -> bool {
        self.words.iter().any(|word| list.contains(&word.as_str()))
    }

    /// Whether it ends in one of some phrases, or holds one that is written without blanks between words.
    pub(super) fn ends_in(&self, phrases: &[&'static str]) -> bool {
        phrases.iter().any(|phrase| {
            if is_unspaced(phrase) {
                return self.text.contains(phrase);
            }
            let folded = fold(phrase);
            let count = phrase.split(' ').count();
            let tail = |count: usize| self.words.len().checked_sub(count).map(|at| self.words[at..].join(" "));
            tail(count).is_some_and(|tail| tail == folded) || tail(1).is_some_and(|tail| tail == folded.replace(' ', ""))
        })
    }
}

/// What the names of a path say, each category once, with the phrase that says it. `names` are outermost first; `has_last` is false
/// when the innermost is no name of the field's own.
pub(super) fn said(names: &[Name], has_last: bool) -> Vec<(Category, &'static str)> {
    let mut said: Vec<(Category, &'static str)> = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let before = number.checked_sub(1).and_then(|number| names.get(number));
        let beside = |list: &[&str]| name.has(list) || before.is_some_and(|before| before.has(list));
        let waits = name.words.len() == 2 && name.words[0] == "sleep" && name.has(WAITS);
        LEXICON.each_in(&name.words, &name.text, 0, |found| {
            let category = found.category;
            let excluded = (category.is_a(Category::Steps) && (beside(NO_STEPS) || found.phrase == "step" && name.has(NO_STEP)))
                || (category.is_a(Category::Sleep) && (waits || beside(NO_SLEEP)))
                || (category == Category::MenstrualCycle && beside(NO_CYCLE))
                || (category.is_a(Category::Location) && name.has(NO_PLACE))
                || (category == Category::Stress && name.has(NO_STRESS));
            if found.stands == Stands::Anywhere && !excluded {
                said.push((category, found.phrase));
            }
        });
    }
    if let Some((last, before)) = names.split_last().filter(|_| has_last) {
        let parent = before.last().map(|name| name.words.as_slice()).unwrap_or_default();
        let near = [parent, &last.words].concat();
        let mut at_end: Option<Found> = None;
        LEXICON.each_in(&near, &last.text, parent.len(), |found| match found.stands {
            Stands::Anywhere => {}
            Stands::Last => said.push((found.category, found.phrase)),
            Stands::AtEnd => {
                let longer = |known: &Found| found.rank() > known.rank();
                if found.is_at_end && at_end.as_ref().is_none_or(longer) {
                    at_end = Some(found);
                }
            }
        });
        said.extend(at_end.map(|found| (found.category, found.phrase)));
        let on_a_screen =
            last.has(ON_A_SCREEN) || before.last().is_some_and(|name| name.has(SCREEN_PARTS)) || names.iter().any(|name| name.has(SCREEN));
        said.retain(|(category, _)| !(on_a_screen && matches!(category, Category::Height | Category::Weight)));
        if last.has(NO_VALUE) {
            said.clear();
        }
    }
    for (general, finer, words) in REFINEMENTS {
        if said.iter().any(|(category, _)| category == general) {
            let word = words.iter().find(|word| names.iter().any(|name| name.words.iter().any(|of_name| *of_name == fold(word))));
            said.extend(word.map(|word| (*finer, *word)));
        }
    }
    said.sort_unstable();
    said.dedup_by_key(|(category, _)| *category);
    said
}

/// Every phrase in every spelling.
struct Lexicon {
    /// Folded words with one blank between.
    spaced: HashMap<String, Vec<Phrase>>,
    /// Phrases of scripts that write no blanks, longest first.
    unspaced: Vec<Phrase>,
}

#[derive(Clone, Copy, Debug)]
struct Phrase {
    text: &'static str,
    category: Category,
    stands: Stands,
}

/// A phrase that was found.
#[derive(Clone, Copy, Debug)]
struct Found {
    category: Category,
    stands: Stands,
    phrase: &'static str,
    /// How many words it covers.
    length: usize,
    /// Whether the name spells it as we do.
    is_literal: bool,
    is_at_end: bool,
}

impl Found {
    /// The longest says most: `device id` more than `id`. Of two spellings, the one that stands there is quoted.
    fn rank(&self) -> (usize, bool, usize) {
        (self.length, self.is_literal, self.phrase.len())
    }
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let mut lexicon = Lexicon { spaced: HashMap::new(), unspaced: Vec::new() };
    for entry in ENTRIES {
        for &text in entry.phrases {
            let phrase = Phrase { text, category: entry.category, stands: entry.stands };
            if is_unspaced(text) {
                lexicon.unspaced.push(phrase);
                continue;
            }
            let mut spellings = vec![fold(text).into_owned(), with_two_letters(text)];
            for at in 0..2 {
                let together = spellings[at].replace(' ', "");
                if together.len() >= SHORTEST_TOGETHER {
                    spellings.push(together);
                }
            }
            spellings.sort_unstable();
            spellings.dedup();
            for spelling in spellings {
                lexicon.spaced.entry(spelling).or_default().push(phrase);
            }
        }
    }
    lexicon.unspaced.sort_by_key(|phrase| std::cmp::Reverse(phrase.text.len()));
    lexicon
});

impl Lexicon {
    /// Calls back for each phrase in a row of words that ends behind the first `skipped` ones, and for each unspaced one in `text`.
    fn each_in(&self, words: &[String], text: &str, skipped: usize, mut found: impl FnMut(Found)) {
        for end in skipped + 1..=words.len() {
            for start in end.saturating_sub(LONGEST_PHRASE)..end {
                let phrases = match &words[start..end] {
                    [word] => self.spaced.get(word),
                    several => self.spaced.get(&several.join(" ")),
                };
                for phrase in phrases.into_iter().flatten() {
                    let is_literal = phrase.text.split(' ').count() == end - start;
                    found(Found {
                        category: phrase.category,
                        stands: phrase.stands,
                        phrase: phrase.text,
                        length: end - start,
                        is_literal,
                        is_at_end: end == words.len(),
                    });
                }
            }
        }
        if text.is_empty() {
            return;
        }
        // A word inside a longer one that was found says no more than that.
        let mut covered: Vec<std::ops::Range<usize>> = Vec::new();
        for phrase in &self.unspaced {
            let Some(at) = text.find(phrase.text) else { continue };
            let place = at..at + phrase.text.len();
            if !covered.iter().any(|longer| longer.start <= place.start && place.end <= longer.end) {
                let (category, stands, phrase) = (phrase.category, phrase.stands, phrase.text);
                found(Found { category, stands, phrase, length: 1, is_literal: true, is_at_end: true });
                covered.push(place);
            }
        }
    }
}

/// Whether a phrase is of a script that writes no blanks between words.
fn is_unspaced(phrase: &str) -> bool {
    phrase.chars().any(|c| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}'))
}

/// Letters without their accents and umlauts; marks of their own are dropped. What has none stays as it is.
fn fold(word: &str) -> Cow<'_, str> {
    if word.is_ascii() {
        return word.into();
    }
    let mut folded = String::with_capacity(word.len());
    for c in word.chars() {
        folded.push_str(match c {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ą' => "a",
            'ç' | 'ć' | 'č' => "c",
            'è' | 'é' | 'ê' | 'ë' | 'ę' => "e",
            'ì' | 'í' | 'î' | 'ï' => "i",
            'ł' => "l",
            'ñ' | 'ń' => "n",
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => "o",
            'ś' | 'š' => "s",
            'ß' => "ss",
            'ù' | 'ú' | 'û' | 'ü' => "u",
            'ź' | 'ż' | 'ž' => "z",
            'æ' => "ae",
            'œ' => "oe",
            'ё' => "е",
            '\u{300}'..='\u{36f}' => "",
            _ => {
                folded.push(c);
                continue;
            }
        });
    }
    folded.into()
}

/// German umlauts as two letters, as where no umlauts can be written; everything else folded.
fn with_two_letters(word: &str) -> String {
    fold(&word.replace('ä', "ae").replace('ö', "oe").replace('ü', "ue")).into_owned()
}

/// Most words of a phrase.
pub(super) const LONGEST_PHRASE: usize = 4;
/// A phrase is also found written together when that has so many letters: shorter ones would be other words.
const SHORTEST_TOGETHER: usize = 6;
