//! The control run of a rig (R1): made once, kept with the rig, and made anew when it may no longer be true: when the phone's
//! system or the rig has changed, or it is too old. The simulated rig that no file
//! describes has its own made for each invocation, unless somebody asked for one to be kept.

use jiff::{SignedDuration, Timestamp};

use super::{Order, Rig, RunError, RunOutcome, control_run};
use crate::{
    model::{
        ControlRun, RunEnding,
        control::{CONTROL_FORMAT, KeptControl},
    },
    phone::Phone,
    scenario::{RigFile, rig_file::PhoneKind},
    store::{RigFolder, StoreError},
};

/// A control run is used for so long. Apps on a phone update themselves, and talk to other hosts afterwards.
pub const USED_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Why a control run has to be made. Each reads after "a control run is made, because ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// There is none.
    #[error("this rig has none for this app yet")]
    Missing,
    /// The file cannot be understood.
    #[error("the kept one cannot be read: {0}")]
    Damaged(String),
    /// An older tattletale made it.
    #[error("the kept one was made by an older tattletale, which left out hosts whose connections could not be read")]
    Format,
    /// Another system on the phone, or another phone.
    #[error("the phone's system was {was} and is {is}")]
    Phone {
        /// When it was made.
        was: String,
        /// Now.
        is: String,
    },
    /// The phone does not tell its system, so that nobody knows whether it has changed.
    #[error("the phone does not tell whether its system has changed")]
    PhoneUnknown,
    /// The rig file describes other devices, or another phone is connected.
    #[error("the rig file describes other devices than before, or another phone is connected")]
    Rig,
    /// It is older than [`USED_FOR`].
    #[error("the kept one is {days} days old")]
    Old {
        /// Whole days, at least 7.
        days: i64,
    },
    /// It was made in the future: this machine's clock was wrong, then or now.
    #[error("the kept one was made in the future: this machine's clock is wrong, or was")]
    Future,
}

/// What stays the same as long as a control run stays true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sameness<'a> {
    /// The app that is audited.
    pub app: &'a str,
    /// The phone's system; `None` when the phone does not tell.
    pub phone: Option<&'a str>,
    /// [`fingerprint`] of the rig, with the phone that is connected.
    pub rig: &'a str,
}

/// SHA-256, hex, of what describes the devices of a rig: phone and band, not the band's key, nor who agreed, nor where the proxy
/// listens. `None` is the simulated rig that no file describes: the same as one whose file names no more than the simulated phone.
pub fn fingerprint(rig: Option<&RigFile>) -> String {
    let kind = rig.map_or(PhoneKind::Simulated, |rig| rig.phone.kind);
    let serial = rig.and_then(|rig| rig.phone.serial.as_ref()).map_or("", |serial| serial.expose());
    let band =
        rig.and_then(|rig| rig.band.as_ref()).map(|band| format!("{} {:02x?}", band.model, band.address.expose())).unwrap_or_default();
    // Exposed to be hashed: the digest says whether they are the same, and nothing else.
    crate::model::text::sha256_hex(format!("{kind:?}\n{serial}\n{band}").as_bytes())
}

/// A rig's [`fingerprint`] with the phone that is connected: another one of the same make and system has other apps, which talk to other
/// hosts. A phone that does not tell which one it is leaves it as it is.
fn with_phone(rig: &str, phone: &dyn Phone) -> String {
    phone.identity().map_or_else(|| rig.to_owned(), |phone| crate::model::text::sha256_hex(format!("{rig}\n{phone}").as_bytes()))
}

/// The control run that is kept with a rig for this app, if it is still true at `now`, the wall clock's time; else why not.
///
/// # Errors
/// [`RunError::Store`] when the file is there and cannot be opened, or a newer tattletale wrote it; [`RunError::Phone`] when the
/// phone could not be asked for its system.
pub async fn kept(
    folder: &RigFolder,
    phone: &mut dyn Phone,
    rig: &str,
    app: &str,
    now: Timestamp,
) -> Result<Result<ControlRun, Stale>, RunError> {
    let system = phone.system().await?;
    let rig = with_phone(rig, phone);
    let found = match folder.control(app) {
        Ok(found) => found,
        Err(StoreError::BadControl { problem, .. }) => return Ok(Err(Stale::Damaged(problem))),
        Err(error) => return Err(error.into()),
    };
    Ok(judge(found, Sameness { app, phone: system.as_deref(), rig: &rig }, now))
}

/// A control run that was made just now.
#[derive(Debug)]
pub struct Renewed {
    /// How it went.
    pub outcome: RunOutcome,
    /// What it saw.
    pub control: ControlRun,
    /// As it is kept with the rig from now on; `None` when it is not.
    pub kept: Option<KeptControl>,
}

/// Makes a control run and keeps it with the rig. Not kept is one that did not end as it should, that saw a host which `is_own`
/// says is the app's (so the app was not stopped), or of a phone that does not tell its system. `now` gives the wall clock's time;
/// it is asked when the run is over.
///
/// # Errors
/// As [`control_run`], and [`RunError::Store`] when it cannot be kept.
pub async fn renew(
    folder: &RigFolder,
    mut rig: Rig,
    fingerprint: &str,
    order: &Order<'_>,
    is_own: impl Fn(&str) -> bool,
    now: impl Fn() -> Timestamp,
    interrupted: impl Future<Output = ()>,
) -> Result<Renewed, RunError> {
    let system = rig.phone.system().await?;
    let fingerprint = with_phone(fingerprint, &*rig.phone);
    let (outcome, control) = control_run(rig, order, interrupted).await?;
    let made = now();
    let true_one = outcome.ending == RunEnding::Complete && !control.hosts.iter().any(|host| is_own(host));
    let kept = system.filter(|_| true_one).map(|phone| KeptControl {
        format: CONTROL_FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        made,
        app: order.app.to_owned(),
        phone,
        rig: fingerprint,
        control: control.clone(),
    });
    if let Some(kept) = &kept {
        folder.lock()?.keep_control(kept)?;
    }
    Ok(Renewed { outcome, control, kept })
}

/// Whether a kept control run is still true.
fn judge(found: Option<KeptControl>, now_is: Sameness<'_>, now: Timestamp) -> Result<ControlRun, Stale> {
    let kept = found.filter(|kept| kept.app == now_is.app).ok_or(Stale::Missing)?;
    let phone = now_is.phone.ok_or(Stale::PhoneUnknown)?;
    let age = now.duration_since(kept.made);
    if kept.format < CONTROL_FORMAT {
        Err(Stale::Format)
    } else if kept.phone != phone {
        Err(Stale::Phone { was: kept.phone, is: phone.to_owned() })
    } else if kept.rig != now_is.rig {
        Err(Stale::Rig)
    } else if age.is_negative() {
        Err(Stale::Future)
    } else if age >= USED_FOR {
        Err(Stale::Old { days: age.as_hours() / 24 })
    } else {
        Ok(ControlRun { made: Some(kept.made), ..kept.control })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        run::SimulatedBench,
        scenario::{parse, steps::fakes::FakePhone},
        store::Workspace,
    };

    const NOW: &str = "2026-03-09T08:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn made(at_time: &str) -> KeptControl {
        let control = ControlRun { hosts: vec!["weather.test".into()], seconds: 1800, made: None };
        let (app, phone, rig) = ("mifit".into(), "Android 14 (AB1)".into(), "one".into());
        KeptControl { format: CONTROL_FORMAT, tool: "0.0.0".into(), made: at(at_time), app, phone, rig, control }
    }

    #[test]
    fn a_control_run_is_used_while_phone_and_rig_are_the_same_and_it_is_young() {
        let same = Sameness { app: "mifit", phone: Some("Android 14 (AB1)"), rig: "one" };
        let phone = Stale::Phone { was: "Android 14 (AB1)".into(), is: "Android 15 (CD2)".into() };
        for (kept, now_is, want) in [
            (made("2026-03-02T08:00:01Z"), same, None),
            (made("2026-03-02T08:00:00Z"), same, Some(Stale::Old { days: 7 })),
            (made("2026-03-09T08:00:01Z"), same, Some(Stale::Future)),
            (made(NOW), Sameness { app: "other", ..same }, Some(Stale::Missing)),
            (made(NOW), Sameness { phone: Some("Android 15 (CD2)"), ..same }, Some(phone)),
            (made(NOW), Sameness { phone: None, ..same }, Some(Stale::PhoneUnknown)),
            (made(NOW), Sameness { rig: "two", ..same }, Some(Stale::Rig)),
        ] {
            let when = kept.made;
            match judge(Some(kept), now_is, at(NOW)) {
                Ok(control) => assert_eq!((want, control.made), (None, Some(when))),
                Err(stale) => assert_eq!(Some(stale), want),
            }
        }
        assert_eq!(judge(Some(KeptControl { format: 1, ..made(NOW) }), same, at(NOW)), Err(Stale::Format));
        assert_eq!(judge(None, same, at(NOW)), Err(Stale::Missing));
    }

    #[test]
    fn a_rig_is_another_when_its_devices_are_and_not_when_its_key_is() {
        let text = |serial: &str, key: &str, listen: &str| {
            format!(
                "consent: {{ owner: Nobody, date: 2026-03-01 }}\nphone: {{ kind: android, serial: {serial} }}\nproxy: {{ listen: {listen} }}\n\
                 band: {{ model: mi-band-3, address: \"C0:FF:EE:12:34:56\", key: {key} }}\n"
            )
        };
        let of = |serial, key, listen| fingerprint(Some(&parse::rig("rig.yaml", &text(serial, key, listen)).expect("a good rig file")));
        let (one, other) = ("000102030405060708090a0b0c0d0e0f", "0f0e0d0c0b0a09080706050403020100");
        assert_eq!(of("PHONE1", one, "\"127.0.0.1:8080\""), of("PHONE1", other, "\"127.0.0.1:8081\""));
        assert_ne!(of("PHONE1", one, "\"127.0.0.1:8080\""), of("PHONE2", one, "\"127.0.0.1:8080\""));
        let simulated = parse::rig("rig.yaml", "phone: { kind: simulated }\nseed: 4\n").expect("a good rig file");
        assert_eq!(fingerprint(None), fingerprint(Some(&simulated)));
    }

    #[test]
    fn another_phone_of_the_same_make_is_another() {
        let of = |identity| with_phone("one", &FakePhone { identity, ..FakePhone::default() });
        assert_eq!(of(None), "one", "a phone that does not tell");
        assert_eq!(of(Some("a")), of(Some("a")));
        assert!(of(Some("a")) != of(Some("b")) && of(Some("a")) != "one");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_control_run_is_kept_and_found_again_until_the_rig_changes() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = RigFolder::of(&Workspace { root: root.path().to_owned(), scenarios: None }, "pixel").expect("a good name");
        let bench = SimulatedBench::start(([127, 0, 0, 1], 0).into(), Timestamp::now()).await.expect("it starts");
        let order = Order { app: "mifit", version: None, run: 1, runs: 1, control: None, captures: root.path(), watchers: Vec::new() };
        let rig = || bench.rig(7, &[], None);

        let mut first = rig().await.expect("a rig");
        let stale = kept(&folder, &mut *first.phone, "one", "mifit", at(NOW)).await.expect("readable").expect_err("there is none");
        assert_eq!(stale, Stale::Missing);
        let pending = std::future::pending::<()>;
        let not_stopped = renew(&folder, rig().await.expect("a rig"), "one", &order, |_| true, || at(NOW), pending()).await.expect("made");
        assert!(not_stopped.outcome.ending == RunEnding::Complete && not_stopped.kept.is_none(), "{not_stopped:?}");
        assert_eq!(folder.control("mifit").expect("readable"), None, "one that saw the app's own hosts is none");
        let Renewed { outcome, control, kept: made } =
            renew(&folder, first, "one", &order, |_| false, || at(NOW), pending()).await.expect("made");
        assert_eq!((outcome.ending, made), (RunEnding::Complete, folder.control("mifit").expect("readable")));
        assert!(!control.hosts.is_empty() && control.made.is_none(), "{control:?}");

        let mut second = rig().await.expect("a rig");
        let again = kept(&folder, &mut *second.phone, "one", "mifit", at(NOW)).await.expect("readable").expect("still true");
        assert_eq!((again.hosts, again.made), (control.hosts, Some(at(NOW))));
        let stale = kept(&folder, &mut *second.phone, "two", "mifit", at(NOW)).await.expect("readable").expect_err("another rig");
        assert_eq!(stale, Stale::Rig);
        let stale = kept(&folder, &mut *second.phone, "one", "other", at(NOW)).await.expect("readable").expect_err("another app");
        assert_eq!(stale, Stale::Missing);
        std::fs::write(root.path().join("rigs/pixel/control/mifit.json"), "{\"format\": 1}").expect("ours");
        let stale = kept(&folder, &mut *second.phone, "one", "mifit", at(NOW)).await.expect("readable").expect_err("damaged");
        assert!(matches!(&stale, Stale::Damaged(problem) if problem.contains("does not hold")), "{stale}");

        let began = Arc::<tokio::sync::Notify>::default();
        let tells = Arc::clone(&began);
        let order = Order { watchers: vec![Arc::new(move |_| tells.notify_one())], ..order };
        let interrupted = renew(&folder, second, "one", &order, |_| false, || at(NOW), began.notified()).await.expect("begun");
        assert_eq!((interrupted.outcome.ending, interrupted.kept), (RunEnding::Interrupted, None));
        let text = std::fs::read_to_string(root.path().join("rigs/pixel/control/mifit.json")).expect("there");
        assert_eq!(text, "{\"format\": 1}", "what did not end as it should is not kept");
    }
}
