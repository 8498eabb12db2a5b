//! The way of the phone's traffic to the proxy: over the cable, by a tunnel from a port that the phone chooses, or over Wi-Fi. A phone
//! that was reconnected has lost the tunnel and kept the setting, so that both are looked at again and again.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    super::{PhoneError, Route, RouteWatch},
    changes::{self, Changes},
    client::{Adb, QUERY},
    error::{AdbError, cut},
    proxy::PROXY,
};
use crate::model::{PhoneChange, text::printable};

/// How the phone gets to the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteKind {
    /// Through adb's connection: to a port of the phone's own, which leads to the proxy's on this machine.
    #[default]
    Reverse,
    /// Over the network that both are in. The proxy listens at an address of it.
    Wifi,
}

/// A route that was made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    adb: Adb,
    /// Port of the phone and port of this machine; `None` over Wi-Fi.
    tunnel: Option<(u16, u16)>,
    /// What the phone's setting says.
    setting: String,
}

/// Makes the route, and reads it back.
///
/// # Errors
/// When the phone does not take it.
pub(super) async fn make(changes: &mut Changes, kind: RouteKind, proxy: SocketAddr) -> Result<Made, PhoneError> {
    let (tunnel, setting) = match kind {
        RouteKind::Reverse if !leads_to(proxy.ip()) => {
            let why = "be pointed at the proxy over the cable: adb leads to 127.0.0.1 of this computer, and the proxy listens elsewhere (leave \
                       proxy: { listen: … } out of the rig file)";
            return Err(PhoneError::Unsupported(why.to_owned()));
        }
        RouteKind::Reverse => {
            let to = proxy.port();
            let others = changes::reversed_to(&changes.adb, to).await?;
            changes.will(PhoneChange::Reverse { to, others })?;
            let port = reverse(&changes.adb, to).await?;
            (Some((port, to)), format!("127.0.0.1:{port}"))
        }
        RouteKind::Wifi if proxy.ip().is_loopback() || proxy.ip().is_unspecified() => {
            let why = "be pointed at the proxy over Wi-Fi: say at which address of this computer it listens (proxy: { listen: … } in the rig file)";
            return Err(PhoneError::Unsupported(why.to_owned()));
        }
        RouteKind::Wifi => (None, proxy.to_string()),
    };
    changes.proxy(&setting).await?;
    let made = Made { adb: changes.adb.clone(), tunnel, setting };
    match made.check().await? {
        Route::Whole => Ok(made),
        Route::Broken(why) => Err(PhoneError::Failed(why)),
    }
}

/// Whether what comes through a tunnel of adb's gets to a program that listens at this address.
fn leads_to(listens: IpAddr) -> bool {
    listens == IpAddr::V4(Ipv4Addr::LOCALHOST) || listens.is_unspecified()
}

/// The phone's own addresses in its networks.
///
/// # Errors
/// What the phone says.
pub(super) async fn addresses(adb: &Adb) -> Result<Vec<IpAddr>, AdbError> {
    Ok(parse_addresses(&adb.ask(&["ip", "-o", "addr", "show"], "ask the phone for its addresses").await?))
}

/// `21: wlan0    inet 192.0.2.7/24 brd …`, without the phone's own loopback.
fn parse_addresses(said: &str) -> Vec<IpAddr> {
    let of_line = |line: &str| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "inet" && *word != "inet6").skip(1);
        words.next()?.split('/').next()?.parse::<IpAddr>().ok()
    };
    said.lines().filter_map(of_line).filter(|address| !address.is_loopback()).collect()
}

/// A tunnel from a port of the phone, which the phone chooses, to one of this machine.
async fn reverse(adb: &Adb, to: u16) -> Result<u16, AdbError> {
    let what = "make a tunnel from the phone";
    let name = format!("tcp:{to}");
    let (good, said) = adb.own(&["reverse".as_ref(), "tcp:0".as_ref(), name.as_ref()], what, QUERY).await?;
    let port = said.lines().find_map(|line| line.trim().parse::<u16>().ok());
    match port {
        Some(port) if good => Ok(port),
        _ if good => Err(AdbError::NotUnderstood { what: what.to_owned(), said: cut(&said) }),
        _ => Err(AdbError::of_command(what, &said, "")),
    }
}

#[async_trait]
impl RouteWatch for Made {
    async fn check(&self) -> Result<Route, PhoneError> {
        if let Some((port, to)) = self.tunnel
            && !changes::reversed_to(&self.adb, to).await?.contains(&port)
        {
            let why = "the tunnel from the phone to the proxy is gone: its connection broke off meanwhile";
            return Ok(Route::Broken(why.to_owned()));
        }
        let is = changes::setting(&self.adb, "global", PROXY).await?;
        if is.as_deref() != Some(&self.setting) {
            let is = is.map_or_else(|| "none".to_owned(), |is| printable(&is));
            return Ok(Route::Broken(format!("the phone is pointed at another proxy than ours: {is}")));
        }
        Ok(Route::Whole)
    }
}

/// How often a route is looked at while the phone does something else.
pub const LOOK_EACH: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_has_addresses_in_its_networks() {
        let said = "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever\n\
                    21: wlan0    inet 192.0.2.7/24 brd 192.0.2.255 scope global wlan0\\  valid_lft forever\n\
                    21: wlan0    inet6 2001:db8::7/64 scope global\n22: rmnet0    link/ether\n";
        let want: [IpAddr; 2] = ["192.0.2.7".parse().expect("an address"), "2001:db8::7".parse().expect("an address")];
        assert_eq!(parse_addresses(said), want);
        assert!(leads_to(Ipv4Addr::LOCALHOST.into()) && !leads_to(want[0]));
    }
}
