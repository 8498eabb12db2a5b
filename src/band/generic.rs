//! Any band that keeps to the services of the Bluetooth SIG: device information, battery, heart rate. There is no key, no clock
//! and no history: what it says, it says to everybody. Driver and simulator side by side.
//! Source: Device Information Service 1.1, Battery Service 1.0, Heart Rate Service 1.0.

use std::{
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    Access, ActivityToday, Band, BandClock, BandError, BandModel, DeviceInfo, History, Key, Workout,
    huami::{characteristics as standard, sensors},
};
use crate::link::{GattLink, LinkError, sig_uuid};

/// A band of the standard services. It goes by no name: somebody has to say that a device is one.
#[derive(Clone, Copy, Debug)]
pub struct Generic;

#[async_trait]
impl BandModel for Generic {
    fn name(&self) -> &'static str {
        "generic"
    }

    fn label(&self) -> &'static str {
        "Band with the standard services"
    }

    fn is_named(&self, _advertised: &str) -> bool {
        false
    }

    /// A key is of no use here and is not sent.
    async fn open(&self, link: Box<dyn GattLink>, _access: &Access) -> Result<Box<dyn Band>, BandError> {
        Ok(Box::new(Connected { link }))
    }

    async fn pair(&self, mut link: Box<dyn GattLink>, _new_key: Key, _is_sent: &AtomicBool) -> Result<Box<dyn Band>, BandError> {
        let _ = link.disconnect().await;
        Err(BandError::Unsupported("take a key"))
    }
}

struct Connected {
    link: Box<dyn GattLink>,
}

impl Connected {
    /// The value of a characteristic; `None` when it does not have it, or does not tell.
    async fn said(&mut self, characteristic: Uuid) -> Result<Option<Vec<u8>>, BandError> {
        match self.link.read(characteristic).await {
            Ok(value) => Ok(Some(value)),
            Err(LinkError::NoCharacteristic(_) | LinkError::Refused(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn text(&mut self, characteristic: Uuid) -> Result<Option<String>, BandError> {
        let value = self.said(characteristic).await?;
        let text = value.and_then(|value| String::from_utf8(value).ok());
        Ok(text.map(|text| text.trim_end_matches('\0').to_owned()).filter(|text| !text.is_empty()))
    }
}

#[async_trait]
impl Band for Connected {
    fn is_authenticated(&self) -> bool {
        false
    }

    async fn device_info(&mut self) -> Result<DeviceInfo, BandError> {
        // A system id need not be made of the address; then it says nothing, and nothing odd either.
        let address = self.said(standard::SYSTEM_ID).await?.and_then(|value| sensors::address_of_system_id(&value));
        let firmware = match self.text(FIRMWARE).await? {
            Some(firmware) => Some(firmware),
            None => self.text(standard::FIRMWARE).await?,
        };
        let battery = self.said(standard::BATTERY_LEVEL).await?.and_then(|value| sensors::battery_level(&value));
        Ok(DeviceInfo {
            address,
            serial: self.text(standard::SERIAL).await?,
            hardware: self.text(standard::HARDWARE).await?,
            firmware,
            battery,
            odd: Vec::new(),
        })
    }

    async fn clock(&mut self) -> Result<BandClock, BandError> {
        Err(BandError::Unsupported("say what time it is"))
    }

    async fn activity_today(&mut self) -> Result<ActivityToday, BandError> {
        Err(BandError::Unsupported("say how many steps it counted"))
    }

    /// Such a band measures as long as somebody listens.
    async fn measure_heart_rate(&mut self, within: Duration) -> Result<u8, BandError> {
        self.link.subscribe(standard::HEART_RATE).await?;
        let begun = Instant::now();
        let mut measured = Err(LinkError::Silent(within));
        for _ in 0..VALUES_MAX {
            match self.link.notification(within).await {
                Ok(notification) if notification.characteristic == standard::HEART_RATE => {
                    if let Some(beats) = sensors::heart_rate(&notification.value) {
                        measured = Ok(beats);
                        break;
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    measured = Err(error);
                    break;
                }
            }
            if begun.elapsed() >= within {
                break;
            }
        }
        let stopped = self.link.unsubscribe(standard::HEART_RATE).await;
        let beats = measured?;
        stopped?;
        Ok(beats)
    }

    async fn history(&mut self, _since: Timestamp, _into: &mut History) -> Result<(), BandError> {
        Err(BandError::Unsupported("keep minutes that everybody can read"))
    }

    async fn workouts(&mut self, _since: Timestamp) -> Result<Vec<Workout>, BandError> {
        Err(BandError::Unsupported("keep workouts that everybody can read"))
    }

    async fn vibrate(&mut self) -> Result<(), BandError> {
        Err(BandError::Unsupported("vibrate for everybody"))
    }

    async fn release(&mut self) -> Result<(), BandError> {
        Ok(self.link.disconnect().await?)
    }
}

/// Firmware revision: read, text. Where a device has it, the software revision is something else.
const FIRMWARE: Uuid = sig_uuid(0x2a26);

/// Values without a pulse before it is given up.
const VALUES_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        band::{connect, read_history},
        clock::Clock,
        link::{
            Advertisement, Central, Notification, behaviour,
            simulated::{Peripheral, SimulatedCentral},
        },
    };

    const ADDRESS: [u8; 6] = [0xC0, 0xFF, 0xEE, 0x12, 0x34, 0x56];

    /// A chest strap: it says its rates to whoever listens.
    #[derive(Default)]
    struct Strap {
        rates: Vec<Vec<u8>>,
        is_heard: bool,
        is_bare: bool,
    }

    impl Peripheral for Strap {
        fn advertisement(&self, _now: Timestamp) -> Advertisement {
            Advertisement {
                address: ADDRESS,
                name: Some("Strap".into()),
                manufacturer_data: Vec::new(),
                service_data: Vec::new(),
                rssi: None,
            }
        }
        fn connect(&mut self, _now: Timestamp) {}
        fn disconnect(&mut self) {
            self.is_heard = false;
        }
        fn read(&mut self, characteristic: Uuid, _now: Timestamp) -> Result<Vec<u8>, LinkError> {
            match characteristic {
                standard::BATTERY_LEVEL if !self.is_bare => Ok(vec![64]),
                standard::SERIAL if !self.is_bare => Ok(b"S-1".to_vec()),
                standard::FIRMWARE if !self.is_bare => Ok(b"2.0\0".to_vec()),
                standard::HEART_RATE => Err(LinkError::Refused(2)),
                other => Err(LinkError::NoCharacteristic(other)),
            }
        }
        fn write(&mut self, characteristic: Uuid, value: &[u8], _now: Timestamp) -> Result<(), LinkError> {
            if self.is_heard && characteristic == standard::HEART_RATE {
                self.rates.push(value.to_vec());
            }
            Ok(())
        }
        fn subscribe(&mut self, characteristic: Uuid, _now: Timestamp) -> Result<(), LinkError> {
            if characteristic != standard::HEART_RATE {
                return Err(LinkError::NoCharacteristic(characteristic));
            }
            self.is_heard = true;
            Ok(())
        }
        fn unsubscribe(&mut self, _characteristic: Uuid, _now: Timestamp) -> Result<(), LinkError> {
            self.is_heard = false;
            Ok(())
        }
        fn notification(&mut self, _now: Timestamp) -> Result<Option<Notification>, LinkError> {
            let rate = (self.is_heard && !self.rates.is_empty()).then(|| self.rates.remove(0));
            Ok(rate.map(|value| Notification { characteristic: standard::HEART_RATE, value }))
        }
    }

    fn central(strap: Strap) -> SimulatedCentral<Strap> {
        SimulatedCentral::new(strap, Clock::simulated("2026-03-14T09:00:00Z".parse().expect("a time")))
    }

    #[tokio::test]
    async fn behaves_as_every_link_does() {
        behaviour::check(
            &central(Strap::default()),
            &behaviour::Expected {
                address: ADDRESS,
                readable: (standard::BATTERY_LEVEL, vec![64]),
                refused: standard::HEART_RATE,
                missing: sig_uuid(0x2a29),
                notifying: standard::HEART_RATE,
                provoked_by: (standard::HEART_RATE, vec![0, 70]),
            },
        )
        .await;
    }

    #[tokio::test]
    async fn what_it_says_is_told_and_nothing_else() {
        let central = central(Strap { rates: vec![vec![0, 0], vec![1, 72, 0]], ..Strap::default() });
        let mut band = connect(&central, &Generic, ADDRESS, &Access::Anyone).await.expect("free");
        let info = band.device_info().await.expect("it says");
        assert_eq!((info.address, info.serial.as_deref(), info.firmware.as_deref()), (None, Some("S-1"), Some("2.0")));
        assert_eq!(info.battery.map(|battery| battery.level), Some(64));
        let within = Duration::from_secs(5);
        assert_eq!(band.measure_heart_rate(within).await, Ok(72));
        assert_eq!(band.measure_heart_rate(within).await, Err(LinkError::Silent(within).into()));
        assert!(!central.with_peripheral(|strap| strap.is_heard), "nobody listens any more");
        assert!(matches!(band.activity_today().await, Err(BandError::Unsupported(_))));
        band.release().await.expect("it lets go");
        let link = central.connect(ADDRESS).await.expect("free again");
        assert!(matches!(Generic.pair(link, Key::new([1; 16]), &AtomicBool::new(false)).await.err(), Some(BandError::Unsupported(_))));
        let since = "2026-03-14T00:00:00Z".parse().expect("a time");
        let key = Access::Key(Key::new([1; 16]));
        for access in [Access::Anyone, key] {
            let within = Duration::from_secs(60);
            let read = read_history(&central, &Generic, ADDRESS, &access, since, within).await.expect("what it says is told");
            assert_eq!((read.info.serial.as_deref(), read.clock, read.history), (Some("S-1"), None, None));
            assert!(!read.is_authenticated && !read.needs_key, "no key was used, and none would bring more");
        }
    }

    #[tokio::test]
    async fn a_device_that_says_nothing_of_itself_is_a_band_all_the_same() {
        let central = central(Strap { is_bare: true, ..Strap::default() });
        let mut band = connect(&central, &Generic, ADDRESS, &Access::Anyone).await.expect("free");
        assert_eq!(band.device_info().await, Ok(DeviceInfo::default()));
        assert!(!Generic.is_named("Strap"));
    }
}
