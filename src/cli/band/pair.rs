//! Pairing anew: a key of our own for the band, which throws the phone app out. Only for a person who typed yes, and never before the
//! new key lies in a file.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use rustls::crypto::aws_lc_rs;

use super::{
    super::{Failure, Surroundings},
    key::keep,
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
    #[arg(long, requires = "key_to", conflicts_with = "simulated")]
    pair: bool,
    /// New file for the new key, which only you can read
    #[arg(long, value_name = "FILE", requires = "pair")]
    key_to: Option<PathBuf>,
}

impl Pairing {
    /// Pairs anew if that was asked for; afterwards the band is read with the new key. `None` when a person pressed Ctrl-C.
    ///
    /// # Errors
    /// When nobody can be asked or the answer is not yes; when the file is there already; when the band does not take the key.
    pub(super) fn before(&self, mine: Mine, surroundings: &mut Surroundings) -> Result<Option<Mine>, Failure> {
        let Some(file) = self.key_to.as_ref().filter(|_| self.pair) else { return Ok(Some(mine)) };
        let about = mine.plan.about();
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
        keep(&path, &(hex(&bytes) + "\n")).map_err(|problem| {
            Failure::usage(format!("write the key to {}: {problem}", surroundings.shown(&path)), "name a file that is not there yet")
        })?;
        surroundings.note("tap on the band when it vibrates");
        let paired = mine.reach().run(WITHIN, async {
            let link = mine.reach().central().connect(mine.plan.address).await?;
            let mut band = mine.plan.model.pair(link, key.clone()).await?;
            band.release().await
        });
        match paired {
            Ok(Some(Ok(()))) => {
                let shown = surroundings.shown(&path);
                surroundings
                    .warn(format_args!("paired anew; the key is in {shown}, for you alone. Pair the phone app again when you are done"));
                let mut mine = mine;
                mine.plan.access = Access::Key(key);
                Ok(Some(mine))
            }
            Ok(Some(Err(error))) => {
                // The band may have taken the key all the same, so the file stays.
                let shown = surroundings.shown(&path);
                surroundings.warn(format_args!("the key that was tried is in {shown}: the band may have taken it all the same"));
                Err(failed(&mine.plan, &error))
            }
            Ok(None) => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

/// Finding the band, connecting, and a person's tap.
const WITHIN: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use crate::cli::{Exit, surroundings::testing::command};

    const LINE: [&str; 9] = ["band", "info", "--model", "mi-band-3", "--address", "C0:FF:EE:12:34:56", "--pair", "--key-to", "new.key"];

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
