//! The package manager: `pm`, and `cmd package`, through which `adb install` streams a file.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    activity,
    answer::Answer,
    apk, dumpsys,
    state::{Fault, Home, Package, State},
};

/// `pm COMMAND …`.
pub(crate) fn pm(arguments: &[String]) -> Answer {
    let Some((command, rest)) = arguments.split_first() else { return Answer::said("Package manager (package) commands:\n  help\n") };
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match command.as_str() {
        "install" => install(&rest),
        "install-create" => create(&rest),
        "install-write" => write(&rest),
        "install-commit" => commit(rest.last().copied().unwrap_or_default()),
        "install-abandon" => abandon(rest.last().copied().unwrap_or_default()),
        "uninstall" => uninstall(&rest),
        "path" => path(plain(&rest).first().copied().unwrap_or_default()),
        "list" => list(&rest),
        "grant" | "revoke" => permission(command, &plain(&rest)),
        "set-permission-flags" | "clear-permission-flags" => permission_flags(command, &plain(&rest)),
        "clear" => clear(plain(&rest).first().copied().unwrap_or_default()),
        "resolve-activity" => resolve(&rest),
        "dump" => dumpsys::package(plain(&rest).first().copied().unwrap_or_default()),
        "get-install-location" => Answer::line("0[auto]"),
        _ => Answer::unknown_command(command),
    }
}

/// Part of the phone from the beginning, as nobody could uninstall it.
pub(crate) const BROWSER: &str = "test.standin.browser";

/// Permissions that are granted one by one; the others come with the installation.
pub(crate) const RUNTIME: &[&str] = &[
    "ACCESS_BACKGROUND_LOCATION",
    "ACCESS_COARSE_LOCATION",
    "ACCESS_FINE_LOCATION",
    "ACTIVITY_RECOGNITION",
    "BLUETOOTH_CONNECT",
    "BLUETOOTH_SCAN",
    "BODY_SENSORS",
    "CAMERA",
    "POST_NOTIFICATIONS",
    "READ_CONTACTS",
    "READ_PHONE_STATE",
    "RECORD_AUDIO",
];

/// Whether a permission is granted by itself.
pub(crate) fn is_runtime(permission: &str) -> bool {
    permission.strip_prefix("android.permission.").is_some_and(|name| RUNTIME.contains(&name))
}

/// `install [FLAGS] FILE`, or `install [FLAGS] -S BYTES [-]` with the file on stdin.
fn install(arguments: &[&str]) -> Answer {
    let file = match value_of(arguments, "-S") {
        Some(bytes) => {
            let file = staged("stream");
            if let Err(error) = receive(&file, bytes) {
                return Answer::refused(1, format!("Error: failed to write; {error}"));
            }
            file
        }
        None => PathBuf::from(plain(arguments).first().copied().unwrap_or_default()),
    };
    let flags: Vec<String> = arguments.iter().map(|flag| (*flag).to_owned()).collect();
    let answer = apply(std::slice::from_ref(&file), &flags);
    if file.starts_with(STAGING) {
        // It was moved when it was installed.
        let _ = fs::remove_file(file);
    }
    answer
}

fn create(arguments: &[&str]) -> Answer {
    let flags: Vec<String> = arguments.iter().map(|flag| (*flag).to_owned()).collect();
    let session = Home::inside().change(|state| {
        let number = 1_000_000 + state.sessions.keys().max().map_or(1, |last| last % 1_000_000 + 1);
        state.sessions.entry(number).or_default().flags = flags;
        number
    });
    match session {
        Ok(number) => Answer::line(format!("Success: created install session [{number}]")),
        Err(error) => Answer::refused(1, format!("Failure [{error}]")),
    }
}

/// `install-write -S BYTES SESSION NAME [-]`.
fn write(arguments: &[&str]) -> Answer {
    let bytes = value_of(arguments, "-S").unwrap_or_default();
    let plain = plain(arguments);
    let [session, name, ..] = plain[..] else { return Answer::refused(1, "Error: install-write needs a session and a name") };
    let Ok(number) = session.parse::<u32>() else { return Answer::refused(1, "Error: bad session") };
    let file = staged(&format!("{session}.{}", name.replace('/', "_")));
    if let Err(error) = receive(&file, bytes) {
        return Answer::refused(1, format!("Error: failed to write; {error}"));
    }
    let known = Home::inside().change(|state| state.sessions.get_mut(&number).map(|session| session.files.push(file)).is_some());
    if known.unwrap_or_default() {
        Answer::line(format!("Success: streamed {bytes} bytes"))
    } else {
        Answer::refused(1, format!("Failure [java.lang.SecurityException: Caller has no access to session {session}]"))
    }
}

fn commit(session: &str) -> Answer {
    let taken = session.parse().ok().and_then(|number: u32| Home::inside().change(|state| state.sessions.remove(&number)).ok().flatten());
    match taken {
        Some(session) => apply(&session.files, &session.flags),
        None => Answer::refused(1, format!("Failure [java.lang.SecurityException: Caller has no access to session {session}]")),
    }
}

fn abandon(session: &str) -> Answer {
    if let Ok(number) = session.parse::<u32>() {
        let _ = Home::inside().change(|state| state.sessions.remove(&number));
    }
    Answer::line("Success")
}

/// Installs these files, the base first, or says why not.
fn apply(files: &[PathBuf], flags: &[String]) -> Answer {
    let failure = |why: &str| Answer::refused(1, format!("Failure [{why}]"));
    let has = |flag: &str| flags.iter().any(|given| given == flag);
    let home = Home::inside();
    let Ok(state) = home.read() else { return failure("INSTALL_FAILED_INTERNAL_ERROR") };
    if state.has(Fault::InstallRefused) {
        return failure("INSTALL_FAILED_USER_RESTRICTED: Install canceled by user");
    }
    let Some((base_file, base)) = files.iter().find_map(|file| Some((file, apk::badging(file)?))) else {
        return failure("INSTALL_PARSE_FAILED_NOT_APK: Failed to parse base.apk: not a package");
    };
    let trusted = apk::trusted(base_file);
    let trusts_user = base.target_sdk <= 23 || trusted.user;
    let Some(signer) = apk::signer(base_file) else {
        return failure(
            "INSTALL_PARSE_FAILED_NO_CERTIFICATES: Failed to collect certificates from base.apk: Attempt to get length of null array",
        );
    };
    if base.min_sdk > state.sdk() {
        return failure(&format!(
            "INSTALL_FAILED_OLDER_SDK: Failed parse during installPackageLI: Requires newer sdk version #{} (current version is #{})",
            base.min_sdk,
            state.sdk()
        ));
    }
    let old = state.packages.get(&base.name);
    if old.is_some_and(|old| old.signer != signer) {
        return failure(&format!(
            "INSTALL_FAILED_UPDATE_INCOMPATIBLE: Existing package {} signatures do not match newer version; ignoring!",
            base.name
        ));
    }
    if let Some(old) = old.filter(|old| old.version_code > base.version_code) {
        // Shops' builds of Android go back only for apps that are debuggable.
        if !has("-d") || state.property("ro.debuggable") != "1" {
            return failure(&format!(
                "INSTALL_FAILED_VERSION_DOWNGRADE: Downgrade detected: Update version code {} is older than current {}",
                base.version_code, old.version_code
            ));
        }
    }
    if old.is_some() && has("-R") {
        return failure(&format!("INSTALL_FAILED_ALREADY_EXISTS: Attempt to re-install {} without first uninstalling.", base.name));
    }
    let number = home.change(|state| {
        state.installs += 1;
        state.installs
    });
    let folder =
        PathBuf::from(format!("/data/app/~~{:06x}==/{}-{:06x}==", 0x00a1_1ce0 + number.unwrap_or_default(), base.name, 0x00b0_0b00));
    let mut placed = Vec::new();
    for (n, file) in files.iter().enumerate() {
        let name = if n == 0 { "base.apk".to_owned() } else { format!("split_{n}.apk") };
        let to = folder.join(name);
        if fs::create_dir_all(&folder).and_then(|()| fs::copy(file, &to)).is_err() {
            return failure("INSTALL_FAILED_INSUFFICIENT_STORAGE");
        }
        if file.starts_with(STAGING) {
            let _ = fs::remove_file(file);
        }
        placed.push(to);
    }
    activity::end(&base.name);
    let installed = home.change(|state| {
        let now = state.now();
        let uid = 10_150 + state.installs;
        let old = state.packages.remove(&base.name).unwrap_or_default();
        for file in &old.files {
            let _ = fs::remove_dir_all(file.parent().unwrap_or(file));
        }
        let keeps = |permission: &String| {
            !is_runtime(permission) || has("-g") || old.permissions.get(permission) == Some(&true) || base.target_sdk < 23
        };
        let package = Package {
            version_name: base.version_name.clone(),
            version_code: base.version_code,
            min_sdk: base.min_sdk,
            target_sdk: base.target_sdk,
            activity: base.activity.clone(),
            uid: if old.uid == 0 { uid } else { old.uid },
            files: placed,
            permissions: base.permissions.iter().map(|permission| (permission.clone(), keeps(permission))).collect(),
            flags: old.flags,
            signer,
            trusts_user,
            system: false,
            installed_at: now,
        };
        state.packages.insert(base.name.clone(), package);
    });
    if installed.is_err() || fs::create_dir_all(data_of(&base.name)).is_err() || keep_anchors(&base.name, &trusted.own).is_err() {
        return failure("INSTALL_FAILED_INTERNAL_ERROR");
    }
    home.log("PackageManager", &format!("installed {} {}", base.name, base.version_name));
    Answer::line("Success")
}

/// Puts certificates that an app trusts by itself where it looks for them, in place of those of what was there before.
fn keep_anchors(name: &str, certificates: &[Vec<u8>]) -> io::Result<()> {
    let folder = Home::inside().file("anchors").join(name);
    match fs::remove_dir_all(&folder) {
        Err(problem) if problem.kind() != io::ErrorKind::NotFound => return Err(problem),
        _ => {}
    }
    for (number, certificate) in certificates.iter().enumerate() {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{number}.pem")), certificate)?;
    }
    Ok(())
}

/// `uninstall [-k] [--user N] PACKAGE`.
fn uninstall(arguments: &[&str]) -> Answer {
    let plain = plain(arguments);
    let name = plain.first().copied().unwrap_or_default();
    let home = Home::inside();
    let known = home.read().ok().and_then(|state| state.packages.get(name).cloned());
    match known {
        Some(package) if !package.system => {
            activity::end(name);
            let _ = keep_anchors(name, &[]);
            let gone = home.change(|state| {
                state.packages.remove(name);
                state.app_ops.remove(name);
            });
            for file in &package.files {
                let _ = fs::remove_dir_all(file.parent().unwrap_or(file));
            }
            if !arguments.contains(&"-k") {
                let _ = fs::remove_dir_all(data_of(name));
            }
            match gone {
                Ok(()) => Answer::line("Success"),
                Err(error) => Answer::refused(1, format!("Failure [{error}]")),
            }
        }
        None if value_of(arguments, "--user").is_some_and(|user| user != "all") => Answer::refused(1, "Failure [not installed for 0]"),
        _ => Answer::refused(1, "Failure [DELETE_FAILED_INTERNAL_ERROR]"),
    }
}

/// `path PACKAGE`: nothing and exit 1 for one that is not there.
fn path(name: &str) -> Answer {
    match state().packages.get(name) {
        Some(package) => Answer::said(package.files.iter().map(|file| format!("package:{}\n", file.display())).collect::<String>()),
        None => Answer { code: 1, ..Answer::silent() },
    }
}

/// `list packages [-f] [-U] [-3] [-s] [--show-versioncode] [FILTER]`.
fn list(arguments: &[&str]) -> Answer {
    let state = state();
    let plain = plain(arguments);
    match plain.first().copied() {
        Some("packages" | "package") => {}
        Some("users") => return Answer::line("Users:\n\tUserInfo{0:Owner:4c13} running"),
        _ => return Answer::refused(255, "Error: unknown list type"),
    }
    let filter = plain.get(1).copied().unwrap_or_default();
    let mut out = String::new();
    for (name, package) in state.packages.iter().filter(|(name, _)| name.contains(filter)) {
        if (arguments.contains(&"-3") && package.system) || (arguments.contains(&"-s") && !package.system) {
            continue;
        }
        let file = package.files.first().filter(|_| arguments.contains(&"-f")).map(|file| format!("{}=", file.display()));
        out.push_str(&format!("package:{}{name}", file.unwrap_or_default()));
        if arguments.contains(&"--show-versioncode") {
            out.push_str(&format!(" versionCode:{}", package.version_code));
        }
        if arguments.contains(&"-U") {
            out.push_str(&format!(" uid:{}", package.uid));
        }
        out.push('\n');
    }
    Answer::said(out)
}

/// `grant|revoke PACKAGE PERMISSION`. Taking away what a running app had ends it.
fn permission(command: &str, arguments: &[&str]) -> Answer {
    const AT: &str = "com.android.server.pm.permission.PermissionManagerServiceImpl.grantRuntimePermissionInternal(PermissionManagerServiceImpl.java:1411)";
    let [name, permission] = *arguments else { return Answer::failed(255, "Error: no package specified") };
    let refuse = |exception: String| Answer::exception(command, exception, AT);
    let state = state();
    if state.has(Fault::InputRefused) {
        return refuse(format!(
            "java.lang.SecurityException: {command}RuntimePermission: Neither user 2000 nor current process has \
             android.permission.{}_RUNTIME_PERMISSIONS.",
            command.to_uppercase()
        ));
    }
    let Some(package) = state.packages.get(name) else {
        return refuse(format!("java.lang.IllegalArgumentException: Unknown package: {name}"));
    };
    let Some(had) = package.permissions.get(permission).copied() else {
        return refuse(format!("java.lang.SecurityException: Package {name} has not requested permission {permission}"));
    };
    if !is_runtime(permission) {
        return refuse(format!(
            "java.lang.SecurityException: Permission {permission} requested by {name} is not a changeable permission type"
        ));
    }
    let grant = command == "grant";
    if had && !grant {
        activity::end(name);
    }
    let changed = Home::inside().change(|state| {
        if let Some(package) = state.packages.get_mut(name) {
            package.permissions.insert(permission.to_owned(), grant);
            package.flags.insert(permission.to_owned(), ["USER_SET".to_owned()].into());
        }
    });
    match changed {
        Ok(()) => Answer::silent(),
        Err(error) => refuse(error.to_string()),
    }
}

/// `set-permission-flags|clear-permission-flags PACKAGE PERMISSION FLAG…`, since Android 12: only two of them are a shell's.
fn permission_flags(command: &str, arguments: &[&str]) -> Answer {
    let [name, permission, flags @ ..] = arguments else { return Answer::failed(255, "Error: no package specified") };
    let known = |flag: &&str| matches!(*flag, "user-set" | "user-fixed");
    if state().sdk() < 31 || !flags.iter().all(known) {
        return Answer::failed(255, format!("Unknown command: {command}"));
    }
    let changed = Home::inside().change(|state| {
        let Some(package) = state.packages.get_mut(*name) else { return };
        let noted = package.flags.entry((*permission).to_owned()).or_default();
        for flag in flags.iter().map(|flag| flag.to_uppercase().replace('-', "_")) {
            if command.starts_with("set") {
                noted.insert(flag);
            } else {
                noted.remove(&flag);
            }
        }
        package.flags.retain(|_, noted| !noted.is_empty());
    });
    match changed {
        Ok(()) => Answer::silent(),
        Err(error) => Answer::failed(255, error),
    }
}

/// `clear PACKAGE`: stops it, forgets its data and every permission that was granted.
fn clear(name: &str) -> Answer {
    if !state().packages.contains_key(name) {
        return Answer::refused(1, "Failed");
    }
    activity::end(name);
    let _ = fs::remove_dir_all(data_of(name));
    let cleared = Home::inside().change(|state| {
        if let Some(package) = state.packages.get_mut(name) {
            package.flags.clear();
            for (permission, granted) in &mut package.permissions {
                *granted = !is_runtime(permission) || package.target_sdk < 23;
            }
        }
    });
    if cleared.is_err() || fs::create_dir_all(data_of(name)).is_err() {
        return Answer::refused(1, "Failed");
    }
    Answer::line("Success")
}

/// `resolve-activity [--brief] [-c CATEGORY] PACKAGE`, or with `-d URL` what would show it.
fn resolve(arguments: &[&str]) -> Answer {
    let state = state();
    let plain = plain(arguments);
    let name = if value_of(arguments, "-d").is_some() { BROWSER } else { plain.first().copied().unwrap_or_default() };
    match state.packages.get(name).and_then(|package| package.activity.as_deref()) {
        Some(full) => Answer::line(format!(
            "priority=0 preferredOrder=0 match=0x108000 specificIndex=-1 isDefault=true\n{}",
            activity::component(name, full)
        )),
        None => Answer::line("No activity found"),
    }
}

/// An app's own folder.
pub(crate) fn data_of(name: &str) -> PathBuf {
    Path::new("/data/data").join(name)
}

/// What is neither a flag nor a flag's value.
fn plain<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut plain = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if VALUED.contains(argument) {
            arguments.next();
        } else if !argument.starts_with('-') {
            plain.push(*argument);
        }
    }
    plain
}

fn value_of<'a>(arguments: &[&'a str], flag: &str) -> Option<&'a str> {
    arguments.iter().skip_while(|argument| **argument != flag).nth(1).copied()
}

/// Reads so many bytes of stdin into a file.
fn receive(file: &Path, bytes: &str) -> io::Result<()> {
    let bytes: u64 = bytes.parse().map_err(io::Error::other)?;
    fs::create_dir_all(STAGING)?;
    let copied = io::copy(&mut io::stdin().lock().take(bytes), &mut File::create(file)?)?;
    if copied < bytes { Err(io::Error::other("the file ends early")) } else { Ok(()) }
}

fn staged(name: &str) -> PathBuf {
    Path::new(STAGING).join(format!("{}.{name}", std::process::id()))
}

fn state() -> State {
    Home::inside().read().unwrap_or_default()
}

const STAGING: &str = "/data/app/vmdl";

/// Flags that a value follows.
const VALUED: &[&str] = &["-S", "--user", "-i", "-p", "-c", "-a", "--abi", "--install-location"];
