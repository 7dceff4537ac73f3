"""Types into a program on a terminal of its own, each time once the screen shows what it should.

type-and-see.py STEPS PROGRAM [ARGUMENT...]: STEPS is JSON, a list of [SEE, TYPE]: TYPE is typed once SEE has appeared
behind what was seen before. Then the program must end by itself. Prints JSON, {"status", "screen"}; exit status 1, with
what was there, if something did not appear within a minute. Colours and movements of the cursor are left out.
"""

import json
import os
import pty
import re
import select
import sys
import time

WITHIN_S = 60 * float(os.environ.get("ISLA_TEST_PATIENCE", "1"))
ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[=>]|\][^\x07]*\x07)")


def main(steps: str, *program: str) -> int:
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(program[0], program)
    screen = Screen(terminal, time.monotonic() + WITHIN_S)
    for see, keys in json.loads(steps):
        if not screen.wait_for(see):
            print(f"{see!r} did not appear; there was:\n{screen.text}")
            os.close(terminal)
            os.waitpid(child, 0)
            return 1
        os.write(terminal, keys.encode())
    screen.wait_for_end()
    _, status = os.waitpid(child, 0)
    json.dump({"status": os.waitstatus_to_exitcode(status), "screen": screen.text.replace("\r", "")}, sys.stdout)
    return 0


class Screen:
    def __init__(self, terminal: int, deadline: float) -> None:
        self.terminal = terminal
        self.deadline = deadline
        self.text = ""
        self.seen = 0

    def wait_for(self, expected: str) -> bool:
        while (at := self.text.find(expected, self.seen)) == -1:
            if not self.read():
                return False
        self.seen = at + len(expected)
        return True

    def wait_for_end(self) -> None:
        while self.read():
            pass

    def read(self) -> bool:
        left_s = self.deadline - time.monotonic()
        if left_s <= 0 or not select.select([self.terminal], [], [], left_s)[0]:
            return False
        try:
            piece = os.read(self.terminal, 65536).decode(errors="replace")
        except OSError:  # The program has closed it.
            return False
        self.text = ESCAPES.sub("", self.text + piece)
        return piece != ""


sys.exit(main(*sys.argv[1:]))
