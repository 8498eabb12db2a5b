//! `band info`: what a band is, how full it is, and what it tells to anyone in reach.

use std::time::Duration;

use clap::Args;
use tokio::sync::Notify;

use super::{
    super::{Exit, Failure, Surroundings},
    Format,
    pair::Pairing,
    told::Told,
    which::{Mine, Which, failed},
};
use crate::{
    band::{self, ActivityToday, Band, BandClock, BandError, DeviceInfo, Shouted},
    link::{Advertisement, Central},
};

/// Arguments of `band info`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pairing: Pairing,
    /// How to print it
    #[arg(long, default_value = "text")]
    format: Format,
}

/// What was asked of the band.
type Answers = (DeviceInfo, Option<BandClock>, Option<ActivityToday>);

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let mine = arguments.which.mine(surroundings)?;
    let Some(mine) = arguments.pairing.before(mine, surroundings)? else { return Ok(Exit::Interrupted) };
    surroundings.note(format_args!("listening for {}, then asking it", mine.plan.about()));
    let done = mine.reach().run(WITHIN, async {
        let shouted = listen(mine.reach().central(), mine.plan.address).await?;
        Ok((shouted, ask(&mine).await?))
    })?;
    let Some(done) = done else { return Ok(Exit::Interrupted) };
    let (shouted, (info, clock, today)) = done.map_err(|error| failed(&mine.plan, &error))?;
    let told = Told { plan: &mine.plan, disclaimer: mine.disclaimer(), shouted, info: &info, clock, today };
    match arguments.format {
        Format::Text => surroundings.print(&format!("{}\n{}", told.card(), told.in_clear()))?,
        Format::Json => surroundings.print(&format!("{:#}\n", told.data()))?,
    }
    Ok(Exit::Clean)
}

/// What the band at this address shouts: the first that is heard of it, and what follows in a moment, because a band says now this, now
/// that. `None` when it is silent.
pub(super) async fn listen(central: &dyn Central, address: [u8; 6]) -> Result<Option<Shouted>, BandError> {
    let (mut heard, all) = (None::<Shouted>, Notify::new());
    let mut seen = |advertisement: Advertisement| {
        let Some(shouted) = band::shouts(&advertisement).filter(|shouted| shouted.address == address) else { return };
        let before = heard.take();
        let shouted = Shouted {
            steps: shouted.steps.or(before.as_ref().and_then(|before| before.steps)),
            heart_rate: shouted.heart_rate.or(before.as_ref().and_then(|before| before.heart_rate)),
            ..shouted
        };
        if shouted.steps.is_some() && shouted.heart_rate.is_some() {
            all.notify_one();
        }
        heard = Some(shouted);
    };
    tokio::select! {
        scanned = central.scan_each(LISTEN, &mut seen) => scanned?,
        () = all.notified() => {}
    }
    Ok(heard)
}

/// Asks everything that our access allows.
async fn ask(mine: &Mine) -> Result<Answers, BandError> {
    let plan = &mine.plan;
    let mut band = band::connect(mine.reach().central(), plan.model, plan.address, &plan.access).await?;
    let asked = questions(band.as_mut()).await;
    // What was told is worth more than what letting go may add to it.
    let _ = band.release().await;
    asked
}

async fn questions(band: &mut dyn Band) -> Result<Answers, BandError> {
    let info = band.device_info().await?;
    let clock = known(band.clock().await)?;
    let today = if band.is_authenticated() { known(band.activity_today().await)? } else { None };
    Ok((info, clock, today))
}

/// An answer, where the model has one for us.
fn known<T>(answer: Result<T, BandError>) -> Result<Option<T>, BandError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(BandError::Unsupported(_) | BandError::NeedsKey) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A band advertises every one or two seconds, and its steps are in every other packet.
const LISTEN: Duration = Duration::from_secs(5);

/// Listening, finding, connecting and asking.
const WITHIN: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::surroundings::testing::command;

    #[test]
    fn the_card_says_what_it_is_and_what_it_shouts() {
        let folder = tempfile::tempdir().expect("a folder");
        let (exit, out, err) = command(folder.path(), &["band", "info", "--simulated"], |_| {});
        assert_eq!(exit, Exit::Clean, "{err}");
        insta::assert_snapshot!("the_card_of_the_simulated_band", out);
    }

    #[test]
    fn a_band_that_nobody_named_is_not_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let (exit, out, err) = command(folder.path(), &["band", "info"], |_| {});
        assert!(exit == Exit::Usage && out.is_empty(), "{out}");
        assert!(err.contains("none is named") && err.contains("--model and --address"), "{err}");
    }

    #[test]
    fn a_key_that_the_environment_does_not_have_is_named_before_anything_is_done() {
        let folder = tempfile::tempdir().expect("a folder");
        let line = ["band", "info", "--model", "mi-band-3", "--address", "C0:FF:EE:12:34:56", "--key-env", "BAND_KEY"];
        let (exit, _, err) = command(folder.path(), &line, |_| {});
        assert!(exit == Exit::Usage && err.contains("the environment variable BAND_KEY is not set"), "{err}");
        let (exit, _, err) = command(folder.path(), &line, |world| world.environment = Box::new(|_| Some("hunter2".into())));
        assert!(exit == Exit::Usage && err.contains("holds no key of 32 hex digits") && !err.contains("hunter2"), "{err}");
    }
}
