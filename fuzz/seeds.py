"""Makes the first inputs of each fuzz target from the repository's own files.

    python3 fuzz/seeds.py FOLDER      one folder per target is made in it
"""

import gzip
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TO = pathlib.Path(sys.argv[1])


def seed(target: str, name: str, content: bytes) -> None:
    folder = TO / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{name}").write_bytes(content)


def plain(path: pathlib.Path) -> bytes:
    content = path.read_bytes()
    while content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    return content


payloads = sorted((ROOT / "events").glob("*.json")) + sorted((ROOT / "tests/cases/lambda").glob("body-*.json"))
for path in payloads:
    seed("payload", path.stem, json.dumps(json.loads(path.read_text()), separators=(",", ":")).encode())

# The first byte chooses the form, the second the size of chunks.
files = [path for folder in ("events/log-files", "tests/cases/cli", "tests/cases/lambda") for path in sorted((ROOT / folder).iterdir())]
for path in files:
    if path.name.startswith("body-"):
        continue
    try:
        content = plain(path)
    except (OSError, EOFError):
        content = path.read_bytes()
    for form in (0, 3, 4, 5):
        seed("log_file", f"{form}-{path.name}", bytes([form, 7]) + content)
    seed("log_file", f"stored-{path.name}", bytes([0, 0]) + path.read_bytes())
for path in sorted((ROOT / "tests/data/invictus/CloudTrail").iterdir())[:8]:
    records = json.loads(plain(path))["Records"]
    seed("log_file", f"real-{path.name}", bytes([3, 0]) + json.dumps({"Records": records[:3]}).encode())

# A record as text begins with `{`. Otherwise the first byte chooses a record, and the rest its changes.
for path in sorted((ROOT / "events/log-files").iterdir()):
    for number, record in enumerate(json.loads(path.read_text())["Records"]):
        seed("record", f"{path.stem}-{number}", json.dumps(record, separators=(",", ":")).encode())
for base in range(10):
    for field in range(30):
        change = bytes([field, 0]) + b"x'$(id) \xe2\x80\xae<b>\n`y` https://evil.example"
        seed("record", f"changed-{base}-{field}", bytes([base]) + b"logs\xffAWSLogs/key\xff" + change)

for path in sorted((ROOT / "tests/cases/health").glob("*.json")):
    seed("health", path.stem, json.dumps(json.loads(path.read_text()), separators=(",", ":")).encode())
for base in range(5):
    for field in range(22):
        change = bytes([field, 5]) + b"x'$(id) \xe2\x80\xae<b>\n`y` https://evil.example"
        seed("health", f"changed-{base}-{field}", bytes([base]) + change)

for inner in range(4):
    for outer in (0, 1, 2, 32, 33, 34, 41, 38, 57):
        seed("envelope", f"{inner}-{outer}", bytes([inner, outer]) + b'logs\xffname\xff{"a":[1]}\xffAWSLogs/a b+c%\xffx')

NOW = 1_795_489_511
incidents = [
    {"key": "rule:1:user:x:quarantined", "start": NOW - 60, "alerted_at": NOW - 50},
    {"key": "rule:1:user:x:removed:id", "start": NOW - 30, "alerted_at": NOW - 20},
    {"key": "rule:1:user:x:quarantined:by-hand", "start": NOW, "owner": "mine", "until": NOW + 20},
    {"key": "rule:1:user:x:quarantined:by-hand", "start": NOW - 9, "owner": "other", "until": NOW - 5},
]
for count in range(len(incidents) + 1):
    document = {"dedup_key": "e", "version": count, "expires_at": NOW + 99, "incidents": incidents[:count]}
    for key in (b"quarantined", b"quarantined:by-hand", b"removed:id", b"enforced"):
        for flags in (0, 1, 2):
            body = b"\xff".join([json.dumps(document, separators=(",", ":")).encode(), key, b"\x00", b"\x0e\x10", b"\x01"])
            seed("document", f"{count}-{key.decode().replace(':', '-')}-{flags}", bytes([flags]) + body)
flood = [{"key": f"rule:1:user:x:removed:{n}", "start": NOW - n, "alerted_at": NOW - n} for n in range(1, 11)]
document = {"dedup_key": "e", "version": 9, "expires_at": NOW + 99, "incidents": flood + incidents[:1], "removals": [NOW - 99]}
seed("document", "flood", b"\x00" + json.dumps(document, separators=(",", ":")).encode() + b"\xffremoved:new\xff\x00\xff\x0e\x10")

name = "123456789012_CloudTrail_us-east-1_20261124T0305Z_Abcdefghijklmnop.json.gz"
for number, key in enumerate(
    [
        f"AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/{name}",
        f"a b/AWSLogs/o-abc1234567/123456789012/CloudTrail/us-east-1/2026/11/24/{name}",
        f"AWSLogs/123456789012/CloudTrail-Digest/us-east-1/2026/11/24/{name}",
        f"AWSLogs/123456789012/us-gov-west-1/2026/11/24/{name}",
        "AWSLogs/123456789012/Config/us-east-1/x.json.gz",
        "AWSLogs/o-abc/AWSLogs/123456789012/CloudTrail/",
        f"C:\\logs\\{name}",
        "!-_.*'()&$@=;:+ ,?\\{^}%`]>[~<#|\u00e9\U0001f600\u0001\u007f",
    ]
):
    for form in range(4):
        seed("key", f"{number}-{form}", bytes([form]) + key.encode())

for path in sorted((ROOT / "events/trace").iterdir()):
    records = json.loads(path.read_text())["Records"]
    lines = [json.dumps(record, separators=(",", ":")).encode() for record in records]
    for choices in (1, 2, 4, 8, 15, 49, 63):
        seed("trace", f"{choices}-{path.stem}", bytes([choices]) + b"\n".join(lines[:6]))
        seed("trace", f"{choices}-twice-{path.stem}", bytes([choices]) + b"\n".join(lines[6:9] * 2))
cases = json.loads((ROOT / "src/trace/left_behind/cases.json").read_text())
for number, case in enumerate(cases):
    lines = []
    for record in (case["record"], case["undone"] or {}):
        record.setdefault("userIdentity", {})["accessKeyId"] = "AKIAIOSFODNN7EXAMPLE"
        lines.append(json.dumps(record, separators=(",", ":")).encode())
    seed("trace", f"left-{number}", b"\x31" + b"\n".join(lines))
