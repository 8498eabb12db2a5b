//! Every format from bytes that other programs made, with paths, chains and byte ranges; and what is no such format.

use std::io::Write as _;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::super::{Leaf, Note, body_leaves};
use crate::model::{
    App, BlindSpotKind, Body, Captured, Encoding, Exchange, ExchangeId, Header, NoBodies, PathTemplate, ProtobufCall, Request, Url,
};

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("a fixture is hex digits");
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// `name=value chain start..end`, with `~` where the range is that of what is around the leaf.
fn shown(leaves: &[Leaf]) -> Vec<String> {
    let line = |leaf: &Leaf| {
        let chain: Vec<&str> = leaf.shape.chain.iter().map(|encoding| encoding.word()).collect();
        let range =
            leaf.bytes.map_or(String::new(), |range| format!(" {}..{}{}", range.start, range.end, if range.coarse { "~" } else { "" }));
        format!("{}={} {}{range}", leaf.name, leaf.value.expose(), chain.join(">"))
    };
    leaves.iter().map(line).collect()
}

#[track_caller]
fn check(body: &[u8], content_type: Option<&str>, want: &[&str]) {
    let (leaves, notes) = body_leaves(body, content_type);
    assert_eq!(shown(&leaves), want, "{notes:?}");
}

/// The same as a value of a JSON field, in base64.
#[track_caller]
fn check_value(value: &[u8], want: &[&str]) {
    let (leaves, _) = body_leaves(format!(r#"{{"v":"{}"}}"#, STANDARD.encode(value)).as_bytes(), None);
    let shown: Vec<String> =
        shown(&leaves).into_iter().map(|line| line.rsplit_once(' ').map_or(line.clone(), |(line, _)| line.to_owned())).collect();
    assert_eq!(shown, want);
}

/// The same without byte ranges, of a whole body.
fn brief(body: &[u8], content_type: Option<&str>) -> Vec<String> {
    let (mut leaves, _) = body_leaves(body, content_type);
    leaves.iter_mut().for_each(|leaf| leaf.bytes = None);
    shown(&leaves)
}

/// The same of a JSON field with this text.
fn value_leaves(text: &str) -> Vec<String> {
    brief(serde_json::json!({ "v": text }).to_string().as_bytes(), None)
}

const MAC: &str = "C0:FF:EE:12:34:56";

#[test]
fn compressed_bodies_are_known_by_their_header_and_by_their_looks() {
    let leaves = |chain: &str, end: usize| [format!("json mac={MAC} {chain} 0..{end}~"), format!("json n=171 {chain} 0..{end}~")];
    let check = |hex: &str, content_encoding: Option<&str>, chain: &str| {
        let body = bytes(hex);
        let shown = shown(&with_encoding(&body, content_encoding));
        assert_eq!(shown, leaves(chain, body.len()), "{content_encoding:?}");
    };
    check(ZSTD, None, "zstd");
    check(ZSTD, Some("zstd"), "zstd");
    check(BROTLI, Some("br"), "br");
    check(DEFLATE, Some("deflate"), "deflate");
    check(BROTLI_OF_GZIP, Some("gzip, br"), "br>gzip");
    // An import has undone the encoding that the header still names.
    check(GZIP, Some("br"), "gzip");
    check(GZIP, Some("identity, gzip"), "gzip");
}

fn with_encoding(body: &[u8], content_encoding: Option<&str>) -> Vec<Leaf> {
    sent("/", content_encoding.map(|value| ("content-encoding", value)), body, &App::default())
}

fn sent(path: &str, header: Option<(&str, &str)>, body: &[u8], app: &App) -> Vec<Leaf> {
    let header = header.map(|(name, value)| Header { name: name.into(), value: Captured::new(value.into()) });
    let exchange = Exchange {
        id: ExchangeId(1),
        phase: "sync".into(),
        tunnel: None,
        began: jiff::Timestamp::UNIX_EPOCH,
        ended: None,
        request: Request {
            method: "POST".into(),
            url: Url { scheme: "https".into(), host: "x.test".into(), port: 443, path_and_query: Captured::new(path.into()) },
            http_version: "HTTP/1.1".into(),
            headers: header.into_iter().collect(),
            body: Body::inline(body.to_vec()),
            trailers: Vec::new(),
        },
        response: None,
        error: None,
    };
    super::super::leaves_of(&exchange, &NoBodies, app)
}

#[test]
fn compressed_values_need_a_magic_number_or_a_document_inside() {
    check_value(&bytes(ZSTD), &["json v.mac=C0:FF:EE:12:34:56 base64>zstd>json", "json v.n=171 base64>zstd>json"]);
    check_value(&bytes(DEFLATE), &["json v.mac=C0:FF:EE:12:34:56 base64>deflate>json", "json v.n=171 base64>deflate>json"]);
    check_value(&bytes(DEFLATE_OF_TEXT), &["json v=quillon@example.test base64>deflate"]);
    for (hex, chain) in [(BROTLI_LONG, "br>json"), (DEFLATE_LONG, "deflate>json")] {
        let (leaves, _) = body_leaves(&bytes(hex), None);
        assert_eq!(leaves.len(), 36, "{chain}");
        assert!(leaves.iter().all(|leaf| leaf.shape.chain.iter().map(|encoding| encoding.word()).collect::<Vec<_>>().join(">") == chain));
    }
    // A stream after which other bytes follow is none: nobody would look at those.
    let mut longer = bytes(DEFLATE_LONG);
    longer.extend([1, 2, 3]);
    let (leaves, notes) = body_leaves(&longer, None);
    assert_eq!((leaves.len(), notes[0].kind), (1, BlindSpotKind::BodyOpaque));
}

#[test]
fn hex_digits_are_peeled_when_there_is_something_behind_them() {
    let value = |name: &str, text: &str| {
        let (leaves, _) = body_leaves(format!(r#"{{"{name}":"{text}"}}"#).as_bytes(), None);
        shown(&leaves)[0].rsplit_once(' ').map(|(line, _)| line.to_owned()).expect("a range")
    };
    assert_eq!(value("x", "7b226c6174223a35322e33373430337d"), "json x.lat=52.37403 hex>json");
    assert_eq!(value("x", "7B226C6174223A35322E33373430337D"), "json x.lat=52.37403 hex>json");
    assert_eq!(value("x", "7175696c6c6f6e406578616d706c652e74657374"), "json x=quillon@example.test hex");
    assert_eq!(value("x", ZSTD), "json x.mac=C0:FF:EE:12:34:56 hex>zstd>json");
    for id in [
        "0b7d0c1b2a3c4d5e0b7d0c1b2a3c4d5e",
        "d41d8cd98f00b204e9800998ecf8427e",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "563412eeffc0",
        "3132333435363738",
        "1773486000123456",
    ] {
        assert_eq!(value("x", id), format!("json x={id} "), "{id}");
    }
    assert_eq!(value("heart_rate", &"4b".repeat(40)), format!("json heart_rate={} hex", "K".repeat(40)));
    assert_eq!(value("token", "7175696c6c6f6e406578616d706c652e74657374"), "json token=7175696c6c6f6e406578616d706c652e74657374 ");
}

#[test]
fn base64_may_be_broken_into_lines() {
    let mut packed = STANDARD.encode(br#"{"mac":"C0:FF:EE:12:34:56","n":171,"again":"C0:FF:EE:12:34:56 and so on"}"#);
    packed.insert_str(76, "\\n");
    packed.push_str("\\n");
    let (leaves, _) = body_leaves(format!(r#"{{"v":"{packed}"}}"#).as_bytes(), None);
    let names: Vec<&str> = leaves.iter().map(|leaf| leaf.name.path.as_str()).collect();
    assert_eq!(names, ["v.mac", "v.n", "v.again"]);
}

#[test]
fn a_token_has_a_header_claims_and_a_signature() {
    let want = [
        "json t.header.alg=HS256 jwt>json",
        "json t.header.typ=JWT jwt>json",
        "json t.claims.sub=1000000001 jwt>json",
        "json t.claims.email=quillon@example.test jwt>json",
        "json t.signature=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 jwt",
    ];
    for scheme in ["", "Bearer "] {
        let (leaves, _) = body_leaves(format!(r#"{{"t":"{scheme}{JWT}"}}"#).as_bytes(), None);
        let lines: Vec<String> =
            shown(&leaves).into_iter().filter_map(|line| line.rsplit_once(' ').map(|(line, _)| line.to_owned())).collect();
        assert_eq!(lines, want);
        let range = leaves[4].bytes.expect("in the body");
        assert_eq!((range.end - range.start, range.coarse), (43, false));
    }
    for none in ["a.b.c", "eyJhIjoxfQ.eyJhIjoxfQ.x", "com.example.app"] {
        let (leaves, _) = body_leaves(format!(r#"{{"t":"{none}"}}"#).as_bytes(), None);
        assert_eq!(leaves[0].name.path, "t", "{none}");
    }
}

#[test]
fn messagepack_is_read_to_its_leaves() {
    let want = [
        "body mac=C0:FF:EE:12:34:56 msgpack 6..23",
        "body n=171 msgpack 26..27",
        "body w=63.4 msgpack 30..38",
        "body ok=true msgpack 41..42",
        "body no=null msgpack 45..46",
        "body list[].a=x1 msgpack 56..58",
        "body list[].a=\u{fc}2 msgpack 62..65",
        "body raw=0102ff msgpack 71..74",
    ];
    check(&bytes(MSGPACK), None, &want);
    check(&bytes(MSGPACK), Some("application/msgpack"), &want);
    let stamped = bytes(MSGPACK_WITH_TIME);
    check(&stamped, None, &["body when=1773486000 msgpack 8..12", "body big=-70000 msgpack 17..21", "body f=01 msgpack 25..26"]);
    // An array of very many numbers is enough of a sign, too.
    let minutes = [&[0xdc, 0, 60][..], &[72; 60]].concat();
    let (leaves, _) = body_leaves(&minutes, None);
    assert_eq!((leaves.len(), shown(&leaves)[59].as_str()), (60, "body []=72 msgpack 62..63"));
    // A number alone is MessagePack only where somebody says so.
    check(&[0xcc, 0xab], Some("application/x-msgpack"), &["body=171 msgpack 1..2"]);
    let (leaves, _) = body_leaves(&[0xcc, 0xab], None);
    assert!(leaves[0].shape.chain.is_empty());
}

#[test]
fn cbor_is_read_to_its_leaves() {
    check(
        &bytes(CBOR),
        None,
        &[
            "body mac=C0:FF:EE:12:34:56 cbor 6..23",
            "body n=171 cbor 26..27",
            "body w=63.4 cbor 30..38",
            "body ok=true cbor 41..42",
            "body no=null cbor 45..46",
            "body list[].a=x1 cbor 56..58",
            "body list[].a=\u{fc}2 cbor 62..65",
            "body raw=0102ff cbor 70..73",
        ],
    );
    check(&bytes(CBOR_WITH_TAGS), None, &["body when=1773486000 cbor 8..12", "body half=-2 cbor 20..21"]);
    // RFC 8949 appendix A: indefinite lengths, chunks, half floats, a negative number of 65 bits.
    check(&bytes("bf6346756ef563416d7421ff"), None, &["body Fun=true cbor 5..6", "body Amt=-2 cbor 10..11"]);
    let declared = Some("application/cbor");
    check(&bytes("7f657374726561646d696e67ff"), declared, &["body=streaming cbor 1..12~"]);
    check(&bytes("f93e00"), declared, &["body=1.5 cbor 1..3"]);
    check(&bytes("3bffffffffffffffff"), declared, &["body=-18446744073709551616 cbor 1..9"]);
    check(&bytes("a201020304"), declared, &["body 1=2 cbor 2..3", "body 3=4 cbor 4..5"]);
}

#[test]
fn property_lists_are_read_in_both_spellings() {
    check(
        &bytes(BINARY_PLIST),
        None,
        &[
            "body mac=C0:FF:EE:12:34:56 plist 57..74",
            "body n=171 plist 75..76",
            "body w=63.4 plist 77..85",
            "body ok=true plist 85..86",
            "body born=1984-03-07T06:05:04Z plist 87..95",
            "body list[].a=x1 plist 104..106",
            "body list[].a=\u{fc}2 plist 110..114~",
            "body raw=0102ff plist 115..118",
            "body neg=-5 plist 119..127",
        ],
    );
    let (leaves, _) = body_leaves(XML_PLIST.as_bytes(), None);
    let want = [
        "body mac=C0:FF:EE:12:34:56 plist",
        "body n=171 plist",
        "body w=63.4 plist",
        "body ok=true plist",
        "body born=1984-03-07T06:05:04Z plist",
        "body list[].a=x1 plist",
        "body list[].a=\u{fc}2 plist",
        "body raw=AQL/ plist>base64",
        "body neg=-5 plist",
    ];
    let lines: Vec<String> = shown(&leaves).into_iter().filter_map(|line| line.rsplit_once(' ').map(|(line, _)| line.to_owned())).collect();
    assert_eq!(lines, want);
    let range = leaves[0].bytes.expect("in the body");
    assert_eq!((&XML_PLIST[range.start as usize..range.end as usize], range.coarse), (MAC, false));
}

#[test]
fn what_a_binary_property_list_does_not_refer_to_is_told_too() {
    // Two strings, of which the top is the second.
    let mut list = b"bplist00".to_vec();
    list.extend(b"\x57Quillon\x52ok");
    list.extend([8, 16]);
    list.extend([0, 0, 0, 0, 0, 0, 1, 1]);
    list.extend([0, 0, 0, 0, 0, 0, 0, 2]);
    list.extend([0, 0, 0, 0, 0, 0, 0, 1]);
    list.extend([0, 0, 0, 0, 0, 0, 0, 19]);
    check(&list, None, &["body=ok plist 17..19", "body {unreferenced}=Quillon plist 9..16"]);
}

#[test]
fn xml_has_elements_attributes_and_text() {
    let gpx = r#"<?xml version="1.0"?>
<gpx version="1.1"><!-- by hand --><trkpt lat="52.37403" lon="4.88969"><ele>3.5</ele><name>a &amp; b &#252;</name><n><![CDATA[x<y]]></n></trkpt><empty/></gpx>"#;
    let (leaves, _) = body_leaves(gpx.as_bytes(), Some("application/gpx+xml"));
    let lines = shown(&leaves);
    let line = |name: &str, value: &str, raw: &str| {
        let at = gpx.find(raw).expect("in the document");
        format!("body {name}={value} xml {at}..{}", at + raw.len())
    };
    assert_eq!(
        lines,
        [
            line("gpx.@version", "1.1", "1.1"),
            line("gpx.{comment}", " by hand ", " by hand "),
            line("gpx.trkpt.@lat", "52.37403", "52.37403"),
            line("gpx.trkpt.@lon", "4.88969", "4.88969"),
            line("gpx.trkpt.ele", "3.5", "3.5"),
            line("gpx.trkpt.name", "a & b \u{fc}", "a &amp; b &#252;") + "~",
            line("gpx.trkpt.n", "x<y", "x<y"),
        ]
    );
    for none in ["<b>x</i>", "a < b", "<3", "<a>1</a><b>2</b>", "<a>", "<a b=c/>", "x <b>y</b>", "<a>1</a> x"] {
        check(none.as_bytes(), Some("text/plain"), &[&format!("body={none}  0..{}", none.len())]);
    }
}

#[test]
fn entities_are_never_expanded() {
    let laughs = r#"<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><l><m>&c;&c;</m></l>"#;
    let (leaves, _) = body_leaves(laughs.as_bytes(), None);
    let names: Vec<(&str, usize)> = leaves.iter().map(|leaf| (leaf.name.path.as_str(), leaf.value.expose().len())).collect();
    assert_eq!(names[1], ("l.m", 6));
    assert_eq!((names.len(), names[0].0), (2, "{doctype}"));
}

#[test]
fn protobuf_without_a_descriptor_is_a_guess_with_numbers() {
    let want = [
        "body 1=C0:FF:EE:12:34:56 protobuf? 2..19",
        "body 2=171 protobuf? 20..22",
        "body 3[].1=52.37403 protobuf? 25..33",
        "body 3[].2=4.88969 protobuf? 34..42",
        "body 3[].1=52.375 protobuf? 45..53",
        "body 3[].2=4.89 protobuf? 54..62",
        "body 4=0102ff protobuf? 64..67",
        "body 5=3748ac02 protobuf? 69..73",
        "body 6=5 protobuf? 74..75",
        "body 7=63.5 protobuf? 76..80",
        "body 8=1 protobuf? 81..82",
        "body 9.1=k1 protobuf? 86..88",
        "body 9.2=7 protobuf? 89..90",
    ];
    let (leaves, _) = body_leaves(&bytes(PROTOBUF), None);
    let lines = shown(&leaves);
    assert_eq!(&lines[..11], &want[..11]);
    let value: Vec<String> = shown(&body_leaves(format!(r#"{{"p":"{}"}}"#, STANDARD.encode(bytes(PROTOBUF))).as_bytes(), None).0);
    assert!(value[2].starts_with("json p.3[].1=52.37403 base64>protobuf? "), "{}", value[2]);
}

fn demo_app() -> App {
    let call = |path: &str| ProtobufCall {
        path: PathTemplate(path.into()),
        message: "demo.Upload".into(),
        file: "upload.binpb".into(),
        descriptors: bytes(DESCRIPTORS),
    };
    App { protobuf: vec![call("/v1/upload"), call("/demo.Band/Upload")], ..App::default() }
}

#[test]
fn a_descriptor_names_fields_and_types_values() {
    let want = |before: usize, chain: &str| {
        let line = |text: &str, start: usize, end: usize| format!("body {text} {chain} {}..{}", start + before, end + before);
        [
            line("mac=C0:FF:EE:12:34:56", 2, 19),
            line("n=171", 20, 22),
            line("track[].lat=52.37403", 25, 33),
            line("track[].lon=4.88969", 34, 42),
            line("track[].lat=52.375", 45, 53),
            line("track[].lon=4.89", 54, 62),
            line("blob=0102ff", 64, 67),
            line("hr[]=55", 69, 70),
            line("hr[]=72", 70, 71),
            line("hr[]=300", 71, 73),
            line("delta=-3", 74, 75),
            line("weight=63.5", 76, 80),
            line("ok=true", 81, 82),
            line("tags.k1=7", 89, 90),
        ]
    };
    assert_eq!(shown(&sent("/v1/upload", None, &bytes(PROTOBUF), &demo_app())), want(0, "protobuf"));
    let grpc = Some(("content-type", "application/grpc+proto"));
    assert_eq!(shown(&sent("/demo.Band/Upload", grpc, &bytes(GRPC), &demo_app())), want(5, "grpc>protobuf"));
    let other = sent("/v1/other", None, &bytes(PROTOBUF), &demo_app());
    assert_eq!(other[0].shape.chain, [Encoding::ProtobufGuess]);
    // What the descriptor does not know keeps its number; what is no message of it stays a body like any other.
    let later = [bytes(PROTOBUF), bytes("7a05736f66696101")].concat();
    assert!(
        later.len() > 90
            && shown(&sent("/v1/upload", None, &later[..later.len() - 1], &demo_app())).last().expect("leaves").contains(" 15=sofia")
    );
    assert_eq!(shown(&sent("/v1/upload", None, b"{\"a\":1}", &demo_app())), ["json a=1  5..6"]);
}

#[test]
fn wrong_descriptors_are_told() {
    let call = &demo_app().protobuf[0];
    assert_eq!(super::super::check_protobuf(call), Ok(()));
    let renamed = ProtobufCall { message: "demo.Other".into(), ..call.clone() };
    assert_eq!(super::super::check_protobuf(&renamed), Err("it has no message demo.Other".to_owned()));
    let cut = ProtobufCall { descriptors: call.descriptors[..40].to_vec(), ..call.clone() };
    assert_eq!(super::super::check_protobuf(&cut), Err("it is no set of descriptors with all its imports".to_owned()));
}

#[test]
fn values_in_paths_cookies_and_headers_are_peeled() {
    let leaves = |path: &str, header| shown(&sent(path, header, b"", &App::default()));
    assert_eq!(leaves("/at/%7B%22lat%22%3A52.5%7D/x", None), ["path {id}.lat=52.5 json"]);
    assert_eq!(leaves("/at/eyJsYXQiOjUyLjM3NDAzfQ/x", None), ["path {id}.lat=52.37403 base64>json"]);
    assert_eq!(leaves("/at/%257B%2522lat%2522%253A52.5%257D", None), ["path {id}.lat=52.5 percent>json"]);
    let cookie = Some(("cookie", "s=eyJsYXQiOjUyLjM3NDAzfQ; t=%7B%22a%22%3A1%7D; u=k"));
    assert_eq!(leaves("/", cookie), ["cookie s.lat=52.37403 base64>json", "cookie t.a=1 percent>json", "cookie u=k "]);
    let bearer = format!("Bearer {JWT}");
    assert_eq!(leaves("/", Some(("authorization", &bearer)))[3], "header authorization.claims.email=quillon@example.test jwt>json");
}

#[test]
fn layers_that_end_in_bytes_nobody_knows_are_told_as_a_body_nobody_knows() {
    let mut random = fastrand::Rng::with_seed(24);
    let noise: Vec<u8> = (0..600).map(|_| random.u8(..)).collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&noise).expect("writing to memory");
    let zipped = encoder.finish().expect("writing to memory");
    for body in [zipped.clone(), STANDARD.encode(&zipped).into_bytes(), crate::model::text::hex(&zipped).into_bytes()] {
        let (leaves, notes) = body_leaves(&body, None);
        assert_eq!((leaves.len(), notes.len(), notes[0].kind), (1, 1, BlindSpotKind::BodyOpaque));
    }
}

#[test]
fn grpc_is_framed_messages() {
    for content_type in [None, Some("application/grpc")] {
        let (leaves, _) = body_leaves(&bytes(GRPC), content_type);
        assert_eq!(shown(&leaves)[0], "body 1=C0:FF:EE:12:34:56 grpc>protobuf? 7..24");
        let (leaves, _) = body_leaves(&bytes(GRPC_COMPRESSED), content_type);
        let lines = shown(&leaves);
        let half = lines.len() / 2;
        assert_eq!(lines[half], format!("body 1={MAC} grpc>gzip>protobuf? 100..{}~", GRPC_COMPRESSED.len() / 2));
    }
    // gRPC-Web in text, with trailers.
    let mut frames = bytes(GRPC);
    frames.extend(b"\x80\0\0\0\x0fgrpc-status: 0\n");
    let (leaves, _) = body_leaves(STANDARD.encode(frames).as_bytes(), Some("application/grpc-web-text"));
    assert_eq!(shown(&leaves)[0].split(' ').take(3).collect::<Vec<_>>().join(" "), "body 1=C0:FF:EE:12:34:56 base64>grpc>protobuf?");
    assert!(shown(&leaves).last().expect("leaves").starts_with("body {trailers}=grpc-status: 0"));
}

#[test]
fn a_fit_file_has_named_fields_in_their_units() {
    check(
        &bytes(FIT),
        None,
        &[
            "body file_id[].type=4 fit 33..34",
            "body file_id[].manufacturer=1 fit 34..36",
            "body file_id[].serial_number=123456789 fit 36..40",
            "body file_id[].time_created=1773486000 fit 40..44",
            "body record[].timestamp=1773486001 fit 66..70",
            "body record[].position_lat=52.3740300 fit 70..74",
            "body record[].position_long=4.8896900 fit 74..78",
            "body record[].heart_rate=72 fit 78..79",
            "body record[].field_200=7 fit 79..81",
            "body record[].timestamp=1773486002 fit 82..86",
            "body record[].position_lat=null fit 86..90",
            "body record[].position_long=null fit 90..94",
            "body record[].heart_rate=null fit 94..95",
            "body record[].field_200=null fit 95..97",
            "body user_profile[].friendly_name=Quillon fit 110..117",
            "body user_profile[].weight=63.4 fit 118..120",
        ],
    );
    // Cut in its middle, what is left is told as what nobody read.
    let mut cut = bytes(FIT);
    cut[4] = 60;
    let (leaves, _) = body_leaves(&cut, None);
    assert!(leaves.last().expect("leaves").name.path.contains("{rest}"), "{:?}", shown(&leaves));
}

#[test]
fn server_sent_events_are_lines() {
    let stream = "event: sync\ndata: {\"lat\":52.37403}\n\n: hello\nid: 7\ndata: one\ndata: two\n\n";
    let want = [
        "body event=sync sse 7..11",
        "body data.lat=52.37403 sse>json 25..33",
        "body {comment}=: hello sse 36..43",
        "body id=7 sse 48..49",
        "body data=one\ntwo sse 56..69~",
    ];
    check(stream.as_bytes(), Some("text/event-stream"), &want);
    check(stream.as_bytes(), None, &want);
    check(b"data: a thing I said", None, &["body=data: a thing I said  0..20"]);
}

#[test]
fn a_range_gives_the_bytes_of_the_value() {
    let value_of = |leaf: &Leaf| leaf.value.expose().clone();
    for hex in [MSGPACK, CBOR, PROTOBUF, GRPC, BINARY_PLIST] {
        let body = bytes(hex);
        let (leaves, _) = body_leaves(&body, None);
        let mac = leaves.iter().find(|leaf| value_of(leaf) == MAC).and_then(|leaf| leaf.bytes).expect("the MAC, with its range");
        assert_eq!((&body[mac.start as usize..mac.end as usize], mac.coarse), (MAC.as_bytes(), false));
    }
}

#[test]
fn multipart_is_known_without_a_content_type_and_inside_a_value() {
    let parts = "--b1\r\nContent-Disposition: form-data; name=\"track\"; filename=\"home.gpx\"\r\n\r\n{\"lat\":1.5}\r\n--b1\r\nContent-Disposition: form-data; name=\"raw\"\r\nContent-Transfer-Encoding: base64\r\n\r\nAQID\r\n--b1--\r\n";
    check(
        parts.as_bytes(),
        None,
        &["form track.{filename}=home.gpx  62..70", "form track.lat=1.5 json 82..85", "form raw=AQID base64 175..179~"],
    );
    let value = serde_json::json!({ "m": parts }).to_string();
    let (leaves, _) = body_leaves(value.as_bytes(), None);
    let names: Vec<(&str, &[Encoding])> = leaves.iter().map(|leaf| (leaf.name.path.as_str(), &leaf.shape.chain[..])).collect();
    assert_eq!(names[1], ("m.track.lat", &[Encoding::Multipart, Encoding::Json][..]));
}

/// Every leaf of values of a size, each of them base64 in a JSON array, and those that one of `encodings` took.
fn taken(values: &[Vec<u8>], encodings: &[Encoding]) -> Vec<String> {
    let list: Vec<String> = values.iter().map(|value| format!("\"{}\"", STANDARD.encode(value))).collect();
    let (leaves, _) = body_leaves(format!("{{\"heart_rate\":[{}]}}", list.join(",")).as_bytes(), None);
    let took = |leaf: &&Leaf| leaf.shape.chain.iter().any(|encoding| encodings.contains(encoding));
    leaves.iter().filter(took).map(|leaf| format!("{:?} {}", leaf.shape.chain, leaf.value.expose())).collect()
}

const GUESSES: &[Encoding] = &[
    Encoding::ProtobufGuess,
    Encoding::Grpc,
    Encoding::MessagePack,
    Encoding::Cbor,
    Encoding::Deflate,
    Encoding::Brotli,
    Encoding::Hex,
    Encoding::Fit,
    Encoding::Plist,
    Encoding::Base32,
    Encoding::Utf16,
];

#[test]
fn random_bytes_are_nothing() {
    let mut random = fastrand::Rng::with_seed(20);
    let noise: Vec<u8> = (0..1 << 20).map(|_| random.u8(..)).collect();
    let (leaves, notes) = body_leaves(&noise, None);
    assert_eq!((leaves.len(), leaves[0].shape.chain.len(), notes[0].kind), (1, 0, BlindSpotKind::BodyOpaque));
    for size in [25, 33, 64, 100, 1000] {
        let values: Vec<Vec<u8>> = noise.chunks_exact(size).take(4_000).map(<[u8]>::to_vec).collect();
        assert_eq!(taken(&values, GUESSES), Vec::<String>::new(), "{size}");
    }
}

type Judge = fn(&[u8]) -> bool;

#[test]
fn short_random_values_are_hardly_ever_something() {
    let mut random = fastrand::Rng::with_seed(25);
    let mut taken = Vec::new();
    for _ in 0..100_000 {
        let value: Vec<u8> = (0..random.usize(2..40)).map(|_| random.u8(..)).collect();
        let judges: [(&str, Judge); 5] = [
            ("msgpack", super::msgpack::is_msgpack),
            ("cbor", super::cbor::is_cbor),
            ("protobuf", super::protobuf::is_protobuf),
            ("grpc", super::grpc::is_grpc),
            ("deflate", super::deflate::is_deflated),
        ];
        taken.extend(
            judges.iter().filter(|(_, judge)| judge(&value)).map(|(name, _)| format!("{name} {}", crate::model::text::hex(&value))),
        );
    }
    assert_eq!(taken, Vec::<String>::new());
}

#[test]
fn series_of_sensors_are_nothing() {
    let mut random = fastrand::Rng::with_seed(21);
    for seed in 0..100_u32 {
        let level = random.u8(40..180);
        let spread = 1 + (seed % 40) as u8;
        let rates: Vec<u8> =
            (0..1440).map(|_| if random.u8(..8) == 0 { 0xff } else { level.saturating_add(random.u8(..spread)) }).collect();
        // The base64 of 'w' is `d3d3…`, which are digits of hex too.
        let flat = vec![if level == b'w' { 0x55 } else { level }; 1440];
        let wide: Vec<u8> = (0..600).flat_map(|_| (random.i16(-200..200)).to_le_bytes()).collect();
        let minutes: Vec<u8> = (0..480).flat_map(|_| [random.u8(..4) * 16, random.u8(..60), 0]).collect();
        assert_eq!(taken(&[rates, flat, wide, minutes], GUESSES), Vec::<String>::new(), "{seed}");
    }
}

#[test]
fn english_is_text() {
    let words: Vec<&str> = ENGLISH.split_whitespace().collect();
    let mut random = fastrand::Rng::with_seed(22);
    let mut prose = String::new();
    while prose.len() < 1 << 20 {
        prose.push_str(words[random.usize(..words.len())]);
        prose.push_str(["", " ", " ", " ", " ", " ", ", ", ". ", "\n", "-", ": "][random.usize(..11)]);
    }
    let (leaves, _) = body_leaves(prose.as_bytes(), None);
    assert!(leaves.iter().all(|leaf| leaf.shape.chain.is_empty()) && leaves.len() == 1);
    for size in [8, 13, 16, 20, 24, 32, 64, 200] {
        let list: Vec<String> =
            prose.as_bytes().chunks(size).take(5_000).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect();
        let (leaves, _) = body_leaves(serde_json::json!(list).to_string().as_bytes(), None);
        let taken: Vec<String> = leaves
            .iter()
            .filter(|leaf| !leaf.shape.chain.is_empty())
            .map(|leaf| format!("{:?} {}", leaf.shape.chain, leaf.value.expose()))
            .collect();
        assert_eq!(taken, Vec::<String>::new(), "{size}");
    }
}

#[test]
fn english_in_capitals_and_behind_a_prefix_is_text() {
    let words: Vec<String> = ENGLISH.split_whitespace().map(str::to_uppercase).collect();
    let mut random = fastrand::Rng::with_seed(23);
    let mut values = Vec::new();
    for _ in 0..60_000 {
        let word: String = (0..random.usize(1..6)).map(|_| words[random.usize(..words.len())].as_str()).collect();
        let digits = ["", "2", "37", "4567"][random.usize(..4)];
        let id: String = (0..random.usize(16..60)).map(|_| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[random.usize(..32)])).collect();
        let token: String = (0..random.usize(12..60)).map(|_| random.alphanumeric()).collect();
        values.extend([format!("{word}{digits}"), id, format!("v1:{token}"), format!("{word}|{}", word.to_lowercase())]);
    }
    let (leaves, _) = body_leaves(serde_json::json!(values).to_string().as_bytes(), None);
    let guesses = [Encoding::Base32, Encoding::Utf16];
    let taken: Vec<String> = leaves
        .iter()
        .filter(|leaf| leaf.shape.chain.iter().any(|encoding| guesses.contains(encoding)) || leaf.name.path.contains("{prefix}"))
        .map(|leaf| format!("{:?} {}", leaf.shape.chain, leaf.value.expose()))
        .collect();
    assert_eq!(taken, Vec::<String>::new());
}

#[test]
fn json_in_utf_16_is_read_in_either_order() {
    let json = r#"{"name":"Jürgen 𝄞","n":[171]}"#;
    let little: Vec<u8> = json.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = json.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let want = ["json name=Jürgen 𝄞 utf-16", "json n[]=171 utf-16"];
    let marked = |mark: &[u8], rest: &[u8]| [mark, rest].concat();
    for body in [little.clone(), big.clone(), marked(b"\xff\xfe", &little), marked(b"\xfe\xff", &big)] {
        for content_type in [None, Some("application/json"), Some("application/json; charset=UTF-16"), Some("text/plain")] {
            assert_eq!(brief(&body, content_type), want, "{content_type:?}");
        }
        let text = STANDARD.encode(&body);
        assert_eq!(value_leaves(&text), ["json v.name=Jürgen 𝄞 base64>utf-16>json", "json v.n[]=171 base64>utf-16>json"]);
    }
    // Words that only a content type makes text.
    let words: Vec<u8> = "今天我走了一万步".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(brief(&words, Some("text/plain; charset=\"utf-16le\"")), ["body=今天我走了一万步 utf-16"]);
    assert_eq!(brief(b"plain text, whatever they say", Some("text/plain; charset=utf-16")), ["body=plain text, whatever they say "]);
}

#[test]
fn long_base32_is_data_in_base32_and_not_in_base64() {
    let chains = |text: &str| -> Vec<String> {
        let (leaves, _) = body_leaves(serde_json::json!({ "v": text }).to_string().as_bytes(), None);
        leaves.iter().map(|leaf| leaf.shape.chain_words()).collect()
    };
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut random = fastrand::Rng::with_seed(9);
    let mut digits = |count: usize| -> String { (0..count).map(|_| char::from(alphabet[random.usize(..32)])).collect() };
    for (text, want) in [
        (digits(160), "base32?"),
        (digits(2304).to_lowercase(), "base32?"),
        // Two bytes less, and padding that only base32 has.
        (format!("{}AA======", digits(2304 - 8)), "base32?"),
        // Base64 of a text, which may be of the same alphabet.
        ("QUFB".repeat(480), "base64"),
        // A digest may be a token.
        (digits(32), ""),
    ] {
        assert_eq!(chains(&text), [want], "{text}");
    }
}

#[test]
fn base32_and_base64_behind_a_word_are_peeled_when_there_is_something_behind_them() {
    // Made by Python's base64 module from `{"lat":52.374,"steps":900}`.
    for text in ["PMRGYYLUEI5DKMROGM3TILBCON2GK4DTEI5DSMBQPU======", "PMRGYYLUEI5DKMROGM3TILBCON2GK4DTEI5DSMBQPU"] {
        assert_eq!(value_leaves(text), ["json v.lat=52.374 base32>json", "json v.steps=900 base32>json"]);
    }
    let base64 = "eyJsYXQiOjUyLjM3NCwic3RlcHMiOjkwMH0=";
    for prefix in ["v1", "enc", "data-v2:gz"] {
        let want =
            [format!("json v.{{prefix}}={prefix} "), "json v.lat=52.374 base64>json".to_owned(), "json v.steps=900 base64>json".to_owned()];
        assert_eq!(value_leaves(&format!("{prefix}:{base64}")), want);
    }
    // Whole and unwrapped, with its byte range.
    let body = format!(r#"{{"a":"v1|{base64}"}}"#);
    let (leaves, _) = body_leaves(body.as_bytes(), None);
    let range = leaves[1].bytes.expect("in a body");
    assert_eq!((&body[range.start as usize..range.end as usize], range.coarse), (base64, true));
    for text in ["sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "JBSWY3DPEHPK3PXP", "urn:uuid:8f14e45f-ceea-467f-9a3b-0b7d0c1b2a3c"]
    {
        let leaves = value_leaves(text);
        assert!(leaves.len() == 1 && !leaves[0].contains("base"), "{leaves:?}");
    }
}

#[test]
fn parts_are_read_by_their_transfer_encoding() {
    let part = |encoding: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{value}\r\n--b--\r\n")
    };
    let is = |encoding: &str, value: &str, want: &str| {
        assert_eq!(brief(part(encoding, value).as_bytes(), Some("multipart/form-data; boundary=b")), [want]);
    };
    is("quoted-printable", "J=C3=BCrgen =\r\nGro=C3=9F", "form a=Jürgen Groß quoted-printable");
    is("Quoted-Printable", "{\"steps\"=3A900}", "form a.steps=900 quoted-printable>json");
    is("quoted-printable", "a=b", "form a=a=b ");
    is("base64", "UXVpbGxv\r\nbg==", "form a=Quillon base64");
    is("8bit", "J=C3=BCrgen", "form a=J=C3=BCrgen ");
}

#[test]
fn nests_end_at_the_limit() {
    let limits = |notes: &[Note]| notes.iter().filter(|note| note.kind == BlindSpotKind::LimitReached).count();
    let deep = 100_000;
    let xml = "<a>".repeat(deep) + &"</a>".repeat(deep);
    let (leaves, notes) = body_leaves(xml.as_bytes(), None);
    assert_eq!((leaves.len(), limits(&notes)), (0, 1));
    let list = format!("<plist>{}{}</plist>", "<array>".repeat(deep), "</array>".repeat(deep));
    let (leaves, notes) = body_leaves(list.as_bytes(), None);
    assert_eq!((leaves.len(), limits(&notes)), (0, 1));
    for (unit, content_type) in
        [("81a161", "application/msgpack"), ("a16161", "application/cbor"), ("91", "application/msgpack"), ("9f", "application/cbor")]
    {
        let (leaves, notes) = body_leaves(&bytes(&unit.repeat(deep)), Some(content_type));
        assert_eq!((leaves.len(), limits(&notes)), (0, 1), "{unit}");
        let (_, notes) = body_leaves(&bytes(&unit.repeat(deep)), None);
        assert!(!notes.is_empty(), "{unit}");
    }
    // Messages within messages, as deep as 64 KiB allow.
    let mut message = b"\x0a\x05hello".to_vec();
    while message.len() < 64 << 10 {
        let mut around = vec![0x0a];
        let mut length = message.len();
        while length >= 0x80 {
            around.push((length & 0x7f | 0x80) as u8);
            length >>= 7;
        }
        around.push(length as u8);
        around.extend(&message);
        message = around;
    }
    for content_type in [Some("application/x-protobuf"), None] {
        let (_, notes) = body_leaves(&message, content_type);
        assert!(
            limits(&notes) > 0,
            "{content_type:?} {notes:?} {:?}",
            shown(&body_leaves(&message, content_type).0).iter().map(|line| line.chars().take(200).collect::<String>()).collect::<Vec<_>>()
        );
    }
    let mut layers = br#"{"a":1}"#.to_vec();
    for _ in 0..60 {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&layers).expect("writing to memory");
        layers = encoder.finish().expect("writing to memory");
    }
    let (leaves, notes) = body_leaves(&layers, None);
    assert_eq!((leaves.len(), limits(&notes)), (1, 1));
}

#[test]
fn lengths_that_claim_gigabytes_claim_nothing() {
    let claims: &[&str] = &[
        "dfffffffffa16101",                   // a MessagePack map of four thousand million pairs
        "ddffffffff01",                       // an array
        "81a161dbffffffff41",                 // a text
        "bbffffffffffffffffa16101",           // a CBOR map
        "9bffffffffffffffff01",               // an array
        "a161615bffffffffffffffff41",         // bytes
        "0affffffff0f41",                     // a field of a protobuf message
        "00ffffffff0a0141",                   // a gRPC frame
        "0e205408ffffffff2e4649540000400001", // a FIT file
    ];
    for hex in claims {
        for content_type in
            [None, Some("application/msgpack"), Some("application/cbor"), Some("application/protobuf"), Some("application/grpc")]
        {
            let (leaves, notes) = body_leaves(&bytes(hex), content_type);
            assert!(leaves.len() < 20, "{hex} {content_type:?}");
            if content_type.is_none() {
                assert_eq!((leaves.len(), notes.len(), leaves[0].shape.chain.len()), (1, 1, 0), "{hex}");
            }
        }
    }
    let plist =
        |count: [u8; 8], table: [u8; 8]| [&b"bplist00\x57Quillon\x08"[..], &[0, 0, 0, 0, 0, 0, 1, 1], &count, &[0; 8], &table].concat();
    for (count, table) in [([0xff; 8], [0, 0, 0, 0, 0, 0, 0, 16]), ([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], [0xff; 8])] {
        let (leaves, _) = body_leaves(&plist(count, table), None);
        assert_eq!((leaves.len(), leaves[0].shape.chain.len()), (1, 0));
    }
}

#[test]
fn a_property_list_that_holds_itself_ends() {
    // Forty arrays, each holding the next twice: 2^40 values; the last holds the first.
    let mut list = b"bplist00".to_vec();
    let mut offsets = Vec::new();
    for object in 0..40_u8 {
        offsets.push(list.len() as u8);
        list.extend([0xa2, (object + 1) % 40, (object + 1) % 40]);
    }
    let table = list.len() as u64;
    list.extend(&offsets);
    list.extend([0, 0, 0, 0, 0, 0, 1, 1]);
    for number in [40_u64, 0, table] {
        list.extend(number.to_be_bytes());
    }
    let (leaves, notes) = body_leaves(&list, None);
    assert_eq!(leaves.len(), 0);
    assert!(notes.iter().any(|note| note.kind == BlindSpotKind::LimitReached && note.sentence.contains("too long")), "{notes:?}");
}

#[test]
fn every_beginning_of_every_format_is_read_without_harm() {
    let mut random = fastrand::Rng::with_seed(23);
    for hex in [ZSTD, BROTLI_LONG, DEFLATE_LONG, MSGPACK, CBOR, BINARY_PLIST, PROTOBUF, GRPC, GRPC_COMPRESSED, FIT] {
        let whole = bytes(hex);
        for end in 0..whole.len() {
            let _ = body_leaves(&whole[..end], None);
        }
        for _ in 0..300 {
            let mut broken = whole.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..broken.len());
                broken[at] = random.u8(..);
            }
            for content_type in
                [None, Some("application/grpc"), Some("application/x-protobuf"), Some("application/cbor"), Some("application/msgpack")]
            {
                let _ = body_leaves(&broken, content_type);
            }
        }
    }
    for document in [XML_PLIST, JWT] {
        for _ in 0..300 {
            let mut broken = document.as_bytes().to_vec();
            let at = random.usize(..broken.len());
            broken[at] = b"<>&;\"'/!?[]-. a"[random.usize(..15)];
            let _ = body_leaves(&broken, None);
        }
    }
}

#[test]
fn ten_thousand_bombs_end_with_a_blind_spot() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b'a'; 1 << 20]).expect("writing to memory");
    let bomb = STANDARD.encode(encoder.finish().expect("writing to memory"));
    let body = format!("[{}]", vec![format!("\"{bomb}\""); 10_000].join(","));
    let (leaves, notes) = body_leaves(body.as_bytes(), None);
    assert_eq!(leaves.len(), 10_000);
    assert!(notes.iter().any(|note| note.kind == BlindSpotKind::LimitReached && note.sentence.contains("64 MiB")), "{notes:?}");
}

// `{"mac":"C0:FF:EE:12:34:56","n":171}`, by zstd 1.5, Google's brotli and Python's zlib.
const ZSTD: &str = "28b52ffd04681901007b226d6163223a2243303a46463a45453a31323a33343a3536222c226e223a3137317dd013bf2e";
const BROTLI: &str = "0b11807b226d6163223a2243303a46463a45453a31323a33343a3536222c226e223a3137317d03";
const DEFLATE: &str = "ab56ca4d4c56b2527236b07273b37275b53234b23236b1323553d251ca53b2323437ac0500";
const GZIP: &str = "1f8b0800000000000203ab56ca4d4c56b2527236b07273b37275b53234b23236b1323553d251ca53b2323437ac0500714ae7f523000000";
const BROTLI_OF_GZIP: &str =
    "0b1b801f8b0800000000000203ab56ca4d4c56b2527236b07273b37275b53234b23236b1323553d251ca53b2323437ac0500714ae7f52300000003";
// `quillon@example.test`, by Python's zlib.
const DEFLATE_OF_TEXT: &str = "2b2ccdccc9c9cf7348ad48cc2dc849d52b492d2e0100";
// Twelve objects with `mac`, `minute` and `rate`.
const BROTLI_LONG: &str = "1b950200ac0aec36e76db0c9bd0926d2ee4e40c07618a1d273ab6dcf4d97ba21012afeeb9a614372c5d2d53a22637d03042376aea363780d28c428b1908aa685e2eafcba2c11dcd945c9d24ebcdac11a2f8c4b654415c98cd28aca8e5a477622f822fa235d202e9ca413";
const DEFLATE_LONG: &str = "9dd12d0e80300c86e1ab2cd588767f402d61972088852010200828c2dd21a8e29ab97e691ef50e17ac790236d021a7c47dcf64d9790e112a03ebb29dc7fcbef11d7bfece887765948c04233db382593d7382393df382793d0b82053d8b82453dabcb02346501dab200846505887e09c607";
// By Python's msgpack 1.x and cbor2 5.x.
const MSGPACK: &str = "87a36d6163b143303a46463a45453a31323a33343a3536a16eccaba177cb404fb33333333333a26f6bc3a26e6fc0a46c6973749281a161a2783181a161a3c3bc32a3726177c4030102ff";
const MSGPACK_WITH_TIME: &str = "83a47768656ed6ff69b53fb0a3626967d2fffeee90a166c40101";
const CBOR: &str = "a7636d61637143303a46463a45453a31323a33343a3536616e18ab6177fb404fb33333333333626f6bf5626e6ff6646c69737482a16161627831a1616163c3bc3263726177430102ff";
const CBOR_WITH_TAGS: &str = "a2647768656ec11a69b53fb06468616c66d9d9f721";
// By Python's plistlib.
const BINARY_PLIST: &str = "62706c6973743030d80102030405060708090a0b0c0d0e1415536d6163516e5177526f6b54626f726e546c69737453726177536e65675f101143303a46463a45453a31323a33343a353610ab23404fb333333333330933c1bfa3aa70000000a20f12d110115161527831d110136200fc0032430102ff13fffffffffffffffb08191d1f2124292e32364a4c55565f6265676a6d7276000000000000010100000000000000160000000000000000000000000000007f";
const XML_PLIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>mac</key>
	<string>C0:FF:EE:12:34:56</string>
	<key>n</key>
	<integer>171</integer>
	<key>w</key>
	<real>63.4</real>
	<key>ok</key>
	<true/>
	<key>born</key>
	<date>1984-03-07T06:05:04Z</date>
	<key>list</key>
	<array>
		<dict>
			<key>a</key>
			<string>x1</string>
		</dict>
		<dict>
			<key>a</key>
			<string>ü2</string>
		</dict>
	</array>
	<key>raw</key>
	<data>
	AQL/
	</data>
	<key>neg</key>
	<integer>-5</integer>
</dict>
</plist>
"#;
// By Google's protobuf for Python: a message `Upload`, and the set of descriptors that names it.
const PROTOBUF: &str = "0a1143303a46463a45453a31323a33343a353610ab011a120987dc0c37e02f4a40111e5036e50a8f13401a12090000000000304a40118fc2f5285c8f134022030102ff2a043748ac0230053d00007e4240014a060a026b311007";
const DESCRIPTORS: &str = "0a94020a0a62616e642e70726f746f120464656d6f22210a05506f696e74120b0a036c6174180120012801120b0a036c6f6e18022001280122d4010a0655706c6f6164120b0a036d616318012001280912090a016e180220012805121a0a05747261636b18032003280b320b2e64656d6f2e506f696e74120c0a04626c6f6218042001280c120a0a02687218052003280d120d0a0564656c7461180620012811120e0a06776569676874180720012802120a0a026f6b18082001280812240a047461677318092003280b32162e64656d6f2e55706c6f61642e54616773456e7472791a2b0a0954616773456e747279120b0a036b6579180120012809120d0a0576616c75651802200128053a023801620670726f746f33";
const GRPC: &str = "000000005a0a1143303a46463a45453a31323a33343a353610ab011a120987dc0c37e02f4a40111e5036e50a8f13401a12090000000000304a40118fc2f5285c8f134022030102ff2a043748ac0230053d00007e4240014a060a026b311007";
const GRPC_COMPRESSED: &str = "000000005a0a1143303a46463a45453a31323a33343a353610ab011a120987dc0c37e02f4a40111e5036e50a8f13401a12090000000000304a40118fc2f5285c8f134022030102ff2a043748ac0230053d00007e4240014a060a026b31100701000000691f8b0800000000000203e3127436b07273b37275b53234b23236b132351358cd2825c4d97e87c7fc81be9783a05c80d953ae7e6107a01803081800c5fa0f7dd588018a29313332fdd76231f758c364c06acbc050e7e4c0e8c5c6c5946d28c00e006e00b6ee5a000000";
// By hand, with Python's struct, from the FIT protocol: `file_id`, two records (big-endian; the second with a compressed timestamp)
// and `user_profile`.
const FIT: &str = "0e2054086a0000002e464954000040000000000400010001028403048c0404860004010015cd5b07b0f31744410001001405fd0486000485010485030102c80284014417f3b1253e66b5037a2412480007a34417f3b27fffffff7fffffffffffff420000030002000807040284025175696c6c6f6e007a020000";
// By Python's base64.
const JWT: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMDAwMDAwMDAxIiwiZW1haWwiOiJxdWlsbG9uQGV4YW1wbGUudGVzdCJ9.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const ENGLISH: &str = "the quick brown fox jumps over a lazy dog while Internationalization committees deliberate endlessly about \
    Whether or not deadbeef facade decade 1984 and 2026 ought to appear in ordinary prose (they do) \"quoted\" it's & so on; a=b data: id: \
    event: I'd've x y z No. 10 <b> http://example.test/?a=1 e.g. U.S. C++ 50% 3.14 band heart rate sleep walked 9000 steps to café Zürich";
