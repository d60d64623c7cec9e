"""Mock files for load tests: latencies, weights and queues on top of Step Functions Local's format."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

import pytest

from express.errors import ConfigError, StatesError
from express.integrations.mocks import Response, parse_case
from tests.runtime.virtual import clock, run_virtual


def file_of(response: Any, **cases: dict[str, str]) -> str:
    return json.dumps(
        {
            "StateMachines": {"orders": {"TestCases": cases or {"Happy": {"Charge": "Card"}}}},
            "MockedResponses": {"Card": response},
        }
    )


def card(response: Any) -> Response:
    return parse_case(file_of(response), "orders", None, 1)["Charge"]


async def test_attempts_are_answered_in_turn() -> None:
    """Attempts 0 to 1 throw, 2 returns, and one that is not named fails as a fault of the file."""
    response = card(
        {
            "0-1": {"Throw": {"Error": "Lambda.TooManyRequestsException", "Cause": "slow down"}},
            "2": {"Return": {"StatusCode": 200}},
        }
    )

    for attempt in (0, 1):
        with pytest.raises(StatesError, match="slow down"):
            response.start(attempt)
    assert response.start(2) == {"StatusCode": 200}
    with pytest.raises(StatesError, match="has no answer for invocation 3 of the state; it answers: "):
        response.start(3)


async def test_answers_are_drawn_by_weight() -> None:
    """Of a list of answers each comes as often as its weight says."""
    response = card({"*": [{"Weight": 9, "Return": 1}, {"Weight": 1, "Throw": {"Error": "Rare"}}]})
    failed = 0
    for _ in range(5_000):
        try:
            response.start(0)
        except StatesError:
            failed += 1

    assert 400 < failed < 600


@pytest.mark.parametrize(
    ("latency", "low", "high"),
    [
        ("20ms", 0.0199, 0.0201),
        ({"Uniform": ["10ms", "30ms"]}, 0.019, 0.021),
        ({"Exponential": "20ms"}, 0.019, 0.021),
        ({"LogNormal": {"p50": "20ms", "p99": "60ms"}}, 0.0217, 0.0236),
    ],
)
async def test_latencies_have_their_distribution(latency: Any, low: float, high: float) -> None:
    """The mean of many draws is that of the distribution."""
    response = card({"0": {"Return": 1, "Latency": latency}})
    draw = response._named[0].latency
    assert draw is not None

    assert low <= sum(draw() for _ in range(20_000)) / 20_000 <= high


def test_concurrency_is_a_queue() -> None:
    """With Concurrency 2, six calls of 20 ms take three turns."""
    response = card({"Concurrency": 2, "*": {"Return": 1, "Latency": "20ms"}})

    async def seconds() -> float:
        began = clock().monotonic()
        answers = [response.start(0) for _ in range(6)]
        assert all(isinstance(answer, Awaitable) for answer in answers)
        await asyncio.gather(*answers)
        return clock().monotonic() - began

    assert run_virtual(seconds()) == pytest.approx(0.06, abs=0.005)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ('{"StateMachines": {}}', "unknown state machine"),
        (file_of({"0": {"Return": 1, "Throw": {"Error": "x"}}}), "exactly one of Return and Throw"),
        (file_of({"0": {}}), "exactly one of Return and Throw"),
        (file_of({"first": {"Return": 1}}), "invocations are written"),
        (file_of({"0": {"Return": 1, "Latency": "soon"}}), "expected a duration"),
        (file_of({"0": {"Return": 1, "Latency": {"Gaussian": "1s"}}}), "unknown distribution"),
        (file_of({"0": {"Retrun": 1}}), "did you mean 'Return'"),
        (file_of({"0": {"Return": 1}}, A={"Charge": "Card"}, B={}), "name one, --mock"),
        (file_of({"0": {"Return": 1}}, A={"Charge": "Crad"}), "did you mean 'Card'"),
        (file_of({"Concurrency": 0, "0": {"Return": 1}}), "Concurrency"),
    ],
)
async def test_a_bad_file_is_refused(text: str, message: str) -> None:
    """Whatever is wrong in the file is a configuration error that names it."""
    with pytest.raises(ConfigError, match=message):
        parse_case(text, "orders", None, 1)
