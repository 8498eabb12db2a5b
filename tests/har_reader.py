"""An independent reader of HAR files, to compare tattletale's import with.

Prints one JSON line an entry: method, url, headers (request and response pairs), and the SHA-256 of both bodies.
Usage: har_reader.py FILE
"""

import base64
import hashlib
import json
import re
import sys
from urllib.parse import quote_plus

BINARY_TYPES = re.compile(r"^(image|audio|video|font)/|^application/(octet-stream|x-protobuf|protobuf|grpc|x-msgpack|msgpack|cbor|zip|gzip|x-gzip|pdf)")
LATIN = {"iso-8859-1", "iso8859-1", "latin1", "latin-1", "us-ascii", "ascii", "windows-1252"}


def utf8(text):
    """UTF-8 of a text, in which half characters become U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def by_mitmproxy(text, mime):
    """Bytes of a text that mitmproxy made: Latin-1, unless the type, its charset or the page says otherwise."""
    mime = mime.lower()
    said = re.search(r"charset\s*=\s*[\"']?([^\s;\"'>]+)", mime + (text[:1024].lower() if re.search("html|text/css", mime) else ""))
    if (said.group(1) in LATIN if said else "json" not in mime) and all(ord(c) < 256 for c in text):
        return text.encode("latin-1")
    return utf8(text)


def encoded(text, mime):
    """Bytes of a request's text: by charset, else Latin-1 for binary types, else UTF-8."""
    mime = mime.lower()
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", mime)
    latin = charset.group(1) in LATIN if charset else bool(BINARY_TYPES.match(mime.strip()))
    if latin and all(ord(c) < 256 for c in text):
        return text.encode("latin-1")
    return utf8(text)


def form(params):
    """Parameters as application/x-www-form-urlencoded."""
    return "&".join(f"{quote_plus(p.get('name') or '', safe='*-._')}={quote_plus(p.get('value') or '', safe='*-._')}".replace("~", "%7E") for p in params)


def request_body(request):
    data = request.get("postData") or {}
    headers = {h["name"].lower(): h["value"] for h in reversed(request.get("headers") or [])}
    mime = data.get("mimeType") or headers.get("content-type") or ""
    if data.get("text"):
        if data.get("encoding") == "base64":
            return base64.b64decode(data["text"])
        return by_mitmproxy(data["text"], mime) if MITMPROXY else encoded(data["text"], mime)
    return form(data["params"]).encode() if data.get("params") else b""


def response_body(response):
    content = response.get("content") or {}
    text = content.get("text") or ""
    if content.get("encoding") == "base64":
        return base64.b64decode(text)
    return by_mitmproxy(text, content.get("mimeType") or "") if MITMPROXY else utf8(text)


def digest(body):
    return hashlib.sha256(body).hexdigest() if body else None


def pairs(message):
    return [[h["name"], h["value"]] for h in message.get("headers") or []]


with open(sys.argv[1], encoding="utf-8-sig") as file:
    log = json.load(file)["log"]
creator = log.get("creator") or ""
MITMPROXY = (creator if isinstance(creator, str) else creator.get("name") or "").lower().startswith("mitmproxy")
entries = log["entries"]
for entry in entries:
    request, response = entry["request"], entry.get("response") or {}
    print(json.dumps({
        "method": request["method"],
        "url": request["url"],
        "request_headers": pairs(request),
        "response_headers": pairs(response),
        "request_sha256": digest(request_body(request)),
        "response_sha256": digest(response_body(response)),
    }))
