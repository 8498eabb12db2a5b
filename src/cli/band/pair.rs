//! Pairing anew: a key of our own for the band, which throws the phone app out. Only for a person who typed yes, and never before the
//! new key lies in a file.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use clap::Args;
use rustls::crypto::aws_lc_rs;

use super::{
    super::{Failure, Surroundings},
    key::{keep, not_kept},
    which::{Mine, failed},
};
use crate::{
    band::{Access, Key},
    model::text::hex,
};

/// Arguments that pair anew.
#[derive(Debug, Args)]
pub(super) struct Pairing {
    /// Give the band a new key first. This throws the phone app out, which has to be paired again; asks for a typed yes
    #[arg(long, requires = "key_to", conflicts_with_all = ["simulated", "record", "replay"])]
    pair: bool,
    /// New file for the new key, which only you can read
    #[arg(long, value_name = "FILE", requires = "pair")]
    key_to: Option<PathBuf>,
}

impl Pairing {
    /// Pairs anew if that was asked for; afterwards the band is read with the new key. `None` when a person pressed Ctrl-C.
    ///
    /// # Errors
    /// When the model takes no key; when nobody can be asked or the answer is not yes; when the file is there already; when the band does
    /// not take the key.
    pub(super) fn before(&self, mine: Mine, surroundings: &mut Surroundings) -> Result<Option<Mine>, Failure> {
        let Some(file) = self.key_to.as_ref().filter(|_| self.pair) else { return Ok(Some(mine)) };
        let about = mine.plan.about();
        if !mine.plan.model.takes_new_key() {
            return Err(Failure::usage(
                format!("pair anew with {about}: this model takes no key of one's own"),
                "`tattletale band key --from CAPTURE` finds the key that the maker's server gave, where the model has one; nothing was changed",
            ));
        }
        if !surroundings.interactive {
            return Err(Failure::usage(
                format!("pair anew with {about}: nobody can be asked here"),
                "pairing anew throws the phone app out: run it at a terminal, where a person says yes",
            ));
        }
        let question = format!(
            "Pairing anew gives {about} a new key.\nThe phone app is thrown out: it cannot read the band any more until it is paired again, \
             and what it has not synced by then it may never get.\nType yes to go on: "
        );
        if surroundings.ask(&question).as_deref() != Some("yes") {
            return Err(Failure::usage(format!("pair anew with {about}: the answer was not yes"), "nothing was changed"));
        }
        let mut bytes = [0; 16];
        let random = aws_lc_rs::default_provider().secure_random;
        random.fill(&mut bytes).map_err(|_| Failure::instrument("make a key: this machine gives no randomness", ""))?;
        let (key, path) = (Key::new(bytes), surroundings.path(file));
        // The key is kept first: a band that took a key which nobody has is of use to nobody.
        keep(&path, &(hex(&bytes) + "\n")).map_err(|problem| not_kept(&problem, &surroundings.shown(&path)))?;
        surroundings.note("tap on the band when it vibrates");
        let (central, is_sent) = (mine.central(), AtomicBool::new(false));
        let paired = mine.reach().run(WITHIN, async {
            let link = central.connect(mine.plan.address).await?;
            let mut band = mine.plan.model.pair(link, key.clone(), &is_sent).await?;
            band.release().await
        });
        if !matches!(paired, Ok(Some(Ok(())))) {
            tell_of_the_key(&path, is_sent.load(Ordering::SeqCst), surroundings);
        }
        match paired {
            Ok(Some(Ok(()))) => {
                let shown = surroundings.shown(&path);
                surroundings
                    .warn(format_args!("paired anew; the key is in {shown}, for you alone. Pair the phone app again when you are done"));
                let mut mine = mine;
                mine.plan.access = Access::Key(key);
                Ok(Some(mine))
            }
            Ok(Some(Err(error))) => Err(failed(&mine.plan, &error)),
            Ok(None) => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

/// What became of a key with which nobody is paired for sure. One that was sent is kept, because the band may know no other by now; one
/// that never left this machine is of no use to anybody.
fn tell_of_the_key(path: &Path, is_sent: bool, surroundings: &mut Surroundings) {
    let shown = surroundings.shown(path);
    if is_sent {
        surroundings.warn(format_args!(
            "the key that was tried is in {shown}: the band may have taken it all the same, and thrown the phone app out"
        ));
    } else if fs::remove_file(path).is_ok() {
        surroundings.warn("the new key was not sent to the band, and is thrown away: nothing was changed");
    } else {
        surroundings.warn(format_args!("the new key was not sent to the band: nothing was changed, and {shown} is of no use"));
    }
}

/// Finding the band, connecting, and a person's tap.
const WITHIN: Duration = Duration::from_secs(160);

#[cfg(test)]
mod tests {
    use crate::cli::{
        Exit,
        surroundings::testing::{Kept, command, surroundings},
    };

    const LINE: [&str; 9] = ["band", "info", "--model", "mi-band-3", "--address", "C0:FF:EE:12:34:56", "--pair", "--key-to", "new.key"];

    #[test]
    fn a_model_that_takes_no_key_is_told_before_anybody_is_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        for model in ["amazfit-bip", "generic", "mi-band-3", "mi-band-4", "mi-band-7"] {
            let takes = crate::band::named(model).is_some_and(|model| model.takes_new_key());
            let mut line = LINE;
            line[3] = model;
            let (exit, _, err) = command(folder.path(), &line, |world| {
                world.interactive = true;
                world.stdin = Box::new(&b"no\n"[..]);
            });
            assert_eq!(exit, Exit::Usage, "{err}");
            assert_eq!(err.contains("Type yes"), takes, "{model}: {err}");
            assert_eq!(err.contains("takes no key of one's own"), !takes, "{model}: {err}");
        }
        assert!(!folder.path().join("new.key").exists());
    }

    #[test]
    fn a_key_that_never_left_this_machine_is_thrown_away() {
        let folder = tempfile::tempdir().expect("a folder");
        // An adapter of this name exists nowhere.
        let line = [&LINE[..], &["--adapter", "hci4095"]].concat();
        let (exit, _, err) = command(folder.path(), &line, |world| {
            world.interactive = true;
            world.stdin = Box::new(&b"yes\n"[..]);
        });
        assert_eq!(exit, Exit::Failed, "{err}");
        assert!(err.contains("was not sent to the band") && err.contains("nothing was changed"), "{err}");
        assert!(!err.contains("may have taken it") && !folder.path().join("new.key").exists(), "{err}");
    }

    #[test]
    fn a_key_that_was_sent_is_kept_whatever_came_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new.key");
        std::fs::write(&path, "0").expect("ours");
        let (mut world, told) = (surroundings(folder.path()), Kept::default());
        world.stderr = Box::new(told.clone());
        super::tell_of_the_key(&path, true, &mut world);
        let err = told.text();
        assert!(path.exists() && err.contains("may have taken it all the same, and thrown the phone app out"), "{err}");
    }

    #[test]
    fn nobody_is_paired_without_a_typed_yes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (exit, _, err) = command(folder.path(), &LINE, |_| {});
        assert!(exit == Exit::Usage && err.contains("nobody can be asked here") && err.contains("throws the phone app out"), "{err}");
        for answer in ["\n", "y\n", "YES\n", ""] {
            let (exit, _, err) = command(folder.path(), &LINE, |world| {
                world.interactive = true;
                world.stdin = Box::new(answer.as_bytes());
            });
            assert!(
                exit == Exit::Usage && err.contains("the answer was not yes") && err.contains("nothing was changed"),
                "{answer}: {err}"
            );
        }
        assert!(!folder.path().join("new.key").exists());
    }
}
