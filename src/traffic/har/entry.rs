//! One HAR entry as an exchange. What is missing or of the wrong type is left empty and counted: real files lack a lot.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::Value;

use super::{
    body::{Dialect, request_body, response_body},
    listed,
    message::{self, Said},
};
use crate::{
    model::{Captured, Exchange, ExchangeId, Header, Request, Response, Url, text::printable},
    traffic::import::UNSCRIPTED,
};

/// What an entry is.
pub(super) enum Entry {
    /// A CONNECT: how a tunnel was opened.
    Connect(Box<Exchange>),
    /// A request with what was answered, and the messages of the WebSocket that it opened.
    Exchange(Box<Exchange>, Vec<Said>),
    /// Nothing that was sent over the network, and why.
    NotSent(&'static str),
}

/// Turns entries into exchanges, one after the other.
#[derive(Default)]
pub(super) struct Reader {
    count: u64,
    /// When the entry before began: stands in for a time that is missing.
    began: Option<Timestamp>,
    latest: Option<Timestamp>,
    missing: BTreeMap<&'static str, u64>,
    dialect: Dialect,
}

impl Reader {
    /// The program that wrote the entries to come.
    pub(super) fn written_by(&mut self, creator: &str) {
        self.dialect = Dialect::of(creator);
    }

    /// The next entry.
    pub(super) fn entry(&mut self, mut entry: Value) -> Entry {
        if let Some(why) = not_sent(&entry) {
            return Entry::NotSent(why);
        }
        let exchange = self.exchange(&mut entry);
        if exchange.request.method.eq_ignore_ascii_case("connect") {
            self.count -= 1;
            return Entry::Connect(Box::new(exchange));
        }
        let (messages, others) = message::take(&mut entry, &exchange);
        if others > 0 {
            *self.missing.entry("who sent a WebSocket message").or_default() += 1;
        }
        Entry::Exchange(Box::new(exchange), messages)
    }

    /// An entry as an exchange.
    fn exchange(&mut self, entry: &mut Value) -> Exchange {
        self.count += 1;
        let began = entry.get("startedDateTime").and_then(time);
        let began = self.noted(began, "startedDateTime").or(self.began).unwrap_or(Timestamp::UNIX_EPOCH);
        self.began = Some(began);
        let ended = entry.get("time").and_then(Value::as_f64).and_then(|milliseconds| after(began, milliseconds));
        self.latest = self.latest.max(ended).max(Some(began));

        let request = entry.get_mut("request").map(Value::take);
        let request = self.request(request.unwrap_or_default(), entry.get(super::own::LOG).is_some());
        let response = entry.get_mut("response").filter(|response| response.is_object()).map(Value::take);
        let said = response.as_ref().and_then(|response| response.get("_error")).and_then(Value::as_str).filter(|said| !said.is_empty());
        let error = match said {
            Some(said) => Some(printable(said)),
            None => response.is_none().then(|| "the HAR has no response".to_owned()),
        };
        let response = self.noted(response, "response").map(|response| self.response(response));
        Exchange { id: ExchangeId(self.count), phase: UNSCRIPTED.to_owned(), tunnel: None, began, ended, request, response, error }
    }

    /// What entries lacked, and how many of them.
    pub(super) fn missing(self) -> BTreeMap<&'static str, u64> {
        self.missing
    }

    /// The latest time met so far.
    pub(super) fn latest(&self) -> Timestamp {
        self.latest.unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// `own` says that it is of one of our own exports, whose headers and URL are whole.
    fn request(&mut self, mut request: Value, own: bool) -> Request {
        let headers = request.get("headers").and_then(pairs);
        let mut headers = self.noted(headers, "request.headers").unwrap_or_default();
        let method = take_text(&mut request, "method");
        let mut url = take_text(&mut request, "url");
        self.noted((!method.is_empty()).then_some(()), "request.method");
        self.noted((!url.is_empty()).then_some(()), "request.url");
        let lists = |key: &str| request.get(key).filter(|_| !own).and_then(pairs).unwrap_or_default();
        let cookie = listed::cookie(&headers, &lists("cookies"));
        self.noted(cookie.is_none().then_some(()), "the header of cookies that they list: it was added");
        headers.extend(cookie);
        let query = listed::query(&url, &lists("queryString"));
        self.noted(query.is_none().then_some(()), "a query in their URL that they list: it was added");
        url = query.unwrap_or(url);
        let body = request_body(&mut request, &headers, self.dialect);
        let trailers = request.get("_trailers").and_then(pairs).unwrap_or_default();
        let http_version = http_version(&take_text(&mut request, "httpVersion"));
        Request { method, url: split_url(&url), http_version, headers, body, trailers }
    }

    fn response(&mut self, mut response: Value) -> Response {
        let headers = response.get("headers").and_then(pairs);
        let trailers = response.get("_trailers").and_then(pairs).unwrap_or_default();
        Response {
            status: u16::try_from(number(response.get("status"))).unwrap_or(0),
            http_version: http_version(&take_text(&mut response, "httpVersion")),
            headers: self.noted(headers, "response.headers").unwrap_or_default(),
            body: response_body(&mut response, self.dialect),
            trailers,
        }
    }

    /// Counts what is missing.
    fn noted<T>(&mut self, value: Option<T>, what: &'static str) -> Option<T> {
        if value.is_none() {
            *self.missing.entry(what).or_default() += 1;
        }
        value
    }
}

/// A URL in parts, what is after the host word for word; the fragment is left out, as it is never sent. Text that is no
/// absolute URL keeps its words in the path and has no host.
pub(in crate::traffic) fn split_url(text: &str) -> Url {
    let whole = || Url { scheme: String::new(), host: String::new(), port: 0, path_and_query: Captured::new(text.to_owned()) };
    let Some((scheme, rest)) = text.split_once("://") else { return whole() };
    let rest = rest.split('#').next().unwrap_or(rest);
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host_and_port = authority.rsplit('@').next().unwrap_or(authority);
    let (host, port) = match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (host_and_port, None),
    };
    let scheme = scheme.to_ascii_lowercase();
    let default = match scheme.as_str() {
        "https" | "wss" => 443,
        "http" | "ws" => 80,
        _ => 0,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    if host.is_empty() {
        return whole();
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Url { scheme, host, port: port.unwrap_or(default), path_and_query: Captured::new(path) }
}

/// A member's text, moved out: bodies are long.
pub(super) fn take_text(value: &mut Value, key: &str) -> String {
    match value.get_mut(key) {
        Some(Value::String(text)) => std::mem::take(text),
        _ => String::new(),
    }
}

/// A length or status; 0 when there is none, or −1 as HAR says "unknown". What nobody can have sent is cut, so that sums hold.
pub(super) fn number(value: Option<&Value>) -> u64 {
    let Some(value) = value else { return 0 };
    let text = value.as_str().and_then(|text| text.parse().ok());
    // A float that is not a length saturates to 0.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    value.as_u64().or(text).or_else(|| value.as_f64().map(|float| float as u64)).unwrap_or(0).min(LONGEST)
}

/// Header pairs: objects with name and value, as the specification has them, pairs in lists (Slack), or one object of all.
fn pairs(headers: &Value) -> Option<Vec<Header>> {
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let header = |name: String, value: Option<&Value>| Header { name, value: Captured::new(text(value)) };
    match headers {
        Value::Array(headers) => Some(
            headers
                .iter()
                .map(|pair| match pair {
                    Value::Array(pair) => header(text(pair.first()), pair.get(1)),
                    pair => header(text(pair.get("name")), pair.get("value")),
                })
                .collect(),
        ),
        Value::Object(headers) => Some(headers.iter().map(|(name, value)| header(name.clone(), Some(value))).collect()),
        _ => None,
    }
}

/// A time in one of the spellings in use: ISO 8601 with its offset, without one (read as UTC, in which most such programs
/// write it), or milliseconds since 1970.
fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => {
            let utc = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
            text.parse().ok().or_else(utc)
        }
        Value::Number(milliseconds) => milliseconds
            .as_i64()
            .filter(|milliseconds| *milliseconds > MOST_SECONDS)
            .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok()),
        _ => None,
    }
}

/// Why an entry is nothing that was sent over the network: no request and no response, answered from a cache (Chrome, Safari),
/// or a URL without a host.
fn not_sent(entry: &Value) -> Option<&'static str> {
    if entry.get(super::own::LOG).is_some() {
        return None;
    }
    if ["request", "response"].iter().all(|key| !entry.get(key).is_some_and(Value::is_object)) {
        return Some("hold no request: left out");
    }
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    if ["disk", "memory"].contains(&text("_fromCache")) || ["Disk Cache", "Memory Cache"].contains(&text("_fetchType")) {
        return Some("were answered from a cache, so nothing was sent: left out");
    }
    let url = entry.get("request").and_then(|request| request.get("url")).and_then(Value::as_str).unwrap_or_default();
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    let local = ["about", "blob", "data", "file"].contains(&scheme.as_str()) || scheme.ends_with("-extension");
    local.then_some("are of URLs that need no network (data:, blob:, …): left out")
}

/// `HTTP/1.1`, `HTTP/2` for the spellings in use: `http/2.0`, `h2`, `1.1`, ….
pub(in crate::traffic) fn http_version(text: &str) -> String {
    let upper = text.to_ascii_uppercase();
    let number = upper.strip_prefix("HTTP/").or_else(|| upper.strip_prefix('H')).unwrap_or(&upper);
    match number {
        "1.0" | "1.1" | "2" | "3" => format!("HTTP/{number}"),
        "2.0" => "HTTP/2".to_owned(),
        "3.0" => "HTTP/3".to_owned(),
        _ => upper,
    }
}

fn after(began: Timestamp, milliseconds: f64) -> Option<Timestamp> {
    let duration = SignedDuration::try_from_secs_f64(milliseconds / 1000.0).ok().filter(|duration| !duration.is_negative())?;
    began.checked_add(duration).ok()
}

/// One tebibyte: no body is longer.
pub(super) const LONGEST: u64 = 1 << 40;
/// A number that is a time in milliseconds is greater.
const MOST_SECONDS: i64 = 100_000_000_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn exchange(entry: Value) -> Exchange {
        match Reader::default().entry(entry) {
            Entry::Exchange(exchange, _) | Entry::Connect(exchange) => *exchange,
            Entry::NotSent(why) => panic!("{why}"),
        }
    }

    fn check(text: &str, expected: (&str, &str, u16, &str)) {
        let url = split_url(text);
        assert_eq!((url.scheme.as_str(), url.host.as_str(), url.port, url.path_and_query.expose().as_str()), expected, "{text}");
    }

    #[test]
    fn urls_keep_their_words() {
        check("https://API.test/a%2Fb?q=%C3%A9#top", ("https", "api.test", 443, "/a%2Fb?q=%C3%A9"));
        check("http://api.test:8080?x=1", ("http", "api.test", 8080, "/?x=1"));
        check("https://user:word@api.test/", ("https", "api.test", 443, "/"));
        check("wss://[2001:db8::1]/s", ("wss", "2001:db8::1", 443, "/s"));
        check("http://[::1]:99/", ("http", "::1", 99, "/"));
        check("data:text/plain,x", ("", "", 0, "data:text/plain,x"));
        check("https:///x", ("", "", 0, "https:///x"));
        check("https://api.test:port/", ("https", "api.test", 443, "/"));
    }

    #[test]
    fn versions_are_spelled_one_way() {
        for (text, expected) in [("http/2.0", "HTTP/2"), ("h3", "HTTP/3"), ("1.1", "HTTP/1.1"), ("HTTP/1.0", "HTTP/1.0"), ("", "")] {
            assert_eq!(http_version(text), expected);
        }
    }

    #[test]
    fn nonsense_is_an_empty_exchange_and_told() {
        let mut reader = Reader::default();
        let nonsense = json!({"request": {"method": 5}, "response": 1, "time": "x", "startedDateTime": 5});
        for nonsense in [nonsense, json!({"request": {"cookies": 7, "queryString": "x", "headers": "x", "postData": []}})] {
            let Entry::Exchange(exchange, _) = reader.entry(nonsense) else { panic!("an exchange") };
            assert_eq!(exchange.request.method, "");
            assert!(exchange.response.is_none());
        }
        let missing = reader.missing();
        for what in ["request.headers", "request.method", "request.url", "response", "startedDateTime"] {
            assert_eq!(missing[what], 2, "{what}");
        }
        assert_eq!(missing.len(), 5, "{missing:?}");
    }

    #[test]
    fn what_an_entry_lists_apart_is_taken_in_and_told() {
        let mut reader = Reader::default();
        let request = json!({
            "method": "GET", "url": "https://api.test/a?x=1", "headers": [{"name": "Host", "value": "api.test"}],
            "cookies": [{"name": "sid", "value": "7"}], "queryString": [{"name": "x", "value": "1"}, {"name": "lat", "value": "52.5"}],
        });
        let entry = json!({"startedDateTime": "2024-05-01T10:00:00Z", "request": request, "response": {"status": 200, "headers": []}});
        let Entry::Exchange(exchange, _) = reader.entry(entry) else { panic!("an exchange") };
        assert_eq!(exchange.request.header("cookie").expect("added").expose(), "sid=7");
        assert_eq!(exchange.request.url.query(), "x=1&lat=52.5");
        let told = ["a query in their URL that they list: it was added", "the header of cookies that they list: it was added"];
        assert_eq!(reader.missing().into_keys().collect::<Vec<_>>(), told);
    }

    #[test]
    fn what_was_never_sent_is_left_out() {
        let check = |entry: Value, words: &str| match Reader::default().entry(entry) {
            Entry::NotSent(why) => assert!(why.contains(words), "{why}"),
            Entry::Exchange(..) | Entry::Connect(_) => panic!("{words}"),
        };
        check(json!({"_fromCache": "disk", "request": {"method": "GET", "url": "https://api.test/"}}), "cache");
        for nothing in [json!(null), json!(7), json!([]), json!({}), json!({"request": "x", "response": null})] {
            check(nothing, "no request");
        }
        check(json!({"_fetchType": "Memory Cache", "request": {"method": "GET", "url": "https://api.test/"}}), "cache");
        check(json!({"request": {"method": "GET", "url": "data:image/png;base64,AAAA"}}), "data:");
        check(json!({"request": {"method": "GET", "url": "moz-extension://ab/x.js"}}), "no network");
        exchange(json!({"_fetchType": "Network Load", "request": {"method": "GET", "url": "https://api.test/"}}));
    }

    #[test]
    fn headers_and_times_are_read_in_every_spelling() {
        let times = [
            (json!("2024-05-01T10:00:00+0000"), "2024-05-01T10:00:00Z"),
            (json!("2024-05-01T10:00:00.5"), "2024-05-01T10:00:00.5Z"),
            (json!(1_714_557_600_000_i64), "2024-05-01T10:00:00Z"),
        ];
        for (text, expected) in times {
            assert_eq!(time(&text).expect("a time").to_string(), expected);
        }
        for headers in [json!([{"name": "A", "value": "b"}]), json!([["A", "b"]]), json!({"A": "b"})] {
            let pairs = pairs(&headers).expect("headers");
            assert_eq!((pairs[0].name.as_str(), pairs[0].value.expose().as_str()), ("A", "b"), "{headers}");
        }
    }

    #[test]
    fn what_a_browser_says_went_wrong_is_kept() {
        let failed = exchange(
            json!({"request": {"method": "GET", "url": "https://api.test/"}, "response": {"status": 0, "_error": "net::ERR_FAILED"}}),
        );
        assert_eq!(failed.error.as_deref(), Some("net::ERR_FAILED"));
    }

    #[test]
    fn times_and_lengths_of_every_kind_are_read() {
        let entry = json!({
            "startedDateTime": "2024-05-01T10:00:00.250+02:00", "time": 1500.5,
            "request": {"method": "GET", "url": "https://api.test/"},
            "response": {"status": 204.0, "headers": [{"name": "A", "value": 1}, {"name": "B"}, "x"]},
        });
        let exchange = exchange(entry);
        assert_eq!(exchange.began.to_string(), "2024-05-01T08:00:00.25Z");
        assert_eq!(exchange.ended.expect("it has a time").to_string(), "2024-05-01T08:00:01.7505Z");
        let response = exchange.response.expect("there is one");
        assert_eq!(response.status, 204);
        assert_eq!(response.headers.len(), 3);
        assert_eq!(response.headers[0].value.expose(), "1");
    }
}
