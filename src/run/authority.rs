//! The authority of a rig: made once, kept with the rig, made anew when it is about to end. Installing its certificate on a
//! phone is a person's business, telling them about it is `cli`'s. The simulated rig's authority never comes here: it lives in
//! memory for the length of a run.

use std::{path::PathBuf, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::RunError;
use crate::{
    store::{LockedRig, RigFolder},
    traffic::authority::{Authority, AuthorityAbout},
};

/// The authority of a rig, and how it was come by.
#[derive(Debug)]
pub struct RigAuthority {
    /// The authority.
    pub authority: Arc<Authority>,
    /// The file it is kept in.
    pub file: PathBuf,
    /// How it was come by: what is not [`Obtained::Kept`] has to be told, because the phone does not trust it yet.
    pub obtained: Obtained,
}

/// How the authority of a rig was come by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obtained {
    /// It was there.
    Kept,
    /// There was none.
    Made,
    /// There was one that is of no use any more. Its key is gone; its certificate may still be on the phone.
    Renewed {
        /// The one that was there.
        old: AuthorityAbout,
        /// Why it was of no use.
        why: Renewal,
    },
}

/// Why an authority is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It ends in so many whole days, fewer than [`RENEWED_BEFORE`] has.
    Ending {
        /// Days left, 0 to 6.
        days: i64,
    },
    /// It has ended.
    Over,
    /// It begins in the future: it was made while this machine's clock was wrong.
    NotYet,
}

/// An authority with less left than this is made anew, so that no audit ends with a phone that trusts nobody.
pub const RENEWED_BEFORE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What the name of an authority made at `now` begins with: `tattletale audit 2026-03-02`, UTC. One that is kept with a rig
/// bears a few digits of its key after it, so that a phone tells it from another of the same day.
pub fn name(now: Timestamp) -> String {
    format!("tattletale audit {}", now.strftime("%Y-%m-%d"))
}

/// The authority that is kept with a rig, if there is one, whatever its age.
///
/// # Errors
/// [`RunError::Store`] when others can get at its key or it cannot be read, [`RunError::Traffic`] when the file is damaged.
pub fn kept(rig: &RigFolder) -> Result<Option<Authority>, RunError> {
    let Some(text) = rig.authority()? else { return Ok(None) };
    // Exposed to be parsed; errors of the parser never quote it.
    Ok(Some(Authority::from_pem(&rig.authority_file().display().to_string(), text.expose())?))
}

/// The authority that is kept with a rig, else a new one that is kept from now on. `now` is the wall clock's time.
///
/// # Errors
/// As [`kept`], and [`RunError::Store`] when a new one cannot be written. A file that cannot be used is never replaced here:
/// [`rotate`] does that when a person says so.
pub fn of_rig(rig: &RigFolder, now: Timestamp) -> Result<RigAuthority, RunError> {
    let locked = rig.lock()?;
    let obtained = match kept(rig)? {
        None => Obtained::Made,
        Some(authority) => match renewal(authority.about(), now) {
            None => return Ok(RigAuthority { authority: Arc::new(authority), file: rig.authority_file(), obtained: Obtained::Kept }),
            Some(why) => Obtained::Renewed { old: authority.about().clone(), why },
        },
    };
    Ok(RigAuthority { authority: Arc::new(make(&locked, now)?), file: rig.authority_file(), obtained })
}

/// A new authority for a rig in place of the one that is kept. Gives the new one, and what the old certificate says of itself
/// when it can still be read: it may be on a phone.
///
/// # Errors
/// [`RunError::Store`] when the new one cannot be written; then the old one is still there.
pub fn rotate(rig: &RigFolder, now: Timestamp) -> Result<(Authority, Option<AuthorityAbout>), RunError> {
    let locked = rig.lock()?;
    let old = about(rig);
    Ok((make(&locked, now)?, old))
}

/// What can be told of the authority that is kept with a rig, also of one whose key others can read and that is used no more: it
/// has to be found on each phone that trusts it.
pub fn about(rig: &RigFolder) -> Option<AuthorityAbout> {
    let text = rig.authority_to_name().ok().flatten()?;
    // Exposed to be parsed; the key is dropped at once.
    Some(Authority::from_pem(&rig.authority_file().display().to_string(), text.expose()).ok()?.about().clone())
}

/// Why an authority is of no use at `now`; `None` when it is.
pub fn renewal(about: &AuthorityAbout, now: Timestamp) -> Option<Renewal> {
    let left = about.not_after.duration_since(now);
    if now < about.not_before {
        Some(Renewal::NotYet)
    } else if left.is_negative() {
        Some(Renewal::Over)
    } else if left < RENEWED_BEFORE {
        Some(Renewal::Ending { days: left.as_hours() / 24 })
    } else {
        None
    }
}

fn make(locked: &LockedRig, now: Timestamp) -> Result<Authority, RunError> {
    let authority = Authority::generate_marked(&name(now), now)?;
    locked.keep_authority(&authority.to_pem())?;
    Ok(authority)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::store::{StoreError, Workspace};

    fn rig(root: &Path) -> RigFolder {
        RigFolder::of(&Workspace { root: root.to_owned(), scenarios: None }, "pixel").expect("a good name")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn an_authority_is_made_once_and_is_the_same_the_next_time() {
        let root = tempfile::tempdir().expect("a folder");
        let rig = rig(root.path());
        assert!(kept(&rig).expect("nothing yet").is_none());
        let first = of_rig(&rig, at("2026-03-02T08:00:00Z")).expect("made");
        assert_eq!(first.obtained, Obtained::Made);
        assert!(first.authority.about().name.starts_with("tattletale audit 2026-03-02 "), "{:?}", first.authority.about());
        let second = of_rig(&rig, at("2026-05-01T08:00:00Z")).expect("kept");
        assert_eq!(second.obtained, Obtained::Kept);
        assert_eq!(second.authority.certificate_der(), first.authority.certificate_der());
        second.authority.server_config("api.test", &[b"h2"]).expect("it still signs");
    }

    #[test]
    fn one_that_takes_another_s_place_on_the_same_day_has_another_name_and_another_file_on_android() {
        let root = tempfile::tempdir().expect("a folder");
        let rig = rig(root.path());
        let now = at("2026-03-02T08:00:00Z");
        let old = of_rig(&rig, now).expect("made").authority;
        let (new, _) = rotate(&rig, now).expect("replaced");
        assert_ne!(new.about().name, old.about().name);
        assert_ne!(new.android_name(), old.android_name());
        for authority in [&*old, &new] {
            let digits = authority.about().name.strip_prefix("tattletale audit 2026-03-02 ").unwrap_or_default();
            assert!(digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{:?}", authority.about());
        }
        assert_eq!(kept(&rig).expect("readable").expect("there").about(), new.about());
    }

    #[test]
    fn two_installations_never_have_the_same_one() {
        let roots = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
        let [one, other] = roots.each_ref().map(|root| of_rig(&rig(root.path()), at("2026-03-02T08:00:00Z")).expect("made").authority);
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_ne!(one.to_pem(), other.to_pem());
    }

    #[test]
    fn it_is_renewed_when_fewer_than_seven_days_are_left_and_the_old_one_is_told() {
        let made = at("2026-03-02T08:00:00Z");
        for (now, want) in [
            ("2026-05-23T07:59:58Z", None),
            ("2026-05-23T08:00:00Z", Some(Renewal::Ending { days: 6 })),
            ("2026-05-30T07:59:59Z", Some(Renewal::Ending { days: 0 })),
            ("2026-05-30T08:00:00Z", Some(Renewal::Over)),
            ("2026-03-01T07:59:59Z", Some(Renewal::NotYet)),
        ] {
            let root = tempfile::tempdir().expect("a folder");
            let rig = rig(root.path());
            let old = of_rig(&rig, made).expect("made").authority.about().clone();
            let got = of_rig(&rig, at(now)).expect("renewed");
            let new = got.authority.about().clone();
            match want {
                None => assert_eq!((got.obtained, new), (Obtained::Kept, old), "{now}"),
                Some(why) => {
                    assert_ne!(new.fingerprint, old.fingerprint, "{now}");
                    assert_eq!(got.obtained, Obtained::Renewed { old, why }, "{now}");
                    assert_eq!(of_rig(&rig, at(now)).expect("kept").authority.about(), &new, "renewed once");
                }
            }
        }
    }

    #[test]
    fn a_file_that_is_no_authority_is_named_and_only_replaced_on_purpose() {
        let (root, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (rig, other) = (rig(root.path()), rig(other.path()));
        let now = at("2026-03-02T08:00:00Z");
        let good = of_rig(&rig, now).expect("made").authority.to_pem();
        let strange = of_rig(&other, now).expect("made").authority.certificate_pem();
        let key_only = good.expose().split("-----BEGIN CERTIFICATE").next().unwrap_or_default().to_owned();
        for (text, problem) in [
            ("nonsense".to_owned(), "no private key"),
            (key_only.clone(), "no certificate"),
            (key_only + &strange, "for another key"),
            (good.expose().replacen("MIG", "AAA", 1), "private key"),
        ] {
            fs::write(rig.authority_file(), &text).expect("ours");
            let error = of_rig(&rig, now).expect_err(problem).to_string();
            assert!(error.contains("authority.pem") && error.contains(problem), "{error}");
            assert_eq!(fs::read_to_string(rig.authority_file()).expect("there"), text, "it is left as it was");
        }
        let (new, old) = rotate(&rig, now).expect("replaced");
        assert_eq!((of_rig(&rig, now).expect("kept").authority.about(), old), (new.about(), None));
        let (_, old) = rotate(&rig, now).expect("replaced");
        assert_eq!(old.as_ref(), Some(new.about()));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().expect("a folder");
        let rig = rig(root.path());
        let now = at("2026-03-02T08:00:00Z");
        of_rig(&rig, now).expect("made");
        fs::set_permissions(rig.authority_file(), fs::Permissions::from_mode(0o644)).expect("ours");
        assert!(matches!(of_rig(&rig, now), Err(RunError::Store(StoreError::Exposed { .. }))));
        rotate(&rig, now).expect("a new key, for its owner only");
        assert_eq!(of_rig(&rig, now).expect("kept").obtained, Obtained::Kept);
    }
}
