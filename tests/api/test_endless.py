"""An execution that loops for ever: it can be looked at and stopped while it runs, and its history stays small."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, overload

import pytest

from express.api.history import weight_of
from express.api.tokens import Pages
from express.engine import About
from express.engine.history import MOST_EVENTS, TRUNCATED, HistoryEvent
from express.telemetry.execution_log.events import LoggedEvents

from .server import serving
from .test_executions import ended, eventually
from .test_machines import create

LOOP = {
    "StartAt": "Set",
    "States": {
        "Set": {"Type": "Pass", "Next": "Again"},
        "Again": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "Set"}],
            "Default": "End",
        },
        "End": {"Type": "Succeed"},
    },
}


class Events(Sequence[HistoryEvent]):
    """Events that count how many of them are read."""

    def __init__(self, events: Sequence[HistoryEvent], read: list[int]) -> None:
        self.events = events
        self.read = read

    def __len__(self) -> int:
        return len(self.events)

    @overload
    def __getitem__(self, place: int) -> HistoryEvent: ...

    @overload
    def __getitem__(self, place: slice) -> Events: ...

    def __getitem__(self, place: int | slice) -> HistoryEvent | Events:
        if isinstance(place, slice):
            return Events(self.events[place], self.read)
        self.read.append(place)
        return self.events[place]


def test_the_history_of_an_endless_loop_is_read_while_it_runs_and_after_it_was_stopped() -> None:
    """Any page of it, either way round; the stop is its last event, and what was left out is counted before."""
    with serving() as running:
        sfn = running.client()
        machine = create(sfn, definition=json.dumps(LOOP))
        arn = sfn.start_execution(stateMachineArn=machine, input='{"n": 1}')["executionArn"]

        def last() -> Any:
            [event] = sfn.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=1)["events"]
            return event if event["type"] == TRUNCATED else None

        assert eventually(last)["id"] == MOST_EVENTS - 1
        first = sfn.get_execution_history(executionArn=arn, maxResults=3)["events"]
        assert [event["type"] for event in first] == ["ExecutionStarted", "PassStateEntered", "PassStateExited"]
        assert sfn.describe_execution(executionArn=arn)["status"] == "RUNNING"
        sfn.stop_execution(executionArn=arn, error="Enough", cause="of this")
        assert eventually(lambda: ended(sfn, arn))["status"] == "ABORTED"

        end, gap, before = sfn.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=3)["events"]
        assert (end["type"], end["executionAbortedEventDetails"]) == (
            "ExecutionAborted",
            {"error": "Enough", "cause": "of this"},
        )
        assert (gap["type"], gap["id"], before["id"]) == (TRUNCATED, MOST_EVENTS - 1, MOST_EVENTS - 2)
        status, answer = running.post(
            "GetExecutionHistory", {"executionArn": arn, "reverseOrder": True, "maxResults": 2}
        )
        left_out = answer["events"][1]["historyTruncatedEventDetails"]["eventsLeftOut"]
        assert (status, left_out) == (200, end["id"] - 1 - before["id"])
        pages = sfn.get_paginator("get_execution_history").paginate(executionArn=arn, maxResults=1000)
        ids = [event["id"] for page in pages for event in page["events"]]
        assert ids == [*range(1, MOST_EVENTS), end["id"]]


def test_a_page_of_large_events_ends_early() -> None:
    """`maxResults` is an upper bound: a thousand events of 200 KB are not written in one go."""
    events: list[HistoryEvent] = [
        (id_, id_ - 1, "PassStateEntered", 0.0, {"name": "P", "input": "x" * 200_000}) for id_ in range(1, 101)
    ]
    logged = LoggedEvents(About(), 0.0, events, include_data=True)
    pages, request = Pages(), {"maxResults": 1000}
    found: list[int] = []
    while len(found) < 100:
        page, more = pages.page("GetExecutionHistory", request, logged, lambda event: int(event["id"]), weight_of)
        assert 0 < len(page) <= 21
        found += [int(event["id"]) for event in page]
        request = {"maxResults": 1000, **more}

    assert (found, more) == (list(range(1, 101)), {})


@pytest.mark.parametrize("backwards", [False, True])
def test_only_the_page_that_is_asked_for_is_written(backwards: bool) -> None:
    """A page from the middle of a long history: the events before and after it are not looked at."""
    read: list[int] = []
    events: list[HistoryEvent] = [(id_, id_ - 1, "PassStateEntered", 0.0, {"name": "P"}) for id_ in range(1, 20_001)]
    logged = LoggedEvents(About(), 0.0, Events(events, read), include_data=True)
    logged = logged[::-1] if backwards else logged
    sign = -1 if backwards else 1
    pages, request = Pages(), {"maxResults": 1000}
    found: list[int] = []
    for _ in range(11):
        read.clear()
        page, more = pages.page("GetExecutionHistory", request, logged, lambda event: sign * int(event["id"]))
        found += [int(event["id"]) for event in page]
        request |= more
        assert len(read) < 1020

    assert found == (list(range(20_000, 9_000, -1)) if backwards else list(range(1, 11_001)))
