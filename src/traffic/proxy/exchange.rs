//! The record of one exchange while it happens: tells its events in order, and its end before the client has the end of its answer.
//! Where there is none, the end is told from the last drop, so that no way out is forgotten. Numbers and beginnings are `recorder`'s.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    activity::Busy,
    frames::Said,
    recorder::Recorder,
    socket::{Broke, Pulse},
    told::header_bytes,
    tunnel::Tunnel,
};
use crate::{
    model::{Captured, ExchangeId, Header},
    traffic::{Side, TrafficError, TrafficEvent},
};

/// One exchange in flight: held by the handler and by both bodies.
pub(super) struct Exchange {
    id: ExchangeId,
    recorder: Arc<Recorder>,
    state: Mutex<State>,
    client: Pulse,
    /// Where it is counted, if nothing of it is told.
    unread: Option<Arc<Tunnel>>,
    /// An exchange ends before its tunnel does.
    _tunnel: Option<Arc<Tunnel>>,
}

#[derive(Default)]
struct State {
    request_ended: bool,
    answered: bool,
    response_ended: bool,
    /// Whether the server answered a client that waited to be asked for the body, without asking.
    never_asked: bool,
    error: Option<String>,
    /// Its end was told.
    ended: bool,
    notes: u8,
    /// Counts it as in flight, or as an open connection.
    busy: Option<Busy>,
}

impl Exchange {
    /// One whose beginning was told, with its tunnel if it came through one.
    pub(super) fn begun(id: ExchangeId, recorder: Arc<Recorder>, client: Pulse, tunnel: Option<Arc<Tunnel>>, busy: Option<Busy>) -> Self {
        Self { id, recorder, state: Mutex::new(State { busy, ..State::default() }), client, unread: None, _tunnel: tunnel }
    }

    /// One of which nothing is told: what passes is counted for this tunnel.
    pub(super) fn unread(recorder: Arc<Recorder>, tunnel: Arc<Tunnel>) -> Self {
        Self { id: ExchangeId(0), recorder, state: Mutex::default(), client: Pulse::default(), unread: Some(tunnel), _tunnel: None }
    }

    pub(super) fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    /// A response's head was read.
    pub(super) async fn answered(&self, status: u16, http_version: String, headers: Vec<Header>) -> Result<(), TrafficError> {
        self.state().answered = true;
        if let Some(tunnel) = &self.unread {
            tunnel.received(STATUS_LINE + header_bytes(&headers));
        }
        self.recorder.tell(TrafficEvent::Answered { id: self.id, status, http_version, headers }).await
    }

    /// Whether the client was not heard of any more.
    pub(super) fn has_lost_its_client(&self) -> bool {
        self.client.broke() == Some(Broke::Lost)
    }

    /// Whether nothing of it is told.
    pub(super) const fn is_unread(&self) -> bool {
        self.unread.is_some()
    }

    /// Bytes passed in the connection that it became: they are counted where it is not read.
    pub(super) fn passed(&self, sent: bool, bytes: usize) {
        match &self.unread {
            Some(tunnel) if sent => tunnel.sent(bytes),
            Some(tunnel) => tunnel.received(bytes),
            None => {}
        }
    }

    /// Counts what a body brings, where it is not read.
    fn count(&self, event: &TrafficEvent) {
        if self.unread.is_none() {
            return;
        }
        match event {
            // Exposed to be counted: nothing of it is kept.
            TrafficEvent::BodyPiece { side, bytes, .. } => self.passed(*side == Side::Request, bytes.expose().len()),
            TrafficEvent::BodyEnded { side, trailers, .. } if !trailers.is_empty() => {
                self.passed(*side == Side::Request, header_bytes(trailers));
            }
            _ => {}
        }
    }

    /// The event of a piece of a body.
    pub(super) fn piece(&self, side: Side, bytes: &[u8]) -> TrafficEvent {
        TrafficEvent::BodyPiece { id: self.id, side, bytes: Captured::new(bytes.to_vec()) }
    }

    /// The event of the end of a body.
    pub(super) const fn body_end(&self, side: Side, trailers: Vec<Header>) -> TrafficEvent {
        TrafficEvent::BodyEnded { id: self.id, side, trailers }
    }

    /// Puts one of its events into the queue, waiting for room.
    pub(super) async fn tell(&self, event: TrafficEvent) -> Result<(), TrafficError> {
        let ended = ended_body(&event);
        self.count(&event);
        self.recorder.tell(event).await?;
        self.mark(ended);
        Ok(())
    }

    /// The end of a request without a body, told over the bound of the queue if it must be.
    pub(super) fn has_no_body(&self) {
        self.recorder.tell_end(self.body_end(Side::Request, Vec::new()));
        self.mark(Some(Side::Request));
    }

    /// Puts one of its events into the queue if there is room at once; gives it back otherwise.
    pub(super) fn try_tell(&self, event: TrafficEvent) -> Option<TrafficEvent> {
        let ended = ended_body(&event);
        self.count(&event);
        let refused = self.recorder.try_tell(event);
        if refused.is_none() {
            self.mark(ended);
        }
        refused
    }

    /// Notes that a body is complete. Only once that was told: a connection may end while the queue has no room for it, and then
    /// the record has a torn body, and must say why.
    fn mark(&self, ended: Option<Side>) {
        match ended {
            Some(Side::Request) => self.state().request_ended = true,
            Some(Side::Response) => self.state().response_ended = true,
            None => {}
        }
    }

    /// The event of a message of the connection that it became.
    pub(super) fn message(&self, sent: bool, said: Said) -> TrafficEvent {
        let Said { text, bytes, length, complete } = said;
        let at = self.recorder.clock.now();
        TrafficEvent::Message { id: self.id, at, sent, text, bytes: Captured::new(bytes), length, complete }
    }

    /// It became a connection that stays open: nobody waits for its end, and simulated time goes on.
    pub(super) fn stays_open(&self) {
        if self.is_unread() {
            return;
        }
        let open = self.recorder.open_connection();
        let in_flight = self.state().busy.replace(open);
        drop(in_flight);
    }

    /// Tells something about it that is not an error, in words without captured values. Of very many, the first are told.
    pub(super) fn note(&self, note: String) {
        let mut state = self.state();
        if state.notes < MOST_NOTES && !state.ended {
            state.notes += 1;
            self.recorder.tell_end(TrafficEvent::Noted { id: self.id, at: self.recorder.clock.now(), note });
        }
    }

    /// The server answered without asking for the body: that none comes is then no failure.
    pub(super) fn never_asked(&self) {
        self.state().never_asked = true;
    }

    /// Whether the client was free to send no body.
    pub(super) fn may_lack_a_body(&self) -> bool {
        self.state().never_asked
    }

    /// Whether the whole request body was read, and told.
    pub(super) fn request_ended(&self) -> bool {
        self.state().request_ended
    }

    /// Notes why there will be no complete response. The first reason counts.
    pub(super) fn failed(&self, why: &str) {
        self.state().error.get_or_insert_with(|| why.to_owned());
    }

    /// Tells its end, if the whole request was read and there is nothing more to come for the client, and waits until that is kept: who
    /// has a whole answer is to be in the record, also when this program is killed in the next moment.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub(super) async fn finish(&self) -> Result<(), TrafficError> {
        let error = {
            let mut state = self.state();
            let has_answer = if state.answered { state.response_ended } else { state.error.is_some() };
            if self.is_unread() || state.ended || !state.request_ended || !has_answer {
                return Ok(());
            }
            state.ended = true;
            state.error.take()
        };
        self.recorder.keep_end(TrafficEvent::Ended { id: self.id, at: self.recorder.clock.now(), error }).await
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(tunnel) = &self.unread {
            let mut state = self.state();
            if let (false, Some(why)) = (state.answered, state.error.take()) {
                tunnel.failed(why);
            }
            return;
        }
        if self.state().ended {
            return;
        }
        let error = {
            let mut state = self.state();
            let is_lost = self.has_lost_its_client();
            let default = match (state.answered, state.response_ended) {
                (true, true) => None,
                (true, false) if is_lost => Some("the connection to the client was lost in the middle of the response"),
                (true, false) => Some("the connection ended in the middle of the response"),
                (false, _) if state.request_ended && is_lost => Some("the connection to the client was lost before there was a response"),
                (false, _) if state.request_ended => Some("the connection ended before there was a response"),
                (false, _) if is_lost => Some("the connection to the client was lost in the middle of the request"),
                (false, _) => Some(TORN_UPLOAD),
            };
            state.error.take().or_else(|| default.map(str::to_owned))
        };
        self.recorder.tell_end(TrafficEvent::Ended { id: self.id, at: self.recorder.clock.now(), error });
    }
}

/// The body whose end an event tells.
const fn ended_body(event: &TrafficEvent) -> Option<Side> {
    match event {
        TrafficEvent::BodyEnded { side, .. } => Some(*side),
        _ => None,
    }
}

/// Notes are put into the queue whether there is room or not: a server must not be able to make many.
const MOST_NOTES: u8 = 8;

/// Said when a client leaves before its request is complete.
pub(super) const TORN_UPLOAD: &str = "the connection ended in the middle of the request";

/// Bytes of a status line without its reason.
const STATUS_LINE: usize = "HTTP/1.1 200 \r\n".len();
