//! The taxonomy: what kind of personal data a field carries, in our words, in those of the W3C Data Privacy Vocabulary, and in the
//! boxes that a vendor ticks for the two app stores. One row a field type; which field has which is `decode::category`'s.
//!
//! Sources of the ids, all read in November 2026:
//! - **DPV**: Data Privacy Vocabulary 2.2, its extension PD for personal data, <https://w3id.org/dpv/pd>. It knows no pulse, sleep
//!   or step: those are narrower terms under its `PhysicalHealth`. Whether a concept is a special category of personal data (GDPR,
//!   Article 9) is what DPV says of the concept, not a judgement of ours about one field.
//! - **Google Play**: response ids of the data-safety form's CSV, as Play Console exports it (questions `PSL_DATA_TYPES_…`); what
//!   belongs in which box, <https://support.google.com/googleplay/android-developer/answer/10787469>.
//! - **Apple**: values of `NSPrivacyCollectedDataType` in a privacy manifest,
//!   <https://developer.apple.com/documentation/bundleresources/describing-data-use-in-privacy-manifests>.
//!
//! Several ids in one row mean one of them: which one takes more than the field to tell. None means that the form has no such box.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// Makes the enum and everything that can be asked of it from one table, so that no row can be forgotten anywhere.
macro_rules! taxonomy {
    ($(
        #[doc = $meaning:literal]
        $name:ident = $word:literal in $group:ident,
        dpv $concept:literal $($special:ident)?, play [$($play:literal),*], apple [$($apple:literal),*];
    )*) => {
        /// What kind of personal data a field carries.
        ///
        /// A category belongs to a group. The group's own word (`location`) stands for "of this group, nothing finer known"; where a
        /// group is asked for (`never: location`), all of its members are meant ([`Category::is_a`]).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Category {
            $(#[doc = $meaning] $name,)*
        }

        /// The table, in the order of the enum.
        const ROWS: &[Row] = &[$(
            Row {
                category: Category::$name,
                word: $word,
                group: Category::$group,
                meaning: $meaning,
                dpv: Dpv { concept: $concept, special: special!($($special)?) },
                play: &[$($play),*],
                apple: &[$(concat!("NSPrivacyCollectedDataType", $apple)),*],
            },
        )*];
    };
}

macro_rules! special {
    () => {
        false
    };
    (special) => {
        true
    };
}

taxonomy! {
    /// What gives access to the account: a token, a password, an authorization header
    AccessToken = "access-token" in Identifier, dpv "Authenticating", play ["PSL_USER_ACCOUNT"], apple ["UserID"];
    /// Number or name of the person's account
    AccountId = "account-id" in Identifier, dpv "UID", play ["PSL_USER_ACCOUNT"], apple ["UserID"];
    /// How hard the body works: intensity of activity, active minutes
    ActivityIntensity = "activity-intensity" in Steps, dpv "PhysicalHealth" special, play ["PSL_FITNESS"], apple ["Fitness"];
    /// Id of the phone for advertising, which its owner can reset
    AdvertisingId = "advertising-id" in Identifier, dpv "Identifier", play ["PSL_DEVICE_ID"], apple ["DeviceID"];
    /// What the person does in the app: pages shown, time spent
    AppUsage = "app-usage" in Content, dpv "ServiceConsumptionBehaviour", play ["PSL_USER_INTERACTION"], apple ["ProductInteraction"];
    /// How full the band's battery is
    BandBattery = "band-battery" in Device, dpv "DeviceBased", play [], apple ["OtherDataTypes"];
    /// Version of the band's firmware
    BandFirmware = "band-firmware" in Device, dpv "DeviceSoftware", play [], apple ["OtherDataTypes"];
    /// Bluetooth address of the band, also as EUI-64
    BandMac = "band-mac" in Identifier, dpv "MACAddress", play ["PSL_DEVICE_ID"], apple ["DeviceID"];
    /// Serial number of the band
    BandSerial = "band-serial" in Identifier, dpv "DeviceBased", play ["PSL_DEVICE_ID"], apple ["DeviceID"];
    /// Day, month or year of birth
    BirthDate = "birth-date" in Profile, dpv "BirthDate", play ["PSL_OTHER_PERSONAL"], apple ["OtherDataTypes"];
    /// Share of the blood's haemoglobin that carries oxygen (SpO2)
    BloodOxygen = "blood-oxygen" in Vitals, dpv "PhysicalHealth" special, play ["PSL_HEALTH"], apple ["Health"];
    /// Energy that the body used
    Calories = "calories" in Steps, dpv "PhysicalHealth" special, play ["PSL_FITNESS"], apple ["Fitness"];
    /// Cell of the mobile network that the phone is in
    CellTower = "cell-tower" in Location, dpv "Location", play ["PSL_APPROX_LOCATION"], apple ["CoarseLocation"];
    /// Where the person is or was, to 3 square kilometres or worse: a city, a coordinate with at most one digit after the point
    CoarseLocation = "coarse-location" in Location, dpv "Location", play ["PSL_APPROX_LOCATION"], apple ["CoarseLocation"];
    /// People whom the person knows, as the phone's address book has them
    Contacts = "contacts" in Content, dpv "Contact", play ["PSL_CONTACTS"], apple ["Contacts"];
    /// What the person keeps on the phone or does with it, nothing finer known
    Content = "content" in Content, dpv "External",
        play ["PSL_OTHER_APP_ACTIVITY", "PSL_USER_GENERATED_CONTENT"], apple ["OtherUserContent"];
    /// What a program was doing when it failed
    CrashReport = "crash-report" in Content, dpv "DeviceSoftware", play ["PSL_CRASH_LOGS"], apple ["CrashData"];
    /// What the phone or the band is and how it is set up, nothing finer known
    Device = "device" in Device, dpv "DeviceBased", play [], apple ["OtherDataTypes"];
    /// Make and model of the phone
    DeviceModel = "device-model" in Device, dpv "DeviceBased", play [], apple ["OtherDataTypes"];
    /// How far the person walked or ran
    Distance = "distance" in Steps, dpv "PhysicalHealth" special, play ["PSL_FITNESS"], apple ["Fitness"];
    /// E-mail address, also hashed
    EmailAddress = "email-address" in Identifier, dpv "EmailAddress", play ["PSL_EMAIL"], apple ["EmailAddress"];
    /// Pulse, nothing finer known: the latest, the highest, the mean
    HeartRate = "heart-rate" in HeartRate, dpv "PhysicalHealth" special, play ["PSL_HEALTH"], apple ["Health"];
    /// Pulse over time: many readings in one field
    HeartRateSeries = "heart-rate-series" in HeartRate, dpv "PhysicalHealth" special, play ["PSL_HEALTH"], apple ["Health"];
    /// How evenly the heart beats (HRV: RMSSD, SDNN)
    HeartRateVariability = "heart-rate-variability" in HeartRate, dpv "PhysicalHealth" special, play ["PSL_HEALTH"], apple ["Health"];
    /// Height of the person
    Height = "height" in Profile, dpv "Height", play ["PSL_HEALTH"], apple ["Health"];
    /// What singles out a person, account, band, phone or installation, nothing finer known
    Identifier = "identifier" in Identifier, dpv "Identifier", play ["PSL_DEVICE_ID", "PSL_USER_ACCOUNT"], apple ["DeviceID", "UserID"];
    /// Id of one installation of the app on one phone, or of its address for push messages
    InstallationId = "installation-id" in Identifier, dpv "Identifier", play ["PSL_DEVICE_ID"], apple ["DeviceID"];
    /// Which other apps are on the phone
    InstalledApps = "installed-apps" in Content, dpv "DeviceApplications", play ["PSL_APPS_ON_DEVICE"], apple ["OtherDataTypes"];
    /// Internet address
    IpAddress = "ip-address" in Identifier, dpv "IPAddress", play ["PSL_DEVICE_ID"], apple ["DeviceID"];
    /// Language that the phone or the app is set to
    Locale = "locale" in Device, dpv "Language", play [], apple ["OtherDataTypes"];
    /// Where the person is or was, nothing finer known
    Location = "location" in Location, dpv "Location",
        play ["PSL_APPROX_LOCATION", "PSL_PRECISE_LOCATION"], apple ["CoarseLocation", "PreciseLocation"];
    /// Day of the menstrual cycle, bleeding, ovulation
    MenstrualCycle = "menstrual-cycle" in Vitals, dpv "PhysicalHealth" special, play ["PSL_HEALTH"], apple ["Health"];
    /// What the person wrote or was sent: text messages, mails, notifications
    Messages = "messages" in Content, dpv "Communication",
        play ["PSL_EMAILS", "PSL_OTHER_MESSAGES", "PSL_SMS_CALL_LOG"], apple ["EmailsOrTextMessages"];
    /// Company whose network the phone is in, also as MCC and MNC
    NetworkOperator = "network-operator" in Device, dpv "DeviceBased", play [], apple ["OtherDataTypes"];
    /// Operating system of the phone and its version
    OsVersion = "os-version" in Device, dpv "DeviceOperatingSystem", play [], apple ["OtherDataTypes"];
    /// Key of the band: who has it can read the band
    PairingKey = "pairing-key" in Identifier, dpv "Authenticating", play ["PSL_DEVICE_ID"], apple ["DeviceID"];
    /// First name, family name, nickname or user name
    PersonName = "person-name" in Profile, dpv "Name", play ["PSL_NAME"], apple ["Name"];
    /// Id of the phone or its SIM card that no setting changes: IMEI, IMSI, Android id, fingerprint
    PhoneId = "phone-id" in Identifier, dpv "DeviceBased", play ["PSL_DEVICE_ID"], apple ["DeviceID"];
    /// Phone number
    PhoneNumber = "phone-number" in Identifier, dpv "TelephoneNumber", play ["PSL_PHONE"], apple ["PhoneNumber"];
    /// Pictures and videos, or where they can be fetched
    Photos = "photos" in Content, dpv "Picture", play ["PSL_PHOTOS", "PSL_VIDEOS"], apple ["PhotosorVideos"];
    /// Street, house number or postal code
    PostalAddress = "postal-address" in Location, dpv "PhysicalAddress", play ["PSL_ADDRESS"], apple ["PhysicalAddress"];
    /// Where the person is or was, to less than 3 square kilometres: a coordinate with two or more digits after the point
    PreciseLocation = "precise-location" in Location, dpv "GPSCoordinate", play ["PSL_PRECISE_LOCATION"], apple ["PreciseLocation"];
    /// What the person told the app about themselves, nothing finer known
    Profile = "profile" in Profile, dpv "IndividualProfile", play ["PSL_OTHER_PERSONAL"], apple ["OtherDataTypes"];
    /// Breaths a minute
    Respiration = "respiration" in Vitals, dpv "PhysicalHealth" special, play ["PSL_HEALTH"], apple ["Health"];
    /// Pulse at rest
    RestingHeartRate = "resting-heart-rate" in HeartRate, dpv "PhysicalHealth" special, play ["PSL_HEALTH"], apple ["Health"];
    /// Id of one use of the app
    SessionId = "session-id" in Identifier, dpv "Identifier", play ["PSL_DEVICE_ID"], apple ["DeviceID"];
    /// Sex or gender of the person
    Sex = "sex" in Profile, dpv "Gender", play ["PSL_OTHER_PERSONAL"], apple ["OtherDataTypes"];
    /// Temperature of the skin
    SkinTemperature = "skin-temperature" in Vitals, dpv "PhysicalHealth" special, play ["PSL_HEALTH"], apple ["Health"];
    /// When and how long the person slept, nothing finer known
    Sleep = "sleep" in Sleep, dpv "PhysicalHealth" special, play ["PSL_HEALTH"], apple ["Health"];
    /// Deep, light and REM sleep and waking, minutes or times of each
    SleepStages = "sleep-stages" in Sleep, dpv "PhysicalHealth" special, play ["PSL_HEALTH"], apple ["Health"];
    /// Steps, or movement of which nothing finer is known
    Steps = "steps" in Steps, dpv "PhysicalHealth" special, play ["PSL_FITNESS"], apple ["Fitness"];
    /// Strain, as the band derives it from the heart
    Stress = "stress" in Vitals, dpv "Health" special, play ["PSL_HEALTH"], apple ["Health"];
    /// Time zone of the phone
    TimeZone = "time-zone" in Device, dpv "DeviceBased", play [], apple ["OtherDataTypes"];
    /// Places in the order in which the person was there
    Track = "track" in Location, dpv "GPSCoordinate", play ["PSL_PRECISE_LOCATION"], apple ["PreciseLocation"];
    /// What the band measures of the body beside heart, sleep and steps, nothing finer known
    Vitals = "vitals" in Vitals, dpv "PhysicalHealth" special, play ["PSL_HEALTH"], apple ["Health"];
    /// Weight of the person
    Weight = "weight" in Profile, dpv "Weight", play ["PSL_HEALTH"], apple ["Health"];
    /// Name or hardware address of a Wi-Fi network near the phone
    WifiNetwork = "wifi-network" in Location, dpv "Location",
        play ["PSL_APPROX_LOCATION", "PSL_PRECISE_LOCATION"], apple ["CoarseLocation", "PreciseLocation"];
    /// Kind, time and length of a workout
    Workout = "workout" in Steps, dpv "PhysicalHealth" special, play ["PSL_FITNESS"], apple ["Fitness"];
}

/// Everything that is known of one category.
struct Row {
    category: Category,
    word: &'static str,
    group: Category,
    /// Begins with the blank of a doc comment.
    meaning: &'static str,
    dpv: Dpv,
    play: &'static [&'static str],
    apple: &'static [&'static str],
}

/// A concept of the Data Privacy Vocabulary's extension for personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dpv {
    /// Local name of its IRI: `PhysicalHealth`.
    pub concept: &'static str,
    /// Whether DPV says that it is a special category of personal data.
    pub special: bool,
}

impl Dpv {
    /// Its whole IRI: `https://w3id.org/dpv/pd#PhysicalHealth`.
    pub fn iri(self) -> String {
        format!("https://w3id.org/dpv/pd#{}", self.concept)
    }
}

impl Category {
    /// How many there are.
    pub const COUNT: usize = ROWS.len();

    /// Every category, sorted by word.
    pub const ALL: [Self; Self::COUNT] = {
        let mut all = [Self::Location; Self::COUNT];
        let mut at = 0;
        while at < all.len() {
            all[at] = ROWS[at].category;
            at += 1;
        }
        all
    };

    /// The word of every category, sorted.
    pub const WORDS: [&'static str; Self::COUNT] = {
        let mut words = [""; Self::COUNT];
        let mut at = 0;
        while at < words.len() {
            words[at] = ROWS[at].word;
            at += 1;
        }
        words
    };

    /// The groups, in the order in which a person reads about them.
    pub const GROUPS: [Self; 9] = [
        Self::HeartRate,
        Self::Vitals,
        Self::Sleep,
        Self::Steps,
        Self::Location,
        Self::Profile,
        Self::Identifier,
        Self::Device,
        Self::Content,
    ];

    const fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// Its word in files, snapshots and reports.
    pub const fn word(self) -> &'static str {
        self.row().word
    }

    /// Reads [`Category::word`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.binary_search(&word).ok().map(|at| Self::ALL[at])
    }

    /// The group it belongs to: itself, when it is one.
    pub const fn group(self) -> Self {
        self.row().group
    }

    /// Whether it is a group: what is known of it is no finer than that.
    pub fn is_group(self) -> bool {
        self.group() == self
    }

    /// Whether what is said of `general` holds for it: it is that category, or belongs to that group.
    pub fn is_a(self, general: Self) -> bool {
        self == general || self.group() == general
    }

    /// What it is, in one sentence without a full stop.
    pub const fn meaning(self) -> &'static str {
        self.row().meaning.trim_ascii()
    }

    /// The narrowest concept of the Data Privacy Vocabulary that covers it.
    pub const fn dpv(self) -> Dpv {
        self.row().dpv
    }

    /// Ids of Google Play's data-safety form; the box to tick is one of them, and none when the form has no box for it.
    pub const fn play(self) -> &'static [&'static str] {
        self.row().play
    }

    /// Ids of an Apple privacy manifest; the one to declare is one of them.
    pub const fn apple(self) -> &'static [&'static str] {
        self.row().apple
    }

    /// The category of a place given to so many digits after the point of a degree. Two make an area of less than 3 km², which is
    /// where Google Play draws the line; Apple draws it at three digits.
    pub const fn of_coordinates(decimals: u8) -> Self {
        if decimals >= 2 { Self::PreciseLocation } else { Self::CoarseLocation }
    }

    /// The category of a place given to so many metres: the same line as [`Category::of_coordinates`] draws, 3 km².
    pub fn of_exactness(metres: f64) -> Self {
        if metres * metres < 3e6 { Self::PreciseLocation } else { Self::CoarseLocation }
    }

    /// Whether it is measured on the body.
    pub fn is_measured(self) -> bool {
        matches!(self.group(), Self::HeartRate | Self::Vitals | Self::Sleep | Self::Steps)
    }

    /// Whether it is about a person, and not only about a machine or a program. What is, is graver when it is new, and its values
    /// are searched for in whatever is written (R12).
    pub fn is_about_person(self) -> bool {
        self.group() != Self::Device && !matches!(self, Self::AppUsage | Self::CrashReport)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Leaves the finest words only: a group goes when a member of it is there, a coarse place when a precise one is. Steps stay beside
/// calories: counted steps have no finer word, and one field may hold both.
pub fn keep_finest(categories: &mut BTreeSet<Category>) {
    let all = categories.clone();
    categories.retain(|category| match category {
        Category::CoarseLocation => !all.contains(&Category::PreciseLocation),
        Category::Steps => true,
        group if group.is_group() => !all.iter().any(|other| other != group && other.is_a(*group)),
        _ => true,
    });
}

/// Whether `now` says of a field nothing that `before` did not cover: the same words, or finer or coarser ones for the same thing.
/// From a coarse place to a precise one is more.
pub fn covers(before: &BTreeSet<Category>, now: &BTreeSet<Category>) -> bool {
    now.iter().all(|category| before.iter().any(|known| category.is_a(*known) || known.is_a(*category)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_reads_back_what_it_prints_and_they_are_sorted() {
        assert!(Category::WORDS.is_sorted_by(|a, b| a < b));
        assert!(Category::ALL.is_sorted_by(|a, b| a < b));
        for (at, category) in Category::ALL.into_iter().enumerate() {
            assert_eq!(category as usize, at, "{category}");
            assert_eq!(Category::parse(category.word()), Some(category));
            assert_eq!(serde_json::to_string(&category).expect("a word"), format!("\"{category}\""));
        }
        for word in ["", "heart", "Location", "steps "] {
            assert_eq!(Category::parse(word), None, "{word}");
        }
    }

    #[test]
    fn every_row_is_complete() {
        for category in Category::ALL {
            assert!(category.group().is_group() && Category::GROUPS.contains(&category.group()), "{category}");
            let meaning = category.meaning();
            assert!(meaning.starts_with(char::is_uppercase) && !meaning.ends_with('.'), "{category}: {meaning}");
            assert!(category.play().iter().all(|id| PLAY.contains(id)), "{category}: {:?}", category.play());
            assert!(category.apple().iter().all(|id| APPLE.contains(&id.trim_start_matches("NSPrivacyCollectedDataType"))), "{category}");
            assert!(category.play().is_sorted() && category.apple().is_sorted() && !category.apple().is_empty(), "{category}");
            assert!(category.group() == Category::Device || !category.play().is_empty(), "{category}: Play has a box for it");
        }
    }

    #[test]
    fn a_group_speaks_for_its_members_and_no_member_for_another() {
        use Category::{HeartRate, Height, Location, PreciseLocation, Profile, RestingHeartRate, Track, WifiNetwork};
        for (category, general, want) in [
            (PreciseLocation, Location, true),
            (Location, Location, true),
            (Location, PreciseLocation, false),
            (Track, PreciseLocation, false),
            (WifiNetwork, Location, true),
            (RestingHeartRate, HeartRate, true),
            (Height, Profile, true),
            (Height, Location, false),
        ] {
            assert_eq!(category.is_a(general), want, "{category} is a {general}");
        }
    }

    #[test]
    fn the_finest_words_stay() {
        use Category::{
            ActivityIntensity, BandMac, CoarseLocation, HeartRate, Identifier, Location, PreciseLocation, RestingHeartRate, Sleep, Steps,
            Track,
        };
        let check = |all: &[Category], want: &[Category]| {
            let mut set: BTreeSet<Category> = all.iter().copied().collect();
            keep_finest(&mut set);
            assert_eq!(set, want.iter().copied().collect(), "{all:?}");
        };
        check(&[HeartRate, RestingHeartRate, Sleep], &[RestingHeartRate, Sleep]);
        check(&[Location], &[Location]);
        check(&[Location, CoarseLocation, PreciseLocation], &[PreciseLocation]);
        check(&[Track, CoarseLocation], &[Track, CoarseLocation]);
        check(&[Identifier, BandMac], &[BandMac]);
        check(&[Steps, ActivityIntensity], &[Steps, ActivityIntensity]);
        check(&[], &[]);
    }

    #[test]
    fn finer_words_for_the_same_thing_are_nothing_more() {
        use Category::{BandMac, CoarseLocation, Identifier, Location, PreciseLocation, Steps};
        let check = |before: &[Category], now: &[Category], want: bool| {
            let set = |list: &[Category]| list.iter().copied().collect::<BTreeSet<_>>();
            assert_eq!(covers(&set(before), &set(now)), want, "{before:?} {now:?}");
        };
        check(&[Identifier], &[BandMac], true);
        check(&[BandMac], &[Identifier], true);
        check(&[Location], &[PreciseLocation], true);
        check(&[CoarseLocation], &[PreciseLocation], false);
        check(&[Steps], &[Steps, Location], false);
        check(&[], &[], true);
    }

    #[test]
    fn two_digits_after_the_point_are_precise() {
        assert_eq!(Category::of_coordinates(1), Category::CoarseLocation);
        assert_eq!(Category::of_coordinates(2), Category::PreciseLocation);
        assert_eq!(Category::of_exactness(1_112.0), Category::PreciseLocation);
        assert_eq!(Category::of_exactness(4_900.0), Category::CoarseLocation);
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn every_concept_is_one_of_dpv_and_as_special_as_dpv_says() {
        let Some(corpus) = std::env::var_os("TATTLETALE_CORPUS").map(std::path::PathBuf::from) else {
            eprintln!("skipped: no corpus (TATTLETALE_CORPUS is not set)");
            return;
        };
        let text = std::fs::read_to_string(corpus.join("taxonomy/pd-2.2.csv")).expect("the corpus holds DPV's table");
        for category in Category::ALL {
            let dpv = category.dpv();
            let iri = format!("\"{}\"", dpv.iri());
            let row = text.lines().find(|line| line.split(',').nth(2) == Some(iri.as_str()));
            let row = row.unwrap_or_else(|| panic!("{category}: DPV has no {}", dpv.iri()));
            assert_eq!(row.contains("https://w3id.org/dpv#SpecialCategoryPersonalData"), dpv.special, "{category}: {}", dpv.concept);
        }
    }

    /// Every data type of Google Play's form that a field of ours could be, as in the CSV that Play Console exports.
    const PLAY: [&str; 24] = [
        "PSL_ADDRESS",
        "PSL_APPROX_LOCATION",
        "PSL_APPS_ON_DEVICE",
        "PSL_CONTACTS",
        "PSL_CRASH_LOGS",
        "PSL_DEVICE_ID",
        "PSL_EMAIL",
        "PSL_EMAILS",
        "PSL_FITNESS",
        "PSL_HEALTH",
        "PSL_NAME",
        "PSL_OTHER_APP_ACTIVITY",
        "PSL_OTHER_MESSAGES",
        "PSL_OTHER_PERFORMANCE",
        "PSL_OTHER_PERSONAL",
        "PSL_PERFORMANCE_DIAGNOSTICS",
        "PSL_PHONE",
        "PSL_PHOTOS",
        "PSL_PRECISE_LOCATION",
        "PSL_SMS_CALL_LOG",
        "PSL_USER_ACCOUNT",
        "PSL_USER_GENERATED_CONTENT",
        "PSL_USER_INTERACTION",
        "PSL_VIDEOS",
    ];

    /// Data types of a privacy manifest that a field of ours could be, without their common beginning.
    const APPLE: [&str; 19] = [
        "CoarseLocation",
        "Contacts",
        "CrashData",
        "DeviceID",
        "EmailAddress",
        "EmailsOrTextMessages",
        "Fitness",
        "Health",
        "Name",
        "OtherDataTypes",
        "OtherDiagnosticData",
        "OtherUsageData",
        "OtherUserContent",
        "PhoneNumber",
        "PhotosorVideos",
        "PhysicalAddress",
        "PreciseLocation",
        "ProductInteraction",
        "UserID",
    ];
}
