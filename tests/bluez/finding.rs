//! Scans: what is heard, what is only remembered, what stops a scan, and what one costs.

use std::{collections::BTreeSet, ops::ControlFlow, time::Duration};

use tattletale::link::{
    Advertisement, Central as _, LinkError, Presence,
    radio::{Limits, Radio},
};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    task::JoinHandle,
    time::Instant,
};

use crate::{
    LIMITS,
    echo::{ADDRESS, echo},
    fake::{Device, Ending, World, map, v},
    harness::{Machine, alone},
    heard, one_device, radio,
};

const SOON: Duration = Duration::from_millis(300);

fn address(last: u16) -> [u8; 6] {
    let [high, low] = last.to_be_bytes();
    [0xC0, 0xFF, 0xEE, 0, high, low]
}

/// Scans, and hands on each advertisement as it is heard.
fn listen(listen_for: Duration) -> (JoinHandle<Result<(), LinkError>>, UnboundedReceiver<Advertisement>) {
    let (send, heard) = mpsc::unbounded_channel();
    let scan = async move { radio().scan_each(listen_for, &mut |advertisement| drop(send.send(advertisement))).await };
    (tokio::spawn(scan), heard)
}

#[test]
fn edge_7_what_the_stack_only_remembers_is_not_heard() {
    let machine = || {
        let remembered = Device { advertises: false, known: true, ..echo(address(1)) };
        Machine::Whole(World::with_devices(vec![remembered, echo(ADDRESS)]))
    };
    alone(machine, async |_fake| {
        let seen = heard(&radio()).await;
        assert_eq!(seen.iter().map(|seen| seen.address).collect::<Vec<_>>(), [ADDRESS]);
        let radio = Radio::new(None).with_limits(Limits { find: SOON, ..LIMITS });
        assert_eq!(radio.connect(address(1)).await.err(), Some(LinkError::NotFound), "it is not in reach");
        assert_eq!(heard(&radio).await.len(), 1, "what was heard before is heard again");
    });
}

#[test]
fn edge_7_what_another_programs_scan_keeps_alive_is_neither_here_nor_silent() {
    let machine = || {
        let mut world = World::with_devices(vec![Device { advertises: false, known: true, heard: true, ..echo(ADDRESS) }]);
        world.adapters.get_mut("hci0").expect("it has one").others_scan = true;
        Machine::Whole(world)
    };
    alone(machine, async |fake| {
        let radio = radio();
        let listen = async |listen_for| {
            let mut heard = 0;
            let mut hear = |_| {
                heard += 1;
                ControlFlow::Break(())
            };
            let presence = radio.listen_to(ADDRESS, listen_for, &mut hear).await.expect("it listens");
            assert_eq!(heard > 0, presence == Presence::Heard, "{presence:?}");
            presence
        };
        for _ in 0..2 {
            assert_eq!(listen(SOON).await, Presence::Remembered, "a phone may hold it by now");
        }
        fake.with(|world| world.device(ADDRESS).advertises = true);
        assert_eq!(listen(Duration::from_secs(60)).await, Presence::Heard, "it said something now");
        // After half a minute BlueZ forgets what nobody hears any more.
        fake.with(|world| {
            let device = world.device(ADDRESS);
            (device.advertises, device.heard) = (false, false);
        });
        assert_eq!(listen(SOON).await, Presence::Silent);
        let seen: Result<Vec<_>, _> = radio.scan(SOON).await;
        assert_eq!(seen.map(|seen| seen.len()), Ok(0));
    });
}

#[test]
fn edge_8_an_alias_is_no_name_and_an_unknown_strength_is_none() {
    let machine = || {
        let nameless = Device { name: None, rssi: 127, ..echo(ADDRESS) };
        Machine::Whole(World::with_devices(vec![nameless]))
    };
    alone(machine, async |_fake| {
        let seen = heard(&radio()).await;
        assert_eq!((seen[0].name.as_deref(), seen[0].rssi), (None, None));
    });
}

#[test]
fn each_change_of_an_advertisement_is_handed_out_once() {
    alone(one_device, async |fake| {
        let (listening, mut heard) = listen(Duration::from_secs(3));
        let first = heard.recv().await.expect("it is heard");
        assert_eq!((first.rssi, first.name.as_deref(), first.manufacturer_data.len()), (Some(-60), Some("Echo"), 0));
        fake.with(|world| world.device(ADDRESS).rssi = -61);
        for _ in 0..3 {
            fake.with(|world| world.advertise(ADDRESS));
        }
        assert_eq!(heard.recv().await.expect("it is heard").rssi, Some(-61), "once, not three times");
        fake.with(|world| {
            world.device(ADDRESS).manufacturer_data = vec![(0x0157, vec![1, 2, 3]), (0x0001, vec![4])];
            world.advertise(ADDRESS);
        });
        assert_eq!(heard.recv().await.expect("it is heard").manufacturer_data, [(0x0001, vec![4]), (0x0157, vec![1, 2, 3])]);
        listening.abort();
    });
}

#[test]
fn a_name_that_comes_later_is_told() {
    let machine = || Machine::Whole(World::with_devices(vec![Device { name: None, ..echo(ADDRESS) }]));
    alone(machine, async |fake| {
        let (listening, mut heard) = listen(Duration::from_secs(60));
        assert_eq!(heard.recv().await.expect("it is heard").name, None);
        let began = Instant::now();
        loop {
            fake.with(|world| {
                let device = world.device(ADDRESS);
                device.name = Some("Echo".to_owned());
                device.rssi -= 1;
                world.advertise(ADDRESS);
            });
            if heard.recv().await.expect("it is heard").name.is_some() {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(30));
        }
        listening.abort();
    });
}

#[test]
fn garbage_in_an_advertisement_is_left_out() {
    alone(one_device, async |fake| {
        let (listening, mut heard) = listen(Duration::from_secs(60));
        heard.recv().await.expect("it is heard");
        let path = "/org/bluez/hci0/dev_C0_FF_EE_12_34_56";
        fake.with(|world| {
            for (property, value) in [
                ("ManufacturerData", v("text".to_owned())),
                ("ServiceData", v(map([("no uuid", v(vec![1u8])), ("0000fee0-0000-1000-8000-00805f9b34fb", v(true))]))),
                ("RSSI", v("loud".to_owned())),
                ("Connected", v(7u32)),
                ("UUIDs", v(vec!["no uuid".to_owned()])),
            ] {
                world.changed(path, "org.bluez.Device1", map([(property, value)]));
            }
            world.changed("/org/bluez/hci0/dev_garbage", "org.bluez.Device1", map([("RSSI", v(-1i16))]));
            world.device(ADDRESS).rssi = -42;
            world.advertise(ADDRESS);
        });
        let next = heard.recv().await.expect("it is heard");
        assert_eq!((next.rssi, next.manufacturer_data.len(), next.service_data.len()), (Some(-42), 0, 0));
        listening.abort();
    });
}

#[test]
fn a_crowded_hall_is_heard_in_time() {
    const CROWD: u16 = 300;
    let machine = || {
        let crowd = (0..CROWD).map(|last| Device { name: None, services: Vec::new(), ..echo(address(last)) }).collect();
        Machine::Whole(World::with_devices(crowd))
    };
    alone(machine, async |fake| {
        let (radio, began, mut seen) = (radio(), Instant::now(), BTreeSet::new());
        // On a slow machine a scan may hear of so many at once that it comes to look at few.
        while seen.len() < usize::from(CROWD) {
            let heard = radio.scan(Duration::from_secs(1)).await.expect("a scan works");
            seen.extend(heard.into_iter().map(|device| device.address));
            assert!(began.elapsed() < Duration::from_secs(60), "{} of {CROWD} in {:?}", seen.len(), began.elapsed());
        }
        assert_eq!(seen, (0..CROWD).map(address).collect(), "each of them, and nobody else");
        assert_eq!(fake.calls("StartDiscovery"), fake.calls("StopDiscovery"));
    });
}

#[test]
fn a_crowd_does_not_hide_the_device_to_connect_to() {
    const CROWD: u16 = 400;
    let machine = || {
        let mut all: Vec<Device> = (0..CROWD).map(|last| Device { name: None, services: Vec::new(), ..echo(address(last)) }).collect();
        all.push(echo(ADDRESS));
        Machine::Whole(World::with_devices(all))
    };
    alone(machine, async |fake| {
        radio().connect(ADDRESS).await.expect("it is found");
        let looks = fake.calls("GetAll");
        assert!(looks < 2 * usize::from(CROWD), "{looks}: the library looks once at each device, and nothing else does");
    });
}

#[test]
fn a_scan_that_nobody_waits_for_is_stopped() {
    alone(one_device, async |fake| {
        let (listening, mut heard) = listen(Duration::from_secs(60));
        heard.recv().await.expect("it is heard");
        listening.abort();
        fake.until("the end of the scan", |world| !world.adapters["hci0"].discovering).await;
    });
}

#[test]
fn two_scans_at_once_take_turns() {
    alone(one_device, async |fake| {
        let radio = radio();
        let (one, other) = tokio::join!(radio.scan(SOON), radio.scan(SOON));
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
        assert_eq!((fake.calls("StartDiscovery"), fake.calls("StopDiscovery")), (2, 2));
    });
}

#[test]
fn a_scan_that_something_else_ended_is_no_scan() {
    alone(one_device, async |fake| {
        fake.with(|world| world.fail("StopDiscovery", 1, Ending::Error("Failed", "No discovery started")));
        let error = radio().scan(SOON).await.expect_err("it did not listen to the end");
        assert!(error.to_string().contains("before its time"), "{error}");
    });
}

#[test]
fn an_adapter_that_goes_off_ends_a_scan_at_once() {
    alone(one_device, async |fake| {
        let (listening, mut heard) = listen(Duration::from_secs(600));
        heard.recv().await.expect("it is heard");
        fake.with(|world| world.switch_off("hci0"));
        let error = listening.await.expect("no panic").expect_err("it did not listen to the end");
        assert!(matches!(&error, LinkError::NoAdapter(why) if why.contains("hci0 went off")), "{error}");
    });
}

#[test]
fn an_adapter_that_is_taken_out_is_missed_by_the_end_of_the_scan() {
    alone(one_device, async |fake| {
        let (listening, mut heard) = listen(SOON);
        heard.recv().await.expect("it is heard");
        fake.with(|world| world.take_out("hci0"));
        let error = listening.await.expect("no panic").expect_err("it did not listen to the end");
        assert!(matches!(&error, LinkError::NoAdapter(why) if why.contains("hci0 was taken out")), "{error}");
    });
}
