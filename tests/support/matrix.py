"""Writes the matrix of planted values and encodings: one HAR with a request a pair, the file of planted values, and what is to be
found where. Everything is encoded here, by Python's own libraries and Debian's, so that no encoder of ours tests our decoder.

    matrix.py FOLDER     writes matrix.har, planted.yaml and cases.json
    matrix.py --check    exits 0 when every library is there, else 77 with the names of those that are missing

Each case is one request to a host of its own (case-aaa.matrix.test), so that what is found there is that case's alone. Leaves are
called a1, a2 …, which says nothing; only a value too short to be told from chance (171, 63.4, a number of days) has a name that
speaks of it. All values are invented.
"""

import base64
import datetime
import gzip
import hashlib
import hmac
import importlib
import json
import plistlib
import random
import struct
import sys
import urllib.parse
import zlib

LIBRARIES = ["brotli", "zstandard", "msgpack", "cbor2", "xxhash", "google.protobuf"]


def missing():
    names = []
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError:
            names.append(name)
    return names


# ---- the values ------------------------------------------------------------------------------------------------------------

MAC = "C0:FF:EE:12:34:56"
SERIAL = "QX7K2M9P4TDW"
UUID = "7d1c9e52-3b0a-4f68-9c41-d2a6e85b7f13"
EMAIL = "quillon.zweig@post.test"
NAME = "Jörg Quillönberg"
BIRTH = datetime.date(1984, 3, 7)
LAT, LON = 52.37403, 4.88969
WEIGHT = 63.4
HEIGHT = 171


def minutes(seed):
    """A day of heart rates: asleep, awake, and some minutes without a reading (255)."""
    noise = random.Random(seed)
    rates, rate = [], 58.0
    for minute in range(1440):
        rest = 54 if minute < 420 else 76 + 14 * ((minute // 37) % 3)
        rate += (rest - rate) * 0.1 + noise.uniform(-4, 4)
        rates.append(255 if noise.random() < 0.08 else max(40, min(190, round(rate))))
    return bytes(rates)


SERIES = minutes(7)

# Name in the planted file: (value as text, kind).
TEXTS = {
    "band.mac": MAC,
    "band.serial": SERIAL,
    "account.uuid": UUID,
    "account.email": EMAIL,
    "profile.nickname": NAME,
    "profile.birth": BIRTH.isoformat(),
}
SHORT = {"profile.height_cm": ("height", HEIGHT), "profile.weight_kg": ("weight", WEIGHT)}


def planted_yaml():
    quote = json.dumps
    return "\n".join(
        [
            "confirmed: true",
            f"location: {{ lat: {LAT}, lon: {LON} }}",
            f"profile: {{ nickname: {quote(NAME, ensure_ascii=False)}, birth: {BIRTH}, height_cm: {HEIGHT}, weight_kg: {WEIGHT} }}",
            f"band: {{ mac: {quote(MAC)}, serial: {quote(SERIAL)}, heart_rate: {quote(base64.b64encode(SERIES).decode())} }}",
            "values:",
            f"  - {{ name: account.uuid, kind: text, value: {quote(UUID)} }}",
            f"  - {{ name: account.email, kind: text, value: {quote(EMAIL)} }}",
            "",
        ]
    )


# ---- hashes that no library of Debian has ----------------------------------------------------------------------------------


def murmur3_x86_32(data, seed=0):
    def scramble(k):
        k = k * 0xCC9E2D51 & 0xFFFFFFFF
        k = (k << 15 | k >> 17) & 0xFFFFFFFF
        return k * 0x1B873593 & 0xFFFFFFFF

    h, whole = seed, len(data) // 4 * 4
    for at in range(0, whole, 4):
        h ^= scramble(int.from_bytes(data[at : at + 4], "little"))
        h = (h << 13 | h >> 19) & 0xFFFFFFFF
        h = (h * 5 + 0xE6546B64) & 0xFFFFFFFF
    if len(data) > whole:
        h ^= scramble(int.from_bytes(data[whole:], "little"))
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ h >> 16


# The vectors of the algorithm's published test program.
assert murmur3_x86_32(b"") == 0
assert murmur3_x86_32(b"hello") == 0x248BFA47
assert murmur3_x86_32(b"hello, world") == 0x149BBB7F

# ---- cases -----------------------------------------------------------------------------------------------------------------

CASES = []
ENTRIES = []
TIME = datetime.datetime(2026, 3, 2, 8, 0, 0, tzinfo=datetime.timezone.utc)


def add(value, encoding, body=b"", mime="application/json", says=(), headers=(), path="/v1/collect", method="POST"):
    """One request. `says`: words of which one must be in the spelling or the chain that is told; none when any will do."""
    # Letters only: a label with digits may be an id, and is not shown.
    number = len(CASES)
    host = "case-" + "".join(chr(97 + number // 26**place % 26) for place in (2, 1, 0)) + ".matrix.test"
    body = body.encode() if isinstance(body, str) else body
    entry = {
        "startedDateTime": (TIME + datetime.timedelta(seconds=len(CASES))).isoformat().replace("+00:00", "Z"),
        "time": 5,
        "request": {
            "method": method,
            "url": f"https://{host}{path}",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "queryString": [],
            "headers": [{"name": "Content-Type", "value": mime}] + [{"name": name, "value": text} for name, text in headers],
            "headersSize": -1,
            "bodySize": len(body),
            "postData": {"mimeType": mime, "encoding": "base64", "text": base64.b64encode(body).decode()},
        },
        "response": {"status": 200, "statusText": "OK", "httpVersion": "HTTP/1.1", "cookies": [], "headers": [], "redirectURL": "",
                     "headersSize": -1, "bodySize": 2, "content": {"size": 2, "mimeType": "application/json", "text": "{}"}},
        "cache": {},
        "timings": {"send": 1, "wait": 1, "receive": 1},
    }
    ENTRIES.append(entry)
    CASES.append({"host": host, "value": value, "encoding": encoding, "says": list(says)})


def leaves(**given):
    """A JSON object with some leaves that mean nothing around the given ones."""
    return {"v": 3, "a0": "start", **given, "a9": True}


def leaf(text, name="a1"):
    return json.dumps(leaves(**{name: text}), ensure_ascii=False)


def b64(data):
    return base64.b64encode(data).decode()


def bare(text):
    return "".join(c for c in text if c.isalnum())


def percent_all(text):
    return urllib.parse.quote(text, safe="")


def in_log(text):
    """Inside a longer text that is of no format."""
    return f"2026-03-02 08:00 ok state={text}; 12 ms, retry 0"


def protobuf(fields):
    """A message with the given (number, type, value), made by Google's library from a descriptor of its own."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name=f"case{len(CASES)}.proto", package=f"case{len(CASES)}")
    message = file.message_type.add(name="Message")
    kinds = descriptor_pb2.FieldDescriptorProto
    for number, kind, _ in fields:
        message.field.add(name=f"f{number}", number=number, type=getattr(kinds, f"TYPE_{kind}"), label=kinds.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName(f"{file.package}.Message")
    if hasattr(message_factory, "GetMessageClass"):
        made = message_factory.GetMessageClass(descriptor)()
    else:
        made = message_factory.MessageFactory(pool).GetPrototype(descriptor)()
    for number, _, value in fields:
        setattr(made, f"f{number}", value)
    return made.SerializeToString()


def jwt(claims):
    part = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()) + b"." + part(json.dumps(claims).encode())
    return (head + b"." + part(hmac.digest(b"a key of the server", head, "sha256"))).decode()


def multipart(parts):
    boundary = "----matrix7MA4YWxkTrZu0gW"
    body = b""
    for head, content in parts:
        body += f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def compressed(data):
    import brotli
    import zstandard

    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    return {
        "gzip": ("gzip", gzip.compress(data, mtime=0)),
        "zlib": ("deflate", zlib.compress(data)),
        "raw deflate": ("deflate", raw.compress(data) + raw.flush()),
        "br": ("br", brotli.compress(data)),
        "zstd": ("zstd", zstandard.ZstdCompressor().compress(data)),
    }


SAYS_ESCAPES = ("escape", "\\u", "json", "plain")


def containers(value, native, text):
    """Encodings of a whole request: they hold for every value. `native` is {name: value} as a program would hold it."""
    import cbor2
    import msgpack

    document = json.dumps(leaves(**native), ensure_ascii=False)
    add(value, "plain", document)
    add(value, "JSON in a string in JSON in a form", "id=7&data=" + percent_all(json.dumps({"b": json.dumps(native)})),
        "application/x-www-form-urlencoded", says=["json"])
    for name, (header, data) in compressed(document.encode()).items():
        add(value, name, data, headers=[("Content-Encoding", header)], says=[name.split()[-1], "zlib" if header == "deflate" else name])
    add(value, "base64 of gzip", leaf(b64(gzip.compress(json.dumps(native).encode(), mtime=0))), says=["gzip"])
    add(value, "base64 exact of JSON", leaf(b64(json.dumps(native).encode())), says=["base64"])
    add(value, "msgpack", msgpack.packb(leaves(**native)), "application/msgpack", says=["msgpack"])
    add(value, "CBOR", cbor2.dumps(leaves(**native)), "application/cbor", says=["cbor"])
    add(value, "bplist", plistlib.dumps(leaves(**native), fmt=plistlib.FMT_BINARY), "application/x-apple-binary-plist", says=["plist"])
    parts = [(f'Content-Disposition: form-data; name="{name}"', str(part).encode()) for name, part in native.items()]
    body, mime = multipart([('Content-Disposition: form-data; name="v"', b"3"), *parts])
    add(value, "multipart part", body, mime)
    cookies = "; ".join(f"{name}={percent_all(str(part))}" for name, part in native.items())
    add(value, "cookie", "{}", headers=[("Cookie", f"theme=dark; {cookies}")])
    add(value, "JWT claim", leaf(jwt({"iat": 1772438400, **native})), says=["jwt"])
    query = "&".join(f"{name}={percent_all(str(part))}" for name, part in native.items())
    add(value, "URL once, in a query", path=f"/v1/collect?v=3&{query}", mime="text/plain", method="GET")
    if text is not None:
        add(value, "URL once", leaf(percent_all(text)), says=["percent", "url"])
        add(value, "URL twice", leaf(percent_all(percent_all(text))), says=["percent", "url"])


def texts(value, text):
    """Encodings of one text."""
    import cbor2
    import msgpack
    import xxhash

    raw = text.encode()
    special = percent_all(text) != text
    containers(value, {"a1": text}, text if special else None)

    for name, variant in {"upper": text.upper(), "lower": text.lower(), "without separators": bare(text)}.items():
        if variant != text:
            add(value, name, leaf(variant))
    escaped = "".join(f"\\u{ord(c):04x}" for c in text)
    add(value, "\\u escapes", f'{{"v":3,"a1":"{escaped}"}}')
    add(value, "\\u escapes inside text", leaf(in_log(f'{{"n":"{escaped}"')), says=SAYS_ESCAPES)
    if json.dumps(text) != f'"{text}"':
        add(value, "JSON escape", leaf(in_log('{"n":' + json.dumps(text))), says=SAYS_ESCAPES)

    add(value, "inside longer text", leaf(in_log(text)))
    add(value, "in a header", "{}", headers=[("X-Client", percent_all(text) if not text.isascii() else text)])
    add(value, "in a path", "{}", path=f"/v1/devices/{percent_all(text)}/status")
    file_name = "report " + text.replace(":", "-").replace("/", "-") + ".bin"
    body, mime = multipart([(f'Content-Disposition: form-data; name="f"; filename="{file_name}"\r\nContent-Type: text/plain', b"ok")])
    add(value, "in a file name", body, mime)
    add(value, "as a JSON key", json.dumps({"v": 3, "a1": {text: 1}}, ensure_ascii=False))

    add(value, "base64 exact", leaf(b64(raw)), says=["base64"])
    for before in range(3):
        inside = b64(b"user:" + b"x" * before + b"/" + raw + b"/ok, done")
        add(value, f"base64 inside text, alignment {before}", leaf(in_log(inside)), says=["base64"])
    add(value, "base64url unpadded", leaf(base64.urlsafe_b64encode(raw).rstrip(b"=").decode()), says=["base64"])
    add(value, "base64 twice", leaf(b64(b64(raw).encode())), says=["base64"])
    add(value, "hex lower", leaf(raw.hex()), says=["hex"])
    add(value, "hex upper", leaf(raw.hex().upper()), says=["hex"])
    add(value, "reversed", leaf(text[::-1]), says=["reversed"])

    for algorithm in ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"]:
        digest = hashlib.new(algorithm, raw).digest()
        add(value, f"{algorithm}, hex", leaf(digest.hex()), says=[algorithm])
        add(value, f"{algorithm}, base64", leaf(b64(digest)), says=[algorithm])
        add(value, f"{algorithm}, raw bytes", msgpack.packb(leaves(a1=digest)), "application/msgpack", says=[algorithm])
    forms = {"lower case": text.lower(), "separator-free form": bare(text)}
    for name, variant in forms.items():
        if variant != text:
            add(value, f"sha256 of the {name}", leaf(hashlib.sha256(variant.encode()).hexdigest()), says=["sha256"])
    add(value, "crc32", leaf(f"{zlib.crc32(raw):08x}"), says=["crc32"])
    add(value, "murmur3", leaf(f"{murmur3_x86_32(raw):08x}"), says=["murmur3"])
    add(value, "xxhash64", leaf(xxhash.xxh64_hexdigest(raw)), says=["xxh"])
    key = "k9Xw27LmQpZ4"
    add(value, "HMAC-SHA256, key in the same exchange",
        json.dumps(leaves(a1=hmac.new(key.encode(), raw, "sha256").hexdigest(), a2=key)), says=["hmac"])
    add(value, "salted sha256, salt in the same exchange",
        json.dumps(leaves(a1=hashlib.sha256(key.encode() + raw).hexdigest(), a2=key)), says=["salt"])
    add(value, "protobuf string", protobuf([(1, "INT32", 3), (2, "STRING", "start"), (3, "STRING", text), (4, "BOOL", True)]),
        "application/x-protobuf")
    add(value, "protobuf bytes", protobuf([(1, "INT32", 3), (2, "STRING", "start"), (3, "BYTES", raw), (4, "BOOL", True)]),
        "application/x-protobuf")
    add(value, "msgpack bytes", msgpack.packb(leaves(a1=raw)), "application/msgpack")
    add(value, "CBOR bytes", cbor2.dumps(leaves(a1=raw)), "application/cbor")


def mac():
    octets = bytes.fromhex(bare(MAC))
    backwards = octets[::-1]
    colons = lambda octets: ":".join(f"{octet:02X}" for octet in octets)
    eui = octets[:3] + b"\xff\xfe" + octets[3:]
    modified = bytes([eui[0] ^ 2]) + eui[1:]
    for name, text, says in [
        ("MAC reversed", colons(backwards), ["reversed"]),
        ("MAC reversed, without separators", backwards.hex(), ["reversed"]),
        ("EUI-64", eui.hex().upper(), ["eui-64"]),
        ("EUI-64 with colons", colons(eui), ["eui-64"]),
        ("modified EUI-64", modified.hex(), ["eui-64"]),
        ("MAC with dashes", MAC.replace(":", "-"), []),
    ]:
        add("band.mac", name, leaf(text), says=says)
    add("band.mac", "MAC as integer", json.dumps(leaves(a1=int.from_bytes(octets, "big"))), says=["integer", "number"])
    add("band.mac", "MAC as integer, little-endian", json.dumps(leaves(a1=int.from_bytes(octets, "little"))), says=["integer", "number"])


def birth():
    days = (BIRTH - datetime.date(1970, 1, 1)).days
    add("profile.birth", "epoch in seconds", json.dumps(leaves(a1=days * 86400)), says=["second"])
    add("profile.birth", "epoch in milliseconds", json.dumps(leaves(a1=days * 86400000)), says=["millisecond"])
    add("profile.birth", "epoch in days", json.dumps(leaves(birthday=days)), says=["day"])
    for form in ["%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%-d %B %Y", "%b %-d, %Y"]:
        text = BIRTH.strftime(form)
        add("profile.birth", f"date as {form}", leaf(text))
    add("profile.birth", "JSON escape", leaf(in_log('{"n":"' + BIRTH.strftime("%Y/%m/%d").replace("/", "\\/"))), says=SAYS_ESCAPES)


def short_values():
    import cbor2
    import msgpack
    import xxhash

    for value, (name, number) in SHORT.items():
        containers(value, {name: number}, None)
        text = str(number)
        add(value, "plain, as text", leaf(text, name))
        add(value, "\\u escapes", f'{{"v":3,"{name}":"' + "".join(f"\\u{ord(c):04x}" for c in text) + '"}')
        for algorithm in ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"]:
            digest = hashlib.new(algorithm, text.encode()).digest()
            add(value, f"{algorithm}, hex", leaf(digest.hex()), says=[algorithm])
            add(value, f"{algorithm}, base64", leaf(b64(digest)), says=[algorithm])
            add(value, f"{algorithm}, raw bytes", msgpack.packb(leaves(a1=digest)), "application/msgpack", says=[algorithm])
        add(value, "xxhash64", leaf(xxhash.xxh64_hexdigest(text)), says=["xxh"])
        key = "k9Xw27LmQpZ4"
        add(value, "HMAC-SHA256, key in the same exchange",
            json.dumps(leaves(a1=hmac.new(key.encode(), text.encode(), "sha256").hexdigest(), a2=key)), says=["hmac"])
        add(value, "salted sha256, salt in the same exchange",
            json.dumps(leaves(**{f"{name}_hash": hashlib.sha256((key + text).encode()).hexdigest()}, salt=key)), says=["salt"])
        add(value, "base64 exact", leaf(b64(text.encode()), name), says=["base64"])
        add(value, "msgpack, as text", msgpack.packb(leaves(**{name: text})), "application/msgpack", says=["msgpack"])
        add(value, "CBOR, as text", cbor2.dumps(leaves(**{name: text})), "application/cbor", says=["cbor"])


def position():
    one = f"{LAT},{LON}"
    containers("location", {"a1": LAT, "a2": LON}, None)
    add("location", "plain, one text", leaf(one))
    add("location", "plain, longitude first", leaf(f"{LON},{LAT}"))
    add("location", "plain, four decimals", json.dumps(leaves(a1=round(LAT, 4), a2=round(LON, 4))))
    add("location", "plain, three decimals", json.dumps(leaves(a1=round(LAT, 3), a2=round(LON, 3))))
    add("location", "inside longer text", leaf(in_log(one)))
    add("location", "in a path", "{}", path=f"/v1/weather/{LAT}/{LON}")
    add("location", "URL once", leaf(percent_all(one)))
    add("location", "URL twice", leaf(percent_all(percent_all(one))))
    add("location", "\\u escapes", '{"v":3,"a1":"' + "".join(f"\\u{ord(c):04x}" for c in one) + '"}')
    add("location", "base64 exact", leaf(b64(one.encode())), says=["base64"])
    add("location", "base64url unpadded", leaf(base64.urlsafe_b64encode(one.encode()).rstrip(b"=").decode()), says=["base64"])
    add("location", "base64 twice", leaf(b64(b64(one.encode()).encode())), says=["base64"])
    add("location", "hex lower", leaf(one.encode().hex()), says=["hex"])
    add("location", "protobuf doubles", protobuf([(1, "STRING", "start"), (2, "DOUBLE", LAT), (3, "DOUBLE", LON)]), "application/x-protobuf")
    add("location", "protobuf string", protobuf([(1, "INT32", 3), (2, "STRING", "start"), (3, "STRING", one)]), "application/x-protobuf")
    add("location", "E7 integers", json.dumps(leaves(a1=round(LAT * 1e7), a2=round(LON * 1e7))))
    add("location", "E6 integers", json.dumps(leaves(a1=round(LAT * 1e6), a2=round(LON * 1e6))))


def series():
    import cbor2
    import msgpack

    value, says = "band.heart_rate", ["minutes", "a minute"]
    numbers, text = list(SERIES), b64(SERIES)
    deltas = [numbers[0]] + [after - before for before, after in zip(numbers, numbers[1:])]

    def json_case(encoding, content):
        add(value, encoding, json.dumps(leaves(a1=content)), says=says)

    def binary(encoding, data):
        add(value, encoding, data, "application/octet-stream", says=says)

    json_case("base64 exact", text)
    json_case("base64url unpadded", base64.urlsafe_b64encode(SERIES).rstrip(b"=").decode())
    json_case("base64 twice", b64(text.encode()))
    json_case("hex lower", SERIES.hex())
    json_case("hex upper", SERIES.hex().upper())
    json_case("JSON array of numbers", numbers)
    json_case("JSON array of objects", [{"t": 28_800 + n, "b": rate} for n, rate in enumerate(numbers)])
    json_case("numbers in a string", ",".join(map(str, numbers)))
    json_case("delta string", ",".join(map(str, deltas)))
    json_case("JSON array of deltas", deltas)
    json_case("base64 of gzip", b64(gzip.compress(SERIES, mtime=0)))
    json_case("base64 of zlib", b64(zlib.compress(SERIES)))
    json_case("URL once", percent_all(text))
    json_case("URL twice", percent_all(percent_all(text)))
    add(value, "JSON in a string in JSON in a form", "data=" + percent_all(json.dumps({"b": json.dumps({"a1": text})})),
        "application/x-www-form-urlencoded", says=says)
    for name, (header, data) in compressed(json.dumps(leaves(a1=text)).encode()).items():
        add(value, name, data, headers=[("Content-Encoding", header)], says=says)
    add(value, "msgpack", msgpack.packb(leaves(a1=SERIES)), "application/msgpack", says=says)
    add(value, "msgpack array", msgpack.packb(leaves(a1=numbers)), "application/msgpack", says=says)
    add(value, "CBOR", cbor2.dumps(leaves(a1=SERIES)), "application/cbor", says=says)
    add(value, "bplist", plistlib.dumps(leaves(a1=SERIES), fmt=plistlib.FMT_BINARY), "application/x-apple-binary-plist", says=says)
    add(value, "protobuf bytes", protobuf([(1, "INT32", 3), (2, "STRING", "start"), (3, "BYTES", SERIES)]), "application/x-protobuf", says=says)
    body, mime = multipart([('Content-Disposition: form-data; name="f"; filename="d.bin"\r\nContent-Type: application/octet-stream', SERIES)])
    add(value, "multipart part", body, mime, says=says)
    binary("raw body", SERIES)
    binary("raw body after 13 other bytes", bytes(range(13)) + SERIES)
    binary("every 3rd byte", b"".join(bytes([1, rate, 90]) for rate in numbers))
    binary("every 8th byte", b"".join(struct.pack("<IBBBB", 1_772_409_600 + 60 * n, 7, rate, 0, 3) for n, rate in enumerate(numbers)))
    binary("u16 little-endian", struct.pack("<1440H", *numbers))
    binary("u16 big-endian", struct.pack(">1440H", *numbers))
    binary("u32 little-endian", struct.pack("<1440I", *numbers))
    binary("delta bytes", bytes(delta & 0xFF for delta in deltas))
    binary("half of the day", SERIES[720:])
    binary("shifted by an hour, over two days", bytes([255]) * 60 + SERIES + bytes([255]) * 1380)


# ---- what is to be written -------------------------------------------------------------------------------------------------


def main():
    lacks = missing()
    if lacks:
        print("python3 lacks", ", ".join(lacks))
        return 77
    if sys.argv[1] == "--check":
        return 0
    folder = sys.argv[1]
    for value, text in TEXTS.items():
        texts(value, text)
    mac()
    birth()
    short_values()
    position()
    series()
    log = {"version": "1.2", "creator": {"name": "matrix", "version": "1"}, "entries": ENTRIES}
    for name, content in [("matrix.har", json.dumps({"log": log})), ("planted.yaml", planted_yaml()), ("cases.json", json.dumps(CASES))]:
        with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
            file.write(content)
    return 0


sys.exit(main())
