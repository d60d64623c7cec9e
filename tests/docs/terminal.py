"""Terminals in which the commands of a page run, and the comparison of what they print with what the page shows."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.patience import PATIENCE

_TIME = re.compile(r"\d[\d,.]*(?= ?(?:ns|µs|ms|s|MiB|MB)\b)")


def comparable(text: str) -> str:
    """Return text without what differs from run to run: times, and the widths of columns that hold them.

    >>> comparable("greet     0.78 ms  SUCCEEDED\\n")
    'greet  # ms  SUCCEEDED'
    """
    lines = [re.sub(r" {2,}|[─=_-]{4,}", "  ", line).rstrip() for line in _TIME.sub("#", text).splitlines()]
    return "\n".join(lines).strip("\n")


def pattern(shown: str) -> str:
    """Return the regular expression of a shown output: `…` stands for anything, on a line of its own for any lines.

    >>> bool(re.fullmatch(pattern("a …\\n…\\nz"), "a b\\nc\\nd\\nz"))
    True
    """
    whole = re.escape(comparable(shown))
    whole = re.sub(r"^…\\\n", r"(?:.*\\n)*", whole, flags=re.MULTILINE)
    return re.sub(r"\\\n…$", r"(?:\\n.*)*", whole).replace("…", ".*")


def commands(session: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a session with what is shown below it."""
    for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        end = next(number for number in range(1, len(lines) + 1) if _is_whole("".join(lines[:number])))
        yield "".join(lines[:end]).strip(), "".join(lines[end:])


def _is_whole(command: str) -> bool:
    """Whether a command goes on in no further line, after a backslash or within quotes."""
    try:
        shlex.split(command)
    except ValueError:
        return False
    return not command.endswith("\\\n")


class Shell:
    """A shell that keeps its variables from one command to the next."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environ,
            text=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """Run a command, and return its exit code and all that it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(
            f"{{ {command}\n}} </dev/null; code=$?; printf '\\n=ended %s\\n' $code; (exit $code)\n"
        )
        self._process.stdin.flush()
        printed: list[str] = []
        for line in self._process.stdout:
            if ended := re.match(r"=ended (\d+)$", line):
                return int(ended[1]), "".join(printed).removesuffix("\n")
            printed.append(line)
        raise AssertionError(f"the shell is gone after {command!r}: {''.join(printed)}")

    def close(self) -> None:
        """End the shell."""
        self._process.communicate()


class Terminal:
    """A terminal of its own for a command that goes on until Ctrl-C."""

    def __init__(self, command: str, folder: Path, environ: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as written:
            self._process = subprocess.Popen(
                ["bash", "--noprofile", "--norc", "-c", f"exec {command}"],
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environ,
                start_new_session=True,
            )

    def wait_for(self, shown: str) -> None:
        """Wait until the terminal shows this."""
        wanted = re.compile(pattern(shown))
        deadline = time.monotonic() + PATIENCE
        while not wanted.search(comparable(self._text())):
            ended = self._process.poll()
            if ended is not None or time.monotonic() > deadline:
                assert wanted.search(comparable(self._text())), f"exit code {ended}, printed:\n{self._text()}"
            time.sleep(0.02)

    def interrupt(self, shown: str) -> None:
        """Press Ctrl-C (shown as `^C`), wait for the end, and compare what was printed since."""
        before = len(self._text())
        os.killpg(self._process.pid, signal.SIGINT)
        code = self._process.wait(PATIENCE)
        printed = self._text()[before:]
        assert re.fullmatch(pattern(shown.removeprefix("^C")), comparable(printed)), printed
        assert code == 0, printed

    def close(self) -> None:
        """Kill what still runs."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _text(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")
