//! What a step sees of the rig while a scenario runs: the phone, the band, the clock and the record; and how far the run has come.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{PlacedStep, Secrets, steps::StepError};
use crate::{
    band::{self, Access, Band, BandError, BandModel},
    clock::Hold,
    link::Central,
    model::{AppVersion, AttachmentKind, ExchangeId, RunEvent},
    phone::{Phone, operator::Operator},
};

/// The rig on which a scenario runs, as a step sees it.
pub struct Stage<'a> {
    /// The phone.
    pub phone: &'a mut dyn Phone,
    /// Who is asked to do by hand what the phone cannot be told.
    pub operator: &'a dyn Operator,
    /// Who connects to the band.
    pub central: &'a dyn Central,
    /// Which band, and its key; `None` on a rig without one.
    pub band: Option<BandPlan>,
    /// The band, while a step works with it or keeps it from the phone. It stays here meanwhile, so that whoever made the stage can let go
    /// of it at the end, with all that is still on, also when a step is broken off in the middle.
    pub kept: Option<Box<dyn Band>>,
    /// When the band was last known to be in reach: it advertised, or it answered us. `None` as long as it was not.
    pub band_heard: Option<Timestamp>,
    /// This run's hold on the clock: every wait of a step is a sleep through it.
    pub hold: &'a mut Hold,
    /// The record.
    pub log: &'a dyn StageLog,
    /// When the last step that did something (was no wait and no phase) began.
    pub acted_at: Timestamp,
    /// What the script brought along, and how far it has come.
    pub course: Course<'a>,
}

/// What a script brings along, and how far it has come.
pub struct Course<'a> {
    /// The version that the run is of.
    pub version: AppVersion,
    /// The version that is installed now; `None` after a step removed the app.
    pub installed: Option<AppVersion>,
    /// Name of the recording of the screen that is being made.
    pub recording: Option<String>,
    /// When each workout that was read from the band began, in the order in which they became known: the first is `band.workout.1`.
    pub workouts: Vec<Timestamp>,
    /// What `${env:NAME}` stands for.
    pub secrets: &'a Secrets,
    /// Is told of each step that is over: for rehearsing what breaks.
    pub after_step: &'a (dyn Fn(&PlacedStep) + Send + Sync),
}

impl<'a> Course<'a> {
    /// The course of a run that begins now, with this version of the app installed.
    pub fn new(version: AppVersion, secrets: &'a Secrets, after_step: &'a (dyn Fn(&PlacedStep) + Send + Sync)) -> Self {
        Self { installed: Some(version.clone()), version, recording: None, workouts: Vec::new(), secrets, after_step }
    }
}

/// Which band.
#[derive(Clone)]
pub struct BandPlan {
    /// Its model.
    pub model: &'static dyn BandModel,
    /// Its address, display order.
    pub address: [u8; 6],
    /// What we may do on it; a key is never logged.
    pub access: Access,
}

impl Stage<'_> {
    /// The plan of the band.
    ///
    /// # Errors
    /// [`StepError::NoBand`].
    pub fn plan(&self) -> Result<BandPlan, StepError> {
        self.band.clone().ok_or(StepError::NoBand)
    }

    /// The band, to do something with it: the one that an earlier step keeps, else over a new connection. It stays on the stage;
    /// [`Stage::give_back`] ends the work with it.
    ///
    /// # Errors
    /// [`StepError::NoBand`], [`StepError::Band`].
    pub async fn use_band(&mut self) -> Result<&mut (dyn Band + 'static), StepError> {
        let plan = self.plan()?;
        if self.kept.is_none() {
            let opened = band::connect(self.central, plan.model, plan.address, &plan.access).await;
            self.kept = Some(opened.map_err(|error| plan.failed(error))?);
            self.heard_band();
        }
        self.kept.as_deref_mut().ok_or(StepError::NoBand)
    }

    /// Keeps the band from the phone, or lets go of it. What was done with it before is worth more than a failure to do so, which is
    /// told only when that went well.
    ///
    /// # Errors
    /// Those of `done`, then [`StepError::Band`].
    pub async fn give_back<T>(&mut self, keep: bool, done: Result<T, BandError>) -> Result<T, StepError> {
        let plan = self.plan()?;
        let done = done.map_err(|error| plan.failed(error));
        if done.is_ok() {
            self.heard_band();
        }
        if keep && done.is_ok() {
            return done;
        }
        let released = self.let_go().await;
        done.and_then(|done| released.map(|()| done))
    }

    /// Lets go of a band that is kept. That this went well says nothing of whether it was still in reach.
    ///
    /// # Errors
    /// [`StepError::Band`].
    pub async fn let_go(&mut self) -> Result<(), StepError> {
        let released = match &mut self.kept {
            Some(band) => band.release().await,
            None => return Ok(()),
        };
        self.kept = None;
        let plan = self.plan()?;
        released.map_err(|error| plan.failed(error))
    }

    /// Notes that the band is in reach now.
    pub fn heard_band(&mut self) {
        self.band_heard = Some(self.hold.clock().now());
    }
}

impl BandPlan {
    /// The band in words: its model and the end of its address, which is no secret of anybody.
    pub fn about(&self) -> String {
        format!("{} …:{:02X}:{:02X}", self.model.label(), self.address[4], self.address[5])
    }

    /// A failure of this band, for a step.
    pub fn failed(&self, error: BandError) -> StepError {
        StepError::Band { band: self.about(), error }
    }
}

/// The record of a run, as a step sees it.
#[async_trait]
pub trait StageLog: Send + Sync {
    /// Writes an event, in order with the traffic recorded so far; returns when it is written.
    async fn write(&self, event: RunEvent);

    /// Puts a file beside the record, and gives its place in the capture (`attachments/1-login.png`); `name` is a part of that. `None` when
    /// it could not be written: the run learns of it as of everything else that cannot be.
    async fn attach(&self, kind: AttachmentKind, name: &str, bytes: Vec<u8>) -> Option<String>;

    /// Every request seen so far, in the order in which they began.
    fn requests(&self) -> Vec<SeenRequest>;

    /// Exchanges that have begun and not ended.
    fn in_flight(&self) -> usize;

    /// Waits, in real time, until nothing is in flight, at most so long. Tells whether that is so.
    async fn settle(&self, at_most: Duration) -> bool;
}

/// One request, as a waiting step needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRequest {
    /// Exchange.
    pub id: ExchangeId,
    /// Method.
    pub method: String,
    /// Host, lower case.
    pub host: String,
    /// Path, without query.
    pub path: String,
    /// When it began.
    pub began: Timestamp,
    /// When it ended, and with which status; `None` status when there was no answer.
    pub ended: Option<(Timestamp, Option<u16>)>,
    /// When the app last sent a message over the connection that it became (WebSocket).
    pub said: Option<Timestamp>,
}
