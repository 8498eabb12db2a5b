//! One HAR entry as an exchange. What is missing or of the wrong type is left empty and counted: real files lack a lot.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::body::{request_body, response_body};
use crate::model::{Captured, Exchange, ExchangeId, Header, Request, Response, Url};

/// The phase of everything in a file that knows no phases (R6).
pub(super) const UNSCRIPTED: &str = "unscripted";

/// Turns entries into exchanges, one after the other.
#[derive(Default)]
pub(super) struct Reader {
    count: u64,
    /// When the entry before began: stands in for a time that is missing.
    began: Option<Timestamp>,
    latest: Option<Timestamp>,
    missing: BTreeMap<&'static str, u64>,
}

impl Reader {
    /// The next entry as an exchange.
    pub(super) fn exchange(&mut self, mut entry: Value) -> Exchange {
        self.count += 1;
        let began = entry.get("startedDateTime").and_then(Value::as_str).and_then(|text| text.parse().ok());
        let began = self.noted(began, "startedDateTime").or(self.began).unwrap_or(Timestamp::UNIX_EPOCH);
        self.began = Some(began);
        let ended = entry.get("time").and_then(Value::as_f64).and_then(|milliseconds| after(began, milliseconds));
        self.latest = self.latest.max(ended).max(Some(began));

        let request = entry.get_mut("request").map(Value::take);
        let request = self.request(request.unwrap_or_default());
        let response = entry.get_mut("response").filter(|response| response.is_object()).map(Value::take);
        let response = self.noted(response, "response").map(|response| self.response(response));
        let error = response.is_none().then(|| "the HAR has no response".to_owned());
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

    fn request(&mut self, mut request: Value) -> Request {
        let headers = request.get("headers").and_then(Value::as_array).map(|headers| pairs(headers));
        let headers = self.noted(headers, "request.headers").unwrap_or_default();
        let method = take_text(&mut request, "method");
        let url = take_text(&mut request, "url");
        self.noted((!method.is_empty()).then_some(()), "request.method");
        self.noted((!url.is_empty()).then_some(()), "request.url");
        let content_type = headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-type"));
        let body = request_body(&mut request, content_type.map_or("", |header| header.value.expose()));
        let http_version = version(&take_text(&mut request, "httpVersion"));
        Request { method, url: split_url(&url), http_version, headers, body, trailers: Vec::new() }
    }

    fn response(&mut self, mut response: Value) -> Response {
        let headers = response.get("headers").and_then(Value::as_array).map(|headers| pairs(headers));
        Response {
            status: u16::try_from(number(response.get("status"))).unwrap_or(0),
            http_version: version(&take_text(&mut response, "httpVersion")),
            headers: self.noted(headers, "response.headers").unwrap_or_default(),
            body: response_body(&mut response),
            trailers: Vec::new(),
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
pub(super) fn split_url(text: &str) -> Url {
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

/// A length or status; 0 when there is none, or −1 as HAR says "unknown".
pub(super) fn number(value: Option<&Value>) -> u64 {
    let Some(value) = value else { return 0 };
    let text = value.as_str().and_then(|text| text.parse().ok());
    // A float that is not a length saturates to 0.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    value.as_u64().or(text).or_else(|| value.as_f64().map(|float| float as u64)).unwrap_or(0)
}

fn pairs(headers: &[Value]) -> Vec<Header> {
    let text = |header: &Value, key: &str| match header.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    headers.iter().map(|header| Header { name: text(header, "name"), value: Captured::new(text(header, "value")) }).collect()
}

/// `HTTP/1.1`, `HTTP/2` for the spellings in use: `http/2.0`, `h2`, `1.1`, ….
fn version(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            assert_eq!(version(text), expected);
        }
    }

    #[test]
    fn nonsense_is_an_empty_exchange_and_told() {
        let mut reader = Reader::default();
        for nonsense in [json!(null), json!(7), json!([]), json!({"request": "x", "response": 1, "time": "x", "startedDateTime": 5})] {
            let exchange = reader.exchange(nonsense);
            assert_eq!(exchange.request.method, "");
            assert!(exchange.response.is_none());
        }
        let missing = reader.missing();
        for what in ["request.headers", "request.method", "request.url", "response", "startedDateTime"] {
            assert_eq!(missing[what], 4, "{what}");
        }
    }

    #[test]
    fn times_and_lengths_of_every_kind_are_read() {
        let entry = json!({
            "startedDateTime": "2024-05-01T10:00:00.250+02:00", "time": 1500.5,
            "request": {"method": "GET", "url": "https://api.test/"},
            "response": {"status": 204.0, "headers": [{"name": "A", "value": 1}, {"name": "B"}, "x"]},
        });
        let exchange = Reader::default().exchange(entry);
        assert_eq!(exchange.began.to_string(), "2024-05-01T08:00:00.25Z");
        assert_eq!(exchange.ended.expect("it has a time").to_string(), "2024-05-01T08:00:01.7505Z");
        let response = exchange.response.expect("there is one");
        assert_eq!(response.status, 204);
        assert_eq!(response.headers.len(), 3);
        assert_eq!(response.headers[0].value.expose(), "1");
    }
}
