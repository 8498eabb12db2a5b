//! Recording and replaying together: what is played back is what was recorded, and every departure is found.

use std::{io, sync::Arc};

use jiff::Timestamp;

use super::*;
use crate::{
    clock::Clock,
    link::{
        behaviour,
        recorded::Recording,
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

fn recording() -> (Recording, Shared) {
    let written = Shared::default();
    let recording = Recording::new(echo(), Box::new(written.clone()), Clock::simulated(Timestamp::UNIX_EPOCH)).expect("memory");
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
    let recording = Recording::new(echo(), Box::new(Full(2)), Clock::simulated(Timestamp::UNIX_EPOCH)).expect("room for the first line");
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
    Recording::create(echo(), &path, clock.clone()).expect("a new file").finish().expect("room");
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    let error = Recording::create(echo(), &path, clock).err().expect("it is there already");
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    let text = std::fs::read_to_string(&path).expect("ours");
    assert_eq!(text, "{\"format\":1,\"record\":\"gatt\",\"started\":\"1970-01-01T00:00:00Z\"}\n{\"end\":0}\n");
}
