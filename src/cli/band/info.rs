//! `band info`: what a band is, how full it is, and what it tells to anyone in reach.

use std::{ops::ControlFlow, time::Duration};

use clap::Args;

use super::{
    super::{Exit, Failure, Surroundings},
    Format,
    pair::Pairing,
    told::{Heard, Told},
    which::{Mine, Which, failed},
    words::document,
};
use crate::{
    band::{self, ActivityToday, Band, BandClock, BandError, DeviceInfo},
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

/// What was asked of the band, and whether it took our key.
type Answers = (DeviceInfo, Option<BandClock>, Option<ActivityToday>, bool);

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let mine = arguments.which.mine(surroundings)?;
    let Some(mine) = arguments.pairing.before(mine, surroundings)? else { return Ok(Exit::Interrupted) };
    surroundings.note(mine.begins("asking it"));
    let central = mine.central();
    let done = mine.reach().run(WITHIN, async {
        let heard = listen(&*central, mine.plan.address).await?;
        Ok((heard, ask(&mine, &*central).await?))
    });
    let told = match done {
        Ok(Some(Ok((heard, answers)))) => tell(arguments, &mine, (heard, answers), surroundings),
        Ok(Some(Err(error))) => Err(failed(&mine.plan, &error)),
        Ok(None) => Ok(Exit::Interrupted),
        Err(failure) => Err(failure),
    };
    mine.finish(told, surroundings)
}

/// Prints what was heard and answered.
fn tell(arguments: &Arguments, mine: &Mine, (heard, answers): (Heard, Answers), surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let (info, clock, today, is_authenticated) = answers;
    let disclaimer = mine.disclaimer();
    let told = Told { plan: &mine.plan, disclaimer: disclaimer.as_deref(), heard, is_authenticated, info: &info, clock, today };
    match arguments.format {
        Format::Text => surroundings.print(&format!("{}\n{}", told.card(), told.in_clear()))?,
        Format::Json => surroundings.print(&document(&told.data()))?,
    }
    Ok(Exit::Clean)
}

/// What the band at this address shouts: the first that is heard of it, and what follows in a moment, because a band says now this, now
/// that.
pub(super) async fn listen(central: &dyn Central, address: [u8; 6]) -> Result<Heard, BandError> {
    let mut heard = Heard::Nothing;
    let mut hear = |advertisement: Advertisement| {
        let Some(mut shouted) = band::shouts(&advertisement) else {
            if matches!(heard, Heard::Nothing) {
                heard = Heard::Address(address);
            }
            return ControlFlow::Continue(());
        };
        if let Heard::Shouted(before) = &heard {
            shouted.steps = shouted.steps.or(before.steps);
            shouted.heart_rate = shouted.heart_rate.or(before.heart_rate);
        }
        let is_all = shouted.steps.is_some() && shouted.heart_rate.is_some();
        heard = Heard::Shouted(shouted);
        if is_all { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    central.listen_to(address, LISTEN, &mut hear).await?;
    Ok(heard)
}

/// Asks everything that our access allows.
async fn ask(mine: &Mine, central: &dyn Central) -> Result<Answers, BandError> {
    let plan = &mine.plan;
    let mut band = band::connect(central, plan.model, plan.address, &plan.access).await?;
    let asked = questions(band.as_mut()).await;
    // What was told is worth more than what letting go may add to it.
    let _ = band.release().await;
    asked
}

async fn questions(band: &mut dyn Band) -> Result<Answers, BandError> {
    let info = band.device_info().await?;
    let clock = known(band.clock().await)?;
    let today = if band.is_authenticated() { known(band.activity_today().await)? } else { None };
    Ok((info, clock, today, band.is_authenticated()))
}

/// An answer, where the model has one for us in a form that is understood.
fn known<T>(answer: Result<T, BandError>) -> Result<Option<T>, BandError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(BandError::Unsupported(_) | BandError::NeedsKey | BandError::Garbled(_)) => Ok(None),
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

    #[tokio::test]
    async fn what_is_not_said_again_is_still_what_was_said_and_a_copy_of_the_bytes_is_nobody() {
        const MINE: [u8; 6] = [0xc0, 0xff, 0xee, 0x12, 0x34, 0x56];
        /// Says these, one after the other.
        struct Says(Vec<Advertisement>);
        #[async_trait::async_trait]
        impl Central for Says {
            async fn scan_each(&self, _: Duration, seen: &mut (dyn FnMut(Advertisement) + Send)) -> Result<(), crate::link::LinkError> {
                self.0.iter().cloned().for_each(seen);
                Ok(())
            }
            async fn connect(&self, _: [u8; 6]) -> Result<Box<dyn crate::link::GattLink>, crate::link::LinkError> {
                Err(crate::link::LinkError::NotFound)
            }
        }
        let says = |address, rate, steps: Option<u32>| Advertisement {
            address,
            name: None,
            manufacturer_data: vec![(0x0157, band::huami::advertisement::clear_form(rate, MINE))],
            service_data: steps.map(|steps| (crate::link::sig_uuid(0xfee0), steps.to_le_bytes().to_vec())).into_iter().collect(),
            rssi: None,
        };
        let copy = says([2, 0, 0, 0, 0, 1], 199, Some(1));
        let heard = listen(&Says(vec![copy.clone(), says(MINE, 72, None), says(MINE, 0xff, Some(900))]), MINE).await.expect("it listens");
        let Heard::Shouted(shouted) = heard else { panic!("it was heard") };
        assert_eq!((shouted.heart_rate, shouted.steps), (Some(72), Some(900)));
        assert!(matches!(listen(&Says(vec![copy]), MINE).await, Ok(Heard::Nothing)), "whoever copies the bytes is not the band");
        let other = Advertisement { manufacturer_data: Vec::new(), ..says(MINE, 0, None) };
        assert!(matches!(listen(&Says(vec![other]), MINE).await, Ok(Heard::Address(MINE))), "heard is heard");
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
