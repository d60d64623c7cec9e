"""TestState: one state, run or mocked, with a look at every stage of its data flow.

`StateTest` is the whole call in two halves, so that whoever hosts it may perform the state's task as it performs
all others; `test_state` is both at once.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from express.api.errors import invalid_definition
from express.api.teststate.inspection import inspection_data
from express.api.teststate.probe import Probe
from express.api.teststate.request import STATE, read_question
from express.engine import About, Entropy
from express.engine.effects import StartTask
from express.engine.events import Event
from express.errors import DefinitionError
from express.runtime.clock import SystemEntropy
from express.values import JSON, text

__all__ = ["STATE", "StateTest", "test_state"]


class StateTest:
    """One TestState call. `task` is what the state calls, None where nothing is to be performed."""

    def __init__(
        self,
        request: Mapping[str, Any],
        *,
        prefix: str = "arn:aws:states:us-east-1:000000000000",
        entropy: Entropy | None = None,
        started: float | None = None,
    ) -> None:
        """Judge the request and run the state until it waits for its task. Raises ApiError.

        `prefix` begins the ARNs of the made-up execution; `started` is its wall time.
        """
        machine, name = str(uuid.uuid4()), str(uuid.uuid4())
        about = About(
            execution_arn=f"{prefix}:express:{machine}:{name}",
            name=name,
            state_machine_arn=f"{prefix}:stateMachine:{machine}",
            state_machine_name=machine,
            started=time.time() if started is None else started,
            redrive_count=None,
        )
        try:
            self._probe = Probe(read_question(dict(request)), about, entropy or SystemEntropy())
        except DefinitionError as error:
            raise invalid_definition(error.diagnostics) from error
        self.about = about

    @property
    def task(self) -> StartTask | None:
        """The call to perform, once."""
        return self._probe.task

    def answer(self, event: Event) -> None:
        """Hand over what came of `task`."""
        self._probe.answer(event)

    def response(self) -> dict[str, JSON]:
        """The members of the TestState answer."""
        probe = self._probe
        members: dict[str, JSON] = {"status": _status(probe)}
        if members["status"] in ("SUCCEEDED", "CAUGHT_ERROR"):
            members["output"] = text(probe.output)
            if probe.next_state is not None:
                members["nextState"] = probe.next_state
        if members["status"] != "SUCCEEDED" and probe.failure is not None:
            if probe.failure.error is not None:
                members["error"] = probe.failure.error
            if probe.failure.cause is not None:
                members["cause"] = probe.failure.cause
        if probe.question.level != "INFO":
            members["inspectionData"] = inspection_data(probe)
        return members


def _status(probe: Probe) -> str:
    if probe.retrying:
        return "RETRIABLE"
    if probe.failed:
        return "FAILED"
    return "SUCCEEDED" if probe.caught is None else "CAUGHT_ERROR"


def test_state(  # the action's name, no pytest function
    request: Mapping[str, Any],
    perform: Callable[[StartTask], Event] | None = None,  # noqa: PT028
    **about: Any,
) -> dict[str, JSON]:
    """The answer to a TestState request; `perform` makes the call of a Task without a mock. Raises ApiError."""
    test = StateTest(request, **about)
    if test.task is not None:
        if perform is None:
            raise ValueError(f"nobody performs {test.task.resource.arn}")
        test.answer(perform(test.task))
    return test.response()
