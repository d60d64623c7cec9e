"""The pytest plugin: the fixture `express_run`, paths compared line by line, and coverage of definitions.

Loaded by every pytest of an environment that has `express`; so it imports nothing of it before it is asked to.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

_MEASURE = "express_coverage"
_SENT = "express_asl_cov"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--asl-cov` and what goes with it."""
    group = parser.getgroup("express", "coverage of state machine definitions")
    group.addoption("--asl-cov", action="store_true", help="Report the states and branches that tests have covered.")
    group.addoption(
        "--asl-cov-source",
        action="append",
        default=[],
        metavar="PATH",
        help="A definition, or a folder of *.asl.json, that counts even if no test runs it. May be repeated.",
    )
    group.addoption(
        "--asl-cov-fail-under",
        type=float,
        metavar="PERCENT",
        help="Fail where less of states and branches, taken together, is covered.",
    )
    group.addoption("--asl-cov-json", metavar="FILE", help="Write the coverage as JSON.")


def pytest_configure(config: pytest.Config) -> None:
    """Measure, if anything of it is asked for."""
    option = config.option
    wanted = option.asl_cov or option.asl_cov_source or option.asl_cov_json or option.asl_cov_fail_under is not None
    if wanted:
        config.pluginmanager.register(Measuring(config), _MEASURE)


@pytest.fixture
def express_run() -> Any:
    """`express.testing.run`."""
    from express.testing import run

    return run


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Two paths that differ, line by line."""
    result = sys.modules.get("express.testing.result")
    if op != "==" or result is None or not any(isinstance(side, result.Path) for side in (left, right)):
        return None
    if not isinstance(left, list) or not isinstance(right, list):
        return None
    taken, wanted = (left, right) if isinstance(left, result.Path) else (right, left)
    return ["the path (+) is not the one that is wanted (-)", *result.differing(taken, wanted)]


def pytest_runtest_setup() -> None:
    """A test's report is about its own executions."""
    result = sys.modules.get("express.testing.result")
    if result is not None:
        result.RECENT.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the executions of a test that has failed."""
    report = yield
    result = sys.modules.get("express.testing.result")
    if report.failed and call.when == "call" and result is not None:
        report.sections += [(f"execution of {one.name}", one.told()) for one in result.RECENT]
    return report


class Measuring:
    """The coverage of a session; registered where one is wanted."""

    def __init__(self, config: pytest.Config) -> None:
        from express.testing import coverage

        self._config = config
        self._coverage = coverage.Coverage()
        self._active = coverage.ACTIVE
        self._active.append(self._coverage)
        self._failed = ""
        for source in config.option.asl_cov_source:
            self._add_source(Path(source))

    def _add_source(self, source: Path) -> None:
        from express.errors import ExpressError
        from express.service.workflows import read_definition
        from express.testing.coverage import instrument
        from express.testing.running import compile_any, label_of

        endings = ("*.asl.json", "*.asl.yaml", "*.asl.yml")
        files = sorted(found for ending in endings for found in source.rglob(ending)) if source.is_dir() else [source]
        if not files:
            raise pytest.UsageError(f"--asl-cov-source: there is no *.asl.json or *.asl.yaml below {source}")
        for file in files:
            try:
                program = compile_any(read_definition(file))
            except (OSError, ExpressError) as error:
                raise pytest.UsageError(f"--asl-cov-source: {file}: {error}") from error
            self._coverage.add(label_of(file), instrument(program)[1])

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a process of pytest-xdist has covered."""
        from express.testing.coverage import Covered

        for name, (states, branches, hits) in getattr(node, "workeroutput", {}).get(_SENT, {}).items():
            covered = Covered(states, branches)
            covered.hits.update(hits)
            self._coverage.add(name, covered)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file, and judge."""
        definitions = self._coverage.definitions
        if hasattr(self._config, "workeroutput"):  # a process of pytest-xdist: the one that started it judges
            sent = {name: (c.states, c.branches, dict(c.hits)) for name, c in definitions.items()}
            self._config.workeroutput[_SENT] = sent
            return
        if self._config.option.asl_cov_json:
            text = json.dumps(self._coverage.data(), indent=1)
            Path(self._config.option.asl_cov_json).write_text(f"{text}\n", encoding="utf-8")
        least = self._config.option.asl_cov_fail_under
        if least is not None and self._coverage.percent < least:
            self._failed = f"FAIL: {self._coverage.percent:.1f} % is less than the {least:g} % that are wanted"
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The table."""
        terminalreporter.section("coverage of definitions")
        for line in self._coverage.lines():
            terminalreporter.line(line)
        if self._failed:
            terminalreporter.line(self._failed, red=True, bold=True)

    def pytest_unconfigure(self) -> None:
        """Count no more."""
        self._active.remove(self._coverage)
