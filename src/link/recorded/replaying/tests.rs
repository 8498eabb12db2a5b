//! Recording and replaying together: what is played back is what was recorded, and every departure is found.

use std::{io, sync::Arc};

use jiff::Timestamp;

use super::*;
use crate::{
    clock::Clock,
    link::{
        behaviour,
        recorded::{Discretion, Recording},
        sig_uuid,
        simulated::{Echo, SimulatedCentral},
    },
};

const BATTERY: Uuid = sig_uuid(0x2a19);
const RATE: Uuid = sig_uuid(0x2a37);
const ECHO: Uuid = sig_uuid(0x2a06);
const WAIT: Duration = Duration::from_secs(5);

/// A place to write to that can be looked at.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic while locked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn transcript(&self) -> Transcript {
        Transcript::read(&self.0.lock().expect("no panic while locked")[..]).expect("ours")
    }
}

fn echo() -> Arc<SimulatedCentral<Echo>> {
    Arc::new(SimulatedCentral::new(Echo::default(), Clock::simulated(Timestamp::UNIX_EPOCH)))
}

/// Keeps what the echo shouts, and no byte after a first 7.
fn discretion() -> Discretion {
    Discretion { named: vec![Echo::ADDRESS], secret_in: |_, value| value.starts_with(&[7]).then_some(1..value.len()) }
}

fn recording() -> (Recording, Shared) {
    recording_with(discretion())
}

fn recording_with(discretion: Discretion) -> (Recording, Shared) {
    let written = Shared::default();
    let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
    let recording = Recording::new(echo(), Box::new(written.clone()), clock, discretion).expect("memory");
    (recording, written)
}

/// A conversation of a few words, in a transcript.
async fn talk() -> Transcript {
    let (recording, written) = recording();
    recording.scan(WAIT).await.expect("it advertises");
    let mut link = recording.connect(Echo::ADDRESS).await.expect("it advertises");
    link.read(BATTERY).await.expect("it can be read");
    link.subscribe(RATE).await.expect("it notifies");
    link.write(ECHO, &[1, 2, 3], WriteKind::WithResponse).await.expect("it takes it");
    link.notification(WAIT).await.expect("it comes");
    assert_eq!(link.notification(WAIT).await, Err(LinkError::Silent(WAIT)));
    link.disconnect().await.expect("it is let go");
    recording.finish().expect("memory");
    recording.finish().expect("ending twice is no error");
    written.transcript()
}

#[tokio::test]
async fn a_recording_behaves_as_every_link_does_and_so_does_its_replay() {
    let (recording, written) = recording();
    behaviour::check(&recording, &Echo::expected()).await;
    recording.finish().expect("memory");
    let transcript = written.transcript();
    assert_eq!(transcript.torn(), None);
    let replaying = Replaying::new(transcript);
    behaviour::check(&replaying, &Echo::expected()).await;
    assert!(replaying.unused().is_empty(), "{:?}", replaying.unused());
}

#[tokio::test]
async fn strangers_are_left_out_and_so_is_a_key() {
    let (recording, written) = recording_with(Discretion { named: Vec::new(), ..discretion() });
    assert_eq!(recording.scan(WAIT).await.map(|seen| seen.len()), Ok(1), "who records hears all the same");
    let heard = recording.listen_to(Echo::ADDRESS, WAIT, &mut |_| std::ops::ControlFlow::Break(())).await;
    assert_eq!(heard, Ok(crate::link::Presence::Heard));
    let mut link = recording.connect(Echo::ADDRESS).await.expect("it advertises");
    link.write(ECHO, &[7, 0xa1, 0xa2], WriteKind::WithResponse).await.expect("it takes it");
    link.disconnect().await.expect("it is let go");
    recording.finish().expect("memory");
    let text = String::from_utf8(written.0.lock().expect("no panic while locked").clone()).expect("text");
    assert!(!text.contains("Echo") && text.contains(r#""heard":[]"#), "{text}");
    assert!(!text.contains("a1a2") && text.contains(r#""value":"070000""#), "{text}");

    let replaying = Replaying::new(written.transcript());
    assert_eq!(replaying.scan(WAIT).await, Ok(Vec::new()), "a replay does not hear them");
    replaying.scan(WAIT).await.expect("as then");
    let mut link = replaying.connect(Echo::ADDRESS).await.expect("as then");
    assert_eq!(link.write(ECHO, &[7, 1, 2], WriteKind::WithResponse).await, Ok(()), "any key stands for the one left out");
}

#[tokio::test]
async fn random_numbers_are_kept_and_given_again() {
    let (recording, written) = recording();
    let mut link = recording.connect(Echo::ADDRESS).await.expect("it advertises");
    let (mut then, mut now) = ([0; 24], [0; 24]);
    link.random(&mut then).expect("this machine has some");
    link.disconnect().await.expect("it is let go");
    recording.finish().expect("memory");
    let replaying = Replaying::new(written.transcript());
    let mut link = replaying.connect(Echo::ADDRESS).await.expect("as then");
    link.random(&mut now).expect("as then");
    assert_eq!((then, then == [0; 24]), (now, false));
    assert!(matches!(link.random(&mut now), Err(LinkError::Departed(_))), "there are no more");
}

#[tokio::test]
async fn who_stops_listening_is_recorded_up_to_there() {
    /// Hears the echo, and then nothing for ever.
    struct Endless;
    #[async_trait]
    impl Central for Endless {
        async fn scan_each(&self, _: Duration, seen: &mut (dyn FnMut(Advertisement) + Send)) -> Result<(), LinkError> {
            echo().scan_each(WAIT, seen).await?;
            std::future::pending().await
        }
        async fn connect(&self, _: [u8; 6]) -> Result<Box<dyn GattLink>, LinkError> {
            Err(LinkError::NotFound)
        }
    }
    let written = Shared::default();
    let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
    let recording = Recording::new(Arc::new(Endless), Box::new(written.clone()), clock, discretion()).expect("memory");
    let heard = tokio::sync::Notify::new();
    let mut hear = |_| heard.notify_one();
    tokio::select! {
        _ = recording.scan_each(WAIT, &mut hear) => panic!("it never ends"),
        () = heard.notified() => {}
    }
    recording.finish().expect("memory");
    assert_eq!(Replaying::new(written.transcript()).scan(WAIT).await.map(|seen| seen.len()), Ok(1));
}

#[tokio::test]
async fn a_departure_is_told_with_what_was_written_and_what_is_asked_and_without_values() {
    let transcript = talk().await;
    for (step, words) in [
        (0, "line 4 has a read of 00002a19"),
        (1, "line 6 has a write of 3 bytes to 00002a06-0000-1000-8000-00805f9b34fb with response, and a write of 3 bytes"),
        (2, "line 6 has a write of 3 bytes to 00002a06-0000-1000-8000-00805f9b34fb with response, and a write of 2 bytes"),
        (3, "line 7 has a notification within 5000 ms, and a read of 00002a19"),
        (4, "line 8 has a notification within 5000 ms, and a notification within 5001 ms is asked for (what came later was not heard)"),
        (5, "line 3 has a connection, and a connection is asked for"),
    ] {
        let replaying = Replaying::new(transcript.clone());
        replaying.scan(WAIT).await.expect("as then");
        let mut address = Echo::ADDRESS;
        address[5] ^= u8::from(step == 5);
        let error = async {
            let mut link = replaying.connect(address).await?;
            if step == 0 {
                link.read(RATE).await?;
            }
            link.read(BATTERY).await?;
            link.subscribe(RATE).await?;
            let value: &[u8] = match step {
                1 => &[1, 2, 4],
                2 => &[1, 2],
                _ => &[1, 2, 3],
            };
            link.write(ECHO, value, WriteKind::WithResponse).await?;
            if step == 3 {
                link.read(BATTERY).await?;
            }
            link.notification(Duration::from_secs(1)).await?;
            link.notification(WAIT + Duration::from_millis(1)).await?;
            Ok::<_, LinkError>(())
        };
        let error = error.await.expect_err("it departs");
        let LinkError::Departed(why) = &error else { panic!("step {step}: {error}") };
        assert!(why.contains(words), "step {step}: {why}");
        assert_eq!(why.contains("the bytes differ from offset 2"), step == 1, "{why}");
        assert!(!why.contains("010203") && !why.contains("010204"), "no value: {why}");
        let again = replaying.connect(Echo::ADDRESS).await.err();
        assert_eq!(again, Some(error), "nothing can be said after it");
    }
}

#[tokio::test]
async fn who_asks_less_is_told_of_what_is_left() {
    let replaying = Replaying::new(talk().await);
    assert_eq!(replaying.scan(Duration::from_millis(1)).await.expect("a shorter scan").len(), 1);
    let mut link = replaying.connect(Echo::ADDRESS).await.expect("as then");
    link.read(BATTERY).await.expect("as then");
    let unused = replaying.unused();
    assert_eq!(unused.len(), 5, "{unused:?}");
    assert!(unused[0].starts_with("line 5: notifications of 00002a37"), "{unused:?}");
}

#[tokio::test]
async fn a_torn_transcript_answers_as_far_as_it_goes_and_says_that_it_is_torn() {
    let (recording, written) = recording();
    let mut link = recording.connect(Echo::ADDRESS).await.expect("it advertises");
    link.read(BATTERY).await.expect("it can be read");
    // No end is written, as when the program is killed.
    let transcript = written.transcript();
    assert!(transcript.torn().is_some());
    let replaying = Replaying::new(transcript);
    let mut link = replaying.connect(Echo::ADDRESS).await.expect("as then");
    assert_eq!(link.read(BATTERY).await, Ok(vec![87]));
    let Err(LinkError::Departed(why)) = link.read(BATTERY).await else { panic!("there is no more") };
    assert!(why.contains("it is torn"), "{why}");
}

#[tokio::test]
async fn a_disk_that_fills_up_ends_the_record_and_not_the_conversation() {
    struct Full(usize);
    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
    let recording = Recording::new(echo(), Box::new(Full(2)), clock, discretion()).expect("room for the first line");
    let mut link = recording.connect(Echo::ADDRESS).await.expect("it advertises");
    for _ in 0..3 {
        assert_eq!(link.read(BATTERY).await, Ok(vec![87]));
    }
    for _ in 0..2 {
        assert_eq!(recording.finish().map_err(|error| error.kind()), Err(io::ErrorKind::StorageFull));
    }
}

#[cfg(unix)]
#[test]
fn a_transcript_is_its_owners_alone_and_replaces_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("band.jsonl");
    let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
    Recording::create(echo(), &path, clock.clone(), discretion()).expect("a new file").finish().expect("room");
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    let error = Recording::create(echo(), &path, clock, discretion()).err().expect("it is there already");
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    let text = std::fs::read_to_string(&path).expect("ours");
    assert_eq!(text, "{\"format\":1,\"record\":\"gatt\",\"started\":\"1970-01-01T00:00:00Z\"}\n{\"end\":0}\n");
}
