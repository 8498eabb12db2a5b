//! What every link must do, as one test that each implementation calls with a device it can reach: simulated, recorded and radio, the
//! last over a stand-in for the Bluetooth service and over a real one. It panics where a link falls short. Not part of the product,
//! and public only because the tests beside the library call it.

use std::time::Duration;

use uuid::Uuid;

use super::{Central, LinkError, WriteKind};

/// What the test may ask of the device in reach.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Its address.
    pub address: [u8; 6],
    /// A characteristic that can be read, and its value.
    pub readable: (Uuid, Vec<u8>),
    /// A characteristic whose read is refused.
    pub refused: Uuid,
    /// A characteristic it does not have.
    pub missing: Uuid,
    /// A characteristic that notifies…
    pub notifying: Uuid,
    /// …once when this is written there.
    pub provoked_by: (Uuid, Vec<u8>),
}

/// Checks a central and its link.
///
/// # Panics
/// Where one of them does not do what every link must.
pub async fn check(central: &dyn Central, expected: &Expected) {
    check_within(central, expected, WAIT).await;
}

/// [`check`], with the time to listen for. What must come is listened for again and again, and waited for long enough; what must not
/// come is given this time.
///
/// # Panics
/// As [`check`].
pub async fn check_within(central: &dyn Central, expected: &Expected, wait: Duration) {
    let address = expected.address;
    let is_seen = async || {
        let seen = central.scan(wait).await.expect("a scan works");
        seen.iter().filter(|advertisement| advertisement.address == address).count()
    };
    let mut seen = 0;
    let mut each = Vec::new();
    for _ in 0..SCANS {
        seen = is_seen().await;
        central.scan_each(wait, &mut |advertisement| each.push(advertisement.address)).await.expect("a scan works");
        if seen > 0 && each.contains(&address) {
            break;
        }
    }
    assert_eq!(seen, 1, "a free device advertises");
    assert!(each.contains(&address), "it is handed out as it is seen");
    let mut stranger = address;
    stranger[5] ^= 1;
    assert_eq!(central.connect(stranger).await.err(), Some(LinkError::NotFound), "nobody answers at another address");

    let mut link = central.connect(address).await.expect("a free device takes a connection");
    assert_eq!(is_seen().await, 0, "a connected device is invisible");
    let second = central.connect(address).await.err();
    assert!(matches!(second, Some(LinkError::NotFound | LinkError::Held)), "one central at a time: {second:?}");

    let (readable, value) = &expected.readable;
    for _ in 0..2 {
        assert_eq!(link.read(*readable).await.as_ref(), Ok(value));
    }
    assert!(matches!(link.read(expected.refused).await, Err(LinkError::Refused(_))));
    let missing = expected.missing;
    assert_eq!(link.read(missing).await, Err(LinkError::NoCharacteristic(missing)));
    assert_eq!(link.subscribe(missing).await, Err(LinkError::NoCharacteristic(missing)));

    let notifying = expected.notifying;
    let (target, value) = &expected.provoked_by;
    link.write(*target, value, WriteKind::WithoutResponse).await.expect("a write works");
    assert_eq!(link.notification(wait).await, Err(LinkError::Silent(wait)), "nobody subscribed");
    for _ in 0..2 {
        link.subscribe(notifying).await.expect("a subscription works, also when there is one");
    }
    link.write(*target, value, WriteKind::WithResponse).await.expect("a write works");
    link.read(*readable).await.expect("a read works while a notification waits");
    assert_eq!(link.notification(SOON_ENOUGH).await.expect("a notification comes").characteristic, notifying);
    assert_eq!(link.notification(wait).await, Err(LinkError::Silent(wait)), "only one");
    for _ in 0..2 {
        link.unsubscribe(notifying).await.expect("unsubscribing works, also when there is nothing to turn off");
    }
    link.write(*target, value, WriteKind::WithResponse).await.expect("a write works");
    assert_eq!(link.notification(wait).await, Err(LinkError::Silent(wait)), "nobody is subscribed any more");
    link.subscribe(notifying).await.expect("a second subscription works");
    link.write(*target, value, WriteKind::WithResponse).await.expect("a write works");
    assert_eq!(link.notification(SOON_ENOUGH).await.expect("a notification comes").characteristic, notifying);

    link.disconnect().await.expect("a link can be let go");
    assert_eq!(link.read(*readable).await, Err(LinkError::Lost), "nothing works afterwards");
    assert_eq!(link.notification(wait).await, Err(LinkError::Lost), "nothing comes afterwards");
    link.disconnect().await.expect("letting go twice is no error");
    let mut second = central.connect(address).await.expect("the device is free again");
    assert_eq!(link.read(*readable).await, Err(LinkError::Lost), "an old link stays dead");
    assert!(second.read(*readable).await.is_ok(), "a new one works");
    drop(second);
    assert!(central.connect(address).await.is_ok(), "a dropped link frees the device too");
}

/// How long to listen for where nothing else is said.
const WAIT: Duration = Duration::from_secs(5);

/// How long something that must come may take.
const SOON_ENOUGH: Duration = Duration::from_secs(30);

/// Scans until a device must have been heard.
const SCANS: usize = 20;
