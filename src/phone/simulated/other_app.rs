//! Another app on the same phone, with hosts of its own: a weather widget with news. It is always running, also while the app under
//! audit is stopped, and it sends the phone's position, so that an audit has to tell the two apart.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::json;

use super::{
    Place,
    client::{Client, Lane, Request},
    noise::Noise,
};
use crate::{clock::Hold, model::Position};

/// Runs until it is aborted: calls both its hosts within two seconds, then every four to nine minutes. It never calls before time
/// has begun to pass: what is done to the phone before that is done when it first looks.
pub(super) async fn run(mut hold: Hold, client: Client, place: Place, mut noise: Noise) {
    let installation = noise.uuid();
    hold.sleep(Duration::from_millis(noise.within(1..2_000))).await;
    loop {
        for request in round(&installation, hold.clock().now(), place.position(), &mut noise) {
            let _ = client.send(request).await;
        }
        hold.sleep(Duration::from_secs(noise.within(4 * 60..9 * 60))).await;
    }
}

/// The requests of one round.
fn round(installation: &str, now: Timestamp, position: Option<Position>, noise: &mut Noise) -> [Request; 2] {
    let sent_at = now.as_millisecond() + noise.clock_error_ms();
    let mut query = vec![("install".to_owned(), installation.to_owned()), ("ts".to_owned(), sent_at.to_string())];
    let mut body = json!({ "install": installation, "request": noise.uuid(), "ts": sent_at, "topics": ["local", "sport"] });
    if let Some(position) = position {
        query.push(("lat".to_owned(), format!("{:.4}", position.lat)));
        query.push(("lon".to_owned(), format!("{:.4}", position.lon)));
        body["where"] = json!({ "lat": position.lat, "lon": position.lon });
    }
    let headers = vec![("user-agent".to_owned(), "WeatherWidget/3 (Simulated One)".to_owned())];
    let weather = Request {
        method: Method::GET,
        host: "weather-widget.test".to_owned(),
        path: "/v1/now".to_owned(),
        query,
        headers: headers.clone(),
        body: Vec::new(),
        lane: Lane::Http1,
    };
    let news = Request {
        method: Method::POST,
        host: "news.test".to_owned(),
        path: "/feed".to_owned(),
        query: Vec::new(),
        headers: [headers, vec![("content-type".to_owned(), "application/json".to_owned())]].concat(),
        body: body.to_string().into_bytes(),
        lane: Lane::Http2,
    };
    [weather, news]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_where_the_phone_is_when_it_knows() {
        let now = "2026-03-14T09:00:00Z".parse().expect("a time");
        let [weather, news] = round("i", now, Position::new(52.374_03, 4.889_69), &mut Noise::new(1, "other app"));
        assert!(weather.query.contains(&("lat".to_owned(), "52.3740".to_owned())));
        assert!(String::from_utf8_lossy(&news.body).contains("52.37403"));
        let [weather, news] = round("i", now, None, &mut Noise::new(1, "other app"));
        assert!(weather.query.iter().all(|(key, _)| key != "lat"));
        assert!(!String::from_utf8_lossy(&news.body).contains("where"));
    }
}
