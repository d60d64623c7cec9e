"""Every example of every page does what the page shows.

Commands are run, page by page, in a folder that has the page's files, and what they print is compared with the page.
Configurations load, definitions and templates have no finding; what is checked elsewhere says where.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from express.asl.lint import lint
from express.config import load
from express.docs.pages import FOLDER
from tests.docs.blocks import Block, blocks
from tests.docs.terminal import Shell, Terminal, commands, comparable, pattern

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(FOLDER.glob("*.md")), ROOT / "README.md"]
ALL = [block for page in PAGES for block in blocks(page)]
PORTS = ("9092", "9464", "8083", "5000")
"""Ports that pages name: each run uses free ones in their place."""

PROGRAMS = {
    "express": "-m express",
    "pytest": "-m pytest",
    "python": "",
    "moto_server": "-m moto.server",
    "aws": "-m awscli",
}
"""What a user who has installed express and the packages of a page can call."""

pytestmark = pytest.mark.timeout(600, func_only=True)


def of(kind: str) -> list[Block]:
    """Return the blocks of a kind."""
    return [block for block in ALL if block.kind == kind]


def each(*kinds: str) -> pytest.MarkDecorator:
    """Parametrize a test with the blocks of some kinds."""
    found = [block for kind in kinds for block in of(kind)]
    return pytest.mark.parametrize("block", found, ids=lambda block: block.place)


def test_every_example_is_checked() -> None:
    """No block is of a kind that nothing checks, and no code hides in indented lines."""
    known = {"file", "session", "elsewhere", "toml", "json"}
    assert [block.place for block in ALL if block.kind not in known] == []
    for page in PAGES:
        outside = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        assert re.findall(r"\n\n    \S.*", outside) == [], page.name


@each("elsewhere")
def test_what_checks_an_example_is_there(block: Block) -> None:
    """The test that a comment names reads this page, or the README's command."""
    file, _, test = block.marks["checked by"].partition("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not test or f"def {test}(" in text
    assert block.page.name in text or file.startswith(".ci/")


@each("toml")
def test_a_configuration_loads(block: Block, tmp_path: Path) -> None:
    """Keys, values and what must fit together are right; the files it names need not be there."""
    (tmp_path / "express.toml").write_text(block.text, encoding="utf-8")
    load([tmp_path / "express.toml"], environ={"HOSTNAME": "worker-0"})


@each("json")
def test_a_definition_has_no_finding(block: Block) -> None:
    """A state machine, or a single state of one."""
    shown = json.loads(block.text)
    if "StartAt" not in shown:
        shown = {"StartAt": "Shown", "States": {"Shown": shown}}
    assert lint(shown) == []


class Machine:
    """A folder with the files of a page, its shell, and its terminals."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "page"
        self.folder.mkdir()
        (self.folder / "config").symlink_to(ROOT / "config")
        self._ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self._environ = environment(folder) | {
            "EXPRESS_METRICS__PORT": self._ports["9464"],
            "EXPRESS_API__PORT": self._ports["8083"],
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._ports['5000']}",
        }
        self._logs = folder
        self._shell = Shell(self.folder, self._environ)
        self._terminals: dict[str, Terminal] = {}

    def write(self, block: Block) -> None:
        """Write the file that a block shows."""
        file = self.folder / block.file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self._with_free_ports(block.text), encoding="utf-8")

    def run(self, block: Block) -> None:
        """Run the commands of a block, and compare what they print."""
        name, _, key = block.marks.get("terminal", "").partition(", ")
        if key:
            self._terminals[name].interrupt(self._with_free_ports(block.text))
            return
        session = list(commands(block.text))
        for number, (command, shown) in enumerate(session):
            if name:
                self._open(name, command, shown)
                continue
            code, printed = self._shell.run(self._with_free_ports(command))
            wanted = pattern(self._with_free_ports(shown))
            assert re.fullmatch(wanted, comparable(printed)), f"{block.place}: {command}\n{printed}"
            explained = session[number + 1 : number + 2] and session[number + 1][0] == "echo $?"
            assert code == 0 or explained, f"{block.place}: {command} ended with {code}\n{printed}"

    def close(self) -> None:
        """End everything."""
        for terminal in self._terminals.values():
            terminal.close()
        self._shell.close()

    def _open(self, name: str, command: str, shown: str) -> None:
        log = self._logs / f"{name}.log"
        self._terminals[name] = Terminal(self._with_free_ports(command), self.folder, self._environ, log)
        self._terminals[name].wait_for(self._with_free_ports(shown))

    def _with_free_ports(self, text: str) -> str:
        return re.sub(rf"\b(?:{'|'.join(PORTS)})\b", lambda match: self._ports[match[0]], text)


def environment(folder: Path) -> dict[str, str]:
    """Return the variables of a user who has installed express, and nothing else."""
    programs = folder / "bin"
    programs.mkdir()
    for name, arguments in PROGRAMS.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
        (programs / name).chmod(0o755)
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "LC_ALL") if key in os.environ}
    return {
        **kept,
        "PATH": f"{programs}:{kept['PATH']}",
        "HOME": str(folder),
        "TERM": "dumb",
        "NO_COLOR": "1",
        "COLUMNS": "110",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "-p express.testing.plugin -p no:cacheprovider",
    }


def free_ports(count: int) -> list[str]:
    """Return ports that nothing listens on."""
    with_them = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [str(server.getsockname()[1]) for server in with_them]
    for server in with_them:
        server.close()
    return found


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine to run a page on."""
    made = Machine(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.page == page for block in of("session"))], ids=lambda page: page.name
)
def test_commands_print_what_is_shown(page: Path, machine: Machine) -> None:
    """Times apart, the text is the same; a command fails only where the page shows its exit code."""
    if shutil.which("bash") is None:
        pytest.skip("the shell of the examples is bash")
    for block in blocks(page):
        if block.kind == "file":
            machine.write(block)
        elif block.kind == "session":
            machine.run(block)
