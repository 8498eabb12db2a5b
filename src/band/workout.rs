//! Workouts that a band recorded, with their tracks where it has them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::link::discreet;

/// One workout.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workout {
    /// What was done.
    pub kind: WorkoutKind,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Steps, where they were counted.
    pub steps: Option<u32>,
    /// Distance in metres.
    pub metres: Option<f32>,
    /// Energy in kilocalories.
    pub kilocalories: Option<f32>,
    /// Average heart rate, beats per minute.
    pub heart_rate: Option<u8>,
    /// Where it was, oldest first; empty when the band has no positions.
    pub track: Vec<TrackPoint>,
    /// Heart rates during the workout, oldest first: when, and beats per minute.
    pub heart_rates: Vec<(Timestamp, u8)>,
}

discreet!(TrackPoint, Workout);

/// What was done in a workout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WorkoutKind {
    /// Running outdoors.
    Run,
    /// Running on a treadmill.
    Treadmill,
    /// Walking.
    Walk,
    /// Cycling.
    Cycle,
    /// Exercise without a name.
    Exercise,
    /// Swimming.
    Swim,
    /// Cycling indoors.
    IndoorCycle,
    /// An elliptical trainer.
    Elliptical,
    /// Climbing.
    Climb,
    /// Hiking.
    Hike,
    /// A number that is not known.
    Other(u16),
}

/// One position of a track.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackPoint {
    /// When.
    pub at: Timestamp,
    /// Latitude in degrees, north is positive.
    pub lat: f64,
    /// Longitude in degrees, east is positive.
    pub lon: f64,
    /// Altitude in metres, where the band knows it.
    pub altitude: Option<f32>,
}
