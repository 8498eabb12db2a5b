//! What a person is told about an authority: that there is a new one, how a phone is made to trust it, and how to undo that.

use super::{Format, Obtained, Renewal, RigAuthority, Surroundings};
use crate::model::text::printable;

/// What a person must know when the authority is not the one that their phone trusts: that it is new, and what became of the old
/// one. `None` when nothing has changed.
pub(in crate::cli) fn announcement(found: &RigAuthority, surroundings: &Surroundings) -> Option<String> {
    let about = found.authority.about();
    let new = format!(
        "{}, valid until {}, kept in {}\nSHA-256 {}",
        printable(&about.name),
        about.not_after.strftime("%Y-%m-%d"),
        surroundings.shown(&found.file),
        about.fingerprint
    );
    match &found.obtained {
        Obtained::Kept => None,
        Obtained::Made => Some(format!("made a certificate authority: {new}")),
        Obtained::Renewed { old, why } => {
            let why = match why {
                Renewal::Ending { days } => format!("the old one had {}", days_left(*days)),
                Renewal::Over => "the old one was no longer valid".to_owned(),
                Renewal::NotYet => "the old one was not valid yet: it was made while this machine's clock was wrong".to_owned(),
            };
            Some(format!(
                "renewed the certificate authority, because {why}: {new}\nThe phone does not trust the new one yet: install it as you did \
                 the old one.\n{}",
                removal_steps(&old.fingerprint, &old.name)
            ))
        }
    }
}

/// Lines that say how to take a certificate off an Android phone and an iPhone, and why. `fingerprint` is in pairs with colons,
/// `name` the certificate's.
pub(in crate::cli) fn removal_steps(fingerprint: &str, name: &str) -> String {
    let name = printable(name);
    format!(
        "\
Remove the certificate from the phone once you are done. Until then, whoever gets hold of its key can read and change what the
phone sends, also when this program is not running.
  certificate  {name}
  SHA-256      {fingerprint}
  Android      search the settings for \"Trusted credentials\", tab User: tap {name}, then Remove;
               with root, remove the file that you put among the system's certificates
  iPhone       Settings > General > VPN & Device Management: tap {name}, then Remove Profile
  both         set the Wi-Fi network's proxy back to none"
    )
}

/// How a phone is made to trust a certificate in this format.
pub(super) const fn installing(format: Format) -> &'static str {
    match format {
        Format::Pem | Format::Der => {
            "\
to install it: Android: copy the file to the phone; Settings: search for \"CA certificate\", install anyway
               iPhone: send the file to the phone (AirDrop, mail); Settings > Profile Downloaded > Install, then
               Settings > General > About > Certificate Trust Settings: switch it on
Android apps trust it only where they say so (most do not). When you are done, `tattletale ca remove` removes the key and tells how
to remove the certificate from the phone"
        }
        Format::Android => {
            "\
for phones with root: put it among the system's certificates under this very name, mode 644, owner root. Up to Android 13 they
are in /system/etc/security/cacerts, later in /apex/com.android.conscrypt/cacerts. Remove the file when you are done"
        }
    }
}

/// A number of whole days, for a reader.
pub(super) fn days_left(days: i64) -> String {
    match days {
        0 => "less than a day left".to_owned(),
        1 => "1 day left".to_owned(),
        more => format!("{more} days left"),
    }
}
