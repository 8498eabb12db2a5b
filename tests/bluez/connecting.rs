//! Connecting and letting go: tries, time limits, and what is left behind.

use std::time::Duration;

use tattletale::link::{
    Central as _, LinkError,
    radio::{Limits, Radio},
};
use tokio::time::Instant;

use crate::{
    LIMITS,
    echo::{ADDRESS, BATTERY, echo},
    fake::{Device, Ending, Fake, World},
    harness::{Machine, alone},
    one_device, radio,
};

const SOON: Duration = Duration::from_millis(600);

/// A machine whose device is changed first.
fn device(change: impl FnOnce(&mut Device)) -> Machine {
    let mut device = echo(ADDRESS);
    change(&mut device);
    Machine::Whole(World::with_devices(vec![device]))
}

async fn is_free(fake: &Fake) {
    fake.until("a free device", |world| !world.device(ADDRESS).connected).await;
}

#[test]
fn edge_2_a_connection_that_takes_its_time_to_end_is_waited_for() {
    alone(
        || device(|device| device.lets_go_after = SOON),
        async |fake| {
            let radio = radio();
            let mut link = radio.connect(ADDRESS).await.expect("it takes a connection");
            let began = Instant::now();
            link.disconnect().await.expect("a good end");
            assert!(began.elapsed() >= SOON && !fake.with(|world| world.device(ADDRESS).connected), "it returns when the end has come");
            drop(radio.connect(ADDRESS).await.expect("it takes another"));
            let mut link = radio.connect(ADDRESS).await.expect("a dropped link is waited for, too");
            assert_eq!(link.read(BATTERY).await, Ok(vec![87]));
            assert_eq!(fake.calls("Connect"), 3, "no connect came too early");
            drop(link);
            radio.settle().await;
            assert!(!fake.with(|world| world.device(ADDRESS).connected), "settled, nothing is held any more");
        },
    );
}

#[test]
fn edge_2_an_end_that_never_comes_is_told_within_its_limit() {
    alone(one_device, async |fake| {
        let radio = Radio::new(None).with_limits(Limits { let_go: SOON, ..LIMITS });
        let mut link = radio.connect(ADDRESS).await.expect("it takes a connection");
        fake.with(|world| world.fail("Disconnect", 1, Ending::Silence));
        assert!(matches!(link.disconnect().await, Err(LinkError::Stack(_))));
        assert_eq!(link.read(BATTERY).await, Err(LinkError::Lost), "it is gone all the same");
    });
}

#[test]
fn edge_3_a_connect_right_after_a_disconnect_is_tried_again() {
    alone(one_device, async |fake| {
        let radio = radio();
        let mut link = radio.connect(ADDRESS).await.expect("it takes a connection");
        link.disconnect().await.expect("a good end");
        fake.with(|world| world.fail("Connect", 2, Ending::Error("Failed", "Input/output error")));
        let mut link = radio.connect(ADDRESS).await.expect("the third try works");
        assert_eq!(link.read(BATTERY).await, Ok(vec![87]));
        assert_eq!(fake.calls("Connect"), 4);
    });
}

#[test]
fn edge_3_a_device_that_takes_no_connection_is_told_with_the_stacks_words() {
    alone(one_device, async |fake| {
        fake.with(|world| world.fail("Connect", 3, Ending::Error("Failed", "le-connection-abort-by-local")));
        let error = radio().connect(ADDRESS).await.err().expect("nothing is taken");
        assert_eq!(error, LinkError::Unanswered { tries: 3, why: "le-connection-abort-by-local".to_owned() });
        assert!(error.to_string().contains("bring it nearer or charge it"), "{error}");
        assert!(radio().connect(ADDRESS).await.is_ok(), "the next connect starts afresh");
    });
}

#[test]
fn edge_3_services_that_are_never_told_end_at_the_limit_and_the_device_is_let_go() {
    alone(
        || device(|device| device.resolves = false),
        async |fake| {
            let radio = Radio::new(None).with_limits(Limits { connect: SOON, ..LIMITS });
            let began = Instant::now();
            let Some(LinkError::Unanswered { why, .. }) = radio.connect(ADDRESS).await.err() else { panic!("it tells no services") };
            assert!(why.contains("does not tell its services"), "{why}");
            assert!(began.elapsed() < Duration::from_secs(15), "{:?}: BlueZ's own limit is 30 s", began.elapsed());
            is_free(&fake).await;
        },
    );
}

#[test]
fn a_device_that_never_answers_a_connect_ends_at_the_limit() {
    alone(one_device, async |fake| {
        fake.with(|world| world.fail("Connect", 1, Ending::Silence));
        let radio = Radio::new(None).with_limits(Limits { connect: SOON, ..LIMITS });
        let Some(LinkError::Unanswered { why, .. }) = radio.connect(ADDRESS).await.err() else { panic!("it does not answer") };
        assert!(why.contains("does not answer"), "{why}");
        assert_eq!(fake.calls("Disconnect"), 1, "a connect that may still be on its way is taken back");
    });
}

#[test]
fn a_device_that_hangs_up_at_once_is_tried_again() {
    alone(
        || device(|device| device.hangs_up_early = 1),
        async |fake| {
            let mut link = radio().connect(ADDRESS).await.expect("the second try works");
            assert_eq!(link.read(BATTERY).await, Ok(vec![87]));
            assert_eq!(fake.calls("Connect"), 2);
        },
    );
}

#[test]
fn a_device_that_hangs_up_while_its_characteristics_are_read_is_tried_again() {
    alone(one_device, async |fake| {
        fake.with(|world| world.fail("Introspect", 1, Ending::LostLink));
        let mut link = radio().connect(ADDRESS).await.expect("the second try works");
        assert_eq!(link.read(BATTERY).await, Ok(vec![87]));
    });
}

#[test]
fn a_device_that_is_nowhere_is_not_found_within_the_limit() {
    alone(one_device, async |_fake| {
        let radio = Radio::new(None).with_limits(Limits { find: SOON, ..LIMITS });
        let began = Instant::now();
        assert_eq!(radio.connect([0xC0, 0xFF, 0xEE, 0, 0, 1]).await.err(), Some(LinkError::NotFound));
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    });
}

#[test]
fn a_device_that_another_program_holds_is_left_to_it() {
    let machine = || device(|device| (device.known, device.connected) = (true, true));
    alone(machine, async |fake| {
        let radio = Radio::new(None).with_limits(Limits { let_go: SOON, ..LIMITS });
        assert_eq!(radio.connect(ADDRESS).await.err(), Some(LinkError::Held));
        assert_eq!((fake.calls("Connect"), fake.calls("Disconnect")), (0, 0), "neither shared nor ended");
        fake.with(|world| world.lose_link(ADDRESS));
        assert!(radio.connect(ADDRESS).await.is_ok(), "free, it can be had");
    });
}

#[test]
fn a_connect_that_nobody_waits_for_leaves_nothing_behind() {
    alone(
        || device(|device| device.resolves = false),
        async |fake| {
            let connecting = tokio::spawn(async { radio().connect(ADDRESS).await.map(drop) });
            fake.until("a connection", |world| world.device(ADDRESS).connected).await;
            connecting.abort();
            is_free(&fake).await;
            assert!(!fake.with(|world| world.adapters["hci0"].discovering), "no scan goes on either");
        },
    );
}

#[test]
fn a_link_that_is_dropped_outside_of_the_runtime_is_let_go() {
    alone(one_device, async |fake| {
        let radio = radio();
        let link = radio.connect(ADDRESS).await.expect("it takes a connection");
        std::thread::spawn(move || drop(link)).join().expect("dropping does not panic");
        radio.settle().await;
        is_free(&fake).await;
    });
}

#[test]
fn an_old_link_does_not_read_over_a_new_one() {
    alone(one_device, async |fake| {
        let radio = radio();
        let mut old = radio.connect(ADDRESS).await.expect("it takes a connection");
        fake.with(|world| world.lose_link(ADDRESS));
        let mut new = radio.connect(ADDRESS).await.expect("it takes another");
        assert_eq!(old.read(BATTERY).await, Err(LinkError::Lost));
        old.disconnect().await.expect("a dead link can be let go");
        drop(old);
        radio.settle().await;
        assert_eq!(new.read(BATTERY).await, Ok(vec![87]), "the end of the old one is not that of the new one");
    });
}
