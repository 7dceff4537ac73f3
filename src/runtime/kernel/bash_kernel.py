"""bash as an interpreter of cells: an interactive shell without a terminal, so that an interrupt ends the cell and not the shell.

A cell is one command line, an `eval` whose streams are those of the cells' programs; the line behind it tells how it ended
and is read whatever became of the first. `exit` ends the cell alone: it says so and interrupts the shell. What else ends a shell
(`exec`, a failure under `set -e`) ends this one, and the next cell gets a new one.
"""
import shlex
import subprocess

from .external_interpreter import Ends, ExternalInterpreter, Launch
from .session import Session

_GREETING = """
unset HISTFILE; set +o history +o histexpand; PS1= PS2= PROMPT_COMMAND=
__isla_status=0
__isla_was() { return "$__isla_status"; }
exit() {
  local status=${1:-$?}
  [ "$BASHPID" = "$$" ] || builtin exit "$status"
  __isla_exit=$status
  kill -INT "$$"
  builtin exit "$status"
}
"""
_BREAKS = " \t\n\"'`@><=;|&("


class Bash:
    def __init__(self, path: str) -> None:
        self._path = path

    def launch(self, ends: Ends) -> Launch:
        # What the shell itself says, prompts and notices of jobs, is nobody's.
        argv = [self._path, "--noprofile", "--norc", "--noediting", "-i"]
        passed = (ends.stdin, ends.stdout, ends.stderr, ends.answers)
        return Launch(argv, ends.commands, subprocess.DEVNULL, subprocess.DEVNULL, passed)

    def greeting(self, ends: Ends) -> bytes:
        return _GREETING.encode()

    def cell(self, code: str, ends: Ends) -> bytes:
        text = shlex.quote(code.replace("\0", ""))
        streams = f"0<&{ends.stdin} 1>&{ends.stdout} 2>&{ends.stderr}"
        closed = " ".join(f"{fd}>&-" for fd in (ends.stdin, ends.stdout, ends.stderr, ends.answers))
        tell = f'__isla_status=${{__isla_exit:-$?}}; unset __isla_exit; printf \'{{"finished":%d}}\\n\' "$__isla_status" >&{ends.answers}'
        begin = f'printf \'{{"begun":true}}\\n\' >&{ends.answers}; __isla_was'
        return f"{begin}; eval -- {text} {streams} {closed}\n{tell}\n".encode("utf-8", "replace")

    def completion(self, code: str, cursor: int, ends: Ends) -> "bytes | None":
        start = cursor
        while start > 0 and code[start - 1] not in _BREAKS:
            start -= 1
        word = code[start:cursor]
        before = code[:start].rstrip(" \t")
        if word.startswith("$"):
            start += 1
            names = f"compgen -A variable -- {shlex.quote(word[1:])}"
        elif before == "" or before[-1] in "\n;|&(`":
            names = f"{{ compgen -A function -A alias -A builtin -A keyword -c -- {shlex.quote(word)}; compgen -A file -- {shlex.quote(word)}; }}"
        else:
            names = f"compgen -A file -- {shlex.quote(word)}"
        # Names that would have to be quoted in JSON are left out.
        listed = f"$({names} 2>/dev/null | LC_ALL=C grep -v '[\"\\\\[:cntrl:]]' | LC_ALL=C sort -u | head -n 200)"
        answer = f'{{"completions":["%s"],"start":{start},"end":{cursor}}}\\n'
        return (
            f'__isla_found={listed}; printf {shlex.quote(answer)} "${{__isla_found//$\'\\n\'/\\",\\"}}" >&{ends.answers}; unset __isla_found\n'
        ).encode("utf-8", "replace")


def start(session: Session) -> ExternalInterpreter:
    return ExternalInterpreter(session, Bash(session.runner.facts["kernel"]["path"]))
