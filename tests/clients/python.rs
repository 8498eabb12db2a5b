//! Python: requests over HTTP/1.1, and httpx over HTTP/2.

use crate::{bench::Bench, client, installed, own, run, skip};

#[test]
fn requests_uploads_as_it_is_recorded() {
    check("requests", 8, 28);
}

#[test]
fn httpx_uploads_as_it_is_recorded_over_http_2() {
    check("httpx", 9, 29);
}

fn check(library: &str, lines: usize, exchanges: usize) {
    let Some(python) = installed("venv/bin/python") else {
        return skip("the Python libraries requests and httpx are not installed");
    };
    let bench = Bench::start();
    let told = run(client(python).arg("-B").arg(own("uploads.py")).args([library, &bench.proxy()]).arg(bench.ca()), b"").well();
    assert_eq!(told.lines().filter(|line| line.starts_with("200 ")).count(), lines, "{told}");
    let outcome = bench.finish();
    assert_eq!(outcome.assert_equal(), exchanges);
    if library == "httpx" {
        let secure = outcome.with("api.test");
        assert!(secure.iter().all(|exchange| exchange.request.http_version == "HTTP/2"), "it offered HTTP/2");
    }
}
