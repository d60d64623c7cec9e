"""The mock of a TestState call: what the state is to be told instead of calling anything."""

from __future__ import annotations

from typing import Any

import msgspec

from express.api import jsontext
from express.api.errors import validation
from express.api.teststate.schema import check_result
from express.asl.resources import parse_resource
from express.values import JSON


class Mock(msgspec.Struct, frozen=True):
    """Either a result, or an error with its cause (None: there is none)."""

    result: JSON | msgspec.UnsetType = msgspec.UNSET
    error: str | None = None
    cause: str | None = None

    @property
    def fails(self) -> bool:
        """Return whether the mock is an error."""
        return self.result is msgspec.UNSET


def read_mock(given: dict[str, Any], state: dict[str, JSON]) -> Mock:
    """The mock of a request, checked against the state it stands for. Raises ApiError; texts recorded."""
    if (given.get("result") is None) == (given.get("errorOutput") is None):
        raise validation("A test mock should have only one of the following fields: [result, errorOutput].")
    if given.get("result") is None:
        output = given["errorOutput"]
        return Mock(error=output.get("error"), cause=output.get("cause"))
    try:
        result = jsontext.parse(given["result"])
    except jsontext.NotJson as error:
        raise validation("Mocked result must be valid JSON") from error
    _check_shape(result, state, given.get("fieldValidationMode"))
    return Mock(result=result)


def _check_shape(result: JSON, state: dict[str, JSON], mode: str | None) -> None:
    if state["Type"] == "Task":
        check_result(parse_resource(state["Resource"]), result, mode)
    elif "ResultWriter" in state:
        if type(result) is not dict:
            raise validation("Mocked result must be a JSON object.")
    elif type(result) is not list:
        raise validation("Mocked result must be an array.")
    elif state["Type"] == "Parallel" and len(result) != len(state["Branches"]):
        raise validation("Mocked result must contain the same number of items as number of Parallel branches.")
