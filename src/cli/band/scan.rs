//! `band scan`: the bands in reach, live at a terminal. What is not the person's own is shown by model, signal and the end of its
//! address, and by nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use ratatui::{
    crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    widgets::Paragraph,
};
use serde_json::{Value, json};

use super::{
    super::{
        Exit, Failure, Surroundings,
        table::table,
        terminal::{self, Taken},
    },
    Format,
    which::{DISCLAIMER, Reach, adapter_of, deaf, rig_file},
    words::{address_of, count, document, tail, whole},
};
use crate::{
    band::{self, BandModel, Shouted},
    link::{Advertisement, DEVICES_MAX, LinkError},
    model::text::thousands,
    scenario::forms,
};

/// Arguments of `band scan`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Listen for so long: 10s, 2m. At a terminal the list ends when you press q, elsewhere after ten seconds
    #[arg(long = "for", value_name = "DURATION", value_parser = forms::duration)]
    duration: Option<Duration>,
    /// Address of a band that is yours: what it says in clear is shown, too
    #[arg(long, value_name = "ADDRESS", value_parser = address_of)]
    mine: Vec<[u8; 6]>,
    /// Rig file that names your band; without one, the rig.yaml of the workspace
    #[arg(long, value_name = "FILE")]
    rig: Option<PathBuf>,
    /// Bluetooth adapter of this machine, by name or address: hci0
    #[arg(long, value_name = "ADAPTER", value_parser = adapter_of)]
    adapter: Option<String>,
    /// A simulated band with invented values: no radio is used
    #[arg(long, conflicts_with_all = ["adapter", "rig"])]
    simulated: bool,
    /// Lines instead of a live list, also at a terminal
    #[arg(long)]
    lines: bool,
    /// How to print it
    #[arg(long, default_value = "text")]
    format: Format,
}

/// What was heard.
struct Heard {
    mine: BTreeSet<[u8; 6]>,
    bands: BTreeMap<[u8; 6], Row>,
    /// Devices that are no bands, by address; counted, and never shown.
    others: BTreeSet<[u8; 6]>,
}

/// A band.
struct Row {
    /// Whether what it says is of a family that is known; else it is in the list because it is the person's own.
    is_known: bool,
    model: Option<&'static dyn BandModel>,
    rssi: Option<i16>,
    steps: Option<u32>,
    heart_rate: Option<u8>,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    // Nobody's own band is in the simulated neighbourhood.
    let rig = if arguments.simulated { None } else { rig_file(arguments.rig.as_ref(), surroundings)? };
    let described = rig.and_then(|rig| rig.band);
    let mut mine: BTreeSet<[u8; 6]> = arguments.mine.iter().copied().collect();
    mine.extend(described.as_ref().map(|band| *band.address.expose()));
    let adapter = arguments.adapter.clone().or_else(|| described.and_then(|band| band.adapter));
    let reach = if arguments.simulated { Reach::simulated() } else { Reach::radio(adapter) };
    let disclaimer = arguments.simulated.then_some(DISCLAIMER);
    let heard = Mutex::new(Heard { mine, bands: BTreeMap::new(), others: BTreeSet::new() });

    let is_dumb = (surroundings.environment)("TERM").is_none_or(|term| matches!(term.as_str(), "" | "dumb"));
    let wanted = surroundings.terminal && !arguments.lines && arguments.format == Format::Text && !is_dumb;
    let live = wanted && terminal::is_large_enough();
    let listen_for = arguments.duration.unwrap_or(if live { LONGEST } else { SHORT });
    let over = AtomicBool::new(false);
    let listen = || {
        // The radio gets time of its own before and after listening.
        let scanned = reach.run(listen_for + SETTING_UP, async {
            let mut seen = |advertisement: Advertisement| lock(&heard).absorb(&advertisement);
            let listening = async {
                let began = Instant::now();
                loop {
                    reach.central().scan_each(listen_for, &mut seen).await?;
                    // The simulated neighbourhood says all that it has at once, and a person at a terminal wants to look at it.
                    if !live || began.elapsed() >= listen_for {
                        return Ok::<_, LinkError>(());
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            };
            tokio::select! {
                listened = listening => listened?,
                () = until(&over) => {}
            }
            Ok(())
        });
        over.store(true, Ordering::SeqCst);
        scanned
    };
    let scanned = if live {
        std::thread::scope(|scope| {
            let listening = scope.spawn(listen);
            let drawn = draw(&heard, &over, disclaimer, surroundings);
            over.store(true, Ordering::SeqCst);
            let scanned = listening.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked));
            drawn.and(scanned)
        })
    } else {
        listen()
    };
    let heard = lock(&heard);
    let Some(done) = scanned? else { return Ok(Exit::Interrupted) };
    done.map_err(|error| deaf(&error))?;
    match arguments.format {
        Format::Text => surroundings.print(&heard.in_words(disclaimer, surroundings.width))?,
        Format::Json => surroundings.print(&document(&heard.as_data(disclaimer)))?,
    }
    Ok(Exit::Clean)
}

impl Heard {
    fn absorb(&mut self, advertisement: &Advertisement) {
        // Whose it is says the address that it came from. What it says of an address, anybody can copy.
        let address = advertisement.address;
        let (said, is_mine) = (band::shouts(advertisement), self.mine.contains(&address));
        if said.is_none() && !is_mine {
            if self.others.len() < DEVICES_MAX && !self.bands.contains_key(&address) {
                self.others.insert(address);
            }
            return;
        }
        self.others.remove(&address);
        if self.bands.len() >= DEVICES_MAX && !self.bands.contains_key(&address) && !is_mine {
            return;
        }
        let row = self.bands.entry(address).or_insert(Row { is_known: false, model: None, rssi: None, steps: None, heart_rate: None });
        let (model, steps, heart_rate) =
            said.as_ref().map_or((None, None, None), |said: &Shouted| (said.model, said.steps, said.heart_rate));
        // A device says now this, now that: what is not repeated is still what it said last.
        row.is_known |= said.is_some();
        row.model = model.or(row.model);
        row.rssi = advertisement.rssi.or(row.rssi);
        row.steps = steps.or(row.steps);
        row.heart_rate = heart_rate.or(row.heart_rate);
    }

    /// Own bands first, then by model: in no order that says who is nearest.
    fn sorted(&self) -> Vec<([u8; 6], &Row, bool)> {
        let mut rows: Vec<_> = self.bands.iter().map(|(address, row)| (*address, row, self.mine.contains(address))).collect();
        rows.sort_by_key(|(address, row, mine)| (!mine, row.model.map(BandModel::name), [address[4], address[5]]));
        rows
    }

    fn in_words(&self, disclaimer: Option<&str>, width: usize) -> String {
        let mut text = disclaimer.map(|words| format!("{words}\n")).unwrap_or_default();
        let rows: Vec<Vec<String>> = self.sorted().into_iter().map(|(address, row, mine)| row.cells(address, mine)).collect();
        if !rows.is_empty() {
            text += &table(&["band", "address", "signal", "says in clear to anyone in reach"], &rows, &[2], width);
            text += "\n";
        }
        let own = self.bands.keys().filter(|address| self.mine.contains(*address)).count();
        let whose = if own == 0 { String::new() } else { format!(", {} yours", thousands(own as u64)) };
        let bands = count(self.bands.len(), "band", "bands");
        text += &format!("{bands}{whose}; {}, not listed\n", count(self.others.len(), "other device", "other devices"));
        if self.mine.is_empty() && !self.bands.is_empty() {
            text += "What a band says in clear is shown when it is yours: name it with --mine ADDRESS, or in rig.yaml\n";
        }
        text
    }

    fn as_data(&self, disclaimer: Option<&str>) -> Value {
        let bands: Vec<Value> = self
            .sorted()
            .into_iter()
            .map(|(address, row, mine)| {
                let model = row.model.map(BandModel::name);
                let end = format!("{:02X}:{:02X}", address[4], address[5]);
                let mut band = json!({ "model": model, "address_end": end, "rssi_dbm": row.rssi, "mine": mine });
                if mine {
                    band["address"] = json!(whole(address));
                    band["steps"] = json!(row.steps);
                    band["heart_rate"] = json!(row.heart_rate);
                }
                band
            })
            .collect();
        let mut data = json!({ "format": SCAN_FORMAT, "bands": bands, "other_devices": self.others.len() });
        if let Some(words) = disclaimer {
            data["disclaimer"] = json!(words);
        }
        data
    }
}

impl Row {
    fn cells(&self, address: [u8; 6], mine: bool) -> Vec<String> {
        let unknown = if self.is_known { "of the Mi Band family, model not known" } else { "of no family that is known by what it says" };
        let model = self.model.map_or(unknown, BandModel::label);
        let signal = self.rssi.map_or_else(|| "not told".to_owned(), |rssi| format!("{rssi} dBm"));
        let (shown, clear) = if mine { (whole(address), self.in_clear()) } else { (tail(address), "not yours, not shown".to_owned()) };
        vec![model.to_owned(), shown, signal, clear]
    }

    fn in_clear(&self) -> String {
        let steps = self.steps.map(|steps| format!("{} steps today", thousands(steps.into())));
        let heart_rate = self.heart_rate.map(|beats| format!("heart rate {beats}"));
        let said: Vec<String> = std::iter::once("its address".to_owned()).chain(steps).chain(heart_rate).collect();
        said.join(", ")
    }
}

/// Draws the list until it is over; q, Escape and Ctrl-C end it.
fn draw(heard: &Mutex<Heard>, over: &AtomicBool, disclaimer: Option<&str>, surroundings: &mut Surroundings) -> Result<(), Failure> {
    let gone = |problem: std::io::Error| Failure::instrument(format!("draw on this terminal: {problem}"), "--lines prints lines instead");
    let mut taken = Taken::take(&mut surroundings.stdout, &mut surroundings.stderr).map_err(gone)?;
    while !over.load(Ordering::SeqCst) {
        let drawn = taken.draw(|frame| {
            let list = lock(heard).in_words(disclaimer, frame.area().width.into());
            frame.render_widget(Paragraph::new(format!("Listening for bands. q ends.\n\n{list}")), frame.area());
        });
        drawn.map_err(gone)?;
        let Some(Event::Key(KeyEvent { code, modifiers, kind, .. })) = taken.event(LOOK).map_err(gone)? else { continue };
        let ends = match code {
            KeyCode::Char('q') | KeyCode::Esc => true,
            KeyCode::Char('c' | 'd') => modifiers.contains(KeyModifiers::CONTROL),
            _ => false,
        };
        if ends && kind != KeyEventKind::Release {
            break;
        }
    }
    Ok(())
}

/// Resolves when the list is over.
async fn until(over: &AtomicBool) {
    while !over.load(Ordering::SeqCst) {
        tokio::time::sleep(LOOK).await;
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Format of the data.
const SCAN_FORMAT: u32 = 1;

/// Listening that nobody ends.
const SHORT: Duration = Duration::from_secs(10);

/// Listening that a person ends.
const LONGEST: Duration = Duration::from_secs(3600);

/// Finding the adapter, and stopping it.
const SETTING_UP: Duration = Duration::from_secs(20);

/// Between two looks at the simulated neighbourhood.
const AGAIN: Duration = Duration::from_secs(1);

/// Between two looks at the keys.
const LOOK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::surroundings::testing::command, link::sig_uuid};

    const MINE: [u8; 6] = [0xc0, 0xff, 0xee, 0x12, 0x34, 0x56];
    const OTHER: [u8; 6] = [0xc0, 0xff, 0xee, 0x98, 0x76, 0x54];

    /// A Mi Band 3 with 900 steps and a heart rate of 72, in clear.
    fn band(address: [u8; 6]) -> Advertisement {
        let clear = [&[2, 2, 1, 72][..], &[0xff; 13], &[3], &address].concat();
        Advertisement {
            address,
            name: Some("Mi Band 3".into()),
            manufacturer_data: vec![(0x0157, clear)],
            service_data: vec![(sig_uuid(0xfee0), vec![0x84, 3, 0, 0])],
            rssi: Some(-61),
        }
    }

    fn heard(advertisements: &[Advertisement]) -> Heard {
        let mut heard = Heard { mine: BTreeSet::from([MINE]), bands: BTreeMap::new(), others: BTreeSet::new() };
        advertisements.iter().for_each(|advertisement| heard.absorb(advertisement));
        heard
    }

    fn phone(last: u8) -> Advertisement {
        let (manufacturer_data, service_data) = (vec![(0x004c, vec![1, 2])], Vec::new());
        Advertisement { address: [2, 0, 0, 0, 0, last], name: Some("Somebody's phone".into()), manufacturer_data, service_data, rssi: None }
    }

    #[test]
    fn other_peoples_bands_are_a_model_a_signal_and_two_bytes() {
        let heard = heard(&[band(OTHER), phone(1), phone(2), band(MINE), phone(1)]);
        let text = heard.in_words(None, 120);
        let other = text.lines().find(|line| line.contains("…:76:54")).unwrap_or_else(|| panic!("{text}"));
        assert!(other.contains("Xiaomi Mi Band 3") && other.contains("-61 dBm") && other.contains("not yours"), "{text}");
        assert!(!other.contains("900") && !other.contains("72") && !text.contains("EE:98"), "{text}");
        let mine = text.lines().find(|line| line.contains("C0:FF:EE:12:34:56")).unwrap_or_else(|| panic!("{text}"));
        assert!(mine.contains("900 steps today, heart rate 72"), "{text}");
        assert!(text.contains("2 bands, 1 yours; 2 other devices, not listed"), "{text}");
        assert!(!text.contains("phone"), "{text}");

        let data = heard.as_data(None);
        assert_eq!(data["bands"][0]["address"], "C0:FF:EE:12:34:56");
        assert_eq!(data["bands"][1], json!({ "model": "mi-band-3", "address_end": "76:54", "rssi_dbm": -61, "mine": false }));
        assert_eq!(data["other_devices"], 2);
    }

    #[test]
    fn ones_own_is_listed_whatever_it_says_and_a_copy_of_its_bytes_is_not_it() {
        let strap = Advertisement { manufacturer_data: Vec::new(), service_data: Vec::new(), name: Some("Strap".into()), ..band(MINE) };
        let text = heard(&[strap, phone(1)]).in_words(None, 120);
        assert!(text.contains("C0:FF:EE:12:34:56") && text.contains("1 band, 1 yours; 1 other device"), "{text}");
        assert!(!text.contains("Mi Band family"), "{text}");
        let copy = Advertisement { rssi: Some(-20), ..band(OTHER) };
        let copy = Advertisement { manufacturer_data: band(MINE).manufacturer_data, ..copy };
        let text = heard(&[copy]).in_words(None, 120);
        assert!(text.contains("…:76:54") && !text.contains("yours;") && !text.contains("heart rate 72"), "{text}");
        let full: Vec<_> = (0..DEVICES_MAX).map(|n| band([2, 0, 0, 0, (n >> 8) as u8, n as u8])).chain([band(MINE)]).collect();
        assert!(heard(&full).in_words(None, 120).contains("C0:FF:EE:12:34:56"), "no crowd keeps one's own out");
    }

    #[test]
    fn what_a_band_does_not_repeat_is_still_what_it_said_last() {
        let silent = Advertisement { name: None, service_data: Vec::new(), rssi: None, ..band(MINE) };
        let text = heard(&[band(MINE), silent]).in_words(None, 120);
        assert!(text.contains("Xiaomi Mi Band 3") && text.contains("900 steps") && text.contains("-61 dBm"), "{text}");
    }

    #[test]
    fn a_hall_full_of_devices_is_counted_within_bounds() {
        let many = (0..10_000_u16).map(|n| {
            let [high, low] = n.to_be_bytes();
            let address = [0xc0, 0, 0, 0, high, low];
            if n % 2 == 0 { band(address) } else { Advertisement { address, ..phone(0) } }
        });
        let heard = heard(&many.collect::<Vec<_>>());
        assert_eq!((heard.bands.len(), heard.others.len()), (DEVICES_MAX, DEVICES_MAX));
    }

    #[test]
    fn the_simulated_band_is_nobodys_until_it_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = |more: &[&str]| command(folder.path(), &[&["band", "scan", "--simulated"], more].concat(), |_| {});
        let (exit, out, err) = run(&[]);
        assert_eq!(exit, Exit::Clean, "{err}");
        assert!(out.starts_with("simulated band: its values are invented\n") && out.contains("…:34:56") && out.contains("--mine"), "{out}");
        assert!(!out.contains("C0:FF"), "{out}");
        let (_, out, _) = run(&["--mine", "C0:FF:EE:12:34:56"]);
        assert!(out.contains("C0:FF:EE:12:34:56") && out.contains("steps today"), "{out}");
    }
}
