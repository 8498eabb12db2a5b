"""An independent reader of mitmproxy flow files, to compare tattletale's import with.

Prints one JSON line a flow: what kind, and for HTTP flows what was sent and answered, with the SHA-256 of both bodies.
Usage: flow_reader.py FILE
"""

import hashlib
import json
import sys


def item(data, at):
    """One typed netstring: its value, and where the next one begins."""
    colon = data.index(b":", at)
    start, length = colon + 1, int(data[at:colon])
    end = start + length
    payload, tag = data[start:end], data[end:end + 1]
    if tag == b",":
        return payload, end + 1
    if tag == b";":
        return payload.decode(), end + 1
    if tag == b"#":
        return int(payload), end + 1
    if tag == b"^":
        return float(payload), end + 1
    if tag == b"!":
        return payload == b"true", end + 1
    if tag == b"~":
        return None, end + 1
    values = []
    while start < end:
        value, start = item(data, start)
        values.append(value)
    if tag == b"]":
        return values, end + 1
    return {text(key): value for key, value in zip(values[::2], values[1::2])}, end + 1


def text(value):
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def micros(seconds):
    """Microseconds since 1970."""
    return int(seconds) * 1_000_000 + round(seconds % 1 * 1e6)


def digest(message):
    content = (message or {}).get("content")
    return hashlib.sha256(content).hexdigest() if content else None


def pairs(message):
    return [[text(name), text(value)] for name, value in (message or {}).get("headers") or []]


with open(sys.argv[1], "rb") as file:
    data = file.read()
at = 0
while at < len(data):
    flow, at = item(data, at)
    kind = text(flow["type"])
    told = {"kind": kind}
    if kind == "http":
        request, response = flow["request"], flow["response"]
        told |= {
            "method": text(request["method"]),
            "path": text(request["path"]),
            "port": request["port"],
            "began": micros(request["timestamp_start"]),
            "status": response["status_code"] if response else None,
            "request_headers": pairs(request),
            "response_headers": pairs(response),
            "request_sha256": digest(request),
            "response_sha256": digest(response),
        }
    print(json.dumps(told))
