//! Where the phone is, as the test says: a source of positions of the test's own in place of each of the phone's, told anew each second,
//! because apps take no notice of an old position. Putting back is the journal's.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    task::JoinHandle,
};

use super::{
    super::PhoneError,
    changes::{self, Changes},
    client::{Adb, QUERY},
    error::AdbError,
};
use crate::model::{PhoneChange, Position};

/// A position that is told to the phone again and again, until this is dropped.
pub(super) struct Told {
    /// Held by whoever tells it: an old position never comes after a new one.
    what: Arc<Mutex<What>>,
    failed: Arc<OnceLock<AdbError>>,
    task: JoinHandle<()>,
}

/// What is told.
struct What {
    position: Position,
    providers: Vec<&'static str>,
}

impl Told {
    /// Why the phone takes no positions any more; `None` while it does.
    pub(super) fn failed(&self) -> Option<AdbError> {
        self.failed.get().cloned()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Places the phone, and gives where it says it is.
///
/// # Errors
/// When it does not take it: another app may mock positions already.
pub(super) async fn place(changes: &mut Changes, told: &mut Option<Told>, position: Position) -> Result<Position, PhoneError> {
    if let Some(told) = told.as_ref() {
        if let Some(error) = told.failed() {
            return Err(error.into());
        }
        let mut what = Arc::clone(&told.what).lock_owned().await;
        what.position = position;
        tell(&changes.adb, what).await?;
    } else {
        changes.setting("secure", "location_mode", Some(HIGH_ACCURACY)).await?;
        changes.app_op(SHELL, MOCK_LOCATION, "allow").await?;
        let mut providers = Vec::new();
        for name in PROVIDERS {
            if replace(changes, name).await? {
                providers.push(name);
            }
        }
        let (what, failed) = (Arc::new(Mutex::new(What { position, providers })), Arc::default());
        tell(&changes.adb, Arc::clone(&what).lock_owned().await).await?;
        *told = Some(Told { task: tokio::spawn(keep_telling(changes.adb.clone(), Arc::clone(&what), Arc::clone(&failed))), what, failed });
    }
    let says = where_it_is(&changes.adb).await?;
    says.ok_or_else(|| PhoneError::Failed("it took the position, and does not say that it is anywhere".to_owned()))
}

/// Puts the test's own source in a provider's place. The satellites' must be there; a phone without another one has none to lie.
async fn replace(changes: &mut Changes, name: &'static str) -> Result<bool, PhoneError> {
    changes.will(PhoneChange::TestProvider { name: name.to_owned() })?;
    let what = "put the test's position in place of the phone's own";
    let script = format!("cmd location providers add-test-provider {name} && cmd location providers set-test-provider-enabled {name} true");
    let answer = changes.adb.script(&script, what, QUERY).await?;
    if answer.status == 0 {
        return Ok(true);
    }
    if name == GPS || changes::is_mocked(&changes.adb, name).await? {
        return Err(AdbError::of_command(what, &answer.stdout, &answer.stderr).into());
    }
    Ok(false)
}

/// Tells the phone where it is. In a task of its own, which keeps the lock to its end: one that nobody waits for any more is over before
/// the next one begins.
async fn tell(adb: &Adb, what: OwnedMutexGuard<What>) -> Result<(), AdbError> {
    let adb = adb.clone();
    let telling = async move {
        let about = "tell the phone where it is";
        let Position { lat, lon } = what.position;
        let one = |name: &&str| format!("cmd location providers set-test-provider-location {name} --location {lat:.7},{lon:.7}");
        let script = what.providers.iter().map(one).collect::<Vec<_>>().join(" && ");
        let answer = adb.script(&script, about, QUERY).await?;
        if answer.status == 0 { Ok(()) } else { Err(AdbError::of_command(about, &answer.stdout, &answer.stderr)) }
    };
    tokio::spawn(telling).await.unwrap_or_else(|problem| Err(AdbError::Server(problem.to_string())))
}

async fn keep_telling(adb: Adb, what: Arc<Mutex<What>>, failed: Arc<OnceLock<AdbError>>) {
    let mut each = tokio::time::interval(EACH);
    loop {
        each.tick().await;
        if let Err(error) = tell(&adb, Arc::clone(&what).lock_owned().await).await {
            // Nobody else sets it.
            let _ = failed.set(error);
            return;
        }
    }
}

/// Where the phone says it is, by its satellites.
async fn where_it_is(adb: &Adb) -> Result<Option<Position>, AdbError> {
    Ok(parse(&adb.ask(&["dumpsys", "location"], "ask the phone where it is").await?))
}

/// The last position of the satellites' own provider: `last location=Location[gps 52.374030,4.889690 hAcc=1.0 …]`, latitude first. Others
/// repeat positions of theirs, also from before the test; where a phone names its providers in another way, any is better than none.
fn parse(dump: &str) -> Option<Position> {
    let words = "Location[gps ";
    let last = |line: &&str| line.contains("last location=");
    let is_head = |line: &str| line.trim_end().ends_with(':') && line.contains(" provider");
    let own = dump.lines().skip_while(|line| !(is_head(line) && line.trim_start().starts_with("gps provider"))).skip(1);
    let line = own
        .take_while(|line| !is_head(line))
        .find(last)
        .or_else(|| dump.lines().find(|line| last(line) && line.contains(words)))
        .or_else(|| dump.lines().find(|line| line.contains(words)))?;
    let (_, rest) = line.split_once(words)?;
    let pair = rest.split(|c: char| c.is_whitespace() || c == ']').next()?;
    let (lat, lon) = pair.split_once(',')?;
    Position::new(lat.parse().ok()?, lon.parse().ok()?)
}

/// The provider of positions by satellite.
const GPS: &str = "gps";
/// Those that are replaced: with one alone, real positions come through the others (appium/io.appium.settings #35).
const PROVIDERS: [&str; 3] = [GPS, "network", "fused"];
/// Who may mock positions: the shell, as which adb runs commands.
pub(super) const SHELL: &str = "com.android.shell";
/// The operation that lets it.
pub(super) const MOCK_LOCATION: &str = "android:mock_location";
/// `Settings.Secure.LOCATION_MODE_HIGH_ACCURACY`: positions are switched on.
const HIGH_ACCURACY: &str = "3";
/// How often a position is told.
const EACH: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phone_says_where_it_is() {
        let dump = "\
  Location Providers:
    passive provider:
      last location=Location[gps 1.0,2.0 hAcc=3]
    gps provider [mock]:
      last location=Location[gps 52.374030,4.889690 hAcc=1.0 et=+1h2m alt=0.0 mock]
";
        assert_eq!(parse(dump), Position::new(52.37403, 4.88969), "the passive one repeats what somebody said once");
        let only = dump.lines().filter(|line| !line.contains("1.0,2.0")).collect::<Vec<_>>().join("\n");
        assert_eq!(parse(&only), Position::new(52.37403, 4.88969));
        let elsewhere = dump.replace("gps provider [mock]:", "gnss source:");
        assert_eq!(parse(&elsewhere), Position::new(1.0, 2.0), "of a phone that names them in another way");
        assert_eq!(parse("last location=Location[gps -33.9,-70.1]"), Position::new(-33.9, -70.1));
        for nothing in
            ["", "gps provider:\n last location=null\n", "last location=Location[gps 91.0,4.0]", "last location=Location[gps x,y]"]
        {
            assert_eq!(parse(nothing), None, "{nothing}");
        }
    }
}
