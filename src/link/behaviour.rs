//! What every link must do, as one test that each implementation calls with a device it can reach. Not part of the product.

use std::time::Duration;

use uuid::Uuid;

use super::{Central, LinkError, WriteKind};

const WAIT: Duration = Duration::from_secs(5);

/// What the test may ask of the device in reach.
pub(crate) struct Expected {
    /// Its address.
    pub(crate) address: [u8; 6],
    /// A characteristic that can be read, and its value.
    pub(crate) readable: (Uuid, Vec<u8>),
    /// A characteristic whose read is refused.
    pub(crate) refused: Uuid,
    /// A characteristic it does not have.
    pub(crate) missing: Uuid,
    /// A characteristic that notifies…
    pub(crate) notifying: Uuid,
    /// …once when this is written there.
    pub(crate) provoked_by: (Uuid, Vec<u8>),
}

/// Checks a central and its link.
pub(crate) async fn check(central: &dyn Central, expected: &Expected) {
    let seen = central.scan(WAIT).await.expect("a scan works");
    assert!(seen.iter().any(|advertisement| advertisement.address == expected.address), "a free device advertises");
    let mut stranger = expected.address;
    stranger[5] ^= 1;
    assert_eq!(central.connect(stranger).await.err(), Some(LinkError::NotFound), "nobody answers at another address");

    let mut link = central.connect(expected.address).await.expect("a free device takes a connection");
    assert!(central.scan(WAIT).await.expect("a scan works").is_empty(), "a connected device is invisible");
    assert_eq!(central.connect(expected.address).await.err(), Some(LinkError::NotFound), "one central at a time");

    assert_eq!(link.read(expected.readable.0).await.as_ref(), Ok(&expected.readable.1));
    assert!(matches!(link.read(expected.refused).await, Err(LinkError::Refused(_))));
    assert_eq!(link.read(expected.missing).await, Err(LinkError::NoCharacteristic(expected.missing)));

    let (target, value) = &expected.provoked_by;
    link.write(*target, value, WriteKind::WithoutResponse).await.expect("a write works");
    assert_eq!(link.notification(WAIT).await, Err(LinkError::Silent(WAIT)), "nobody subscribed");
    link.subscribe(expected.notifying).await.expect("a subscription works");
    link.write(*target, value, WriteKind::WithResponse).await.expect("a write works");
    assert_eq!(link.notification(WAIT).await.expect("a notification comes").characteristic, expected.notifying);
    assert_eq!(link.notification(WAIT).await, Err(LinkError::Silent(WAIT)), "only one");

    link.disconnect().await.expect("a link can be let go");
    assert_eq!(link.read(expected.readable.0).await, Err(LinkError::Lost), "nothing works afterwards");
    drop(central.connect(expected.address).await.expect("the device is free again"));
    assert!(central.connect(expected.address).await.is_ok(), "a dropped link frees the device too");
}
