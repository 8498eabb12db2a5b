//! Forms of text: what a host pattern, a path, a date, a key looks like. One list for reading files, for messages and for
//! JSON Schemas. What such text means is left to whoever reads it.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{Timestamp, civil::Date};

use crate::phone::Percent;

/// A form of text.
#[derive(Debug)]
pub struct Form {
    /// What it is, with its article: reads after "needs" (`a date`).
    pub what: &'static str,
    /// One that is well formed.
    pub example: &'static str,
    /// ECMA 262 regular expression for JSON Schema; as exact as such an expression can be.
    pub pattern: &'static str,
    /// Whether text has this form. The last word; `pattern` only helps an editor.
    pub accepts: fn(&str) -> bool,
    /// Whether it must not be shown, not even in a message on what is wrong with it.
    pub secret: bool,
}

/// Any text of 1 to 2,000 characters without control characters other than line breaks.
pub const TEXT: Form = Form {
    what: "some text",
    example: "Sync the band while standing still",
    pattern: r"^[\s\S]{1,2000}$",
    accepts: |text| {
        let count = text.chars().count();
        (1..=2000).contains(&count) && !text.chars().any(|c| c.is_control() && c != '\n')
    },
    secret: false,
};

/// A name of a scenario, an app, a phase or a rule: lower-case words joined by hyphens, at most 40 characters.
pub const NAME: Form = Form {
    what: "a name of lower-case letters, digits and hyphens that begins with a letter",
    example: "passive-sync",
    pattern: "^[a-z][a-z0-9-]{0,39}$",
    accepts: |text| {
        text.len() <= 40
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    },
    secret: false,
};

/// A host pattern as [`crate::model::HostPattern`] reads it.
pub const HOST: Form = Form {
    what: "a host pattern: lower-case labels joined by dots, with * inside a label, and none in the last two",
    example: "api-mifit*.huami.com",
    pattern: r"^([a-z0-9*-]{1,63}\.)*[a-z0-9-]{1,63}\.[a-z0-9-]{1,63}$",
    accepts: is_host_pattern,
    secret: false,
};

/// A path template as [`crate::model::PathTemplate`] reads it.
pub const PATH: Form = Form {
    what: "a path that begins with a slash, has no query, and may have {names} as whole segments",
    example: "/users/{id}/devices",
    pattern: r"^(/(\{[a-z][a-z0-9_]*\}|[^\s?#{}/]*))+$",
    accepts: is_path_template,
    secret: false,
};

/// The full name of a Protocol Buffers message.
pub const MESSAGE: Form = Form {
    what: "a message's full name: words joined by dots",
    example: "demo.Upload",
    pattern: r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$",
    accepts: |text| {
        let is_word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        text.split('.').all(is_word)
    },
    secret: false,
};

/// A file of Protocol Buffers descriptors, in the same folder.
pub const DESCRIPTORS: Form = Form {
    what: "the name of a file in the same folder that ends in .binpb",
    example: "upload.binpb",
    pattern: r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,93}\.binpb$",
    accepts: |text| {
        text.len() <= 100
            && text.strip_suffix(".binpb").is_some_and(|stem| !stem.is_empty() && !stem.starts_with('.'))
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    },
    secret: false,
};

/// A calendar date.
pub const DATE: Form = Form {
    what: "a date: year-month-day",
    example: "2026-03-14",
    pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    accepts: |text| text.len() == 10 && text.parse::<Date>().is_ok(),
    secret: false,
};

/// A package or bundle id.
pub const APP_ID: Form = Form {
    what: "a package or bundle id: words joined by dots",
    example: "com.xiaomi.hm.health",
    pattern: r"^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+$",
    accepts: |text| {
        text.len() <= 200
            && text.contains('.')
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text
                .split('.')
                .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'))
    },
    secret: false,
};

/// A Bluetooth device address.
pub const ADDRESS: Form = Form {
    what: "a Bluetooth address: six pairs of hex digits joined by colons",
    example: "C0:FF:EE:12:34:56",
    pattern: "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$",
    accepts: |text| address(text).is_some(),
    secret: false,
};

/// A Bluetooth adapter of this machine.
pub const ADAPTER: Form = Form {
    what: "a Bluetooth adapter: its name, or its address",
    example: "hci0",
    pattern: "^[A-Za-z][A-Za-z0-9._-]{0,29}$|^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$",
    accepts: |text| {
        let is_name = text.len() <= 30
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        is_name || address(text).is_some()
    },
    secret: false,
};

/// A band's key, or the environment variable that holds it.
pub const KEY: Form = Form {
    what: "a key of 32 hex digits, or ${env:NAME} for one that an environment variable holds",
    example: "${env:BAND_KEY}",
    pattern: r"^([0-9A-Fa-f]{32}|\$\{env:[A-Za-z_][A-Za-z0-9_]*\})$",
    accepts: |text| key(text).is_some() || environment_variable(text).is_some(),
    secret: true,
};

/// An address and port to listen on.
pub const LISTEN: Form = Form {
    what: "an address and a port to listen on",
    example: "192.0.2.10:8080",
    pattern: r"^\S+:[0-9]{1,5}$",
    accepts: |text| text.parse::<SocketAddr>().is_ok(),
    secret: false,
};

/// [`TEXT`] that may be a real person's, and is not shown.
pub const PRIVATE_TEXT: Form = Form { secret: true, ..TEXT };

/// [`DATE`] that may be a real person's, and is not shown.
pub const PRIVATE_DATE: Form = Form { secret: true, ..DATE };

/// [`ADDRESS`] that may be a real person's, and is not shown.
pub const PRIVATE_ADDRESS: Form = Form { secret: true, ..ADDRESS };

/// Another scenario file, from the folder of the one that names it.
pub const SCENARIO_FILE: Form = Form {
    what: "the path of a scenario file that ends in .yaml, from the folder of this one, with slashes",
    example: "parts/sign-in.yaml",
    pattern: r"^([A-Za-z0-9._-]{1,100}/){0,8}[a-z][a-z0-9-]{0,39}\.yaml$",
    accepts: |text| {
        let mut segments: Vec<&str> = text.split('/').collect();
        let name = segments.pop().and_then(|file| file.strip_suffix(".yaml"));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        name.is_some_and(|name| !name.is_empty() && (NAME.accepts)(name))
            && segments.len() <= 8
            && segments.iter().all(|segment| (1..=100).contains(&segment.len()) && segment.chars().all(is_plain))
    },
    secret: false,
};

/// A file of this machine.
pub const FILE: Form = Form {
    what: "the path of a file or folder, from the folder of this file when it is not absolute",
    example: "packages/app-6.14.0.apk",
    pattern: r"^[^\x00-\x1f]{1,1000}$",
    accepts: |text| (1..=1000).contains(&text.chars().count()) && !text.chars().any(char::is_control),
    secret: false,
};

/// The name of an app's version, as the phone or the store shows it.
pub const VERSION: Form = Form {
    what: "a version: letters, digits, dots, hyphens, underscores and plus signs",
    example: "6.14.0",
    pattern: "^[A-Za-z0-9][A-Za-z0-9._+-]{0,59}$",
    accepts: |text| {
        text.len() <= 60
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-'))
    },
    secret: false,
};

/// A permission: a word for what an app may know, or the system's own name.
pub const PERMISSION: Form = Form {
    what: "location, backgroundLocation, or the system's own name of a permission, with its dots",
    example: "android.permission.READ_CONTACTS",
    pattern: r"^(location|backgroundLocation|[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+)$",
    accepts: |text| matches!(text, "location" | "backgroundLocation") || (APP_ID.accepts)(text),
    secret: false,
};

/// A place on the screen.
pub const POINT: Form = Form {
    what: "a place on the screen in percent, from the left and from the top; in quotes where it stands in braces",
    example: "50%,20%",
    pattern: r"^[0-9]{1,3}(\.[0-9]{1,3})?%,\s?[0-9]{1,3}(\.[0-9]{1,3})?%$",
    accepts: |text| point(text).is_some(),
    secret: false,
};

/// A text that is typed.
pub const TYPED: Form = Form {
    what: "a text of one line and at most 500 characters, in which ${env:NAME} stands for what an environment variable holds",
    example: "${env:TEST_ACCOUNT}",
    pattern: r"^[^\x00-\x1f]{1,500}$",
    accepts: |text| {
        (1..=500).contains(&text.chars().count()) && !text.chars().any(char::is_control) && super::secrets::Text::parse(text).is_some()
    },
    secret: true,
};

/// A planted value as text, of any kind, which is not shown.
pub const PRIVATE_VALUE: Form = Form {
    what: "some text",
    example: "C0:FF:EE:12:34:56",
    pattern: r"^[\s\S]{1,20000}$",
    accepts: |text| (1..=20_000).contains(&text.len()) && !text.chars().any(|c| c.is_control() && c != '\n'),
    secret: true,
};

/// A minute series as text, which is not shown.
pub const SERIES: Form = Form {
    what: "one value a minute, at least 20 and at most 10080 of them: a list of numbers from 0 to 255, or as bytes in hex digits or base64",
    example: "3e3f403e3f403e3f403e3f403e3f403e3f403e3f",
    pattern: "^([0-9A-Fa-f]{2}){20,}$|^[0-9A-Za-z+/]{27,}={0,2}$",
    accepts: |text| series(text).is_some_and(|series| (SHORTEST_SERIES..=LONGEST_SERIES).contains(&series.len())),
    secret: true,
};

/// Fewest minutes of a series: fewer could be found anywhere.
pub const SHORTEST_SERIES: usize = 20;

/// Most minutes of a series: a week.
pub const LONGEST_SERIES: usize = 7 * 24 * 60;

/// A planted value's name.
pub const VALUE_NAME: Form = Form {
    what: "a name of letters, digits, dots, hyphens and underscores that begins with a letter",
    example: "band.mac",
    pattern: "^[A-Za-z][A-Za-z0-9._-]{0,59}$",
    accepts: |text| {
        text.len() <= 60
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    },
    secret: false,
};

/// A date, or a moment with its time zone.
pub const MOMENT: Form = Form {
    what: "a date or a moment: year-month-day, or in quotes with a time and Z",
    example: "2026-03-14T08:00:00Z",
    pattern: r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.+)?$",
    accepts: |text| (DATE.accepts)(text) || text.parse::<Timestamp>().is_ok(),
    secret: false,
};

/// A finding's id as reports print it ([`crate::model::FindingId`]).
pub const FINDING: Form = Form {
    what: "a finding's id as reports print it: T and eight hex digits",
    example: "T1a2b3c4d",
    pattern: "^T[0-9a-f]{8}$",
    accepts: |text| {
        text.strip_prefix('T')
            .is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
    },
    secret: false,
};

/// Longest duration a file may ask for.
pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Reads a duration: a whole number and one of `ms`, `s`, `m`, `h`; more than nothing, at most [`LONGEST`].
///
/// # Errors
/// A hint for whoever wrote it.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("a duration is a whole number and a unit: 300ms, 90s, 5m, 24h".into());
    }
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" => return Err(format!("a duration needs a unit: {number}s, {number}m")),
        other => return Err(format!("{:?} is no unit; the units are ms, s, m and h", crate::model::text::printable(other))),
    };
    let duration = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms)).map(Duration::from_millis);
    match duration {
        Some(Duration::ZERO) => Err("a duration must be longer than nothing".into()),
        Some(duration) if duration <= LONGEST => Ok(duration),
        _ => Err("the longest duration is 720h (30 days)".into()),
    }
}

/// Reads a Bluetooth device address, display order.
pub fn address(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut pairs = text.split(':');
    for byte in &mut bytes {
        *byte = hex_byte(pairs.next()?)?;
    }
    pairs.next().is_none().then_some(bytes)
}

/// Reads a key of 32 hex digits.
pub fn key(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 {
        return None;
    }
    let mut bytes = [0; 16];
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = hex_byte(text.get(2 * n..2 * n + 2)?)?;
    }
    Some(bytes)
}

/// Reads a minute series: hex digits, else standard base64.
pub fn series(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_whitespace().collect();
    if text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return (0..text.len() / 2).map(|n| hex_byte(text.get(2 * n..2 * n + 2)?)).collect();
    }
    STANDARD.decode(&text).ok()
}

/// Reads a place on the screen.
pub fn point(text: &str) -> Option<Percent> {
    let (x, y) = text.split_once(',')?;
    let percent = |text: &str| {
        let digits = text.strip_suffix('%')?;
        let plain = digits.starts_with(|c: char| c.is_ascii_digit()) && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        digits.parse::<f64>().ok().filter(|number| plain && (0.0..=100.0).contains(number))
    };
    Some(Percent { x: percent(x)?, y: percent(y.strip_prefix(' ').unwrap_or(y))? })
}

/// The variable's name in `${env:NAME}`.
pub fn environment_variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${env:")?.strip_suffix('}')?;
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (starts_well && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')).then_some(name)
}

/// Two hex digits.
fn hex_byte(pair: &str) -> Option<u8> {
    (pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| u8::from_str_radix(pair, 16).ok()).flatten()
}

/// Two stars a label at most: matching tries every split, so more of them would cost more than they tell.
fn is_host_pattern(text: &str) -> bool {
    let labels: Vec<&str> = text.split('.').collect();
    let well_formed = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'*')
            && label.matches('*').count() <= 2
    };
    text.len() <= 253
        && labels.len() >= 2
        && labels.iter().all(well_formed)
        && labels.iter().rev().take(2).all(|label| !label.contains('*'))
}

fn is_path_template(text: &str) -> bool {
    text.len() <= 1000
        && text.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|segment| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => {
                    name.starts_with(|c: char| c.is_ascii_lowercase())
                        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
                }
                None => !segment.chars().any(|c| c.is_whitespace() || c.is_control() || "?#{}".contains(c)),
            })
        })
}

/// Every form, for the tests.
#[cfg(test)]
const ALL: [&Form; 24] = [
    &TEXT,
    &NAME,
    &HOST,
    &PATH,
    &DATE,
    &APP_ID,
    &ADDRESS,
    &ADAPTER,
    &KEY,
    &LISTEN,
    &PRIVATE_TEXT,
    &PRIVATE_DATE,
    &PRIVATE_ADDRESS,
    &PRIVATE_VALUE,
    &SERIES,
    &VALUE_NAME,
    &MOMENT,
    &FINDING,
    &SCENARIO_FILE,
    &FILE,
    &VERSION,
    &PERMISSION,
    &POINT,
    &TYPED,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_has_its_form_and_nothing_has_none() {
        for form in ALL {
            assert!((form.accepts)(form.example), "{}", form.what);
            assert!(!(form.accepts)(""), "{}", form.what);
        }
    }

    #[test]
    fn host_patterns() {
        for good in ["huami.com", "*.huami.com", "api-mifit*.huami.test", "a.b.c.d"] {
            assert!(is_host_pattern(good), "{good}");
        }
        for bad in
            ["com", "*.com", "api.*.com", "https://huami.com", "huami.com/v1", "Huami.com", "a..b", "huami.com:443", "a***.huami.com"]
        {
            assert!(!is_host_pattern(bad), "{bad}");
        }
    }

    #[test]
    fn path_templates() {
        for good in ["/", "/v1/data/band_data.json", "/users/{id}/devices", "/users/-/profile"] {
            assert!(is_path_template(good), "{good}");
        }
        for bad in ["v1/data", "/v1?x=1", "/a b", "/users/{id", "/users/{}/x", "/users/x{id}/y"] {
            assert!(!is_path_template(bad), "{bad}");
        }
    }

    #[test]
    fn places_on_the_screen() {
        assert_eq!(point("50%, 12.5%"), Some(Percent { x: 50.0, y: 12.5 }));
        for bad in ["50%", "50,20", "101%,20%", "-1%,20%", "+1%,2%", "nan%,1%", "1e1%,1%", ".5%,1%", "50%,20%,30%"] {
            assert_eq!(point(bad), None, "{bad}");
        }
    }

    #[test]
    fn paths_of_scenario_files() {
        for good in ["sign-in.yaml", "parts/sign-in.yaml", "../sign-in.yaml"] {
            assert!((SCENARIO_FILE.accepts)(good), "{good}");
        }
        for bad in ["/sign-in.yaml", "sign-in", "sign-in.yml", "parts\\sign-in.yaml", "a//b.yaml", "Sign.yaml", ".yaml", "parts/"] {
            assert!(!(SCENARIO_FILE.accepts)(bad), "{bad}");
        }
    }

    #[test]
    fn durations() {
        for (text, ms) in [("300ms", 300), ("20s", 20_000), ("5m", 300_000), ("24h", 86_400_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for (text, hint) in [
            ("90", "a duration needs a unit: 90s, 90m"),
            ("5 m", "\" m\" is no unit; the units are ms, s, m and h"),
            ("5min", "\"min\" is no unit; the units are ms, s, m and h"),
            ("-5s", "a duration is a whole number and a unit: 300ms, 90s, 5m, 24h"),
            ("0s", "a duration must be longer than nothing"),
            ("721h", "the longest duration is 720h (30 days)"),
            ("99999999999999999999s", "the longest duration is 720h (30 days)"),
        ] {
            assert_eq!(duration(text), Err(hint.to_owned()), "{text}");
        }
    }

    #[test]
    fn keys_are_hex_or_come_from_the_environment() {
        assert_eq!(key("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf").map(|key| key[15]), Some(0xaf));
        assert_eq!(key("+0a1a2a3a4a5a6a7a8a9aaabacadaeaf"), None);
        assert_eq!(environment_variable("${env:BAND_KEY}"), Some("BAND_KEY"));
        assert_eq!(environment_variable("${env:}"), None);
    }
}
