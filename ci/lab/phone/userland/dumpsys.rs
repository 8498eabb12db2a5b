//! `dumpsys`: what the services say of themselves, as far as somebody who drives a phone reads it.

use std::{fs, path::Path};

use crate::{
    activity,
    answer::Answer,
    packages,
    state::{Home, State},
};

/// `dumpsys SERVICE …`.
pub(crate) fn dumpsys(arguments: &[String]) -> Answer {
    let state = Home::inside().read().unwrap_or_default();
    let rest: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match arguments.first().map(String::as_str) {
        Some("package") => package(rest.first().copied().unwrap_or_default()),
        Some("activity") => Answer::said(activities(&state)),
        Some("window") => Answer::said(window(&state)),
        Some("power") => Answer::said(power(&state)),
        Some("battery") => Answer::said(battery(&state)),
        Some("location") => Answer::said(location(&state)),
        Some("connectivity") => Answer::said(connectivity(&state)),
        Some("netstats") => Answer::said(netstats(&state)),
        Some("trust") => Answer::said(format!(
            "Trust manager state:\n User \"Owner\" (id=0, flags=0x4c13) (current): trustState=UNTRUSTED, trustManaged=0, deviceLocked={}, isActiveUnlockRunning=0, strongAuthRequired=0x0\n",
            u8::from(state.locked)
        )),
        Some("-l") => Answer::said(
            "Currently running services:\n  activity\n  battery\n  connectivity\n  location\n  netstats\n  package\n  power\n  trust\n  window\n",
        ),
        Some(service) => Answer { err: format!("Can't find service: {service}\n"), ..Answer::silent() },
        None => Answer::failed(1, "dumpsys: no service named"),
    }
}

/// `dumpsys package NAME`.
pub(crate) fn package(name: &str) -> Answer {
    let state = Home::inside().read().unwrap_or_default();
    let Some(package) = state.packages.get(name) else { return Answer::line(format!("Unable to find package: {name}")) };
    let folder = package.files.first().and_then(|file| file.parent()).unwrap_or_else(|| Path::new("/system/app"));
    let stamp = time(package.installed_at);
    let mut out = String::new();
    if let Some(full) = &package.activity {
        out.push_str(&format!(
            "Activity Resolver Table:\n  Non-Data Actions:\n      android.intent.action.MAIN:\n        3f2a1b0 {} filter 5d6e7f2\n          \
             Action: \"android.intent.action.MAIN\"\n          Category: \"android.intent.category.LAUNCHER\"\n\n",
            activity::component(name, full)
        ));
    }
    out.push_str(&format!(
        "Packages:\n  Package [{name}] (6b1f0c3):\n    appId={uid}\n    pkg=Package{{9c4d2a1 {name}}}\n    codePath={folder}\n    \
         resourcePath={folder}\n    primaryCpuAbi=null\n    secondaryCpuAbi=null\n    versionCode={code} minSdk={min} targetSdk={target}\n    \
         minExtensionVersions=[]\n    versionName={version}\n    splits=[{splits}]\n    apkSigningVersion=2\n    \
         flags=[ {system}HAS_CODE ALLOW_CLEAR_USER_DATA ]\n    dataDir={data}\n    supportsScreens=[small, medium, large, xlarge, resizeable, anyDensity]\n    \
         timeStamp={stamp}\n    lastUpdateTime={stamp}\n    installerPackageName=null\n    requested permissions:\n",
        uid = package.uid,
        folder = folder.display(),
        code = package.version_code,
        min = package.min_sdk,
        target = package.target_sdk,
        version = package.version_name,
        splits = if package.files.len() > 1 { "base, 1" } else { "base" },
        system = if package.system { "SYSTEM " } else { "" },
        data = packages::data_of(name).display(),
    ));
    out.extend(package.permissions.keys().map(|permission| format!("      {permission}\n")));
    let (runtime, install): (Vec<_>, Vec<_>) = package.permissions.iter().partition(|(permission, _)| packages::is_runtime(permission));
    out.push_str("    install permissions:\n");
    out.extend(install.iter().map(|(permission, granted)| format!("      {permission}: granted={granted}\n")));
    out.push_str(&format!(
        "    User 0: ceDataInode=131 installed=true hidden=false suspended=false distractionFlags=0 stopped={} notLaunched=false enabled=0 \
         instant=false virtual=false\n      firstInstallTime={stamp}\n      gids=[3003]\n      runtime permissions:\n",
        !state.running.contains_key(name)
    ));
    out.extend(runtime.iter().map(|(permission, granted)| {
        let flags = package.flags.get(permission.as_str()).into_iter().flatten().map(|flag| format!("{flag}|")).collect::<String>();
        format!("        {permission}: granted={granted}, flags=[ {flags}USER_SENSITIVE_WHEN_GRANTED|USER_SENSITIVE_WHEN_DENIED]\n")
    }));
    Answer::said(out)
}

/// Who is in front, as a component.
fn front(state: &State) -> String {
    let Some((name, package)) = state.front.as_ref().and_then(|name| Some((name, state.packages.get(name)?))) else {
        return "com.android.launcher3/.Launcher".to_owned();
    };
    activity::component(name, package.activity.as_deref().unwrap_or_default())
}

fn activities(state: &State) -> String {
    let record = format!("ActivityRecord{{8a1c3e5 u0 {} t12}}", front(state));
    let (resumed, sleeping) = (!state.locked && state.screen_on, !state.screen_on);
    let mut out = "ACTIVITY MANAGER ACTIVITIES (dumpsys activity activities)\nDisplay #0 (activities from top to bottom):\n".to_owned();
    out.push_str(&format!("  * Task{{4d5e6f7 #12 type=standard}}\n    * Hist  #0: {record}\n"));
    if resumed {
        out.push_str(&format!("      mResumedActivity: {record}\n\n  topResumedActivity={record}\n  ResumedActivity: {record}\n"));
    }
    out.push_str(&format!("\n  isSleeping={sleeping}\n  mKeyguardShowing={}\n", state.locked));
    out
}

fn window(state: &State) -> String {
    let focus = if state.locked || !state.screen_on {
        "Window{1b2c3d4 u0 NotificationShade}".to_owned()
    } else {
        let component = front(state);
        let full = component.split_once("/.").map_or_else(|| component.clone(), |(name, rest)| format!("{name}/{name}.{rest}"));
        format!("Window{{1b2c3d4 u0 {full}}}")
    };
    format!(
        "WINDOW MANAGER POLICY STATE (dumpsys window policy)\n    mAwake={awake}\n    mScreenOnFully={awake}\n    KeyguardServiceDelegate\n      \
         showing={locked}\n      showingAndNotOccluded={locked}\n      inputRestricted={locked}\n      occluded=false\n      secure=true\n      \
         dreaming=false\n      systemIsReady=true\n      screenState={screen}\n      interactiveState={interactive}\n\n\
         WINDOW MANAGER WINDOWS (dumpsys window windows)\n  mDreamingLockscreen={locked}\n  mCurrentFocus={focus}\n  \
         mFocusedApp=ActivityRecord{{8a1c3e5 u0 {front} t12}}\n",
        awake = state.screen_on,
        locked = state.locked,
        screen = if state.screen_on { "SCREEN_STATE_ON" } else { "SCREEN_STATE_OFF" },
        interactive = if state.screen_on { "INTERACTIVE_STATE_AWAKE" } else { "INTERACTIVE_STATE_SLEEP" },
        front = front(state),
    )
}

fn power(state: &State) -> String {
    format!(
        "POWER MANAGER (dumpsys power)\n\nPower Manager State:\n  mWakefulness={}\n  mStayOn=false\n  mDeviceIdleMode=false\n  \
         mHoldingDisplaySuspendBlocker={}\n\nBattery Saver:\n  mSettingBatterySaverEnabled={}\n",
        if state.screen_on { "Awake" } else { "Asleep" },
        state.screen_on,
        state.setting("global", "low_power") == Some("1"),
    )
}

fn battery(state: &State) -> String {
    let level = state.properties.get("debug.standin.battery").map_or("87", String::as_str);
    format!(
        "Current Battery Service state:\n  AC powered: false\n  USB powered: true\n  Wireless powered: false\n  Max charging current: 500000\n  \
         status: 2\n  health: 2\n  present: true\n  level: {level}\n  scale: 100\n  voltage: 4210\n  temperature: 281\n  technology: Li-poly\n"
    )
}

fn location(state: &State) -> String {
    let mut out = format!(
        "Location Manager State:\n  Location Settings:\n    Location Setting: {}\n  User Info:\n    current users: u[0]\n  Location Providers:\n",
        state.locates()
    );
    let place = |name: &str, position: Option<(f64, f64)>, mock: &str| {
        position
            .map_or_else(|| "null".to_owned(), |(lat, lon)| format!("Location[{name} {lat:.6},{lon:.6} hAcc=100.0 et=+2h14m9s803ms{mock}]"))
    };
    let own = ["passive", "network", "fused", "gps"];
    let others = state.providers.keys().map(String::as_str).filter(|name| !own.contains(name));
    for name in own.into_iter().chain(others) {
        let provider = state.providers.get(name);
        let (kind, position, enabled, mock) = match provider {
            Some(provider) => (" [mock]", provider.position, provider.enabled && state.locates(), " mock"),
            None => ("", state.receiver.filter(|_| name == "gps"), state.locates(), ""),
        };
        out.push_str(&format!(
            "    {name} provider{kind}:\n      user 0:\n        last location={}\n        enabled={enabled}\n",
            place(name, position, mock)
        ));
    }
    out
}

/// Bytes by user id, as apps counted them at their sockets. What stays inside of the phone is not counted, as the kernel does not.
fn netstats(state: &State) -> String {
    let mut out = "Active interfaces:\n  iface=wlan0 ident=[{type=1, ratType=COMBINED, metered=false, defaultNetwork=true}]\nUID stats:\n  Pending bytes: 0\n  History since boot:\n".to_owned();
    for package in state.packages.values() {
        let counted = fs::read_to_string(Home::inside().file(&format!("bytes.{}", package.uid))).unwrap_or_default();
        let mut numbers = counted.split_whitespace().map_while(|number| number.parse::<u64>().ok());
        if let (Some(received), Some(sent)) = (numbers.next(), numbers.next()) {
            out.push_str(&format!(
                "  ident=[{{type=1, ratType=COMBINED, metered=false, defaultNetwork=true}}] uid={} set=DEFAULT tag=0x0\n    \
                 NetworkStatsHistory: bucketDuration=7200\n      st={} rb={received} rp={} tb={sent} tp={} op=0\n",
                package.uid,
                state.now() / 7200 * 7200,
                received.div_ceil(1400),
                sent.div_ceil(1400),
            ));
        }
    }
    out
}

/// Networks: one over Wi-Fi, with a proxy of its own where the property `debug.standin.wifi_proxy` names one (`[host] port`), and a VPN over
/// it where `debug.standin.vpn` is set.
fn connectivity(state: &State) -> String {
    let proxy = match state.property("debug.standin.wifi_proxy") {
        "" => String::new(),
        proxy => format!(" HttpProxy: {proxy} xl="),
    };
    let agent = |id: u32, kind: &str, interface: &str, proxy: &str, transports: &str| {
        format!(
            "  NetworkAgentInfo{{network{{{id}}}  handle{{{handle}}}  ni{{{kind} CONNECTED extra: }} created=2026-03-14T08:00:00.000Z \
             Score(Policies : TRANSPORT_PRIMARY&IS_VALIDATED ; KeepConnected : 0)  lp{{{{InterfaceName: {interface} LinkAddresses: [ \
             192.0.2.7/24 ] DnsAddresses: [ /192.0.2.1 ] Domains: null MTU: 0 Routes: [ 0.0.0.0/0 -> 192.0.2.1 {interface} mtu 0 \
             ]{proxy}}}}}  nc{{[ Transports: {transports} Capabilities: INTERNET&NOT_RESTRICTED&TRUSTED&VALIDATED&FOREGROUND ]}}}}\n",
            handle = 4_294_967_296 + u64::from(id),
        )
    };
    let mut out = "NetworkProviders for: WifiNetworkFactory\n\nActive default network: 100\n\nCurrent Networks:\n".to_owned();
    out.push_str(&agent(100, "WIFI", "wlan0", &proxy, "WIFI"));
    if !state.property("debug.standin.vpn").is_empty() {
        out.push_str(&agent(101, "VPN", "tun0", "", "WIFI|VPN"));
    }
    out.push_str("\nNetwork Requests:\n  uid/pid:1000/771 callbackRequest: 53 [ NetworkRequest [ LISTEN id=53, [ Transports: VPN ] ] ]\n");
    out
}

fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "?".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}
