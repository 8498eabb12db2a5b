"""Runs a command on a pseudo-terminal of 24 lines and 80 columns: what it prints goes to standard output, standard input is typed.

SIGUSR1 closes the terminal as a person closes its window. SIGUSR2 holds its output up, as Ctrl-S does, and lets it go the next time. When
it is over, says on standard error how it ended and whether the terminal's modes are what they were.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios

LINES, COLUMNS = int(sys.argv[1]), int(sys.argv[2])


def main():
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    before = termios.tcgetattr(slave)
    child = os.fork()
    if child == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for stream in (0, 1, 2):
            os.dup2(slave, stream)
        os.close(master)
        os.environ["TERM"] = "xterm-256color"
        os.environ.pop("COLUMNS", None)
        # Whoever runs the tests may have them outlive a terminal (`nohup`), and this one is to be closed.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.execv(sys.argv[3], sys.argv[3:])
    print("pid", child, file=sys.stderr, flush=True)
    closing = []
    signal.signal(signal.SIGUSR1, lambda *_: closing.append(True))
    asked, held = [], 0
    signal.signal(signal.SIGUSR2, lambda *_: asked.append(True))
    typing, status = True, None
    while True:
        if closing:
            os.close(slave)
            os.close(master)
            _, status = os.waitpid(child, 0)
            break
        while held < len(asked):
            termios.tcflow(slave, (termios.TCOOFF, termios.TCOON)[held % 2])
            print(("held", "let go")[held % 2], file=sys.stderr, flush=True)
            held += 1
        ended = status is not None
        if not ended:
            reaped, how = os.waitpid(child, os.WNOHANG)
            status = how if reaped else None
        readable, _, _ = select.select([master] + ([0] if typing else []), [], [], 0.05)
        if master in readable:
            os.write(1, os.read(master, 65536))
        elif ended:
            break
        if 0 in readable:
            typed = os.read(0, 4096)
            typing = bool(typed)
            os.write(master, typed)
    if not closing:
        print("modes", "same" if termios.tcgetattr(slave) == before else "changed", file=sys.stderr)
    print("exit", os.waitstatus_to_exitcode(status), file=sys.stderr, flush=True)


main()
