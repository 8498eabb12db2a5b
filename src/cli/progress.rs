//! Progress on standard error: a line that moves, for a person who looks at work that takes longer than a second; plain lines
//! elsewhere.

use std::{sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Surroundings;
use crate::{
    model::{Bodies, NumberedEvent, Provenance, Recording, RecordingError, RunEvent},
    run::Watcher,
};

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Between two movements of a bar that nothing else moves.
const TICK: Duration = Duration::from_millis(200);

/// Events between two looks at the clock.
const STRIDE: u64 = 64;

/// A progress line that appears when the work has taken a second.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// For work that the words describe.
    pub(super) fn new(words: &str, surroundings: &Surroundings) -> Self {
        let bar = (surroundings.stderr_terminal && !surroundings.quiet).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()).with_message(words.to_owned());
            bar.set_style(
                ProgressStyle::default_spinner()
                    .template("{spinner} {msg}: {pos} events")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar
        });
        Self { bar }
    }

    fn advance(&self, events: u64) {
        if let Some(bar) = &self.bar {
            if bar.is_hidden() && bar.elapsed() > PATIENCE {
                bar.set_draw_target(ProgressDrawTarget::stderr());
            }
            bar.inc(events);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Progress of runs, one after the other.
pub(super) struct RunProgress {
    bar: Option<ProgressBar>,
}

impl RunProgress {
    /// For so many runs. Needs the runtime: the bar appears when the work has taken a second.
    pub(super) fn new(runs: u64, surroundings: &Surroundings) -> Self {
        let bar = (surroundings.stderr_terminal && !surroundings.quiet).then(|| {
            let bar = ProgressBar::with_draw_target(Some(runs), ProgressDrawTarget::hidden());
            let style = ProgressStyle::default_bar().template("{bar:20} {pos} of {len} runs  {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            let later = bar.clone();
            tokio::spawn(async move {
                tokio::time::sleep(PATIENCE).await;
                if !later.is_finished() {
                    later.set_draw_target(ProgressDrawTarget::stderr());
                    later.enable_steady_tick(TICK);
                }
            });
            bar
        });
        Self { bar }
    }

    /// A run begins.
    pub(super) fn begin(&self, words: String, surroundings: &mut Surroundings) {
        match &self.bar {
            Some(bar) => bar.set_message(words),
            None => surroundings.note(words),
        }
    }

    /// A run is over.
    pub(super) fn advance(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// Takes the bar away for good: something is to be told.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Shows which step of a run, called `words`, is at work.
    pub(super) fn watcher(&self, words: &str) -> Option<Watcher> {
        let (bar, words) = (self.bar.clone()?, words.to_owned());
        Some(Arc::new(move |event: &NumberedEvent| {
            if let RunEvent::StepBegan { step, line, file } = &event.event {
                let of = file.as_ref().map(|file| format!(" of {file}")).unwrap_or_default();
                bar.set_message(format!("{words}, line {line}{of}: {step}"));
            }
        }))
    }
}

impl Drop for RunProgress {
    fn drop(&mut self) {
        self.end();
    }
}

/// A recording whose reading moves a progress line.
pub(super) struct Watched<'a> {
    pub(super) recording: &'a dyn Recording,
    pub(super) progress: &'a Progress,
}

impl Recording for Watched<'_> {
    fn name(&self) -> String {
        self.recording.name()
    }

    fn provenance(&self) -> &Provenance {
        self.recording.provenance()
    }

    fn replay(&self, each: &mut dyn FnMut(&NumberedEvent, &dyn Bodies)) -> Result<(), RecordingError> {
        let mut events = 0;
        self.recording.replay(&mut |event, bodies| {
            events += 1;
            if events % STRIDE == 0 {
                self.progress.advance(STRIDE);
            }
            each(event, bodies);
        })
    }
}
