"""Uploads through a proxy with requests, or with httpx over HTTP/2. Prints what each server said, a line each.

    uploads.py requests|httpx PROXY CA
"""

import asyncio
import concurrent.futures
import io
import ssl
import sys


def pieces():
    """A body of no known length."""
    for number in range(5):
        yield bytes([number]) * 50_000


def with_requests(proxy, ca):
    import requests

    session = requests.Session()
    session.trust_env = False
    session.proxies = {"http": proxy, "https": proxy}
    session.verify = ca
    # The session, and what it calls a body of plain bytes.
    return session, "data"


def with_httpx(proxy, ca):
    import httpx

    context = ssl.create_default_context(cafile=ca)
    return httpx.Client(http2=True, proxy=proxy, verify=context, trust_env=False, timeout=60), "content"


def main(library, proxy, ca):
    session, raw = with_requests(proxy, ca) if library == "requests" else with_httpx(proxy, ca)

    def say(method, url, **body):
        answer = session.request(method, url, **body)
        print(answer.status_code, answer.text.splitlines()[0] if answer.text else "")
        return answer

    say("POST", "https://api.test/python/json", json={"steps": 12, "name": "Quillon"})
    say("POST", "https://api.test/python/form", data={"steps": "12", "name": "Jörg"})
    say("POST", "https://api.test/python/file", data={"name": "Quillon"}, files={"file": ("series.bin", io.BytesIO(b"\x07" * 400_000))})
    say("PUT", "https://api.test/python/stream", **{raw: pieces()})
    say("PUT", "https://h1.test/python/stream", **{raw: pieces()})
    say("HEAD", "https://api.test/bytes/5000")
    say("GET", "https://api.test/compressed", headers={"Accept-Encoding": "gzip"})
    say("POST", "http://plain.test/python/plain", **{raw: b"steps=12"})
    urls = [f"https://api.test/python/many/{number}" for number in range(20)]
    if library == "httpx":
        assert say("GET", "https://api.test/python/version").http_version == "HTTP/2"
        asyncio.run(at_once(urls, proxy, ca))
    else:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = pool.map(lambda url: session.post(url, data=url), urls)
            assert all(answer.status_code == 200 for answer in answers)


async def at_once(urls, proxy, ca):
    """Uploads as streams of one connection. httpx's client for threads mixes up the numbers of streams that begin at once."""
    import httpx

    context = ssl.create_default_context(cafile=ca)
    async with httpx.AsyncClient(http2=True, proxy=proxy, verify=context, trust_env=False, timeout=60) as client:
        answers = await asyncio.gather(*(client.post(url, content=url.encode()) for url in urls))
    assert all(answer.status_code == 200 for answer in answers)


main(*sys.argv[1:])
