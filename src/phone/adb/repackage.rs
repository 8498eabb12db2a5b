//! The app rebuilt so that it trusts this rig's authority: apktool unpacks its package, its network security configuration is rewritten,
//! it is built and aligned, and all its parts are signed anew with a key of the rig's own. The vendor's code is left as it is. What is rebuilt is
//! kept with the rig, so that each run has the same file; an app of somebody's that has to make room is kept as well.
//! See `docs/guide/real-rig.md`.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    super::{Check, CheckState, PhoneError},
    AdbPhone, AdbSetup, TrustMode,
    changes::{self, Undoing},
    client::{Adb, TRANSFER},
    declared::FIRST_STRICT,
    doctor::install_switch,
    error::AdbError,
    file::{self, PackageFile, parts},
    network_security,
    package::{self, Package},
    programs::Program,
};
use crate::{
    model::{Alteration, AppVersion, Captured, PhoneChange, text::hex},
    store::{PackageSigner, RigFolder, StoreError},
    traffic::authority::{Authority, pem},
};

/// How the app is rebuilt on a rig.
#[derive(Clone, Debug)]
pub struct Repackaging {
    /// Certificate that the app is made to trust, PEM.
    certificate: String,
    /// Whether somebody agreed that an app that is there, signed by somebody else, is removed with its data.
    may_remove: bool,
}

/// What is about to be done to an app that is on the phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Its package.
    pub package: String,
    /// Its version.
    pub version: Option<AppVersion>,
}

/// What is known of a rebuilt package; kept beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Facts {
    format: u32,
    /// Fingerprint of the certificate that it trusts.
    authority: String,
    /// SHA-256 of the main file that it was made of.
    original: String,
    /// SHA-256 of the main file that it became.
    repackaged: String,
    /// Names of its files, the main one first.
    parts: Vec<String>,
    /// What of the app's own decisions does not hold any more.
    lifted: Vec<String>,
}

impl Facts {
    /// For the capture.
    pub(super) fn alteration(&self) -> Alteration {
        Alteration::Repackaged { original: self.original.clone(), repackaged: self.repackaged.clone(), lifted: self.lifted.clone() }
    }

    /// SHA-256 of the main file that it was made of.
    pub(super) fn original(&self) -> &str {
        &self.original
    }
}

impl Repackaging {
    /// For this authority. `may_remove`: somebody agreed that an app that is there is removed with its data to make room.
    pub fn of(authority: &Authority, may_remove: bool) -> Self {
        Self { certificate: authority.certificate_pem(), may_remove }
    }

    fn fingerprint(&self) -> String {
        hex(&Sha256::digest(&self.certificate))
    }
}

impl AdbPhone {
    /// What stands in the way of a rebuilt app: an app of somebody's, which would be removed with its data. `None` when nothing does.
    ///
    /// # Errors
    /// When the phone does not answer.
    pub async fn in_the_way(&mut self) -> Result<Option<Replaced>, PhoneError> {
        let Some((package, found)) = self.installed().await? else { return Ok(None) };
        let digest = package::sha256(&self.changes.adb, &package).await?;
        let is_ours = made_for(&self.setup.folder, &digest).is_some();
        Ok((!is_ours).then_some(Replaced { package, version: found.version }))
    }

    /// Rebuilds a version of the app without installing it, so that the run need not wait for it. Gives what of the app's own decisions
    /// does not hold any more, in words.
    ///
    /// # Errors
    /// [`PhoneError::NoSuchVersion`], and [`PhoneError::Alter`] with the program that is missing, or what it says.
    pub async fn rebuild(&mut self, version: &AppVersion) -> Result<Vec<String>, PhoneError> {
        if self.about.sdk != 0 && self.about.sdk < FIRST_STRICT {
            let why = format!("Android {} reads no network security configuration: use phone: {{ ca: user }}", self.about.release);
            return Err(PhoneError::Alter(why));
        }
        let original = self.original(version).await?;
        Ok(self.rebuilt_of(original).await?.1.lifted)
    }

    /// A package of the app as it is rebuilt for this rig.
    pub(super) async fn rebuilt_of(&self, original: PackageFile) -> Result<(PackageFile, Facts), PhoneError> {
        let (parts, facts) = rebuilt(&self.setup.folder, self.repackaging()?, &original.parts).await?;
        // Neither its id nor its version is touched.
        Ok((PackageFile { parts, digest: facts.repackaged.clone(), ..original }, facts))
    }

    /// Makes sure that a package is installed as it is rebuilt for this rig. One that somebody else signed makes room, if somebody agreed
    /// to that.
    pub(super) async fn install_rebuilt(&mut self, original: PackageFile) -> Result<AppVersion, PhoneError> {
        let may_remove = self.repackaging()?.may_remove;
        let (file, facts) = self.rebuilt_of(original).await?;
        let (id, mut made_room) = (file.id.clone(), false);
        if let Some(found) = Package::of(&self.changes.adb, &id).await? {
            let digest = package::sha256(&self.changes.adb, &id).await?;
            if digest == file.digest
                && let Some(version) = found.version
            {
                (self.package, self.digest) = (Some(id), Some(digest));
                self.altered_to(facts);
                return Ok(version);
            }
            if made_for(&self.setup.folder, &digest).is_none() {
                self.make_room(&id, found, &digest, may_remove).await?;
                made_room = true;
            }
        }
        let version = match self.install_package(file).await {
            Ok(version) => version,
            Err(error) if !made_room => return Err(error),
            Err(error) => {
                let why = error.with_help();
                let back = format!("{id} was removed to make room: `tattletale restore --app` puts it back, without its data");
                return Err(PhoneError::Alter(format!("{why}; {back}")));
            }
        };
        self.altered_to(facts);
        Ok(version)
    }

    /// Removes somebody's app, once its files are kept here.
    async fn make_room(&mut self, name: &str, found: Package, digest: &str, may_remove: bool) -> Result<(), PhoneError> {
        if !may_remove {
            let why = format!(
                "{name} is installed as its vendor signed it, and a rebuilt one can only take its place when it is removed with its data: \
                 `--yes` agrees to that"
            );
            return Err(PhoneError::Alter(why));
        }
        // A phone that takes nothing from this computer would be left without the app.
        if install_switch(&self.changes.adb, &self.about).await.state == CheckState::Wrong {
            return Err(AdbError::InstallRestricted.into());
        }
        pulled(&self.changes.adb, &self.setup.folder, name, digest).await?;
        let before = found.version;
        // Where something is noted, that was there first, and this one came between.
        if !self.changes.has(|change| matches!(change, PhoneChange::App { package, .. } if package == name)) {
            self.changes.will(PhoneChange::App { package: name.to_owned(), before, original: Some(digest.to_owned()) })?;
        }
        self.take_off(name).await
    }

    /// A version as its vendor made it: of the folder of packages, or else off the phone.
    pub(super) async fn original(&mut self, version: &AppVersion) -> Result<PackageFile, PhoneError> {
        let missing = match self.files_of(version) {
            Ok(place) => return self.package_of_app(place).await,
            Err(missing @ PhoneError::NoSuchVersion { .. }) => missing,
            Err(error) => return Err(error),
        };
        let Some((name, Package { version: Some(is), .. })) = self.installed().await? else { return Err(missing) };
        if is.name != version.name {
            return Err(missing);
        }
        let digest = package::sha256(&self.changes.adb, &name).await?;
        let place = match made_for(&self.setup.folder, &digest) {
            None => pulled(&self.changes.adb, &self.setup.folder, &name, &digest).await?,
            // It is one of ours; what it was made of is kept here, if it came off the phone.
            Some(facts) => kept(&self.setup.folder, &facts.original)?.ok_or(missing)?,
        };
        self.package_of_app(place).await
    }

    /// Notes it when the app's main file is one that was rebuilt for this rig.
    pub(super) fn note_rebuilt(&mut self, digest: &str) {
        if let Some(facts) = made_for(&self.setup.folder, digest) {
            self.altered_to(facts);
        }
    }

    /// Notes which file the app is now.
    fn altered_to(&mut self, facts: Facts) {
        if self.rebuilt.as_ref() != Some(&facts) {
            self.altered.push(facts.alteration());
            self.rebuilt = Some(facts);
        }
    }

    fn repackaging(&self) -> Result<&Repackaging, PhoneError> {
        let none = || PhoneError::Alter("nobody said which certificate it is to trust".to_owned());
        self.setup.repackaging.as_ref().filter(|_| self.setup.trust == TrustMode::Repackaged).ok_or_else(none)
    }
}

/// Puts somebody's app back that had made room, without its data.
pub(super) async fn put_back(
    adb: &Adb,
    folder: &RigFolder,
    package: &str,
    before: &AppVersion,
    original: &str,
) -> Result<Undoing, AdbError> {
    let failed = |why: String| Undoing::Failed {
        why: format!("{why}: version {before} was there before"),
        help: "install that version by hand; its data is gone".to_owned(),
    };
    let is_there = Package::of(adb, package).await?.is_some();
    if is_there && package::sha256(adb, package).await? == original {
        return Ok(Undoing::AlreadyAsBefore);
    }
    // Its files first: nothing is taken off for one that cannot be put back.
    let files = match kept(folder, original).and_then(|place| place.map(|place| parts(&place)).transpose()) {
        Ok(Some(files)) => files,
        Ok(None) => return Ok(failed("find its package, which was kept here".to_owned())),
        Err(error) => return Ok(failed(error.to_string())),
    };
    if is_there {
        changes::uninstall(adb, package).await?;
    }
    adb.install(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>()).await?;
    if package::sha256(adb, package).await? == original {
        Ok(Undoing::Back(format!("version {before} as it was, without its data")))
    } else {
        Err(AdbError::ReadBack { what: "put the app back".into(), wanted: before.to_string(), found: "another file".into() })
    }
}

/// Whether this app can be rebuilt for this phone, as far as that is known before it is tried.
pub(super) async fn look(adb: &Adb, setup: &AdbSetup, package: &str, sdk: u32) -> Check {
    let (name, ran) = ("certificates of the app", "java -version; apktool --version; zipalign; apksigner --version; sha256sum base.apk");
    if sdk != 0 && sdk < FIRST_STRICT {
        let read = "Android 6 and older read no network security configuration, by which a rebuilt app trusts the proxy";
        return Check::wrong(name, ran, read, "say phone: { ca: user } in the rig file: apps trust what a person installs there");
    }
    let tools = match tools().await {
        Ok(tools) => tools,
        Err(error) => return Check::wrong(name, ran, error.to_string(), "install it; or another way to be trusted"),
    };
    match package::sha256(adb, package).await.map(|digest| made_for(&setup.folder, &digest)) {
        Ok(Some(_)) => Check::good(name, ran, format!("the app was rebuilt for this rig; there is {tools}")),
        Ok(None) => Check::good(
            name,
            ran,
            format!("it can be tried: there is {tools}; the app that is installed has to be removed with its data (run --yes)"),
        ),
        Err(error) => Check::cannot_tell(name, ran, error.to_string(), error.help()),
    }
}

/// Programs that are needed, and their versions; an error names the first that is missing.
async fn tools() -> Result<String, PhoneError> {
    let mut found = Vec::new();
    for program in [JAVA, APKTOOL, ZIPALIGN, APKSIGNER] {
        let version = program.version().await?;
        found.push(if program == ZIPALIGN { program.name.to_owned() } else { format!("{} {version}", program.name) });
    }
    Ok(found.join(", "))
}

/// The files rebuilt for a rig: kept ones, or made now. The main one is the first, as it is of `original`.
async fn rebuilt(rig: &RigFolder, repackaging: &Repackaging, original: &[PathBuf]) -> Result<(Vec<PathBuf>, Facts), PhoneError> {
    let signer = rig.package_signer(new_signer).map_err(stored)?;
    let mut name = Sha256::new();
    name.update(format!("{RECIPE} {}", repackaging.fingerprint()));
    name.update(read(&signer.certificate)?);
    let mut digests = Vec::new();
    for part in original {
        let digest = digest_of(part).await?;
        name.update(format!(" {} {digest}", file_name(part)?));
        digests.push(digest);
    }
    let folder = rig.packages().map_err(stored)?.join(REBUILT).join(&hex(&name.finalize())[..32]);
    if let Some((files, facts)) = whole(&folder).await? {
        return Ok((files, facts));
    }
    let work = folder.with_extension("work");
    for stale in [&work, &folder] {
        remove(stale)?;
    }
    make(&work.join("out"))?;
    let lifted = build(&work, original, repackaging, &signer).await?;
    let parts: Vec<String> = original.iter().map(|part| file_name(part).map(str::to_owned)).collect::<Result<_, _>>()?;
    let repackaged = digest_of(&work.join("out").join(&parts[0])).await?;
    let original = digests.into_iter().next().unwrap_or_default();
    let facts = Facts { format: FACTS_FORMAT, authority: repackaging.fingerprint(), original, repackaged, parts, lifted };
    let text = serde_json::to_vec_pretty(&facts).map_err(|problem| fail("write", &work, &problem))?;
    fs::write(work.join("out").join(FACTS), text).map_err(|problem| fail("write", &work, &problem))?;
    fs::rename(work.join("out"), &folder).map_err(|problem| fail("write", &folder, &problem))?;
    remove(&work)?;
    whole(&folder).await?.ok_or_else(|| PhoneError::Alter("what was built is not there".to_owned()))
}

/// Builds all parts into the folder `out` of `work`. Gives what of the app's own decisions does not hold any more.
async fn build(work: &Path, original: &[PathBuf], repackaging: &Repackaging, signer: &PackageSigner) -> Result<Vec<String>, PhoneError> {
    let Some(base) = original.first() else { return Err(PhoneError::Alter("the package has no file".to_owned())) };
    let (app, framework, plain) = (work.join("app"), work.join("framework"), work.join("plain.apk"));
    let unpack: [&OsStr; 7] = [
        "d".as_ref(),
        // The code stays as it is: only its declarations are read and written.
        "--no-src".as_ref(),
        "--frame-path".as_ref(),
        framework.as_ref(),
        "--output".as_ref(),
        app.as_ref(),
        base.as_ref(),
    ];
    APKTOOL.run(&unpack, "unpack the package", REBUILD).await?;
    let lifted = declare(&app, repackaging)?;
    let pack: [&OsStr; 6] = ["b".as_ref(), "--frame-path".as_ref(), framework.as_ref(), "--output".as_ref(), plain.as_ref(), app.as_ref()];
    APKTOOL.run(&pack, "build the package", REBUILD).await?;
    for (at, part) in original.iter().enumerate() {
        let (aligned, signed) = (work.join("aligned.apk"), work.join("out").join(file_name(part)?));
        let from = if at == 0 { plain.as_path() } else { part };
        let align: [&OsStr; 5] = ["-p".as_ref(), "-f".as_ref(), "4".as_ref(), from.as_ref(), aligned.as_ref()];
        ZIPALIGN.run(&align, "align the package", REBUILD).await?;
        let sign: [&OsStr; 12] = [
            "sign".as_ref(),
            "--key".as_ref(),
            signer.key.as_ref(),
            "--cert".as_ref(),
            signer.certificate.as_ref(),
            // No phone older than that gets it.
            "--min-sdk-version".as_ref(),
            "24".as_ref(),
            "--v4-signing-enabled".as_ref(),
            "false".as_ref(),
            "--out".as_ref(),
            signed.as_ref(),
            aligned.as_ref(),
        ];
        APKSIGNER.run(&sign, "sign the package", REBUILD).await?;
        let verify: [&OsStr; 4] = ["verify".as_ref(), "--min-sdk-version".as_ref(), "24".as_ref(), signed.as_ref()];
        APKSIGNER.run(&verify, "check the signature of the package", REBUILD).await?;
    }
    Ok(lifted)
}

/// Has the unpacked app trust the authority.
fn declare(app: &Path, repackaging: &Repackaging) -> Result<Vec<String>, PhoneError> {
    let place = app.join("AndroidManifest.xml");
    let (manifest, said) = network_security::name_in_manifest(&text(&place)?, CONFIGURATION).map_err(PhoneError::Alter)?;
    if said.is_split {
        let why = "the main part of a split package has to be named base.apk, and the first of these files is another part";
        return Err(PhoneError::Alter(why.to_owned()));
    }
    let resources = app.join("res");
    let before = match &said.configuration {
        Some(name) if name == CONFIGURATION => return Err(PhoneError::Alter("the package was rebuilt already".to_owned())),
        Some(name) => Some(text(&resources.join("xml").join(format!("{name}.xml")))?),
        None => None,
    };
    let target = target_sdk(&text(&app.join("apktool.yml"))?);
    let anchor = format!("@raw/{ANCHOR}");
    let made = network_security::trusting(before.as_deref(), &said, target, &anchor).map_err(PhoneError::Alter)?;
    for (folder, file, content) in
        [("xml", format!("{CONFIGURATION}.xml"), &made.text), ("raw", format!("{ANCHOR}.pem"), &repackaging.certificate)]
    {
        let folder = resources.join(folder);
        make(&folder)?;
        let path = folder.join(file);
        fs::write(&path, content).map_err(|problem| fail("write", &path, &problem))?;
    }
    fs::write(&place, manifest).map_err(|problem| fail("write", &place, &problem))?;
    Ok(made.lifted)
}

/// The API level that the app is made for, as apktool notes it (`  targetSdkVersion: '33'`); without one, Android takes the least that it
/// runs on.
fn target_sdk(notes: &str) -> u32 {
    let number = |key: &str| {
        let line = notes.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(':'))?;
        line.trim().trim_matches(['\'', '"']).parse().ok()
    };
    number("targetSdkVersion").or_else(|| number("minSdkVersion")).unwrap_or(1)
}

/// What is known of an installed file, by its digest: `None` when it is not one that was rebuilt for this rig.
fn made_for(rig: &RigFolder, digest: &str) -> Option<Facts> {
    let folder = rig.packages_folder().join(REBUILT);
    let folders = fs::read_dir(folder).into_iter().flatten().flatten();
    folders.filter_map(|entry| facts(&entry.path())).find(|facts| facts.repackaged == digest)
}

/// What is known of a rebuilt package; `None` when nothing is there that could be used.
fn facts(folder: &Path) -> Option<Facts> {
    let facts: Facts = serde_json::from_str(&text(&folder.join(FACTS)).ok()?).ok()?;
    (facts.format == FACTS_FORMAT && !facts.parts.is_empty()).then_some(facts)
}

/// A rebuilt package that is there, as it was written.
async fn whole(folder: &Path) -> Result<Option<(Vec<PathBuf>, Facts)>, PhoneError> {
    let Some(facts) = facts(folder) else { return Ok(None) };
    let files: Vec<PathBuf> = facts.parts.iter().map(|part| folder.join(part)).collect();
    if !files.iter().all(|file| file.is_file()) || digest_of(&files[0]).await? != facts.repackaged {
        return Ok(None);
    }
    Ok(Some((files, facts)))
}

/// Folder with the files of an app that is on the phone, kept with the rig under its main file's digest.
async fn pulled(adb: &Adb, rig: &RigFolder, name: &str, digest: &str) -> Result<PathBuf, PhoneError> {
    if let Some(place) = kept(rig, digest)? {
        return Ok(place);
    }
    let what = "fetch the app's package";
    let said = adb.ask(&["pm", "path", name], what).await?;
    let folder = rig.packages().map_err(stored)?.join(PULLED).join(digest);
    let work = folder.with_extension("work");
    for stale in [&work, &folder] {
        remove(stale)?;
    }
    make(&work)?;
    let places = said.lines().filter_map(|line| line.trim().strip_prefix("package:"));
    for place in places {
        let file = file_name(Path::new(place))?;
        let here = work.join(file);
        let (good, said) = adb.own(&["pull".as_ref(), place.as_ref(), here.as_ref()], what, TRANSFER).await?;
        if !good {
            return Err(AdbError::of_command(what, &said, "").into());
        }
    }
    if digest_of(&parts(&work)?[0]).await? != digest {
        return Err(AdbError::ReadBack { what: what.into(), wanted: "its main file".into(), found: "another file".into() }.into());
    }
    fs::rename(&work, &folder).map_err(|problem| fail("write", &folder, &problem))?;
    Ok(folder)
}

/// Folder with files that were fetched from the phone, by their main file's digest; `None` when they are not here.
fn kept(rig: &RigFolder, digest: &str) -> Result<Option<PathBuf>, PhoneError> {
    let folder = rig.packages().map_err(stored)?.join(PULLED).join(digest);
    Ok(folder.is_dir().then_some(folder))
}

/// A key for a rig's packages, and its certificate. Android looks at neither its name nor its dates.
fn new_signer() -> (Captured<Vec<u8>>, String) {
    let key = KeyPair::generate().expect("a P-256 key can be made of random bytes");
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "tattletale rebuilt packages");
    let certificate = parameters.self_signed(&key).expect("a plain name can be signed");
    (Captured::new(key.serialize_der()), pem("CERTIFICATE", certificate.der()))
}

async fn digest_of(path: &Path) -> Result<String, PhoneError> {
    let place = path.to_owned();
    // A package may have hundreds of megabytes.
    let task = tokio::task::spawn_blocking(move || file::sha256(&mut fs::File::open(place)?));
    let done = task.await.unwrap_or_else(|problem| Err(std::io::Error::other(problem)));
    done.map_err(|problem| fail("read", path, &problem))
}

fn file_name(path: &Path) -> Result<&str, PhoneError> {
    let plain = |name: &&str| !name.starts_with(['.', '-']) && *name != FACTS;
    path.file_name()
        .and_then(|name| name.to_str())
        .filter(plain)
        .ok_or_else(|| PhoneError::Alter(format!("use a file named {}", path.display())))
}

fn text(path: &Path) -> Result<String, PhoneError> {
    crate::store::read_text(path, MOST_TEXT).map_err(stored)
}

fn read(path: &Path) -> Result<Vec<u8>, PhoneError> {
    fs::read(path).map_err(|problem| fail("read", path, &problem))
}

fn make(folder: &Path) -> Result<(), PhoneError> {
    fs::create_dir_all(folder).map_err(|problem| fail("write", folder, &problem))
}

fn remove(folder: &Path) -> Result<(), PhoneError> {
    match fs::remove_dir_all(folder) {
        Err(problem) if problem.kind() != std::io::ErrorKind::NotFound => Err(fail("remove", folder, &problem)),
        _ => Ok(()),
    }
}

fn fail(verb: &str, path: &Path, problem: &dyn std::fmt::Display) -> PhoneError {
    PhoneError::Alter(format!("{verb} {}: {problem}", path.display()))
}

fn stored(error: StoreError) -> PhoneError {
    PhoneError::Alter(error.to_string())
}

const JAVA: Program = Program { name: "java", version: &["-version"], install: "Debian: `apt install default-jre-headless`" };
const APKTOOL: Program = Program { name: "apktool", version: &["--version"], install: "Debian: `apt install apktool`" };
const ZIPALIGN: Program = Program { name: "zipalign", version: &[], install: "Debian: `apt install zipalign`" };
const APKSIGNER: Program = Program { name: "apksigner", version: &["--version"], install: "Debian: `apt install apksigner`" };

/// Names of our resources in the app.
const CONFIGURATION: &str = "tattletale_network_security";
const ANCHOR: &str = "tattletale_authority";
/// What is done to a package. Another number makes it anew.
const RECIPE: &str = "1";
const FACTS_FORMAT: u32 = 1;
const FACTS: &str = "facts.json";
/// Folders in the rig's folder of packages.
const REBUILT: &str = "rebuilt";
const PULLED: &str = "pulled";
/// One step of rebuilding a large app takes minutes on a slow machine.
const REBUILD: Duration = Duration::from_secs(20 * 60);
/// Longest manifest that is read, bytes.
const MOST_TEXT: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_an_app_is_made_for_is_read_from_apktools_notes() {
        for (notes, want) in [
            ("sdkInfo:\n  minSdkVersion: '21'\n  targetSdkVersion: '33'\n", 33),
            ("sdkInfo:\n  minSdkVersion: 19\n", 19),
            ("version: 2.7.0\n", 1),
        ] {
            assert_eq!(target_sdk(notes), want, "{notes}");
        }
    }

    #[test]
    fn a_signer_has_a_key_of_its_own() {
        let (one, other) = (new_signer(), new_signer());
        assert!(one.1.starts_with("-----BEGIN CERTIFICATE-----") && one.1 != other.1 && one.0 != other.0);
    }
}
