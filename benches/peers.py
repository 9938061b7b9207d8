"""Compares the CPU time of the function's scan with that of common tools, over the same files in the same run.

    python3 benches/peers.py BENCHES

BENCHES is the built benchmark. A tool that is not installed is skipped with a message.
"""

import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 3
PYTHON = """
import glob, gzip, json, sys
for name in glob.glob(sys.argv[1] + "/*.gz"):
    with gzip.open(name) as file:
        for record in json.load(file)["Records"]:
            if record["eventSource"] == "iam.amazonaws.com" and record["eventName"].startswith("Attach"):
                if "AWSCompromisedKeyQuarantine" in (record.get("requestParameters") or {}).get("policyArn", ""):
                    print(name)
"""
JQ = """.Records[] | select(.eventSource == "iam.amazonaws.com" and (.eventName | startswith("Attach"))
  and (.requestParameters.policyArn // "" | contains("AWSCompromisedKeyQuarantine"))) | input_filename"""


def cpu(*command):
    """Runs a program. Returns its CPU time in seconds, including its children."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):  # grep exits with 1 if it finds nothing
        sys.exit(f"{command[0]} exited with status {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def main(benches):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([benches, "made", folder], check=True)
        files = [str(file) for file in pathlib.Path(folder).iterdir()]
        tools = {
            "libdeflate alone (the limit)": [benches, "limit", folder],
            "quarantine-alert": [benches, "scan", folder],
            "rg -z": ["rg", "-z", "-l", "CompromisedKeyQuarantine", folder],
            "zgrep": ["zgrep", "-l", "CompromisedKeyQuarantine", *files],
            "Python, gzip and json": [sys.executable, "-c", PYTHON, folder],
            "zcat | jq": ["sh", "-c", 'zcat "$1"/*.gz | jq -r "$2"', "sh", folder, JQ],
        }
        for name in [name for name, command in tools.items() if name == "rg -z" or "jq" in name]:
            if not shutil.which(name.split()[-1] if "jq" in name else "rg"):
                print(f"{name} is skipped: not installed")
                del tools[name]
        times = {name: [] for name in tools}
        for _ in range(ROUNDS):
            for name, command in tools.items():
                times[name].append(cpu(*command))
    limit = times["libdeflate alone (the limit)"]
    print(f"CPU time over {len(files)} log files, ratio to the limit: median (minimum to maximum) of {ROUNDS} rounds")
    for name, seconds in times.items():
        ratios = sorted(ours / theirs for ours, theirs in zip(seconds, limit))
        print(f"  {name:<30}{statistics.median(ratios):>7.1f}  ({ratios[0]:.1f} to {ratios[-1]:.1f})")
    ratios = sorted(python / ours for python, ours in zip(times["Python, gzip and json"], times["quarantine-alert"]))
    print(f"Python with gzip and json takes {statistics.median(ratios):.1f} times the CPU time of quarantine-alert")


if __name__ == "__main__":
    main(*sys.argv[1:])
