//! Bodies between HAR's text and bytes. HAR keeps text; which bytes it stands for is a rule (R16).

use base64::{
    Engine,
    alphabet::STANDARD as ALPHABET,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::Value;

use super::entry::{LONGEST, number, take_text};
use crate::model::{Body, BodyContent, Header};

/// Standard base64; padding may be missing.
pub(super) const BASE64: GeneralPurpose =
    GeneralPurpose::new(&ALPHABET, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// How the program that wrote a HAR made text of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Dialect {
    /// By rule R16.
    #[default]
    Any,
    /// mitmproxy: by charset, else UTF-8 for JSON, else what an HTML page says of itself, else Latin-1, whatever the type
    /// (`infer_content_encoding` in its `net/http/headers.py`). Requests and responses alike.
    Mitmproxy,
}

impl Dialect {
    /// By the name of the program.
    pub(super) fn of(creator: &str) -> Self {
        if creator.to_ascii_lowercase().starts_with("mitmproxy") { Self::Mitmproxy } else { Self::Any }
    }

    fn of_request(self, text: String, mime: &str) -> Vec<u8> {
        match self {
            Self::Any => encoded(text, mime),
            Self::Mitmproxy => by_mitmproxy(text, mime),
        }
    }

    fn of_response(self, text: String, mime: &str) -> Vec<u8> {
        match self {
            Self::Any => text.into_bytes(),
            Self::Mitmproxy => by_mitmproxy(text, mime),
        }
    }
}

/// The body of a request: `postData.text`, by its own encoding or [`encoded`]; `postData.params` as a form when there is no
/// text; HTTP Toolkit's `_content` where it is binary. One that the headers announce and nobody wrote down is absent, not empty;
/// one of which the HAR holds less than was announced is torn, unless a content encoding explains the difference.
pub(super) fn request_body(request: &mut Value, headers: &[Header], dialect: Dialect) -> Body {
    let named =
        |name: &str| headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.expose().trim());
    let announced = named("content-length").and_then(|length| length.parse().ok()).unwrap_or(0).min(LONGEST);
    let length = number(request.get("bodySize")).max(announced);
    let content_type = named("content-type").unwrap_or_default();
    let packed = named("content-encoding").is_some_and(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity"));
    let whole = |body: Body| if packed { body } else { cut_off(body, length) };
    let mut elsewhere = false;
    if let Some(data) = request.get_mut("postData").filter(|data| data.is_object()) {
        let text = take_text(data, "text");
        let mime = data.get("mimeType").and_then(Value::as_str).filter(|mime| !mime.is_empty()).unwrap_or(content_type);
        if !text.is_empty() {
            // Exports of ours, and what others write.
            if ["_encoding", "encoding"].iter().any(|key| data.get(key).and_then(Value::as_str) == Some("base64")) {
                return whole(from_base64(text, length));
            }
            return whole(Body::inline(dialect.of_request(text, mime)));
        }
        if let Some(params) = data.get("params").and_then(Value::as_array).filter(|params| !params.is_empty()) {
            return form_body(params, mime, length);
        }
        elsewhere = in_another_file(data);
    }
    if let Some(content) = request.get_mut("_content").filter(|content| content.is_object()) {
        let text = take_text(content, "text");
        let is_base64 = content.get("encoding").and_then(Value::as_str) == Some("base64");
        match text.is_empty() {
            true => {}
            false if is_base64 => return whole(from_base64(text, length)),
            false => return whole(Body::inline(encoded(text, content_type))),
        }
    }
    if elsewhere {
        return absent(length, "it is in another file, beside the HAR");
    }
    if request.get("_requestBodyStatus").and_then(Value::as_str).is_some_and(|status| status.starts_with("discarded")) {
        return absent(length, "the program that wrote the HAR left it out");
    }
    match named("transfer-encoding") {
        Some(_) if length == 0 => absent(0, "it came in pieces, and the HAR does not hold it"),
        _ => without_text(length),
    }
}

/// The body of a response: `content.text`, as base64 when it says so, else as its dialect has it: UTF-8, mostly.
pub(super) fn response_body(response: &mut Value, dialect: Dialect) -> Body {
    let length = number(response.get("bodySize"));
    let Some(content) = response.get_mut("content").filter(|content| content.is_object()) else { return without_text(length) };
    let length = length.max(number(content.get("size")));
    let text = take_text(content, "text");
    match content.get("encoding").and_then(Value::as_str) {
        _ if text.is_empty() && in_another_file(content) => absent(length, "it is in another file, beside the HAR"),
        _ if text.is_empty() => without_text(length),
        Some("base64") => from_base64(text, length),
        _ => Body::inline(dialect.of_response(text, content.get("mimeType").and_then(Value::as_str).unwrap_or_default())),
    }
}

/// Whether Playwright put a body into a file of its own.
fn in_another_file(data: &Value) -> bool {
    ["_file", "_sha1"].iter().any(|key| data.get(*key).is_some_and(Value::is_string))
}

/// The bytes that a request's text stands for: by charset, else Latin-1 for binary types, else UTF-8. Text that Latin-1
/// cannot say is UTF-8.
pub(super) fn encoded(text: String, mime: &str) -> Vec<u8> {
    let mime = mime.to_ascii_lowercase();
    let latin = match charset(&mime) {
        Some(charset) => LATIN.contains(&charset),
        None => is_binary(mime.trim()),
    };
    if latin { latin_1(text) } else { text.into_bytes() }
}

fn by_mitmproxy(text: String, mime: &str) -> Vec<u8> {
    let mime = mime.to_ascii_lowercase();
    let latin = match charset(&mime) {
        Some(charset) => LATIN.contains(&charset),
        None if mime.contains("json") => false,
        None if mime.contains("html") || mime.contains("text/css") => {
            let start: String = text.chars().take(SAYS_ITS_CHARSET).collect::<String>().to_ascii_lowercase();
            match start.split_once("charset") {
                Some((_, rest)) => rest.trim_start_matches([' ', '=', '"', '\'']).starts_with("iso-8859-1"),
                None => true,
            }
        }
        None => true,
    };
    if latin { latin_1(text) } else { text.into_bytes() }
}

/// Text in Latin-1; in UTF-8 when Latin-1 cannot say it.
fn latin_1(text: String) -> Vec<u8> {
    if !text.is_ascii() && text.chars().all(|c| u8::try_from(c).is_ok()) {
        return text.chars().filter_map(|c| u8::try_from(c).ok()).collect();
    }
    text.into_bytes()
}

/// Standard base64 with padding.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

fn from_base64(mut text: String, length: u64) -> Body {
    text.retain(|c| !c.is_ascii_whitespace());
    match BASE64.decode(text) {
        Ok(bytes) => Body::inline(bytes),
        Err(_) => absent(length, "the HAR's base64 is damaged"),
    }
}

fn without_text(length: u64) -> Body {
    if length == 0 { Body::default() } else { absent(length, "the HAR gives its length only") }
}

fn absent(bytes: u64, why: &str) -> Body {
    Body { bytes, sha256: None, content: BodyContent::Absent(why.to_owned()) }
}

/// A body of which fewer bytes are at hand than were sent is torn, and counts as what was sent.
fn cut_off(body: Body, sent: u64) -> Body {
    match body.content {
        BodyContent::Inline(bytes) if body.bytes < sent => Body { bytes: sent, sha256: None, content: BodyContent::Torn(bytes) },
        content => Body { content, ..body },
    }
}

/// Parameters as a form. Files of which only the names are told make the body torn, or absent when there is nothing else; so
/// does a length that no spelling of the parameters has.
fn form_body(params: &[Value], mime: &str, length: u64) -> Body {
    let (files, values): (Vec<&Value>, Vec<&Value>) = params.iter().partition(|param| is_untold_file(param));
    let body = Body::inline(form(&values).into_bytes());
    if body.bytes == 0 && !files.is_empty() {
        return absent(length, "the HAR names a file, and does not hold what was in it");
    }
    let longest = if mime.to_ascii_lowercase().starts_with("multipart/") {
        body.bytes + MOST_AROUND * (params.len() as u64 + 1)
    } else {
        body.bytes * 3
    };
    if files.is_empty() && length <= longest {
        return body;
    }
    let held = body.bytes;
    match body.content {
        BodyContent::Inline(bytes) => Body { bytes: length.max(held), sha256: None, content: BodyContent::Torn(bytes) },
        content => Body { content, ..body },
    }
}

/// A part of a form that was a file, of which the HAR has the name only.
fn is_untold_file(param: &Value) -> bool {
    let text = |key: &str| param.get(key).and_then(Value::as_str).unwrap_or_default();
    !text("fileName").is_empty() && text("value").is_empty()
}

fn form(params: &[&Value]) -> String {
    let text = |param: &Value, key: &str| param.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(params.iter().map(|param| (text(param, "name"), text(param, "value"))))
        .finish()
}

/// The charset parameter of a media type in lower case.
fn charset(mime: &str) -> Option<&str> {
    let (_, parameters) = mime.split_once(';')?;
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        (name.trim() == "charset").then(|| value.trim().trim_matches('"'))
    })
}

fn is_binary(mime: &str) -> bool {
    let essence = mime.split(';').next().unwrap_or(mime).trim();
    ["image/", "audio/", "video/", "font/"].iter().any(|prefix| essence.starts_with(prefix))
        || essence.strip_prefix("application/").is_some_and(|subtype| BINARY.iter().any(|prefix| subtype.starts_with(prefix)))
}

/// A page says its charset early: HTML, section 4.2.5.4, wants it in the first 1024 bytes.
const SAYS_ITS_CHARSET: usize = 1024;
/// A boundary (70 characters at most, RFC 2046 section 5.1.1) and the headers of one part of a multipart body.
const MOST_AROUND: u64 = 512;
/// Character sets read as Latin-1, of which they are parts or near relatives.
const LATIN: [&str; 7] = ["ascii", "iso-8859-1", "iso8859-1", "latin-1", "latin1", "us-ascii", "windows-1252"];
/// Subtypes of `application` that are not text, or what they begin with.
const BINARY: [&str; 11] =
    ["cbor", "grpc", "gzip", "msgpack", "octet-stream", "pdf", "protobuf", "x-gzip", "x-msgpack", "x-protobuf", "zip"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str, mime: &str, expected: &[u8]) {
        assert_eq!(encoded(text.to_owned(), mime), expected, "{text:?} {mime}");
    }

    #[test]
    fn text_stands_for_bytes_by_charset_then_type() {
        check("é", "text/plain", "é".as_bytes());
        check("é", "text/plain; charset=ISO-8859-1", &[0xe9]);
        check("é", "text/plain; charset=\"latin1\"", &[0xe9]);
        check("é", "application/octet-stream", &[0xe9]);
        check("\u{1f}\u{8b}", "Application/GZIP", &[0x1f, 0x8b]);
        check("é", "application/octet-stream; charset=utf-8", "é".as_bytes());
        check("猫", "application/octet-stream", "猫".as_bytes());
        check("é", "", "é".as_bytes());
    }

    fn check_request(request: Value, expected: &Body) {
        assert_eq!(&request_body(&mut request.clone(), &[], Dialect::Any), expected, "{request}");
    }

    #[test]
    fn a_body_that_nobody_wrote_down_is_absent_and_not_empty() {
        let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned().into() };
        let check = |request: Value, headers: &[Header], expected: &Body| {
            assert_eq!(&request_body(&mut request.clone(), headers, Dialect::Any), expected, "{request}");
        };
        check(json!({"bodySize": -1}), &[], &Body::default());
        check(json!({"bodySize": -1}), &[header("Content-Length", "12")], &absent(12, "the HAR gives its length only"));
        let pieces = header("transfer-encoding", "chunked");
        check(json!({}), &[pieces], &absent(0, "it came in pieces, and the HAR does not hold it"));
        let toolkit =
            json!({"_requestBodyStatus": "discarded:not-representable", "_content": {"text": "/w==", "encoding": "base64", "size": 1}});
        check(toolkit, &[], &Body::inline(vec![0xff]));
        let too_large = json!({"_requestBodyStatus": "discarded:too-large", "bodySize": 9});
        check(too_large, &[], &absent(9, "the program that wrote the HAR left it out"));
        let playwright = json!({"postData": {"mimeType": "text/plain", "_file": "ab.txt"}, "bodySize": 3});
        check(playwright, &[], &absent(3, "it is in another file, beside the HAR"));
    }

    #[test]
    fn what_was_sent_and_is_not_in_the_har_is_missing() {
        let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned().into() };
        let length = |length: &str| header("content-length", length);
        let torn = |bytes: u64, held: &str| Body { bytes, sha256: None, content: BodyContent::Torn(held.as_bytes().to_vec().into()) };
        let check = |request: Value, headers: &[Header], expected: &Body| {
            assert_eq!(&request_body(&mut request.clone(), headers, Dialect::Any), expected, "{request}");
        };
        let file = json!({"name": "photo", "fileName": "x.jpg"});
        let (named, only) = ("multipart/form-data; boundary=x", "the HAR names a file, and does not hold what was in it");
        let with = |params: Value, size: i64| json!({"postData": {"mimeType": named, "params": params}, "bodySize": size});
        check(with(json!([file]), 500_000), &[], &absent(500_000, only));
        check(with(json!([file]), -1), &[length("7")], &absent(7, only));
        check(with(json!([file]), -1), &[], &absent(0, only));
        check(with(json!([file, {"name": "a", "value": "b"}]), 500_000), &[], &torn(500_000, "a=b"));
        check(with(json!([file, {"name": "a", "value": "b"}]), -1), &[], &torn(3, "a=b"));
        check(with(json!([{"name": "a", "value": "b"}]), 200), &[], &Body::inline(b"a=b".to_vec()));
        check(with(json!([{"name": "a", "value": "b"}]), 5_000), &[], &torn(5_000, "a=b"));
        let form = |size: u64| json!({"postData": {"params": [{"name": "a", "value": "b"}]}, "bodySize": size});
        check(form(7), &[], &Body::inline(b"a=b".to_vec()));
        check(form(70), &[], &torn(70, "a=b"));

        let text = json!({"postData": {"text": "{\"a\":1}"}, "bodySize": 500_000});
        check(text.clone(), &[length("500000")], &torn(500_000, "{\"a\":1}"));
        check(text.clone(), &[], &torn(500_000, "{\"a\":1}"));
        check(json!({"postData": {"text": "{\"a\":1}"}}), &[length("8")], &torn(8, "{\"a\":1}"));
        check(json!({"postData": {"text": "{\"a\":1}"}}), &[length("7")], &Body::inline(b"{\"a\":1}".to_vec()));
        check(text.clone(), &[header("Content-Encoding", "gzip")], &Body::inline(b"{\"a\":1}".to_vec()));
        check(text, &[header("Content-Encoding", "identity")], &torn(500_000, "{\"a\":1}"));
        check(json!({"postData": {"text": "YQ==", "encoding": "base64"}, "bodySize": 9}), &[], &torn(9, "a"));
        check(json!({"_content": {"text": "YQ==", "encoding": "base64"}, "bodySize": 9}), &[], &torn(9, "a"));
        check(json!({"postData": {"text": "a"}, "bodySize": u64::MAX}), &[length("18446744073709551615")], &torn(1 << 40, "a"));
    }

    #[test]
    fn request_bodies_come_from_text_then_parameters() {
        check_request(json!({}), &Body::default());
        check_request(json!({"postData": {"text": "a"}}), &Body::inline(b"a".to_vec()));
        check_request(json!({"postData": {"text": "YQ", "encoding": "base64"}}), &Body::inline(b"a".to_vec()));
        check_request(
            json!({"postData": {"text": "", "params": [{"name": "a b", "value": "c&d"}, {"name": "e"}]}}),
            &Body::inline(b"a+b=c%26d&e=".to_vec()),
        );
        check_request(json!({"postData": "nonsense", "bodySize": 9}), &absent(9, "the HAR gives its length only"));
        check_request(json!({"postData": {"text": "%%", "encoding": "base64"}}), &absent(0, "the HAR's base64 is damaged"));
    }

    #[test]
    fn mitmproxy_makes_text_of_bytes_in_its_own_way() {
        assert_eq!((Dialect::of("mitmproxy har_dump 0.1"), Dialect::of("WebInspector 537.36")), (Dialect::Mitmproxy, Dialect::Any));
        let check = |text: &str, mime: &str, expected: &[u8]| {
            let body = response_body(&mut json!({"content": {"text": text, "mimeType": mime}}), Dialect::Mitmproxy);
            assert_eq!(body, Body::inline(expected.to_vec()), "{text} {mime}");
        };
        check("\u{f0}\u{1}", "application/x-anything", &[0xf0, 1]);
        check("é", "application/json", "é".as_bytes());
        check("é", "text/plain; charset=utf-8", "é".as_bytes());
        check("é", "text/html", &[0xe9]);
        check("<meta charset=\"utf-8\">é", "text/html", "<meta charset=\"utf-8\">é".as_bytes());
        check("猫", "application/x-anything", "猫".as_bytes());
    }

    #[test]
    fn response_bodies_come_from_text_or_are_said_to_be_absent() {
        let check =
            |response: Value, expected: &Body| assert_eq!(&response_body(&mut response.clone(), Dialect::Any), expected, "{response}");
        check(json!({"content": {"text": "é"}}), &Body::inline("é".as_bytes().to_vec()));
        check(json!({"content": {"text": "/w==", "encoding": "base64"}}), &Body::inline(vec![0xff]));
        check(json!({"content": {"size": 0}, "bodySize": -1}), &Body::default());
        check(json!({"content": {"size": -1, "_file": "ab.json"}}), &absent(0, "it is in another file, beside the HAR"));
        check(json!({"content": {"size": 7}}), &absent(7, "the HAR gives its length only"));
    }
}
