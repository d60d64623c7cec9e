"""Results and messages that can't be written: one sentence or none, never a traceback, and the right exit code."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

GOOD = '{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}'
BAD = GOOD.replace('"Pass"', '"Pas"')
COMMANDS = [
    ["exec", "good.asl.json", "-i", "{}"],
    ["validate", "bad.asl.json"],
    ["compile", "good.asl.json"],
    ["config", "show"],
    ["docs", "events"],
    ["--help"],
    ["--version"],
]
SENTENCE = b"express: the output can't be written: No space left on device\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the definitions are."""
    (tmp_path / "good.asl.json").write_text(GOOD)
    (tmp_path / "bad.asl.json").write_text(BAD)
    return tmp_path


@contextlib.contextmanager
def unread() -> Iterator[int]:
    """A pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


def run(folder: Path, arguments: list[str], **streams: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "express", *arguments]
    return subprocess.run(command, cwd=folder, check=False, **{"stderr": subprocess.PIPE, **streams})  # type: ignore[call-overload,no-any-return]


def shell(folder: Path, arguments: list[str], redirection: str) -> subprocess.CompletedProcess[bytes]:
    """The same with a redirection of the shell's."""
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "express", *arguments]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_result_that_finds_no_room_is_a_sentence(folder: Path, arguments: list[str]) -> None:
    """A full disk under stdout: 74, whatever the command has to say, for nobody can read it."""
    with Path("/dev/full").open("wb") as full:
        ended = run(folder, arguments, stdout=full)

    assert ended.stderr.endswith(SENTENCE)
    assert b"Traceback" not in ended.stderr
    assert ended.returncode == 74


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_reader_that_has_gone_is_not_worth_a_word(folder: Path, arguments: list[str]) -> None:
    """`| head` took what it wanted: the status of SIGPIPE, as of any tool, and no message about it."""
    with unread() as nobody:
        ended = run(folder, arguments, stdout=nobody)

    assert b"Traceback" not in ended.stderr
    assert b"ipe" not in ended.stderr.replace(b"Pipe", b"")
    assert ended.returncode == 141


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "2>&- <&-"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["exec", "good.asl.json", "-i", "{}"], 0),
        (["validate", "bad.asl.json"], 1),
        (["validate", "none.asl.json"], 2),
        (["run", "-c", "none.toml"], 104),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_messages_that_nobody_reads_change_nothing(
    folder: Path, arguments: list[str], code: int, redirection: str
) -> None:
    """The result is there and the exit code says what it always does."""
    ended, told = shell(folder, arguments, redirection), shell(folder, arguments, "")

    assert (ended.returncode, ended.stdout) == (code, told.stdout) == (told.returncode, ended.stdout)
    assert ended.stderr == b""


def test_both_streams_on_a_full_disk(folder: Path) -> None:
    """Nothing can be said, but the exit code."""
    assert shell(folder, ["validate", "bad.asl.json"], ">/dev/full 2>&1").returncode == 74


def test_a_closed_stdout_is_nobody_elses(folder: Path) -> None:
    """What is printed gets into no file that the command opens meanwhile."""
    ended = shell(folder, ["exec", "good.asl.json", "-i", "{}"], ">&-")

    assert (ended.returncode, ended.stdout) == (0, b"")
    assert b"Traceback" not in ended.stderr
