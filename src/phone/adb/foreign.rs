//! What somebody else has put between the phone and its servers: a proxy in the settings, in each of the places where Android looks for
//! one, a network's own proxy, a VPN. Looked at before a run, and told; nothing is changed.

use super::{
    super::Check,
    changes,
    client::Adb,
    doctor::failed,
    error::{AdbError, cut},
    proxy::PROXY,
};
use crate::model::text::printable;

/// What the settings say of a proxy for all networks. What is as good as not set is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Settings {
    /// `HOST:PORT` of `http_proxy`.
    proxy: String,
    /// The same of what the system keeps beside it, and device policies set alone: `global_http_proxy_host`, `…_port`.
    kept: String,
    /// Hosts that go past it.
    exceptions: String,
    /// The address of a script that chooses proxies.
    script: String,
}

/// Whether something else's proxy is set, or one whose tunnel is gone.
pub(super) async fn proxy(adb: &Adb) -> Check {
    let looked = async { Ok::<_, AdbError>((Settings::of(adb).await?, changes::reversed_ports(adb).await?)) };
    match looked.await {
        Ok((settings, tunnels)) => settings.check(&tunnels),
        Err(error) => failed(PROXY_CHECK, SETTINGS_ASKED, &error),
    }
}

/// Whether a network of the phone's has a proxy of its own, or a VPN is on.
pub(super) async fn networks(adb: &Adb) -> Check {
    match adb.ask(&["dumpsys", "connectivity"], "ask for the phone's networks").await {
        Ok(dump) => of_networks(&dump),
        Err(error) => failed(NETWORK_CHECK, NETWORKS_ASKED, &error),
    }
}

impl Settings {
    async fn of(adb: &Adb) -> Result<Self, AdbError> {
        let mut values = Vec::new();
        for key in [PROXY, "global_http_proxy_host", "global_http_proxy_port", "global_http_proxy_exclusion_list", "global_proxy_pac_url"] {
            values.push(changes::setting(adb, "global", key).await?.unwrap_or_default());
        }
        let [proxy, host, port, exceptions, script] = values.try_into().unwrap_or_default();
        Ok(Self::new(proxy, &host, &port, exceptions, script))
    }

    fn new(proxy: String, host: &str, port: &str, exceptions: String, script: String) -> Self {
        Self {
            // What Android makes of one that is switched off.
            proxy: if proxy == ":0" { String::new() } else { proxy },
            kept: if host.is_empty() { String::new() } else { format!("{host}:{}", if port.is_empty() { "0" } else { port }) },
            exceptions,
            script,
        }
    }

    fn check(&self, tunnels: &[u16]) -> Check {
        let wrong = |read: String, help: &str| Check::wrong(PROXY_CHECK, SETTINGS_ASKED, read, help);
        if !self.script.is_empty() {
            let read = format!("a script chooses the phone's proxies: {}", printable(&self.script));
            return wrong(
                read,
                "end what has set it: a device policy, for one; or take it out with `adb shell settings delete global \
                              global_proxy_pac_url`; a run puts it back afterwards",
            );
        }
        let value = if self.proxy.is_empty() { &self.kept } else { &self.proxy };
        let shown = printable(value);
        if value.is_empty() {
            let past = if self.exceptions.is_empty() { "" } else { "; there is a list of hosts past one, which means nothing without" };
            return Check::good(PROXY_CHECK, SETTINGS_ASKED, format!("none is set{past}"));
        }
        let own = value.rsplit_once(':').filter(|(host, _)| matches!(*host, "127.0.0.1" | "localhost" | "[::1]"));
        if own.and_then(|(_, port)| port.parse::<u16>().ok()).is_some_and(|port| !tunnels.contains(&port)) {
            return wrong(
                format!("the phone is pointed at {shown}, and the tunnel that belongs there is gone: it has no network"),
                "`tattletale restore` undoes what a run left; of anybody else's, `adb shell settings put global http_proxy :0`",
            );
        }
        let past = match self.exceptions.as_str() {
            "" => String::new(),
            exceptions => format!(", but for {}", printable(exceptions)),
        };
        if self.proxy.is_empty() {
            return wrong(
                format!("the phone is pointed at another proxy, by global_http_proxy_host alone: {shown}{past}"),
                "end what has set it: a device policy, or how an emulator was started; a run puts it back afterwards",
            );
        }
        wrong(
            format!("the phone is pointed at another proxy: {shown}{past}"),
            "end what uses it, or take it out with `adb shell settings put global http_proxy :0`; a run puts it back afterwards",
        )
    }
}

/// What `dumpsys connectivity` says: a line `NetworkAgentInfo{… ni{WIFI CONNECTED …} … lp{{… HttpProxy: [host] 8080 xl=…}} … nc{[ Transports:
/// WIFI|VPN Capabilities: …` for each network, with changes from Android to Android.
fn of_networks(dump: &str) -> Check {
    let agents: Vec<&str> = dump.lines().filter(|line| line.contains("NetworkAgentInfo{") && line.contains("CONNECTED")).collect();
    let transports = |agent: &str| -> Vec<String> {
        let words = agent.split_once("Transports: ").and_then(|(_, rest)| rest.split_whitespace().next()).unwrap_or_default();
        words.split('|').map(str::to_owned).collect()
    };
    if agents.is_empty() && dump.contains("Active default network: none") {
        let help = "join a network: apps that see none may send nothing";
        return Check::cannot_tell(NETWORK_CHECK, NETWORKS_ASKED, "the phone is in no network", help);
    }
    if agents.is_empty() || agents.iter().any(|agent| transports(agent).iter().all(String::is_empty)) {
        let said = dump.lines().find(|line| line.contains("NetworkAgentInfo{")).unwrap_or(dump);
        return Check::cannot_tell(NETWORK_CHECK, NETWORKS_ASKED, format!("not understood: {}", cut(said)), "");
    }
    let mut wrong: Vec<(String, &str)> = Vec::new();
    if agents.iter().any(|agent| transports(agent).iter().any(|transport| transport == "VPN")) {
        wrong.push(("a VPN is on: what an app sends may go by it".to_owned(), "switch it off in Settings > Network & internet > VPN"));
    }
    for own in agents.iter().filter_map(|agent| agent.split_once("HttpProxy: ")).map(|(_, rest)| rest) {
        // Up to the list of exceptions, or to what follows in the line.
        let end = [" xl=", " Nat64Prefix", " ]", "}"].iter().filter_map(|mark| own.find(mark)).min().unwrap_or(own.len());
        let shown = format!("a network has a proxy of its own: {}", printable(&own[..end]));
        if !wrong.iter().any(|(read, _)| *read == shown) {
            wrong.push((shown, "set its proxy to None in Settings > Wi-Fi > the network > Advanced"));
        }
    }
    let (read, help): (Vec<String>, Vec<&str>) = wrong.into_iter().unzip();
    match read.is_empty() {
        true => Check::good(NETWORK_CHECK, NETWORKS_ASKED, "no VPN, and no network with a proxy of its own"),
        false => Check::wrong(NETWORK_CHECK, NETWORKS_ASKED, read.join("; "), &help.join("; ")),
    }
}

const PROXY_CHECK: &str = "proxy and tunnel";
const SETTINGS_ASKED: &str = "settings get global http_proxy, global_http_proxy_host, …_port, …_exclusion_list, global_proxy_pac_url; \
                              adb reverse --list";
const NETWORK_CHECK: &str = "VPN and networks' proxies";
const NETWORKS_ASKED: &str = "dumpsys connectivity";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::CheckState;

    #[track_caller]
    fn told(check: &Check, state: CheckState, words: &[&str]) {
        let said = format!("{}; {}", check.read, check.help);
        assert!(check.state == state && words.iter().all(|word| said.contains(word)), "{check:?}");
    }

    #[test]
    fn a_proxy_is_found_wherever_android_keeps_one() {
        let check = |[proxy, host, port, exceptions, script]: [&str; 5], state, words: &[&str]| {
            let settings = Settings::new(proxy.to_owned(), host, port, exceptions.to_owned(), script.to_owned());
            told(&settings.check(&[40_001]), state, words);
        };
        check(["", "", "", "", ""], CheckState::Good, &["none is set"]);
        // As the system leaves them when one was switched off.
        check([":0", "", "0", "", ""], CheckState::Good, &["none is set"]);
        check(["", "", "", "intranet.test", ""], CheckState::Good, &["none is set", "list of hosts"]);
        check(["192.0.2.1:3128", "", "", "", ""], CheckState::Wrong, &["another proxy: 192.0.2.1:3128", "http_proxy :0"]);
        check(["192.0.2.1:3128", "192.0.2.1", "3128", "intranet.test", ""], CheckState::Wrong, &["but for intranet.test"]);
        check(["", "proxy.test", "3128", "", ""], CheckState::Wrong, &["global_http_proxy_host alone: proxy.test:3128"]);
        check(["127.0.0.1:40001", "", "", "", ""], CheckState::Wrong, &["another proxy"]);
        check(["127.0.0.1:40002", "", "", "", ""], CheckState::Wrong, &["the tunnel that belongs there is gone", "restore"]);
        check([":0", "", "", "", "http://wpad.test/proxy.pac"], CheckState::Wrong, &["a script", "wpad.test", "global_proxy_pac_url"]);
    }

    #[test]
    fn a_network_is_clear_only_when_it_says_so() {
        let agent = |kind: &str, properties: &str, transports: &str| {
            format!(
                "  NetworkAgentInfo{{network{{100}}  handle{{432902426637}}  ni{{{kind} CONNECTED extra: }}  lp{{{{InterfaceName: wlan0 \
                 Routes: [ 0.0.0.0/0 -> 192.0.2.1 wlan0 ]{properties}}}}}  nc{{[ Transports: {transports} Capabilities: INTERNET&NOT_VPN ]}}}}\n"
            )
        };
        let check = |agents: &[String], state, words: &[&str]| {
            let dump = format!("Active default network: 100\n\nCurrent Networks:\n{}\nNetwork Requests:\n", agents.concat());
            told(&of_networks(&dump), state, words);
        };
        let wifi = agent("WIFI", "", "WIFI");
        check(std::slice::from_ref(&wifi), CheckState::Good, &["no VPN"]);
        check(&[wifi.clone(), agent("VPN", "", "WIFI|VPN")], CheckState::Wrong, &["a VPN is on", "Settings >"]);
        let own = agent("WIFI", " HttpProxy: [192.0.2.9] 8080 xl=", "WIFI");
        check(std::slice::from_ref(&own), CheckState::Wrong, &["a proxy of its own: [192.0.2.9] 8080;", "Wi-Fi"]);
        let script = agent("WIFI", " HttpProxy: PAC Script: http://wpad.test/x.pac[localhost] 8081 xl= Nat64Prefix: null", "WIFI");
        check(&[script, agent("VPN", "", "VPN")], CheckState::Wrong, &["a VPN is on", "http://wpad.test/x.pac"]);
        // Somebody who waits for a VPN is none.
        let listens = "  uid/pid:10181/771 callbackRequest: 53 [ NetworkRequest [ LISTEN id=53, [ Transports: VPN ] ] ]\n".to_owned();
        check(&[wifi, listens], CheckState::Good, &[]);
        check(&[], CheckState::CannotTell, &["not understood"]);
        check(&[agent("WIFI", "", "").replace("Transports", "Ways")], CheckState::CannotTell, &["not understood"]);
        told(&of_networks("Active default network: none\nCurrent Networks:\n"), CheckState::CannotTell, &["in no network"]);
        told(&of_networks(""), CheckState::CannotTell, &["not understood"]);
    }
}
