"""Measures how long a search of 10,000 old log files takes with quarantine-scan, `zgrep -l` and a Python script, and
how long a trace of a key takes with quarantine-scan and DuckDB.

    python benches/archive.py BENCHES QUARANTINE_SCAN PEERS

BENCHES generates the archive. QUARANTINE_SCAN is the built command line. DuckDB must be importable. The folder PEERS contains
s5cmd and the AWS CLI, which copy the same objects from the same S3, and cloudgrep, which searches them. All tools must find
the same incidents or the same calls in the same run. The ratios of wall and CPU time are to the search with
quarantine-scan, which also reads the archive from an S3 with a latency of 30 ms. Ends with status 1 if a trace from S3
downloads a log file more than twice; a goal for the speed may be missed.
"""

import dataclasses
import gzip
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 3
ONCE = 15  # A tool that takes longer, in seconds, runs in the first round only.
INCIDENTS = 20
SEED = "AKIACHAINCHAINCHAIN0"
NAME = "CompromisedKeyQuarantine"
FIND, TRACE, ONE_KEY = "quarantine-scan", "quarantine-scan trace", "the same, --no-follow"
DUCKDB = "DuckDB, one key"
COPIES = "a temporary folder"
PYTHON = """
import glob, gzip, json, sys
for name in glob.iglob("**/*.gz", recursive=True):
    with gzip.open(name) as file:
        for record in json.load(file)["Records"]:
            if record["eventSource"] == "iam.amazonaws.com" and record["eventName"].startswith("Attach"):
                if "AWSCompromisedKeyQuarantine" in (record.get("requestParameters") or {}).get("policyArn", ""):
                    print(name)
"""
# The query for all calls of one access key, as AWS's playbooks have it for Athena. To be fair to DuckDB, its columns are
# declared, so that it does not guess them from a sample, and are only those of the query. "newline_delimited" was the
# fastest of its formats, since a log file is one line. quarantine-scan has two threads on two cores, too.
QUERY = """
import duckdb, sys
database = duckdb.connect(config={"threads": 2})
database.execute("SET enable_progress_bar = false")
rows = database.execute('''
SELECT r.eventTime, r.eventSource, r.eventName, r.awsRegion, r.sourceIPAddress, r.userAgent, r.errorCode
FROM (SELECT unnest(Records) AS r FROM read_json('**/*.gz', format = 'newline_delimited', columns = {Records: 'STRUCT(
    eventTime varchar, eventSource varchar, eventName varchar, awsRegion varchar, sourceIPAddress varchar,
    userAgent varchar, errorCode varchar, userIdentity STRUCT(accessKeyId varchar))[]'}))
WHERE r.userIdentity.accessKeyId = ?''', sys.argv[1:])
for row in rows.fetchall():
    print(*row, sep=",")
"""


@dataclasses.dataclass
class Run:
    wall: float  # Seconds, as the next one.
    cpu: float
    memory: float  # The peak, in MB.


def run(tool, command, wanted, folder, environment=None):
    """Runs a program, which must print this number of lines, if that is known."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, cwd=folder, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        lines = len(output.read().splitlines())
    if wanted is None and process.returncode:
        sys.exit(f"{tool} exited with status {process.returncode}")
    if lines != (wanted or lines):
        sys.exit(f"{tool} printed {lines} lines instead of {wanted}, and exited with status {process.returncode}")
    # Linux counts in KiB, and at least what this script had when it started the program.
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)


def hide_chain(folder):
    """Adds a log file with a chain: a key gets a session, which gets another, which gets a key of the archive.

    Returns how many calls a trace of the chain must find, and how many of them the first key made.
    """
    first = min(pathlib.Path(folder).rglob("*.gz"))
    with gzip.open(first) as file:
        records = json.load(file)["Records"]
    last = records[0]["userIdentity"]["accessKeyId"]
    keys = [SEED, "ASIACHAINCHAINCHAIN1", "ASIACHAINCHAINCHAIN2", last]
    plain = 40
    calls = [("GetCallerIdentity", SEED, None)] * plain
    calls += [("AssumeRole", *two) for two in zip(keys, keys[1:])]
    chain = [
        {
            "eventID": f"00000000-0000-0000-0000-{number:012}", "eventTime": f"2026-11-01T00:00:{number:02}Z",
            "eventSource": "sts.amazonaws.com", "eventName": name, "recipientAccountId": "123456789012",
            "userIdentity": {"type": "AssumedRole", "accessKeyId": caller, "accountId": "123456789012"},
            "responseElements": issued and {"credentials": {"accessKeyId": issued}},
        }
        for number, (name, caller, issued) in enumerate(calls)
    ]
    first.with_name("chain.json.gz").write_bytes(gzip.compress(json.dumps({"Records": chain}).encode()))
    return len(chain) + sum(record["userIdentity"].get("accessKeyId") == last for record in records), plain + 1


def measure_local(tools, folder):
    """The runs of each tool, alternating."""
    runs = {tool: [] for tool in tools}
    for _ in range(ROUNDS):
        for tool, (command, wanted) in tools.items():
            if not runs[tool] or runs[tool][0].wall <= ONCE:
                runs[tool].append(run(tool, command, wanted, folder))
    return runs


def measure_s3(benches, commands, folder, files):
    """The runs of each command over a bucket, and the highest number of downloads of one log file in a run of each."""
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}
    runs, gets = {tool: [] for tool in commands}, dict.fromkeys(commands, 0)
    for _ in range(ROUNDS):
        for tool, (command, wanted) in commands.items():
            if runs[tool] and runs[tool][0].wall > ONCE:
                continue
            bucket = subprocess.Popen([benches, "serve", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            url = bucket.stdout.readline().strip()
            environment = {**os.environ, **keys, "AWS_ENDPOINT_URL": url, "S3_ENDPOINT_URL": url}
            with tempfile.TemporaryDirectory() as copies:
                command = [f"{copies}/" if word == COPIES else word for word in command]
                runs[tool].append(run(tool, command, wanted, folder, environment))
            downloaded, most = map(int, bucket.communicate()[0].split())
            if downloaded != len(files):
                sys.exit(f"{tool} downloaded {downloaded} of {len(files)} log files")
            gets[tool] = max(gets[tool], most)
    return runs, gets


def medians(runs):
    return [statistics.median(getattr(one, measure) for one in runs) for measure in ("wall", "cpu", "memory")]


def ratio(runs, tool, other, measure="wall"):
    """The median of the rounds' ratios. For a tool that ran once, it is that of the first round."""
    pairs = zip(runs[tool], runs[other])
    return statistics.median(getattr(a, measure) / getattr(b, measure) for a, b in pairs)


def verdict(goal, is_met, measured):
    print(f"{'goal met' if is_met else 'GOAL MISSED'}: {goal}: {measured}")


def main(benches, scan, peers):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([benches, "archive", folder], check=True)
        calls, of_one_key = hide_chain(folder)
        files = [str(file.relative_to(folder)) for file in sorted(pathlib.Path(folder).rglob("*.gz"))]
        stored = sum(os.path.getsize(pathlib.Path(folder, file)) for file in files)
        scan, peers = str(pathlib.Path(scan).resolve()), pathlib.Path(peers).resolve()
        # Each with the number of lines that it must print.
        tools = {
            FIND: ([scan, ".", "--format", "ndjson"], INCIDENTS),
            TRACE: ([scan, "trace", SEED, ".", "--format", "ndjson"], calls),
            ONE_KEY: ([scan, "trace", SEED, ".", "--no-follow", "--format", "ndjson"], of_one_key),
            DUCKDB: ([sys.executable, "-c", QUERY, SEED], of_one_key),
            "zgrep -l": (["zgrep", "-l", NAME, *files], INCIDENTS),
            "Python, gzip and json": ([sys.executable, "-c", PYTHON], INCIDENTS),
        }
        sizes = f"{len(files):,} log files, {stored / 1e6:.0f} MB"
        print(f"{sizes}; {INCIDENTS} incidents; {os.cpu_count()} cores", flush=True)
        runs = measure_local(tools, folder)
        remote, gets = measure_s3(benches, {
            FIND: ([scan, "s3://archive/AWSLogs/", "--format", "ndjson"], INCIDENTS),
            TRACE: ([scan, "trace", SEED, "s3://archive/AWSLogs/", "--format", "ndjson"], calls),
            "s5cmd, a copy": ([f"{peers}/s5cmd", "--log", "error", "cp", "s3://archive/*", COPIES], None),
            "AWS CLI, a copy": ([f"{peers}/aws", "s3", "cp", "--quiet", "--recursive", "s3://archive/", COPIES], None),
            "cloudgrep": ([f"{peers}/cloudgrep", "-b", "archive", "-q", NAME], None),
        }, folder, files)
    titles = f"{'':<24}{'wall, s':>10}{'ratio':>8}{'CPU, s':>10}{'ratio':>8}{'peak, MB':>10}"
    print(f"{titles}   median of {ROUNDS} alternating rounds")
    for tool in tools:
        wall, cpu, memory = medians(runs[tool])
        walls, cpus = (ratio(runs, tool, FIND, measure) for measure in ("wall", "cpu"))
        note = "   one round" if len(runs[tool]) == 1 else ""
        print(f"{tool:<24}{wall:>10.2f}{walls:>8.1f}{cpu:>10.2f}{cpus:>8.1f}{memory:>10.0f}{note}")
    print("from S3, with a latency of 30 ms:")
    for tool in remote:
        wall, cpu, memory = medians(remote[tool])
        note = f"{len(files) / wall:,.0f} log files per second, at most {gets[tool]} GETs per object"
        note += "; one round" if len(remote[tool]) == 1 else ""
        print(f"{tool:<24}{wall:>10.2f}{'':>8}{cpu:>10.2f}{'':>8}{memory:>10.0f}   {note}")
    slower, faster = ratio(runs, TRACE, FIND), ratio(runs, DUCKDB, TRACE)
    peak = max(one.memory for one in runs[TRACE] + remote[TRACE])
    for tool in (FIND, TRACE):
        per_second = len(files) / medians(remote[tool])[0]
        verdict(f"{tool} reads at least 4,000 log files a second from S3", per_second >= 4000, f"{per_second:,.0f}")
    verdict("a trace takes at most 2.5 × the search", slower <= 2.5, f"{slower:.1f}")
    verdict("a trace is at least 20 × as fast as DuckDB", faster >= 20, f"{faster:.1f}")
    verdict("a trace has at most 150 MB of memory", peak <= 150, f"{peak:.0f} MB")
    verdict("a trace downloads each log file at most twice", gets[TRACE] <= 2, f"{gets[TRACE]}")
    sys.exit(int(gets[TRACE] > 2))


if __name__ == "__main__":
    main(*sys.argv[1:])
