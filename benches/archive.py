"""Measures how long a search of 10,000 old log files takes with quarantine-scan, `zgrep -l` and a Python script, and how long a
trace of a chain of three sessions takes.

    python3 benches/archive.py BENCHES QUARANTINE_SCAN

BENCHES generates the archive. QUARANTINE_SCAN is the built command line. All tools must find the same incidents in the
same run. The ratios of wall and CPU time are to quarantine-scan, which also reads the archive from an S3 with a latency
of 30 ms.
"""

import asyncio
import bisect
import contextlib
import gzip
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

ROUNDS = 3
INCIDENTS = 20
SEED = "AKIACHAINCHAINCHAIN0"
NAME = "CompromisedKeyQuarantine"
PYTHON = """
import glob, gzip, json, sys
for name in glob.iglob("**/*.gz", recursive=True):
    with gzip.open(name) as file:
        for record in json.load(file)["Records"]:
            if record["eventSource"] == "iam.amazonaws.com" and record["eventName"].startswith("Attach"):
                if "AWSCompromisedKeyQuarantine" in (record.get("requestParameters") or {}).get("policyArn", ""):
                    print(name)
"""


class Bucket:
    """Serves a folder like an S3 bucket on loopback, in its own thread."""

    LATENCY = 0.030

    def __init__(self, folder, keys):
        self.folder, self.keys, self.loop = folder, sorted(keys), asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    async def serve(self, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                url = urllib.parse.urlsplit(head.split(b" ", 2)[1].decode())
                await asyncio.sleep(self.LATENCY)
                key = urllib.parse.unquote(url.path).partition("/archive/")[2]
                body = pathlib.Path(self.folder, key).read_bytes() if key else self.list(url.query)
                writer.write(b'HTTP/1.1 200 OK\r\netag: "x"\r\ncontent-length: %d\r\n\r\n' % len(body) + body)
                await writer.drain()
        writer.close()

    def list(self, query):
        """Returns a page of ListObjectsV2. The continuation token is the last key of the page before."""
        query = dict(urllib.parse.parse_qsl(query))
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        after = query.get("continuation-token", "")
        keys = self.keys[max(bisect.bisect_left(self.keys, prefix), bisect.bisect_right(self.keys, after)) :]
        contents, folders = [], []
        for key in keys:
            if not key.startswith(prefix) or len(contents) == 1000:
                break
            folder, found, _ = key[len(prefix) :].partition("/")
            if delimiter and found:
                if prefix + folder + "/" not in folders:
                    folders.append(prefix + folder + "/")
            else:
                contents.append(key)
        more = len(contents) == 1000
        xml = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in contents)
        xml += "".join(f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>" for folder in folders)
        xml += f"<NextContinuationToken>{contents[-1]}</NextContinuationToken>" if more else ""
        return f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{xml}</ListBucketResult>".encode()


def run(command, folder, environment=None):
    """Runs a program. Returns its wall and CPU time in seconds, its output lines and its exit status."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, cwd=folder, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        lines = output.read().splitlines()
    return wall, usage.ru_utime + usage.ru_stime, lines, process.returncode


def hide_chain(folder):
    """Adds a log file with a chain: a key gets a session, which gets another, which gets a key of the archive.

    Returns how many calls a trace of the chain must find.
    """
    first = min(pathlib.Path(folder).rglob("*.gz"))
    with gzip.open(first) as file:
        records = json.load(file)["Records"]
    keys = [SEED, "ASIACHAINCHAINCHAIN1", "ASIACHAINCHAINCHAIN2", records[0]["userIdentity"]["accessKeyId"]]
    chain = [
        {
            "eventID": f"00000000-0000-0000-0000-{number:012}", "eventTime": f"2026-11-01T00:00:0{number}Z",
            "eventSource": "sts.amazonaws.com", "eventName": "AssumeRole", "recipientAccountId": "123456789012",
            "userIdentity": {"type": "AssumedRole", "accessKeyId": caller, "accountId": "123456789012"},
            "responseElements": {"credentials": {"accessKeyId": issued}},
        }
        for number, (caller, issued) in enumerate(zip(keys, keys[1:]))
    ]
    first.with_name("chain.json.gz").write_bytes(gzip.compress(json.dumps({"Records": chain}).encode()))
    return len(chain) + sum(record["userIdentity"].get("accessKeyId") == keys[-1] for record in records)


def main(benches, scan):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([benches, "archive", folder], check=True)
        calls = hide_chain(folder)
        files = [str(file.relative_to(folder)) for file in sorted(pathlib.Path(folder).rglob("*.gz"))]
        stored = sum(os.path.getsize(pathlib.Path(folder, file)) for file in files)
        scan = str(pathlib.Path(scan).resolve())
        # Each with the number of lines that it must print.
        tools = {
            "quarantine-scan": ([scan, ".", "--format", "ndjson"], INCIDENTS),
            "quarantine-scan trace": ([scan, "trace", SEED, ".", "--format", "ndjson"], calls),
            "zgrep -l": (["zgrep", "-l", NAME, *files], INCIDENTS),
            "Python, gzip and json": ([sys.executable, "-c", PYTHON], INCIDENTS),
        }
        print(f"{len(files):,} log files, {stored / 1e6:.0f} MB; {INCIDENTS} incidents; {os.cpu_count()} cores", flush=True)
        walls, cpus = {tool: [] for tool in tools}, {tool: [] for tool in tools}
        for _ in range(ROUNDS):
            for tool, (command, wanted) in tools.items():
                wall, cpu, lines, status = run(command, folder)
                if len(lines) != wanted:
                    sys.exit(f"{tool} printed {len(lines)} lines instead of {wanted}, and exited with status {status}")
                walls[tool].append(wall)
                cpus[tool].append(cpu)
        bucket = Bucket(folder, files)
        keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}
        environment = {**os.environ, **keys, "AWS_ENDPOINT_URL": bucket.endpoint}
        command = [scan, "s3://archive/AWSLogs/", "--format", "csv"]
        remote = [run(command, folder, environment) for _ in range(ROUNDS)]
        if any(len(lines) != INCIDENTS + 1 for _, _, lines, _ in remote):
            sys.exit(f"quarantine-scan did not find all {INCIDENTS} incidents in {command[1]}")
    ours = "quarantine-scan"
    print(f"{'':<24}{'wall, s':>10}{'ratio':>8}{'CPU, s':>10}{'ratio':>8}   median of {ROUNDS} alternating rounds")
    for tool in tools:
        ratio = [statistics.median(a / b for a, b in zip(times[tool], times[ours])) for times in (walls, cpus)]
        wall, cpu = statistics.median(walls[tool]), statistics.median(cpus[tool])
        print(f"{tool:<24}{wall:>10.2f}{ratio[0]:>8.1f}{cpu:>10.2f}{ratio[1]:>8.1f}")
    wall, cpu = (statistics.median(times) for times in list(zip(*remote))[:2])
    print(f"quarantine-scan, from S3 {wall:>9.2f}{'':>8}{cpu:>10.2f}   {len(files) / wall:,.0f} log files per second, 30 ms latency")


if __name__ == "__main__":
    main(*sys.argv[1:])
