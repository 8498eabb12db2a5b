//! Bodies between HAR's text and bytes. HAR keeps text; which bytes it stands for is a rule (R16).

use base64::{
    Engine,
    alphabet::STANDARD as ALPHABET,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::Value;

use super::entry::{number, take_text};
use crate::model::{Body, BodyContent};

/// Standard base64; padding may be missing.
pub(super) const BASE64: GeneralPurpose =
    GeneralPurpose::new(&ALPHABET, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// The body of a request: `postData.text`, by its own encoding or [`encoded`]; `postData.params` as a form when there is no
/// text.
pub(super) fn request_body(request: &mut Value, content_type: &str) -> Body {
    let length = number(request.get("bodySize"));
    let Some(data) = request.get_mut("postData").filter(|data| data.is_object()) else { return without_text(length) };
    let text = take_text(data, "text");
    if !text.is_empty() {
        if data.get("encoding").and_then(Value::as_str) == Some("base64") {
            return from_base64(text, length);
        }
        let mime = data.get("mimeType").and_then(Value::as_str).filter(|mime| !mime.is_empty()).unwrap_or(content_type);
        return Body::inline(encoded(text, mime));
    }
    match data.get("params").and_then(Value::as_array).filter(|params| !params.is_empty()) {
        Some(params) => Body::inline(form(params).into_bytes()),
        None => without_text(length),
    }
}

/// The body of a response: `content.text`, as base64 when it says so, else UTF-8.
pub(super) fn response_body(response: &mut Value) -> Body {
    let length = number(response.get("bodySize"));
    let Some(content) = response.get_mut("content").filter(|content| content.is_object()) else { return without_text(length) };
    let length = length.max(number(content.get("size")));
    let text = take_text(content, "text");
    match content.get("encoding").and_then(Value::as_str) {
        _ if text.is_empty() => without_text(length),
        Some("base64") => from_base64(text, length),
        _ => Body::inline(text.into_bytes()),
    }
}

/// The bytes that a request's text stands for: by charset, else Latin-1 for binary types, else UTF-8. Text that Latin-1
/// cannot say is UTF-8.
pub(super) fn encoded(text: String, mime: &str) -> Vec<u8> {
    let mime = mime.to_ascii_lowercase();
    let latin = match charset(&mime) {
        Some(charset) => LATIN.contains(&charset),
        None => is_binary(mime.trim()),
    };
    if latin && !text.is_ascii() && text.chars().all(|c| u8::try_from(c).is_ok()) {
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

fn form(params: &[Value]) -> String {
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
        assert_eq!(&request_body(&mut request.clone(), ""), expected, "{request}");
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
    fn response_bodies_come_from_text_or_are_said_to_be_absent() {
        let check = |response: Value, expected: &Body| assert_eq!(&response_body(&mut response.clone()), expected, "{response}");
        check(json!({"content": {"text": "é"}}), &Body::inline("é".as_bytes().to_vec()));
        check(json!({"content": {"text": "/w==", "encoding": "base64"}}), &Body::inline(vec![0xff]));
        check(json!({"content": {"size": 0}, "bodySize": -1}), &Body::default());
        check(json!({"content": {"size": 7}}), &absent(7, "the HAR gives its length only"));
    }
}
