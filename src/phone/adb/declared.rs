//! What an app's own files say about whom it trusts: its network security configuration. Android's rules for what follows from it are
//! in `docs/guide/real-rig.md`; the files are read on the phone, so that no package of a hundred megabytes crosses the cable.

use apk_info_axml::{ARSC, AXML};

use super::{client::Adb, error::AdbError};

/// Whether an app trusts certificates that a person has installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UserTrust {
    /// For every host that has no configuration of its own.
    Everywhere,
    /// Only for hosts that its configuration names.
    SomeHosts,
    /// Not at all: it says whom it trusts, and they are not among them.
    Refused,
    /// It says nothing, so that the version of Android it is made for decides.
    Unsaid,
}

/// Reads what the app says, from its main package on the phone.
///
/// # Errors
/// When the files cannot be read or understood: then nothing is known.
pub(super) async fn user_trust(adb: &Adb, package: &str) -> Result<UserTrust, AdbError> {
    let what = "read the app's manifest on the phone";
    let unclear = |said: &str| AdbError::NotUnderstood { what: what.to_owned(), said: said.to_owned() };
    let paths = adb.ask(&["pm", "path", package], what).await?;
    let paths = paths.lines().filter_map(|line| line.trim().strip_prefix("package:"));
    let base = paths.min_by_key(|path| !path.ends_with("base.apk")).ok_or_else(|| unclear("no path"))?;
    let manifest = adb.bytes(&["unzip", "-p", base, "AndroidManifest.xml"], what).await?;
    let resources = adb.bytes(&["unzip", "-p", base, "resources.arsc"], what).await?;
    let resources = ARSC::new(&mut resources.as_slice()).ok();
    let manifest = AXML::new(&mut manifest.as_slice(), resources.as_ref()).map_err(|_| unclear("no binary XML"))?;
    let debuggable = manifest.get_attribute_value("application", "debuggable", None).as_deref() == Some("true");
    let Some(file) = manifest.get_attribute_value("application", "networkSecurityConfig", resources.as_ref()) else {
        return Ok(UserTrust::Unsaid);
    };
    if !file.ends_with(".xml") {
        return Err(unclear("its network security configuration has no file"));
    }
    let configuration = adb.bytes(&["unzip", "-p", base, &file], what).await?;
    let configuration = AXML::new(&mut configuration.as_slice(), resources.as_ref()).map_err(|_| unclear("no binary XML"))?;
    let anchors: Vec<(Vec<String>, String)> = anchors(&configuration.root, &mut Vec::new());
    Ok(of_anchors(&anchors, debuggable))
}

/// Every `certificates` element, as the names of the elements around it and its `src`.
fn anchors(element: &apk_info_xml::Element, around: &mut Vec<String>) -> Vec<(Vec<String>, String)> {
    if around.len() > DEEPEST {
        return Vec::new();
    }
    let mut found = Vec::new();
    if element.name() == "certificates" {
        found.push((around.clone(), element.attr("src").unwrap_or_default().to_owned()));
    }
    around.push(element.name().to_owned());
    for child in element.childrens() {
        found.extend(anchors(child, around));
    }
    around.pop();
    found
}

/// What trust anchors mean for certificates that a person has installed.
fn of_anchors(anchors: &[(Vec<String>, String)], debuggable: bool) -> UserTrust {
    let within = |name: &'static str| anchors.iter().filter(move |(around, _)| around.iter().any(|element| element == name));
    let user = |(_, source): &&(Vec<String>, String)| source == "user";
    if within("base-config").any(|anchor| user(&anchor)) || debuggable && within("debug-overrides").any(|anchor| user(&anchor)) {
        UserTrust::Everywhere
    } else if within("domain-config").any(|anchor| user(&anchor)) {
        UserTrust::SomeHosts
    } else if within("base-config").next().is_some() {
        UserTrust::Refused
    } else {
        UserTrust::Unsaid
    }
}

/// A configuration has four levels; domains may be nested in domains.
const DEEPEST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_app_says_of_the_certificates_of_its_person() {
        let anchor = |around: &[&str], source: &str| (around.iter().map(|name| (*name).to_owned()).collect(), source.to_owned());
        let root = "network-security-config";
        let check = |anchors: &[(Vec<String>, String)], debuggable, want| assert_eq!(of_anchors(anchors, debuggable), want, "{anchors:?}");
        check(&[], false, UserTrust::Unsaid);
        let system = anchor(&[root, "base-config", "trust-anchors"], "system");
        check(std::slice::from_ref(&system), false, UserTrust::Refused);
        check(&[system.clone(), anchor(&[root, "base-config", "trust-anchors"], "user")], false, UserTrust::Everywhere);
        let one_host = anchor(&[root, "domain-config", "trust-anchors"], "user");
        check(&[one_host], false, UserTrust::SomeHosts);
        let debug = anchor(&[root, "debug-overrides", "trust-anchors"], "user");
        check(std::slice::from_ref(&debug), false, UserTrust::Unsaid);
        check(&[system, debug], true, UserTrust::Everywhere);
    }
}
