"""How many modules a record and a definition pass: counted where they run, and written into the architecture page."""

from __future__ import annotations

import asyncio
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from express.compiler import compile_definition
from express.devbroker import Broker
from express.errors import StatesError
from tests.runtime.test_delivery import flow

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "express" / "docs" / "architecture.md"

APART = ("express/devbroker/", "<")
"""The broker of the test runs in the same process; generated code is no module."""


@contextmanager
def walk() -> Iterator[dict[str, None]]:
    """The modules of express in which a function is called meanwhile, in the order of their first call."""
    seen: dict[str, None] = {}

    def note(frame: FrameType, event: str, argument: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(str(ROOT / "express")):
            name = file.removeprefix(f"{ROOT}/")
            if not name.startswith(APART):
                seen.setdefault(name)

    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(None)


async def passed(
    address: str,
    promise: str = "at_least_once",
    handler: Callable[[Any], Any] | None = None,
    value: bytes = b'{"n": 1}',
) -> dict[str, None]:
    """The modules that one record passes, from the poll that finds it to its commit; one like it went before it."""
    async with flow(address, promise, handler) as running:
        running.worker()
        await running.put(value)
        await running.until_terminal(1)
        await running.until_committed(lambda found: sum(at.offset for at in found.values()) >= 1)
        with walk() as seen:
            await running.put(value)
            await running.until_terminal(2)
            await running.until_committed(lambda found: sum(at.offset for at in found.values()) >= 2)
    return seen


def fail(data: Any) -> Any:
    """A task that fails, and nothing catches it."""
    raise StatesError("Refused", "It was refused")


async def await_(data: Any) -> Any:
    """A task that answers in a later turn of the loop."""
    await asyncio.sleep(0.01)
    return data


async def test_a_record_on_the_fast_path_passes_few_modules() -> None:
    """From fetch to commit, those of the client's patches included; the page names those that do the work."""
    async with Broker() as broker:
        seen = await passed(broker.address)

    assert len(seen) <= figure(r"passes (\d+)\nmodules from fetch to commit"), "\n".join(seen)
    assert named_in_the_walk() <= seen.keys()


@pytest.mark.parametrize(
    ("surprise", "told", "through"),
    [
        ({"handler": fail}, r"without a\nCatch passes (\d+)", "express/engine/interpreter.py"),
        ({"handler": await_}, r"whose task is awaited (\d+)", "express/runtime/executor/suspended.py"),
        ({"value": b"{"}, r"that is no JSON (\d+)", "express/runtime/records/terminal_writer.py"),
    ],
    ids=["a task fails", "a task is awaited", "no JSON"],
)
async def test_a_record_with_a_surprise_passes_no_more_modules_than_the_page_says(
    surprise: dict[str, Any], told: str, through: str
) -> None:
    """From fetch to commit, through the interpreter, through the executor, or to the dead letters."""
    async with Broker() as broker:
        seen = await passed(broker.address, **surprise)

    assert through in seen
    assert len(seen) <= figure(told), "\n".join(seen)


def figure(told: str) -> int:
    """A number that the page tells."""
    found = re.search(told, PAGE.read_text(encoding="utf-8"))
    assert found is not None, told
    return int(found[1])


def named_in_the_walk() -> set[str]:
    """The modules of the page's table."""
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition("<!-- walk: fast path -->")[2].partition("<!-- end -->")[0]
    return set(re.findall(r"`(express/[a-z_/]+\.py)`", table))


def test_a_definition_passes_no_more_modules_than_the_page_says() -> None:
    """From text to program, both tiers."""
    text = (ROOT / "config" / "workflows" / "iot-routing.asl.json").read_text(encoding="utf-8")
    with walk() as seen:
        compile_definition(text)

    assert len(seen) <= figure(r"a definition passes (\d+)"), "\n".join(seen)


@pytest.mark.parametrize("page", [PAGE, ROOT / ".github" / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    """Paths of files and folders, from the root, from the package, or from the folder that the line names."""
    missing = []
    for line in page.read_text(encoding="utf-8").splitlines():
        named = re.findall(r"`([a-z_.][\w./-]*(?:\.py|\.md|/|\.toml))`", line)
        folders = [name for name in re.findall(r"`([a-z_]+(?:/[a-z_]+)*)`", line) if (ROOT / "express" / name).is_dir()]
        for name in named:
            places = [ROOT, ROOT / "express", page.parent, *(ROOT / "express" / folder for folder in folders)]
            places += [folder for folder in (ROOT / "express").rglob("*") if folder.is_dir()] if "/" not in name else []
            if not any((place / name).exists() for place in places):
                missing.append(name)
    assert missing == []


def test_the_floors_are_the_contracts() -> None:
    """The picture in architecture.md names the floors of the import contract, from top to bottom."""
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"][
        0
    ]["layers"]
    drawn = PAGE.read_text(encoding="utf-8").partition("```text\n")[2].partition("```")[0].splitlines()
    names = [re.split(r"  +| \{", line)[0] for line in drawn if line.strip()]
    assert [name for name in names if name != "devbroker"] == layers


def test_the_page_names_every_patch_of_the_client() -> None:
    """A module that replaces a part of aiokafka, or reads its private state, has its place in the section about it."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## aiokafka\n")[2].partition("\n## ")[0]
    there = {file.name for file in (ROOT / "express" / "kafka" / "patches").glob("*.py")} - {"__init__.py"}

    assert set(re.findall(r"`([a-z_]+\.py)`", section)) == there
