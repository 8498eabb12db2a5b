//! What the phone says of an app: version, permissions, files. Parsing only; asking and changing are others'.

use std::collections::{BTreeMap, BTreeSet};

use super::{client::Adb, error::AdbError};
use crate::model::{AppVersion, text::printable};

/// An installed app, as `dumpsys package` describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) version: Option<AppVersion>,
    /// Its Linux user id, by which the phone counts its traffic.
    pub(super) uid: Option<u32>,
    /// The API level that it is made for.
    pub(super) target_sdk: Option<u32>,
    /// Permissions that it asks for.
    pub(super) requested: BTreeSet<String>,
    /// Permissions that can be granted and denied, and whether they are.
    pub(super) granted: BTreeMap<String, bool>,
    /// What their owner has decided of them, where anything, in Android's words: see [`DECISIONS`].
    pub(super) decided: BTreeMap<String, BTreeSet<String>>,
}

impl Package {
    /// The app with this package name; `None` when it is not installed.
    ///
    /// # Errors
    /// When the phone does not answer, or not in a way that is understood.
    pub(super) async fn of(adb: &Adb, name: &str) -> Result<Option<Self>, AdbError> {
        let what = format!("ask for the app {name}");
        let answer = adb.shell(&["dumpsys", "package", name], &what).await?;
        if answer.status != 0 {
            return Err(AdbError::of_command(&what, &answer.stdout, &answer.stderr));
        }
        let Some(found) = parse(&answer.stdout, name) else { return Ok(None) };
        if found.version.is_none() {
            return Err(AdbError::NotUnderstood { what, said: "no versionName in it".to_owned() });
        }
        Ok(Some(found))
    }
}

/// Reads `dumpsys package NAME`. A package that an update replaced is listed after it, so that the first one counts.
fn parse(text: &str, name: &str) -> Option<Package> {
    let head = format!("Package [{name}]");
    let mut package = Package::default();
    let (mut inside, mut list, mut owner, mut removed) = (false, false, true, false);
    for line in text.lines() {
        let words = line.trim();
        if words.starts_with("Package [") {
            if inside {
                break;
            }
            inside = words.starts_with(&head);
            continue;
        }
        if !inside {
            continue;
        }
        if let Some(user) = words.strip_prefix("User ").and_then(|rest| rest.split_once(':')) {
            // A person on the phone: the owner is 0. What was removed for the owner is listed while others have it, or its data are kept.
            owner = user.0 == "0";
            list = false;
            removed |= owner && user.1.split_whitespace().any(|word| word == "installed=false");
            continue;
        }
        if let Some((permission, rest)) = words.split_once(": granted=").filter(|_| owner) {
            // The same permission follows for other people on the phone: the first is the owner's.
            if !package.granted.contains_key(permission) {
                package.granted.insert(permission.to_owned(), rest.starts_with("true"));
                let words = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let decided: BTreeSet<String> = words.filter(|word| DECISIONS.contains(word)).map(str::to_owned).collect();
                if !decided.is_empty() {
                    package.decided.insert(permission.to_owned(), decided);
                }
            }
            continue;
        }
        for word in words.split_whitespace() {
            match word.split_once('=') {
                Some(("versionCode", code)) => {
                    let version = package.version.get_or_insert_with(|| AppVersion::named(""));
                    version.code = version.code.or(code.parse().ok());
                }
                Some(("targetSdk", level)) if package.target_sdk.is_none() => package.target_sdk = level.parse().ok(),
                Some(("userId" | "appId", id)) if package.uid.is_none() => package.uid = id.parse().ok(),
                _ => {}
            }
        }
        if let Some(named) = words.strip_prefix("versionName=") {
            let version = package.version.get_or_insert_with(|| AppVersion::named(""));
            if version.name.is_empty() {
                version.name = printable(named);
            }
        }
        if words.ends_with(':') {
            list = words == "requested permissions:";
        } else if list && !words.is_empty() {
            // A remark may follow a name: `…: restricted=true`.
            package.requested.insert(words.split(':').next().unwrap_or(words).to_owned());
        }
    }
    package.version = package.version.filter(|version| !version.name.is_empty());
    (inside && !removed).then_some(package).filter(|package| *package != Package::default())
}

/// Flags of a permission that say what its owner has decided: this time only, for good, at all (`PackageManager.FLAG_PERMISSION_…`).
pub(super) const DECISIONS: [&str; 3] = ["ONE_TIME", "USER_FIXED", "USER_SET"];

/// The SHA-256 of the app's main file, 64 hex digits.
///
/// # Errors
/// When the phone does not tell.
pub(super) async fn sha256(adb: &Adb, name: &str) -> Result<String, AdbError> {
    let what = "read the app's file";
    let paths = adb.ask(&["pm", "path", name], what).await?;
    let mut paths: Vec<&str> = paths.lines().filter_map(|line| line.trim().strip_prefix("package:")).collect();
    paths.sort_by_key(|path| !path.ends_with("base.apk"));
    let first = paths.first().ok_or_else(|| AdbError::NotUnderstood { what: what.to_owned(), said: "no path".to_owned() })?;
    let sum = adb.ask(&["sha256sum", first], what).await?;
    let digest = sum.split_whitespace().next().unwrap_or_default();
    if digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(digest.to_ascii_lowercase())
    } else {
        Err(AdbError::NotUnderstood { what: what.to_owned(), said: super::error::cut(&sum) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Android 13 prints it, shortened.
    const DUMP: &str = "\
Activity Resolver Table:
  Non-Data Actions:
      android.intent.action.MAIN:
        6f3 com.example.test/.Main filter 1

Key Set Manager:
  [com.example.test]
      Signing KeySets: 12

Packages:
  Package [com.example.test] (a1b2c3d):
    userId=10151
    pkg=Package{1234 com.example.test}
    codePath=/data/app/~~x/com.example.test-y
    versionCode=101 minSdk=21 targetSdk=33
    versionName=sim-1.1
    requested permissions:
      android.permission.INTERNET
      android.permission.ACCESS_FINE_LOCATION
      android.permission.ACCESS_BACKGROUND_LOCATION: restricted=true
    install permissions:
      android.permission.INTERNET: granted=true
    User 0: ceDataInode=1 installed=true hidden=false
      gids=[3003]
      runtime permissions:
        android.permission.ACCESS_FINE_LOCATION: granted=true, flags=[ USER_SET]
        android.permission.ACCESS_BACKGROUND_LOCATION: granted=false, flags=[ USER_SET]
    User 10: ceDataInode=0 installed=false
      runtime permissions:
        android.permission.ACCESS_FINE_LOCATION: granted=false
Hidden system packages:
  Package [com.example.test] (999):
    versionCode=7 minSdk=21 targetSdk=28
    versionName=0.7
";

    #[test]
    fn version_user_id_and_permissions_are_those_of_what_is_installed() {
        let package = parse(DUMP, "com.example.test").expect("it is there");
        assert_eq!(package.version, Some(AppVersion { name: "sim-1.1".into(), code: Some(101) }));
        assert_eq!((package.uid, package.target_sdk), (Some(10151), Some(33)));
        assert!(package.requested.contains("android.permission.ACCESS_BACKGROUND_LOCATION") && package.requested.len() == 3, "{package:?}");
        assert_eq!(package.granted.get("android.permission.ACCESS_FINE_LOCATION"), Some(&true));
        assert_eq!(package.granted.get("android.permission.ACCESS_BACKGROUND_LOCATION"), Some(&false));
        let fine = &package.decided["android.permission.ACCESS_FINE_LOCATION"];
        assert_eq!(fine.iter().collect::<Vec<_>>(), ["USER_SET"]);
        assert_eq!(parse(DUMP, "com.example"), None);
        assert_eq!(parse("Unable to find package: com.example.test\n", "com.example.test"), None);
        assert_eq!(parse("", "com.example.test"), None);
    }

    #[test]
    fn what_was_removed_for_the_owner_is_not_installed_whoever_else_has_it() {
        let removed = DUMP.replace("User 0: ceDataInode=1 installed=true", "User 0: ceDataInode=1 installed=false");
        assert_eq!(parse(&removed, "com.example.test"), None);
        let others = DUMP.replace("User 10: ceDataInode=0 installed=false", "User 10: ceDataInode=0 installed=true");
        assert!(parse(&others, "com.example.test").is_some());
    }

    #[test]
    fn newer_systems_say_app_id() {
        let text = DUMP.replace("userId=10151", "appId=10151");
        assert_eq!(parse(&text, "com.example.test").and_then(|package| package.uid), Some(10151));
    }
}
