//! The phone's screen: what is on it, and touching it. Places are in percent; the phone wants pixels.

use std::time::Duration;

use quick_xml::{Reader, events::Event};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    super::{Element, Key, Percent, PhoneError, Screen, Swipe, Target},
    changes::Changes,
    client::{Adb, Answer, QUERY, quoted},
    error::{AdbError, cut},
};
use crate::model::{Captured, PhoneChange};

/// What is on the screen. A screen that never comes to rest is looked at once more with its animations off.
///
/// # Errors
/// [`AdbError::NeverIdle`], and what the phone says.
pub(super) async fn look(changes: &mut Changes) -> Result<Screen, PhoneError> {
    // Noted before: a link that breaks between the two leaves the file, and what a screen shows is a person's.
    changes.will(PhoneChange::File { path: FILE.to_owned() })?;
    match dump(&changes.adb).await {
        Err(AdbError::NeverIdle) => {}
        other => return Ok(other?),
    }
    for key in ["window_animation_scale", "transition_animation_scale", "animator_duration_scale"] {
        changes.setting("global", key, Some("0")).await?;
    }
    Ok(dump(&changes.adb).await?)
}

async fn dump(adb: &Adb) -> Result<Screen, AdbError> {
    let what = "look at the screen";
    let script = format!("uiautomator dump --compressed {FILE} && cat {FILE}; status=$?; rm -f {FILE}; exit $status");
    let answer = adb.script(&script, what, LOOK).await?;
    if answer.stdout.contains("could not get idle state") || answer.stderr.contains("could not get idle state") {
        return Err(AdbError::NeverIdle);
    }
    let Some(start) = answer.stdout.find("<?xml").or_else(|| answer.stdout.find("<hierarchy")) else {
        return Err(AdbError::of_command(what, &answer.stdout, &answer.stderr));
    };
    parse(&answer.stdout[start..]).ok_or_else(|| AdbError::NotUnderstood { what: what.to_owned(), said: cut(&answer.stdout[start..]) })
}

/// Reads what `uiautomator dump` writes; `None` when it is no such file.
fn parse(xml: &str) -> Option<Screen> {
    let mut reader = Reader::from_str(xml);
    let mut elements = Vec::new();
    let mut hierarchy = false;
    loop {
        match reader.read_event() {
            Ok(Event::Eof) => break,
            // What was read until here is on the screen all the same.
            Err(_) => break,
            Ok(Event::Start(tag) | Event::Empty(tag)) => match tag.name().as_ref() {
                "hierarchy" => hierarchy = true,
                "node" if elements.len() < MOST => {
                    let mut element = Element::default();
                    for attribute in tag.attributes().with_checks(false).flatten() {
                        let value = || quick_xml::escape::unescape(&attribute.value).map(|text| text.into_owned()).unwrap_or_default();
                        match attribute.key.as_ref() {
                            "text" => element.text = value(),
                            "content-desc" => element.description = value(),
                            "resource-id" => element.id = value(),
                            "bounds" => element.bounds = bounds(&value()).unwrap_or_default(),
                            _ => {}
                        }
                    }
                    elements.push(element);
                }
                _ => {}
            },
            Ok(_) => {}
        }
    }
    hierarchy.then_some(Screen { elements })
}

/// `[100,200][300,280]`.
fn bounds(text: &str) -> Option<[i32; 4]> {
    let numbers: Vec<i32> = text.split(['[', ']', ',']).filter(|part| !part.is_empty()).map(str::parse).collect::<Result<_, _>>().ok()?;
    numbers.try_into().ok()
}

/// Taps on something.
///
/// # Errors
/// [`PhoneError::AppNotInFront`] with what there is instead.
pub(super) async fn tap(changes: &mut Changes, target: &Target) -> Result<(), PhoneError> {
    let (x, y) = if let Target::Point(at) = target {
        pixels(size(&changes.adb).await?, *at)
    } else {
        let screen = look(changes).await?;
        let missing = || PhoneError::AppNotInFront(format!("nothing in front is named {target}: {}", screen.in_words()));
        screen.find(target).ok_or_else(missing)?.middle()
    };
    Ok(touch(&changes.adb, &["tap", &x.to_string(), &y.to_string()]).await?)
}

/// Moves a finger.
///
/// # Errors
/// What the phone says.
pub(super) async fn swipe(adb: &Adb, swipe: &Swipe) -> Result<(), AdbError> {
    let size = size(adb).await?;
    let ((from_x, from_y), (to_x, to_y)) = (pixels(size, swipe.from), pixels(size, swipe.to));
    let numbers = [from_x, from_y, to_x, to_y].map(|number| number.to_string());
    let takes = swipe.takes.as_millis().clamp(1, 60_000).to_string();
    let arguments = ["swipe", &numbers[0], &numbers[1], &numbers[2], &numbers[3], &takes];
    touch(adb, &arguments).await
}

/// Types a text, which may be a secret: it comes to the phone on a standard input, and no error repeats it. On the phone itself it stands
/// among the arguments of `input` as long as that runs, which Android shows to the shell and to root, and since Android 7 to no app. The
/// phone's keyboard has ASCII alone.
///
/// # Errors
/// [`PhoneError::Unsupported`] for another character, which is not repeated.
pub(super) async fn text(adb: &Adb, text: &str) -> Result<(), PhoneError> {
    if text.chars().any(|c| !(' '..='~').contains(&c)) {
        return Err(PhoneError::Unsupported("it types letters, digits and signs of ASCII, and the text holds something else".to_owned()));
    }
    // The program takes `%s` for a space, so that one that is meant is typed in two halves.
    let spaced = text.replace("%s", "%\0s");
    for piece in spaced.split('\0').filter(|piece| !piece.is_empty()) {
        let typed = piece.replace(' ', "%s");
        let line = Captured::new(format!("{typed}\n"));
        let answer = adb.script_reading(TYPE, Some(line), TOUCH, QUERY).await?;
        // A phone that refuses may say what.
        let unsaid = |said: &str| said.replace(&typed, "…").replace(piece, "…");
        taken(&Answer { stdout: unsaid(&answer.stdout), stderr: unsaid(&answer.stderr), ..answer })?;
    }
    Ok(())
}

/// Presses a key.
///
/// # Errors
/// What the phone says.
pub(super) async fn press(adb: &Adb, key: Key) -> Result<(), AdbError> {
    touch(adb, &["keyevent", code(key)]).await
}

/// Key codes of `android.view.KeyEvent`.
const fn code(key: Key) -> &'static str {
    match key {
        Key::Home => "3",
        Key::Back => "4",
        Key::VolumeUp => "24",
        Key::VolumeDown => "25",
        Key::Power => "26",
        Key::Tab => "61",
        Key::Enter => "66",
        Key::Backspace => "67",
        // KEYCODE_SLEEP: off, whatever it was.
        Key::Lock => "223",
    }
}

/// Runs `input`.
async fn touch(adb: &Adb, arguments: &[&str]) -> Result<(), AdbError> {
    taken(&adb.shell(&[&["input"], arguments].concat(), TOUCH).await?)
}

/// Whether `input` did what it was told: its status is 0 on some phones that refused.
fn taken(answer: &Answer) -> Result<(), AdbError> {
    if answer.status == 0 && !answer.stderr.contains("Exception") && !answer.stdout.contains("Exception") {
        return Ok(());
    }
    Err(AdbError::of_command(TOUCH, &answer.stdout, &answer.stderr))
}

/// Width and height in pixels.
async fn size(adb: &Adb) -> Result<(i32, i32), AdbError> {
    let what = "ask how large the screen is";
    let said = adb.ask(&["wm", "size"], what).await?;
    parse_size(&said).ok_or_else(|| AdbError::NotUnderstood { what: what.to_owned(), said: cut(&said) })
}

/// `Physical size: 1080x2400`, and below it what somebody set instead.
fn parse_size(said: &str) -> Option<(i32, i32)> {
    let of = |name: &str| {
        let (width, height) = said.lines().find_map(|line| line.trim().strip_prefix(name)?.trim().split_once('x'))?;
        Some((width.parse().ok()?, height.parse().ok()?))
    };
    of("Override size:").or_else(|| of("Physical size:"))
}

#[expect(clippy::cast_possible_truncation, reason = "a screen has a few thousand pixels, and percent end at 100")]
fn pixels((width, height): (i32, i32), at: Percent) -> (i32, i32) {
    let of = |size: i32, percent: f64| ((f64::from(size) * percent / 100.0) as i32).clamp(0, size.saturating_sub(1).max(0));
    (of(width, at.x), of(height, at.y))
}

/// The screen as a PNG file, whole to its last chunk: adb does not say when it was cut off.
///
/// # Errors
/// When it was.
pub(super) async fn picture(adb: &Adb) -> Result<Vec<u8>, AdbError> {
    let what = "make a picture of the screen";
    let bytes = adb.bytes(&["screencap", "-p"], what).await?;
    if !bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Err(AdbError::NotUnderstood { what: what.to_owned(), said: cut(&String::from_utf8_lossy(&bytes[..bytes.len().min(400)])) });
    }
    // The last chunk is IEND, without content: length, name, CRC (PNG specification, section 11.2.5).
    if bytes.ends_with(b"\0\0\0\0IEND\xaeB`\x82") { Ok(bytes) } else { Err(AdbError::LinkLost { during: what.to_owned() }) }
}

/// A recording that goes on: adb waits for it. What a shell leaves in the background on the phone would not hear that it is over.
pub(super) type Recording = JoinHandle<Result<(), AdbError>>;

/// Begins to record the screen into a file of the phone's.
///
/// # Errors
/// What the phone says.
pub(super) async fn record(adb: &Adb, file: &'static str) -> Result<Recording, AdbError> {
    let what = "record the screen";
    let of_phone = adb.clone();
    let recording = tokio::spawn(async move { of_phone.long(&format!("exec screenrecord --time-limit 180 {file}"), what, LONGEST).await });
    let until = Instant::now() + BEGINS;
    while !recording.is_finished() && Instant::now() < until {
        if adb.script(&format!("[ -s {file} ]"), what, QUERY).await?.status == 0 {
            return Ok(recording);
        }
        sleep(LOOK_AGAIN).await;
    }
    if !recording.is_finished() {
        recording.abort();
        return Err(AdbError::TimedOut { what: what.to_owned(), within: BEGINS });
    }
    match recording.await {
        Ok(Err(error)) => Err(error),
        _ => Err(AdbError::LinkLost { during: what.to_owned() }),
    }
}

/// Ends the recording, and gives it.
///
/// # Errors
/// What the phone says; [`AdbError::LinkLost`] when it did not come over whole.
pub(super) async fn recorded(adb: &Adb, file: &str, recording: Recording) -> Result<Vec<u8>, AdbError> {
    let what = "end the recording of the screen";
    // It writes the file's index when it is interrupted, and is gone when that is done.
    adb.script(&stop_recording(file), what, QUERY).await?;
    match timeout(ENDS, recording).await {
        Err(_) => return Err(AdbError::TimedOut { what: what.to_owned(), within: ENDS }),
        Ok(Ok(Err(error))) => return Err(error),
        Ok(_) => {}
    }
    let answer = adb.shell(&["stat", "-c", "%s", file], what).await?;
    let Some(size) = answer.stdout.trim().parse::<usize>().ok().filter(|_| answer.status == 0) else {
        return Err(AdbError::of_command(what, &answer.stdout, &answer.stderr));
    };
    let bytes = adb.bytes(&["cat", file], what).await?;
    if bytes.len() == size { Ok(bytes) } else { Err(AdbError::LinkLost { during: what.to_owned() }) }
}

/// A script that interrupts what records the screen into this file: by its program's name as well, because the shell that waits for it has
/// the file's name in its own command line. Somebody else's recording goes on.
pub(super) fn stop_recording(file: &str) -> String {
    let file = quoted(file);
    format!("for pid in $(pidof screenrecord); do grep -qF {file} /proc/$pid/cmdline 2>/dev/null && kill -INT $pid; done; true")
}

/// Types the line that it reads. Whatever `input` starts has nothing of it to read.
const TYPE: &str = r#"IFS= read -r text && input text "$text" </dev/null"#;
/// What `input` is for, after "failed to".
const TOUCH: &str = "touch the screen";
/// Where `uiautomator` writes what it sees.
const FILE: &str = "/data/local/tmp/tattletale-screen.xml";
/// It waits ten seconds for a screen to come to rest.
const LOOK: Duration = Duration::from_secs(30);
/// A recording ends by itself after three minutes.
const LONGEST: Duration = Duration::from_secs(200);
/// A recording has begun within this time.
const BEGINS: Duration = Duration::from_secs(10);
/// A recording that was ended is written within this time.
const ENDS: Duration = Duration::from_secs(30);
/// How often it is looked whether it has begun.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Most elements that are kept of a screen.
const MOST: usize = 5000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_read_with_its_entities() {
        let screen = parse(
            r#"<?xml version='1.0' encoding='UTF-8' standalone='yes' ?><hierarchy rotation="0"><node text="" resource-id="" bounds="[0,0][1080,2400]">
            <node text="Today &amp; you &#10;" resource-id="com.example.test:id/sync" content-desc="Sync" bounds="[100,200][300,280]" /></node></hierarchy>"#,
        )
        .expect("a screen");
        assert_eq!(screen.elements.len(), 2);
        assert_eq!((screen.elements[1].text.as_str(), screen.elements[1].middle()), ("Today & you \n", (200, 240)));
        assert!(screen.find(&Target::Id("sync".into())).is_some());
        assert_eq!(parse("ERROR: null root node returned by UiTestAutomationBridge."), None);
        assert_eq!(parse("<html><node text='x'/></html>"), None);
        assert_eq!(parse("<hierarchy><node text='cut off").map(|screen| screen.elements.len()), Some(0));
    }

    #[test]
    fn a_screen_has_the_size_that_was_set_for_it() {
        assert_eq!(parse_size("Physical size: 1080x2400\n"), Some((1080, 2400)));
        assert_eq!(parse_size("Physical size: 1080x2400\nOverride size: 720x1600\n"), Some((720, 1600)));
        assert_eq!(parse_size("error"), None);
        assert_eq!(pixels((1080, 2400), Percent { x: 50.0, y: 100.0 }), (540, 2399));
        assert_eq!(bounds("[-1,2][3]"), None);
    }
}
