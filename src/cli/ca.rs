//! `ca`: the certificate authority that a phone has to trust so that its traffic can be read: shown, exported, made anew, removed.
//! The simulated rig needs none of it: it makes one in memory for each run.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;

use super::{Exit, Failure, Surroundings};
use crate::{
    model::text::printable,
    run::authority::{self, Obtained, Renewal, RigAuthority},
    store::{
        RigFolder,
        rig::{DEFAULT_RIG, RigInUse},
    },
    traffic::authority::{Authority, AuthorityAbout},
};

mod words;

pub(super) use words::{announcement, removal_steps};

/// Arguments of `ca`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the authority of each rig: name, fingerprint, validity, where it is kept
    Show(Which),
    /// Write the certificate, without its key, for a phone; makes an authority when the rig has none
    Export {
        #[command(flatten)]
        which: Which,
        /// How the certificate is written
        #[arg(long, value_name = "FORMAT", default_value = "pem")]
        format: Format,
        /// File to write, or an existing folder; `-` is standard output, which `pem` and `der` take when none is named
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Make a new authority in place of the old one, and say how to remove the old certificate from the phone
    Rotate(Which),
    /// Remove the authority with its key, and say how to remove its certificate from the phone
    Remove(Which),
}

/// Which rig's authority.
#[derive(Debug, Args)]
struct Which {
    /// The rig: the name of its file without `.yaml`; needed only where several have an authority
    #[arg(long, value_name = "NAME")]
    rig: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// PEM: text, for curl, Python and most programs
    Pem,
    /// DER: what iPhones and Android's settings take
    Der,
    /// PEM under the name that Android's system store wants, such as 779ebcb6.0
    Android,
}

/// Does it.
pub(super) fn execute(arguments: &Arguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Show(which) => show(which, surroundings),
        Command::Export { which, format, output } => export(&rig(which, surroundings)?, *format, output.as_deref(), surroundings),
        Command::Rotate(which) => rotate(&rig(which, surroundings)?, surroundings),
        Command::Remove(which) => remove(&rig(which, surroundings)?, surroundings),
    }
}

/// The rig that is meant: the named one, else the only one that has an authority, else the one that `rig.yaml` describes.
fn rig(which: &Which, surroundings: &Surroundings) -> Result<RigFolder, Failure> {
    let workspace = surroundings.workspace();
    if let Some(typed) = &which.rig {
        // Who gives the rig's file, as `run --rig` wants it, means the same rig.
        let name = Path::new(typed).file_stem().filter(|_| typed.ends_with(".yaml")).and_then(|stem| stem.to_str()).unwrap_or(typed);
        return Ok(RigFolder::of(&workspace, name)?);
    }
    let mut rigs = with_authority(surroundings)?;
    match rigs.len() {
        0 => Ok(RigFolder::of(&workspace, DEFAULT_RIG)?),
        1 => Ok(rigs.remove(0)),
        _ => {
            let names: Vec<_> = rigs.iter().map(RigFolder::name).collect();
            Err(Failure::usage("tell whose authority is meant", format!("name one of the rigs with --rig: {}", names.join(", "))))
        }
    }
}

/// Rigs that have an authority, readable or not.
fn with_authority(surroundings: &Surroundings) -> Result<Vec<RigFolder>, Failure> {
    let mut rigs = RigFolder::all(&surroundings.workspace())?;
    rigs.retain(|rig| rig.authority_file().exists());
    Ok(rigs)
}

fn show(which: &Which, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let rigs = match which.rig {
        Some(_) => vec![rig(which, surroundings)?],
        None => with_authority(surroundings)?,
    };
    let mut exit = Exit::Clean;
    let mut blocks = Vec::new();
    for rig in &rigs {
        match authority::kept(rig) {
            Ok(Some(authority)) => blocks.push(block(rig, &authority, surroundings)),
            Ok(None) => surroundings.note(format_args!("rig {} has no authority: `tattletale ca export` makes one", rig.name())),
            Err(error) => {
                // The other rigs' authorities are still worth seeing.
                Failure::from(error).tell(surroundings);
                exit = Exit::Usage;
            }
        }
    }
    if rigs.is_empty() {
        surroundings.note(
            "no certificate authority is kept here; `tattletale ca export` makes one for a phone. The simulated rig needs none: it \
             makes one in memory for each run",
        );
    }
    surroundings.print(&blocks.join("\n"))?;
    Ok(exit)
}

/// One rig's authority, line by line.
fn block(rig: &RigFolder, authority: &Authority, surroundings: &Surroundings) -> String {
    let about = authority.about();
    let lines = [
        ("rig", rig.name().to_owned()),
        ("name", printable(&about.name)),
        ("SHA-256", about.fingerprint.clone()),
        ("valid", validity(about, surroundings.now)),
        ("kept in", surroundings.shown(&rig.authority_file())),
        ("Android", format!("{} in the system store", authority.android_name())),
    ];
    lines.map(|(what, is)| format!("{what:<8} {is}\n")).concat()
}

/// From when to when, and what that means now.
fn validity(about: &AuthorityAbout, now: Timestamp) -> String {
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let means = match authority::renewal(about, now) {
        None => format!("{} days left", about.not_after.duration_since(now).as_hours() / 24),
        Some(Renewal::Ending { days }) => format!("{}, and made anew the next time it is needed", words::days_left(days)),
        Some(Renewal::Over) => "over: a new one is made the next time one is needed".to_owned(),
        Some(Renewal::NotYet) => "not yet: a new one is made the next time one is needed".to_owned(),
    };
    format!("{} to {}, {means}", day(about.not_before), day(about.not_after))
}

fn export(rig: &RigFolder, format: Format, output: Option<&Path>, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let found = authority::of_rig(rig, surroundings.now)?;
    if let Some(text) = announcement(&found, surroundings) {
        surroundings.warn(text);
    }
    let authority = &found.authority;
    let bytes = match format {
        Format::Pem | Format::Android => authority.certificate_pem().into_bytes(),
        Format::Der => authority.certificate_der().to_vec(),
    };
    let own_name = match format {
        Format::Pem => format!("tattletale-{}.pem", rig.name()),
        Format::Der => format!("tattletale-{}.cer", rig.name()),
        Format::Android => authority.android_name(),
    };
    let path = match output {
        Some(typed) if typed.as_os_str() == "-" => None,
        Some(typed) if surroundings.path(typed).is_dir() => Some(surroundings.path(typed).join(own_name)),
        Some(typed) => Some(surroundings.path(typed)),
        // The name is the point of this format.
        None if format == Format::Android => Some(surroundings.path(Path::new(&own_name))),
        None => None,
    };
    match path {
        None => {
            if format == Format::Der && surroundings.terminal {
                return Err(Failure::usage("write DER to a terminal: it is no text", "name a file with --output, or take --format pem"));
            }
            match surroundings.stdout.write_all(&bytes).and_then(|()| surroundings.stdout.flush()) {
                Err(problem) if problem.kind() != io::ErrorKind::BrokenPipe => {
                    return Err(Failure::instrument(format!("write to standard output: {problem}"), ""));
                }
                _ => {}
            }
        }
        Some(path) => {
            let shown = surroundings.shown(&path);
            write_new(&path, &bytes, &shown)?;
            surroundings.note(format_args!("wrote {shown}: the certificate of {}, without its key", printable(&authority.about().name)));
        }
    }
    surroundings.note(words::installing(format));
    Ok(Exit::Clean)
}

/// Writes a certificate where nothing is, or the same one is already.
fn write_new(path: &Path, bytes: &[u8], shown: &str) -> Result<(), Failure> {
    match fs::File::create_new(path).and_then(|mut file| file.write_all(bytes)) {
        Ok(()) => Ok(()),
        Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => {
            if fs::read(path).is_ok_and(|there| there == bytes) {
                return Ok(());
            }
            Err(Failure::usage(format!("write {shown}: something else is there already"), "remove it, or name another file with --output"))
        }
        Err(problem) => Err(Failure::instrument(format!("write {shown}: {problem}"), "")),
    }
}

/// Keeps sessions from beginning with a rig's authority while it is replaced or removed. One that runs goes on with a key that its
/// phone would soon be told to distrust, so that comes to its end first.
fn alone(rig: &RigFolder, what: &str) -> Result<RigInUse, Failure> {
    rig.unless_in_use()?.ok_or_else(|| {
        Failure::usage(
            format!("{what} the authority of rig {}: a session is using it", rig.name()),
            "end the `tattletale watch` that runs with it, then say this again",
        )
    })
}

fn rotate(rig: &RigFolder, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let _alone = alone(rig, "rotate")?;
    let there = rig.authority_file().exists();
    let (new, old) = authority::rotate(rig, surroundings.now)?;
    surroundings.print(&block(rig, &new, surroundings))?;
    match old {
        Some(old) => {
            surroundings.warn(
                "the old key is gone from this machine, so its certificate is of no more use: remove it from the phone now. The phone does \
                 not trust the new one yet: `tattletale ca export`",
            );
            surroundings.warn(removal_steps(&old.fingerprint, &old.name));
        }
        None if there => {
            surroundings.warn("the old file is removed; it could not be used, so its fingerprint cannot be told");
            surroundings.warn(removal_steps("unknown", "tattletale audit (an earlier date)"));
        }
        None => {}
    }
    Ok(Exit::Clean)
}

fn remove(rig: &RigFolder, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let none = || {
        let next = "`tattletale ca show` lists the rigs that have one";
        Err(Failure::usage(format!("remove the authority of rig {}: it has none", rig.name()), next))
    };
    if !rig.authority_file().exists() {
        return none();
    }
    let _alone = alone(rig, "remove")?;
    let old = authority::about(rig);
    if !rig.lock()?.remove_authority()? {
        return none();
    }
    surroundings.note(format_args!("removed the authority of rig {} with its key", rig.name()));
    let (fingerprint, name) =
        old.map_or_else(|| ("unknown".to_owned(), "tattletale audit (a date)".to_owned()), |old| (old.fingerprint, old.name));
    surroundings.warn(removal_steps(&fingerprint, &name));
    Ok(Exit::Clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::surroundings::testing::command;

    /// A command line in a folder at a time: exit, standard output, standard error.
    fn at(folder: &Path, now: &str, line: &[&str]) -> (Exit, String, String) {
        command(folder, line, |surroundings| surroundings.now = now.parse().expect("a time"))
    }

    const MADE: &str = "2026-03-02T08:00:00Z";

    fn fingerprint(shown: &str) -> &str {
        shown.lines().find_map(|line| line.strip_prefix("SHA-256  ")).expect("a fingerprint")
    }

    #[test]
    fn an_authority_is_made_by_the_first_export_and_shown_ever_after() {
        let folder = tempfile::tempdir().expect("a folder");
        let (exit, out, err) = at(folder.path(), MADE, &["ca", "show"]);
        assert_eq!((exit, out.as_str()), (Exit::Clean, ""));
        assert!(err.contains("no certificate authority is kept here") && err.contains("in memory for each run"), "{err}");
        assert!(!folder.path().join("rigs").exists(), "looking makes nothing");

        let (exit, pem, err) = at(folder.path(), MADE, &["ca", "export"]);
        assert_eq!(exit, Exit::Clean, "{err}");
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n") && !pem.contains("PRIVATE"), "{pem}");
        assert!(err.contains("made a certificate authority") && err.contains("Certificate Trust Settings"), "{err}");

        let (exit, out, err) = at(folder.path(), MADE, &["ca", "show"]);
        assert_eq!((exit, err.as_str()), (Exit::Clean, ""));
        assert_eq!(fingerprint(&out).len(), 32 * 3 - 1, "{out}");
        for line in [
            "rig      rig\n",
            "name     tattletale audit 2026-03-02 ",
            "valid    2026-03-01 to 2026-05-30, 88 days left\n",
            "kept in  rigs/rig/authority/authority.pem\n",
        ] {
            assert!(out.contains(line), "{line} is missing: {out}");
        }
        let (_, again, err) = at(folder.path(), MADE, &["ca", "export", "--rig", "rig.yaml"]);
        assert_eq!(again, pem, "the file of a rig names it too");
        assert!(!err.contains("made a certificate"), "{err}");
    }

    #[test]
    fn each_format_is_the_same_certificate_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, pem, _) = at(folder.path(), MADE, &["ca", "export"]);
        let (exit, _, err) = at(folder.path(), MADE, &["ca", "export", "--format", "der", "-o", "phone.cer"]);
        assert_eq!(exit, Exit::Clean, "{err}");
        let (exit, out, err) = at(folder.path(), MADE, &["ca", "export", "--format", "android"]);
        assert_eq!((exit, out.as_str()), (Exit::Clean, ""), "{err}");
        let (_, shown, _) = at(folder.path(), MADE, &["ca", "show"]);
        let android = shown.lines().find_map(|line| line.strip_prefix("Android  ")?.split(' ').next()).expect("a name");
        assert!(android.len() == 10 && android.ends_with(".0"), "{android}");
        assert_eq!(fs::read_to_string(folder.path().join(android)).expect("written"), pem);
        let der = fs::read(folder.path().join("phone.cer")).expect("written");
        let body: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
        assert_eq!(base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).expect("base64"), der);

        let (exit, _, _) = at(folder.path(), MADE, &["ca", "export", "--format", "der", "-o", "phone.cer"]);
        assert_eq!(exit, Exit::Clean, "the same one is there already");
        let (exit, _, err) = at(folder.path(), MADE, &["ca", "export", "-o", "phone.cer"]);
        assert_eq!(exit, Exit::Usage);
        assert!(err.contains("phone.cer: something else is there already"), "{err}");
        assert_eq!(fs::read(folder.path().join("phone.cer")).expect("still there"), der);
        let (exit, _, err) = at(folder.path(), MADE, &["ca", "export", "-o", "."]);
        assert_eq!((exit, folder.path().join("tattletale-rig.pem").is_file()), (Exit::Clean, true), "{err}");
        let (exit, _, err) = command(folder.path(), &["ca", "export", "--format", "der"], |surroundings| surroundings.terminal = true);
        assert_eq!(exit, Exit::Usage, "{err}");
    }

    #[test]
    fn rotating_makes_another_and_says_how_to_remove_the_old_one() {
        let folder = tempfile::tempdir().expect("a folder");
        at(folder.path(), MADE, &["ca", "export"]);
        let (_, old, _) = at(folder.path(), MADE, &["ca", "show"]);
        let kept = fs::read(folder.path().join("rigs/rig/authority/authority.pem")).expect("there");
        let (exit, new, err) = at(folder.path(), "2026-03-09T08:00:00Z", &["ca", "rotate"]);
        assert_eq!(exit, Exit::Clean, "{err}");
        assert!(new.contains("tattletale audit 2026-03-09") && fingerprint(&new) != fingerprint(&old), "{new}");
        for part in ["tattletale audit 2026-03-02", fingerprint(&old), "Android", "Trusted credentials", "iPhone", "Remove Profile"] {
            assert!(err.contains(part), "{part} is missing: {err}");
        }
        let left = fs::read(folder.path().join("rigs/rig/authority/authority.pem")).expect("there");
        assert_ne!(left, kept);
        assert_eq!(fs::read_dir(folder.path().join("rigs/rig/authority")).expect("there").count(), 1);
    }

    #[test]
    fn removing_says_how_to_remove_it_from_the_phone_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let (exit, _, err) = at(folder.path(), MADE, &["ca", "remove"]);
        assert_eq!(exit, Exit::Usage);
        assert!(err.contains("rig rig: it has none"), "{err}");
        at(folder.path(), MADE, &["ca", "export", "--rig", "pixel"]);
        let (exit, _, err) = at(folder.path(), MADE, &["ca", "remove"]);
        assert_eq!(exit, Exit::Clean, "the only one there is");
        assert!(err.contains("removed the authority of rig pixel") && err.contains("Trusted credentials"), "{err}");
        assert!(!folder.path().join("rigs/pixel/authority").exists());
    }

    #[test]
    fn among_several_rigs_one_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        for rig in ["pixel", "iphone"] {
            at(folder.path(), MADE, &["ca", "export", "--rig", rig]);
        }
        let (exit, _, err) = at(folder.path(), MADE, &["ca", "rotate"]);
        assert_eq!(exit, Exit::Usage);
        assert!(err.contains("--rig: iphone, pixel"), "{err}");
        let (exit, out, _) = at(folder.path(), MADE, &["ca", "show"]);
        assert_eq!((exit, out.matches("SHA-256").count()), (Exit::Clean, 2));
        let (_, out, _) = at(folder.path(), MADE, &["ca", "show", "--rig", "pixel"]);
        assert_eq!(out.matches("SHA-256").count(), 1);
        let (exit, _, err) = at(folder.path(), MADE, &["ca", "show", "--rig", "../pixel"]);
        assert_eq!(exit, Exit::Usage, "{err}");
    }

    #[test]
    fn one_that_ends_soon_is_renewed_and_that_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, old, _) = at(folder.path(), MADE, &["ca", "export"]);
        let (_, shown, _) = at(folder.path(), "2026-05-29T08:00:00Z", &["ca", "show"]);
        assert!(shown.contains("valid    2026-03-01 to 2026-05-30, less than a day left, and made anew"), "{shown}");
        let (_, new, err) = at(folder.path(), "2026-05-29T08:00:00Z", &["ca", "export"]);
        assert_ne!(new, old);
        for part in ["renewed", "less than a day left", fingerprint(&shown), "tattletale audit 2026-05-29", "Trusted credentials"] {
            assert!(err.contains(part), "{part} is missing: {err}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_and_a_damaged_one_are_refused_with_what_to_do() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rigs/rig/authority/authority.pem");
        at(folder.path(), MADE, &["ca", "export"]);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("ours");
        for line in [["ca", "show"], ["ca", "export"]] {
            let (exit, out, err) = at(folder.path(), MADE, &line);
            assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{err}");
            assert!(err.contains("authority.pem") && err.contains("mode 644") && err.contains("ca rotate"), "{err}");
        }
        // Whoever trusts a key that others know has to find it: it is named when it goes.
        let mut known = at(folder.path(), MADE, &["ca", "rotate"]).1;
        for line in [["ca", "rotate"], ["ca", "remove"]] {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("ours");
            let (exit, shown, err) = at(folder.path(), MADE, &line);
            assert_eq!(exit, Exit::Clean);
            assert!(err.contains(fingerprint(&known)), "{err}");
            known = shown;
        }
        at(folder.path(), MADE, &["ca", "export"]);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
        fs::write(&file, "half a k").expect("ours");
        let (exit, _, err) = at(folder.path(), MADE, &["ca", "export"]);
        assert_eq!(exit, Exit::Usage);
        assert!(err.contains("authority.pem: it holds no private key") && err.contains("ca rotate"), "{err}");
        let (exit, _, err) = at(folder.path(), MADE, &["ca", "rotate"]);
        assert_eq!(exit, Exit::Clean);
        assert!(err.contains("its fingerprint cannot be told"), "{err}");
    }
}
