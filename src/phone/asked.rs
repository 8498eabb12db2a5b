//! What can be asked of a phone, and what it answers: plain values. Doing it is a backend's.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::model::text::printable;

/// What can be asked of a phone. What a backend says it cannot do is told before a run starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// [`super::Phone::clear_state`].
    ClearState,
    /// [`super::Phone::input_text`].
    InputText,
    /// [`super::Phone::install`] with a version, and [`super::Phone::install_file`].
    InstallApp,
    /// [`super::Phone::launch_app`].
    LaunchApp,
    /// [`super::Phone::press_key`].
    PressKey,
    /// [`super::Phone::pull_to_refresh`].
    PullToRefresh,
    /// [`super::Phone::start_recording`] and [`super::Phone::stop_recording`].
    Record,
    /// [`super::Phone::screen`].
    Screen,
    /// [`super::Phone::screenshot`].
    Screenshot,
    /// [`super::Phone::set_airplane_mode`].
    SetAirplaneMode,
    /// [`super::Phone::set_location`].
    SetLocation,
    /// [`super::Phone::set_permissions`].
    SetPermissions,
    /// [`super::Phone::stop_app`].
    StopApp,
    /// [`super::Phone::swipe`].
    Swipe,
    /// [`super::Phone::tap_on`].
    TapOn,
    /// [`super::Phone::uninstall_app`].
    UninstallApp,
}

impl Action {
    /// Every action, sorted.
    pub const ALL: [Self; 16] = [
        Self::ClearState,
        Self::InputText,
        Self::InstallApp,
        Self::LaunchApp,
        Self::PressKey,
        Self::PullToRefresh,
        Self::Record,
        Self::Screen,
        Self::Screenshot,
        Self::SetAirplaneMode,
        Self::SetLocation,
        Self::SetPermissions,
        Self::StopApp,
        Self::Swipe,
        Self::TapOn,
        Self::UninstallApp,
    ];
}

/// What a phone says of a fetch that it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// It was answered, with this status.
    Answered(u16),
    /// It was not, and why, in words.
    Unanswered(String),
    /// It was sent, and this phone does not tell how it went: what arrived at the proxy decides.
    Sent,
}

/// How to start the app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// Forget everything the app has stored before starting it.
    pub clear_state: bool,
    /// Location permission, precise and approximate, in front and in the background: granted only when the scenario says so.
    pub location: Permission,
}

/// Whether a permission is granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permission {
    /// Granted.
    Allow,
    /// Denied.
    #[default]
    Deny,
}

/// A permission that is to be granted or denied. What is not named stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionChange {
    /// Which.
    pub which: PermissionName,
    /// What it is to be.
    pub to: Permission,
}

/// Permissions, in a scenario's words or in the system's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PermissionName {
    /// Where the phone is while the app is not in front.
    BackgroundLocation,
    /// Where the phone is while the app is in front, precisely and approximately.
    Location,
    /// The system's own name: `android.permission.READ_CONTACTS`.
    Exact(String),
}

/// Keys of a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Back.
    Back,
    /// Takes the character before the cursor.
    Backspace,
    /// Enter.
    Enter,
    /// Home: the app goes to the background.
    Home,
    /// Switches the screen off, and locks the phone where it has a lock.
    Lock,
    /// Switches the screen on or off.
    Power,
    /// Tab.
    Tab,
    /// Louder.
    VolumeUp,
    /// Quieter.
    VolumeDown,
}

impl Key {
    /// Its word in a scenario.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Back => "back",
            Self::Backspace => "backspace",
            Self::Enter => "enter",
            Self::Home => "home",
            Self::Lock => "lock",
            Self::Power => "power",
            Self::Tab => "tab",
            Self::VolumeUp => "volume up",
            Self::VolumeDown => "volume down",
        }
    }
}

/// A place on the screen, in percent of its width and height, from the top left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent {
    /// From the left, 0 to 100.
    pub x: f64,
    /// From the top, 0 to 100.
    pub y: f64,
}

/// What is tapped on.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// What has this id, with or without the package before it: `sync`, `com.example:id/sync`.
    Id(String),
    /// A place.
    Point(Percent),
    /// What has exactly this text, or this description for people who cannot see.
    Text(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "the id {id:?}"),
            Self::Point(at) => write!(f, "{}%,{}%", at.x, at.y),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// A finger moved over the screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Swipe {
    /// Where it begins.
    pub from: Percent,
    /// Where it ends.
    pub to: Percent,
    /// How long it takes.
    pub takes: Duration,
}

/// What can be seen on the screen, for waits and for messages. It holds what an app shows a person: it goes into no report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// What is seen, from the top left.
    pub elements: Vec<Element>,
}

/// Something on the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its text; empty when it has none.
    pub text: String,
    /// Its description for people who cannot see; empty when it has none.
    pub description: String,
    /// Its id, `package:id/name`; empty when it has none.
    pub id: String,
    /// Left, top, right, bottom in pixels.
    pub bounds: [i32; 4],
}

impl Screen {
    /// The first element that is meant; `None` for a point, which needs none.
    pub fn find(&self, target: &Target) -> Option<&Element> {
        self.elements.iter().find(|element| match target {
            Target::Id(id) => element.id == *id || element.id.rsplit_once(":id/").is_some_and(|(_, name)| name == id),
            Target::Text(text) => element.text == *text || element.description == *text,
            Target::Point(_) => false,
        })
    }

    /// What there is, for a message: no text of it, which may be a person's; how many texts, and the ids that a developer gave. An id
    /// without a package is a web page's, and may be anything.
    pub fn in_words(&self) -> String {
        const MOST: usize = 12;
        let texts = self.elements.iter().filter(|element| !element.text.is_empty() || !element.description.is_empty()).count();
        let ids: BTreeSet<&str> = self.elements.iter().filter_map(|element| Some(element.id.rsplit_once(":id/")?.1)).collect();
        let texts = match texts {
            0 => "no text".to_owned(),
            1 => "1 text".to_owned(),
            count => format!("{count} texts"),
        };
        let named: Vec<String> = ids.iter().take(MOST).map(|id| printable(id)).collect();
        let more = if ids.len() > MOST { format!(" and {} more", ids.len() - MOST) } else { String::new() };
        match named.as_slice() {
            [] => format!("{texts} and no id on the screen"),
            [one] => format!("{texts} and the id {one} on the screen"),
            _ => format!("{texts} and the ids {}{more} on the screen", named.join(", ")),
        }
    }
}

impl Element {
    /// Its middle, in pixels from the top left.
    pub const fn middle(&self) -> (i32, i32) {
        let [left, top, right, bottom] = self.bounds;
        (left.saturating_add(right) / 2, top.saturating_add(bottom) / 2)
    }
}

/// Bytes of an app, by a phone's own counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Bytes that it sent.
    pub sent: u64,
    /// Bytes that it received.
    pub received: u64,
}

/// What can be said of the app's traffic past the proxy since the route was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outside {
    /// There is no way past the proxy: the stand-in app has none.
    NoWay,
    /// It was counted.
    Counted {
        /// What the phone counted.
        bytes: Counted,
        /// Whether what went to the proxy is among it: over Wi-Fi both cross the same network. Then it is what the packets carried, at
        /// least, without their own headers.
        with_proxied: bool,
        /// Why it is not all, as a clause that reads after "because "; `None` when it is.
        gap: Option<String>,
    },
    /// It was not counted: why, as a clause that reads after "because ".
    NotCounted(String),
}

/// What stands between the phone and the proxy right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Everything is as it was made.
    Whole,
    /// It is not; what was found, as a sentence.
    Broken(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(text: &str, id: &str) -> Element {
        Element { text: text.into(), id: id.into(), bounds: [100, 200, 300, 280], ..Element::default() }
    }

    #[test]
    fn things_are_found_by_text_and_by_id() {
        let screen = Screen { elements: vec![element("Sync", "com.example:id/sync"), element("", "android:id/content")] };
        for (target, found) in [
            (Target::Text("Sync".into()), true),
            (Target::Text("sync".into()), false),
            (Target::Id("sync".into()), true),
            (Target::Id("com.example:id/sync".into()), true),
            (Target::Id("syn".into()), false),
            (Target::Point(Percent { x: 50.0, y: 50.0 }), false),
        ] {
            assert_eq!(screen.find(&target).is_some(), found, "{target}");
        }
        assert_eq!(screen.elements[0].middle(), (200, 240));
        assert_eq!(screen.in_words(), "1 text and the ids content, sync on the screen");
    }

    #[test]
    fn a_screen_full_of_things_is_told_in_a_line() {
        let screen = Screen { elements: (10..40).map(|number| element("Row", &format!("com.example:id/row{number}"))).collect() };
        assert!(screen.in_words().ends_with("row21 and 18 more on the screen"), "{}", screen.in_words());
        assert_eq!(Screen::default().in_words(), "no text and no id on the screen");
    }

    #[test]
    fn every_action_is_listed_once() {
        assert!(Action::ALL.is_sorted_by(|a, b| a < b));
    }
}
