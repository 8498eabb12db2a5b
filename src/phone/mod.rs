//! Phones: what a scenario does to the phone that runs the app under audit.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    model::{Alteration, AppVersion, Platform, Position},
    traffic::authority::Authority,
};

pub mod adb;
mod asked;
mod check;
pub mod manual;
pub mod operator;
pub mod simulated;

pub use check::{Check, CheckState};

pub use asked::{
    Action, Counted, Element, Key, Launch, Outside, Percent, Permission, PermissionChange, PermissionName, Probed, Route, Screen, Swipe,
    Target,
};

/// A phone with the app under audit. What a backend cannot do is an [`PhoneError::Unsupported`] that [`Phone::supports`] tells
/// before the run starts.
#[async_trait]
pub trait Phone: Send {
    /// Words for a reader: kind, model. Never a serial number.
    fn about(&self) -> String;

    /// Words on the file of the app that is installed, once it is: its digest. `None` when it does not tell (the default).
    fn app_about(&self) -> Option<String> {
        None
    }

    /// How the app was altered so that it can be read, and what became of that: whatever was not told before. Nothing by default.
    fn alterations(&mut self) -> Vec<Alteration> {
        Vec::new()
    }

    /// What a script in the app has said since it was started, as it came; `None` when there is none (the default). Given once.
    fn script_output(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// Its platform.
    fn platform(&self) -> Platform;

    /// Whether a person does what is asked of it and the phone itself tells nothing: which version is on it is claimed, and no
    /// position is confirmed. Not so by default.
    fn is_by_hand(&self) -> bool {
        false
    }

    /// What is to be said of what it was last asked for, beside what the step says, without captured values: that nobody checked it,
    /// for one. Said once; nothing by default.
    fn remark(&mut self) -> Option<String> {
        None
    }

    /// Its system, for telling whether it has changed: name, version, build; never a serial number. `None` when it does not
    /// tell (the default).
    ///
    /// # Errors
    /// [`PhoneError::Failed`] when the phone does not answer.
    async fn system(&mut self) -> Result<Option<String>, PhoneError> {
        Ok(None)
    }

    /// Which phone it is, for telling whether it is another one of the same kind: a digest, never a serial number itself. `None` where
    /// that cannot be told (the default).
    fn identity(&self) -> Option<String> {
        None
    }

    /// Whether it can do an action at all.
    fn supports(&self, action: Action) -> bool;

    /// Makes sure that this version of the app is installed and tells which one is.
    ///
    /// # Errors
    /// [`PhoneError::NoSuchVersion`] with the versions there are.
    async fn install(&mut self, version: Option<&AppVersion>) -> Result<AppVersion, PhoneError>;

    /// Installs the app from a file: a package, or a folder of the parts of one. Gives the version that is there afterwards.
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] (the default), or why the phone refused it.
    async fn install_file(&mut self, file: &Path) -> Result<AppVersion, PhoneError> {
        Err(unsupported(&format!("install {}", file.display())))
    }

    /// Removes the app with everything it has stored. Removing what is not there is fine.
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] (the default), or why it could not be removed.
    async fn uninstall_app(&mut self) -> Result<(), PhoneError> {
        Err(unsupported("remove an app"))
    }

    /// Makes the app forget everything it has stored, permissions included, and stops it.
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] (the default), or why it could not be done.
    async fn clear_state(&mut self) -> Result<(), PhoneError> {
        Err(unsupported("clear an app's state"))
    }

    /// Grants and denies permissions, exactly the named ones, and reads each back.
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] (the default); [`PhoneError::Failed`] when one did not become what it was to be: the app does
    /// not ask for it, for one.
    async fn set_permissions(&mut self, changes: &[PermissionChange]) -> Result<(), PhoneError> {
        Err(unsupported(&format!("set {} permissions", changes.len())))
    }

    /// Switches all radios off or on again, and reads it back.
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] (the default), or why it did not take it.
    async fn set_airplane_mode(&mut self, on: bool) -> Result<(), PhoneError> {
        Err(unsupported(if on { "switch its radios off" } else { "switch its radios on" }))
    }

    /// Starts the app, or brings it to the front.
    ///
    /// # Errors
    /// Why it did not start.
    async fn launch_app(&mut self, launch: &Launch) -> Result<(), PhoneError>;

    /// Stops the app. Stopping a stopped app is fine.
    ///
    /// # Errors
    /// Why it could not be stopped.
    async fn stop_app(&mut self) -> Result<(), PhoneError>;

    /// Pulls the app's main list down, so that it syncs the band.
    ///
    /// # Errors
    /// When the app is not in front.
    async fn pull_to_refresh(&mut self) -> Result<(), PhoneError>;

    /// Taps on something.
    ///
    /// # Errors
    /// When it is not in front; names what is.
    async fn tap_on(&mut self, target: &Target) -> Result<(), PhoneError>;

    /// Moves a finger over the screen.
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] (the default), or why it could not be done.
    async fn swipe(&mut self, swipe: &Swipe) -> Result<(), PhoneError> {
        Err(unsupported(&format!("swipe for {:?}", swipe.takes)))
    }

    /// Types a text where the cursor is. It may be a secret: no error repeats it.
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] (the default), or why it could not be typed: a character that the phone has no key for.
    async fn input_text(&mut self, text: &str) -> Result<(), PhoneError> {
        Err(unsupported(&format!("type {} characters", text.chars().count())))
    }

    /// Presses a key.
    ///
    /// # Errors
    /// When the phone does not answer.
    async fn press_key(&mut self, key: Key) -> Result<(), PhoneError>;

    /// Places the phone, and reads back where it says it is.
    ///
    /// # Errors
    /// When the phone does not take it.
    async fn set_location(&mut self, position: Position) -> Result<Position, PhoneError>;

    /// What can be seen on the screen.
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] (the default), or why it could not be looked at: it never comes to rest, for one.
    async fn screen(&mut self) -> Result<Screen, PhoneError> {
        Err(unsupported("tell what is on its screen"))
    }

    /// The screen as a picture: the bytes of a PNG file.
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] (the default), or why there is none.
    async fn screenshot(&mut self) -> Result<Vec<u8>, PhoneError> {
        Err(unsupported("make a picture of its screen"))
    }

    /// Begins to record the screen.
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] (the default), or why it does not; [`PhoneError::Failed`] when it records already.
    async fn start_recording(&mut self) -> Result<(), PhoneError> {
        Err(unsupported("record its screen"))
    }

    /// Ends the recording, and gives what was recorded: the bytes of an MP4 file. A phone may record no longer than three minutes.
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] (the default); [`PhoneError::Failed`] when none was begun, or it could not be had.
    async fn stop_recording(&mut self) -> Result<Vec<u8>, PhoneError> {
        Err(unsupported("record its screen"))
    }

    /// Points the phone at a proxy, and reads that back. The address is the proxy's own on this machine; how the phone gets there is
    /// the backend's. Undone by [`Phone::restore`].
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] (the default), or why it did not take it.
    async fn route_through(&mut self, proxy: SocketAddr) -> Result<(), PhoneError> {
        Err(unsupported(&format!("be pointed at {proxy}")))
    }

    /// Looks whether the route of [`Phone::route_through`] still stands. A phone that needs no such look is always [`Route::Whole`]
    /// (the default).
    ///
    /// # Errors
    /// Why it could not be looked at: the phone is gone, for one.
    async fn check_route(&mut self) -> Result<Route, PhoneError> {
        match self.route_watch() {
            Some(watch) => watch.check().await,
            None => Ok(Route::Whole),
        }
    }

    /// Somebody who looks at the route while the phone is busy with something else; `None` for a phone that needs no such look
    /// (the default), and before there is a route.
    fn route_watch(&self) -> Option<Arc<dyn RouteWatch>> {
        None
    }

    /// What the app sent and received past the proxy since the route was made, by the phone's own counters: at the end of a run, for it
    /// may stop the app, so that nothing comes after the count. A phone does not count by default.
    async fn outside(&mut self) -> Outside {
        Outside::NotCounted("this phone does not tell what its apps send".to_owned())
    }

    /// Makes the phone trust an authority, as far as its rig says it may, and reads back that it does. Undone by [`Phone::restore`].
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] (the default), or why it does not.
    async fn trust(&mut self, authority: &Authority) -> Result<(), PhoneError> {
        Err(unsupported(&format!("be told to trust {}", authority.about().name)))
    }

    /// Lays out what a person needs so that the phone trusts an authority, and says in lines what they do. `None` where it is not theirs
    /// to do (the default). Undone by [`Phone::restore`], but for what they have done.
    ///
    /// # Errors
    /// Why it could not be laid out.
    async fn ask_for_trust(&mut self, _authority: &Authority) -> Result<Option<String>, PhoneError> {
        Ok(None)
    }

    /// Fetches a URL as any app on the phone would that trusts whom the phone trusts: by the phone's own way to the network, without
    /// a cache. Any status is an answer. For the self-check, before the app is started.
    ///
    /// # Errors
    /// [`PhoneError::Unsupported`] when this phone cannot be made to fetch anything (the default), [`PhoneError::Failed`] when it
    /// could not be asked. A request that got no answer is no error: it is [`Probed::Unanswered`].
    async fn probe(&mut self, url: &str) -> Result<Probed, PhoneError> {
        Err(PhoneError::Unsupported(format!("it cannot be made to fetch {url}")))
    }

    /// How long [`Phone::probe`] may take, in real time: half a minute (the default), or longer where a person has to do it.
    fn probe_within(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Puts the phone back as it was found. Called on every way out; twice does no harm.
    ///
    /// # Errors
    /// What could not be put back.
    async fn restore(&mut self) -> Result<(), PhoneError>;
}

/// Looks at a phone's route while the phone itself is busy.
#[async_trait]
pub trait RouteWatch: Send + Sync {
    /// Whether it still stands.
    ///
    /// # Errors
    /// Why it could not be looked at: the phone is gone, for one.
    async fn check(&self) -> Result<Route, PhoneError>;
}

impl PhoneError {
    /// What a person does about it; empty when nothing can be said.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Adb(error) => error.help(),
            _ => "",
        }
    }

    /// What went wrong, with what a person does about it.
    pub fn with_help(&self) -> String {
        let help = self.help();
        if help.is_empty() { self.to_string() } else { format!("{self} ({help})") }
    }
}

fn unsupported(what: &str) -> PhoneError {
    PhoneError::Unsupported(format!("it cannot {what}"))
}

/// Why a phone did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhoneError {
    /// A phone over adb, with what somebody has to do about it.
    #[error(transparent)]
    Adb(#[from] adb::AdbError),
    /// The app cannot be altered so that it trusts the rig.
    #[error("alter the app so that it can be read: {0}")]
    Alter(String),
    /// The app is not running, or not in front.
    #[error("reach the app: {0}")]
    AppNotInFront(String),
    /// A person did not do it.
    #[error("{0}")]
    ByHand(operator::NotDone),
    /// The phone itself failed.
    #[error("control the phone: {0}")]
    Failed(String),
    /// There is no such version.
    #[error("install version {wanted}: there is {known}")]
    NoSuchVersion {
        /// What was asked for.
        wanted: String,
        /// What there is, as a list in words.
        known: String,
    },
    /// This phone cannot do that.
    #[error("do that on this phone: {0}")]
    Unsupported(String),
}
