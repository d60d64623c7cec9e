"""`express compile`: the transition table and the figures of a program."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from express.cli import main
from express.docs.samples import shipped


def show(what: str, workflow: str) -> list[str]:
    file = str(shipped(f"workflows/{workflow}.asl.json"))
    result = CliRunner().invoke(main, ["compile", file, "--show", what])
    assert result.exit_code == 0
    return result.stdout.splitlines()


def test_table_has_a_line_per_state() -> None:
    """Each state is a line with kind, next, retriers and catchers; branches and item processors are indented."""
    lines = show("table", "document-processing")

    assert lines[0].split() == ["step", "state", "kind", "next", "retry", "catch"]
    assert lines[1].split() == [">0", "Extract", "Map", "1", "States.ALL", "→", "7"]
    assert lines[3].split() == [">0", "Read", "page", "Task", "end", "ReaderBusy", "×3"]
    assert [line.strip() for line in lines if "branch" in line] == ["branch 0", "branch 1", "branch 2"]
    assert len(lines) == 1 + 13 + 4


def test_resources_are_listed_once() -> None:
    """What the tasks call, each once."""
    assert show("resources", "iot-routing") == ["arn:aws:lambda:us-east-1:123456789012:function:score"]


def test_summary() -> None:
    """The figures of a program: states, size, timeout, resources."""
    assert [line.split()[1] for line in show("summary", "iot-routing")][::4] == ["EXPRESS", "1"]
    assert "states       6" in show("summary", "iot-routing")


def test_a_broken_definition_is_shown(tmp_path: Path) -> None:
    """What can't be compiled is explained on stderr and ends with 1."""
    file = tmp_path / "x.asl.json"
    file.write_text('{"StartAt": "A", "States": {}}')
    result = CliRunner().invoke(main, ["compile", str(file)])

    assert (result.exit_code, result.stdout) == (1, "")
    assert "x.asl.json:1:" in result.stderr


def test_source_shows_the_segments() -> None:
    """The generated Python, with a comment per state that says where it came from."""
    lines = show("source", "iot-routing")
    assert any(line.startswith("def enter_0(") for line in lines)
    assert any(line.strip().startswith("# '") for line in lines)
