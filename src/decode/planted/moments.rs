//! A moment, to the second, in every usual spelling and as a number of seconds or milliseconds. Other moments of the same day
//! stand everywhere in an upload, so that it says far less than its digits.

use jiff::{SignedDuration, Timestamp, tz::Offset};

/// The moment as a number since 1970: value, name.
pub(super) fn epochs(moment: Timestamp) -> Vec<(i64, &'static str)> {
    vec![(moment.as_second(), "seconds since 1970"), (moment.as_second().saturating_mul(1_000), "milliseconds since 1970")]
}

/// How it is written as text, in universal time and in every whole hour west and east of it, with what to call each spelling.
pub(super) fn spellings(moment: Timestamp) -> Vec<(String, &'static str)> {
    let hours = [0].into_iter().chain(-12..0).chain(1..=14);
    hours
        .flat_map(|hours: i8| {
            let local = Offset::constant(hours).to_datetime(moment);
            let name = if hours == 0 { "in universal time" } else { "in local time" };
            ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S"]
                .map(|format| (local.strftime(format).to_string(), name))
        })
        .collect()
}

/// How much it says where moments of the same day stand: one of so many seconds, or of so many minutes when it is a whole one.
/// That any offset would do makes up for the date, which is written as well.
pub(super) fn bits(moment: Timestamp) -> f32 {
    let of_a_day = SignedDuration::from_hours(24).as_secs();
    let step = [3_600, 60, 1].into_iter().find(|step| moment.as_second() % step == 0).unwrap_or(1);
    ((of_a_day / step) as f32).log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_spelled_in_every_usual_way() {
        let moment: Timestamp = "2026-03-14T17:02:31.5Z".parse().expect("a moment");
        let all = spellings(moment);
        for want in ["2026-03-14T17:02:31", "2026-03-14 18:02:31", "2026/03/14 05:02:31", "20260315070231"] {
            assert!(all.iter().any(|(text, _)| text == want), "{want}");
        }
        assert_eq!(epochs(moment), [(1_773_507_751, "seconds since 1970"), (1_773_507_751_000, "milliseconds since 1970")]);
    }

    #[test]
    fn a_whole_hour_says_next_to_nothing() {
        let check = |text: &str, least: f32, most: f32| {
            let says = bits(text.parse().expect("a moment"));
            assert!((least..most).contains(&says), "{text}: {says}");
        };
        check("2026-03-14T17:02:31Z", 16.0, 17.0);
        check("2026-03-14T17:02:00Z", 10.0, 11.0);
        check("2026-03-14T17:00:00Z", 4.0, 5.0);
    }
}
