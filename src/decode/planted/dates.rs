//! A date in every usual spelling, and as a number of seconds, milliseconds or days.

use jiff::civil::Date;

/// How a date is written as text, with what to call each spelling. A year of two digits alone says too little to be among them.
pub(super) fn spellings(date: Date) -> Vec<(String, &'static str)> {
    let (y, m, d) = (date.year(), date.month(), date.day());
    let mut all = vec![
        (format!("{y:04}-{m:02}-{d:02}"), "plain"),
        (format!("{y:04}{m:02}{d:02}"), "without separators"),
        (format!("{y:04}/{m:02}/{d:02}"), "year first, with slashes"),
        (format!("{y:04}.{m:02}.{d:02}"), "year first, with dots"),
        (format!("{y:04}_{m:02}_{d:02}"), "year first, with underscores"),
        (format!("{y:04}-{m}-{d}"), "year first, without zeros"),
        (format!("{y:04}/{m}/{d}"), "year first, with slashes, without zeros"),
        (format!("{y:04}年{m}月{d}日"), "year first, with Chinese words"),
        (format!("{y:04}年{m:02}月{d:02}日"), "year first, with Chinese words"),
        (format!("{y:04}-{:03}", date.day_of_year()), "day of the year"),
        (format!("{d:02}{m:02}{y:04}"), "day first, without separators"),
        (format!("{m:02}{d:02}{y:04}"), "month first, without separators"),
    ];
    for (separator, name) in [(".", "dots"), ("/", "slashes"), ("-", "dashes")] {
        let (day_first, month_first) = match name {
            "dots" => ("day first, with dots", "month first, with dots"),
            "slashes" => ("day first, with slashes", "month first, with slashes"),
            _ => ("day first, with dashes", "month first, with dashes"),
        };
        all.push((format!("{d:02}{separator}{m:02}{separator}{y:04}"), day_first));
        all.push((format!("{d}{separator}{m}{separator}{y:04}"), day_first));
        all.push((format!("{m:02}{separator}{d:02}{separator}{y:04}"), month_first));
        all.push((format!("{m}{separator}{d}{separator}{y:04}"), month_first));
    }
    for names in [MONTHS, SHORT_MONTHS] {
        let Some(month) = usize::try_from(m).ok().and_then(|month| names.get(month.wrapping_sub(1))) else { continue };
        for day in [format!("{d}"), format!("{d:02}")] {
            all.push((format!("{day} {month} {y:04}"), "with the month's name"));
            all.push((format!("{day}. {month} {y:04}"), "with the month's name"));
            all.push((format!("{day}-{month}-{y:04}"), "with the month's name"));
            all.push((format!("{day}/{month}/{y:04}"), "with the month's name"));
            all.push((format!("{month} {day}, {y:04}"), "month's name first"));
            all.push((format!("{month} {day} {y:04}"), "month's name first"));
        }
        all.push((format!("{d:02}{month}{y:04}"), "with the month's name"));
    }
    all
}

/// The date's midnight in universal time as a number since 1970: value, name.
pub(super) fn epochs(date: Date) -> Vec<(i64, &'static str)> {
    let days = days_since_1970(date);
    vec![(days * 86_400, "seconds since 1970"), (days * 86_400_000, "milliseconds since 1970"), (days, "days since 1970")]
}

/// The date's midnight elsewhere, in whole hours west and east of universal time, as a number since 1970: value, name.
pub(super) fn local_midnights(date: Date) -> Vec<(i64, &'static str)> {
    let midnight = days_since_1970(date) * 86_400;
    let elsewhere = (-12..=14).filter(|hours| *hours != 0).map(|hours| midnight - hours * 3_600);
    elsewhere
        .flat_map(|at| [(at, "seconds since 1970, at local midnight"), (at * 1_000, "milliseconds since 1970, at local midnight")])
        .collect()
}

/// Year and month.
pub(super) fn months(date: Date) -> [String; 6] {
    let (y, m) = (date.year(), date.month());
    [
        format!("{y:04}-{m:02}"),
        format!("{y:04}/{m:02}"),
        format!("{y:04}.{m:02}"),
        format!("{y:04}-{m}"),
        format!("{m:02}/{y:04}"),
        format!("{m:02}.{y:04}"),
    ]
}

/// Spellings that are hashed.
pub(super) fn hashed(date: Date) -> Vec<(String, &'static str)> {
    let (y, m, d) = (date.year(), date.month(), date.day());
    vec![
        (format!("{y:04}-{m:02}-{d:02}"), "the date"),
        (format!("{y:04}{m:02}{d:02}"), "the date without separators"),
        (format!("{d:02}.{m:02}.{y:04}"), "the date, day first"),
        (format!("{d:02}/{m:02}/{y:04}"), "the date, day first"),
        (format!("{m:02}/{d:02}/{y:04}"), "the date, month first"),
        (format!("{d:02}{m:02}{y:04}"), "the date, day first"),
        (format!("{m:02}{d:02}{y:04}"), "the date, month first"),
    ]
}

/// Days between a date and 1970-01-01 in the proleptic Gregorian calendar (Hinnant, `days_from_civil`).
fn days_since_1970(date: Date) -> i64 {
    let (month, day) = (i64::from(date.month()), i64::from(date.day()));
    // Years begin in March, so that the leap day is their last.
    let year = i64::from(date.year()) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const SHORT_MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_spelled_in_every_usual_way() {
        let all = spellings(jiff::civil::date(1984, 3, 7));
        for want in [
            "1984-03-07",
            "19840307",
            "1984/03/07",
            "1984.03.07",
            "07.03.1984",
            "7.3.1984",
            "03/07/1984",
            "3/7/1984",
            "07/03/1984",
            "07-03-1984",
            "7 March 1984",
            "March 7, 1984",
            "07-Mar-1984",
            "Mar 7, 1984",
            "7. March 1984",
            "1984-067",
            "07031984",
        ] {
            assert!(all.iter().any(|(text, _)| text == want), "{want}");
        }
    }

    #[test]
    fn midnights_are_counted_from_1970() {
        for (date, days) in
            [((1970, 1, 1), 0), ((1984, 3, 7), 5_179), ((2000, 2, 29), 11_016), ((1969, 12, 31), -1), ((1930, 3, 7), -14_545)]
        {
            let date = jiff::civil::date(date.0, date.1, date.2);
            assert_eq!(days_since_1970(date), days, "{date}");
            assert_eq!(epochs(date)[0].0, days * 86_400);
            // Berlin's midnight is an hour before that of universal time.
            assert!(local_midnights(date).contains(&(days * 86_400_000 - 3_600_000, "milliseconds since 1970, at local midnight")));
        }
    }
}
