//! What can go wrong with a phone over adb: one variant for each thing that somebody has to do something about, and what that is.

use std::time::Duration;

use crate::model::text::printable;

/// Why a phone over adb did not do what was asked. Each reads after "failed to"; [`AdbError::help`] says what to do. No serial number
/// and nothing of what an app shows is in any of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdbError {
    /// An action needs the app's package, and no package that may be it is there.
    #[error("find the app on the phone: none of {0} is installed")]
    AppNotInstalled(String),
    /// An older version over a newer one.
    #[error("install the app: the phone refuses an older version over a newer one (INSTALL_FAILED_VERSION_DOWNGRADE)")]
    Downgrade,
    /// The phone does not let adb touch its screen.
    #[error("touch the screen: the phone does not let this computer (INJECT_EVENTS)")]
    InputForbidden,
    /// The phone refuses packages over USB.
    #[error("install the app: the phone refuses it (INSTALL_FAILED_USER_RESTRICTED)")]
    InstallRestricted,
    /// The phone refused a package for another reason.
    #[error("install the app: the phone refuses it ({0})")]
    InstallRefused(String),
    /// The connection broke while something was being done.
    #[error("{during}: the connection to the phone broke off")]
    LinkLost {
        /// What was being done.
        during: String,
    },
    /// The phone has no app that opens web pages, and no other way to send a request.
    #[error("have the phone send a request: no app on it opens {0}")]
    NothingOpens(String),
    /// No phone at all.
    #[error("find a phone: adb lists none")]
    NoPhone,
    /// Root is needed, and not to be had.
    #[error("{0}: the phone gives no root")]
    NoRoot(String),
    /// The app does not ask for a permission.
    #[error("set a permission: the app does not ask for {0}")]
    NotRequested(String),
    /// Not the phone that the rig names.
    #[error("find the rig's phone: it is not connected; there is {there}")]
    NoSuchPhone {
        /// Those that are: model and the end of the serial number.
        there: String,
    },
    /// There is no adb.
    #[error("start {program}: {problem}")]
    NotInstalled {
        /// The program.
        program: String,
        /// What the system says.
        problem: String,
    },
    /// It said something that we do not understand: nothing is concluded from it.
    #[error("{what}: the phone's answer is not understood: {said}")]
    NotUnderstood {
        /// What was asked.
        what: String,
        /// What it said, cut short.
        said: String,
    },
    /// The phone is listed, and does not answer.
    #[error("reach the phone: adb lists it as {0}")]
    Offline(String),
    /// What was written is not what is there afterwards.
    #[error("{what}: it was to be {wanted}, and is {found}")]
    ReadBack {
        /// What was written.
        what: String,
        /// What it was to be.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// The phone said no, in its words.
    #[error("{what}: the phone says: {said}")]
    Refused {
        /// What was asked.
        what: String,
        /// Its words, cut short.
        said: String,
    },
    /// adb itself has a problem: its server cannot be reached, for one.
    #[error("use adb: {0}")]
    Server(String),
    /// Several phones, and the rig names none.
    #[error("choose a phone: several are connected, and the rig file names none; there is {there}")]
    SeveralPhones {
        /// Them: model and the end of the serial number.
        there: String,
    },
    /// The app is signed by somebody else than the one that is there.
    #[error("install the app: one with another signature is there (INSTALL_FAILED_UPDATE_INCOMPATIBLE)")]
    Signature,
    /// It did not answer in time.
    #[error("{what}: no answer within {} s", within.as_secs())]
    TimedOut {
        /// What was asked.
        what: String,
        /// The limit.
        within: Duration,
    },
    /// It said far more than such an answer has.
    #[error("{what}: the answer is longer than {most} bytes")]
    TooLong {
        /// What was asked.
        what: String,
        /// The limit.
        most: usize,
    },
    /// The phone was not told to trust this computer.
    #[error("use the phone: it has not allowed this computer")]
    Unauthorised,
    /// The screen never comes to rest, so that it cannot be looked at.
    #[error("look at the screen: it never comes to rest (could not get idle state)")]
    NeverIdle,
}

impl AdbError {
    /// What a person does about it; empty when nothing can be said.
    pub fn help(&self) -> &'static str {
        match self {
            Self::AppNotInstalled(_) => {
                "install the app, or say where its packages are (phone: { packages: FOLDER } in the rig file) and name the version with \
                 --app-version"
            }
            Self::Downgrade => "the app's data does not survive a downgrade: remove the app first, by hand or with the step uninstallApp",
            Self::InputForbidden => {
                "switch on Developer options > USB debugging (Security settings), then restart the phone: Xiaomi phones ask for both"
            }
            Self::InstallRestricted => {
                "switch on Developer options > Install via USB (Xiaomi asks for a signed-in Mi account), and answer what the phone asks"
            }
            Self::InstallRefused(_) | Self::NotUnderstood { .. } | Self::ReadBack { .. } | Self::Refused { .. } | Self::TooLong { .. } => {
                ""
            }
            Self::LinkLost { .. } => {
                "check the cable; `tattletale restore` puts back what was changed, once the phone is there again, and so does the next run"
            }
            Self::NothingOpens(_) => "install a browser on the phone, and open it once",
            Self::NoPhone => "connect the phone, and switch on Developer options > USB debugging; `adb devices -l` lists what adb sees",
            Self::NoRoot(_) => {
                "use a rooted phone or an emulator, or another way to be trusted: phone: { ca: user } or { ca: none } in the rig file"
            }
            Self::NotRequested(_) => "leave the permission out of the scenario: this version of the app cannot have it",
            Self::NoSuchPhone { .. } | Self::SeveralPhones { .. } => {
                "name the phone in the rig file, as `adb devices -l` lists it: phone: { serial: … }"
            }
            Self::NotInstalled { .. } => {
                "install Android's platform tools (Debian: `apt install adb`), or name the program in the rig file"
            }
            Self::Offline(_) => {
                "unplug the phone and plug it in again, and unlock it; for one over Wi-Fi `adb disconnect`, then `adb connect`"
            }
            Self::Server(_) => "see whether `adb devices` works by itself",
            Self::Signature => "remove the app first, by hand or with the step uninstallApp: its data is lost then",
            Self::TimedOut { .. } => "unlock the phone and answer what it asks; a phone that is busy with an update is slow",
            Self::Unauthorised => "unlock the phone and accept \"Allow USB debugging?\" on its screen",
            Self::NeverIdle => "tap by place (tapOn: { point: 50%,80% }) on screens that always move",
        }
    }

    /// What adb's own words mean, when it failed before anything reached the phone. `None` when they are not about that.
    pub(super) fn of_client(stderr: &str, during: &str) -> Option<Self> {
        let line = stderr.lines().find(|line| line.contains("error:") || line.starts_with("adb:") || line.contains("* "))?;
        let says = |words: &str| stderr.contains(words);
        if says("device unauthorized") {
            Some(Self::Unauthorised)
        } else if says("no devices/emulators found") {
            Some(Self::NoPhone)
        } else if says("more than one device") {
            Some(Self::SeveralPhones { there: "more than one".to_owned() })
        } else if says("device offline") || says("device still connecting") || says("device still authorizing") {
            Some(Self::Offline("offline".to_owned()))
        } else if says("' not found") && says("device") {
            Some(Self::LinkLost { during: during.to_owned() })
        } else if says("cannot connect to daemon") || says("failed to start daemon") || says("failed to check server version") {
            Some(Self::Server(cut(line)))
        } else if says("error: closed") || says("protocol fault") || says("connection reset") || says("device disconnected") {
            Some(Self::LinkLost { during: during.to_owned() })
        } else {
            None
        }
    }

    /// What the answer of an installation means; `None` when it says `Success`.
    pub(super) fn of_install(said: &str) -> Option<Self> {
        let failure = said.lines().find_map(|line| line.split_once("Failure [").or_else(|| line.split_once("failed to install")));
        let Some((_, rest)) = failure else {
            let done = said.lines().any(|line| line.trim() == "Success");
            return (!done).then(|| Self::NotUnderstood { what: "install the app".to_owned(), said: cut(said) });
        };
        let code = rest.split(|c: char| !c.is_ascii_uppercase() && c != '_').find(|word| word.starts_with("INSTALL_"));
        Some(match code.unwrap_or_default() {
            "INSTALL_FAILED_USER_RESTRICTED" => Self::InstallRestricted,
            "INSTALL_FAILED_VERSION_DOWNGRADE" => Self::Downgrade,
            "INSTALL_FAILED_UPDATE_INCOMPATIBLE" => Self::Signature,
            "" => Self::InstallRefused(cut(rest)),
            other => Self::InstallRefused(other.to_owned()),
        })
    }

    /// What a command's complaint means; [`AdbError::Refused`] when it is not one of those that we know.
    pub(super) fn of_command(what: &str, stdout: &str, stderr: &str) -> Self {
        let said = if stderr.trim().is_empty() { stdout } else { stderr };
        if said.contains("INJECT_EVENTS") {
            return Self::InputForbidden;
        }
        // An exception says what it is in its first line that names it, below a line that names the command.
        let line = said.lines().find(|line| line.contains("Exception:")).or_else(|| said.lines().find(|line| !line.trim().is_empty()));
        Self::Refused { what: what.to_owned(), said: cut(line.unwrap_or("nothing")) }
    }
}

/// A line of somebody else's words, tamed and cut short.
pub(super) fn cut(said: &str) -> String {
    const MOST: usize = 160;
    let line = printable(said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nothing"));
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adb_s_own_complaints_say_who_is_at_fault() {
        let lost = || AdbError::LinkLost { during: "ask".into() };
        for (stderr, want) in [
            ("error: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set\n", Some(AdbError::Unauthorised)),
            ("adb: no devices/emulators found\n", Some(AdbError::NoPhone)),
            ("error: no devices/emulators found\n", Some(AdbError::NoPhone)),
            ("adb: device offline\n", Some(AdbError::Offline("offline".into()))),
            ("error: device 'INVENTED01' not found\n", Some(lost())),
            ("adb: device 'INVENTED01' not found\n", Some(lost())),
            ("error: closed\n", Some(lost())),
            ("* failed to start daemon\nerror: cannot connect to daemon\n", Some(AdbError::Server("* failed to start daemon".into()))),
            ("/system/bin/sh: nope: not found\n", None),
            ("", None),
        ] {
            assert_eq!(AdbError::of_client(stderr, "ask"), want, "{stderr}");
        }
    }

    #[test]
    fn refused_packages_name_the_switch() {
        for (said, want) in [
            ("Performing Streamed Install\nSuccess\n", None),
            (
                "Performing Streamed Install\nadb: failed to install a.apk: Failure [INSTALL_FAILED_USER_RESTRICTED: Install canceled by user]",
                Some(AdbError::InstallRestricted),
            ),
            ("adb: failed to install a.apk: Failure [INSTALL_FAILED_VERSION_DOWNGRADE]", Some(AdbError::Downgrade)),
            ("Failure [INSTALL_FAILED_UPDATE_INCOMPATIBLE: Package com.example signatures do not match]", Some(AdbError::Signature)),
            ("Failure [INSTALL_PARSE_FAILED_NOT_APK]", Some(AdbError::InstallRefused("INSTALL_PARSE_FAILED_NOT_APK".into()))),
        ] {
            assert_eq!(AdbError::of_install(said), want, "{said}");
        }
        assert!(AdbError::InstallRestricted.help().contains("Install via USB"));
        assert!(
            matches!(AdbError::of_install("Performing Streamed Install\n"), Some(AdbError::NotUnderstood { .. })),
            "silence is no success"
        );
    }

    #[test]
    fn a_phone_that_forbids_touching_names_the_switch() {
        let said = "Exception occurred while executing 'tap':\njava.lang.SecurityException: Injecting input events requires the caller (or \
                    the source of the instrumentation, if any) to have the INJECT_EVENTS permission.\n\tat android.os";
        let error = AdbError::of_command("tap", "", said);
        assert_eq!(error, AdbError::InputForbidden);
        assert!(error.help().contains("Security settings") && error.help().contains("restart"));
        let other = AdbError::of_command(
            "grant",
            "",
            "Exception occurred while executing 'grant':\njava.lang.SecurityException: Package x has not requested permission y\n",
        );
        assert_eq!(other.to_string(), "grant: the phone says: java.lang.SecurityException: Package x has not requested permission y");
    }
}
