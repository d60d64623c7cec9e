"""Execution logs: the shape, the levels, the data switch, the size limit, and lines that can't be forged."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.engine import About, Execution, History, Program
from express.engine.program import Scope
from express.telemetry.execution_log.events import BARE, DATA_LIMIT, LEVELS, event_members, log_events, log_lines

ARN = "arn:aws:states:us-east-1:123456789012:express:SM:run:uuid"


class _Nothing:
    def random(self) -> float:
        return 0.5

    def uuid(self) -> str:
        return ""

    def token(self, key: str) -> str:
        return key

    def spent(self) -> float:
        return 0.0


def execution(*events: tuple[int, int, str, float, dict[str, object]]) -> Execution:
    """An execution that began at engine time 10, wall time 1,700,000,000, and has this history."""
    history = History()
    for event in events:
        history.add(event)
    about = About(execution_arn=ARN, started=1_700_000_000.0)
    return Execution(Program(scope=Scope((), 0)), {}, 10.0, about, _Nothing(), history, None)


def test_one_event_has_awss_shape() -> None:
    """Ids and times are texts, names snake case, details flat, and payloads JSON text with a truncated flag."""
    x = execution((2, 0, "PassStateEntered", 10.123, {"name": "P", "input": {"a": 1}}))

    assert log_events(x, "ALL", include_data=True) == [
        {
            "id": "2",
            "type": "PassStateEntered",
            "details": {"name": "P", "input": '{"a":1}', "inputDetails": {"truncated": False}},
            "previous_event_id": "0",
            "event_timestamp": "1700000000123",
            "execution_arn": ARN,
            "redrive_count": "0",
        }
    ]


def test_without_execution_data_only_names_roles_and_errors_stay() -> None:
    """includeExecutionData false leaves input, output, parameters and variables away, and nothing else."""
    details = {
        "name": "P",
        "roleArn": "r",
        "error": "E",
        "cause": "c",
        "input": 1,
        "output": 2,
        "parameters": 3,
        "assignedVariables": {"v": 4},
    }

    members = event_members("TaskStateExited", details, include_data=False)

    assert members == {"name": "P", "roleArn": "r", "error": "E", "cause": "c"}


def test_assigned_variables_are_a_map_of_json_texts() -> None:
    """Each variable is JSON text of its own."""
    members = event_members("PassStateExited", {"name": "P", "output": 1, "assignedVariables": {"v": ["x"]}})

    assert members["assignedVariables"] == {"v": '["x"]'}
    assert members["assignedVariablesDetails"] == {"truncated": False}


@pytest.mark.parametrize("kind", sorted(BARE))
def test_events_without_details_get_none(kind: str) -> None:
    """What AWS gives no members has none, whatever the engine notes."""
    assert event_members(kind, {"name": "X"}) == {}


@pytest.mark.parametrize(
    ("level", "types"),
    [
        ("ALL", ["ExecutionStarted", "FailStateEntered", "ExecutionFailed"]),
        ("ERROR", ["FailStateEntered", "ExecutionFailed"]),
        ("FATAL", ["ExecutionFailed"]),
        ("OFF", []),
    ],
)
def test_each_level_writes_its_events(level: str, types: list[str]) -> None:
    """FATAL is part of ERROR, ERROR of ALL; OFF writes nothing."""
    x = execution(
        (1, 0, "ExecutionStarted", 10.0, {"input": {}}),
        (2, 0, "FailStateEntered", 10.0, {"name": "F", "input": {}}),
        (3, 2, "ExecutionFailed", 10.0, {"error": "E"}),
    )

    assert [e["type"] for e in log_events(x, level, include_data=True)] == types  # type: ignore[arg-type]


def test_the_levels_contain_one_another() -> None:
    """FATAL ⊂ ERROR, and every type that aborts or fails is at ERROR."""
    error, fatal = LEVELS["ERROR"], LEVELS["FATAL"]
    assert error is not None
    assert fatal is not None
    assert fatal < error
    assert LEVELS["ALL"] is None


def test_an_event_over_the_limit_is_cut_and_says_so() -> None:
    """Input, output and variables share 248 KiB; what does not fit is cut and flagged, at a character's end."""
    members = event_members("TaskStateExited", {"name": "T", "output": "é" * DATA_LIMIT})

    assert members["outputDetails"] == {"truncated": True}
    assert len(members["output"].encode()) <= DATA_LIMIT


def test_what_comes_after_a_cut_value_is_cut_too() -> None:
    """The variables of a state whose output filled the event are empty texts and flagged."""
    members = event_members("TaskStateExited", {"output": "x" * DATA_LIMIT, "assignedVariables": {"v": 1}})

    assert members["assignedVariables"] == {"v": ""}
    assert members["assignedVariablesDetails"] == {"truncated": True}


def test_an_execution_without_a_history_has_no_log() -> None:
    """Nothing was kept, so nothing is written."""
    x = execution()
    x.history = None

    assert log_events(x, "ALL", include_data=True) == []
    assert log_lines(x, "ALL", include_data=True) == b""


@given(st.text(), st.recursive(st.none() | st.text() | st.integers(), st.lists))
def test_no_value_can_forge_a_line(name: str, value: object) -> None:
    """One event is one line for every tool, whatever a payload or a name holds."""
    x = execution((1, 0, "ExecutionSucceeded", 10.0, {"name": name, "output": value}))

    lines = log_lines(x, "ALL", include_data=True).decode()

    assert len(lines.splitlines()) == 1
    assert json.loads(lines)["details"]["name"] == name


@given(st.lists(st.sampled_from([{"a": 'é"x'}, [1, 2], "text", None, 1.5, True]), max_size=6), st.booleans())
def test_lines_are_the_events(values: list[object], include_data: bool) -> None:
    """The two ways to render agree, whatever values come again."""
    log = [(i, i - 1, "PassStateExited", 10.0 + i, {"name": "P", "output": v}) for i, v in enumerate(values, 1)]
    x = execution(*log)

    lines = log_lines(x, "ALL", include_data=include_data).splitlines()

    assert [json.loads(line) for line in lines] == log_events(x, "ALL", include_data=include_data)


def test_a_line_never_holds_a_raw_control_or_separator() -> None:
    """ESC, NEL and the Unicode separators are escaped."""
    x = execution((1, 0, "ExecutionSucceeded", 10.0, {"output": "\x1b[31m\x85\u2028\u2029"}))

    line = log_lines(x, "ALL", include_data=True).decode().rstrip("\n")

    assert line.isprintable()
