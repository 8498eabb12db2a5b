//! The process that apps are children of, in a mount namespace of its own; each app gets one that is made from it. Starts apps, hands
//! them what happens, and ends them. What is told to whom is the activity manager's.

use std::{
    collections::HashMap,
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use serde::{Deserialize, Serialize};

use crate::{answer::Answer, packages, state::Home};

/// What it can be asked for: an object a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Order {
    /// Start this package's process.
    Start { package: String },
    /// Hand this event to it.
    Tell { package: String, event: String },
    /// End it, and wait until it has ended.
    Kill { package: String },
}

/// Asks for something. `Err` with words.
pub(crate) fn ask(order: &Order) -> Result<String, String> {
    let reach = |error: io::Error| format!("the zygote does not answer: {error}");
    let mut socket = UnixStream::connect(SOCKET).map_err(reach)?;
    writeln!(socket, "{}", serde_json::to_string(order).map_err(|error| error.to_string())?).map_err(reach)?;
    let mut answer = String::new();
    BufReader::new(socket).read_line(&mut answer).map_err(reach)?;
    match answer.trim_end().split_once(' ').unwrap_or((answer.trim_end(), "")) {
        ("ok", said) => Ok(said.to_owned()),
        (_, why) => Err(why.to_owned()),
    }
}

/// Runs until the phone is switched off.
pub(crate) fn zygote(_: &[String]) -> Answer {
    // The one of an earlier zygote that ended.
    let _ = fs::remove_file(SOCKET);
    let listener = match UnixListener::bind(SOCKET) {
        Ok(listener) => listener,
        Err(error) => return Answer::failed(1, format!("zygote64: {error}")),
    };
    let apps = Arc::new(Mutex::new(Apps::new()));
    for socket in listener.incoming().flatten() {
        let apps = Arc::clone(&apps);
        thread::spawn(move || {
            let mut line = String::new();
            let mut reader = BufReader::new(&socket);
            if reader.read_line(&mut line).is_ok() {
                let answer = match serde_json::from_str(&line).map_err(|error| error.to_string()).and_then(|order| obey(order, &apps)) {
                    Ok(said) => format!("ok {said}\n"),
                    Err(why) => format!("error {why}\n"),
                };
                let _ = (&socket).write_all(answer.as_bytes());
            }
        });
    }
    Answer::silent()
}

type Apps = HashMap<String, App>;

struct App {
    child: Arc<Mutex<Child>>,
    pid: u32,
    events: ChildStdin,
}

fn obey(order: Order, apps: &Arc<Mutex<Apps>>) -> Result<String, String> {
    match order {
        Order::Start { package } => start(package, apps),
        Order::Tell { package, event } => {
            let mut apps = lock(apps);
            let app = apps.get_mut(&package).ok_or("it does not run")?;
            writeln!(app.events, "{event}").and_then(|()| app.events.flush()).map_err(|error| error.to_string())?;
            Ok(String::new())
        }
        Order::Kill { package } => {
            let app = lock(apps).remove(&package).ok_or("it does not run")?;
            let mut child = lock(&app.child);
            let _ = child.kill();
            let _ = child.wait();
            Ok(String::new())
        }
    }
}

fn start(package: String, apps: &Arc<Mutex<Apps>>) -> Result<String, String> {
    let mut running = lock(apps);
    if let Some(app) = running.get(&package) {
        // One that ended by itself is started anew.
        if matches!(lock(&app.child).try_wait(), Ok(None)) {
            return Ok(app.pid.to_string());
        }
    }
    let log = fs::File::options().append(true).create(true).open(Home::inside().file("app.log")).map_err(|error| error.to_string())?;
    fs::create_dir_all(packages::data_of(&package)).map_err(|error| error.to_string())?;
    // In a mount namespace of its own, under the package's name, and without a way to mount anything itself.
    let script = "exec -a \"$0\" /usr/bin/java -Xshare:auto -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx96m \
                  -cp /system/app/classes:/usr/share/java/okhttp.jar:/usr/share/java/okio.jar \"$@\"";
    let mut child = Command::new("/usr/bin/unshare")
        .args(["--mount", "--propagation", "slave", "--", "/usr/bin/setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"])
        .args(["/bin/bash", "-c", script, &package, "App", &package])
        .current_dir(packages::data_of(&package))
        .stdin(Stdio::piped())
        .stdout(log.try_clone().map_err(|error| error.to_string())?)
        .stderr(log)
        .spawn()
        .map_err(|error| error.to_string())?;
    let pid = child.id();
    let events = child.stdin.take().ok_or("it hears nothing")?;
    running.insert(package.clone(), App { child: Arc::new(Mutex::new(child)), pid, events });
    drop(running);
    Home::inside().change(|state| state.running.insert(package, pid)).map_err(|error| error.to_string())?;
    Ok(pid.to_string())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const SOCKET: &str = "/dev/socket/zygote";
