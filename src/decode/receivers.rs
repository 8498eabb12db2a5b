//! Which company runs a host, and in which country it is established: app.yaml's word first, then a table that is compiled in and
//! says of each row how it is known. A host that neither names is unknown. Whose traffic it is, and whether the company is the
//! app's maker, is `observer`'s.

use std::sync::LazyLock;

use crate::model::{App, Receiver};

/// One row of the table: hosts that end in `suffix`, and what is known of the company that runs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The end of a host, in whole labels: `amap.com` for `restapi.amap.com`.
    pub suffix: &'static str,
    /// The company that runs the hosts.
    pub company: &'static str,
    /// Where that company is established: ISO 3166-1 alpha-2. `None`: unknown.
    pub country: Option<&'static str>,
    /// Whether that company receives what is sent there.
    pub role: Role,
    /// The public data set that holds the host; `None`: it is generally known.
    pub data_set: Option<&'static str>,
    /// Address of the data set's entry, or of a page of the company where it can be checked. Such a page need not name the host.
    pub page: &'static str,
    /// Day on which the row was written, ISO 8601.
    pub date: &'static str,
}

/// What a company is to the bytes that reach its hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It receives them.
    Company,
    /// It rents the hosts out under names of its tenants: who receives them is not known.
    Host,
}

impl Role {
    /// Its word in the table.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Company => "company",
            Self::Host => "host",
        }
    }
}

/// Every row, sorted by suffix.
pub fn rows() -> &'static [Row] {
    static PARSED: LazyLock<Vec<Row>> = LazyLock::new(|| {
        // The table is compiled in; the tests below read every row.
        lines(TABLE).map(|line| row(line).expect("a shipped row has seven columns")).collect()
    });
    &PARSED
}

/// The company behind a host, or behind the pattern that names hosts in snapshots; `None` where nobody knows.
///
/// The app file's word wins. The table's country is told with it where the table speaks of the same company: a host may be rented
/// out, and its landlord's country is not the tenant's.
pub fn receiver_of(app: &App, host: &str) -> Option<Receiver> {
    let row = row_of(host);
    let Some((_, company)) = app.receiver(host) else { return row.map(Row::receiver) };
    let country = row.filter(|row| is_same_company(company, row.company)).and_then(|row| row.country);
    Some(Receiver { company: company.to_owned(), country: country.map(str::to_owned), source: "app.yaml".to_owned() })
}

/// The row with the longest suffix that a host ends in.
fn row_of(host: &str) -> Option<&'static Row> {
    let host = host.to_ascii_lowercase();
    let ends = std::iter::successors(Some(host.as_str()), |rest| rest.split_once('.').map(|(_, rest)| rest));
    ends.take(MOST_LABELS).find_map(|end| rows().binary_search_by(|row| row.suffix.cmp(end)).ok()).and_then(|number| rows().get(number))
}

/// Whether what a person wrote of a company speaks of the one in the table: it has the first word of its name.
fn is_same_company(written: &str, company: &str) -> bool {
    let words = |text: &str| text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect::<Vec<_>>();
    words(company).first().is_some_and(|brand| words(written).contains(brand))
}

impl Row {
    /// How far the row can be relied on, in words: `generally known; check at https://…`.
    pub fn source(&self) -> String {
        match self.data_set {
            Some(data_set) => format!("{data_set}: {}, {}", self.page, self.date),
            None => format!("generally known; check at {}, {}", self.page, self.date),
        }
    }

    /// The company, or of a landlord that it is one: then its country is not the receiver's, and stands in the words only.
    fn receiver(&self) -> Receiver {
        let (company, country) = match self.role {
            Role::Company => (self.company.to_owned(), self.country.map(str::to_owned)),
            Role::Host => {
                let country = self.country.map(|country| format!(", {country}")).unwrap_or_default();
                (format!("hosted by {}{country}; whose it is, is not known", self.company), None)
            }
        };
        Receiver { company, country, source: self.source() }
    }
}

fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn row(line: &'static str) -> Option<Row> {
    let mut columns = line.split('\t');
    let mut next = || columns.next();
    let (suffix, company, country, role, basis, page, date) = (next()?, next()?, next()?, next()?, next()?, next()?, next()?);
    let country = Some(country).filter(|country| *country != "-");
    let role = [Role::Company, Role::Host].into_iter().find(|known| known.word() == role)?;
    let data_set = Some(basis).filter(|basis| *basis != GENERAL);
    columns.next().is_none().then_some(Row { suffix, company, country, role, data_set, page, date })
}

/// In the table, the basis of a row that no data set holds.
const GENERAL: &str = "general";

/// Suffix, company, country or `-`, role, basis, page, date. Its head says where rows come from and under which terms.
const TABLE: &str = include_str!("receivers.tsv");

/// No host has more.
const MOST_LABELS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HostPattern;

    #[track_caller]
    fn check(app: &App, host: &str, want: &str) {
        assert_eq!(receiver_of(app, host).map(|receiver| receiver.in_words()).unwrap_or_default(), want, "{host}");
    }

    #[test]
    fn every_row_is_whole_sorted_and_names_its_source() {
        assert_eq!(rows().len(), lines(TABLE).count());
        assert!(rows().len() >= 150, "{} rows", rows().len());
        assert!(rows().is_sorted_by(|a, b| a.suffix < b.suffix), "sorted by suffix, each once");
        for row in rows() {
            let is_host = row
                .suffix
                .split('.')
                .all(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            assert!(is_host && row.suffix.contains('.'), "{}", row.suffix);
            assert!(!row.company.is_empty() && row.company.trim() == row.company, "{}", row.suffix);
            assert!(
                row.country.is_none_or(|country| country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase())),
                "{}",
                row.suffix
            );
            assert!(row.page.starts_with("https://"), "{}", row.suffix);
            // A data set is named by its repository, and its page is the entry that holds the host.
            let entry = |set: &str| row.page.starts_with(&format!("https://github.com/{set}/blob/"));
            assert!(row.data_set.is_none_or(entry), "{}", row.suffix);
            assert!(row.data_set.is_some() || !row.page.contains("github.com/datenanfragen"), "{}", row.suffix);
            assert!(row.date.parse::<jiff::civil::Date>().is_ok(), "{}", row.suffix);
        }
    }

    #[test]
    fn hosts_of_the_simulated_rig_are_nobodys() {
        assert!(rows().iter().all(|row| !row.suffix.ends_with(".test")));
        check(&App::default(), "api-mifit-de.huami.test", "");
    }

    #[test]
    fn the_longest_suffix_of_whole_labels_decides() {
        let app = App::default();
        check(&app, "restapi.amap.com", "AMap (AutoNavi, Alibaba Group), CN");
        check(&app, "RestAPI.amap.COM", "AMap (AutoNavi, Alibaba Group), CN");
        check(&app, "notamap.com", "");
        check(&app, "com", "");
        check(&app, "", "");
        check(&app, "10.0.2.2", "");
        check(&app, "api-mifit*.huami.com", "Huami (Zepp Health), CN");
        for (wide, narrow, host) in
            [("xiaomi.com", "hm.xiaomi.com", "hm.xiaomi.com"), ("facebook.com", "graph.facebook.com", "graph.facebook.com")]
        {
            if let (Some(wide), Some(narrow)) = (row_of(wide), row_of(narrow)) {
                assert_eq!(row_of(host).map(|row| row.suffix), Some(narrow.suffix), "{} is longer than {}", narrow.suffix, wide.suffix);
            }
        }
    }

    #[test]
    fn a_company_is_named_only_where_it_is_the_one() {
        let app = App::default();
        check(&app, "finance.yahoo.com", "Yahoo Inc., US");
        check(&app, "data.flurry.com", "Flurry (Yahoo Inc.), US");
        check(&app, "api.sendgrid.net", "Twilio Inc., US");
        check(&app, "api.segment.io", "Segment (Twilio Inc.), US");
        check(&app, "smartbear.com", "SmartBear Software, US");
        check(&app, "mobilegw.alipay.com", "Ant Group, CN");
        check(&app, "weibo.com", "Weibo (Sina), CN");
    }

    #[test]
    fn a_landlord_is_not_the_receiver() {
        let check = |host: &str, landlord: &str| check(&App::default(), host, &format!("hosted by {landlord}; whose it is, is not known"));
        check("a.s3.amazonaws.com", "Amazon Web Services, US");
        check("a.s3.cn-north-1.amazonaws.com.cn", "Amazon Web Services China (operated by Sinnet and NWCD), CN");
        check("a.cloudfront.net", "Amazon Web Services, US");
        check("a.b.workers.dev", "Cloudflare, Inc., US");
        check("a.firebaseio.com", "Google LLC, US");
        check("storage.googleapis.com", "Google LLC, US");
        check("a.azurewebsites.net", "Microsoft Corporation, US");
        check("a.blob.core.windows.net", "Microsoft Corporation, US");
        check("a.herokuapp.com", "Salesforce, Inc. (Heroku), US");
        check("a.github.io", "GitHub, Inc. (Microsoft), US");
        check("lh3.googleusercontent.com", "Google LLC, US");
        check("a.appspot.com", "Google LLC, US");
        check("a.cloudfunctions.net", "Google LLC, US");
        let receiver = receiver_of(&App::default(), "a.cloudfront.net").expect("it is in the table");
        assert_eq!(receiver.country, None, "the landlord's country is not the tenant's");
    }

    #[test]
    fn a_source_says_how_far_it_goes() {
        let source = |host: &str| receiver_of(&App::default(), host).expect("it is in the table").source;
        assert!(source("www.google.com").starts_with("datenanfragen/data: https://github.com/datenanfragen/data/blob/"));
        // The data set has the company, and not this host.
        assert!(source("redirector.gvt1.com").starts_with("generally known; check at https://policies.google.com/privacy, 20"));
    }

    #[test]
    fn the_app_file_wins_and_takes_the_country_of_the_same_company_only() {
        let receiver = |pattern: &str, company: &str| (HostPattern(pattern.into()), company.to_owned());
        let app = App {
            receivers: vec![
                receiver("*.amap.com", "AMap (Alibaba): maps and location"),
                receiver("*.amazonaws.com", "the maker's own server, rented"),
                receiver("tracker.test", "invented"),
            ],
            ..App::default()
        };
        check(&app, "restapi.amap.com", "AMap (Alibaba): maps and location, CN");
        check(&app, "bucket.amazonaws.com", "the maker's own server, rented");
        check(&App::default(), "bucket.amazonaws.com", "hosted by Amazon Web Services, US; whose it is, is not known");
        check(&app, "tracker.test", "invented");
        assert_eq!(receiver_of(&app, "tracker.test").map(|receiver| receiver.source), Some("app.yaml".to_owned()));
    }
}
