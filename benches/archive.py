"""Has it already happened? The same answer from an archive of 10,000 log files by quarantine-scan, by `zgrep -l`, and by a
Python script, in the same run: wall and CPU time, as ratios to quarantine-scan.

    python3 benches/archive.py BENCHES QUARANTINE_SCAN

BENCHES makes the archive, QUARANTINE_SCAN is the built command line.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 3
INCIDENTS = 20
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


def run(command, folder):
    """Wall and CPU time of a program and all that it started, in seconds, and the lines that it printed."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        lines = output.read().splitlines()
    return wall, usage.ru_utime + usage.ru_stime, lines, process.returncode


def main(benches, scan):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([benches, "archive", folder], check=True)
        files = [str(file.relative_to(folder)) for file in sorted(pathlib.Path(folder).rglob("*.gz"))]
        stored = sum(os.path.getsize(pathlib.Path(folder, file)) for file in files)
        tools = {
            "quarantine-scan": [str(pathlib.Path(scan).resolve()), ".", "--format", "ndjson"],
            "zgrep -l": ["zgrep", "-l", NAME, *files],
            "Python, gzip and json": [sys.executable, "-c", PYTHON],
        }
        print(f"{len(files):,} log files, {stored / 1e6:.0f} MB; {INCIDENTS} incidents; {os.cpu_count()} cores", flush=True)
        walls, cpus = {tool: [] for tool in tools}, {tool: [] for tool in tools}
        for _ in range(ROUNDS):
            for tool, command in tools.items():
                wall, cpu, lines, status = run(command, folder)
                if len(lines) != INCIDENTS:
                    sys.exit(f"{tool} found {len(lines)} of {INCIDENTS} and ended with {status}")
                walls[tool].append(wall)
                cpus[tool].append(cpu)
    ours = "quarantine-scan"
    print(f"{'':<24}{'wall, s':>10}{'ratio':>8}{'CPU, s':>10}{'ratio':>8}   median of {ROUNDS} rounds in turn")
    for tool in tools:
        ratio = [statistics.median(a / b for a, b in zip(times[tool], times[ours])) for times in (walls, cpus)]
        wall, cpu = statistics.median(walls[tool]), statistics.median(cpus[tool])
        print(f"{tool:<24}{wall:>10.2f}{ratio[0]:>8.1f}{cpu:>10.2f}{ratio[1]:>8.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
