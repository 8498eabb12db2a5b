//! A link in use: refusals, losses, notifications, and what the stack adds or leaves out.

use std::time::Duration;

use btleplug::{
    api::{Central as _, Manager as _},
    platform::Manager,
};
use tattletale::link::{
    Central as _, GattLink, LinkError, WriteKind,
    radio::{Limits, Radio, hush_known_panics, hushed_panics},
    sig_uuid,
};

use crate::{
    LIMITS,
    echo::{ADDRESS, BATTERY, ECHO, LONG, RATE, REFUSED, echo, services},
    fake::{Device, Ending, World, service},
    harness::{Machine, alone},
    one_device, radio,
};

const SOON: Duration = Duration::from_millis(600);
const LONG_ENOUGH: Duration = Duration::from_secs(30);

async fn link() -> Box<dyn GattLink> {
    radio().connect(ADDRESS).await.expect("it takes a connection")
}

#[test]
fn edge_1_a_stream_that_is_dropped_while_a_signal_arrives_is_no_noise() {
    let stderr = alone(one_device, async |fake| {
        hush_known_panics();
        hush_known_panics();
        let mut link = link().await;
        link.subscribe(RATE).await.expect("it notifies");
        let manager = Manager::new().await.expect("there is a bus");
        let adapter = manager.adapters().await.expect("there is a service").remove(0);
        let events = adapter.events().await.expect("a stream");
        // The library cleans up after a stream in a task. This one gets a runtime that does nothing until a signal has arrived.
        let late = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        {
            let _entered = late.enter();
            drop(events);
        }
        fake.with(|world| world.advertise(ADDRESS));
        // The bus keeps the order: the answer comes after the signal, on each connection.
        adapter.adapter_info().await.expect("it is there");
        let before = hushed_panics();
        let cleaning = std::thread::spawn(move || {
            late.block_on(async {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
            });
        });
        cleaning.join().expect("the panic stays in its task");
        // The library's own connect drops such streams, too.
        assert!(hushed_panics() > before, "without a panic, hush_known_panics and this test may go");
        assert_eq!(link.read(BATTERY).await, Ok(vec![87]), "everything goes on");
    });
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn edge_4_objects_that_vanish_mean_a_lost_link() {
    alone(one_device, async |fake| {
        for ends in [Ending::LostLink, Ending::LostObjects] {
            let mut link = link().await;
            fake.with(move |world| world.fail("ReadValue", 1, ends));
            assert_eq!(link.read(BATTERY).await, Err(LinkError::Lost));
            assert_eq!(link.read(BATTERY).await, Err(LinkError::Lost), "it stays lost");
            link.disconnect().await.expect("what is lost can be let go");
        }
        let mut link = link().await;
        fake.with(|world| world.fail("WriteValue", 1, Ending::LostLink));
        assert_eq!(link.write(ECHO, &[1], WriteKind::WithoutResponse).await, Err(LinkError::Lost));
        assert_eq!(link.subscribe(RATE).await, Err(LinkError::Lost));
    });
}

#[test]
fn edge_4_a_link_that_is_lost_during_a_wait_ends_the_wait_after_what_was_said_before() {
    alone(one_device, async |fake| {
        let mut link = link().await;
        link.subscribe(RATE).await.expect("it notifies");
        link.write(ECHO, &[0xfe, 3], WriteKind::WithResponse).await.expect("it takes it");
        fake.with(|world| world.lose_link(ADDRESS));
        for _ in 0..3 {
            assert_eq!(link.notification(LONG_ENOUGH).await.expect("said before the loss").characteristic, RATE);
        }
        assert_eq!(link.notification(LONG_ENOUGH).await, Err(LinkError::Lost));
    });
}

#[test]
fn edge_5_a_read_that_hangs_ends_at_the_limit() {
    alone(one_device, async |fake| {
        let radio = Radio::new(None).with_limits(Limits { answer: SOON, ..LIMITS });
        let mut link = radio.connect(ADDRESS).await.expect("it takes a connection");
        fake.with(|world| world.fail("ReadValue", 1, Ending::Silence));
        assert_eq!(link.read(BATTERY).await, Err(LinkError::Silent(SOON)));
        fake.with(|world| world.fail("ReadValue", 1, Ending::Error("NotPermitted", "Not paired")));
        assert_eq!(link.read(BATTERY).await, Err(LinkError::Refused(5)), "where the stack cannot pair, it says so at once");
        assert_eq!(link.read(BATTERY).await, Ok(vec![87]));
    });
}

#[test]
fn edge_7_an_old_end_is_no_loss() {
    alone(one_device, async |fake| {
        let radio = radio();
        for round in 0..3 {
            let mut link = radio.connect(ADDRESS).await.expect("it takes a connection");
            link.subscribe(RATE).await.expect("it notifies");
            link.write(ECHO, &[round], WriteKind::WithResponse).await.expect("it takes it");
            assert_eq!(link.notification(LONG_ENOUGH).await.expect("up").value, [round], "signals of earlier links are not this one's");
            fake.with(|world| world.lose_link(ADDRESS));
            assert_eq!(link.notification(LONG_ENOUGH).await, Err(LinkError::Lost));
        }
    });
}

#[test]
fn edge_9_of_two_things_with_one_uuid_one_is_used() {
    let machine = || {
        let mut twice = services();
        twice.push(service(sig_uuid(0x180f), &[(BATTERY, &["read"]), (BATTERY, &["read"])]));
        twice.push(service(sig_uuid(0x180a), &[(BATTERY, &["read"])]));
        Machine::Whole(World::with_devices(vec![Device { services: twice, ..echo(ADDRESS) }]))
    };
    alone(machine, async |_fake| {
        let mut link = link().await;
        assert_eq!(link.read(BATTERY).await, Ok(vec![87]));
        assert!(matches!(link.read(REFUSED).await, Err(LinkError::Refused(2))));
    });
}

#[test]
fn edge_12_a_read_is_no_notification() {
    alone(one_device, async |_fake| {
        let mut link = link().await;
        link.read(BATTERY).await.expect("it can be read");
        for characteristic in [BATTERY, LONG, RATE] {
            link.subscribe(characteristic).await.expect("it notifies");
        }
        link.write(ECHO, &[7], WriteKind::WithResponse).await.expect("it takes it");
        for _ in 0..3 {
            assert_eq!(link.read(BATTERY).await, Ok(vec![87]));
            assert_eq!(link.read(LONG).await, Ok((0..60).collect()));
        }
        let only = link.notification(LONG_ENOUGH).await.expect("the echo");
        assert_eq!((only.characteristic, only.value), (RATE, vec![7]));
        assert_eq!(link.notification(SOON).await, Err(LinkError::Silent(SOON)));
    });
}

#[test]
fn edge_13_notifications_that_are_on_already_are_no_failure() {
    alone(one_device, async |fake| {
        let mut link = link().await;
        fake.with(|world| world.fail("StartNotify", 1, Ending::Error("Failed", "Already notifying")));
        link.subscribe(RATE).await.expect("they are on");
        fake.with(|world| world.notify(ADDRESS, RATE, vec![9u8]));
        assert_eq!(link.notification(LONG_ENOUGH).await.expect("it comes").value, [9]);
    });
}

#[test]
fn a_refusal_carries_its_att_error() {
    alone(one_device, async |_fake| {
        let mut link = link().await;
        assert_eq!(link.read(REFUSED).await, Err(LinkError::Refused(2)));
        for code in [0x03, 0x05, 0x0d, 0x80, 0xff] {
            assert_eq!(link.write(ECHO, &[0xee, code], WriteKind::WithResponse).await, Err(LinkError::Refused(code)));
        }
        assert_eq!(link.write(ECHO, &[1], WriteKind::WithResponse).await, Ok(()), "a refusal does not end the link");
    });
}

#[test]
fn garbage_in_a_notification_is_left_out_and_other_characteristics_stay_out() {
    alone(one_device, async |fake| {
        let mut link = link().await;
        link.subscribe(RATE).await.expect("it notifies");
        fake.with(|world| {
            world.notify(ADDRESS, RATE, "text".to_owned());
            world.notify(ADDRESS, RATE, 7u32);
            world.notify(ADDRESS, BATTERY, vec![1u8]);
            world.notify(ADDRESS, RATE, Vec::<u8>::new());
            world.notify(ADDRESS, RATE, vec![0u8; 512]);
        });
        assert!(link.notification(LONG_ENOUGH).await.expect("it comes").value.is_empty(), "nothing is a value, too");
        assert_eq!(link.notification(LONG_ENOUGH).await.expect("it comes").value.len(), 512);
    });
}

#[test]
fn a_flood_of_notifications_ends_in_an_error() {
    alone(one_device, async |fake| {
        let mut link = link().await;
        link.subscribe(RATE).await.expect("it notifies");
        link.subscribe(BATTERY).await.expect("it notifies");
        for _ in 0..5 {
            fake.with(|world| {
                for _ in 0..1000 {
                    world.notify(ADDRESS, RATE, vec![0u8, 60]);
                }
            });
        }
        // The answer to a read comes after all that was sent before, and of a subscribed characteristic all that was sent is taken.
        link.read(BATTERY).await.expect("the link is up");
        let mut taken = 0;
        let error = loop {
            match link.notification(LONG_ENOUGH).await {
                Ok(_) => taken += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error, LinkError::Flooded(taken), "after all that was kept");
    });
}

#[test]
fn an_adapter_that_fails_is_not_blamed_on_the_band() {
    alone(one_device, async |fake| {
        let fails = async |spoil: fn(&mut World), words: &str| {
            let mut link = link().await;
            fake.with(spoil);
            let wait = link.notification(LONG_ENOUGH).await.err();
            for error in [wait, link.read(BATTERY).await.err()] {
                assert!(matches!(&error, Some(LinkError::NoAdapter(why)) if why.contains(words)), "{error:?}");
            }
        };
        fails(|world| world.switch_off("hci0"), "hci0 went off").await;
        fake.with(|world| world.add_adapter("hci0", "C0:FF:EE:00:00:10", true));
        fails(|world| world.take_out("hci0"), "hci0 was taken out").await;
    });
}
