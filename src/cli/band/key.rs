//! `band key`: finds a band's key in what its owner recorded of their own phone: the answer in which the maker's server tells the app
//! which bands are on the account, or the request by which the app tells the server. The key is shown or written only when that is
//! asked for.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    super::{
        Exit, Failure, Surroundings,
        inputs::{self, AnyRecording, Claims},
        progress::{Progress, Watched},
        table::table,
    },
    words::{address_of, tail},
};
use crate::{
    decode,
    model::{App, Bodies, Exchange, ExchangeId, Recording as _, RunEvent, text::hex},
    scenario::forms,
};

/// Arguments of `band key`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Capture, folder of captures, HAR or mitmproxy flow file in which you recorded your own phone while its app logged in or
    /// looked for its band
    #[arg(long, value_name = "PATH", required = true)]
    from: Vec<PathBuf>,
    /// Address of your band, where several are on the account
    #[arg(long, value_name = "ADDRESS", value_parser = address_of)]
    mine: Option<[u8; 6]>,
    /// Print the key, and nothing else, on standard output
    #[arg(long, conflicts_with = "to")]
    show: bool,
    /// Write the key to a new file that only you can read
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// A key, and where it was found.
#[derive(Clone)]
struct Found {
    key: [u8; 16],
    /// Of the band it belongs to; `None` when it does not stand beside it.
    address: Option<[u8; 6]>,
    place: Place,
}

/// Where a key stands.
#[derive(Clone)]
struct Place {
    recording: String,
    exchange: ExchangeId,
    at: Timestamp,
    /// Method and host. A path may name the account.
    call: String,
    part: &'static str,
}

/// What was looked at.
#[derive(Default)]
struct Looked {
    exchanges: usize,
    /// Exchanges whose bodies the app encrypts by itself.
    encrypted: usize,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let recordings = inputs::recordings(&arguments.from, &Claims::default(), surroundings)?;
    let (found, looked) = search(&recordings, surroundings)?;
    let all = newest(found);
    let mine = of_band(&all, arguments.mine);
    if mine.is_empty() {
        return Err(nothing(&all, &looked));
    }
    if arguments.mine.is_some() && mine.iter().all(|found| found.address.is_none()) {
        surroundings.warn("no key stands beside that address; what was found stands beside none, and may be another band's");
    }
    if !arguments.show && arguments.to.is_none() {
        let row = |found: &&Found| {
            let Place { recording, exchange, at, call, part } = &found.place;
            let day = at.strftime("%Y-%m-%d %H:%M UTC").to_string();
            vec![
                band_in_words(found.address),
                "16 bytes, not shown".to_owned(),
                format!("{part} {call}, #{} of {recording}", exchange.0),
                day,
            ]
        };
        let rows: Vec<_> = mine.iter().map(row).collect();
        surroundings.print(&table(&["band", "key", "found in", "when"], &rows, &[], surroundings.width))?;
        surroundings.note(
            "--show prints the key, --to FILE writes it to a file for you alone. In rig.yaml: key: ${env:BAND_KEY}, with that \
             variable set to it. Who has the key can read the band",
        );
        return Ok(Exit::Clean);
    }
    let [one] = mine[..] else {
        let known: Vec<_> = mine.iter().map(|found| band_in_words(found.address)).collect();
        let hint = match arguments.mine {
            None => "name yours with --mine ADDRESS",
            // They stand beside no address, so an address cannot choose.
            Some(_) => "give only the recording of your own band's login: nothing says which of these keys is whose",
        };
        return Err(Failure::usage(format!("choose among the keys of {} bands: {}", mine.len(), known.join(", ")), hint));
    };
    // Exposed because its owner asked for it.
    let text = hex(&one.key) + "\n";
    match &arguments.to {
        None => surroundings.print(&text)?,
        Some(typed) => {
            let path = surroundings.path(typed);
            keep(&path, &text).map_err(|problem| not_kept(&problem, &surroundings.shown(&path)))?;
            let shown = surroundings.shown(&path);
            surroundings.note(format_args!(
                "the key of {} is in {shown}, for you alone; remove it when it is not needed",
                band_in_words(one.address)
            ));
        }
    }
    Ok(Exit::Clean)
}

/// The keys that may be those of the band with this address: those that stand beside it, else those that stand beside none; all when none
/// is named.
fn of_band(all: &[Found], address: Option<[u8; 6]>) -> Vec<&Found> {
    let Some(address) = address else { return all.iter().collect() };
    let beside: Vec<&Found> = all.iter().filter(|found| found.address == Some(address)).collect();
    if beside.is_empty() { all.iter().filter(|found| found.address.is_none()).collect() } else { beside }
}

fn band_in_words(address: Option<[u8; 6]>) -> String {
    address.map_or_else(|| "a band without an address".to_owned(), tail)
}

/// Every key of the recordings, in their order.
fn search(recordings: &[AnyRecording], surroundings: &Surroundings) -> Result<(Vec<Found>, Looked), Failure> {
    let (mut found, mut looked) = (Vec::new(), Looked::default());
    let progress = Progress::new("looking for a key", surroundings);
    for recording in recordings {
        let name = recording.name();
        Watched { recording: &**recording, progress: &progress }.replay(&mut |event, bodies| {
            let RunEvent::Exchange(exchange) = &event.event else { return };
            looked.exchanges += 1;
            looked.encrypted += usize::from(exchange.request.header(ENCRYPTED).is_some());
            let answered = in_answer(exchange, bodies).into_iter().map(|key| (key, "answer to"));
            let sent = in_request(exchange, bodies).into_iter().map(|key| (key, "request"));
            found.extend(answered.chain(sent).map(|((key, address), part)| {
                let call = format!("{} {}", exchange.request.method, exchange.request.url.host);
                let place = Place { recording: name.clone(), exchange: exchange.id, at: exchange.began, call, part };
                Found { key, address, place }
            }));
        })?;
    }
    Ok((found, looked))
}

/// Of each band the key that was seen last: pairing anew makes another one. Keys without an address that stand elsewhere with one
/// are left out.
fn newest(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|found| found.place.at);
    let mut kept: Vec<Found> = Vec::new();
    for one in found.into_iter().rev() {
        let known = match one.address {
            Some(_) => kept.iter().any(|other| other.address == one.address),
            None => kept.iter().any(|other| other.key == one.key),
        };
        if !known {
            kept.push(one);
        }
    }
    let named: Vec<[u8; 16]> = kept.iter().filter(|one| one.address.is_some()).map(|one| one.key).collect();
    kept.retain(|one| one.address.is_some() || !named.contains(&one.key));
    kept
}

fn nothing(all: &[Found], looked: &Looked) -> Failure {
    if !all.is_empty() {
        let known: Vec<_> = all.iter().map(|found| band_in_words(found.address)).collect();
        return Failure::usage("find a key of the band with this address".to_owned(), format!("there is a key of {}", known.join(", ")));
    }
    let what = format!("find a band's key: none of {} exchanges holds one that could be read", looked.exchanges);
    let hint = if looked.encrypted > 0 {
        format!(
            "the app encrypts the bodies of {} of them by itself, so that nobody can read them here: record an older version of the app, or \
             ask the maker for your data",
            looked.encrypted
        )
    } else {
        "record your own phone while its app logs in, or looks for its band: it asks the server for the devices of the account then"
            .to_owned()
    };
    Failure::usage(what, hint)
}

type KeyAndAddress = ([u8; 16], Option<[u8; 6]>);

/// Keys in the answer to a request, each with the address that stands beside or above it.
fn in_answer(exchange: &Exchange, bodies: &dyn Bodies) -> Vec<KeyAndAddress> {
    let mut found = Vec::new();
    if let Some(value) = decode::answer_text(exchange, bodies).and_then(|text| serde_json::from_str(&text).ok()) {
        look(&value, None, MOST_NESTED, &mut found);
    }
    found
}

/// Looks through a document and the documents in its texts.
fn look(value: &Value, address: Option<[u8; 6]>, nested: u32, found: &mut Vec<KeyAndAddress>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| look(item, address, nested, found)),
        Value::Object(entries) => {
            let own = entries.iter().filter(|(name, _)| is_address(name)).find_map(|(_, value)| read_address(value.as_str()?));
            let address = own.or(address);
            for (name, value) in entries {
                match value.as_str().filter(|_| is_key(name)).and_then(read_key) {
                    Some(key) => found.push((key, address)),
                    None => look(value, address, nested, found),
                }
            }
        }
        Value::String(text) if nested > 0 && text.starts_with(['{', '[']) => {
            if let Ok(inner) = serde_json::from_str(text) {
                look(&inner, address, nested - 1, found);
            }
        }
        _ => {}
    }
}

/// The key in a request, with the address in it. Of a request with several nobody can say which belongs to which.
fn in_request(exchange: &Exchange, bodies: &dyn Bodies) -> Option<KeyAndAddress> {
    let leaves = decode::leaves_of(exchange, bodies, &App::default());
    let named = |leaf: &decode::Leaf| leaf.name.path.rsplit(['.', ']']).next().unwrap_or_default().to_owned();
    let mut keys: Vec<_> = leaves.iter().filter(|leaf| is_key(&named(leaf))).filter_map(|leaf| read_key(leaf.value.expose())).collect();
    let mut addresses: Vec<_> =
        leaves.iter().filter(|leaf| is_address(&named(leaf))).filter_map(|leaf| read_address(leaf.value.expose())).collect();
    addresses.sort_unstable();
    addresses.dedup();
    keys.sort_unstable();
    keys.dedup();
    let [key] = keys[..] else { return None };
    Some((key, if let [address] = addresses[..] { Some(address) } else { None }))
}

/// Whether a name says that its value is a band's key (`auth_key`, `authKey`).
fn is_key(name: &str) -> bool {
    matches!(plain(name).as_str(), "authkey" | "bandkey")
}

/// Whether a name says that its value is a device's address.
fn is_address(name: &str) -> bool {
    matches!(plain(name).as_str(), "mac" | "macaddress" | "deviceid" | "did" | "lastdeviceid" | "btmac")
}

/// A name in lower case without what joins its words.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// 32 hex digits; all zeros are no key.
fn read_key(text: &str) -> Option<[u8; 16]> {
    let text = text.trim();
    forms::key(text.strip_prefix("0x").unwrap_or(text)).filter(|key| *key != [0; 16])
}

/// An address with or without colons, or as the EUI-64 that the cloud makes of it (`FF FE` in the middle).
fn read_address(text: &str) -> Option<[u8; 6]> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-')).collect();
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let digits = match digits.len() {
        12 => digits,
        16 if digits.get(6..10)?.eq_ignore_ascii_case("fffe") => format!("{}{}", digits.get(..6)?, digits.get(10..)?),
        _ => return None,
    };
    u64::from_str_radix(&digits, 16).ok()?.to_be_bytes().last_chunk().copied()
}

/// Writes a new file that only its owner may read, down to the disk: a key may go nowhere before it is there. What was not written whole
/// is not there.
pub(super) fn keep(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    written(&mut file, text).inspect_err(|_| {
        // What cannot even be removed is as empty as it is; the failure to write is the one to tell.
        let _ = fs::remove_file(path);
    })
}

fn written(file: &mut fs::File, text: &str) -> std::io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Why a key was not kept: the file's name is the caller's, the disk is nobody's.
pub(super) fn not_kept(problem: &std::io::Error, shown: &str) -> Failure {
    let what = format!("write the key to {shown}: {problem}");
    match problem.kind() {
        ErrorKind::AlreadyExists => Failure::usage(what, "name a file that is not there yet"),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput | ErrorKind::InvalidFilename => {
            Failure::usage(what, "name a file in a folder that is there")
        }
        ErrorKind::PermissionDenied => Failure::usage(what, "name a file in a folder of your own"),
        _ => Failure::instrument(what, "make room, or name a file on another disk"),
    }
}

/// Documents within documents that are looked into.
const MOST_NESTED: u32 = 4;

/// The header by which the app says that it has encrypted the body by itself.
const ENCRYPTED: &str = "x-hm-ekv";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::surroundings::testing::command;

    const KEY: &str = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf";
    const OTHER: &str = "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf";

    /// A HAR with one exchange for each answer, a minute apart.
    fn har(folder: &Path, answers: &[&str]) -> String {
        let entries: Vec<Value> = answers
            .iter()
            .enumerate()
            .map(|(n, answer)| {
                serde_json::json!({
                    "startedDateTime": format!("2026-03-14T09:{n:02}:00.000Z"), "time": 5,
                    "request": { "method": "GET", "url": "https://api-user.huami.test/users/1234567/devices", "httpVersion": "HTTP/1.1",
                        "headers": [], "queryString": [], "cookies": [], "headersSize": -1, "bodySize": 0 },
                    "response": { "status": 200, "statusText": "OK", "httpVersion": "HTTP/1.1", "headers": [], "cookies": [],
                        "content": { "size": answer.len(), "mimeType": "application/json", "text": answer },
                        "redirectURL": "", "headersSize": -1, "bodySize": answer.len() },
                    "cache": {}, "timings": { "send": 0, "wait": 5, "receive": 0 },
                })
            })
            .collect();
        let log = serde_json::json!({ "log": { "version": "1.2", "creator": { "name": "x", "version": "1" }, "entries": entries } });
        fs::write(folder.join("phone.har"), log.to_string()).expect("ours");
        "phone.har".to_owned()
    }

    fn devices(items: &[(&str, &str)]) -> String {
        let item = |(mac, key): &(&str, &str)| {
            let info = serde_json::json!({ "auth_key": key, "sn": "5b0c44d17e2a" }).to_string();
            serde_json::json!({ "macAddress": mac, "deviceSource": 24, "additionalInfo": info })
        };
        serde_json::json!({ "items": items.iter().map(item).collect::<Vec<_>>() }).to_string()
    }

    #[test]
    fn the_key_is_found_in_the_answer_and_shown_only_when_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = har(folder.path(), &["{}", &devices(&[("C0:FF:EE:12:34:56", KEY)])]);
        let run = |more: &[&str]| command(folder.path(), &[&["band", "key", "--from", &file], more].concat(), |world| world.width = 140);
        let (exit, out, err) = run(&[]);
        assert_eq!(exit, Exit::Clean, "{err}");
        assert!(out.contains("…:34:56") && out.contains("answer to GET api-user.huami.test, #2 of phone.har"), "{out}");
        for secret in [KEY, "C0:FF", "1234567", "a0a1"] {
            assert!(!out.contains(secret) && !err.contains(secret), "{secret}: {out}{err}");
        }
        let (exit, out, err) = run(&["--show"]);
        assert_eq!((exit, out), (Exit::Clean, format!("{KEY}\n")), "{err}");

        let (exit, out, err) = run(&["--to", "band.key"]);
        assert!(exit == Exit::Clean && out.is_empty() && !err.contains(KEY), "{out}{err}");
        let path = folder.path().join("band.key");
        assert_eq!(fs::read_to_string(&path).expect("written"), format!("{KEY}\n"));
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).expect("there").permissions()) & 0o777, 0o600);
        let (exit, _, err) = run(&["--to", "band.key"]);
        assert!(exit == Exit::Usage && err.contains("name a file that is not there yet"), "{err}");
    }

    #[test]
    fn of_several_bands_the_owner_says_which_and_of_several_keys_the_newest_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = devices(&[("C0:FF:EE:12:34:56", OTHER)]);
        let both = devices(&[("C0:FF:EE:12:34:56", KEY), ("C0:FF:EE:00:00:01", OTHER), ("C0:FF:EE:00:00:02", "00")]);
        let file = har(folder.path(), &[&first, &both]);
        let run = |more: &[&str]| command(folder.path(), &[&["band", "key", "--from", &file], more].concat(), |_| {});
        let (exit, out, err) = run(&["--show"]);
        assert!(exit == Exit::Usage && out.is_empty() && err.contains("--mine ADDRESS") && err.contains("…:34:56"), "{err}");
        assert_eq!(run(&["--show", "--mine", "c0:ff:ee:12:34:56"]).1, format!("{KEY}\n"));
        assert_eq!(run(&["--show", "--mine", "C0:FF:EE:00:00:01"]).1, format!("{OTHER}\n"));
        let (exit, _, err) = run(&["--show", "--mine", "C0:FF:EE:00:00:09"]);
        assert!(exit == Exit::Usage && err.contains("there is a key of"), "{err}");
    }

    #[test]
    fn a_key_without_an_address_stands_back_behind_one_that_has_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let nobodys = |key: &str| serde_json::json!({ "auth_key": key }).to_string();
        let show = |answers: &[&str]| {
            let file = har(folder.path(), answers);
            command(folder.path(), &["band", "key", "--from", &file, "--mine", "C0:FF:EE:12:34:56", "--show"], |_| {})
        };
        let (exit, out, err) = show(&[&devices(&[("C0:FF:EE:12:34:56", KEY)]), &nobodys(OTHER)]);
        assert_eq!((exit, out), (Exit::Clean, format!("{KEY}\n")), "{err}");
        assert!(!err.contains("may be another band's"), "{err}");
        let (exit, out, err) = show(&[&nobodys(OTHER)]);
        assert_eq!((exit, out), (Exit::Clean, format!("{OTHER}\n")), "{err}");
        assert!(err.contains("may be another band's"), "{err}");
        let (exit, out, err) = show(&[&nobodys(OTHER), &nobodys(KEY)]);
        assert!(exit == Exit::Usage && out.is_empty() && err.contains("nothing says which of these keys is whose"), "{err}");
        assert!(!err.contains("name yours with --mine"), "that was done: {err}");
    }

    #[test]
    fn a_recording_without_a_key_says_what_to_record() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = har(folder.path(), &["<html>", &devices(&[("C0:FF:EE:12:34:56", "00000000000000000000000000000000")])]);
        let (exit, out, err) = command(folder.path(), &["band", "key", "--from", &file], |_| {});
        assert!(exit == Exit::Usage && out.is_empty(), "{out}");
        assert!(err.contains("none of 2 exchanges holds one") && err.contains("while its app logs in"), "{err}");
    }

    #[test]
    fn addresses_are_read_in_the_spellings_of_the_cloud() {
        for text in ["C0:FF:EE:12:34:56", "c0ffee123456", "C0-FF-EE-12-34-56", "C0FFEEFFFE123456"] {
            assert_eq!(read_address(text), Some([0xc0, 0xff, 0xee, 0x12, 0x34, 0x56]), "{text}");
        }
        for text in ["", "C0FFEE12345", "C0FFEE0000123456", "no address"] {
            assert_eq!(read_address(text), None, "{text}");
        }
    }
}
