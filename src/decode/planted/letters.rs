//! Letters with accents: composed, decomposed and without the accent, for the Latin letters of European names. Everything else
//! stays as it is.

/// Composed letters as a letter and a combining mark (Unicode normalization form D).
pub(super) fn decomposed(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    for c in text.chars() {
        match parts(c) {
            Some((base, mark)) => out.extend([base, mark]),
            None => out.push(c),
        }
    }
    out
}

/// Letters followed by combining marks as one letter each, where there is one (form C).
pub(super) fn composed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match out.chars().last().and_then(|base| whole(base, c)) {
            Some(letter) => {
                out.pop();
                out.push(letter);
            }
            None => out.push(c),
        }
    }
    out
}

/// Without accents, as in user names made from names.
pub(super) fn without_accents(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in decomposed(text).chars() {
        match c {
            '\u{300}'..='\u{36f}' => {}
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'Æ' => out.push_str("AE"),
            'œ' => out.push_str("oe"),
            'ø' => out.push('o'),
            'Ø' => out.push('O'),
            'ł' => out.push('l'),
            'Ł' => out.push('L'),
            'đ' => out.push('d'),
            'Đ' => out.push('D'),
            'ı' => out.push('i'),
            _ => out.push(c),
        }
    }
    out
}

/// German umlauts written out.
pub(super) fn written_out(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    for c in composed(text).chars() {
        match c {
            'ä' => out.push_str("ae"),
            'ö' => out.push_str("oe"),
            'ü' => out.push_str("ue"),
            'Ä' => out.push_str("Ae"),
            'Ö' => out.push_str("Oe"),
            'Ü' => out.push_str("Ue"),
            'ß' => out.push_str("ss"),
            _ => out.push(c),
        }
    }
    out
}

fn parts(letter: char) -> Option<(char, char)> {
    MARKS.iter().find_map(|(mark, pairs)| {
        let mut all = pairs.chars();
        while let (Some(composed), Some(base)) = (all.next(), all.next()) {
            if composed == letter {
                return Some((base, *mark));
            }
        }
        None
    })
}

fn whole(base: char, mark: char) -> Option<char> {
    let (_, pairs) = MARKS.iter().find(|(known, _)| *known == mark)?;
    let mut all = pairs.chars();
    while let (Some(composed), Some(letter)) = (all.next(), all.next()) {
        if letter == base {
            return Some(composed);
        }
    }
    None
}

/// Combining marks, each with composed letters and their bases (Unicode, Latin-1 Supplement and Latin Extended-A and -B).
const MARKS: &[(char, &str)] = &[
    ('\u{300}', "ÀAÈEÌIÒOÙUàaèeìiòoùuǸNǹn"),
    ('\u{301}', "ÁAÉEÍIÓOÚUÝYáaéeíióoúuýyĆCćcŃNńnŚSśsŹZźzĹLĺlŔRŕr"),
    ('\u{302}', "ÂAÊEÎIÔOÛUâaêeîiôoûuĈCĉcĜGĝgĤHĥhĴJĵjŜSŝsŴWŵwŶYŷy"),
    ('\u{303}', "ÃAÑNÕOãañnõoĨIĩiŨUũu"),
    ('\u{304}', "ĀAāaĒEēeĪIīiŌOōoŪUūu"),
    ('\u{306}', "ĂAăaĔEĕeĞGğgĬIĭiŎOŏoŬUŭu"),
    ('\u{307}', "ĊCċcĖEėeĠGġgİIŻZżz"),
    ('\u{308}', "ÄAËEÏIÖOÜUäaëeïiöoüuÿyŸY"),
    ('\u{30a}', "ÅAåaŮUůu"),
    ('\u{30b}', "ŐOőoŰUűu"),
    ('\u{30c}', "ČCčcĎDďdĚEěeŇNňnŘRřrŠSšsŤTťtŽZžzǍAǎaǏIǐiǑOǒoǓUǔu"),
    ('\u{326}', "ȘSșsȚTțt"),
    ('\u{327}', "ÇCçcŞSşsŢTţtĢGģgĶKķkĻLļlŅNņn"),
    ('\u{328}', "ĄAąaĘEęeĮIįiŲUųu"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_are_taken_apart_and_put_together() {
        assert_eq!(decomposed("Jürgen Šá"), "Ju\u{308}rgen S\u{30c}a\u{301}");
        assert_eq!(composed("Ju\u{308}rgen S\u{30c}a\u{301} x\u{308}"), "Jürgen Šá x\u{308}");
        assert_eq!(without_accents("Jürgen Łęski Groß"), "Jurgen Leski Gross");
        assert_eq!(written_out("Ju\u{308}rgen Öß"), "Juergen Oess");
        assert_eq!(decomposed("日本 plain"), "日本 plain");
    }
}
