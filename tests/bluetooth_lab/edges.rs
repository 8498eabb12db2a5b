//! The sharp edges of BlueZ and of the library above it, each provoked on the real stack. The numbers are those of
//! `docs/protocols/bluez.md`.

use std::time::{Duration, Instant};

use btleplug::api::{Central as _, Manager as _};
use serde_json::json;
use tattletale::link::{
    Central, GattLink, LinkError, WriteKind, behaviour,
    radio::{Limits, Radio, hush_known_panics, hushed_panics},
    sig_uuid,
};
use uuid::Uuid;

use crate::lab::Lab;

/// Characteristics of the device that is odd (`ci/lab/bluetooth/stand-in/oddity.rs`).
const PLAIN: Uuid = sig_uuid(0xff01);
const TWINS: [(Uuid, &[u8]); 2] = [(sig_uuid(0xff02), b"a"), (sig_uuid(0xff03), b"b")];
const DOUBLE: Uuid = sig_uuid(0xff04);
const SECRET: Uuid = sig_uuid(0xff05);
const KEPT: Uuid = sig_uuid(0xff06);
const ASK_FLOOD: Uuid = sig_uuid(0xff07);
const FLOOD: Uuid = sig_uuid(0xff08);

/// Long enough to hear what is in reach.
const LISTEN: Duration = Duration::from_secs(4);

async fn connected(lab: &Lab) -> Box<dyn GattLink> {
    lab.radio().connect(lab.address()).await.expect("a free device takes a connection")
}

/// Asks for notifications and takes them all, in order.
async fn flood(link: &mut dyn GattLink, number: u16) {
    link.write(ASK_FLOOD, &number.to_le_bytes(), WriteKind::WithResponse).await.expect("a write works");
    for expected in 0..number {
        let notification = link.notification(Duration::from_secs(20)).await.expect("none is lost");
        assert_eq!((notification.characteristic, notification.value), (FLOOD, expected.to_le_bytes().to_vec()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_radio_behaves_as_every_link_does() {
    use tattletale::band::huami::characteristics as of_the_band;
    let Some(lab) = Lab::with("mi-band-3") else { return };
    let expected = behaviour::Expected {
        address: lab.address(),
        readable: (of_the_band::FIRMWARE, lab.contents().firmware.into_bytes()),
        refused: of_the_band::STEPS,
        missing: sig_uuid(0x2a29),
        notifying: of_the_band::AUTHENTICATION,
        provoked_by: (of_the_band::AUTHENTICATION, vec![0x01, 0x00]),
    };
    behaviour::check_within(&lab.radio(), &expected, Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_edge_1_a_panic_in_the_library_ends_nothing() {
    let Some(lab) = Lab::with("oddity") else { return };
    hush_known_panics();
    let mut link = connected(&lab).await;
    link.subscribe(FLOOD).await.expect("it notifies");
    // The library itself makes and drops such streams in each of its connects.
    let manager = btleplug::platform::Manager::new().await.expect("the guest's bus");
    let mut central = None;
    for adapter in manager.adapters().await.expect("the lab has three") {
        if adapter.adapter_info().await.expect("it is there").starts_with("hci0 ") {
            central = Some(adapter);
        }
    }
    let events = central.expect("one is named hci0").events().await.expect("a stream");
    // A stream that is dropped has its end taken care of by a task. Here the task starts late, as it may on a busy machine, and a value
    // arrives before.
    let late = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let entered = late.enter();
    drop(events);
    drop(entered);
    flood(&mut *link, 10).await;
    let before = hushed_panics();
    let caught_up = tokio::task::spawn_blocking(move || {
        late.block_on(async {
            for _ in 0..10 {
                tokio::task::yield_now().await
            }
        })
    });
    caught_up.await.expect("the panic stays in its task");
    // The library's own connect drops such streams, too.
    assert!(hushed_panics() > before, "without a panic, hush_known_panics and this test may go");
    flood(&mut *link, 100).await;
    link.disconnect().await.expect("a good link");
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_edge_2_a_link_let_go_is_gone() {
    let Some(lab) = Lab::with("oddity") else { return };
    let mut link = connected(&lab).await;
    let asked = Instant::now();
    link.disconnect().await.expect("a good link");
    assert!(asked.elapsed() < Limits::default().let_go, "the stack takes two seconds, which is allowed for: {:?}", asked.elapsed());
    assert_eq!(lab.freed()["central"], json!(null), "the phone can have it");

    let radio = lab.radio();
    drop(radio.connect(lab.address()).await.expect("it is free"));
    radio.settle().await;
    assert_eq!(lab.freed()["central"], json!(null), "a dropped link is let go, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_edge_3_a_connect_right_after_a_disconnect_works() {
    let Some(lab) = Lab::with("oddity") else { return };
    for _ in 0..4 {
        let mut link = connected(&lab).await;
        assert_eq!(link.read(PLAIN).await.as_deref(), Ok(&b"plain"[..]));
        link.disconnect().await.expect("a good link");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_edge_4_a_lost_link_is_called_lost() {
    let Some(lab) = Lab::with("oddity") else { return };
    let mut link = connected(&lab).await;
    lab.order(json!({ "do": "drop" }));
    assert_eq!(link.read(PLAIN).await, Err(LinkError::Lost), "not: an object that does not exist");
    assert_eq!(link.write(KEPT, b"x", WriteKind::WithResponse).await, Err(LinkError::Lost));
    assert_eq!(link.subscribe(FLOOD).await, Err(LinkError::Lost));
    assert_eq!(link.notification(Duration::from_secs(5)).await, Err(LinkError::Lost));
    // After half a minute bluetoothd forgets a device that nobody paired with. Here it is told to.
    lab.forget();
    assert_eq!(link.read(PLAIN).await, Err(LinkError::Lost));
    assert_eq!(link.disconnect().await, Ok(()), "a link that is gone needs no end");
    let mut link = connected(&lab).await;
    assert_eq!(link.read(PLAIN).await.as_deref(), Ok(&b"plain"[..]), "a new one works");
    link.disconnect().await.expect("a good link");
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_edge_4_who_waits_hears_of_a_loss_soon() {
    let Some(lab) = Lab::with("oddity") else { return };
    let mut link = connected(&lab).await;
    link.subscribe(FLOOD).await.expect("it notifies");
    lab.order(json!({ "do": "drop", "after": 3 }));
    link.write(ASK_FLOOD, &10u16.to_le_bytes(), WriteKind::WithResponse).await.expect("a write works");
    for n in 0..3u16 {
        assert_eq!(link.notification(LISTEN).await.expect("what was sent came").value, n.to_le_bytes());
    }
    let asked = Instant::now();
    assert_eq!(link.notification(Duration::from_secs(60)).await, Err(LinkError::Lost));
    assert!(asked.elapsed() < Duration::from_secs(15), "not after the whole minute: {:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_edge_5_a_value_that_needs_pairing_is_refused_in_time() {
    let Some(lab) = Lab::with("oddity") else { return };
    let mut link = connected(&lab).await;
    let asked = Instant::now();
    let answer = link.read(SECRET).await;
    assert!(answer.is_err(), "nobody paired");
    assert!(asked.elapsed() < Duration::from_secs(20), "not after the stack's 30 s: {:?}", asked.elapsed());
    let _ = link.disconnect().await;
    let read = lab.order(json!({ "do": "journal" })).to_string();
    assert!(!read.contains(&SECRET.to_string()), "it never left the device");
    let mut link = connected(&lab).await;
    assert_eq!(link.read(PLAIN).await.as_deref(), Ok(&b"plain"[..]), "what needs no pairing is read all the same");
    link.disconnect().await.expect("a good link");
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_edge_6_the_adapter_that_was_named_is_used() {
    let Some(lab) = Lab::with("oddity") else { return };
    let names: Vec<String> = Radio::new(None).adapters().await.expect("the lab has three").into_iter().map(|info| info.name).collect();
    assert_eq!(names, ["hci0", "hci1", "hci2"], "whatever the stack's order");
    for adapter in ["hci2", "hci0"] {
        let address = lab.address_of(adapter);
        for named in [adapter, &address] {
            let mut link = Radio::new(Some(named.to_owned())).connect(lab.address()).await.expect("it is free");
            assert_eq!(lab.state()["central"], address, "{named}");
            link.disconnect().await.expect("a good link");
        }
    }
    let missing = Radio::new(Some("hci7".to_owned())).connect(lab.address()).await.err();
    assert!(matches!(missing, Some(LinkError::NoAdapter(_))), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_edge_7_what_the_stack_remembers_is_not_said_to_be_here() {
    let Some(lab) = Lab::with("mi-band-3") else { return };
    connected(&lab).await.disconnect().await.expect("a good link");
    lab.order(json!({ "do": "hide" }));
    // The stack has the device, and the end of its connection, in its memory; its events begin with all that.
    assert!(lab.radio().scan(LISTEN).await.expect("a scan works").is_empty(), "a device that was here is not here");
    assert_eq!(lab.impatient_radio().connect(lab.address()).await.err(), Some(LinkError::NotFound));
    lab.order(json!({ "do": "show" }));
    let mut link = connected(&lab).await;
    assert!(matches!(link.notification(LISTEN).await, Err(LinkError::Silent(_))), "an old disconnect does not end a new link");
    link.disconnect().await.expect("a good link");
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_edge_8_no_name_and_no_strength_are_not_made_up() {
    let Some(lab) = Lab::with("oddity") else { return };
    let seen = lab.radio().scan(LISTEN).await.expect("a scan works");
    let [advertisement] = &*seen else { panic!("one device is in reach: {}", seen.len()) };
    assert_eq!(advertisement.name, None, "not the stack's alias");
    assert_eq!(advertisement.rssi, None, "not 127 dBm");
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_edge_9_what_the_stack_hides_is_not_there_and_nothing_is_mixed_up() {
    let Some(lab) = Lab::with("oddity") else { return };
    let mut link = connected(&lab).await;
    let device_name = sig_uuid(0x2a00);
    assert_eq!(link.read(device_name).await, Err(LinkError::NoCharacteristic(device_name)), "the stack keeps the service 1800 to itself");
    assert_eq!(link.read(DOUBLE).await.as_deref(), Ok(&b"double"[..]));
    let mut there = 0;
    for (twin, value) in TWINS {
        match link.read(twin).await {
            Ok(read) => {
                assert_eq!(read, value);
                there += 1;
            }
            Err(error) => assert_eq!(error, LinkError::NoCharacteristic(twin)),
        }
    }
    assert!(there >= 1, "of two services with one UUID at least one is seen");
    link.disconnect().await.expect("a good link");
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_edge_10_an_adapter_that_is_off_is_named_and_stays_off() {
    let Some(lab) = Lab::with("oddity") else { return };
    lab.power("hci2", false);
    let second = lab.impatient_second_radio();
    for answer in [second.scan(LISTEN).await.map(|_| ()), second.connect(lab.address()).await.map(|_| ())] {
        let Err(LinkError::NoAdapter(why)) = answer else { panic!("{answer:?}") };
        assert!(why.contains("hci2"), "{why}");
    }
    let powered = second.adapters().await.expect("they are there").into_iter().find(|info| info.name == "hci2").map(|info| info.powered);
    lab.power("hci2", true);
    assert_eq!(powered, Some(false), "listening does not switch anything on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_that_goes_off_in_the_middle_is_to_blame() {
    let Some(lab) = Lab::with("oddity") else { return };
    let mut link = lab.impatient_second_radio().connect(lab.address()).await.expect("it is free");
    lab.power("hci2", false);
    let answer = link.read(PLAIN).await;
    lab.power("hci2", true);
    let Err(LinkError::NoAdapter(why)) = answer else { panic!("{answer:?}") };
    assert!(why.contains("hci2"), "{why}");
    drop(link);
    lab.freed();
}

#[tokio::test(flavor = "multi_thread")]
async fn long_values_and_many_notifications_come_whole_and_in_order() {
    let Some(lab) = Lab::with("oddity") else { return };
    let mut link = connected(&lab).await;
    let long: Vec<u8> = (0..300u16).map(|n| u8::try_from(n % 251).expect("small")).collect();
    for value in [&b"short"[..], &long] {
        link.write(KEPT, value, WriteKind::WithResponse).await.expect("a write works");
        assert_eq!(link.read(KEPT).await.as_deref(), Ok(value));
    }
    link.subscribe(FLOOD).await.expect("it notifies");
    flood(&mut *link, 400).await;
    link.unsubscribe(FLOOD).await.expect("it can be turned off");
    link.write(ASK_FLOOD, &5u16.to_le_bytes(), WriteKind::WithResponse).await.expect("a write works");
    assert!(matches!(link.notification(LISTEN).await, Err(LinkError::Silent(_))));
    link.disconnect().await.expect("a good link");
}
