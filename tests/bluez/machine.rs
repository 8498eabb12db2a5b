//! A machine whose Bluetooth is missing, off, forbidden or broken: each is told with what to do, within its time.

use std::time::Duration;

use tattletale::link::{Central as _, LinkError, radio::Radio};
use tokio::time::Instant;

use crate::{
    LIMITS,
    echo::{ADDRESS, BATTERY, echo},
    fake::{Device, Ending, World},
    harness::{Machine, alone, end_bus},
    heard, one_device, radio,
};

const SOON: Duration = Duration::from_millis(300);

/// Both ways in say the same.
async fn says(words: &str) {
    let began = Instant::now();
    for error in [radio().scan(SOON).await.err(), radio().connect(ADDRESS).await.err()] {
        let error = error.expect("there is no Bluetooth");
        assert!(matches!(error, LinkError::NoAdapter(_) | LinkError::NoPermission(_)), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
}

#[test]
fn edge_6_an_adapter_is_chosen_by_name_or_address_whatever_their_order() {
    let machine = || {
        let other = Device { adapter: "hci1".to_owned(), ..echo([0xC0, 0xFF, 0xEE, 0, 0, 1]) };
        let mut world = World::with_devices(vec![echo(ADDRESS), other]);
        world.add_adapter("hci1", "C0:FF:EE:00:00:11", true);
        world.add_adapter("hci10", "C0:FF:EE:00:00:12", true);
        Machine::Whole(world)
    };
    alone(machine, async |_fake| {
        for (adapter, expected) in [
            (None, Some(ADDRESS)),
            (Some("hci0"), Some(ADDRESS)),
            (Some("hci1"), Some([0xC0, 0xFF, 0xEE, 0, 0, 1])),
            (Some("C0:FF:EE:00:00:11"), Some([0xC0, 0xFF, 0xEE, 0, 0, 1])),
            (Some("hci10"), None),
        ] {
            let radio = Radio::new(adapter.map(str::to_owned)).with_limits(LIMITS);
            let seen = match expected {
                Some(_) => heard(&radio).await,
                None => radio.scan(SOON).await.expect("a scan works"),
            };
            assert_eq!(seen.first().map(|seen| seen.address), expected, "{adapter:?}");
        }
        let adapters = radio().adapters().await.expect("the service answers");
        assert_eq!(adapters.iter().map(|adapter| adapter.name.as_str()).collect::<Vec<_>>(), ["hci0", "hci1", "hci10"]);
        let error = Radio::new(Some("hci2".to_owned())).scan(SOON).await.expect_err("there is none");
        assert!(error.to_string().contains("none named hci2; it has hci0, hci1, hci10"), "{error}");
    });
}

#[test]
fn edge_10_an_adapter_that_is_off_is_told_and_stays_off() {
    let machine = || {
        let mut world = World::with_devices(vec![echo(ADDRESS)]);
        world.switch_off("hci0");
        Machine::Whole(world)
    };
    alone(machine, async |fake| {
        says("switch").await;
        assert!(!fake.with(|world| world.adapters["hci0"].powered), "a machine is left as it was found");
        assert_eq!(fake.calls("Set"), 0);
    });
}

#[test]
fn edge_10_a_block_that_shows_only_when_it_is_used_is_told() {
    alone(one_device, async |fake| {
        fake.with(|world| world.fail("StartDiscovery", 2, Ending::Error("Failed", "Blocked through rfkill")));
        says("rfkill unblock bluetooth").await;
    });
}

#[test]
fn edge_11_a_machine_without_a_bus_is_told() {
    alone(|| Machine::NoBus, async |_fake| says("message bus (D-Bus), over which Bluetooth is used, is not there").await);
}

#[test]
fn edge_11_a_machine_without_the_service_is_told() {
    alone(|| Machine::NoService, async |_fake| says("systemctl start bluetooth").await);
}

#[test]
fn edge_11_a_machine_without_an_adapter_is_told() {
    alone(
        || Machine::Whole(World::default()),
        async |_fake| {
            says("this machine has none; plug one in").await;
            assert_eq!(radio().adapters().await, Ok(Vec::new()));
        },
    );
}

#[test]
fn edge_11_a_user_who_may_not_is_told() {
    alone(|| Machine::Forbidden(World::with_devices(vec![echo(ADDRESS)])), async |_fake| says("group `bluetooth`").await);
}

#[test]
fn edge_11_a_service_that_does_not_answer_is_told_within_its_limit() {
    alone(one_device, async |fake| {
        fake.with(|world| world.fail("GetManagedObjects", 9, Ending::Silence));
        let began = Instant::now();
        let error = radio().connect(ADDRESS).await.err().expect("nobody answers");
        assert!(matches!(&error, LinkError::NoAdapter(why) if why.contains("does not answer")), "{error}");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}: the bus would wait for 30 s", began.elapsed());
    });
}

#[test]
fn a_service_that_fails_once_is_asked_again() {
    alone(one_device, async |fake| {
        let radio = radio();
        heard(&radio).await;
        fake.with(|world| world.fail("GetManagedObjects", 1, Ending::Error("Failed", "Busy")));
        heard(&radio).await;
    });
}

#[test]
fn a_bus_that_ends_is_told_and_does_not_take_the_program_along() {
    alone(one_device, async |_fake| {
        let radio = Radio::new(None).with_limits(tattletale::link::radio::Limits { answer: SOON, let_go: SOON, ..LIMITS });
        let mut link = radio.connect(ADDRESS).await.expect("it takes a connection");
        end_bus();
        let began = Instant::now();
        let error = loop {
            match link.read(BATTERY).await {
                Ok(_) if began.elapsed() < Duration::from_secs(30) => {}
                answer => break answer.expect_err("there is no bus any more"),
            }
        };
        assert!(!matches!(error, LinkError::Lost | LinkError::Refused(_)), "the band is not to blame: {error}");
        let error = radio.scan(SOON).await.expect_err("there is no bus any more");
        assert!(matches!(&error, LinkError::NoAdapter(why) if why.contains("bus")), "{error}");
    });
}

#[test]
fn a_radio_that_outlives_its_runtime_makes_itself_a_new_connection() {
    alone(one_device, async |_fake| {
        let radio = radio();
        heard(&radio).await;
        let elsewhere = std::thread::spawn(move || {
            let scan = |radio: &Radio| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                let seen = runtime.block_on(heard(radio)).len();
                runtime.shutdown_background();
                seen
            };
            // The first of these uses the connection of the test's own runtime, which is still there.
            let fresh = Radio::new(None).with_limits(LIMITS);
            [scan(&radio), scan(&fresh), scan(&fresh)]
        });
        let seen = tokio::task::spawn_blocking(move || elsewhere.join().expect("no panic")).await.expect("no panic");
        assert_eq!(seen, [1, 1, 1]);
    });
}
