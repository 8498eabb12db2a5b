//! How the driver shows the band that it knows the key: which of the three ways, and the messages there and back.

use std::time::Duration;

use super::{ANSWER_WITHIN, Conversation, PATIENCE, garbled};
use crate::{
    band::{
        BandError, Key,
        huami::{
            authentication::{self, Reply, Spelling},
            characteristics::{AUTHENTICATION, CHUNKS_FROM_BAND, CHUNKS_TO_BAND},
            chunks::{self, Assembly, DEFAULT_VALUE_BYTES, FrameError, Message},
            curve::PRIVATE_BYTES,
            handshake::{self, KeyPair},
            profile::Authentication,
        },
    },
    link::LinkError,
};

/// How long the wearer may take to tap.
const TAP_WITHIN: Duration = Duration::from_secs(40);

impl Conversation {
    /// Authenticates with a key that the band knows.
    pub(super) async fn authenticate(&mut self, key: &Key) -> Result<(), BandError> {
        match self.profile.authentication {
            Authentication::ChosenKey => self.answer_challenge(Spelling::One { flag: self.profile.flag }, key).await,
            Authentication::ServerKey => self.answer_challenge(Spelling::Two, key).await,
            Authentication::ServerKeyOrHandshake => match self.shake_hands(key).await {
                // Older firmware: it does not have the characteristic, or says nothing there.
                Err(BandError::Link(LinkError::NoCharacteristic(_) | LinkError::Silent(_))) => {
                    self.answer_challenge(Spelling::Two, key).await
                }
                other => other,
            },
            Authentication::Handshake => self.shake_hands(key).await,
        }
    }

    /// Gives the band a new key, which it takes when the wearer taps, and authenticates with it.
    pub(super) async fn pair(&mut self, key: &Key) -> Result<(), BandError> {
        self.link.subscribe(AUTHENTICATION).await?;
        self.send(AUTHENTICATION, &authentication::new_key(self.profile.flag, key)).await?;
        match self.reply(TAP_WITHIN).await {
            Ok(Reply::KeyTaken) => {}
            Ok(Reply::KeyRefused) | Err(BandError::Link(LinkError::Silent(_))) => return Err(BandError::NotTapped),
            Ok(other) => return Err(surprised("given a new key", other)),
            Err(error) => return Err(error),
        }
        self.authenticate(key).await
    }

    /// Versions 1 and 2.
    async fn answer_challenge(&mut self, spelling: Spelling, key: &Key) -> Result<(), BandError> {
        self.link.subscribe(AUTHENTICATION).await?;
        self.send(AUTHENTICATION, &authentication::ask_challenge(spelling)).await?;
        let nonce = match self.reply(ANSWER_WITHIN).await? {
            Reply::Challenge(nonce) => nonce,
            other => return Err(surprised("asked for a challenge", other)),
        };
        self.send(AUTHENTICATION, &authentication::challenge_answer(spelling, key, nonce)).await?;
        match self.reply(ANSWER_WITHIN).await? {
            Reply::Accepted => {
                self.is_authenticated = true;
                Ok(())
            }
            Reply::WrongKey => Err(BandError::WrongKey),
            other => Err(surprised("given the answer to its challenge", other)),
        }
    }

    async fn reply(&mut self, within: Duration) -> Result<Reply, BandError> {
        let (_, value) = self.next(&[AUTHENTICATION], within).await?;
        authentication::reply(&value).ok_or_else(|| garbled("an authentication message is cut short".to_owned()))
    }

    /// The handshake of 2021.
    async fn shake_hands(&mut self, key: &Key) -> Result<(), BandError> {
        self.link.subscribe(CHUNKS_FROM_BAND).await?;
        let pair = key_pair(self.private_key)?;
        let mut assembly = Assembly::default();
        self.say(1, handshake::hello(pair.public())).await?;
        let (nonce, theirs) = match self.hear(&mut assembly).await? {
            Some(handshake::Reply::Challenge(nonce, theirs)) => (nonce, theirs),
            other => return Err(garbled(format!("greeted, it says {}", told(other)))),
        };
        let session = pair.session(theirs, key).ok_or_else(|| garbled("its public key is no point of the curve".to_owned()))?;
        self.say(2, handshake::answer(key, &session, nonce)).await?;
        match self.hear(&mut assembly).await? {
            Some(handshake::Reply::Accepted) => {
                self.is_authenticated = true;
                Ok(())
            }
            Some(handshake::Reply::WrongKey) => Err(BandError::WrongKey),
            other => Err(garbled(format!("given the answer to its challenge, it says {}", told(other)))),
        }
    }

    async fn say(&mut self, handle: u8, payload: Vec<u8>) -> Result<(), BandError> {
        let message = Message { endpoint: handshake::ENDPOINT, payload };
        for frame in chunks::frames(&message, handle, None, DEFAULT_VALUE_BYTES) {
            self.send(CHUNKS_TO_BAND, &frame).await?;
        }
        Ok(())
    }

    /// The next message of the handshake; messages of other endpoints are passed over. `None` when it is not understood.
    async fn hear(&mut self, assembly: &mut Assembly) -> Result<Option<handshake::Reply>, BandError> {
        for _ in 0..PATIENCE {
            let (_, frame) = self.next(&[CHUNKS_FROM_BAND], ANSWER_WITHIN).await?;
            if !chunks::is_frame(&frame) {
                continue;
            }
            let taken = match assembly.take(&frame, None) {
                Ok(taken) => taken,
                // What is encrypted before there is a session is not for us.
                Err(FrameError::Sealed) => continue,
                Err(error) => return Err(garbled(error.to_string())),
            };
            if let Some(acknowledgement) = taken.acknowledgement {
                self.send(CHUNKS_FROM_BAND, &acknowledgement).await?;
            }
            if let Some(message) = taken.message.filter(|message| message.endpoint == handshake::ENDPOINT) {
                return Ok(handshake::reply(&message.payload));
            }
        }
        Err(garbled(format!("it sent {PATIENCE} frames and no message of the handshake")))
    }
}

/// A pair for one handshake, from the randomness of the TLS library.
fn key_pair(chosen: Option<[u8; PRIVATE_BYTES]>) -> Result<KeyPair, BandError> {
    let no_randomness = || LinkError::Stack("this machine has no randomness for a key".to_owned());
    let mut private = [0; PRIVATE_BYTES];
    rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut private).map_err(|_| no_randomness())?;
    Ok(KeyPair::new(chosen.unwrap_or(private)).ok_or_else(no_randomness)?)
}

fn surprised(when: &str, reply: Reply) -> BandError {
    // A challenge is no secret, but nothing to print either.
    let says = match reply {
        Reply::Challenge(_) => "a challenge".to_owned(),
        other => format!("{other:02x?}"),
    };
    garbled(format!("{when}, it says {says}"))
}

const fn told(reply: Option<handshake::Reply>) -> &'static str {
    match reply {
        Some(handshake::Reply::Challenge(..)) => "a challenge",
        Some(handshake::Reply::Accepted) => "that it accepts",
        Some(handshake::Reply::WrongKey) => "that the key is wrong",
        None => "something that is not understood",
    }
}
