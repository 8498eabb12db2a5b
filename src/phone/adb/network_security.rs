//! An app's network security configuration, rewritten so that it trusts one authority more and decides everything else as before. Text to
//! text; unpacking and building packages is `repackage`'s. Android's rules: developer.android.com, "Network security configuration".

use std::ops::Range;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::declared::FIRST_STRICT;
use crate::model::text::printable;

/// What an app's manifest says of its connections, as apktool writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Name of the configuration's resource: `network_security_config` of `@xml/network_security_config`.
    pub(super) configuration: Option<String>,
    /// `android:usesCleartextTraffic`, which counts only where there is no configuration.
    pub(super) cleartext: Option<String>,
    /// The manifest is of a part of a package, not of its base.
    pub(super) is_split: bool,
}

/// A configuration that trusts the authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trusting {
    /// The configuration's text.
    pub(super) text: String,
    /// What of the app's decisions does not hold for the authority any more, in words.
    pub(super) lifted: Vec<String>,
}

/// Has a manifest name `configuration` as its network security configuration. Gives the manifest, and what it said before.
///
/// # Errors
/// Why it is no manifest that this can be done to, in words.
pub(super) fn name_in_manifest(manifest: &str, configuration: &str) -> Result<(String, Manifest), String> {
    let mut said = Manifest::default();
    let mut edit = None;
    for (event, at) in events(manifest) {
        let event = event?;
        let (Event::Start(tag) | Event::Empty(tag)) = &event else { continue };
        match local(tag) {
            "manifest" => said.is_split = attribute(tag, "split").is_some(),
            "application" if edit.is_none() => {
                let named = attribute(tag, "networkSecurityConfig");
                said.cleartext = attribute(tag, "usesCleartextTraffic");
                let mut fresh = BytesStart::new(tag.name().as_ref().to_owned());
                for kept in tag.attributes().with_checks(false).flatten() {
                    if kept.key.local_name().as_ref() != "networkSecurityConfig" {
                        fresh.push_attribute(kept);
                    }
                }
                let value = format!("@xml/{configuration}");
                fresh.push_attribute(("android:networkSecurityConfig", value.as_str()));
                let end = if matches!(event, Event::Empty(_)) { " />" } else { ">" };
                edit = Some((at, format!("<{}{end}", &*fresh)));
                if let Some(named) = named {
                    let name = named.strip_prefix("@xml/").filter(|name| is_plain(name));
                    said.configuration = Some(name.ok_or("its network security configuration is no file of its own")?.to_owned());
                }
            }
            _ => {}
        }
    }
    let (at, by) = edit.ok_or("its manifest has no application")?;
    Ok((spliced(manifest, vec![(at, by)]), said))
}

/// A configuration as before, but that `anchor` (a resource: `@raw/name`) is trusted besides whomever it trusts, also for hosts whose
/// certificates it pins. `before` is the configuration that there was, `said` what the manifest said beside it, `target` the API level
/// that the app is made for.
///
/// # Errors
/// Why it cannot be read, in words.
pub(super) fn trusting(before: Option<&str>, said: &Manifest, target: u32, anchor: &str) -> Result<Trusting, String> {
    // A chain that ends in it is not compared with pins; every other chain still is.
    let ours = format!("<certificates src=\"{anchor}\" overridePins=\"true\" />");
    // Android's own for an app that does not say: the user's are trusted by apps made for Android 6.
    let user = if target < FIRST_STRICT { "<certificates src=\"user\" />" } else { "" };
    let default = format!("<trust-anchors><certificates src=\"system\" />{user}{ours}</trust-anchors>");
    let Some(before) = before else {
        let mut lifted = Vec::new();
        // Where there is a configuration, the manifest's own word on connections without encryption does not count any more.
        let cleartext = match said.cleartext.as_deref() {
            Some(word @ ("true" | "false")) => format!(" cleartextTrafficPermitted=\"{word}\""),
            Some(_) => {
                lifted.push("whether it may connect without encryption is Android's default now, not what its manifest says".to_owned());
                String::new()
            }
            None => String::new(),
        };
        let text = format!("{HEAD}<network-security-config><base-config{cleartext}>{default}</base-config></network-security-config>\n");
        return Ok(Trusting { text, lifted });
    };
    rewritten(before, &ours, &default)
}

/// Where something is while a configuration is read.
#[derive(Default)]
struct Place {
    /// Elements around, from the outermost.
    around: Vec<String>,
    /// Hosts of each domain-config around, and whether it pins.
    domains: Vec<(Vec<String>, bool)>,
}

impl Place {
    fn is_in(&self, name: &str) -> bool {
        self.around.iter().any(|element| element == name)
    }

    /// Whether anchors here are those of connections as they are, and not of builds for developers.
    fn decides(&self) -> bool {
        !self.is_in("debug-overrides") && (self.is_in("base-config") || self.is_in("domain-config"))
    }
}

fn rewritten(before: &str, ours: &str, default: &str) -> Result<Trusting, String> {
    let mut place = Place::default();
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let (mut root, mut has_base, mut base_has_anchors) = (None, false, false);
    let mut demand = None;
    let (mut pinned, mut demands) = (Vec::new(), false);
    for (event, at) in events(before) {
        match event? {
            Event::Start(tag) => {
                let name = local(&tag).to_owned();
                match name.as_str() {
                    "network-security-config" => root = Some(at.end),
                    "base-config" => has_base = true,
                    "domain-config" => place.domains.push((Vec::new(), false)),
                    "pin-set" => place.domains.iter_mut().for_each(|(_, pins)| *pins = true),
                    "trust-anchors" if place.decides() => {
                        base_has_anchors |= !place.is_in("domain-config");
                        edits.push((at.end..at.end, ours.to_owned()));
                    }
                    _ if is_transparency(&name) => demand = Some(at.start),
                    _ => {}
                }
                place.around.push(name);
            }
            Event::Empty(tag) => match local(&tag) {
                "network-security-config" => root = None,
                "base-config" => {
                    has_base = true;
                    let open = before[at.clone()].trim_end_matches('>').trim_end_matches('/').trim_end();
                    edits.push((at, format!("{open}>{default}</base-config>")));
                }
                "trust-anchors" if place.decides() => {
                    base_has_anchors |= !place.is_in("domain-config");
                    edits.push((at, format!("<trust-anchors>{ours}</trust-anchors>")));
                }
                name if is_transparency(name) => {
                    demands |= attribute(&tag, "enabled").as_deref() != Some("false");
                    edits.push((at, String::new()));
                }
                _ => {}
            },
            Event::Text(text) if place.around.last().is_some_and(|name| name == "domain") => {
                let host = printable(text.xml10_content().trim());
                if let Some((hosts, _)) = place.domains.last_mut() {
                    hosts.push(host);
                }
            }
            Event::End(_) => {
                let name = place.around.pop().unwrap_or_default();
                match name.as_str() {
                    "base-config" if !base_has_anchors => edits.push((at.start..at.start, default.to_owned())),
                    "domain-config" => {
                        if let Some((hosts, true)) = place.domains.pop() {
                            pinned.extend(hosts);
                        }
                    }
                    _ if is_transparency(&name) => {
                        if let Some(from) = demand.take() {
                            demands = true;
                            edits.push((from..at.end, String::new()));
                        }
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    if !place.around.is_empty() {
        return Err("its network security configuration breaks off".to_owned());
    }
    let Some(root) = root else { return Err("its network security configuration is empty".to_owned()) };
    if !has_base {
        edits.push((root..root, format!("<base-config>{default}</base-config>")));
    }
    let mut lifted = Vec::new();
    pinned.sort();
    pinned.dedup();
    if !pinned.is_empty() {
        let more = pinned.len().saturating_sub(MOST_NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        pinned.truncate(MOST_NAMED);
        lifted.push(format!("its configuration's pins of {}{more} do not hold for this rig's certificate", pinned.join(", ")));
    }
    if demands {
        lifted.push("it no longer demands that certificates are publicly logged".to_owned());
    }
    Ok(Trusting { text: spliced(before, edits), lifted })
}

/// The events of a text, each with its place in it. Ends at its end, or with the first error.
fn events(text: &str) -> impl Iterator<Item = (Result<Event<'_>, String>, Range<usize>)> {
    let mut reader = Reader::from_str(text);
    let mut over = false;
    let position = |reader: &Reader<&[u8]>| usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
    std::iter::from_fn(move || {
        if over {
            return None;
        }
        let start = position(&reader);
        let event = reader.read_event();
        let end = position(&reader);
        over = !matches!(event, Ok(ref event) if !matches!(event, Event::Eof));
        match event {
            Ok(Event::Eof) => None,
            Ok(event) => Some((Ok(event), start..end)),
            Err(_) => Some((Err("apktool wrote no XML".to_owned()), start..end)),
        }
    })
}

/// A text with parts of it replaced. The parts do not overlap.
fn spliced(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(at, _)| at.start);
    let (mut out, mut from) = (String::with_capacity(text.len() + 512), 0);
    for (at, by) in edits {
        out.push_str(text.get(from..at.start).unwrap_or_default());
        out.push_str(&by);
        from = at.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

fn local<'a>(tag: &'a BytesStart<'_>) -> &'a str {
    tag.local_name().into_inner()
}

/// An attribute's text, whatever its prefix.
fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.attributes().with_checks(false).flatten().find(|attribute| attribute.key.local_name().as_ref() == name)?;
    Some(quick_xml::escape::unescape(&found.value).map(|text| text.into_owned()).unwrap_or_default())
}

fn is_transparency(name: &str) -> bool {
    matches!(name, "certificateTransparency" | "certificate-transparency")
}

/// A name that leads nowhere else than into its folder.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && name.chars().all(|c| c.is_alphanumeric() || "_.$-".contains(c))
}

/// So many hosts whose pins do not hold are named.
const MOST_NAMED: usize = 20;
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";

#[cfg(test)]
mod tests {
    use super::*;

    const ANCHOR: &str = "@raw/ours";
    const OURS: &str = "<certificates src=\"@raw/ours\" overridePins=\"true\" />";

    fn made_of(before: &str) -> Trusting {
        trusting(Some(before), &Manifest::default(), 33, ANCHOR).expect("a configuration")
    }

    #[test]
    fn the_manifest_names_ours_and_keeps_the_rest() {
        let manifest = "<manifest package=\"a.test\" xmlns:android=\"http://schemas.android.com/apk/res/android\">\n  <application \
                        android:label=\"A &amp; B\" android:networkSecurityConfig=\"@xml/nsc\" android:usesCleartextTraffic=\"true\">\n    \
                        <activity />\n  </application>\n</manifest>";
        let (text, said) = name_in_manifest(manifest, "ours").expect("a manifest");
        assert!(text.contains("<application android:label=\"A &amp; B\" android:usesCleartextTraffic=\"true\" "), "{text}");
        assert!(text.contains("android:networkSecurityConfig=\"@xml/ours\">\n    <activity />") && !text.contains("@xml/nsc"), "{text}");
        let want = Manifest { configuration: Some("nsc".into()), cleartext: Some("true".into()), is_split: false };
        assert_eq!(said, want);
        for (manifest, why) in [
            ("<manifest />", "no application"),
            ("<manifest><application android:networkSecurityConfig=\"@xml/../x\" /></manifest>", "no file of its own"),
            ("<manifest><application", "no XML"),
        ] {
            let refused = name_in_manifest(manifest, "ours").expect_err(manifest);
            assert!(refused.contains(why), "{manifest}: {refused}");
        }
        let (text, said) = name_in_manifest("<manifest split=\"config.de\"><application /></manifest>", "ours").expect("a manifest");
        assert!(said.is_split && text.contains("<application android:networkSecurityConfig=\"@xml/ours\" />"), "{text}");
    }

    #[test]
    fn an_app_without_a_configuration_trusts_as_android_has_it_and_ours() {
        let check = |target: u32, cleartext: Option<&str>, want: &str, lifted: usize| {
            let said = Manifest { cleartext: cleartext.map(str::to_owned), ..Manifest::default() };
            let made = trusting(None, &said, target, ANCHOR).expect("made");
            assert!(made.text.contains(want), "{target} {cleartext:?}: {}", made.text);
            assert_eq!(made.lifted.len(), lifted, "{:?}", made.lifted);
        };
        check(33, None, &format!("<base-config><trust-anchors><certificates src=\"system\" />{OURS}</trust-anchors>"), 0);
        check(23, None, &format!("<certificates src=\"system\" /><certificates src=\"user\" />{OURS}"), 0);
        check(33, Some("true"), "<base-config cleartextTrafficPermitted=\"true\">", 0);
        check(27, Some("false"), "<base-config cleartextTrafficPermitted=\"false\">", 0);
        check(33, Some("@bool/plain"), "<base-config><trust-anchors>", 1);
    }

    #[test]
    fn anchors_are_added_wherever_there_are_some_and_nothing_else_is_touched() {
        let before = "<?xml version=\"1.0\"?>\n<network-security-config>\n  <base-config cleartextTrafficPermitted=\"false\">\n    \
                      <trust-anchors><certificates src=\"system\" /></trust-anchors>\n  </base-config>\n  <domain-config \
                      cleartextTrafficPermitted=\"true\"><domain includeSubdomains=\"true\">old.test</domain></domain-config>\n  \
                      <domain-config><domain>own.test</domain><trust-anchors><certificates src=\"@raw/theirs\" /></trust-anchors>\
                      </domain-config>\n  <debug-overrides><trust-anchors><certificates src=\"user\" /></trust-anchors></debug-overrides>\n\
                      </network-security-config>";
        let made = made_of(before);
        assert_eq!(made.text.matches(OURS).count(), 2, "{}", made.text);
        assert_eq!(made.text.replace(OURS, ""), before, "nothing else is changed");
        assert!(made.text.contains(&format!("<trust-anchors>{OURS}<certificates src=\"@raw/theirs\" />")), "{}", made.text);
        assert_eq!(made.lifted, Vec::<String>::new());
    }

    #[test]
    fn what_has_no_anchors_gets_androids_own() {
        let default = format!("<trust-anchors><certificates src=\"system\" />{OURS}</trust-anchors>");
        let root = |inner: &str| format!("<network-security-config>{inner}</network-security-config>");
        let check = |before: &str, want: &str| assert_eq!(made_of(&root(before)).text, root(want), "{before}");
        check(
            "<base-config cleartextTrafficPermitted=\"true\" />",
            &format!("<base-config cleartextTrafficPermitted=\"true\">{default}</base-config>"),
        );
        check("<base-config></base-config>", &format!("<base-config>{default}</base-config>"));
        check("<base-config><trust-anchors /></base-config>", &format!("<base-config><trust-anchors>{OURS}</trust-anchors></base-config>"));
        let domain = "<domain-config><domain>a.test</domain></domain-config>";
        check(domain, &format!("<base-config>{default}</base-config>{domain}"));
        for broken in ["<network-security-config>", "<network-security-config />", "<a", ""] {
            assert!(trusting(Some(broken), &Manifest::default(), 33, ANCHOR).is_err(), "{broken}");
        }
    }

    #[test]
    fn pins_and_logs_that_do_not_hold_any_more_are_named() {
        let before = "<network-security-config><base-config><certificateTransparency enabled=\"true\" /></base-config><domain-config>\
                      <domain>b.test</domain><domain>a.test</domain><pin-set><pin digest=\"SHA-256\">x</pin></pin-set></domain-config>\
                      <domain-config><domain>free.test</domain></domain-config></network-security-config>";
        let made = made_of(before);
        assert!(made.text.contains("<pin-set>") && !made.text.contains("Transparency"), "{}", made.text);
        assert_eq!(made.lifted.len(), 2, "{:?}", made.lifted);
        assert!(made.lifted[0].contains("pins of a.test, b.test do not hold") && !made.lifted[0].contains("free"), "{:?}", made.lifted);
    }
}
