//! A phone that a person works: each thing that is asked of it becomes a task for the [`Operator`], and what can be seen of it in the
//! traffic is looked for afterwards. What nothing can be seen of is the operator's word, and said to be. How the facts come from the
//! proxy is `run`'s, how the person is asked `cli`'s.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use self::sightings::{Fact, Mark, Sightings};
use super::{
    Action, Key, Launch, Permission, PermissionChange, Phone, PhoneError, Probed, Swipe, Target,
    operator::{Check, Done, Look, NoTrace, NotDone, Operator, Task, have_done},
};
use crate::model::{AppVersion, Platform, Position};

pub mod sightings;
mod words;

pub use words::{PROBE_PAGE, System, Way};

/// What a person is asked before any run, by name: each may be confirmed by a rig file.
pub const PREPARATIONS: [&str; 3] = ["install-app", "proxy", "certificate"];

/// The name under which a person is asked for an action, by which a rig file can confirm it; `None` for what nobody is asked for,
/// because it cannot be done by hand.
pub const fn task_of(action: Action) -> Option<&'static str> {
    Some(match action {
        Action::ClearState => "clear-state",
        Action::InputText => "input-text",
        Action::InstallApp => "install-app",
        Action::LaunchApp => "open-app",
        Action::PressKey => "press-key",
        Action::PullToRefresh => "pull-to-refresh",
        Action::SetAirplaneMode => "airplane-mode",
        Action::SetLocation => "location",
        Action::SetPermissions => "permissions",
        Action::StopApp => "close-app",
        Action::Swipe => "swipe",
        Action::TapOn => "tap",
        Action::UninstallApp => "remove-app",
        Action::Record | Action::Screen | Action::Screenshot => return None,
    })
}

/// What a phone by hand is made of.
#[derive(Clone)]
pub struct ManualSetup {
    /// What it is to count as: its platform, or a test bench.
    pub platform: Platform,
    /// Its system, for the way through its settings.
    pub system: System,
    /// What people call the app.
    pub app: String,
    /// Who works it.
    pub operator: Arc<dyn Operator>,
    /// What was seen of it.
    pub sightings: Arc<Sightings>,
    /// How it gets to the proxy.
    pub way: Way,
    /// Whether an earlier run has made it ready: then a probe is all that is asked for.
    pub prepared: Arc<AtomicBool>,
    /// How long each task may take, in real time.
    pub patience: Duration,
    /// How long one look at what came lasts; [`ONE_LOOK`] but for tests.
    pub one_look: Duration,
}

/// A phone that a person works, for one run.
pub struct ManualPhone {
    setup: ManualSetup,
    /// The version that is to be there, as the operator is told.
    version: Option<AppVersion>,
    /// Whether this run has begun: before it, the operator is asked for everything at once.
    ready: bool,
    remark: Option<String>,
    to_undo: Vec<&'static str>,
}

/// How long a task may take, unless a rig says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// How long one look lasts: traffic that a hand began is there by then.
pub const ONE_LOOK: Duration = Duration::from_secs(5);

impl ManualPhone {
    /// A phone that nobody has been asked for anything yet.
    pub const fn new(setup: ManualSetup) -> Self {
        Self { setup, version: None, ready: false, remark: None, to_undo: Vec::new() }
    }

    /// Has something done of which nothing can be seen.
    async fn have_done_unseen(&mut self, action: Action, what: String) -> Result<(), PhoneError> {
        self.have_done(action, what, &mut NoTrace).await.map(|_| ())
    }

    /// Has something done of which the app's traffic tells.
    async fn have_done_with_traffic(&mut self, action: Action, what: String) -> Result<Done, PhoneError> {
        let mut check = Trace::of(&self.setup, Fact::App);
        self.have_done(action, what, &mut check).await
    }

    async fn have_done(&mut self, action: Action, what: String, check: &mut dyn Check) -> Result<Done, PhoneError> {
        let name = task_of(action).ok_or_else(|| PhoneError::Unsupported("nobody can do that by hand".to_owned()))?;
        let task = Task { name, what: &what, within: self.setup.patience, word_counts: true };
        let done = have_done(&*self.setup.operator, &task, check).await?;
        self.remember(&format!("{name}: {}", done.in_words()));
        Ok(done)
    }

    /// What is added to the step's note.
    fn remember(&mut self, words: &str) {
        let remark = self.remark.get_or_insert_default();
        if !remark.is_empty() {
            remark.push_str("; ");
        }
        remark.push_str(words);
    }

    fn undo_later(&mut self, what: &'static str) {
        if !self.to_undo.contains(&what) {
            self.to_undo.push(what);
        }
    }

    /// Has the phone made ready, as far as no earlier run did: the app, the proxy, the certificate; and the probe sent.
    async fn prepare(&mut self) -> Result<(), NotDone> {
        let ManualSetup { system, app, operator, way, prepared, patience, .. } = &self.setup;
        let (operator, within) = (&**operator, *patience);
        let again = prepared.load(Ordering::SeqCst);
        let [install, proxy, certificate] = PREPARATIONS;
        if !again {
            if let Some(version) = &self.version {
                let what = words::install(*system, app, version);
                have_done(operator, &Task { name: install, what: &what, within, word_counts: true }, &mut NoTrace).await?;
            }
            let mut check = Trace::of(&self.setup, Fact::ByProxy);
            let what = words::route(*system, way);
            have_done(operator, &Task { name: proxy, what: &what, within, word_counts: false }, &mut check).await?;
        }
        let mut check = Trace::of(&self.setup, Fact::Trust);
        let what = if again { words::trust_again(way) } else { words::trust(*system, way) };
        have_done(operator, &Task { name: certificate, what: &what, within, word_counts: false }, &mut check).await?;
        prepared.store(true, Ordering::SeqCst);
        Ok(())
    }
}

/// Looks for a fact in what was seen since the task was given.
struct Trace {
    sightings: Arc<Sightings>,
    since: Mark,
    fact: Fact,
    one_look: Duration,
}

impl Trace {
    /// From now on.
    fn of(setup: &ManualSetup, fact: Fact) -> Self {
        Self { sightings: Arc::clone(&setup.sightings), since: setup.sightings.mark(), fact, one_look: setup.one_look }
    }
}

#[async_trait]
impl Check for Trace {
    async fn look(&mut self) -> Look {
        match self.sightings.wait(self.since, self.fact, self.one_look).await {
            Ok(fact) => Look::Seen(fact),
            Err(instead) => Look::NotSeen(instead),
        }
    }
}

#[async_trait]
impl Phone for ManualPhone {
    fn about(&self) -> String {
        let system = match self.setup.system {
            System::Android => "Android phone",
            System::Ios => "iPhone",
        };
        format!("{system} by hand: what was done with it is its operator's word, but for what was seen in the traffic")
    }

    fn platform(&self) -> Platform {
        self.setup.platform
    }

    fn is_by_hand(&self) -> bool {
        true
    }

    fn remark(&mut self) -> Option<String> {
        self.remark.take()
    }

    fn supports(&self, action: Action) -> bool {
        task_of(action).is_some()
    }

    /// Before the run nobody is asked yet: everything that makes the phone ready is asked for together, with the probe.
    async fn install(&mut self, version: Option<&AppVersion>) -> Result<AppVersion, PhoneError> {
        let known = version.or(self.version.as_ref()).cloned();
        let version = known.ok_or_else(|| PhoneError::Failed("nobody has said which version of the app is on it".to_owned()))?;
        if self.ready {
            self.have_done_unseen(Action::InstallApp, words::install(self.setup.system, &self.setup.app, &version)).await?;
        }
        self.version = Some(version.clone());
        Ok(version)
    }

    async fn uninstall_app(&mut self) -> Result<(), PhoneError> {
        self.have_done_unseen(Action::UninstallApp, words::remove(self.setup.system, &self.setup.app)).await
    }

    async fn clear_state(&mut self) -> Result<(), PhoneError> {
        self.have_done_unseen(Action::ClearState, words::clear(self.setup.system, &self.setup.app)).await
    }

    async fn set_permissions(&mut self, changes: &[PermissionChange]) -> Result<(), PhoneError> {
        let lines: Vec<String> = changes.iter().map(|change| words::permission(self.setup.system, &self.setup.app, change)).collect();
        self.undo_later("the app's permissions");
        self.have_done_unseen(Action::SetPermissions, lines.join("\n  ")).await
    }

    async fn set_airplane_mode(&mut self, on: bool) -> Result<(), PhoneError> {
        self.undo_later("airplane mode");
        self.have_done_unseen(Action::SetAirplaneMode, words::airplane_mode(self.setup.system, on)).await
    }

    async fn launch_app(&mut self, launch: &Launch) -> Result<(), PhoneError> {
        self.undo_later("the app's location permission");
        let done = self.have_done_with_traffic(Action::LaunchApp, words::launch(self.setup.system, &self.setup.app, launch)).await?;
        if matches!(done, Done::Seen(_)) {
            // Traffic shows that it is open, and not what it was allowed or had forgotten.
            let state = if launch.clear_state { "its state and its " } else { "its " };
            let permission = if launch.location == Permission::Allow { "location permission" } else { "lack of location permission" };
            self.remember(&format!("{state}{permission}: not checked"));
        }
        Ok(())
    }

    async fn stop_app(&mut self) -> Result<(), PhoneError> {
        self.have_done_unseen(Action::StopApp, words::close(self.setup.system, &self.setup.app)).await
    }

    async fn pull_to_refresh(&mut self) -> Result<(), PhoneError> {
        self.have_done_with_traffic(Action::PullToRefresh, words::pull(&self.setup.app)).await.map(|_| ())
    }

    async fn tap_on(&mut self, target: &Target) -> Result<(), PhoneError> {
        self.have_done_unseen(Action::TapOn, words::tap(target)).await
    }

    async fn swipe(&mut self, swipe: &Swipe) -> Result<(), PhoneError> {
        self.have_done_unseen(Action::Swipe, words::swipe(swipe)).await
    }

    async fn input_text(&mut self, text: &str) -> Result<(), PhoneError> {
        self.have_done_unseen(Action::InputText, words::type_text(text)).await
    }

    async fn press_key(&mut self, key: Key) -> Result<(), PhoneError> {
        self.have_done_unseen(Action::PressKey, words::press(self.setup.system, key)).await
    }

    /// Gives what the operator was asked for: nobody has read it back.
    async fn set_location(&mut self, position: Position) -> Result<Position, PhoneError> {
        self.undo_later("its position");
        self.have_done_unseen(Action::SetLocation, words::place(self.setup.system, position)).await?;
        Ok(position)
    }

    fn probe_within(&self) -> Duration {
        // One task more than there are preparations: the last look of one may outlast its limit.
        self.setup.patience.saturating_mul(4)
    }

    /// Has the phone made ready, which ends with its browser on the probe.
    async fn probe(&mut self, _: &str) -> Result<Probed, PhoneError> {
        match self.prepare().await {
            Ok(()) => {
                self.ready = true;
                Ok(Probed::Sent)
            }
            // What arrived at the proxy says more than that the operator could not do it.
            Err(error @ NotDone::NotSeen { .. }) => Ok(Probed::Unanswered(format!("failed to {error}"))),
            Err(error) => Err(error.into()),
        }
    }

    /// Nothing was changed but by the operator, who is told what to set back. Nobody is waited for.
    async fn restore(&mut self) -> Result<(), PhoneError> {
        if !self.to_undo.is_empty() {
            let operator = &self.setup.operator;
            operator
                .tell(&format!("\nthe phone was changed by hand in this run; set back what you want back: {}", self.to_undo.join(", ")));
            self.to_undo.clear();
        }
        Ok(())
    }
}

impl From<NotDone> for PhoneError {
    fn from(error: NotDone) -> Self {
        Self::ByHand(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{App, HostPattern},
        phone::operator::{Nobody, scripted::Scripted},
    };

    struct Bench {
        sightings: Arc<Sightings>,
        prepared: Arc<AtomicBool>,
        patience: Duration,
    }

    impl Bench {
        fn new() -> Self {
            let app = App { first_party: vec![HostPattern("api.demo.test".into())], ..App::default() };
            Self { sightings: Arc::new(Sightings::new(app)), prepared: Arc::default(), patience: PATIENCE }
        }

        /// What somebody does with the phone while they are asked.
        fn deed(&self, deed: fn(&Sightings)) -> impl FnOnce() + Send + 'static {
            let sightings = Arc::clone(&self.sightings);
            move || deed(&sightings)
        }

        fn phone(&self, operator: impl Operator + 'static) -> ManualPhone {
            ManualPhone::new(ManualSetup {
                platform: Platform::Ios,
                system: System::Ios,
                app: "Demo".into(),
                operator: Arc::new(operator),
                sightings: Arc::clone(&self.sightings),
                way: Way {
                    proxy: ("192.0.2.20".into(), 8080),
                    first_page: "http://192.0.2.20:8080/".into(),
                    home: "http://tattletale.internal/".into(),
                    code: None,
                },
                prepared: Arc::clone(&self.prepared),
                patience: self.patience,
                one_look: Duration::ZERO,
            })
        }
    }

    #[test]
    fn what_can_be_done_by_hand_has_a_name_of_its_own() {
        let names: Vec<&str> = Action::ALL.into_iter().filter_map(task_of).collect();
        let different: std::collections::BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!((names.len(), different.len()), (13, 13), "{names:?}");
        let phone = Bench::new().phone(Nobody);
        for action in [Action::Screen, Action::Screenshot, Action::Record] {
            assert!(!phone.supports(action), "{action:?}: nobody tells what is on a screen");
        }
    }

    #[tokio::test]
    async fn each_preparation_is_looked_for_and_asked_for_again_when_it_is_not_seen() {
        let bench = Bench::new();
        let operator = Scripted::default()
            .then("", || {})
            .then("", || {})
            .then("", bench.deed(Sightings::came_by_proxy))
            .then("", bench.deed(|seen| seen.left_the_probe("the phone refused our certificate")))
            .then("", bench.deed(Sightings::read_the_probe));
        let mut phone = bench.phone(operator.clone());
        phone.install(Some(&AppVersion::named("7.1"))).await.expect("nobody is asked yet");
        assert_eq!(operator.told(), "");
        assert_eq!(phone.probe("https://probe.test/").await, Ok(Probed::Sent));
        let told = operator.told();
        for words in [
            "install-app: Have Demo 7.1 installed.",
            "proxy: not seen yet, there was nothing at all from the phone",
            "seen: the phone sends through the proxy",
            "certificate: not seen yet, there was a connection that could not be read: the phone refused our certificate",
            "seen: a request of the phone's was decrypted",
        ] {
            assert!(told.contains(words), "{words}: {told}");
        }
        assert!(!told.contains("or type done"), "nobody's word counts for the route");

        // The next run asks for the probe alone.
        let operator = Scripted::default().then("", bench.deed(Sightings::read_the_probe));
        let mut phone = bench.phone(operator.clone());
        phone.probe("https://probe.test/").await.expect("it is sent");
        assert!(
            !operator.told().contains("Configure Proxy") && operator.told().contains("tattletale.internal/probe"),
            "{}",
            operator.told()
        );
    }

    #[tokio::test]
    async fn a_certificate_that_is_never_trusted_is_left_to_what_arrived() {
        let bench = Bench { patience: Duration::from_millis(50), ..Bench::new() };
        bench.prepared.store(true, Ordering::SeqCst);
        let mut phone = bench.phone(Scripted::default().then("", || {}));
        let Ok(Probed::Unanswered(why)) = phone.probe("https://probe.test/").await else { panic!("it was not sent") };
        assert_eq!(why, "failed to see certificate within 50ms: there was nothing at all from the phone");
        let mut phone = bench.phone(Scripted::default());
        let unanswered = NotDone::Unanswered { name: "certificate".into(), within: bench.patience };
        assert_eq!(phone.probe("https://probe.test/").await, Err(PhoneError::ByHand(unanswered)));
    }

    #[tokio::test]
    async fn an_app_is_open_when_its_own_hosts_are_asked_for() {
        let bench = Bench::new();
        let operator = Scripted::default()
            .then("", bench.deed(|seen| seen.connected("news.test")))
            .then("", bench.deed(|seen| seen.connected("api.demo.test")))
            .then("", || {})
            .then("done", || {});
        let mut phone = bench.phone(operator.clone());
        phone.launch_app(&Launch { clear_state: true, location: Permission::Allow }).await.expect("it is open");
        assert!(operator.told().contains("open-app: not seen yet, there was traffic to news.test only"), "{}", operator.told());
        assert_eq!(
            phone.remark().expect("there is something to be said"),
            "open-app: seen: traffic to api.demo.test; its state and its location permission: not checked"
        );
        assert_eq!(phone.remark(), None, "it is said once");
        phone.pull_to_refresh().await.expect("the operator insists");
        assert_eq!(phone.remark().expect("said"), "pull-to-refresh: confirmed by the operator, and nothing of it was seen");
    }

    #[tokio::test]
    async fn what_leaves_no_trace_is_the_operators_word() {
        let bench = Bench::new();
        let mut operator = Scripted::default();
        for _ in 0..4 {
            operator = operator.then("", || {});
        }
        let mut phone = bench.phone(operator.clone());
        let position = Position::new(52.5, 4.5).expect("in range");
        assert_eq!(phone.set_location(position).await, Ok(position));
        assert_eq!(phone.remark().expect("said"), "location: confirmed by the operator, not checked");
        phone.stop_app().await.expect("done");
        phone.tap_on(&Target::Text("Sync".into())).await.expect("done");
        phone.input_text("hunter2").await.expect("done");
        assert!(!operator.told().contains("hunter2") && operator.told().contains("Tap on \"Sync\"."), "{}", operator.told());
        phone.restore().await.expect("nothing can fail");
        assert!(operator.told().contains("set back what you want back: its position"), "{}", operator.told());
        assert!(phone.is_by_hand());
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let bench = Bench { patience: Duration::from_millis(50), ..Bench::new() };
        let unanswered = NotDone::Unanswered { name: "close-app".into(), within: bench.patience };
        assert_eq!(bench.phone(Scripted::default()).stop_app().await, Err(PhoneError::ByHand(unanswered)));
        let nobody = NotDone::NobodyThere { name: "close-app".into() };
        assert_eq!(bench.phone(Nobody).stop_app().await, Err(PhoneError::ByHand(nobody)));
        bench.phone(Scripted::confirming(&["close-app"])).stop_app().await.expect("the rig file says so");
    }
}
