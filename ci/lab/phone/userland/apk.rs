//! What an APK says of itself, read by Debian's `aapt` out of the real file.

use std::{fs, path::Path, process::Command};

use sha2::{Digest, Sha256};

/// What an APK says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Badging {
    pub(crate) name: String,
    pub(crate) version_name: String,
    pub(crate) version_code: u64,
    pub(crate) min_sdk: u32,
    pub(crate) target_sdk: u32,
    pub(crate) permissions: Vec<String>,
    /// The activity that a launcher starts, in full.
    pub(crate) activity: Option<String>,
}

/// SHA-256 of the certificate of who signed a file (APK Signature Scheme v2: a block before the central directory, of pairs of an id and
/// a value; everything in it is preceded by its length); `None` when nobody has.
pub(crate) fn signer(file: &Path) -> Option<String> {
    let apk = fs::read(file).ok()?;
    let end = apk.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let directory = usize::try_from(u32::from_le_bytes(*apk.get(end + 16..)?.first_chunk()?)).ok()?;
    let before = apk.get(..directory)?;
    let (before, magic) = before.split_at_checked(before.len().checked_sub(16)?)?;
    let (_, size) = before.split_last_chunk::<8>()?;
    let size = usize::try_from(u64::from_le_bytes(*size)).ok()?;
    let mut pairs = before.get(before.len().checked_sub(size.checked_sub(16)?)?..before.len() - 8)?;
    if magic != b"APK Sig Block 42" {
        return None;
    }
    while let Some((length, rest)) = pairs.split_first_chunk::<8>() {
        let (pair, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let (id, value) = pair.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*id) == SCHEME_V2 {
            let (signer, _) = piece(piece(value)?.0)?;
            let (_digests, rest) = piece(piece(signer)?.0)?;
            let certificate = piece(piece(rest)?.0)?.0;
            return Some(Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect());
        }
        pairs = rest;
    }
    None
}

/// Whether a file's networkSecurityConfig says that the user's certificates are trusted.
pub(crate) fn trusts_user(file: &Path) -> bool {
    let aapt = |arguments: &[&str]| {
        let output = Command::new("/usr/bin/aapt").args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    };
    let apk = file.to_string_lossy();
    let named = aapt(&["dump", "xmltree", &apk, "AndroidManifest.xml"]).contains("networkSecurityConfig");
    let mut configs = aapt(&["list", &apk]).lines().filter(|name| name.starts_with("res/xml/")).map(str::to_owned).collect::<Vec<_>>();
    configs.retain(|name| {
        let tree = aapt(&["dump", "xmltree", &apk, name]);
        tree.contains("E: network-security-config") && tree.contains("src=\"user\"")
    });
    named && !configs.is_empty()
}

/// What follows its own length, and the rest.
fn piece(from: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = from.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

/// Reads a file; `None` when it is no APK.
pub(crate) fn badging(file: &Path) -> Option<Badging> {
    let output = Command::new("/usr/bin/aapt").args(["dump", "badging"]).arg(file).output().ok()?;
    output.status.success().then(|| parse(&String::from_utf8_lossy(&output.stdout)))?
}

/// `package: name='…' versionCode='…' …`, `uses-permission: name='…'` and the like, a line each.
fn parse(text: &str) -> Option<Badging> {
    let value = |line: &str, key: &str| Some(line.split_once(&format!("{key}='"))?.1.split('\'').next()?.to_owned());
    let number = |line: &str| line.split('\'').nth(1).and_then(|number| number.parse().ok());
    let mut badging = Badging::default();
    for line in text.lines() {
        match line.split_once(':').map_or(line, |(key, _)| key) {
            "package" => {
                badging.name = value(line, " name")?;
                badging.version_code = value(line, "versionCode")?.parse().ok()?;
                badging.version_name = value(line, "versionName")?;
            }
            "sdkVersion" => badging.min_sdk = number(line)?,
            "targetSdkVersion" => badging.target_sdk = number(line)?,
            "uses-permission" => badging.permissions.push(value(line, " name")?),
            "launchable-activity" => badging.activity = value(line, " name"),
            _ => {}
        }
    }
    (!badging.name.is_empty()).then_some(badging)
}

/// The id of the pair that holds signatures of the scheme.
const SCHEME_V2: u32 = 0x7109_871a;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aapt_prints_is_understood() {
        let text = "package: name='test.standin.health' versionCode='100' versionName='sim-1.0' platformBuildVersionName='10'\n\
                    sdkVersion:'21'\ntargetSdkVersion:'33'\nuses-permission: name='android.permission.INTERNET'\n\
                    application-label:'Stand-in Health'\nlaunchable-activity: name='test.standin.health.MainActivity'  label='' icon=''\n";
        let badging = parse(text).expect("an APK");
        assert_eq!((badging.name.as_str(), badging.version_code, badging.version_name.as_str()), ("test.standin.health", 100, "sim-1.0"));
        assert_eq!((badging.min_sdk, badging.target_sdk), (21, 33));
        assert_eq!(badging.permissions, ["android.permission.INTERNET"]);
        assert_eq!(badging.activity.as_deref(), Some("test.standin.health.MainActivity"));
        assert_eq!(parse("W/ResourceType: no file\n"), None);
    }
}
