//! A browser's DevTools, driven over its debugging port: just enough of WebSocket (RFC 6455) and of the DevTools protocol to open
//! the front end that the browser itself serves, and to run script in it.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// DevTools in a page of a running browser; the browser ends with it.
pub(crate) struct DevTools {
    browser: Child,
    socket: TcpStream,
    session: String,
    sent: u64,
}

impl DevTools {
    /// Starts a browser, whose profile is in `home`, and opens DevTools in it.
    pub(crate) fn open(mut browser: Command, home: &Path) -> Self {
        browser.args(["--remote-debugging-port=0", "about:blank"]).stdout(Stdio::null());
        let browser = browser.spawn().expect("it can be started");
        let (port, path) = address(&home.join("profile/DevToolsActivePort"));
        let mut devtools = Self { browser, socket: connect(port, &path), session: String::new(), sent: 0 };
        let url = format!("http://127.0.0.1:{port}/devtools/devtools_app.html");
        let target = devtools.ask("Target.createTarget", &json!({ "url": url }))["targetId"].clone();
        let session = devtools.ask("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }))["sessionId"].clone();
        devtools.session = session.as_str().expect("a session").to_owned();
        devtools
    }

    /// Runs script in the page and gives what it comes to, or what it threw.
    pub(crate) fn run(&mut self, script: &str) -> Result<Value, String> {
        let parameters = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let answer = self.ask("Runtime.evaluate", &parameters);
        match answer.get("exceptionDetails") {
            Some(thrown) => Err(thrown.to_string()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.sent += 1;
        let mut question = json!({ "id": self.sent, "method": method, "params": parameters });
        if !self.session.is_empty() {
            question["sessionId"] = self.session.clone().into();
        }
        write_text(&mut self.socket, &question.to_string()).expect("the browser listens");
        loop {
            let text = read_text(&mut self.socket).expect("the browser answers");
            let mut answer: Value = serde_json::from_slice(&text).expect("JSON");
            // What it tells without having been asked has no number.
            if answer["id"] == self.sent {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }
}

impl Drop for DevTools {
    fn drop(&mut self) {
        // As a person who closes it: its own processes end with it.
        let close = json!({ "id": 0, "method": "Browser.close" }).to_string();
        let closed = write_text(&mut self.socket, &close).is_ok() && ends(&mut self.browser);
        if !closed {
            let _ = self.browser.kill();
            let _ = self.browser.wait();
        }
    }
}

/// Where the browser listens, as it writes it down: port and path.
fn address(file: &Path) -> (u16, String) {
    let began = Instant::now();
    loop {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if let Some((port, path)) = text.split_once('\n').filter(|(_, path)| !path.is_empty()) {
            return (port.parse().expect("a port"), path.trim().to_owned());
        }
        assert!(began.elapsed() < LIMIT, "the browser does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ends(browser: &mut Child) -> bool {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        if browser.try_wait().is_ok_and(|status| status.is_some()) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Opens a WebSocket (RFC 6455 section 4.1). Whether the other side is one needs no proof here.
fn connect(port: u16, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the browser listens");
    socket.set_read_timeout(Some(LIMIT)).expect("a time that is not zero");
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).expect("the browser listens");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("the browser answers");
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    socket
}

/// One text frame, final and masked with zeros (section 5.2): nobody between us could mistake it.
fn write_text(socket: &mut TcpStream, text: &str) -> io::Result<()> {
    let mut frame = vec![0x81, 0x80 | 127];
    frame.extend_from_slice(&(text.len() as u64).to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    socket.write_all(&frame)
}

/// One message, whose frames nobody masks.
fn read_text(socket: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let mut head = [0; 2];
        socket.read_exact(&mut head)?;
        let length = match head[1] & 0x7f {
            126 => {
                let mut length = [0; 2];
                socket.read_exact(&mut length)?;
                u64::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                socket.read_exact(&mut length)?;
                u64::from_be_bytes(length)
            }
            short => u64::from(short),
        };
        let data = head[0] & 0x0f < 8;
        let mut payload = Vec::new();
        (&mut *socket).take(length).read_to_end(&mut payload)?;
        if data {
            message.append(&mut payload);
        }
        if data && head[0] & 0x80 != 0 {
            return Ok(message);
        }
    }
}

/// Far more than a browser needs to start or to answer, on any machine.
const LIMIT: Duration = Duration::from_secs(120);
