"""Runs a command on a terminal of so many columns, and prints what it has shown.

    python terminal.py COLUMNS COMMAND…
"""

import fcntl
import os
import pty
import struct
import sys
import termios

columns, command = int(sys.argv[1]), sys.argv[2:]
process, terminal = pty.fork()
if process == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    os.execve(command[0], command, {"TERM": "xterm"})
shown = b""
while True:
    try:
        part = os.read(terminal, 65536)
    except OSError:  # Linux's way to say that the other side is closed.
        break
    if not part:
        break
    shown += part
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
