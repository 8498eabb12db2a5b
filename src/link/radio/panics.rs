//! A panic of the Bluetooth library that is known and harmless, kept from the user's terminal. Any other panic is left to whoever
//! handles panics already.

use std::{
    panic,
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
    },
};

static INSTALL: Once = Once::new();
static HUSHED: AtomicUsize = AtomicUsize::new(0);

/// Keeps the known panic off standard error; to be called once, by `main`, before the first link. Calling it again does nothing.
///
/// When a stream of Bluetooth events is dropped while one arrives, bluez-async 0.9 unwraps an error in a background task ("No match
/// with that id found"; "Failed to send message" when the bus has ended). The task ends, nothing else does: tokio catches the unwinding, and what is lost is one rule of the message
/// bus. On the terminal it would read as if the audit had crashed.
pub fn hush_known_panics() {
    INSTALL.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if panic.location().is_some_and(|location| is_known(location.file())) {
                HUSHED.fetch_add(1, Ordering::Relaxed);
                tracing::debug!("a background task of the Bluetooth library ended with its known panic");
            } else {
                before(panic);
            }
        }));
    });
}

/// How many known panics were kept quiet in this process.
pub fn hushed_panics() -> usize {
    HUSHED.load(Ordering::Relaxed)
}

/// Whether a panic in this source file is the known one: there is one `unwrap` that can fail in it.
fn is_known(file: &str) -> bool {
    file.contains("bluez-async") && file.ends_with("messagestream.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_known_panic_is_hushed() {
        for (file, known) in [
            ("registry/src/index/bluez-async-0.9.0/src/messagestream.rs", true),
            ("vendor/bluez-async/src/messagestream.rs", true),
            ("vendor/bluez-async/src/lib.rs", false),
            ("src/link/radio/connection.rs", false),
            ("src/messagestream.rs", false),
        ] {
            assert_eq!(is_known(file), known, "{file}");
        }
    }
}
