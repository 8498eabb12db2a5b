//! Conversations known to the byte, a set for each row of the table, played against the driver and against the simulator, each
//! alone. All values are invented; how they were computed is in `docs/protocols/huami-ble.md`. A row without vectors fails.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{ADDRESS, KEY};
use crate::{
    band::{
        Access, BandError, BandModel, History, Key, Sample,
        huami::{
            BandContents, PROFILES, Profile, SimulatedBand, advertisement, authentication,
            characteristics::{
                AUTHENTICATION, CHUNKS_FROM_BAND, CHUNKS_TO_BAND, CURRENT_TIME, FETCH_CONTROL, FETCH_DATA, OLD_CHUNKS, STEPS,
            },
            driver,
        },
    },
    link::{GattLink, LinkError, Notification, WriteKind, simulated::Peripheral},
    model::text::hex,
};

/// One turn of a conversation, value in hex digits.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Writes(Uuid, &'static str),
    Notifies(Uuid, &'static str),
}

use Turn::{Notifies, Writes};

/// What is known to the byte of a model.
struct Vectors {
    name: &'static str,
    /// The scan response with 900 steps.
    response: &'static str,
    authentication: &'static [Turn],
    fetch: &'static [Turn],
}

const VECTORS: &[Vectors] = &[
    Vectors {
        name: "amazfit-bip",
        response: "1209416d617a666974204269702057617463680302e0fe0716e0fe84030000",
        authentication: VERSION_1,
        fetch: FOUR_BYTES_WITH_CHECKSUM,
    },
    Vectors { name: "mi-band-2", response: "0a094d492042616e6420320302e0fe", authentication: VERSION_1_FLAG_8, fetch: FOUR_BYTES },
    Vectors {
        name: "mi-band-3",
        response: "0a094d692042616e6420330302e0fe0716e0fe84030000",
        authentication: VERSION_1,
        fetch: FOUR_BYTES_WITH_CHECKSUM,
    },
    Vectors {
        name: "mi-band-4",
        response: "10094d6920536d6172742042616e6420340302e0fe0716e0fe84030000",
        authentication: VERSION_2,
        fetch: FOUR_BYTES_WITH_CHECKSUM,
    },
    Vectors {
        name: "mi-band-5",
        response: "10094d6920536d6172742042616e6420350302e0fe0716e0fe84030000",
        authentication: HANDSHAKE,
        fetch: EIGHT_BYTES,
    },
    Vectors {
        name: "mi-band-6",
        response: "10094d6920536d6172742042616e6420360302e0fe0716e0fe84030000",
        authentication: HANDSHAKE,
        fetch: EIGHT_BYTES,
    },
    Vectors {
        name: "mi-band-7",
        response: "14095869616f6d6920536d6172742042616e6420370302e0fe",
        authentication: HANDSHAKE,
        fetch: EIGHT_BYTES_AND_ONE,
    },
];

const VERSION_1: &[Turn] = &[
    Writes(AUTHENTICATION, "0200"),
    Notifies(AUTHENTICATION, "100201101112131415161718191a1b1c1d1e1f"),
    Writes(AUTHENTICATION, "030084df9888447cac8d79ea123972a20a73"),
    Notifies(AUTHENTICATION, "100301"),
];

const VERSION_1_FLAG_8: &[Turn] = &[
    Writes(AUTHENTICATION, "0208"),
    Notifies(AUTHENTICATION, "100201101112131415161718191a1b1c1d1e1f"),
    Writes(AUTHENTICATION, "030884df9888447cac8d79ea123972a20a73"),
    Notifies(AUTHENTICATION, "100301"),
];

const VERSION_2: &[Turn] = &[
    Writes(AUTHENTICATION, "8200020100"),
    Notifies(AUTHENTICATION, "108201101112131415161718191a1b1c1d1e1f"),
    Writes(AUTHENTICATION, "830084df9888447cac8d79ea123972a20a73"),
    Notifies(AUTHENTICATION, "108301"),
];

const HANDSHAKE: &[Turn] = &[
    Writes(CHUNKS_TO_BAND, "0301000100340000008200040200024cb347e1f4"),
    Writes(CHUNKS_TO_BAND, "0300000101b289b8d43c9a11496229d7d0e10965"),
    Writes(CHUNKS_TO_BAND, "0300000102030000003ffee71db3ded7e66e1835"),
    Writes(CHUNKS_TO_BAND, "030600010346e38051b950179a1806000000"),
    Notifies(CHUNKS_FROM_BAND, "0301000100430000008200100401101112131415"),
    Notifies(CHUNKS_FROM_BAND, "0300000101161718191a1b1c1d1e1fc1c88295fb"),
    Notifies(CHUNKS_FROM_BAND, "03000001029acb69b3870670bd49b00cff34869b"),
    Notifies(CHUNKS_FROM_BAND, "03000001030200000043ec2dc0e830dc3d94aea7"),
    Notifies(CHUNKS_FROM_BAND, "03060001044a39b87984e37b0ec407000000"),
    Writes(CHUNKS_FROM_BAND, "0400010104"),
    Writes(CHUNKS_TO_BAND, "03010002002100000082000584df9888447cac8d"),
    Writes(CHUNKS_TO_BAND, "030000020179ea123972a20a732ddf2f263bba6a"),
    Writes(CHUNKS_TO_BAND, "0306000202d4ff5b357a572355a8"),
    Notifies(CHUNKS_FROM_BAND, "0307000100030000008200100501"),
    Writes(CHUNKS_FROM_BAND, "0400010100"),
];

const FOUR_BYTES: &[Turn] = &[
    Writes(FETCH_CONTROL, "0101ea07030e08000004"),
    Notifies(FETCH_CONTROL, "10010114000000ea07030e08000004"),
    Writes(FETCH_CONTROL, "02"),
    Notifies(FETCH_DATA, "0001285aff01285aff01285aff01285aff"),
    Notifies(FETCH_DATA, "0101285a48"),
    Notifies(FETCH_CONTROL, "100201"),
    Writes(FETCH_CONTROL, "0101ea07030e08050004"),
    Notifies(FETCH_CONTROL, "10010100000000ea07030e08050004"),
];

const FOUR_BYTES_WITH_CHECKSUM: &[Turn] = &[
    Writes(FETCH_CONTROL, "0101ea07030e08000004"),
    Notifies(FETCH_CONTROL, "10010114000000ea07030e08000004"),
    Writes(FETCH_CONTROL, "02"),
    Notifies(FETCH_DATA, "0001285aff01285aff01285aff01285aff"),
    Notifies(FETCH_DATA, "0101285a48"),
    Notifies(FETCH_CONTROL, "100201c545cb5b"),
    Writes(FETCH_CONTROL, "0101ea07030e08050004"),
    Notifies(FETCH_CONTROL, "10010100000000ea07030e08050004"),
];

const EIGHT_BYTES: &[Turn] = &[
    Writes(FETCH_CONTROL, "0101ea07030e08000004"),
    Notifies(FETCH_CONTROL, "10010128000000ea07030e08000004"),
    Writes(FETCH_CONTROL, "02"),
    Notifies(FETCH_DATA, "0001285aff0000000001285aff00000000"),
    Notifies(FETCH_DATA, "0101285aff0000000001285aff00000000"),
    Notifies(FETCH_DATA, "0201285a4800000000"),
    Notifies(FETCH_CONTROL, "100201530f3730"),
    Writes(FETCH_CONTROL, "0101ea07030e08050004"),
    Notifies(FETCH_CONTROL, "10010100000000ea07030e08050004"),
];

const EIGHT_BYTES_AND_ONE: &[Turn] = &[
    Writes(FETCH_CONTROL, "0101ea07030e08000004"),
    Notifies(FETCH_CONTROL, "10010128000000ea07030e0800000400"),
    Writes(FETCH_CONTROL, "02"),
    Notifies(FETCH_DATA, "0001285aff0000000001285aff00000000"),
    Notifies(FETCH_DATA, "0101285aff0000000001285aff00000000"),
    Notifies(FETCH_DATA, "0201285a4800000000"),
    Notifies(FETCH_CONTROL, "100201530f3730"),
    Writes(FETCH_CONTROL, "0101ea07030e08050004"),
    Notifies(FETCH_CONTROL, "10010100000000ea07030e0805000400"),
];

/// The nonce of all conversations, and the private keys of the handshake: counting up.
const NONCE: [u8; 16] = counting(0x10, 16);
const PHONE: [u8; 24] = counting(0x01, 20);
const BAND: [u8; 24] = counting(0x51, 20);

const fn counting<const N: usize>(first: u8, length: usize) -> [u8; N] {
    let mut bytes = [0; N];
    let mut n = 0;
    while n < length {
        bytes[n] = first + n as u8;
        n += 1;
    }
    bytes
}

/// 08:05 of a Saturday in the band's time.
fn five_past_eight() -> Timestamp {
    "2026-03-14T07:05:00Z".parse().expect("a time")
}

/// Five minutes of walking from 08:00 on, with a heart rate in the last.
fn walk() -> Vec<Sample> {
    let walking = Sample { kind: 0x01, intensity: 0x28, steps: 0x5a, heart_rate: 0xff };
    vec![walking, walking, walking, walking, Sample { heart_rate: 0x48, ..walking }]
}

fn contents(model: &'static Profile) -> BandContents {
    BandContents {
        start: "2026-03-14T07:00:00Z".parse().expect("a time"),
        samples: walk(),
        workouts: Vec::new(),
        ..BandContents::invented_for(model, "2026-03-14".parse().expect("a date"))
    }
}

/// Each row of the table with its vectors.
fn rows() -> impl Iterator<Item = (&'static Profile, &'static Vectors)> {
    assert_eq!(VECTORS.len(), PROFILES.len());
    PROFILES.iter().map(|profile| {
        let vectors = VECTORS.iter().find(|vectors| vectors.name == profile.name);
        (*profile, vectors.unwrap_or_else(|| panic!("{} has no vectors", profile.name)))
    })
}

fn bytes(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits")).collect()
}

/// A link that takes the writes of a conversation in their order and answers as it says.
struct Script {
    turns: Arc<Mutex<VecDeque<Turn>>>,
}

impl Script {
    fn new(conversations: &[&[Turn]]) -> (Self, Arc<Mutex<VecDeque<Turn>>>) {
        let turns = Arc::new(Mutex::new(conversations.concat().into()));
        (Self { turns: Arc::clone(&turns) }, turns)
    }
}

#[async_trait]
impl GattLink for Script {
    async fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, LinkError> {
        assert_eq!(characteristic, CURRENT_TIME, "only the clock is read in between");
        Ok(bytes("ea07030e08050006000004"))
    }

    async fn write(&mut self, characteristic: Uuid, value: &[u8], kind: WriteKind) -> Result<(), LinkError> {
        let turn = self.turns.lock().expect("no panic while locked").pop_front();
        let Some(Writes(expected, digits)) = turn else { panic!("wrote {} when it was to say {turn:?}", hex(value)) };
        assert_eq!((characteristic, hex(value).as_str(), kind), (expected, digits, WriteKind::WithoutResponse));
        Ok(())
    }

    async fn subscribe(&mut self, _characteristic: Uuid) -> Result<(), LinkError> {
        Ok(())
    }

    async fn unsubscribe(&mut self, _characteristic: Uuid) -> Result<(), LinkError> {
        Ok(())
    }

    async fn notification(&mut self, within: Duration) -> Result<Notification, LinkError> {
        let mut turns = self.turns.lock().expect("no panic while locked");
        match turns.front() {
            Some(Notifies(characteristic, digits)) => {
                let notification = Notification { characteristic: *characteristic, value: bytes(digits) };
                turns.pop_front();
                Ok(notification)
            }
            _ => Err(LinkError::Silent(within)),
        }
    }

    async fn disconnect(&mut self) -> Result<(), LinkError> {
        Ok(())
    }
}

#[tokio::test]
async fn the_driver_of_every_model_says_what_is_known() {
    for (profile, vectors) in rows() {
        let (script, turns) = Script::new(&[vectors.authentication, vectors.fetch]);
        let mut band = driver::tests::open_with(profile, Box::new(script), KEY, PHONE).await.expect(vectors.name);
        let mut history = History::default();
        let since = "2026-03-14T07:00:00Z".parse().expect("a time");
        band.history(since, &mut history).await.expect(vectors.name);
        assert_eq!(history, History { start: since, utc_offset_s: 3600, samples: walk() }, "{}", vectors.name);
        assert_eq!(turns.lock().expect("no panic while locked").len(), 0, "{}: all was said", vectors.name);
    }
}

#[test]
fn the_simulator_of_every_model_says_what_is_known() {
    for (profile, vectors) in rows() {
        let mut band = SimulatedBand::new(contents(profile));
        (band.chosen_nonce, band.chosen_private_key) = (Some(NONCE), Some(BAND));
        let now = five_past_eight();
        band.connect(now);
        let turns = [vectors.authentication, vectors.fetch].concat();
        for turn in &turns {
            if let Notifies(characteristic, _) = turn {
                band.subscribe(*characteristic, now).expect(vectors.name);
            }
        }
        for turn in turns {
            match turn {
                Writes(characteristic, digits) => band.write(characteristic, &bytes(digits), now).expect(vectors.name),
                Notifies(characteristic, digits) => {
                    let said = band.notification(now).expect(vectors.name).map(|said| (said.characteristic, hex(&said.value)));
                    assert_eq!(said, Some((characteristic, digits.to_owned())), "{}", vectors.name);
                }
            }
        }
        assert_eq!(band.notification(now), Ok(None), "{}: and no more", vectors.name);
    }
}

#[test]
fn the_advertisement_of_every_model_is_known() {
    for (profile, vectors) in rows() {
        let mut contents = contents(profile);
        // 900 steps since midnight, 72 the last heart rate.
        contents.samples = walk().into_iter().chain(walk()).collect();
        let band = SimulatedBand::new(contents);
        let (packet, response) = advertisement::packets(&band.advertisement("2026-03-14T07:10:00Z".parse().expect("a time")));
        assert_eq!(hex(&packet), "0201061bff570102020148ffffffffffffffffffffffffff03c0ffee123456", "{}", vectors.name);
        assert_eq!(hex(&response), vectors.response, "{}", vectors.name);
        assert!(packet.len() <= 31 && response.len() <= 31, "{}: fits into the air's packets", vectors.name);
    }
}

#[test]
fn steps_and_clock_are_known_to_the_byte() {
    let mut contents = contents(&super::super::MI_BAND_3);
    contents.samples = walk().into_iter().chain(walk()).collect();
    let mut band = SimulatedBand::new(contents);
    let ten: Timestamp = "2026-03-14T09:00:00Z".parse().expect("a time");
    (band.chosen_nonce, band.chosen_private_key) = (Some(NONCE), Some(BAND));
    band.connect(ten);
    assert_eq!(band.read(CURRENT_TIME, ten).map(|value| hex(&value)), Ok("ea07030e0a000006000004".to_owned()));
    assert_eq!(band.read(STEPS, ten), Err(LinkError::Refused(0x02)));
    band.subscribe(AUTHENTICATION, ten).expect("it notifies");
    for turn in VERSION_1 {
        if let Writes(characteristic, digits) = turn {
            band.write(*characteristic, &bytes(digits), ten).expect("it takes writes");
        }
    }
    // 900 steps, 639 m, 31 kcal.
    assert_eq!(band.read(STEPS, ten).map(|value| hex(&value)), Ok("0c840300007f0200001f000000".to_owned()));
}

#[test]
fn the_first_pairing_of_version_2_ends_in_the_server_s_key() {
    let mut band = SimulatedBand::new(contents(&super::super::MI_BAND_4));
    let (now, seed) = (five_past_eight(), counting(0x20, 16));
    band.chosen_nonce = Some(seed);
    band.tap = super::super::Tap::AtOnce;
    band.connect(now);
    for characteristic in [AUTHENTICATION, OLD_CHUNKS] {
        band.subscribe(characteristic, now).expect("it notifies");
    }
    let mut say = |characteristic, digits: &str| {
        band.write(characteristic, &bytes(digits), now).expect("it takes writes");
        let mut said = Vec::new();
        while let Some(notification) = band.notification(now).expect("it stays") {
            said.push(hex(&notification.value));
        }
        said
    };
    assert_eq!(say(AUTHENTICATION, "0100"), ["100181011863c2cce5d159413bed92c4b163c279"]);
    assert_eq!(say(AUTHENTICATION, "820002"), ["108201202122232425262728292a2b2c2d2e2f", "108301"]);
    assert_eq!(say(OLD_CHUNKS, "0004000102"), Vec::<String>::new());
    assert_eq!(say(OLD_CHUNKS, "0084040000"), ["10008401010000", "100101"]);
    assert_eq!(hex(&band.contents.key.bytes()), "e35a8186f79a21059ca350e8b0e514fd");
    assert_eq!(band.contents.key, authentication::server_key(ADDRESS, seed));
}

#[tokio::test]
async fn a_band_of_older_firmware_is_authenticated_the_older_way() {
    // It has the characteristic of the handshake and says nothing there.
    let greeting = &HANDSHAKE[..4];
    let (script, turns) = Script::new(&[greeting, VERSION_2]);
    driver::tests::open_with(&super::super::MI_BAND_6, Box::new(script), KEY, PHONE).await.expect("the key is right");
    assert_eq!(turns.lock().expect("no panic while locked").len(), 0);
}

#[tokio::test]
async fn answers_that_make_no_sense_are_told() {
    for (answer, words) in [("1002", "cut short"), ("100301", "asked for a challenge"), ("100204", "asked for a challenge")] {
        let turns = [Writes(AUTHENTICATION, "0200"), Notifies(AUTHENTICATION, answer)];
        let (script, _) = Script::new(&[&turns]);
        let error = super::super::MI_BAND_3.open(Box::new(script), &Access::Key(Key::new([1; 16]))).await.err();
        assert!(matches!(&error, Some(BandError::Garbled(why)) if why.contains(words)), "{error:?}");
    }
}
