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

/// Whom a file's networkSecurityConfig names besides the system's certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trusted {
    /// The user's.
    pub(crate) user: bool,
    /// Files in the APK itself, each with certificates.
    pub(crate) own: Vec<Vec<u8>>,
}

/// Reads the configuration that a file's manifest names.
pub(crate) fn trusted(file: &Path) -> Trusted {
    let output =
        |program: &str, arguments: &[&str]| Command::new(program).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
    let aapt = |arguments: &[&str]| String::from_utf8_lossy(&output("/usr/bin/aapt", arguments)).into_owned();
    let apk = file.to_string_lossy();
    let manifest = aapt(&["dump", "xmltree", &apk, "AndroidManifest.xml"]);
    let Some(config) = resource(&manifest, "networkSecurityConfig") else { return Trusted::default() };
    let resources = aapt(&["dump", "--values", "resources", &apk]);
    let Some(config) = place(&resources, config) else { return Trusted::default() };
    let tree = aapt(&["dump", "xmltree", &apk, config]);
    let own = tree.lines().filter_map(|line| place(&resources, resource(line, " src")?));
    Trusted { user: tree.contains("src=\"user\""), own: own.map(|name| output("/usr/bin/unzip", &["-p", &apk, name])).collect() }
}

/// The number of the resource that is an attribute's value: `A: android:networkSecurityConfig(0x01010527)=@0x7f020000`.
fn resource<'a>(tree: &'a str, attribute: &str) -> Option<&'a str> {
    let line = tree.lines().find(|line| line.contains(&format!("{attribute}(")) || line.contains(&format!("{attribute}=")))?;
    line.split_once("=@")?.1.split_whitespace().next()
}

/// Where a resource lies in the APK: `resource 0x7f020000 …: t=0x03`, and in the next line `(string8) "res/xml/name.xml"`.
fn place<'a>(resources: &'a str, number: &str) -> Option<&'a str> {
    let mut lines = resources.lines().skip_while(|line| !line.trim().starts_with(&format!("resource {number} ")));
    lines.nth(1)?.split('"').nth(1)
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
    fn a_configuration_and_its_certificates_are_found_by_their_numbers() {
        let tree = "  E: application (line=9)\n    A: android:label(0x01010001)=\"Stand-in\"\n    A: android:networkSecurityConfig(0x01010527)=@0x7f020000\n";
        assert_eq!(resource(tree, "networkSecurityConfig"), Some("0x7f020000"));
        assert_eq!(resource("        A: src=@0x7f030000 (Raw: \"@raw/ca\")", " src"), Some("0x7f030000"));
        assert_eq!(resource("        A: src=\"user\" (Raw: \"user\")", " src"), None);
        let resources = "      spec resource 0x7f020000 a:xml/b: flags=0x00000000\n      config (default):\n        resource 0x7f020000 a:xml/b: \
                         t=0x03 d=0x00000000 (s=0x0008 r=0x00)\n          (string8) \"res/xml/b.xml\"\n";
        assert_eq!(place(resources, "0x7f020000"), Some("res/xml/b.xml"));
        assert_eq!(place(resources, "0x7f020001"), None);
    }

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
