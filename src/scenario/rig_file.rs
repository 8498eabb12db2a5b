//! What `rig.yaml` says about a rig: whose it is, which band, which phone, where the proxy listens. Building the rig from it is
//! the caller's.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use jiff::civil::Date;

use super::forms;
use crate::{
    model::Captured,
    phone::{
        adb::{RouteKind, TrustMode},
        manual::System,
    },
};

/// A rig as its file describes it. Made only by [`super::parse::rig`].
#[derive(Clone, Debug, PartialEq)]
pub struct RigFile {
    /// Whose phone, band and account it is; `None` only on a simulated rig (R18).
    pub consent: Option<Consent>,
    /// The band.
    pub band: Option<BandDescription>,
    /// The phone.
    pub phone: PhoneDescription,
    /// Where the proxy listens; its own choice of a free port on this machine when `None`.
    pub listen: Option<SocketAddr>,
    /// Seed of the simulated rig.
    pub seed: Option<u64>,
    /// What is done without asking, of what a person is asked to do, by name.
    pub confirmed: Vec<String>,
    /// A bench with servers of its own; `None` where requests go to the internet.
    pub lab: Option<LabDescription>,
}

/// A bench whose phone talks to servers on this machine, and to nobody else (R17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabDescription {
    /// Where every host that ends in `.test` is.
    pub cloud: SocketAddr,
    /// File with the certificate that the servers' are signed with, PEM; from the rig file's folder.
    pub authority: PathBuf,
    /// How long a control run watches.
    pub control: Option<Duration>,
}

/// Who agreed to being recorded, and when (R18).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Whose phone, band and account.
    pub owner: Captured<String>,
    /// On which day they agreed.
    pub date: Date,
}

/// Which band. It is a real one, reached by radio: a rig without one has the simulated band, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BandDescription {
    /// Name of its model, one of [`crate::band::MODELS`].
    pub model: String,
    /// Its address, display order.
    pub address: Captured<[u8; 6]>,
    /// The key that it and the phone app agreed on; without one, only what anybody in reach can read is read.
    pub key: Option<Secret>,
    /// Bluetooth adapter of this machine, by name (`hci0`) or address; the first that is switched on when `None`.
    pub adapter: Option<String>,
}

/// A key, or where it is. `Debug` does not show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In this environment variable: `${env:NAME}`.
    Environment(String),
    /// In the file.
    Literal(Captured<[u8; 16]>),
}

/// Which phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneDescription {
    /// Its kind.
    pub kind: PhoneKind,
    /// Its serial number, where more than one may be connected.
    pub serial: Option<Captured<String>>,
    /// Its system, of a phone that a person works.
    pub system: Option<System>,
    /// How it is used over adb; only of an Android phone.
    pub android: AndroidDescription,
}

/// How an Android phone is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AndroidDescription {
    /// How the app is made to trust the proxy.
    pub trust: TrustMode,
    /// The script that runs in the app, from the rig file's folder.
    pub script: Option<PathBuf>,
    /// How the phone gets to the proxy.
    pub route: RouteKind,
    /// The app's package, where app.yaml does not name it.
    pub package: Option<String>,
    /// Folder with the packages of the app's versions, from the rig file's folder.
    pub packages: Option<PathBuf>,
    /// The adb program; looked for in `PATH` when `None`.
    pub program: Option<PathBuf>,
    /// Port of the adb server on this machine.
    pub port: Option<u16>,
}

/// Kinds of phones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneKind {
    /// Android, over adb.
    Android,
    /// iPhone.
    Ios,
    /// Any phone that a person operates.
    Manual,
    /// The stand-in app on the simulated rig.
    Simulated,
}

/// Why a secret cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The environment variable is not set.
    #[error("read the band's key: the environment variable {0} is not set")]
    NotSet(String),
    /// It holds something else.
    #[error("read the band's key: the environment variable {0} holds no key of 32 hex digits")]
    NotAKey(String),
}

impl Secret {
    /// The key. `variable` looks an environment variable up.
    ///
    /// # Errors
    /// When the variable is not set or holds no key; the message names the variable and never what it holds.
    pub fn resolve(&self, variable: impl FnOnce(&str) -> Option<String>) -> Result<[u8; 16], SecretError> {
        match self {
            Self::Literal(key) => Ok(*key.expose()),
            Self::Environment(name) => {
                let text = variable(name).ok_or_else(|| SecretError::NotSet(name.clone()))?;
                forms::key(text.trim()).ok_or_else(|| SecretError::NotAKey(name.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_from_the_environment_and_a_wrong_one_is_not_shown() {
        let secret = Secret::Environment("BAND_KEY".into());
        assert_eq!(secret.resolve(|_| Some("000102030405060708090a0b0c0d0e0f\n".into())).map(|key| key[15]), Ok(15));
        assert_eq!(secret.resolve(|_| None), Err(SecretError::NotSet("BAND_KEY".into())));
        let error = secret.resolve(|_| Some("hunter2".into())).expect_err("no key");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn a_key_in_the_file_is_not_in_debug_output() {
        assert_eq!(format!("{:?}", Secret::Literal(Captured::new([7; 16]))), "Literal(Captured(…))");
    }
}
