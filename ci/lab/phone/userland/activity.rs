//! The activity manager: which app runs, and which is in front. `am`, `monkey`.

use crate::{
    answer::Answer,
    packages::BROWSER,
    state::{Home, State},
    zygote::{self, Order},
};

/// `am COMMAND …`.
pub(crate) fn am(arguments: &[String]) -> Answer {
    let Some((command, rest)) = arguments.split_first() else { return Answer::said("Activity manager (activity) commands:\n  help\n") };
    match command.as_str() {
        "start" | "start-activity" => start(&Intent::of(rest)),
        "force-stop" | "kill" => {
            end(rest.last().map_or("", String::as_str));
            Answer::silent()
        }
        "broadcast" => Answer::said("Broadcasting: Intent { flg=0x400000 }\nBroadcast completed: result=0\n"),
        "get-current-user" => Answer::line("0"),
        _ => Answer::unknown_command(command),
    }
}

/// `monkey -p PACKAGE [-c CATEGORY] EVENTS`: of its events, only the start.
pub(crate) fn monkey(arguments: &[String]) -> Answer {
    let name = arguments.iter().skip_while(|argument| *argument != "-p").nth(1).map_or("", String::as_str);
    let Some(activity) = state().packages.get(name).and_then(|package| package.activity.clone()) else {
        return Answer::refused(252, "** No activities found to run, monkey aborted.");
    };
    start(&Intent { component: Some((name.to_owned(), activity)), ..Intent::default() });
    Answer::line("Events injected: 1\n## Network stats: elapsed time=18ms (0ms mobile, 0ms wifi, 18ms not connected)")
}

/// What is to be started.
#[derive(Debug, Default, PartialEq, Eq)]
struct Intent {
    /// Package and activity, in full.
    component: Option<(String, String)>,
    action: Option<String>,
    data: Option<String>,
    package: Option<String>,
    /// To wait until it is drawn, and say how long that took.
    wait: bool,
    /// To stop it first.
    stop: bool,
}

impl Intent {
    fn of(arguments: &[String]) -> Self {
        let mut intent = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "-W" => intent.wait = true,
                "-S" => intent.stop = true,
                "-n" => intent.component = arguments.next().and_then(|text| named(text)),
                "-a" => intent.action = arguments.next().cloned(),
                "-d" => intent.data = arguments.next().cloned(),
                "-p" => intent.package = arguments.next().cloned(),
                "-c" | "-f" | "-t" | "--user" | "--display" => drop(arguments.next()),
                "--es" | "--ez" | "--ei" => drop(arguments.nth(1)),
                text if !text.starts_with('-') && text.contains('/') && intent.component.is_none() => intent.component = named(text),
                _ => {}
            }
        }
        intent
    }

    fn shown(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.action.iter().map(|action| format!("act={action}")));
        parts.extend(self.data.iter().map(|data| format!("dat={data}")));
        parts.extend(self.component.iter().map(|(name, activity)| format!("cmp={}", component(name, activity))));
        format!("Starting: Intent {{ {} }}\n", parts.join(" "))
    }
}

fn start(intent: &Intent) -> Answer {
    let mut answer = Answer::said(intent.shown());
    let state = state();
    let target = match &intent.component {
        Some((name, activity)) => {
            state.packages.get(name).filter(|package| package.activity.as_ref() == Some(activity)).map(|_| name.clone())
        }
        // Whatever is viewed is viewed in the browser.
        None if intent.data.is_some() => Some(BROWSER.to_owned()),
        None => intent.package.clone().filter(|name| state.packages.contains_key(name)),
    };
    let Some(name) = target else {
        let wanted = intent.component.as_ref().map_or_else(String::new, |(name, activity)| format!(" {{{name}/{activity}}}"));
        answer.out.push_str(&format!("Error type 3\nError: Activity class{wanted} does not exist.\n"));
        answer.code = 1;
        return answer;
    };
    if intent.stop {
        end(&name);
    }
    let running = self::state().running.contains_key(&name);
    if running && state.front.as_deref() == Some(&name) && intent.data.is_none() {
        answer.out.push_str("Warning: Activity not started, intent has been delivered to currently running top-most instance.\n");
    }
    bring_to_front(&name);
    if !running {
        match zygote::ask(&Order::Start { package: name.clone() }) {
            Ok(_) => Home::inside().log("ActivityManager", &format!("Start proc for top-activity {name}")),
            Err(why) => {
                answer.out.push_str(&format!("Error: the process did not start: {why}\n"));
                answer.code = 1;
                return answer;
            }
        }
    }
    tell(&name, &intent.data.as_ref().map_or_else(|| "front".to_owned(), |data| format!("view {data}")));
    if intent.wait {
        let launch = if running { "HOT" } else { "COLD" };
        let activity = state.packages.get(&name).and_then(|package| package.activity.as_deref()).unwrap_or_default();
        answer.out.push_str(&format!(
            "Status: ok\nLaunchState: {launch}\nActivity: {}\nTotalTime: 412\nWaitTime: 431\nComplete\n",
            component(&name, activity)
        ));
    }
    answer
}

/// Brings an app to the front; whoever was there is told that it is not any more.
fn bring_to_front(name: &str) {
    let before = Home::inside().change(|state| state.front.replace(name.to_owned()));
    if let Ok(Some(before)) = before
        && before != name
    {
        tell(&before, "background");
    }
}

/// Shows the launcher; whoever was in front is told.
pub(crate) fn go_home() {
    if let Ok(Some(before)) = Home::inside().change(|state| state.front.take()) {
        tell(&before, "background");
    }
}

/// Ends an app, whatever it does.
pub(crate) fn end(name: &str) {
    // One that does not run cannot be ended, and need not.
    let _ = zygote::ask(&Order::Kill { package: name.to_owned() });
    let _ = Home::inside().change(|state| {
        state.running.remove(name);
        if state.front.as_deref() == Some(name) {
            state.front = None;
        }
        state.workout = false;
    });
}

/// Tells a running app that something happened.
pub(crate) fn tell(name: &str, event: &str) {
    // Who does not run misses it.
    let _ = zygote::ask(&Order::Tell { package: name.to_owned(), event: event.to_owned() });
}

/// A component as Android shortens it: `package/.Activity`.
pub(crate) fn component(name: &str, activity: &str) -> String {
    format!("{name}/{}", activity.strip_prefix(name).filter(|rest| rest.starts_with('.')).unwrap_or(activity))
}

/// A component in full: `None` without a slash.
fn named(text: &str) -> Option<(String, String)> {
    let (name, activity) = text.split_once('/')?;
    let activity = if activity.starts_with('.') { format!("{name}{activity}") } else { activity.to_owned() };
    Some((name.to_owned(), activity))
}

fn state() -> State {
    Home::inside().read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intents_are_read_as_am_reads_them() {
        let check = |text: &str, want: Intent| {
            assert_eq!(Intent::of(&text.split(' ').map(str::to_owned).collect::<Vec<_>>()), want, "{text}");
        };
        let component = Some(("a.b".to_owned(), "a.b.Main".to_owned()));
        check("-W -n a.b/.Main", Intent { component: component.clone(), wait: true, ..Intent::default() });
        check("-S a.b/a.b.Main", Intent { component, stop: true, ..Intent::default() });
        check(
            "-a android.intent.action.VIEW -d https://probe.test/x",
            Intent {
                action: Some("android.intent.action.VIEW".to_owned()),
                data: Some("https://probe.test/x".to_owned()),
                ..Intent::default()
            },
        );
    }
}
