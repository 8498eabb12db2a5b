//! What is on the screen and what is done to it: `input`, `uiautomator`, `screencap`, `screenrecord`, `wm`.

use std::{fs, io::Write, thread, time::Duration};

use crate::{
    activity,
    answer::Answer,
    packages::BROWSER,
    state::{Fault, Home, State},
};

/// The screen's size in points.
const WIDTH: u32 = 1080;
const HEIGHT: u32 = 2400;

/// `input [touchscreen|keyboard] tap|swipe|text|keyevent …`.
pub(crate) fn input(arguments: &[String]) -> Answer {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let arguments = match arguments[..] {
        ["touchscreen" | "keyboard" | "dpad", ref rest @ ..] => rest.to_vec(),
        _ => arguments,
    };
    let Some((command, rest)) = arguments.split_first() else {
        return Answer::failed(255, "Error: Unknown command: null");
    };
    let state = state();
    if state.has(Fault::InputRefused) {
        let exception = "java.lang.SecurityException: Injecting input events requires the caller (or the source of the instrumentation, if any) \
                         to have the INJECT_EVENTS permission.";
        return Answer::exception(
            command,
            exception,
            "com.android.server.input.InputManagerService.injectInputEventToTarget(InputManagerService.java:944)",
        );
    }
    let numbers: Vec<f64> = rest.iter().map_while(|number| number.parse().ok()).collect();
    match (*command, &numbers[..]) {
        ("tap", [x, y]) => tap(&state, *x, *y),
        ("swipe" | "draganddrop", [x, from, _, to, ..]) => swipe(&state, *x, *from, *to),
        ("text", _) if rest.len() == 1 => {
            // `%s` is how a space is typed.
            let typed = rest[0].replace("%s", " ");
            let _ = Home::inside().change(|state| state.typed.push_str(&typed));
        }
        ("keyevent", _) => rest.iter().filter(|key| !key.starts_with('-')).for_each(|key| press(&state, key)),
        _ => return Answer::failed(255, format!("Error: Invalid arguments for command: {command}")),
    }
    Answer::silent()
}

fn tap(state: &State, x: f64, y: f64) {
    let under = nodes(state).into_iter().rev().find(|node| node.clickable && node.holds(x, y));
    let (Some(node), Some(front)) = (under, &state.front) else { return };
    match node.id {
        "workout" => {
            let _ = Home::inside().change(|state| state.workout = !state.workout);
            activity::tell(front, if state.workout { "workout-stop" } else { "workout-start" });
        }
        "search" => {
            let _ = Home::inside().change(|state| state.typed.clear());
        }
        _ => {}
    }
}

/// Down over the list by a tenth of the screen at least: pulled to refresh.
fn swipe(state: &State, x: f64, from: f64, to: f64) {
    let pulled = to - from >= f64::from(HEIGHT) / 10.0;
    let list = nodes(state).into_iter().any(|node| node.scrollable && node.holds(x, from));
    if let (true, true, Some(front)) = (pulled, list, &state.front) {
        activity::tell(front, "refresh");
    }
}

fn press(state: &State, key: &str) {
    match key.strip_prefix("KEYCODE_").unwrap_or(key) {
        // The app has one screen, so that "back" leaves it, too.
        "HOME" | "3" | "BACK" | "4" if !state.locked => activity::go_home(),
        "POWER" | "26" => {
            let _ = Home::inside().change(|state| state.screen_on = !state.screen_on);
        }
        "WAKEUP" | "224" => {
            let _ = Home::inside().change(|state| state.screen_on = true);
        }
        "SLEEP" | "223" => {
            let _ = Home::inside().change(|state| state.screen_on = false);
        }
        _ => {}
    }
}

/// `uiautomator dump [--compressed] [FILE]`.
pub(crate) fn uiautomator(arguments: &[String]) -> Answer {
    if arguments.first().map(String::as_str) != Some("dump") {
        return Answer::failed(1, "Usage: uiautomator <subcommand> [options]");
    }
    let state = state();
    let moves = ["window_animation_scale", "transition_animation_scale", "animator_duration_scale"]
        .iter()
        .any(|scale| state.setting("global", scale).is_none_or(|scale| scale.parse() != Ok(0.0)));
    if state.has(Fault::NeverIdle) || state.has(Fault::Animated) && moves {
        // The real one gives up after ten seconds; nothing is learned by waiting that long here.
        thread::sleep(Duration::from_millis(300));
        return Answer { err: "ERROR: could not get idle state.\n".to_owned(), ..Answer::silent() };
    }
    let file = arguments.iter().skip(1).find(|argument| !argument.starts_with('-')).map_or("/sdcard/window_dump.xml", String::as_str);
    let hierarchy = hierarchy(&state);
    // The word is misspelt in Android, too.
    let done = format!("UI hierchary dumped to: {file}\n");
    if file.starts_with("/dev/") {
        return Answer::said(format!("{hierarchy}{done}"));
    }
    match fs::write(file, hierarchy) {
        Ok(()) => Answer::said(done),
        Err(error) => Answer::failed(1, format!("java.io.FileNotFoundException: {file}: open failed: {error}")),
    }
}

/// `screencap [-p] [FILE]`: a picture in one colour, which says who is in front.
pub(crate) fn screencap(arguments: &[String]) -> Answer {
    let state = state();
    let shade = match state.front.as_deref() {
        _ if state.locked || !state.screen_on => 0x10,
        Some(BROWSER) => 0x60,
        Some(_) => 0xa0,
        None => 0xf0,
    };
    let picture = png(shade);
    let written = match arguments.iter().find(|argument| !argument.starts_with('-')) {
        Some(file) => fs::write(file, picture),
        None => std::io::stdout().write_all(&picture),
    };
    match written {
        Ok(()) => Answer::silent(),
        Err(error) => Answer::failed(1, format!("Error opening file: ({error})")),
    }
}

/// `screenrecord [--time-limit SECONDS] FILE`: a film without pictures, finished whenever it is stopped.
pub(crate) fn screenrecord(arguments: &[String]) -> Answer {
    let limit =
        arguments.iter().skip_while(|argument| *argument != "--time-limit").nth(1).and_then(|limit| limit.parse().ok()).unwrap_or(180);
    let Some(file) = arguments.last().filter(|file| file.starts_with('/')) else {
        return Answer::failed(2, "Must specify output file (see --help).");
    };
    // The boxes of an empty MP4 (ISO 14496-12): which kind of file, and room.
    let film = [&[0, 0, 0, 24][..], b"ftypmp42", &[0, 0, 0, 0], b"isommp42", &[0, 0, 0, 8], b"free"].concat();
    if let Err(error) = fs::write(file, film) {
        return Answer::failed(1, format!("Unable to open '{file}': {error}"));
    }
    thread::sleep(Duration::from_secs(limit));
    Answer::silent()
}

/// `wm size|density|dismiss-keyguard`.
pub(crate) fn wm(arguments: &[String]) -> Answer {
    match arguments.first().map(String::as_str) {
        Some("size") => Answer::line(format!("Physical size: {WIDTH}x{HEIGHT}")),
        Some("density") => Answer::line("Physical density: 440"),
        // A lock with a secret stays.
        Some("dismiss-keyguard") => Answer::silent(),
        other => Answer::unknown_command(other.unwrap_or_default()),
    }
}

/// Something on the screen.
struct Node {
    text: String,
    id: &'static str,
    class: &'static str,
    clickable: bool,
    scrollable: bool,
    /// Left, top, right, bottom.
    bounds: [u32; 4],
}

impl Node {
    fn holds(&self, x: f64, y: f64) -> bool {
        let [left, top, right, bottom] = self.bounds.map(f64::from);
        (left..right).contains(&x) && (top..bottom).contains(&y)
    }
}

/// What is on the screen, the furthest back first.
fn nodes(state: &State) -> Vec<Node> {
    let node = |text: &str, id, class, bounds| Node { text: text.to_owned(), id, class, clickable: false, scrollable: false, bounds };
    let button = |text: &str, id, bounds| Node { clickable: true, ..node(text, id, "android.widget.Button", bounds) };
    if !state.screen_on || state.locked {
        return vec![node("Locked", "keyguard_message_area", "android.widget.TextView", [300, 300, 780, 380])];
    }
    match state.front.as_deref() {
        None => vec![node("Stand-in Health", "icon", "android.widget.TextView", [60, 1900, 300, 2160])],
        Some(BROWSER) => vec![node("Browser", "url_bar", "android.widget.EditText", [100, 100, 980, 200])],
        Some(_) => {
            let field = node(&state.typed, "search", "android.widget.EditText", [48, 240, 1032, 340]);
            vec![
                node("Stand-in Health", "title", "android.widget.TextView", [48, 120, 800, 220]),
                Node { clickable: true, ..field },
                Node { scrollable: true, ..node("", "refresh", "android.widget.ScrollView", [0, 360, 1080, 1900]) },
                node("Pull down to sync", "status", "android.widget.TextView", [48, 380, 1032, 480]),
                button(if state.workout { "Stop" } else { "Workout" }, "workout", [340, 1960, 740, 2100]),
            ]
        }
    }
}

fn hierarchy(state: &State) -> String {
    let package = match state.front.as_deref() {
        _ if state.locked || !state.screen_on => "com.android.systemui",
        Some(front) => front,
        None => "com.android.launcher3",
    };
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let shown =
        |index: usize, text: &str, id: &str, class: &str, clickable: bool, scrollable: bool, [left, top, right, bottom]: [u32; 4]| {
            let id = if id.is_empty() { String::new() } else { format!("{package}:id/{id}") };
            format!(
                "<node index=\"{index}\" text=\"{}\" resource-id=\"{id}\" class=\"{class}\" package=\"{package}\" content-desc=\"\" \
             checkable=\"false\" checked=\"false\" clickable=\"{clickable}\" enabled=\"true\" focusable=\"{clickable}\" focused=\"false\" \
             scrollable=\"{scrollable}\" long-clickable=\"false\" password=\"false\" selected=\"false\" \
             bounds=\"[{left},{top}][{right},{bottom}]\"",
                escaped(text)
            )
        };
    let mut xml = "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?><hierarchy rotation=\"0\">".to_owned();
    xml.push_str(&format!("{}>", shown(0, "", "", "android.widget.FrameLayout", false, false, [0, 0, WIDTH, HEIGHT])));
    for (index, node) in nodes(state).iter().enumerate() {
        xml.push_str(&format!("{} />", shown(index, &node.text, node.id, node.class, node.clickable, node.scrollable, node.bounds)));
    }
    xml.push_str("</node></hierarchy>");
    xml
}

/// A picture of the screen's size in one shade of grey (PNG, 8 bits a point).
fn png(shade: u8) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut sum = crc32fast::Hasher::new();
        sum.update(kind);
        sum.update(data);
        let length = u32::try_from(data.len()).unwrap_or_default();
        [&length.to_be_bytes()[..], kind, data, &sum.finalize().to_be_bytes()].concat()
    };
    let mut line = vec![shade; WIDTH as usize + 1];
    // How the line is filtered: not at all.
    line[0] = 0;
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..HEIGHT {
        // A vector takes everything.
        let _ = packed.write_all(&line);
    }
    let head = [&WIDTH.to_be_bytes()[..], &HEIGHT.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    let data = packed.finish().unwrap_or_default();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &head), chunk(b"IDAT", &data), chunk(b"IEND", &[])].concat()
}

fn state() -> State {
    Home::inside().read().unwrap_or_default()
}
