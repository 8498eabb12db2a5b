//! Cookies and query parameters that an entry lists apart. Where neither the headers nor the URL hold them they were sent all
//! the same, and are put where they belong.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;

use crate::model::{Captured, Header};

/// A cookie header of the cookies that are in none of the headers; `None` when all are.
pub(super) fn cookie(headers: &[Header], listed: &[Header]) -> Option<Header> {
    let sent = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("cookie"));
    let known: BTreeSet<String> = sent.flat_map(|header| header.value.expose().split(';')).map(plain).collect();
    let pairs: Vec<String> = lacking(listed, &known).map(|pair| format!("{}={}", pair.name, pair.value.expose())).collect();
    (!pairs.is_empty()).then(|| Header { name: "cookie".to_owned(), value: Captured::new(pairs.join("; ")) })
}

/// The URL with the parameters that are not in it; `None` when all are. Those of the fragment are in it, and were not sent.
pub(super) fn query(url: &str, listed: &[Header]) -> Option<String> {
    let known: BTreeSet<String> = url.split(['?', '&', ';', '#', '/']).map(plain).collect();
    let whole = plain(url);
    let mut lacking =
        lacking(listed, &known).filter(|pair| !(pair.value.expose().len() >= UNMISTAKABLE && whole.contains(&said(pair)))).peekable();
    lacking.peek()?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(lacking.map(|pair| (&pair.name, pair.value.expose())));
    let sent = url.split_once('#').map_or(url, |(sent, _)| sent);
    let joint = if !sent.contains('?') {
        "?"
    } else if sent.ends_with(['?', '&']) {
        ""
    } else {
        "&"
    };
    Some(format!("{sent}{joint}{}", query.finish()))
}

/// What is listed and not known in any spelling.
fn lacking<'a>(listed: &'a [Header], known: &BTreeSet<String>) -> impl Iterator<Item = &'a Header> {
    let says_something = |pair: &&Header| !pair.name.is_empty() || !pair.value.expose().is_empty();
    listed.iter().filter(says_something).filter(|pair| !known.contains(&said(pair)))
}

fn said(pair: &Header) -> String {
    plain(&format!("{}={}", pair.name, pair.value.expose()))
}

/// A pair in one spelling: without percent-encoding, quotes and spaces around it. Some programs decode what they list, others do not.
fn plain(pair: &str) -> String {
    let mut decoded = pair.replace('+', " ");
    for _ in 0..MOST_ENCODINGS {
        if !decoded.contains('%') {
            break;
        }
        decoded = percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
    }
    let decoded = decoded.replace(['"', '+'], " ");
    let (name, value) = decoded.split_once('=').unwrap_or((&decoded, ""));
    format!("{}={}", name.trim(), value.trim())
}

/// Percent-encodings within each other; it bounds the work.
const MOST_ENCODINGS: usize = 8;
/// A value as long as that is in a URL because it was sent, wherever the URL is cut.
const UNMISTAKABLE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> Header {
        Header { name: name.to_owned(), value: Captured::new(value.to_owned()) }
    }

    fn check_cookie(headers: &[&str], listed: &[(&str, &str)], expected: Option<&str>) {
        let headers: Vec<Header> = headers.iter().map(|value| header("Cookie", value)).collect();
        let listed: Vec<Header> = listed.iter().map(|(name, value)| header(name, value)).collect();
        let added = cookie(&headers, &listed);
        assert_eq!(added.as_ref().map(|header| header.value.expose().as_str()), expected, "{headers:?} {listed:?}");
    }

    #[test]
    fn cookies_in_no_header_become_one() {
        check_cookie(&[], &[], None);
        check_cookie(&[], &[("a", "1"), ("b", "2")], Some("a=1; b=2"));
        check_cookie(&["a=1; b=2"], &[("b", "2"), ("a", "1")], None);
        check_cookie(&["a=1", "b=2"], &[("a", "1"), ("b", "2")], None);
        check_cookie(&["a=1"], &[("a", "2")], Some("a=2"));
        check_cookie(&["a=%7B1%7D; b=\"x\"; c"], &[("a", "{1}"), ("b", "x"), ("c", "")], None);
        check_cookie(&["a=1; b=2"], &[("", "")], None);
    }

    fn check_query(url: &str, listed: &[(&str, &str)], expected: Option<&str>) {
        let listed: Vec<Header> = listed.iter().map(|(name, value)| header(name, value)).collect();
        assert_eq!(query(url, &listed).as_deref(), expected, "{url} {listed:?}");
    }

    #[test]
    fn parameters_that_are_not_in_the_url_are_added() {
        check_query("https://a.test/p", &[], None);
        check_query("https://a.test/p", &[("lat", "52.5"), ("q", "a b&c")], Some("https://a.test/p?lat=52.5&q=a+b%26c"));
        check_query("https://a.test/p?", &[("x", "")], Some("https://a.test/p?x="));
        check_query("https://a.test/p?x=1#top", &[("x", "2")], Some("https://a.test/p?x=1&x=2"));
        check_query("https://a.test/p?x=%C3%A9+a&y&z=a%2526", &[("x", "é a"), ("y", ""), ("z", "a%2526")], None);
        check_query("https://a.test/p?x=%252525", &[("x", "%2525")], None);
        check_query("https://a.test/p?x=%C3%A9+a&z=a%26b", &[("x", "%C3%A9+a"), ("z", "a&b")], None);
        check_query("https://a.test/#/p?x=1", &[("x", "1")], None);
        check_query("https://a.test/p?u=https://b.test/c?d=e", &[("u", "https://b.test/c?d=e")], None);
    }
}
