//! The way of the phone's traffic to the proxy: over the cable, by a tunnel from a port that the phone chooses, or over Wi-Fi. A phone
//! that was reconnected has lost the tunnel and kept the setting, so that both are looked at again and again.

use std::{net::SocketAddr, time::Duration};

use async_trait::async_trait;

use super::{
    super::{PhoneError, Route, RouteWatch},
    changes::{self, Changes, PROXY},
    client::{Adb, QUERY},
    error::{AdbError, cut},
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
        RouteKind::Reverse => {
            let to = proxy.port();
            changes.will(PhoneChange::Reverse { to })?;
            let port = reverse(&changes.adb, to).await?;
            (Some((port, to)), format!("127.0.0.1:{port}"))
        }
        RouteKind::Wifi if proxy.ip().is_loopback() || proxy.ip().is_unspecified() => {
            let why = "be pointed at the proxy over Wi-Fi: say at which address of this computer it listens (proxy: { listen: … } in the rig file)";
            return Err(PhoneError::Unsupported(why.to_owned()));
        }
        RouteKind::Wifi => (None, proxy.to_string()),
    };
    // A script that chooses proxies comes before the one that is set, and exceptions go past it.
    for key in ["global_proxy_pac_url", "global_http_proxy_exclusion_list"] {
        changes.setting("global", key, None).await?;
    }
    changes.setting("global", PROXY, Some(&setting)).await?;
    let made = Made { adb: changes.adb.clone(), tunnel, setting };
    match made.check().await? {
        Route::Whole => Ok(made),
        Route::Broken(why) => Err(PhoneError::Failed(why)),
    }
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
