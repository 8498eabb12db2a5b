//! Which band a command is for, how it is reached, and what we may read of it. A band is somebody's: it is named, never chosen because
//! it is near.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use jiff::{Timestamp, civil::Date, tz::Offset};

use super::{
    super::{Exit, Failure, Surroundings, files, run::runtime, signals::Signals},
    words::{address_of, count, model_of},
};
use crate::{
    band::{
        self, Access, BandError, Key,
        huami::{BandContents, MI_BAND_3, SimulatedBand},
    },
    clock::Clock,
    link::{
        Central, LinkError, radio,
        recorded::{Discretion, Recording, Replaying, Transcript},
        simulated::SimulatedCentral,
    },
    model::text::printable,
    scenario::{
        BandPlan, RigFile, forms,
        rig_file::{BandDescription, Secret},
    },
};

/// Arguments that say which band.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Rig file that describes your band; without one, and without --address, the rig.yaml of the workspace
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "address", "key_env"])]
    rig: Option<PathBuf>,
    /// Model of your band, as in a rig file: mi-band-3
    #[arg(long, value_name = "MODEL", requires = "address", value_parser = model_of)]
    model: Option<&'static str>,
    /// Address of your band: C0:FF:EE:12:34:56
    #[arg(long, value_name = "ADDRESS", requires = "model", value_parser = address_of)]
    address: Option<[u8; 6]>,
    /// Environment variable that holds your band's key; without one, only what anyone in reach can read is read
    #[arg(long, value_name = "NAME", requires = "address")]
    key_env: Option<String>,
    /// Bluetooth adapter of this machine, by name or address: hci0
    #[arg(long, value_name = "ADAPTER", value_parser = adapter_of)]
    pub(super) adapter: Option<String>,
    /// A simulated band with invented values: no radio is used
    #[arg(long, conflicts_with_all = ["rig", "model", "address", "key_env", "adapter"])]
    pub(super) simulated: bool,
    /// Write the conversation with the band to a new file that only you can read: it holds your health data, and no key
    #[arg(long, value_name = "FILE", conflicts_with = "simulated")]
    record: Option<PathBuf>,
    /// Play a recorded conversation back, with the same command, model, address and key: no radio is used
    #[arg(long, value_name = "FILE", conflicts_with_all = ["simulated", "record", "adapter"])]
    replay: Option<PathBuf>,
}

/// A band that its owner has named, and how it is reached.
#[derive(Clone)]
pub(in super::super) struct Mine {
    /// Which, and what we may read.
    pub(in super::super) plan: BandPlan,
    reach: Reach,
    /// Where the conversation is written to.
    recording: Option<(Recording, String)>,
}

/// How bands are reached.
#[derive(Clone)]
pub(super) enum Reach {
    Radio(radio::Radio),
    Replay(Replayed),
    Simulated(SimulatedCentral<SimulatedBand>, Clock),
}

/// A conversation that is played back.
#[derive(Clone)]
pub(super) struct Replayed {
    central: Replaying,
    started: Timestamp,
    torn: Option<String>,
}

impl Which {
    /// The band that is meant.
    ///
    /// # Errors
    /// When none is named, and what is wrong with the rig file or the key.
    pub(super) fn mine(&self, surroundings: &Surroundings) -> Result<Mine, Failure> {
        if self.simulated {
            let (plan, reach) = simulated();
            return Ok(Mine { plan, reach, recording: None });
        }
        let mut mine = match self.model.zip(self.address) {
            Some((model, address)) => {
                let key = self.key_env.as_ref().map(|name| resolve(&Secret::Environment(name.clone()), surroundings)).transpose()?;
                mine(model, address, key, None)?
            }
            None => {
                let rig = rig_file(self.rig.as_ref(), surroundings)?;
                let described = rig.as_ref().and_then(|rig| rig.band.as_ref());
                let nobody = || {
                    Failure::usage(
                        "know which band is yours: none is named",
                        "describe it in rig.yaml, or give --model and --address; `tattletale band scan` lists the bands in reach",
                    )
                };
                of_rig(described.ok_or_else(nobody)?, surroundings)?
            }
        };
        if self.adapter.is_some() {
            mine.reach = Reach::radio(self.adapter.clone());
        }
        if let Some(typed) = &self.replay {
            mine.reach = Reach::Replay(replayed(typed, surroundings)?);
        }
        if let Some(typed) = &self.record {
            let path = surroundings.path(typed);
            let shown = surroundings.shown(&path);
            let discretion = Discretion { named: vec![mine.plan.address], secret_in: band::secret_in };
            let recording = Recording::create(mine.central(), &path, Clock::real(), discretion).map_err(|problem| {
                Failure::usage(format!("write the conversation to {shown}: {problem}"), "name a file that is not there yet")
            })?;
            mine.recording = Some((recording, shown));
        }
        Ok(mine)
    }
}

/// The conversation in a file.
fn replayed(typed: &Path, surroundings: &Surroundings) -> Result<Replayed, Failure> {
    let path = surroundings.path(typed);
    let shown = surroundings.shown(&path);
    let file = File::open(&path).map_err(|problem| Failure::usage(format!("read {shown}: {problem}"), ""))?;
    let transcript = Transcript::read(BufReader::new(file))
        .map_err(|problem| Failure::usage(format!("{problem} ({shown})"), "`tattletale band read --record FILE` writes one"))?;
    let (started, torn) = (transcript.started, transcript.torn().map(str::to_owned));
    Ok(Replayed { central: Replaying::new(transcript), started, torn })
}

/// The rig file that is named, else the workspace's.
pub(super) fn rig_file(named: Option<&PathBuf>, surroundings: &Surroundings) -> Result<Option<RigFile>, Failure> {
    let path = match named {
        Some(typed) => surroundings.path(typed),
        None => match Some(surroundings.workspace().root.join(RIG)).filter(|path| path.is_file()) {
            Some(path) => path,
            None => return Ok(None),
        },
    };
    files::rig(&path, surroundings).map(Some)
}

/// The band of a rig file.
///
/// # Errors
/// When its key cannot be had, and when there is no such model.
pub(in super::super) fn of_rig(described: &BandDescription, surroundings: &Surroundings) -> Result<Mine, Failure> {
    let key = described.key.as_ref().map(|key| resolve(key, surroundings)).transpose()?;
    mine(&described.model, *described.address.expose(), key, described.adapter.clone())
}

fn resolve(secret: &Secret, surroundings: &Surroundings) -> Result<Key, Failure> {
    let key = secret.resolve(|name| (surroundings.environment)(name));
    key.map(Key::new).map_err(|problem| {
        Failure::usage(
            problem.to_string(),
            "`tattletale band key --from CAPTURE --show` prints the key that your app uses, to be put there",
        )
    })
}

fn mine(model: &str, address: [u8; 6], key: Option<Key>, adapter: Option<String>) -> Result<Mine, Failure> {
    let model = band::named(model).ok_or_else(|| Failure::usage(format!("find the band model {model}"), ""))?;
    let access = key.map_or(Access::Anyone, Access::Key);
    Ok(Mine { plan: BandPlan { model, address, access }, reach: Reach::radio(adapter), recording: None })
}

/// A simulated band on an invented day.
fn simulated() -> (BandPlan, Reach) {
    let contents = BandContents::invented(DAY);
    let plan = BandPlan { model: &MI_BAND_3, address: contents.address, access: Access::Key(contents.key.clone()) };
    let clock = Clock::simulated(Offset::UTC.to_timestamp(DAY.at(15, 30, 0, 0)).unwrap_or_default());
    (plan, Reach::Simulated(SimulatedCentral::new(SimulatedBand::new(contents), clock.clone()), clock))
}

impl Reach {
    /// This machine's radio.
    pub(super) fn radio(adapter: Option<String>) -> Self {
        Self::Radio(radio::Radio::new(adapter))
    }

    /// The simulated band's neighbourhood.
    pub(super) fn simulated() -> Self {
        simulated().1
    }

    /// The central.
    pub(super) fn central(&self) -> &dyn Central {
        match self {
            Self::Radio(radio) => radio,
            Self::Replay(replayed) => &replayed.central,
            Self::Simulated(central, _) => central,
        }
    }

    /// Does something that needs the radio, within a time limit. On every way out, Ctrl-C and other signals included, connections are ended before it
    /// returns: they would outlive this program, and the phone could not have its band. `None` when it was interrupted.
    ///
    /// # Errors
    /// When the machine cannot do it at all; what `work` came to is its own.
    pub(super) fn run<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, BandError>>,
    ) -> Result<Option<Result<T, BandError>>, Failure> {
        runtime()?.block_on(async {
            let mut signals = Signals::listen().map_err(|problem| Failure::instrument(format!("listen for Ctrl-C: {problem}"), ""))?;
            let done = tokio::select! {
                biased;
                () = signals.next() => None,
                done = tokio::time::timeout(limit, work) => Some(done.unwrap_or(Err(BandError::Link(LinkError::Silent(limit))))),
            };
            self.settle().await;
            Ok(done)
        })
    }

    async fn settle(&self) {
        if let Self::Radio(radio) = self {
            radio.settle().await;
        }
    }
}

impl Mine {
    /// How it is reached.
    pub(super) const fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Who connects to it.
    pub(in super::super) fn central(&self) -> Arc<dyn Central> {
        if let Some((recording, _)) = &self.recording {
            return Arc::new(recording.clone());
        }
        match &self.reach {
            Reach::Radio(radio) => Arc::new(radio.clone()),
            Reach::Replay(replayed) => Arc::new(replayed.central.clone()),
            Reach::Simulated(central, _) => Arc::new(central.clone()),
        }
    }

    /// Ends what is left of connections. To be called before the program ends.
    pub(in super::super) async fn settle(&self) {
        self.reach.settle().await;
    }

    /// The time where the band is. A conversation that is recorded, or played back, takes place when the recording began.
    pub(super) fn now(&self, surroundings: &Surroundings) -> Timestamp {
        match (&self.recording, &self.reach) {
            (Some((recording, _)), _) => recording.started(),
            (None, Reach::Radio(_)) => surroundings.now,
            (None, Reach::Replay(replayed)) => replayed.started,
            (None, Reach::Simulated(_, clock)) => clock.now(),
        }
    }

    /// What is begun now, for a person who waits.
    pub(super) fn begins(&self, then: &str) -> String {
        let about = self.plan.about();
        match &self.reach {
            Reach::Replay(_) => format!("playing back what was said with {about}"),
            Reach::Radio(_) | Reach::Simulated(..) => format!("listening for {about}, then {then}"),
        }
    }

    /// Ends the record, whatever the conversation came to, and tells what is left of one that was played back. What was read is worth more
    /// than its record, so that `told` is over by now, and a failure of the band itself is the one that is told.
    ///
    /// # Errors
    /// Those of `told`, and when anything of the record could not be written.
    pub(super) fn finish(&self, told: Result<Exit, Failure>, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
        match (self.end_record(surroundings), told) {
            (Err(Failure::Instrument { what, .. }), Err(failure)) => {
                surroundings.warn(format_args!("failed to {what}"));
                Err(failure)
            }
            (ended, told) => told.and_then(|exit| ended.map(|()| exit)),
        }
    }

    fn end_record(&self, surroundings: &mut Surroundings) -> Result<(), Failure> {
        if let Some((recording, shown)) = &self.recording {
            recording.finish().map_err(|problem| Failure::instrument(format!("write the conversation to {shown}: {problem}"), ""))?;
            surroundings.note(format_args!("the conversation is in {shown}, for you alone: it holds your health data"));
        }
        if let Reach::Replay(replayed) = &self.reach {
            let unused = replayed.central.unused();
            if let [first, ..] = unused.as_slice() {
                let (left, first) = (count(unused.len(), "answer", "answers"), printable(first));
                surroundings.warn(format_args!("of the recorded conversation {left} stay unused, from {first} on"));
            }
        }
        Ok(())
    }

    /// What every output must say of it, if anything.
    pub(super) fn disclaimer(&self) -> Option<String> {
        match &self.reach {
            Reach::Radio(_) => None,
            Reach::Replay(Replayed { started, torn, .. }) => {
                let torn = torn.as_ref().map(|torn| format!("; its record is torn: {torn}")).unwrap_or_default();
                let began = started.strftime("%Y-%m-%d %H:%M UTC");
                Some(format!("replay of a conversation recorded at {began}: no band was asked now{torn}"))
            }
            Reach::Simulated(..) => Some(DISCLAIMER.to_owned()),
        }
    }
}

/// Why the band could not be used, and what to do.
pub(super) fn failed(plan: &BandPlan, error: &BandError) -> Failure {
    let hint = match error {
        BandError::WrongKey => "`tattletale band key --from CAPTURE` finds the key that your app and your band agreed on",
        BandError::NeedsKey => "give its key: in rig.yaml, or with --key-env NAME",
        BandError::NotTapped => "try again, and tap on the band when it vibrates",
        BandError::Flat { .. } => "try again when it is charged",
        BandError::Link(LinkError::Departed(_)) => {
            "a replay takes the command, the model, the address, the key and --since of the recording"
        }
        BandError::Link(LinkError::NotFound) => {
            "bring it near and charge it; a band has one connection at a time: end the phone app, or switch the phone's Bluetooth off"
        }
        BandError::Link(LinkError::Lost | LinkError::Silent(_)) => "bring it nearer, or charge it, and try again",
        _ => "",
    };
    Failure::instrument(format!("{error} ({})", plan.about()), hint)
}

/// Why nothing could be heard, and what to do.
pub(super) fn deaf(error: &BandError) -> Failure {
    Failure::instrument(error.to_string(), "")
}

/// An adapter, by name or address.
///
/// # Errors
/// When it is neither.
pub(super) fn adapter_of(text: &str) -> Result<String, String> {
    if (forms::ADAPTER.accepts)(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("it needs {}: {}", forms::ADAPTER.what, forms::ADAPTER.example))
    }
}

/// What outputs about the simulated band say.
pub(super) const DISCLAIMER: &str = "simulated band: its values are invented";

const RIG: &str = "rig.yaml";

/// The simulated band's day.
const DAY: Date = Date::constant(2026, 3, 14);
