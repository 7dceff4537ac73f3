"""Types into a shell on a terminal of its own, with a tab at the end, and waits until the screen shows what it should.

press-tab.py EXPECTED TYPED SETUP SHELL [ARGUMENT...]: exit status 0 once EXPECTED has appeared after TYPED; else prints
what was there after a minute. SETUP is typed first.
"""

import os
import pty
import re
import select
import sys
import time

WITHIN_S = 60
READY = "ready-to-complete"


def main(expected: str, typed: str, setup: str, *shell: str) -> int:
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(shell[0], shell)
    deadline = time.monotonic() + WITHIN_S
    screen = Screen(terminal, deadline)
    # In two pieces: what is typed is echoed, and must not be taken for the answer.
    os.write(terminal, f"{setup}; echo ready-to''-complete\r".encode())
    ready = screen.wait_for(READY)
    os.write(terminal, f"{typed}\t".encode())
    shown = ready and screen.wait_for(expected)
    if not shown:
        print(f"{expected!r} did not appear; there was:\n{screen.text}")
    os.write(terminal, b"\x03")
    os.write(terminal, b"exit\r")
    os.close(terminal)
    os.waitpid(child, 0)
    return 0 if shown else 1


class Screen:
    def __init__(self, terminal: int, deadline: float) -> None:
        self.terminal = terminal
        self.deadline = deadline
        self.text = ""
        self.seen = 0

    def wait_for(self, expected: str) -> bool:
        while (at := self.text.find(expected, self.seen)) == -1:
            left_s = self.deadline - time.monotonic()
            if left_s <= 0 or not select.select([self.terminal], [], [], left_s)[0]:
                return False
            try:
                piece = os.read(self.terminal, 65536).decode(errors="replace")
            except OSError:
                return False
            # Colours and movements of the cursor.
            self.text = re.sub(r"\x1b(\[[0-?]*[ -/]*[@-~]|[=>]|\][^\x07]*\x07)", "", self.text + piece)
        self.seen = at + len(expected)
        return True


sys.exit(main(*sys.argv[1:]))
