//! How a simulated band lets a central in: the three kinds of authentication, and pairing in the two older ones.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::{Fault, Queued, SimulatedBand, State, Tap};
use crate::band::{
    Key,
    huami::{
        authentication::{self, PUBLIC_KEY_HASH, encrypted},
        characteristics::{AUTHENTICATION, CHUNKS_FROM_BAND, OLD_CHUNKS},
        chunks::{self, DEFAULT_VALUE_BYTES, Message},
        curve::PRIVATE_BYTES,
        handshake::{self, KeyPair},
        profile::Authentication,
    },
};

/// `10 03` with this: the key is another.
const WRONG: u8 = 0x04;

/// `10 05` with this: the key is another, in the handshake of 2021.
const WRONG_2021: u8 = 0x25;

impl SimulatedBand {
    /// Something was written to the authentication characteristic. The flag byte is not looked at, as on the real band.
    pub(super) fn authenticate(&mut self, value: &[u8], now: Timestamp) {
        let chooses = self.contents.model.authentication == Authentication::ChosenKey;
        if !chooses && self.contents.model.authentication == Authentication::Handshake {
            return;
        }
        match *value {
            // A probe.
            [0x01, _] if !chooses => {
                self.enter(State::Probed);
                self.notify(AUTHENTICATION, &[&[0x10, 0x01, 0x81, 0x01][..], &PUBLIC_KEY_HASH].concat(), now);
            }
            [0x01, _, ref key @ ..] if chooses => self.offer_key(key.try_into().ok().map(Key::new), now),
            [0x01, ..] => self.notify(AUTHENTICATION, &[0x10, 0x01, WRONG], now),
            // The first pairing of version 2: the seed is told, and the key is made of it once the server has signed.
            [0x82, _, 0x02] if !chooses && self.state() == Some(State::Probed) => {
                let seed = self.nonce();
                self.enter(State::Pairing(seed));
                self.notify(AUTHENTICATION, &[&[0x10, 0x82, 0x01][..], &seed].concat(), now);
                match self.tapped_at(now) {
                    Some(at) => self.notify_at(AUTHENTICATION, &[0x10, 0x83, 0x01], now, at),
                    None => self.notify(AUTHENTICATION, &[0x10, 0x83, WRONG], now),
                }
            }
            [command @ 0x02, _] | [command @ 0x02, _, 0x02] => self.challenge(command, now),
            [command @ 0x82, _, 0x02, ..] if !chooses => self.challenge(command, now),
            [command @ 0x03, _, ref answer @ ..] => self.judge(command, answer, now),
            [command @ 0x83, _, ref answer @ ..] if !chooses => self.judge(command, answer, now),
            _ => {}
        }
    }

    /// A key of the central's choosing: it is taken when the wearer taps. A probe offers none.
    fn offer_key(&mut self, key: Option<Key>, now: Timestamp) {
        self.enter(State::Connected);
        match (key, self.tapped_at(now)) {
            (Some(key), Some(at)) => {
                if let Some(session) = &mut self.session {
                    session.queue.push_back((at, Queued::Tapped(key)));
                }
            }
            _ => self.notify(AUTHENTICATION, &[0x10, 0x01, WRONG], now),
        }
    }

    fn challenge(&mut self, command: u8, now: Timestamp) {
        let nonce = self.nonce();
        self.enter(State::Challenged(nonce));
        self.notify(AUTHENTICATION, &[&[0x10, command, 0x01][..], &nonce].concat(), now);
    }

    fn judge(&mut self, command: u8, answer: &[u8], now: Timestamp) {
        let is_right = match self.state() {
            Some(State::Challenged(nonce)) => answer == encrypted(&self.contents.key, nonce) && !self.happens(Fault::WrongKey),
            _ => false,
        };
        self.enter(if is_right { State::Authenticated } else { State::Connected });
        self.notify(AUTHENTICATION, &[0x10, command, if is_right { 0x01 } else { WRONG }], now);
    }

    /// A frame of the older long messages. The last one of a signature ends the first pairing of version 2.
    pub(super) fn take_old_chunk(&mut self, value: &[u8], now: Timestamp) {
        let &[0x00, flags, _count, ..] = value else { return };
        if flags & 0x80 == 0 {
            return;
        }
        self.notify(OLD_CHUNKS, &[0x10, 0x00, flags, 0x01, 0x01, 0x00, 0x00], now);
        if let Some(State::Pairing(seed)) = self.state() {
            self.contents.key = authentication::server_key(self.contents.address, seed);
            self.enter(State::Authenticated);
            self.notify(AUTHENTICATION, &[0x10, 0x01, 0x01], now);
        }
    }

    /// A frame of the long messages of 2021.
    pub(super) fn take_chunk(&mut self, frame: &[u8], now: Timestamp) {
        let Some(session) = &mut self.session else { return };
        let Ok(chunks::Taken { message: Some(message), .. }) = session.assembly.take(frame, None) else { return };
        if message.endpoint != handshake::ENDPOINT {
            return;
        }
        match (handshake::read_hello(&message.payload), self.state()) {
            (Some(theirs), _) => {
                let nonce = self.nonce();
                let Some(own) = self.key_pair() else { return };
                let Some(session) = own.session(theirs, &self.contents.key) else { return };
                let expected = handshake::answer(&self.contents.key, &session, nonce);
                self.enter(State::Greeted(expected));
                self.say(handshake::challenge(nonce, own.public()), now);
            }
            (None, Some(State::Greeted(expected))) => {
                let is_right = message.payload == expected && !self.happens(Fault::WrongKey);
                self.enter(if is_right { State::Authenticated } else { State::Connected });
                self.say(vec![0x10, 0x05, if is_right { 0x01 } else { WRONG_2021 }], now);
            }
            _ => {}
        }
    }

    fn say(&mut self, payload: Vec<u8>, now: Timestamp) {
        let message = Message { endpoint: handshake::ENDPOINT, payload };
        let handle = self.challenges.to_le_bytes()[0];
        for frame in chunks::frames(&message, handle, None, DEFAULT_VALUE_BYTES) {
            self.notify(CHUNKS_FROM_BAND, &frame, now);
        }
    }

    /// When the wearer taps; `None` when nobody does.
    fn tapped_at(&self, now: Timestamp) -> Option<Timestamp> {
        match self.tap {
            Tap::AtOnce => Some(now),
            Tap::After(time) => now.checked_add(SignedDuration::try_from(time).ok()?).ok(),
            Tap::Never => None,
        }
    }

    /// Another one each time, and the same in each run.
    fn nonce(&mut self) -> [u8; 16] {
        self.challenges += 1;
        self.chosen_nonce.unwrap_or_else(|| self.pseudo_random(b"nonce"))
    }

    fn key_pair(&self) -> Option<KeyPair> {
        let [low, high] = [self.pseudo_random(b"low"), self.pseudo_random(b"high")];
        let mut private = [0; PRIVATE_BYTES];
        private[..16].copy_from_slice(&low);
        private[16..].copy_from_slice(&high[..8]);
        KeyPair::new(self.chosen_private_key.unwrap_or(private))
    }

    fn pseudo_random(&self, what: &[u8]) -> [u8; 16] {
        let digest: [u8; 32] = Sha256::new().chain_update(self.challenges.to_le_bytes()).chain_update(what).finalize().into();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        half
    }
}
