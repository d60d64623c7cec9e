"""What the suite promises of itself: a single file runs at once, and no test fails because a machine is busy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings

from tests.conftest import LONGEST, PROCESSES, TESTS, pytest_cmdline_main

ROOT = Path(__file__).parents[1]
HEAVY = {"aiokafka", "boto3", "botocore", "confluent_kafka", "express", "moto"}


def test_the_conftest_imports_nothing_heavy() -> None:
    """Whoever runs one file waits for what that file needs."""
    code = "import sys, tests.conftest; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) & HEAVY == set()


@pytest.mark.parametrize(
    ("source", "asked", "processes", "distribution"),
    [("TESTPATHS", None, PROCESSES, "loadfile"), ("ARGS", None, None, "no"), ("ARGS", 3, 3, "loadfile")],
)
def test_only_a_run_of_everything_starts_processes(
    source: str, asked: int | None, processes: int | None, distribution: str
) -> None:
    """They cost seconds: tests that are named run in one process, or in as many as are asked for."""
    option = SimpleNamespace(numprocesses=asked, dist="no", usepdb=False, collectonly=False, loadscopereorder=True)
    found: Any = SimpleNamespace(args_source=pytest.Config.ArgsSource[source], option=option)
    pytest_cmdline_main(found)

    assert (option.numprocesses, option.dist) == (processes, distribution)


def test_a_process_of_a_run_starts_no_more_of_them() -> None:
    """The processes of pytest-xdist run the same hook."""
    option = SimpleNamespace(numprocesses=None, dist="no", usepdb=False, collectonly=False, loadscopereorder=True)
    found: Any = SimpleNamespace(args_source=pytest.Config.ArgsSource.TESTPATHS, option=option, workerinput={})
    pytest_cmdline_main(found)

    assert (option.numprocesses, option.dist) == (None, "no")


def test_the_longest_files_are_there() -> None:
    """A file that is renamed keeps its place in the order."""
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []


def test_no_property_has_a_deadline() -> None:
    """An example may take as long as a busy machine lets it take; pytest's own limit ends what hangs."""
    assert settings.default is not None
    assert settings.default.deadline is None
