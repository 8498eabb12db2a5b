//! The cable between adb here and adbd in its namespaces: pumps bytes both ways, gives the phone its name, and is cut on request.
//! The packets are those of AOSP's `protocol.txt`: six little-endian words (command, two arguments, length, sum of the bytes, the
//! command's complement), then so many bytes.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use crate::state::{Fault, Home};

/// The cable: what adb connects to, and what is at the other end.
#[derive(Clone)]
pub(crate) struct Cable(Arc<Mutex<Shared>>);

struct Shared {
    home: Home,
    socket: PathBuf,
    cut: bool,
    /// Cut it after so many more bytes of the phone's.
    cut_after: Option<u64>,
    /// Both ends of each connection.
    open: Vec<(TcpStream, Option<UnixStream>)>,
}

impl Cable {
    /// A cable to the phone whose end is at `socket`.
    pub(crate) fn new(home: Home, socket: PathBuf) -> Self {
        Self(Arc::new(Mutex::new(Shared { home, socket, cut: false, cut_after: None, open: Vec::new() })))
    }

    /// Takes connections for as long as the process lives.
    pub(crate) fn serve(&self, listener: TcpListener) {
        let cable = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let cable = cable.clone();
                thread::spawn(move || {
                    // A connection that comes to nothing is adb's to try again.
                    let _ = cable.connection(stream);
                });
            }
        });
    }

    /// Cuts it: what is open ends, what comes is refused.
    pub(crate) fn cut(&self) {
        cut(&mut lock(&self.0));
    }

    /// Ends what is open; what comes is welcome.
    pub(crate) fn hang_up(&self) {
        hang_up(&mut lock(&self.0));
    }

    /// Cuts it after so many more bytes of the phone's.
    pub(crate) fn cut_after(&self, bytes: u64) {
        lock(&self.0).cut_after = Some(bytes);
    }

    /// Plugs it in again.
    pub(crate) fn reconnect(&self) {
        let mut shared = lock(&self.0);
        (shared.cut, shared.cut_after) = (false, None);
    }

    /// Whether it is cut.
    pub(crate) fn is_cut(&self) -> bool {
        lock(&self.0).cut
    }

    fn connection(&self, mut adb: TcpStream) -> io::Result<()> {
        adb.set_nodelay(true)?;
        let (home, socket) = {
            let mut shared = lock(&self.0);
            if shared.cut {
                return Ok(());
            }
            shared.open.retain(|(adb, _)| adb.take_error().is_ok() && adb.peer_addr().is_ok());
            shared.open.push((adb.try_clone()?, None));
            (shared.home.clone(), shared.socket.clone())
        };
        let faulty = |fault| home.read().is_ok_and(|state| state.has(fault));
        // A phone that says nothing is listed as offline.
        while faulty(Fault::Offline) {
            thread::sleep(POLL);
        }
        let hello = Packet::read(&mut adb)?;
        if faulty(Fault::Unauthorized) {
            adb.write_all(&Packet::new(AUTH, TOKEN, 0, vec![0x5a; 20]).bytes())?;
            // A signature is not accepted; then adb shows its key, and the phone asks its owner.
            while Packet::read(&mut adb)?.words[1] != PUBLIC_KEY {
                adb.write_all(&Packet::new(AUTH, TOKEN, 0, vec![0xa5; 20]).bytes())?;
            }
            while faulty(Fault::Unauthorized) {
                thread::sleep(POLL);
            }
        }
        let mut phone = UnixStream::connect(socket)?;
        {
            let mut shared = lock(&self.0);
            if shared.cut {
                return adb.shutdown(Shutdown::Both);
            }
            let own = adb.peer_addr()?;
            if let Some(entry) = shared.open.iter_mut().find(|(adb, _)| adb.peer_addr().is_ok_and(|other| other == own)) {
                entry.1 = Some(phone.try_clone()?);
            }
        }
        phone.write_all(&hello.bytes())?;
        let (from_adb, to_phone) = (adb.try_clone()?, phone.try_clone()?);
        thread::spawn(move || pump(from_adb, to_phone, |_| Allowed::All));
        let mut first = Packet::read(&mut phone)?;
        if first.words[0] == CONNECT {
            let state = home.read().unwrap_or_default();
            first = Packet::new(CONNECT, first.words[1], first.words[2], banner(&first.data, &|name| state.property(name).to_owned()));
        }
        adb.write_all(&first.bytes())?;
        let cable = self.clone();
        pump(phone, adb, move |bytes| cable.allow(bytes));
        Ok(())
    }

    /// How many of these bytes of the phone's still pass; the cable is cut behind the last one.
    fn allow(&self, bytes: usize) -> Allowed {
        let mut shared = lock(&self.0);
        match shared.cut_after {
            Some(left) if left <= bytes as u64 => {
                shared.cut_after = None;
                shared.cut = true;
                Allowed::Last(usize::try_from(left).unwrap_or(bytes))
            }
            Some(left) => {
                shared.cut_after = Some(left - bytes as u64);
                Allowed::All
            }
            None => Allowed::All,
        }
    }
}

/// Joins the phone's end of the cable with adbd.
pub(crate) fn join(outside: UnixStream, adbd: TcpStream) {
    let (Ok(from_outside), Ok(to_adbd)) = (outside.try_clone(), adbd.try_clone()) else { return };
    let _ = adbd.set_nodelay(true);
    thread::spawn(move || pump(from_outside, to_adbd, |_| Allowed::All));
    thread::spawn(move || pump(adbd, outside, |_| Allowed::All));
}

/// A stream of either kind.
trait Wire: Read + Write {
    fn close(&self);
}

impl Wire for TcpStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Wire for UnixStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

enum Allowed {
    All,
    Last(usize),
}

/// Pumps until one side ends, then ends the other.
fn pump(mut from: impl Wire, mut to: impl Wire, allow: impl Fn(usize) -> Allowed) {
    let mut buffer = vec![0; 256 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        match allow(read) {
            Allowed::All if to.write_all(&buffer[..read]).is_ok() => {}
            Allowed::All => break,
            Allowed::Last(left) => {
                let _ = to.write_all(&buffer[..left.min(read)]);
                break;
            }
        }
    }
    from.close();
    to.close();
}

fn cut(shared: &mut Shared) {
    (shared.cut, shared.cut_after) = (true, None);
    hang_up(shared);
}

fn hang_up(shared: &mut Shared) {
    for (adb, phone) in shared.open.drain(..) {
        adb.close();
        if let Some(phone) = phone {
            phone.close();
        }
    }
}

/// What the phone says of itself when it is connected: its name instead of none, and none of the services that this adbd names and
/// does not have (`abb`, `abb_exec`).
fn banner(said: &[u8], property: &dyn Fn(&str) -> String) -> Vec<u8> {
    let said = String::from_utf8_lossy(said);
    let features = said.trim_end_matches('\0').split_once("features=").map_or("", |(_, features)| features);
    let features: Vec<&str> = features.split(',').filter(|feature| !feature.starts_with("abb")).collect();
    let names = ["ro.product.name", "ro.product.model", "ro.product.device"].map(|name| format!("{name}={};", property(name)));
    format!("device::{}features={}", names.concat(), features.join(",")).into_bytes()
}

/// A packet.
struct Packet {
    words: [u32; 6],
    data: Vec<u8>,
}

impl Packet {
    fn new(command: u32, first: u32, second: u32, data: Vec<u8>) -> Self {
        let sum = data.iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        Self { words: [command, first, second, u32::try_from(data.len()).unwrap_or_default(), sum, !command], data }
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 24];
        from.read_exact(&mut head)?;
        let mut words = [0; 6];
        for (word, bytes) in words.iter_mut().zip(head.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        if words[3] > LARGEST {
            return Err(io::Error::other("no packet is so large"));
        }
        let mut data = vec![0; words[3] as usize];
        from.read_exact(&mut data)?;
        Ok(Self { words, data })
    }

    fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).chain(self.data.iter().copied()).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `CNXN` and `AUTH`, little-endian.
const CONNECT: u32 = 0x4e58_4e43;
const AUTH: u32 = 0x4854_5541;
const TOKEN: u32 = 1;
const PUBLIC_KEY: u32 = 3;

/// `MAX_PAYLOAD`.
const LARGEST: u32 = 1024 * 1024;

/// How soon a fault that is over is noticed.
const POLL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phone_gets_a_name_and_loses_what_it_does_not_have() {
        let said = b"device::features=shell_v2,cmd,abb,stat_v2,abb_exec\0";
        let now = banner(said, &|name| name.rsplit('.').next().unwrap_or_default().to_owned());
        let want = "device::ro.product.name=name;ro.product.model=model;ro.product.device=device;features=shell_v2,cmd,stat_v2";
        assert_eq!(String::from_utf8_lossy(&now), want);
        let packet = Packet::new(CONNECT, 1, 2, now);
        let again = Packet::read(&mut packet.bytes().as_slice()).expect("a packet");
        assert_eq!(again.words, packet.words);
        assert_eq!(again.words[3] as usize, want.len());
        assert_eq!(again.words[4], want.bytes().map(u32::from).sum::<u32>());
        assert_eq!(again.words[5], 0xb1a7_b1bc);
    }
}
