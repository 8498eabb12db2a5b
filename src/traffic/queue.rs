//! The queue between a traffic source and the one who writes: bounded in bytes, so that a slow disk slows the source down
//! instead of filling the memory. Nothing is dropped.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{TrafficError, TrafficEvent};

/// Bytes of bodies and headers that may wait to be written.
const CAPACITY: usize = 16 * 1024 * 1024;

/// The sending end. Clones feed the same queue.
#[derive(Clone, Debug)]
pub struct TrafficSender {
    events: mpsc::UnboundedSender<(TrafficEvent, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

/// The receiving end.
#[derive(Debug)]
pub struct TrafficReceiver(mpsc::UnboundedReceiver<(TrafficEvent, OwnedSemaphorePermit)>);

/// A queue.
pub fn queue() -> (TrafficSender, TrafficReceiver) {
    let (events, receiver) = mpsc::unbounded_channel();
    (TrafficSender { events, room: Arc::new(Semaphore::new(CAPACITY)) }, TrafficReceiver(receiver))
}

impl TrafficSender {
    /// Puts an event into the queue, waiting for room.
    ///
    /// # Errors
    /// [`TrafficError::NobodyListens`] when the receiver is gone.
    pub async fn send(&self, event: TrafficEvent) -> Result<(), TrafficError> {
        let weight = u32::try_from(weight(&event).min(CAPACITY)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.room).acquire_many_owned(weight).await.map_err(|_| TrafficError::NobodyListens)?;
        self.events.send((event, permit)).map_err(|_| TrafficError::NobodyListens)
    }

    /// Puts an event into the queue if there is room at once, else gives it back: it must wait ([`Self::send`]), or nobody
    /// listens.
    #[must_use]
    pub fn try_send(&self, event: TrafficEvent) -> Option<TrafficEvent> {
        let weight = u32::try_from(weight(&event).min(CAPACITY)).unwrap_or(u32::MAX);
        match Arc::clone(&self.room).try_acquire_many_owned(weight) {
            Ok(permit) => self.events.send((event, permit)).err().map(|refused| refused.0.0),
            Err(_) => Some(event),
        }
    }

    /// Puts an event into the queue at once, over the bound if it must be: for the end of an exchange, told from a destructor.
    pub fn send_now(&self, event: TrafficEvent) {
        let permit = Arc::clone(&self.room).try_acquire_many_owned(0);
        if let Ok(permit) = permit {
            let _ = self.events.send((event, permit));
        }
    }
}

impl TrafficReceiver {
    /// The next event; `None` when every sender is gone.
    pub async fn next(&mut self) -> Option<TrafficEvent> {
        self.0.recv().await.map(|(event, _permit)| event)
    }
}

fn weight(event: &TrafficEvent) -> usize {
    256 + match event {
        TrafficEvent::BodyPiece { bytes, .. } | TrafficEvent::Message { bytes, .. } => bytes.expose().len(),
        TrafficEvent::Began { headers, .. }
        | TrafficEvent::Answered { headers, .. }
        | TrafficEvent::BodyEnded { trailers: headers, .. } => {
            headers.iter().map(|header| header.name.len() + header.value.expose().len()).sum()
        }
        TrafficEvent::Ended { .. } | TrafficEvent::TunnelBegan { .. } | TrafficEvent::TunnelEnded { .. } => 0,
    }
}
