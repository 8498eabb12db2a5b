//! Rig files (`rig.yaml`) to [`RigFile`].

use super::{Problem, Problems, file};
use crate::{
    band::MODELS,
    model::Captured,
    phone::{
        adb::{RouteKind, TrustMode},
        manual::System,
    },
    scenario::{
        forms,
        rig_file::{AndroidDescription, BandDescription, Consent, LabDescription, PhoneDescription, PhoneKind, RigFile, Secret},
        spec::{Key, Kind, Need, Values},
    },
};

/// Keys of a rig file.
pub const KEYS: &[Key] = &[
    Key {
        name: "confirmed",
        about: "What is done without asking, of what a person is asked to do, by name: for runs with nobody at a terminal",
        kind: Kind::List { of: &Kind::Text(&forms::NAME), least: 0 },
        need: Need::Optional,
    },
    Key {
        name: "consent",
        about: "Whose phone, band and account these are; nothing real is intercepted without it",
        kind: Kind::Map(CONSENT),
        need: Need::Optional,
    },
    Key {
        name: "band",
        about: "A real band, reached by radio; without one, a simulated phone has the simulated band",
        kind: Kind::Map(BAND),
        need: Need::Optional,
    },
    Key {
        name: "lab",
        about: "A bench whose phone talks to servers on this machine and to nobody else; it says nothing about any real app",
        kind: Kind::Map(LAB),
        need: Need::Optional,
    },
    Key { name: "phone", about: "The phone", kind: Kind::Map(PHONE), need: Need::Required },
    Key { name: "proxy", about: "The proxy", kind: Kind::Map(PROXY), need: Need::Default("") },
    Key {
        name: "seed",
        about: "Seed of the simulated rig; the same seed repeats a run",
        kind: Kind::Whole { least: 0, most: u64::MAX },
        need: Need::Optional,
    },
];

const CONSENT: &[Key] = &[
    Key { name: "owner", about: "Whose they are", kind: Kind::Text(&forms::TEXT), need: Need::Required },
    Key { name: "date", about: "On which day the owner agreed", kind: Kind::Text(&forms::DATE), need: Need::Required },
];

const BAND: &[Key] = &[
    Key { name: "model", about: "Its model", kind: Kind::Text(&forms::NAME), need: Need::Required },
    Key { name: "address", about: "Its Bluetooth address", kind: Kind::Text(&forms::ADDRESS), need: Need::Required },
    Key {
        name: "key",
        about: "The key that it and the phone app agreed on (`tattletale band key` finds it); without one, only what anybody in reach can \
                read is read",
        kind: Kind::Text(&forms::KEY),
        need: Need::Optional,
    },
    Key {
        name: "adapter",
        about: "Bluetooth adapter of this machine; the first that is switched on when left out",
        kind: Kind::Text(&forms::ADAPTER),
        need: Need::Optional,
    },
];

const LAB: &[Key] = &[
    Key { name: "cloud", about: "Where every host that ends in .test is", kind: Kind::Text(&forms::LISTEN), need: Need::Required },
    Key {
        name: "authority",
        about: "File with the certificate that its servers' are signed with (PEM), from this file's folder",
        kind: Kind::Text(&forms::TEXT),
        need: Need::Required,
    },
    Key { name: "control", about: "How long a control run watches, instead of half an hour", kind: Kind::Duration, need: Need::Optional },
];

const ADB: &[Key] = &[
    Key {
        name: "program",
        about: "The adb program, where it is not in PATH; from this file's folder",
        kind: Kind::Text(&forms::TEXT),
        need: Need::Optional,
    },
    Key {
        name: "port",
        about: "Port of the adb server on this machine, where it is not the usual one",
        kind: Kind::Whole { least: 1, most: 65_535 },
        need: Need::Optional,
    },
];

const CA: &[Key] = &[Key {
    name: "frida",
    about: "Your script that makes the app trust the proxy, from this file's folder; your own `frida` program starts the app with it",
    kind: Kind::Text(&forms::TEXT),
    need: Need::Required,
}];

const PHONE: &[Key] = &[
    Key { name: "adb", about: "The adb that is used; of an Android phone", kind: Kind::Map(ADB), need: Need::Optional },
    Key {
        name: "ca",
        about: "How the app is made to trust the proxy; of an Android phone: system (the system's store, needs root), repackaged (the app is \
                rebuilt, which loses the data of one that is there), { frida: SCRIPT } (your script, run by your frida), user (you have \
                installed the certificate; the default), none (nothing inside connections is seen)",
        kind: Kind::Either(&[Kind::Word(&["none", "repackaged", "system", "user"]), Kind::Map(CA)]),
        need: Need::Optional,
    },
    Key {
        name: "kind",
        about: "What kind of phone it is",
        kind: Kind::Word(&["android", "ios", "manual", "simulated"]),
        need: Need::Required,
    },
    Key {
        name: "package",
        about: "The app's package on this phone, where app.yaml does not name it",
        kind: Kind::Text(&forms::APP_ID),
        need: Need::Optional,
    },
    Key {
        name: "packages",
        about: "Folder with the app's versions, from this file's folder: VERSION.apk, or a folder VERSION with the parts of one",
        kind: Kind::Text(&forms::TEXT),
        need: Need::Optional,
    },
    Key {
        name: "route",
        about: "How an Android phone gets to the proxy: reverse (over the cable; the default) or wifi (the proxy listens where the phone \
                gets to it)",
        kind: Kind::Word(&["reverse", "wifi"]),
        need: Need::Optional,
    },
    Key {
        name: "serial",
        about: "Its serial number, where more than one is connected",
        kind: Kind::Text(&forms::TEXT),
        need: Need::Optional,
    },
    Key {
        name: "system",
        about: "What system a phone by hand has, for the way through its settings",
        kind: Kind::Word(&["android", "ios"]),
        need: Need::Optional,
    },
];

const PROXY: &[Key] = &[Key {
    name: "listen",
    about: "Where it listens; a free port of this machine when left out",
    kind: Kind::Text(&forms::LISTEN),
    need: Need::Optional,
}];

/// Reads a rig file. `label` names the file in messages.
///
/// # Errors
/// Every problem of the file; a real rig without consent is one (R18).
pub fn rig(label: &str, text: &str) -> Result<RigFile, Problems> {
    let models: Vec<&str> = MODELS.iter().map(|model| model.name()).collect();
    rig_with(label, text, &models)
}

/// [`rig`] with the band models there are.
pub(super) fn rig_with(label: &str, text: &str, models: &[&str]) -> Result<RigFile, Problems> {
    file(label, text, KEYS, |values, problems| {
        let phone = values.map("phone").and_then(phone);
        let simulated = phone.as_ref().is_some_and(|phone| phone.kind == PhoneKind::Simulated);
        let consent = values.map("consent").and_then(consent);
        if let Some(phone) = &phone {
            if phone.kind == PhoneKind::Simulated && phone.serial.is_some() {
                let span = values.map("phone").and_then(|phone| phone.span("serial")).unwrap_or_default();
                problems.push(Problem::new(span, "use a serial number on a simulated phone", "it has none").help("leave it out"));
            }
            let real = if simulated {
                values.map("band").and_then(|band| band.span("model")).map(|span| (span, "a real band"))
            } else {
                values.map("phone").and_then(|phone| phone.span("kind")).map(|span| (span, "a real phone"))
            };
            if let Some((span, label)) = real.filter(|_| values.map("consent").is_none()) {
                let problem = Problem::new(span, "find the consent of the owner", label);
                problems.push(problem.help("say whose phone, band and account these are: consent: { owner: …, date: 2026-03-14 }"));
            }
            if phone.kind != PhoneKind::Android {
                for key in ["adb", "ca", "package", "packages", "route"] {
                    if let Some(span) = values.map("phone").and_then(|phone| phone.span(key)) {
                        let problem = Problem::new(span, format!("use {key} on this phone"), "only an Android phone has it");
                        problems.push(problem.help("leave it out, or write kind: android"));
                    }
                }
            }
            if !matches!(phone.kind, PhoneKind::Android | PhoneKind::Manual)
                && let Some(span) = values.map("lab").and_then(|lab| lab.span("cloud"))
            {
                let problem = Problem::new(span, "use a lab with this phone", "only an Android phone and one by hand are sent there");
                problems.push(problem.help("leave it out, or write kind: android"));
            }
            let place = |key: &str| values.map("phone").and_then(|phone| phone.span(key));
            match (phone.kind == PhoneKind::Manual, place("system")) {
                (true, None) => {
                    let problem = Problem::new(place("kind").unwrap_or_default(), "tell the system of the phone", "by hand");
                    problems.push(problem.help("say system: ios or system: android beside it"));
                }
                (false, Some(span)) => {
                    let problem = Problem::new(span, "use system on this phone", "only a phone by hand has it");
                    problems.push(problem.help("leave it out, or write kind: manual"));
                }
                _ => {}
            }
            if !simulated && values.whole("seed").is_some() {
                let span = values.span("seed").unwrap_or_default();
                problems.push(Problem::new(span, "use a seed on a real rig", "a real rig has none").help("leave it out"));
            }
        }
        let model = values.map("band").and_then(|band| band.text("model").zip(band.span("model")));
        if let Some((model, span)) = model.filter(|(model, _)| !models.contains(model)) {
            let problem = Problem::new(span, format!("find the band model \"{model}\""), "no such model");
            problems.push(problem.choices(model, "valid models", models));
        }
        Some(RigFile {
            consent,
            band: values.map("band").and_then(band),
            phone: phone?,
            listen: values.map("proxy").and_then(|proxy| proxy.text("listen")?.parse().ok()),
            seed: values.whole("seed"),
            confirmed: values.list("confirmed").iter().filter_map(|item| item.value.as_text()).map(str::to_owned).collect(),
            lab: values.map("lab").and_then(lab),
        })
    })
}

fn consent(values: &Values) -> Option<Consent> {
    Some(Consent { owner: Captured::new(values.text("owner")?.to_owned()), date: values.text("date")?.parse().ok()? })
}

fn band(values: &Values) -> Option<BandDescription> {
    let key = values.text("key").and_then(|key| match forms::environment_variable(key) {
        Some(name) => Some(Secret::Environment(name.to_owned())),
        None => Some(Secret::Literal(Captured::new(forms::key(key)?))),
    });
    Some(BandDescription {
        model: values.text("model")?.to_owned(),
        address: Captured::new(forms::address(values.text("address")?)?),
        key,
        adapter: values.text("adapter").map(str::to_owned),
    })
}

fn phone(values: &Values) -> Option<PhoneDescription> {
    let kind = match values.text("kind")? {
        "android" => PhoneKind::Android,
        "ios" => PhoneKind::Ios,
        "manual" => PhoneKind::Manual,
        _ => PhoneKind::Simulated,
    };
    let script = values.map("ca").and_then(|ca| ca.text("frida")).map(Into::into);
    let android = AndroidDescription {
        trust: match values.text("ca") {
            Some("none") => TrustMode::None,
            Some("repackaged") => TrustMode::Repackaged,
            Some("system") => TrustMode::System,
            None if script.is_some() => TrustMode::Script,
            _ => TrustMode::User,
        },
        script,
        route: if values.text("route") == Some("wifi") { RouteKind::Wifi } else { RouteKind::Reverse },
        package: values.text("package").map(str::to_owned),
        packages: values.text("packages").map(Into::into),
        program: values.map("adb").and_then(|adb| adb.text("program")).map(Into::into),
        port: values.map("adb").and_then(|adb| adb.whole("port")).and_then(|port| port.try_into().ok()),
    };
    let system = values.text("system").map(|system| if system == "android" { System::Android } else { System::Ios });
    Some(PhoneDescription { kind, serial: values.text("serial").map(|serial| Captured::new(serial.to_owned())), system, android })
}

fn lab(values: &Values) -> Option<LabDescription> {
    Some(LabDescription {
        cloud: values.text("cloud")?.parse().ok()?,
        authority: values.text("authority")?.into(),
        control: values.duration("control"),
    })
}
