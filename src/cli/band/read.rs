//! `band read`: the minutes that a band holds, as a picture of the day, as totals, as data; and with which access they were read.

use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    super::{Exit, Failure, Surroundings},
    Format,
    info::listen,
    pair::Pairing,
    plot::{self, Sum},
    told::{Heard, Told},
    which::{Mine, Which, failed},
    words::{count, document, local},
};
use crate::{
    band::{self, BandError, History, Reading, Workout, WorkoutKind},
    model::text::thousands,
    scenario::forms,
};

/// Arguments of `band read`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pairing: Pairing,
    /// How far back: 24h, 90m
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = forms::duration)]
    since: Duration,
    /// How to print it
    #[arg(long, default_value = "text")]
    format: Format,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let mine = arguments.which.mine(surroundings)?;
    let Some(mine) = arguments.pairing.before(mine, surroundings)? else { return Ok(Exit::Interrupted) };
    let plan = &mine.plan;
    let since = SignedDuration::try_from(arguments.since).unwrap_or(SignedDuration::MAX);
    let since = mine.now(surroundings).saturating_sub(since).unwrap_or(jiff::Timestamp::MIN);
    surroundings.note(mine.begins("reading it; this may take some minutes"));
    let central = mine.central();
    let done = mine.reach().run(WITHIN + LISTENING, async {
        let heard = listen(&*central, plan.address).await?;
        Ok((heard, band::read_history(&*central, plan.model, plan.address, &plan.access, since, WITHIN).await?))
    });
    let told = match done {
        Ok(Some(Ok((heard, reading)))) => tell(arguments, (&mine, since), (heard, &reading), surroundings),
        Ok(Some(Err(error))) => Err(failed(plan, &error)),
        Ok(None) => Ok(Exit::Interrupted),
        Err(failure) => Err(failure),
    };
    mine.finish(told, surroundings)
}

/// Prints what was read.
fn tell(
    arguments: &Arguments,
    (mine, since): (&Mine, jiff::Timestamp),
    (heard, reading): (Heard, &Reading),
    surroundings: &mut Surroundings,
) -> Result<Exit, Failure> {
    let plan = &mine.plan;
    let disclaimer = mine.disclaimer();
    let told = Told {
        plan,
        disclaimer: disclaimer.as_deref(),
        heard,
        is_authenticated: reading.is_authenticated,
        info: &reading.info,
        clock: reading.clock,
        today: None,
    };
    match arguments.format {
        Format::Text => {
            let words = in_words(&told, reading, surroundings.terminal, surroundings.width);
            surroundings.print(&words)?;
        }
        Format::Json => {
            let mut data = told.data();
            if let Some(data) = data.as_object_mut() {
                // What it counted today was not asked: its minutes say more.
                data.shift_remove("today");
            }
            data["since"] = json!(since);
            data["connections"] = json!(reading.connections);
            data["minutes"] = json!(reading.history.as_ref().map(minutes));
            data["workouts"] = json!(reading.workouts.as_ref().ok().map(|workouts| workouts.iter().map(workout).collect::<Vec<_>>()));
            if let Some(error) = reading.workouts.as_ref().err().filter(|error| is_failure(error)) {
                data["workouts_unread"] = json!(format!("failed to {error}"));
            }
            surroundings.print(&document(&data))?;
        }
    }
    Ok(Exit::Clean)
}

/// Everything for a person; pictures at a terminal only.
fn in_words(told: &Told<'_>, reading: &Reading, terminal: bool, width: usize) -> String {
    let mut text = told.card() + "\n";
    match &reading.history {
        Some(history) if !history.samples.is_empty() => text += &of_minutes(history, reading.connections, terminal, width),
        Some(_) => text += "The band holds no minute of that time.\n",
        None if reading.needs_key => {
            text += "Minutes, steps and heart rates were not read: that needs the key that band and app agreed on. Give it in rig.yaml or with \
                     --key-env; `tattletale band key --from CAPTURE` finds it.\n\n";
            text += &told.in_clear();
        }
        None => text += &format!("This model keeps no minutes.\n\n{}", told.in_clear()),
    }
    text + &of_workouts(&reading.workouts, reading.clock.map_or(0, |clock| clock.utc_offset_s))
}

fn of_minutes(history: &History, connections: u32, terminal: bool, width: usize) -> String {
    let sum = Sum::of(&history.samples);
    let shown = |at: jiff::Timestamp| local(at, history.utc_offset_s).strftime("%Y-%m-%d %H:%M").to_string();
    let end = history.end().unwrap_or(history.start);
    let mut text =
        format!("From {} to {} by the band's clock: {}", shown(history.start), shown(end), count(sum.minutes, "minute", "minutes"));
    if sum.missing > 0 {
        text += &format!(", and {} of which the band has nothing", thousands(sum.missing as u64));
    }
    if connections > 1 {
        text += &format!(", over {connections} connections");
    }
    text += ".\n\n";
    let columns = u16::try_from(width).unwrap_or(u16::MAX).clamp(NARROWEST, WIDEST);
    let without = sum.minutes - sum.readings;
    text += &match (sum.range(), sum.mean()) {
        (Some((lowest, highest)), Some(mean)) => format!(
            "Heart rate {lowest} to {highest}, mean {mean}: {}, and {} without one\n",
            count(sum.readings, "reading", "readings"),
            count(without, "minute", "minutes")
        ),
        _ => "Heart rate: no reading\n".to_owned(),
    };
    if terminal {
        text += &plot::heart_rate(history, columns).map(|picture| picture + "\n").unwrap_or_default();
    }
    text += &format!("Steps {}\n", thousands(sum.steps));
    if terminal {
        text += &plot::steps(history, columns).map(|picture| picture + "\n").unwrap_or_default();
        text + &plot::table_of_days(history, width)
    } else {
        text + "\n" + &plot::table_of_hours(history, width) + "\n" + &plot::table_of_days(history, width)
    }
}

fn of_workouts(workouts: &Result<Vec<Workout>, BandError>, utc_offset_s: i32) -> String {
    let workouts = match workouts {
        Ok(workouts) => workouts,
        Err(error) if !is_failure(error) => return String::new(),
        Err(error) => return format!("\nWorkouts were not read: failed to {error}\n"),
    };
    if workouts.is_empty() {
        return "\nThe band holds no workout of that time.\n".to_owned();
    }
    let line = |workout: &Workout| {
        let began = local(workout.start, utc_offset_s).strftime("%Y-%m-%d %H:%M").to_string();
        let minutes = workout.end.duration_since(workout.start).as_mins();
        let metres = workout.metres.map(|metres| format!(", {} m", thousands(metres.max(0.0).round() as u64))).unwrap_or_default();
        let track = match workout.track.len() {
            0 => String::new(),
            points => format!(", with a track of {}", count(points, "position", "positions")),
        };
        format!("  {began}  {}, {minutes} min{metres}{track}\n", kind(workout.kind))
    };
    format!("\nWorkouts: {}\n", workouts.len()) + &workouts.iter().map(line).collect::<String>()
}

/// Whether workouts are missing that could have been read. Nothing is said of what the model has not, or what needs the key: the latter is
/// said elsewhere.
const fn is_failure(error: &BandError) -> bool {
    !matches!(error, BandError::Unsupported(_) | BandError::NeedsKey)
}

/// Minutes as columns; `null` where the band has nothing or no reading.
fn minutes(history: &History) -> Value {
    let known = || history.samples.iter().map(|sample| Some(sample).filter(|sample| sample.has_data()));
    json!({
        "start": history.start,
        "utc_offset_s": history.utc_offset_s,
        "kind": known().map(|sample| sample.map(|sample| sample.kind)).collect::<Vec<_>>(),
        "intensity": known().map(|sample| sample.map(|sample| sample.intensity)).collect::<Vec<_>>(),
        "steps": known().map(|sample| sample.map(|sample| sample.steps)).collect::<Vec<_>>(),
        "heart_rate": known().map(|sample| sample.and_then(|sample| sample.beats())).collect::<Vec<_>>(),
    })
}

fn workout(workout: &Workout) -> Value {
    let track: Vec<Value> = workout
        .track
        .iter()
        .map(|point| json!({ "at": point.at, "lat": point.lat, "lon": point.lon, "altitude": point.altitude }))
        .collect();
    let rates: Vec<Value> = workout.heart_rates.iter().map(|(at, beats)| json!({ "at": at, "heart_rate": beats })).collect();
    json!({
        "kind": kind(workout.kind),
        "start": workout.start,
        "end": workout.end,
        "steps": workout.steps,
        "metres": workout.metres,
        "kilocalories": workout.kilocalories,
        "heart_rate": workout.heart_rate,
        "track": track,
        "heart_rates": rates,
    })
}

/// A workout's kind in a word.
fn kind(kind: WorkoutKind) -> String {
    match kind {
        WorkoutKind::Run => "run".to_owned(),
        WorkoutKind::Treadmill => "treadmill".to_owned(),
        WorkoutKind::Walk => "walk".to_owned(),
        WorkoutKind::Cycle => "cycle".to_owned(),
        WorkoutKind::Exercise => "exercise".to_owned(),
        WorkoutKind::Swim => "swim".to_owned(),
        WorkoutKind::IndoorCycle => "indoor-cycle".to_owned(),
        WorkoutKind::Elliptical => "elliptical".to_owned(),
        WorkoutKind::Climb => "climb".to_owned(),
        WorkoutKind::Hike => "hike".to_owned(),
        WorkoutKind::Other(number) => format!("other-{number}"),
    }
}

/// Columns of a picture.
const NARROWEST: u16 = 40;
const WIDEST: u16 = 120;

/// Reading some weeks of minutes over several connections.
const WITHIN: Duration = Duration::from_secs(15 * 60);

/// Listening before, with what the radio needs for it, and letting go afterwards.
const LISTENING: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::surroundings::testing::command;

    fn read(more: &[&str], terminal: bool) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let line = [&["band", "read", "--simulated"], more].concat();
        let (exit, out, err) = command(folder.path(), &line, |world| world.terminal = terminal);
        assert_eq!(exit, Exit::Clean, "{err}");
        out
    }

    #[test]
    fn a_day_of_the_simulated_band_is_a_picture_at_a_terminal() {
        insta::assert_snapshot!("a_day_at_a_terminal", read(&["--since", "24h"], true));
    }

    #[test]
    fn elsewhere_it_is_a_table_of_hours() {
        insta::assert_snapshot!("five_hours_in_a_file", read(&["--since", "5h"], false));
    }

    #[test]
    fn as_data_every_minute_is_there_and_a_gap_is_null() {
        let data: Value = serde_json::from_str(&read(&["--format", "json"], false)).expect("JSON");
        assert_eq!((&data["access"], &data["disclaimer"]), (&json!("key"), &json!("simulated band: its values are invented")));
        let rates = data["minutes"]["heart_rate"].as_array().expect("a column");
        assert_eq!(rates.len(), 1440);
        assert_eq!(rates.iter().filter(|rate| rate.is_u64()).count(), 288, "one reading in five minutes");
        assert!(data["minutes"]["steps"].as_array().is_some_and(|steps| steps.iter().all(Value::is_u64)));
    }
}
