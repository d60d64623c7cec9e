"""Numbers, files and configurations beyond what can be held: each is refused with a sentence, none with a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from express.cli import main

from .conftest import Run, load

MACHINE = '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'


KINDS = ("integer", "float", "integer range", "float range")


def numeric() -> list[tuple[str, str]]:
    """Command and option of every number that a command line has."""
    import click

    from express.cli import COMMANDS

    found = []
    stack: list[tuple[str, click.Command]] = [(name, load(name)) for name in COMMANDS]
    while stack:
        name, command = stack.pop()
        if isinstance(command, click.Group):
            stack += [(f"{name} {inner}", part) for inner, part in command.commands.items()]
        numbers = [option for option in command.params if option.type.name in KINDS]
        found += [(name, option.opts[-1]) for option in numbers]
    return sorted(found)


@pytest.mark.parametrize("value", ["9" * 400, "nan", "inf", "-1"])
@pytest.mark.parametrize(("command", "option"), numeric())
def test_every_number_has_its_bounds(run: Run, command: str, option: str, value: str) -> None:
    """Whatever command takes it: one that nothing could hold, or that is none, is wrong usage."""
    Path("w.json").write_text(MACHINE)
    if (option, value) == ("--seed", "-1"):
        return
    done = run(*command.split(), *(["w.json"] if command == "bench run" else []), option, value)
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output


def test_there_are_numbers_to_try() -> None:
    """The table is that of the commands themselves."""
    assert main.name is not None
    assert len(numeric()) >= 15


@pytest.mark.parametrize(
    "arguments",
    [
        ("--event-bytes", "9999999999"),
        ("--event-bytes", "1KiB..9999999999"),
        ("--event-bytes", "9" * 5000),
        ("--event-bytes", "lognormal:1KiB..99GiB"),
        ("--rate", "9" * 400),
        ("--rate", "1:999999999999/1s"),
        ("--duration", "9" * 400 + "h"),
        ("--drain", "99999999h"),
        ("--rate", "100/" + "9" * 400 + "h"),
    ],
)
def test_a_load_that_nothing_could_make_is_refused(run: Run, arguments: tuple[str, str]) -> None:
    """Sizes, rates and times too, which are texts on a command line."""
    Path("w.json").write_text(MACHINE)
    done = run("bench", "run", "w.json", "--input", "orders", "-d", "1s", *arguments)
    assert done.exit_code in (2, 104), done.output
    assert "Traceback" not in done.output


DEEP = 3000
CONFIGURATIONS = {
    "arrays": "x = " + "[" * DEEP + "]" * DEEP,
    "open arrays": "x = [\n" + "[\n" * 20_000,
    "inline tables": "x = " + "{a=" * DEEP + "1" + "}" * DEEP,
    "table": "[" + ".".join(["a"] * DEEP) + "]\nx = 1",
    "dotted": ".".join(["a"] * DEEP) + " = 1",
    "hundred arrays": "x = " + "[" * 100 + "]" * 100,
    "many keys": "\n".join(f"k{n} = 1" for n in range(20_000)),
    "long array": "x = [\n" + "1,\n" * 50_000 + "]",
    "long text": 'x = """\n' + "a\n" * 100_000 + '"""',
    "large": "# " + "x" * 2_000_000,
}


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_a_configuration_is_bounded(run: Run, kind: str) -> None:
    """Nested, long or full of mistakes: told with the file, in time that grows with its length."""
    Path("c.toml").write_text(CONFIGURATIONS[kind])
    done = run("config", "show", "-c", "c.toml")
    assert done.exit_code == 104, done.output
    assert "c.toml" in done.stderr
    assert len(done.stderr) < 50_000


@pytest.mark.parametrize("setting", ["x=" + "[" * DEEP + "]" * DEEP, ".".join(["a"] * DEEP) + "=1"])
def test_a_setting_is_bounded(run: Run, setting: str) -> None:
    """As a file is."""
    done = run("config", "show", "--set", setting)
    assert done.exit_code == 104, done.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("exec", "/dev/zero"),
        ("compile", "/dev/zero"),
        ("validate", "/dev/zero"),
        ("deploy", "/dev/zero"),
        ("exec", "w.json", "-i", "@/dev/zero"),
        ("exec", "w.json", "--mock", "/dev/zero"),
        ("exec", "w.json", "-c", "/dev/zero"),
        ("exec", "deep.json"),
        ("exec", "w.json", "--mock", "deep.json"),
        ("exec", "w.json", "-i", "@deep.json"),
        ("validate", "deep.json"),
        ("validate", "deep.yaml"),
        ("compile", "deep.json"),
    ],
    ids=" ".join,
)
def test_a_file_is_bounded(run: Run, arguments: tuple[str, ...]) -> None:
    """A device that never ends, and JSON or YAML of a hundred thousand levels, end as a sentence."""
    Path("w.json").write_text(MACHINE)
    Path("deep.json").write_text('{"a":' * 100_000)
    Path("deep.yaml").write_text("- " * 100_000)
    done = run(*arguments)
    assert done.exit_code in (1, 2, 104), done.output
    assert "Traceback" not in done.output


def test_a_folder_with_a_pipe_is_searched(run: Run, tmp_path: Path) -> None:
    """What is no regular file is passed over."""
    import os

    os.mkfifo("pipe.json")
    Path("w.json").write_text(json.dumps(json.loads(MACHINE)))
    assert run("validate", ".").exit_code == 0
