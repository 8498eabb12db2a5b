//! What an APK says of itself, read by Debian's `aapt` out of the real file.

use std::{path::Path, process::Command};

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
