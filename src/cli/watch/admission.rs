//! Who may use a proxy that others on the network can reach: devices on which somebody entered the code that the terminal shows.
//! Ends with the command: nothing is remembered.

use std::{
    collections::BTreeMap,
    hint::black_box,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustls::crypto::{GetRandomFailed, SecureRandom};

/// Tries of one address. A person mistypes; five are enough.
pub(super) const TRIES: u32 = 5;
/// Wrong tries of all addresses together, after which no code is taken any more: whoever has many addresses has no more luck
/// than one in ten thousand.
const ALL_TRIES: u32 = 100;
/// Devices that are told apart.
const MOST_DEVICES: usize = 1024;

/// A code of six digits.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Code(String);

impl Code {
    /// A new one, every code as likely as any other.
    ///
    /// # Errors
    /// When the machine has no randomness to give.
    pub(super) fn new(random: &dyn SecureRandom) -> Result<Self, GetRandomFailed> {
        const ALL: u32 = 1_000_000;
        // The numbers above the last whole million would make small codes likelier.
        const FAIR: u32 = u32::MAX / ALL * ALL;
        loop {
            let mut bytes = [0; 4];
            random.fill(&mut bytes)?;
            let number = u32::from_le_bytes(bytes);
            if number < FAIR {
                return Ok(Self(format!("{:06}", number % ALL)));
            }
        }
    }

    /// Reads six digits, with or without blanks between them.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(digits))
        } else {
            Err("a code is six digits".to_owned())
        }
    }

    /// As a person reads it: `123 456`.
    pub(super) fn shown(&self) -> String {
        let (one, two) = self.0.split_at(self.0.len() / 2);
        format!("{one} {two}")
    }

    /// Whether they are the same, in a time that does not tell how many digits are.
    fn is(&self, other: &Self) -> bool {
        let differing = self.0.bytes().zip(other.0.bytes()).fold(0, |all, (a, b)| black_box(all | (a ^ b)));
        differing == 0
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(……)")
    }
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Try {
    /// The device may use the proxy from now on.
    Admitted,
    /// Not the code; so many tries are left.
    Wrong(u32),
    /// This device has no tries left.
    Locked,
    /// Nobody has: too many wrong codes came from too many addresses.
    Closed,
}

/// Who may use the proxy, and what is known of each device.
#[derive(Debug)]
pub(super) struct Admission {
    /// `None`: whoever reaches the proxy may use it, because only this machine can.
    code: Option<Code>,
    devices: Mutex<Devices>,
}

#[derive(Debug, Default)]
struct Devices {
    known: BTreeMap<IpAddr, Device>,
    wrong: u32,
}

/// What is known of one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Device {
    /// It may use the proxy.
    admitted: bool,
    /// Wrong codes that came from it.
    wrong: u32,
    /// It asked for our page through the proxy: the proxy is set.
    pub(super) proxied: bool,
    /// It fetched something over TLS that we decrypted: it trusts our certificate.
    pub(super) trusts: bool,
}

impl Admission {
    /// With a code, or without for a proxy that only this machine can reach.
    pub(super) fn new(code: Option<Code>) -> Self {
        Self { code, devices: Mutex::default() }
    }

    /// Whether a device may use the proxy.
    pub(super) fn admits(&self, client: IpAddr) -> bool {
        self.code.is_none() || self.lock().known.get(&client.to_canonical()).is_some_and(|device| device.admitted)
    }

    /// What is known of a device.
    pub(super) fn device(&self, client: IpAddr) -> Device {
        self.lock().known.get(&client.to_canonical()).copied().unwrap_or_default()
    }

    /// Takes a code that a device sends.
    pub(super) fn enter(&self, client: IpAddr, typed: &str) -> Try {
        let Some(code) = &self.code else { return Try::Admitted };
        let mut devices = self.lock();
        let is_open = devices.wrong < ALL_TRIES && devices.has_room(client);
        let wrong_before = devices.wrong;
        if !is_open && !devices.known.contains_key(&client.to_canonical()) {
            return Try::Closed;
        }
        let device = devices.known.entry(client.to_canonical()).or_default();
        if device.admitted {
            return Try::Admitted;
        }
        if device.wrong >= TRIES {
            return Try::Locked;
        }
        if wrong_before >= ALL_TRIES {
            return Try::Closed;
        }
        if Code::parse(typed).is_ok_and(|typed| typed.is(code)) {
            device.admitted = true;
            return Try::Admitted;
        }
        device.wrong += 1;
        let left = TRIES - device.wrong;
        devices.wrong += 1;
        if left == 0 { Try::Locked } else { Try::Wrong(left) }
    }

    /// Notes that a device asked for our page through the proxy.
    pub(super) fn note_proxied(&self, client: IpAddr) {
        self.note(client, |device| device.proxied = true);
    }

    /// Notes that a device fetched something that we decrypted.
    pub(super) fn note_trust(&self, client: IpAddr) {
        self.note(client, |device| {
            device.proxied = true;
            device.trusts = true;
        });
    }

    /// Devices that trust our certificate.
    pub(super) fn trusting(&self) -> Vec<IpAddr> {
        self.lock().known.iter().filter(|(_, device)| device.trusts).map(|(client, _)| *client).collect()
    }

    fn note(&self, client: IpAddr, change: impl FnOnce(&mut Device)) {
        // Of a stranger nothing is noted: what one sends must not fill the memory.
        if self.admits(client) {
            let mut devices = self.lock();
            if devices.has_room(client) {
                change(devices.known.entry(client.to_canonical()).or_default());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Devices> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Devices {
    fn has_room(&self, client: IpAddr) -> bool {
        self.known.len() < MOST_DEVICES || self.known.contains_key(&client.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const PHONE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

    fn with_code() -> Admission {
        Admission::new(Some(Code::parse("042 137").expect("six digits")))
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number))
    }

    #[test]
    fn only_a_device_with_the_code_is_admitted() {
        let admission = with_code();
        assert!(!admission.admits(PHONE));
        for (typed, want) in [("042136", Try::Wrong(4)), ("", Try::Wrong(3)), ("04213", Try::Wrong(2)), (" 042 137 ", Try::Admitted)] {
            assert_eq!(admission.enter(PHONE, typed), want, "{typed:?}");
        }
        assert!(admission.admits(PHONE));
        assert!(admission.admits("::ffff:192.0.2.7".parse().expect("an address")), "the same device by its other spelling");
        assert!(!admission.admits(address(1)), "and no other");
    }

    #[test]
    fn after_five_wrong_codes_the_right_one_comes_too_late() {
        let admission = with_code();
        for left in [4, 3, 2, 1] {
            assert_eq!(admission.enter(PHONE, "000000"), Try::Wrong(left));
        }
        assert_eq!(admission.enter(PHONE, "000000"), Try::Locked);
        assert_eq!(admission.enter(PHONE, "042137"), Try::Locked);
        assert!(!admission.admits(PHONE));
        assert_eq!(admission.enter(address(1), "042137"), Try::Admitted, "another device is not punished for it");
    }

    #[test]
    fn many_addresses_have_no_more_tries_than_one_in_ten_thousand() {
        let admission = with_code();
        let wrong = (0..10_000).filter(|number| matches!(admission.enter(address(*number), "000000"), Try::Wrong(_))).count();
        assert_eq!(wrong, ALL_TRIES as usize);
        assert_eq!(admission.enter(PHONE, "042137"), Try::Closed);
        assert!(admission.lock().known.len() <= MOST_DEVICES);
    }

    #[test]
    fn without_a_code_everybody_who_can_reach_it_is_admitted() {
        assert!(Admission::new(None).admits(PHONE));
    }

    #[test]
    fn what_is_known_of_a_device_is_its_own_and_of_a_stranger_nothing() {
        let admission = with_code();
        admission.note_trust(address(1));
        assert!(admission.lock().known.is_empty());
        admission.enter(PHONE, "042137");
        admission.note_proxied(PHONE);
        assert!(admission.device(PHONE).proxied && !admission.device(PHONE).trusts);
        admission.note_trust(PHONE);
        assert_eq!(admission.trusting(), [PHONE]);
    }

    #[test]
    fn codes_have_six_digits_and_differ() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let codes: Vec<String> = (0..20).map(|_| Code::new(provider.secure_random).expect("randomness").0).collect();
        assert!(codes.iter().all(|code| Code::parse(code).is_ok()));
        assert!(codes.windows(2).any(|two| two[0] != two[1]));
        assert_eq!(Code::parse("042137").expect("six digits").shown(), "042 137");
        assert!(!format!("{:?}", Code::parse("042137")).contains("042"), "not in a log");
    }
}
