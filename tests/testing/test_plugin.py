"""The pytest plugin in a pytest of its own: what failures show, and the coverage that is reported."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest_plugins = ["pytester"]

MACHINE = {
    "StartAt": "Charge",
    "States": {
        "Charge": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Retry": [{"ErrorEquals": ["Busy"]}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Refund"}],
            "Next": "Large?",
        },
        "Large?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.n", "NumericGreaterThan": 100, "Next": "Each"},
                {"Variable": "$.n", "NumericGreaterThan": 10, "Next": "Done"},
            ],
            "Default": "Done",
        },
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemProcessor": {"StartAt": "One", "States": {"One": {"Type": "Pass", "End": True}}},
            "Next": "Done",
        },
        "Refund": {"Type": "Fail", "Error": "Refunded"},
        "Done": {"Type": "Succeed"},
    },
}

OPTIONS = ("-p", "express.testing.plugin", *(f"-pno:{name}" for name in ("asyncio", "randomly", "cacheprovider")))


@pytest.fixture
def shop(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with a definition, and two tests of it."""
    (pytester.path / "shop.asl.json").write_text(json.dumps(MACHINE))
    pytester.makepyfile(
        test_shop="""
        from express.testing import Fail, attempts

        def test_small(express_run):
            mocks = {"Charge": attempts(Fail("Busy"), {"n": 11})}
            assert express_run("shop.asl.json", {}, mocks=mocks).path == ["Charge", "Large?", "Done"]

        def test_large(express_run):
            mocks = {"Charge": {"n": 101, "items": [1, 2]}}
            assert express_run("shop.asl.json", {}, mocks=mocks).path.count("One") == 2
        """
    )
    return pytester


def test_a_path_that_differs_is_shown(shop: pytest.Pytester) -> None:
    """The failure tells which states were entered and which were wanted, and the timed tree of the execution."""
    shop.makepyfile(
        """
        def test_path(express_run):
            assert express_run("shop.asl.json", mocks={"Charge": {"n": 1}}).path == ["Charge", "Refund", "Done"]

        def test_output(express_run):
            assert express_run("shop.asl.json", mocks={"Charge": {}}).output == 1
        """
    )
    result = shop.runpytest(*OPTIONS, "test_a_path_that_differs_is_shown.py")

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*the path (+) is not the one that is wanted (-)*",
            "*   Charge",
            "*- Refund",
            "*+ Large?",
            "*  Done",
            "*- execution of shop -*",
            "*├─ Charge*Task*",
        ]
    )
    result.stdout.fnmatch_lines(["*ExecutionFailed: shop has no output:", "*Large?*Choice*"])


def test_coverage_is_told(shop: pytest.Pytester) -> None:
    """States and branches of the definition, counted, with the names of what no test has come to."""
    result = shop.runpytest(*OPTIONS, "--asl-cov")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "*coverage of definitions*",
            "definition *states *branches *missing",
            "shop.asl.json   5/6 83%    4/6 67%   Refund; Charge: Catch[[]0] -> Refund; Large?: Default -> Done",
            "covered: 75.0 % of states and branches",
        ]
    )


def test_coverage_as_json(shop: pytest.Pytester) -> None:
    """The file has what is covered and how often, and what is not."""
    shop.runpytest(*OPTIONS, "--asl-cov-json", "cov.json")
    data: Any = json.loads((shop.path / "cov.json").read_text())
    states, branches = (data["definitions"]["shop.asl.json"][name] for name in ("states", "branches"))

    assert data["percent"] == 75.0
    assert states["covered"] == {"Charge": 3, "Large?": 2, "Each": 1, "Each/One": 2, "Done": 2}
    assert states["missing"] == ["Refund"]
    assert branches["covered"]["Charge: Retry[0] -> Charge"] == 1
    assert branches["covered"]["Large?: Choices[1] -> Done"] == 1


@pytest.mark.parametrize(("least", "code"), [("75", 0), ("75.1", 1)])
def test_too_little_coverage_fails(shop: pytest.Pytester, least: str, code: int) -> None:
    """`--asl-cov-fail-under` ends the session with 1 where less is covered, and says so."""
    result = shop.runpytest(*OPTIONS, "--asl-cov-fail-under", least)

    assert result.ret == code
    assert ("FAIL: 75.0 % is less than the 75.1 % that are wanted" in result.stdout.str()) == bool(code)


def test_definitions_that_no_test_runs(shop: pytest.Pytester) -> None:
    """`--asl-cov-source` counts every definition of a folder; a file that is none ends the session at once."""
    other = {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}
    (shop.path / "other.asl.json").write_text(json.dumps(other))
    result = shop.runpytest(*OPTIONS, "--asl-cov-source", ".")

    result.stdout.fnmatch_lines(["other.asl.json *0/1 0% *0/0 100% *A", "shop.asl.json *"])
    assert shop.runpytest(*OPTIONS, "--asl-cov-source", "none.asl.json").ret == pytest.ExitCode.USAGE_ERROR


def test_coverage_of_several_processes(shop: pytest.Pytester) -> None:
    """Under pytest-xdist the processes' coverage is put together."""
    pytest.importorskip("xdist")
    result = shop.runpytest(*OPTIONS, "-n", "2", "--asl-cov", "--asl-cov-fail-under", "75")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["covered: 75.0 % of states and branches"])


def test_without_options_nothing_is_told(shop: pytest.Pytester) -> None:
    """No option, no table."""
    assert "coverage of definitions" not in shop.runpytest(*OPTIONS).stdout.str()
