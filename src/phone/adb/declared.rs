//! What an app's own files say about whom it trusts: its network security configuration, by the rules of Android (developer reference,
//! "Network security configuration"). The files are read on the phone, so that no package of a hundred megabytes crosses the cable.

use std::collections::BTreeSet;

use apk_info_axml::{ARSC, AXML};
use jiff::civil::Date;

use super::{
    client::Adb,
    compiled_xml::{self, Element},
    error::AdbError,
};
use crate::model::HostPattern;

/// What an app says about whom it trusts. Empty when it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    /// For hosts without a rule of their own; `None` where the version of Android that the app is made for decides.
    base: Option<Anchors>,
    /// Rules for some hosts, in the file's order.
    domains: Vec<Domain>,
    /// A build for testers that trusts what a person installs, whatever else is said.
    tested: bool,
}

/// What a rule says of certificates that a person installs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anchors {
    /// They are not among those that it trusts.
    WithoutUser,
    /// They are, as far as no pin forbids them.
    User,
    /// They are, and pins do not count for them.
    UserPastPins,
}

/// A rule for a host, or for a host and those below it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Domain {
    host: String,
    and_below: bool,
    /// As for others when `None`.
    anchors: Option<Anchors>,
    /// Whether it names the keys that it takes; up to which day, where it says so.
    pins: Option<Option<Date>>,
}

/// Whether a certificate that a person has installed is taken for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Taken {
    /// It is.
    Yes,
    /// It is not among those that the app trusts.
    Refused,
    /// The app takes some keys only.
    Pinned,
    /// The app does not say, and not what it is made for either.
    Unsaid,
}

/// Reads what the app says, from its main package on the phone.
///
/// # Errors
/// When the files cannot be read or understood: then nothing is known.
pub(super) async fn declared(adb: &Adb, package: &str) -> Result<Declared, AdbError> {
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
        return Ok(Declared::default());
    };
    if !file.ends_with(".xml") {
        return Err(unclear("its network security configuration has no file"));
    }
    let configuration = adb.bytes(&["unzip", "-p", base, &file], what).await?;
    let root = compiled_xml::read(&configuration).filter(|root| &*root.name == "network-security-config");
    Ok(Declared::of(&root.ok_or_else(|| unclear("no network security configuration"))?, debuggable))
}

impl Declared {
    /// What a configuration says. Overrides for testers count only where the app is built for them.
    fn of(root: &Element, debuggable: bool) -> Self {
        let mut domains = Vec::new();
        root.all("domain-config").for_each(|rule| domains_of(rule, (None, None), &mut domains));
        let overrides = root.all("debug-overrides").find_map(anchors_of);
        Self {
            base: root.all("base-config").find_map(anchors_of),
            domains,
            tested: debuggable && overrides.is_some_and(|anchors| anchors != Anchors::WithoutUser),
        }
    }

    /// Whether hosts without a rule of their own take what a person has installed, of an app that is made for this API level.
    pub(super) fn elsewhere(&self, target: Option<u32>) -> Taken {
        match (self.tested, self.base, target) {
            (true, ..) | (_, Some(Anchors::User | Anchors::UserPastPins), _) => Taken::Yes,
            (_, Some(Anchors::WithoutUser), _) => Taken::Refused,
            (_, None, Some(target)) if target < FIRST_STRICT => Taken::Yes,
            (_, None, Some(_)) => Taken::Refused,
            (_, None, None) => Taken::Unsaid,
        }
    }

    /// The same of the hosts that a pattern means: more than one answer where a rule is for some of them only, or may be.
    pub(super) fn of_hosts(&self, pattern: &HostPattern, target: Option<u32>, today: Date) -> BTreeSet<Taken> {
        let mut rules: Vec<(&Domain, Meets)> = self.domains.iter().filter_map(|domain| Some((domain, domain.meets(&pattern.0)?))).collect();
        // The name itself comes before what is above it, and of those the nearest one decides.
        rules.sort_by_key(|(domain, _)| (domain.host.split('.').count() != pattern.0.split('.').count(), usize::MAX - domain.host.len()));
        let mut answers = BTreeSet::new();
        for (domain, meets) in rules {
            answers.insert(self.of_domain(domain, target, today));
            if meets == Meets::All {
                return answers;
            }
        }
        answers.insert(self.elsewhere(target));
        answers
    }

    /// Whether there is a rule for some hosts.
    pub(super) fn has_rules(&self) -> bool {
        !self.domains.is_empty() && !self.tested
    }

    fn of_domain(&self, domain: &Domain, target: Option<u32>, today: Date) -> Taken {
        let pinned = domain.pins.is_some_and(|until| until.is_none_or(|until| today <= until));
        match domain.anchors {
            _ if self.tested => Taken::Yes,
            Some(Anchors::UserPastPins) => Taken::Yes,
            Some(Anchors::WithoutUser) => Taken::Refused,
            Some(Anchors::User) if pinned => Taken::Pinned,
            Some(Anchors::User) => Taken::Yes,
            None => match (self.elsewhere(target), self.base) {
                (Taken::Yes, Some(Anchors::UserPastPins)) => Taken::Yes,
                (Taken::Yes, _) if pinned => Taken::Pinned,
                (other, _) => other,
            },
        }
    }
}

/// Of the hosts that a pattern means, those that a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meets {
    All,
    Some,
}

impl Domain {
    /// `None` when it is for none of them. `*` in a pattern stays inside one label.
    fn meets(&self, pattern: &str) -> Option<Meets> {
        let (own, others): (Vec<&str>, Vec<&str>) = (self.host.rsplit('.').collect(), pattern.rsplit('.').collect());
        if own.len() > others.len() || own.len() < others.len() && !self.and_below {
            return None;
        }
        let labels = || own.iter().zip(&others);
        let fits = |own: &str, other: &str| HostPattern(other.to_owned()).matches(own);
        labels().all(|(own, other)| fits(own, other)).then(|| {
            let literally = labels().all(|(own, other)| own.eq_ignore_ascii_case(other));
            if literally { Meets::All } else { Meets::Some }
        })
    }
}

/// The rules of an element and of those in it, which have from it what they do not say themselves.
fn domains_of(rule: &Element, around: (Option<Anchors>, Option<Option<Date>>), into: &mut Vec<Domain>) {
    let anchors = anchors_of(rule).or(around.0);
    let pins = rule.all("pin-set").next().map_or(around.1, |pins| {
        let until = pins.attribute("expiration").map(str::parse);
        // A day that is not understood does not end.
        pins.all("pin").next().map(|_| until.and_then(Result::ok))
    });
    into.extend(rule.all("domain").map(|domain| Domain {
        host: domain.text.trim().to_lowercase(),
        and_below: domain.attribute("includeSubdomains") == Some("true"),
        anchors,
        pins,
    }));
    rule.all("domain-config").for_each(|inner| domains_of(inner, (anchors, pins), into));
}

/// What a rule says of certificates that a person installs; `None` when it says nothing of any.
fn anchors_of(rule: &Element) -> Option<Anchors> {
    let anchors = rule.all("trust-anchors").next()?;
    let user = anchors.all("certificates").filter(|one| one.attribute("src") == Some("user"));
    let past_pins = user.map(|one| one.attribute("overridePins") == Some("true")).max();
    Some(match past_pins {
        None => Anchors::WithoutUser,
        Some(false) => Anchors::User,
        Some(true) => Anchors::UserPastPins,
    })
}

/// First API level that reads a network security configuration: apps made for it trust what a person installs only when they say so.
pub(super) const FIRST_STRICT: u32 = 24;

/// What an app says whose base trusts what a person installs, and whose rule for its maker's hosts does not.
#[cfg(test)]
pub(super) fn fixture() -> Declared {
    tests::fixture(false)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    pub(super) fn fixture(debuggable: bool) -> Declared {
        let [one, other] = compiled_xml::fixture::files().map(|file| compiled_xml::read(&file).expect("a file"));
        let declared = Declared::of(&one, debuggable);
        assert_eq!(declared, Declared::of(&other, debuggable));
        declared
    }

    #[test]
    fn of_each_host_its_own_rule_decides_and_else_the_common_one() {
        use Taken::{Pinned, Refused, Yes};
        let check = |declared: &Declared, pattern: &str, today: Date, want: &[Taken]| {
            let answers = declared.of_hosts(&HostPattern(pattern.into()), Some(33), today);
            assert_eq!(answers, want.iter().copied().collect(), "{pattern} {today}");
        };
        let (then, later) = (date(2026, 3, 14), date(2027, 1, 2));
        let declared = fixture(false);
        check(&declared, "other.test", then, &[Yes]);
        check(&declared, "maker.test", then, &[Refused]);
        check(&declared, "api.maker.test", then, &[Refused]);
        check(&declared, "API-eu.v2.maker.test", then, &[Refused]);
        check(&declared, "notmaker.test", then, &[Yes]);
        check(&declared, "open.maker.test", then, &[Yes]);
        // What is below it is below its maker's as well.
        check(&declared, "deep.open.maker.test", then, &[Refused]);
        check(&declared, "pinned.maker.test", then, &[Pinned]);
        check(&declared, "pinned.maker.test", later, &[Yes]);
        check(&declared, "o*.maker.test", then, &[Yes, Refused]);
        check(&declared, "api.*.test", then, &[Yes, Refused]);
        check(&declared, "api.maker.*", then, &[Yes, Refused]);
        check(&fixture(true), "pinned.maker.test", then, &[Yes]);
        assert_eq!(fixture(false).elsewhere(None), Yes);
    }

    #[test]
    fn what_an_app_does_not_say_is_decided_by_what_it_is_made_for() {
        let none = Declared::default();
        for (target, want) in [(Some(23), Taken::Yes), (Some(24), Taken::Refused), (None, Taken::Unsaid)] {
            assert_eq!(none.elsewhere(target), want, "{target:?}");
            assert_eq!(none.of_hosts(&HostPattern("api.test".into()), target, date(2026, 3, 14)), [want].into(), "{target:?}");
        }
    }
}
