//! The stand-in's control socket: orders as JSON objects, one a line, each answered by one line. Ends when told to.

use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

use crate::{
    played::{self, Switch},
    server::Server,
};

/// What the stand-in can be told.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Order {
    /// Be a fresh band of this model; the answer is what it holds. With `contents` it holds those.
    Play {
        model: String,
        #[serde(default)]
        contents: Option<Value>,
    },
    /// What is going on.
    State,
    /// Every write, subscription and notification since it began to play, oldest first.
    Journal,
    /// Change something behind the central's back.
    Set { switch: Switch },
    /// Hang up now, or, once, after this many more notifications.
    Drop {
        #[serde(default)]
        after: Option<usize>,
    },
    /// Wait until no central holds the band, then as `state`.
    Free,
    /// Be out of reach: no advertisement.
    Hide,
    /// Be in reach again.
    Show,
    /// Stop.
    Quit,
}

/// Takes orders until the one to stop.
pub(crate) async fn listen(path: &Path, server: &Server) -> Result<(), String> {
    let listener = UnixListener::bind(path).map_err(|error| format!("open its control socket: {error}"))?;
    loop {
        let (socket, _) = listener.accept().await.map_err(|error| format!("take an order: {error}"))?;
        if !converse(socket, server).await {
            return Ok(());
        }
    }
}

/// Answers one connection's orders, one after the other. False when it was told to stop.
async fn converse(mut socket: UnixStream, server: &Server) -> bool {
    let (read, mut write) = socket.split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let order = serde_json::from_str::<Order>(&line);
        let stop = matches!(order, Ok(Order::Quit));
        let answer = match order {
            Ok(order) => obey(order, server).await,
            Err(error) => Err(format!("this order is not understood: {error}")),
        };
        let answer = match answer {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": error }),
        };
        if write.write_all(format!("{answer}\n").as_bytes()).await.is_err() || stop {
            return !stop;
        }
    }
    true
}

async fn obey(order: Order, server: &Server) -> Result<Value, String> {
    let stage = server.stage();
    match order {
        Order::Play { model, contents } => server.play(played::device(&model, server.address().0, contents, Timestamp::now())?).await,
        Order::State => Ok(stage.report(server.address())),
        Order::Journal => Ok(stage.with_band(|band| band.journal())),
        Order::Set { switch } => stage.with_band(|band| band.set(switch)).map(|()| Value::Null),
        Order::Drop { after: Some(notifications) } => {
            stage.hang_up_after(notifications);
            Ok(Value::Null)
        }
        Order::Drop { after: None } => {
            stage.hang_up();
            server.freed().await.map(|()| Value::Null)
        }
        Order::Free => server.freed().await.map(|()| stage.report(server.address())),
        Order::Hide | Order::Show => {
            stage.set_visible(matches!(order, Order::Show));
            server.settled().await.map(|()| Value::Null)
        }
        Order::Quit => Ok(Value::Null),
    }
}
