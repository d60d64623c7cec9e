"""The documentation agrees with the code: tables, tests it names, links, and what it says of files."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import express.cli
from express.cli import COMMANDS
from express.config import load
from express.config.schema import MEANINGS, keys, sections
from express.docs.samples import shipped
from tests.docs.cli_reference import commands
from tests.docs.tables import PAGES, filled, marked

ROOT = Path(__file__).parents[2]
ALL = sorted([*PAGES.glob("*.md"), ROOT / "README.md"])


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_tables_are_the_codes(page: Path) -> None:
    """Every marked table is what the code makes; `python -m tests.docs` writes them anew."""
    text = page.read_text(encoding="utf-8")

    assert filled(text) == text


def test_every_key_is_described() -> None:
    """Each configuration key has its meaning, none is described that is not there, and the page has all sections."""
    assert {key.name for key in keys()} == set(MEANINGS)
    assert marked((PAGES / "configuration.md").read_text(encoding="utf-8")) == sections()


def test_every_command_and_exit_code_is_listed() -> None:
    """The reference has a heading for each command, and a row for each exit code."""
    text = (PAGES / "cli.md").read_text(encoding="utf-8")

    assert re.findall(r"^## (express .*)$", text, re.MULTILINE) == sorted(commands())
    assert set(COMMANDS) == {name.split()[1] for name in commands()}
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert documented == {code for name, code in vars(express.cli).items() if name.startswith("EXIT_")}


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file that is there."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_named_tests_exist() -> None:
    """Each test that a promise names is there."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (PAGES / "guarantees.md").read_text(encoding="utf-8"))

    assert named
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), test


def spans(page: Path) -> set[str]:
    """Return what stands in backticks on a page, outside of its blocks."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {span.strip() for span in re.findall(r"`([^`]+)`", text)}


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_named_keys_exist(page: Path) -> None:
    """Each configuration key that a page names is one, those of a pipeline with or without its section."""
    known = {key.name for key in keys()}
    known |= {name.removeprefix("pipelines.*.") for name in known}
    first = "|".join([*sections(), "input", "results", "logging"])
    named = {span.split(" = ")[0] for span in spans(page) if re.fullmatch(rf"(?:{first})\.[\w*….]+(?: = .*)?", span)}
    files = {name for name in named if re.search(r"\.(?:md|asl|json|toml|py|log)$", name)}
    wrong = [name for name in named - files if not any(fits(name, key) for key in known)]
    assert wrong == []


def fits(name: str, key: str) -> bool:
    """Whether a name as it is written can be a key, a table of keys, or a property of the Kafka client."""
    free = re.escape(name).replace("…", "[^.]+").replace(r"\*", "[^.]+")
    return re.fullmatch(rf"{free}(?:\..*)?", key) is not None or name.startswith("kafka.client.")


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_named_metrics_exist(page: Path) -> None:
    """Each metric that a page names is in the table of metrics, as a whole or as a beginning."""
    table = (PAGES / "metrics.md").read_text(encoding="utf-8")
    known = re.findall(r"^\| `(express_\w+)` \|", table, re.MULTILINE)
    named = {span.rstrip("…") for span in spans(page) if re.fullmatch(r"express_(?!run$)\w+…?", span)}
    assert [name for name in named if not any(metric.startswith(name) for metric in known)] == []


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_named_options_exist(page: Path) -> None:
    """Each option that a page names is one of a command, of the pytest plugin, of a benchmark or of a test's module."""
    named = {option for span in spans(page) for option in re.findall(r"(?:^| )(--[a-z][a-z-]+)", span)}
    assert named - options() - {"--numprocesses"} == set()


@cache
def options() -> frozenset[str]:
    """Return every option in the repository."""
    sources = [file for folder in ("express", "benchmarks", "tests") for file in (ROOT / folder).rglob("*.py")]
    return frozenset(
        option for file in sources for option in re.findall(r'["/](--[a-z][a-z-]+)', file.read_text("utf-8"))
    )


def test_named_modules_exist() -> None:
    """Each `python -m` that a page names can be run in the repository."""
    named = {name for page in ALL for name in re.findall(r"python -m ([\w.]+)", page.read_text(encoding="utf-8"))}

    assert {"benchmarks.engine", "tests.docs"} <= named
    for name in named:
        path = ROOT.joinpath(*name.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), name


def test_the_shipped_configuration_names_defaults_truly() -> None:
    """What stands commented out in the shipped file is the default, as the file says."""
    text = shipped("express.toml").read_text(encoding="utf-8")
    section, commented = "", []
    for line in text.splitlines():
        if header := re.match(r"\[+([\w.]+)\]+", line):
            section = header[1]
        elif (entry := re.match(r"# (\w+) = ([^#]+?)\s*(#.*)?$", line)) and section not in (
            "functions",
            "kafka.client",
        ):
            commented.append((section.replace("pipelines", "pipelines.*"), entry[1], entry[2]))
    defaults = {key.name: key.default for key in keys()}

    assert len(commented) > 15
    for section, key, value in commented:
        if (section, key) != ("metering", "prices"):
            assert defaults[f"{section}.{key}"] == value, (section, key)


def test_the_shipped_configuration_is_valid() -> None:
    """The shipped file loads as it is, and with its profile."""
    assert load([shipped("express.toml")], environ={}).config.kafka.group == "express"
    assert load([shipped("express.toml")], environ={}, profile="local").config.kafka.group == "express-local"


def test_optional_parts_are_not_imported() -> None:
    """A worker's modules import no command line and no web server: they cost memory in every process."""
    code = "import sys, express.service.worker; print(*({'click', 'rich', 'aiohttp'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert answer.stdout.strip() == ""


def test_the_readmes_commands_exist() -> None:
    """Every `express` command that the README names is there, with the options it is shown with."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"express (\w+)", text)) & set(COMMANDS)

    assert named >= {"dev", "run", "exec", "bench", "docs"}
    assert set(re.findall(r"`express (\w+)", text)) <= set(COMMANDS)
