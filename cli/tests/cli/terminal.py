"""Runs a command on a terminal of this width and prints its output. Once the terminal shows TEXT, presses Ctrl-C.

    python terminal.py COLUMNS TEXT COMMAND…
"""

import fcntl
import os
import pty
import struct
import sys
import termios

columns, text, command = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3:]
process, terminal = pty.fork()
if process == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    os.execve(command[0], command, {"TERM": "xterm"})
shown = b""
while True:
    try:
        part = os.read(terminal, 65536)
    except OSError:  # On Linux, the other side was closed.
        break
    if not part:
        break
    shown += part
    if text and text in shown:
        os.write(terminal, b"\x03")
        text = b""
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
