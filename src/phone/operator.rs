//! The person beside the rig, who does by hand what no program can do, and the one way of asking them: what is to be done, an
//! answer, a look at whether it was done, and once more when it was not. How they are reached is `cli`'s.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

/// The person beside the rig.
#[async_trait]
pub trait Operator: Send + Sync {
    /// Whether there is anybody who can be asked.
    fn is_there(&self) -> bool;

    /// Whether the rig file says that what is asked for by this name is done without asking.
    fn has_confirmed(&self, name: &str) -> bool;

    /// Shows something, in lines. Nobody is waited for.
    fn tell(&self, text: &str);

    /// Shows something, and waits for a line. Gives what was typed, without blanks around it. Whoever asks sets the limit.
    ///
    /// # Errors
    /// [`NobodyThere`] when there is nobody to be asked, or the person went away.
    async fn answer(&self, question: &str) -> Result<String, NobodyThere>;
}

/// There is nobody who can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ask a person: nobody is at a terminal")]
pub struct NobodyThere;

/// Something that a person is to do.
#[derive(Clone, Debug)]
pub struct Task<'a> {
    /// Its name, by which a rig file can confirm it: `open-app`.
    pub name: &'a str,
    /// What is to be done and where, in lines.
    pub what: &'a str,
    /// How long it may take, all tries together, in real time: a person knows no other.
    pub within: Duration,
    /// Whether the person's word is taken in the end where nothing of it could be seen.
    pub word_counts: bool,
}

/// Looks whether something was done.
#[async_trait]
pub trait Check: Send {
    /// Looks, for a short while at most.
    async fn look(&mut self) -> Look;
}

/// What a look showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// It was not done as far as can be seen; what was seen instead, without captured values.
    NotSeen(String),
    /// It was done: by which fact, without captured values.
    Seen(String),
    /// There is nothing by which it could be seen.
    Unknowable,
}

/// Why it counts as done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The person says so, and there is nothing by which it could be seen.
    Confirmed,
    /// The rig file says so, and there is nothing by which it could be seen.
    ConfirmedByRig,
    /// The person says so, and it was looked for in vain.
    Insisted,
    /// It was seen, by this fact.
    Seen(String),
}

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// It could not be asked for.
    #[error("ask for {name}: nobody is at a terminal, and the rig file does not confirm it")]
    NobodyThere {
        /// The task.
        name: String,
    },
    /// It was said to be done, and never seen.
    #[error("see {name} within {within:?}: there was {seen}")]
    NotSeen {
        /// The task.
        name: String,
        /// The limit.
        within: Duration,
        /// What there was instead.
        seen: String,
    },
    /// Nobody answered.
    #[error("get an answer to {name} within {within:?}")]
    Unanswered {
        /// The task.
        name: String,
        /// The limit.
        within: Duration,
    },
}

impl Done {
    /// In words for a step's note: `seen: a request to api.test`, `confirmed by the operator, not checked`.
    pub fn in_words(&self) -> String {
        match self {
            Self::Confirmed => "confirmed by the operator, not checked".to_owned(),
            Self::ConfirmedByRig => "confirmed by the rig file, not checked".to_owned(),
            Self::Insisted => "confirmed by the operator, and nothing of it was seen".to_owned(),
            Self::Seen(fact) => format!("seen: {fact}"),
        }
    }
}

/// Has a person do something, and looks whether it was done, again and again until it was or the time is over. What a rig file
/// confirms is not asked for; what can be seen of it has to be seen all the same.
///
/// # Errors
/// [`NotDone`], within the task's limit and the length of one look.
pub async fn have_done(operator: &dyn Operator, task: &Task<'_>, check: &mut dyn Check) -> Result<Done, NotDone> {
    let until = Instant::now() + task.within;
    let confirmed = operator.has_confirmed(task.name);
    let mut question = format!("\n{}: {}\n  {ENTER} ", task.name, task.what);
    let mut not_seen = None;
    loop {
        if !confirmed {
            let typed = match tokio::time::timeout_at(until, operator.answer(&question)).await {
                Ok(Ok(typed)) => typed,
                Ok(Err(NobodyThere)) => return Err(NotDone::NobodyThere { name: task.name.to_owned() }),
                // What a look showed says more than that nobody answered the question after it.
                Err(_) => return Err(not_seen.map_or_else(|| task.unanswered(), |seen| task.not_seen(seen))),
            };
            if not_seen.is_some() && task.word_counts && typed.eq_ignore_ascii_case(INSIST) {
                operator.tell("  noted: nothing of it was seen");
                return Ok(Done::Insisted);
            }
        }
        match check.look().await {
            Look::Seen(fact) => {
                operator.tell(&format!("  seen: {fact}"));
                return Ok(Done::Seen(fact));
            }
            Look::Unknowable if confirmed => return Ok(Done::ConfirmedByRig),
            Look::Unknowable => return Ok(Done::Confirmed),
            Look::NotSeen(seen) if Instant::now() >= until => return Err(task.not_seen(seen)),
            Look::NotSeen(seen) => {
                let insist = if task.word_counts { format!(", or type {INSIST} if it is done all the same") } else { String::new() };
                question = format!("  {}: not seen yet, there was {seen}\n  Do it again, and press Enter{insist}. ", task.name);
                not_seen = Some(seen);
            }
        }
    }
}

impl Task<'_> {
    fn unanswered(&self) -> NotDone {
        NotDone::Unanswered { name: self.name.to_owned(), within: self.within }
    }

    fn not_seen(&self, seen: String) -> NotDone {
        NotDone::NotSeen { name: self.name.to_owned(), within: self.within, seen }
    }
}

/// For what leaves no trace that could be looked for.
#[derive(Clone, Copy, Debug)]
pub struct NoTrace;

#[async_trait]
impl Check for NoTrace {
    async fn look(&mut self) -> Look {
        Look::Unknowable
    }
}

/// Nobody: for a rig beside which no person is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

#[async_trait]
impl Operator for Nobody {
    fn is_there(&self) -> bool {
        false
    }

    fn has_confirmed(&self, _: &str) -> bool {
        false
    }

    fn tell(&self, _: &str) {}

    async fn answer(&self, _: &str) -> Result<String, NobodyThere> {
        Err(NobodyThere)
    }
}

/// What a person presses.
const ENTER: &str = "Press Enter when it is done.";
/// What a person types whose word is to count against what was seen.
const INSIST: &str = "done";

/// A person who answers as a test wrote down, and then never again.
#[cfg(test)]
pub(crate) mod scripted {
    use std::{
        collections::VecDeque,
        sync::{Arc, Mutex},
    };

    use super::*;

    /// What happens while a person answers.
    pub(crate) type Deed = Box<dyn FnOnce() + Send>;

    #[derive(Clone, Default)]
    pub(crate) struct Scripted {
        answers: Arc<Mutex<VecDeque<(String, Deed)>>>,
        told: Arc<Mutex<Vec<String>>>,
        confirmed: Vec<String>,
    }

    impl Scripted {
        pub(crate) fn confirming(names: &[&str]) -> Self {
            Self { confirmed: names.iter().map(|name| (*name).to_owned()).collect(), ..Self::default() }
        }

        /// Answers the next question so, after this was done.
        pub(crate) fn then(self, answer: &str, deed: impl FnOnce() + Send + 'static) -> Self {
            self.answers.lock().expect("no panic while locked").push_back((answer.to_owned(), Box::new(deed)));
            self
        }

        /// Everything that was shown, questions too.
        pub(crate) fn told(&self) -> String {
            self.told.lock().expect("no panic while locked").join("\n")
        }
    }

    #[async_trait]
    impl Operator for Scripted {
        fn is_there(&self) -> bool {
            true
        }

        fn has_confirmed(&self, name: &str) -> bool {
            self.confirmed.iter().any(|confirmed| confirmed == name)
        }

        fn tell(&self, text: &str) {
            self.told.lock().expect("no panic while locked").push(text.to_owned());
        }

        async fn answer(&self, question: &str) -> Result<String, NobodyThere> {
            self.tell(question);
            let next = self.answers.lock().expect("no panic while locked").pop_front();
            let Some((answer, deed)) = next else { return std::future::pending().await };
            deed();
            Ok(answer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{scripted::Scripted, *};

    /// Shows these looks, one after the other, and then the last one for ever.
    struct Looks(Vec<Look>);

    #[async_trait]
    impl Check for Looks {
        async fn look(&mut self) -> Look {
            if self.0.len() > 1 { self.0.remove(0) } else { self.0[0].clone() }
        }
    }

    fn task(word_counts: bool) -> Task<'static> {
        Task { name: "open-app", what: "Open the app.", within: Duration::from_secs(60), word_counts }
    }

    /// One that has no time: what does not come at once does not come.
    fn short(word_counts: bool) -> Task<'static> {
        Task { within: Duration::from_millis(50), ..task(word_counts) }
    }

    fn seen() -> Look {
        Look::Seen("a request".into())
    }

    fn not_seen() -> Look {
        Look::NotSeen("nothing".into())
    }

    #[tokio::test]
    async fn what_counts_as_done_says_why() {
        let enter = || Scripted::default().then("", || {});
        let twice = || enter().then("", || {});
        let insists = || enter().then("Done", || {});
        for (operator, task, looks, want) in [
            (enter(), task(true), vec![seen()], Ok(Done::Seen("a request".into()))),
            (twice(), task(true), vec![not_seen(), seen()], Ok(Done::Seen("a request".into()))),
            (enter(), task(true), vec![Look::Unknowable], Ok(Done::Confirmed)),
            (insists(), task(true), vec![not_seen(), not_seen()], Ok(Done::Insisted)),
            (insists(), short(false), vec![not_seen(), not_seen()], Err(short(false).not_seen("nothing".into()))),
            (Scripted::default().then("done", || {}), task(true), vec![seen()], Ok(Done::Seen("a request".into()))),
            (Scripted::default(), short(true), vec![seen()], Err(short(true).unanswered())),
            (Scripted::confirming(&["open-app"]), task(true), vec![Look::Unknowable], Ok(Done::ConfirmedByRig)),
            (Scripted::confirming(&["open-app"]), task(true), vec![not_seen(), seen()], Ok(Done::Seen("a request".into()))),
        ] {
            let done = have_done(&operator, &task, &mut Looks(looks.clone())).await;
            assert_eq!(done, want, "{looks:?}: {}", operator.told());
        }
    }

    #[tokio::test]
    async fn a_look_in_vain_says_what_there_was_and_what_can_be_typed() {
        let operator = Scripted::default().then("", || {}).then("", || {});
        have_done(&operator, &task(true), &mut Looks(vec![not_seen(), seen()])).await.expect("it is seen the second time");
        let told = operator.told();
        for words in [
            "open-app: Open the app.",
            "Press Enter when it is done.",
            "not seen yet, there was nothing",
            "or type done",
            "seen: a request",
        ] {
            assert!(told.contains(words), "{words}: {told}");
        }
    }

    #[tokio::test]
    async fn with_nobody_there_it_is_not_done_at_once() {
        let error = have_done(&Nobody, &task(true), &mut NoTrace).await.expect_err("nobody is there");
        assert_eq!(error, NotDone::NobodyThere { name: "open-app".into() });
    }
}
