//! Becoming root. A shell on the phone may not mount anything; `su` hands its command to a process that may, as Magisk's does, and
//! passes on what goes in and comes out.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use crate::{
    answer::Answer,
    state::{Home, Root},
};

/// `su -c COMMAND` or `su root COMMAND`, whichever this phone has.
pub(crate) fn su(arguments: &[String]) -> Answer {
    let root = Home::inside().read().map_or(Root::None, |state| state.root);
    match wanted(root, arguments) {
        Ok(command) => match run(&command) {
            Ok(code) => Answer { code, ..Answer::silent() },
            Err(error) => Answer::failed(1, format!("su: {error}")),
        },
        Err(answer) => answer,
    }
}

/// The process that runs commands as root, until the phone is switched off. Not the first process: that one buries children before
/// anybody can ask how they ended.
pub(crate) fn daemon(_: &[String]) -> Answer {
    let _ = fs::remove_file(SOCKET);
    let listener = match UnixListener::bind(SOCKET) {
        Ok(listener) => listener,
        Err(error) => return Answer::failed(1, format!("magiskd: {error}")),
    };
    for socket in listener.incoming().flatten() {
        thread::spawn(move || {
            // Who asked has gone away.
            let _ = execute(socket);
        });
    }
    Answer::silent()
}

/// What is to be run as root, as arguments; or what `su` says instead.
fn wanted(root: Root, arguments: &[String]) -> Result<Vec<String>, Answer> {
    let shell = |command: &str| vec!["/system/bin/sh".to_owned(), "-c".to_owned(), command.to_owned()];
    match root {
        Root::None => Err(Answer::failed(127, "/system/bin/sh: su: inaccessible or not found")),
        Root::Magisk => {
            let mut rest =
                arguments.iter().map(String::as_str).skip_while(|argument| ["-mm", "-M", "--mount-master", "-"].contains(argument));
            match rest.next() {
                Some("-c" | "--command") => Ok(shell(&rest.collect::<Vec<_>>().join(" "))),
                Some("-v" | "--version") => Err(Answer::line("27.0:MAGISKSU")),
                // A user, and then what his shell is to run: a file, which a command is not.
                Some(user @ ("root" | "0")) => match rest.next() {
                    None => Ok(vec!["/system/bin/sh".to_owned()]),
                    Some("-c") => Ok(shell(&rest.collect::<Vec<_>>().join(" "))),
                    Some(file) => Err(Answer::failed(127, format!("/system/bin/sh: {file}: No such file or directory ({user})"))),
                },
                None => Ok(vec!["/system/bin/sh".to_owned()]),
                Some(other) => Err(Answer::failed(2, format!("su: unrecognized option '{other}'"))),
            }
        }
        Root::Aosp => match arguments.split_first() {
            None => Ok(vec!["/system/bin/sh".to_owned()]),
            Some((user, [])) if user == "root" || user == "0" => Ok(vec!["/system/bin/sh".to_owned()]),
            Some((user, command)) if user == "root" || user == "0" => Ok(command.to_vec()),
            Some((user, _)) => Err(Answer::failed(1, format!("su: invalid uid/gid '{user}'"))),
        },
    }
}

/// Has it run, and passes on what goes in and comes out; the exit code.
fn run(command: &[String]) -> io::Result<u8> {
    let socket = UnixStream::connect(SOCKET)?;
    let folder = std::env::current_dir().unwrap_or_else(|_| "/".into());
    writeln!(&socket, "{}", serde_json::json!({ "command": command, "folder": folder }))?;
    let mut input = socket.try_clone()?;
    thread::spawn(move || {
        let _ = copy(io::stdin().lock(), |bytes| input.write_all(bytes));
        let _ = input.shutdown(std::net::Shutdown::Write);
    });
    let mut reader = BufReader::new(socket);
    loop {
        let mut head = [0; 5];
        reader.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let mut bytes = vec![0; (u32::from_le_bytes(length) as usize).min(PIECE)];
        reader.read_exact(&mut bytes)?;
        match kind {
            OUT => io::stdout().write_all(&bytes).and_then(|()| io::stdout().flush())?,
            ERR => io::stderr().write_all(&bytes)?,
            _ => return Ok(bytes.first().copied().unwrap_or(1)),
        }
    }
}

/// Runs one command for whoever is at the other end.
fn execute(socket: UnixStream) -> io::Result<()> {
    let mut reader = BufReader::new(socket.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let asked: serde_json::Value = serde_json::from_str(&line).map_err(io::Error::other)?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let command: Vec<String> = asked["command"].as_array().into_iter().flatten().map(text).collect();
    let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("nothing to run"))?;
    let socket = Arc::new(Mutex::new(socket));
    let send = |socket: &Mutex<UnixStream>, kind: u8, bytes: &[u8]| {
        let mut head = vec![kind];
        head.extend(u32::try_from(bytes.len()).unwrap_or_default().to_le_bytes());
        let mut socket = socket.lock().unwrap_or_else(PoisonError::into_inner);
        socket.write_all(&head).and_then(|()| socket.write_all(bytes))
    };
    let started = Command::new("/usr/bin/env")
        .arg(program)
        .args(arguments)
        .env("STAND_IN_ROOT", "1")
        .current_dir(text(&asked["folder"]))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            send(&socket, ERR, format!("su: {error}\n").as_bytes())?;
            return send(&socket, END, &[127]);
        }
    };
    if let Some(mut stdin) = child.stdin.take() {
        thread::spawn(move || copy(reader, |bytes| stdin.write_all(bytes)));
    }
    let pass = |kind: u8, from: Option<Box<dyn Read + Send>>| {
        let socket = Arc::clone(&socket);
        thread::spawn(move || from.map(|from| copy(from, |bytes| send(&socket, kind, bytes))))
    };
    let out = pass(OUT, child.stdout.take().map(|out| Box::new(out) as Box<dyn Read + Send>));
    let err = pass(ERR, child.stderr.take().map(|err| Box::new(err) as Box<dyn Read + Send>));
    // What it left running in the background may keep its outputs open; its own end is what counts once they are quiet.
    let code = child.wait().ok().and_then(|status| status.code());
    let _ = (out.join(), err.join());
    send(&socket, END, &[u8::try_from(code.unwrap_or(1)).unwrap_or(1)])
}

fn copy(mut from: impl Read, mut to: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            read => to(&buffer[..read])?,
        }
    }
}

/// Where it listens.
pub(crate) const SOCKET: &str = "/dev/socket/su";
const PIECE: usize = 64 * 1024;

/// Kinds of what comes back.
const OUT: u8 = 1;
const ERR: u8 = 2;
const END: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_root_is_spoken_to_in_its_own_way() {
        let check = |root, text: &str, want: Result<&[&str], u8>| {
            let arguments: Vec<String> = text.split(' ').map(str::to_owned).collect();
            let got = wanted(root, &arguments).map_err(|answer| answer.code);
            assert_eq!(got, want.map(|words| words.iter().map(|word| (*word).to_owned()).collect()), "{root:?} {text}");
        };
        let shell = ["/system/bin/sh", "-c", "id -u"];
        check(Root::Magisk, "-c id -u", Ok(&shell));
        check(Root::Magisk, "-mm -c id -u", Ok(&shell));
        check(Root::Magisk, "root id -u", Err(127));
        check(Root::Aosp, "root id -u", Ok(&["id", "-u"]));
        check(Root::Aosp, "0 id", Ok(&["id"]));
        check(Root::Aosp, "-c id", Err(1));
        check(Root::None, "-c id", Err(127));
    }
}
