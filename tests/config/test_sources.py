"""Further places that settings come from: `.env` files and `[tool.express]` of a pyproject.toml."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.config import load
from express.config.dotenv import add_to, parse
from express.errors import ConfigError

PYPROJECT = """\
[project]
name = "shop"
description = "${NOT_OURS}"

[tool.express.kafka]
group = "shop"

[[tool.express.pipelines]]
name = "orders"
topics = ["orders"]
workflow = "flows/order.asl.json"
output = "results"
dead_letter = "dead"

[tool.express.profile.staging.kafka]
group = "shop-staging"
"""


def express(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **variables}
    return subprocess.run(
        [sys.executable, "-m", "express", *arguments], capture_output=True, text=True, check=False, cwd=cwd, env=environ
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=1", "1"),
        ("  export A = one two  ", "one two"),
        ("A=", ""),
        ("A=a#b # not this", "a#b"),
        ("A='a # $b \\n'", "a # $b \\n"),
        ('A="a # \\"b\\"\\n\\\\"  # c', 'a # "b"\n\\'),
        ("A=p$ss\\w", "p$ss\\w"),
        ("# c\n\nA=1\nA=2", "2"),
    ],
)
def test_values(text: str, value: str) -> None:
    """Quotes, comments, blanks; the last of several wins; nothing is substituted."""
    assert parse(text)["A"][0] == value


@pytest.mark.parametrize("line", ["A", "1A=x", "A='x", 'A="x', "A=x'y", "A-B=1", "=1"])
def test_what_is_no_assignment(line: str) -> None:
    """A broken line is an error with its place, not a value that somebody guessed."""
    with pytest.raises(ConfigError, match=r"local\.env:2: expected NAME=value"):
        parse(f"B=1\n{line}", "local.env")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\\'\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")))
def test_what_is_quoted_comes_back(value: str) -> None:
    """Any line of text between single quotes is itself."""
    assert parse(f"A='{value}'") == {"A": (value, 1)}


def test_the_environment_wins(tmp_path: Path) -> None:
    """A variable that is there already keeps its value."""
    (tmp_path / ".env").write_text("A=file\nB=file\n")
    environ = {"A": "there"}
    add_to(environ, tmp_path / ".env")

    assert environ == {"A": "there", "B": "file"}


def test_a_dotenv_here_is_read_by_every_command(tmp_path: Path) -> None:
    """Overrides, `${NAME}` in files, and origins with file and line; `-e` names other files instead."""
    (tmp_path / "express.toml").write_text('[kafka]\nbootstrap_servers = "${BROKER}"\n')
    (tmp_path / ".env").write_text("# local\nBROKER=kafka-1:9092\nEXPRESS_KAFKA__GROUP=mine\n")
    (tmp_path / "a.env").write_text("BROKER=kafka-2:9092\nEXPRESS_METRICS__PORT=1\n")
    (tmp_path / "b.env").write_text("BROKER=kafka-3:9092\n")
    here = express("config", "show", "--origin", cwd=tmp_path)
    named = express("-e", "a.env", "-e", "b.env", "config", "show", cwd=tmp_path, EXPRESS_METRICS__PORT="2")

    lines = {line.partition(" = ")[0]: line for line in here.stdout.splitlines()}
    assert '"kafka-1:9092"' in lines["kafka.bootstrap_servers"]
    assert '"mine"' in lines["kafka.group"]
    assert lines["kafka.group"].endswith("# .env:3: EXPRESS_KAFKA__GROUP")
    assert 'kafka.bootstrap_servers = "kafka-3:9092"' in named.stdout
    assert 'kafka.group = "express"' in named.stdout
    assert "metrics.port = 2" in named.stdout


def test_a_broken_dotenv_is_a_configuration_error(tmp_path: Path) -> None:
    """File and line on stderr, exit code 104."""
    (tmp_path / ".env").write_text("what is this\n")
    answer = express("config", "show", cwd=tmp_path)

    assert (answer.returncode, answer.stdout) == (104, "")
    assert answer.stderr == "express: .env:1: expected NAME=value, quotes in pairs\n"
    assert express("-e", "no.env", "config", "show", cwd=tmp_path).returncode == 104


def test_pyproject_is_read_where_there_is_no_file_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its table alone, profiles and all; paths start at its folder, origins name its lines."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    loaded = load(environ={})

    assert loaded.config.kafka.group == "shop"
    assert loaded.origin(("kafka", "group")) == "pyproject.toml:6"
    assert loaded.config.pipelines[0].workflow == str(tmp_path / "flows/order.asl.json")
    assert load(environ={}, profile="staging").config.kafka.group == "shop-staging"

    (tmp_path / "express.toml").write_text('[kafka]\ngroup = "own"\n')
    assert load(environ={}).config.kafka.group == "own"


@pytest.mark.parametrize("text", ["[project]\nname = 'x'\n", "broken", "[tool]\nexpress = 1\n"])
def test_somebody_elses_pyproject_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Without a table for us nothing is read, whatever it holds; named on purpose, that is an error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(text)

    assert load(environ={}).config.kafka.group == "express"
    with pytest.raises(ConfigError, match=r"pyproject\.toml"):
        load(["pyproject.toml"], environ={})


def test_mistakes_in_pyproject_have_their_line(tmp_path: Path) -> None:
    """The key is named as it is in a file of ours, the line is the pyproject's."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.replace("group = ", "grop = ", 1))
    with pytest.raises(ConfigError) as refusal:
        load([tmp_path / "pyproject.toml"], environ={})

    assert str(refusal.value) == f"{tmp_path / 'pyproject.toml'}:6: kafka.grop: unknown key; did you mean 'group'?"
