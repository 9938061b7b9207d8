"""Checks that programs start on the distributions that releases support.

    python tools/glibc.py [--at-most VERSION] FILE ...

2.34 is the glibc of Amazon Linux 2023, RHEL 9 and (as the oldest that has it) Ubuntu 22.04; Debian 12 has a newer one. A
program that is built where glibc is newer may need symbols that these do not have, and then does not start.
"""

import re
import subprocess
import sys

OLDEST = "2.34"


def needed(symbols):
    """Returns the versions of glibc in the output of `objdump -T`, each with a symbol that needs it, newest first."""
    versions = {}
    for line in symbols.splitlines():
        if found := re.search(r"\*UND\*.*GLIBC_(\d+(?:\.\d+)+)\)?\s+(\S+)$", line):
            versions.setdefault(tuple(map(int, found[1].split("."))), found[2])
    return sorted(versions.items(), reverse=True)


def check(symbols, at_most, name):
    """Returns the sentence of what is wrong, or None."""
    found = needed(symbols)
    if not found:
        return f"Cannot read from {name} which glibc it needs: objdump names no version. Is it a dynamic ELF program?"
    newest, symbol = found[0]
    if newest <= tuple(map(int, at_most.split("."))):
        return None
    version = ".".join(map(str, newest))
    return (
        f"{name} needs glibc {version} (for {symbol}), but releases must start with glibc {at_most}. Build it where glibc is"
        " older: in the container amazonlinux:2023, or on Ubuntu 22.04."
    )


def main():
    arguments = sys.argv[1:]
    at_most = OLDEST
    if arguments[:1] == ["--at-most"] and len(arguments) > 1:
        at_most, arguments = arguments[1], arguments[2:]
    if not arguments or not re.fullmatch(r"\d+(\.\d+)+", at_most):
        sys.exit(__doc__)
    for name in arguments:
        result = subprocess.run(["objdump", "-T", name], capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"Cannot read {name}: {result.stderr.strip()}")
        if wrong := check(result.stdout, at_most, name):
            sys.exit(wrong)


if __name__ == "__main__":
    main()
