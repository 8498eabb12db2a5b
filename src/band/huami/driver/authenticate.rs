//! How the driver shows the band that it knows the key: which of the three ways, and the messages there and back.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::{ANSWER_WITHIN, Conversation, PATIENCE, garbled};
use crate::{
    band::{
        BandError, Key,
        huami::{
            authentication::{self, Reply, Spelling},
            characteristics::{AUTHENTICATION, CHUNKS_FROM_BAND, CHUNKS_TO_BAND},
            chunks::{self, Assembly, DEFAULT_VALUE_BYTES, FrameError, Message},
            curve::{POINT_BYTES, PRIVATE_BYTES},
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
            Authentication::ServerKeyOrHandshake => match self.greet().await {
                Ok(greeted) => self.prove(key, greeted).await,
                // Older firmware: it does not have the characteristic, or says nothing there. Whoever answers a greeting has the newer.
                Err(BandError::Link(LinkError::NoCharacteristic(_) | LinkError::Silent(_))) => {
                    self.answer_challenge(Spelling::Two, key).await
                }
                Err(error) => Err(error),
            },
            Authentication::Handshake => {
                let greeted = self.greet().await?;
                self.prove(key, greeted).await
            }
        }
    }

    /// Gives the band a new key, which it takes when the wearer taps, and authenticates with it.
    pub(super) async fn pair(&mut self, key: &Key, is_sent: &AtomicBool) -> Result<(), BandError> {
        self.link.subscribe(AUTHENTICATION).await?;
        // Set before, because nobody can tell how far a write came that was given up.
        is_sent.store(true, Ordering::SeqCst);
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

    /// The first half of the handshake of 2021, up to the band's challenge.
    async fn greet(&mut self) -> Result<Greeted, BandError> {
        self.link.subscribe(CHUNKS_FROM_BAND).await?;
        let pair = self.key_pair()?;
        let mut assembly = Assembly::default();
        self.say(1, handshake::hello(pair.public())).await?;
        match self.hear(&mut assembly).await? {
            Some(handshake::Reply::Challenge(nonce, theirs)) => Ok(Greeted { pair, assembly, nonce, theirs }),
            other => Err(garbled(format!("greeted, it says {}", told(other)))),
        }
    }

    /// The second half: the answer to the challenge.
    async fn prove(&mut self, key: &Key, greeted: Greeted) -> Result<(), BandError> {
        let Greeted { pair, mut assembly, nonce, theirs } = greeted;
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

    /// A pair for one handshake.
    fn key_pair(&mut self) -> Result<KeyPair, BandError> {
        let private = match self.private_key {
            Some(chosen) => chosen,
            None => {
                let mut private = [0; PRIVATE_BYTES];
                self.link.random(&mut private)?;
                private
            }
        };
        Ok(KeyPair::new(private).ok_or_else(|| LinkError::Stack("this machine has no randomness for a key".to_owned()))?)
    }

    /// The next message of the handshake; messages of other endpoints are passed over. `None` when it is not understood. A band that
    /// falls silent after a first frame is no silent one: it speaks this language.
    async fn hear(&mut self, assembly: &mut Assembly) -> Result<Option<handshake::Reply>, BandError> {
        for frames in 0..PATIENCE {
            let (_, frame) = match self.next(&[CHUNKS_FROM_BAND], ANSWER_WITHIN).await {
                Err(BandError::Link(LinkError::Silent(_))) if frames > 0 => {
                    return Err(garbled("it began an answer of the handshake and did not end it".to_owned()));
                }
                next => next?,
            };
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

/// Where a handshake is after the band's first message.
struct Greeted {
    pair: KeyPair,
    assembly: Assembly,
    /// What is to be encrypted.
    nonce: [u8; 16],
    /// The band's public key.
    theirs: [u8; POINT_BYTES],
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
