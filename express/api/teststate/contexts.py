"""The Context object of a TestState call: AWS's rules for one that is given, and the one made up otherwise."""

from __future__ import annotations

from express.api.errors import validation
from express.values import JSON

_FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    "Execution": {
        "Id": (str,),
        "Input": (),
        "Name": (str,),
        "RoleArn": (str,),
        "StartTime": (str,),
        "RedriveCount": (int,),
        "RedriveTime": (str,),
    },
    "State": {"EnteredTime": (str,), "Name": (str,), "RetryCount": (int,)},
    "StateMachine": {"Id": (str,), "Name": (str,)},
    "Task": {"Token": (str,)},
}
"""Members of the Context object and the JSON types they may have; (): any."""

_WORDS = {str: "a string", int: "a number"}


def check_context(context: dict[str, JSON], *, token: bool) -> None:
    """Refuse a given Context object that no execution could have.

    `token`: the state waits for a job or a callback, so that `Task` may be there. Texts recorded.
    """
    for section, value in context.items():
        if section == "Map":
            raise _invalid("'Map' field is not supported when mocking a Context object")
        if section not in _FIELDS:
            raise _invalid(f"'{section}' field is not supported when mocking a Context object")
        if type(value) is not dict:
            raise _invalid(f"{section} must be an object")
        if section == "Task" and not token:
            raise _invalid(
                "Context object contains 'Task' when state is not a Task state with a '.sync' or "
                "'.waitForTaskToken' service integration pattern"
            )
        _check_section(section, value)


def _check_section(section: str, members: dict[str, JSON]) -> None:
    for name, value in members.items():
        kinds = _FIELDS[section].get(name)
        if kinds is None:
            raise _invalid(f"'{section}.{name}' field is not supported when mocking a Context object")
        if kinds and type(value) not in kinds:
            raise _invalid(f"{section}.{name} must be {_WORDS[kinds[0]]}")


def _invalid(problem: str) -> Exception:
    return validation(f"Invalid Context object provided: {problem}")
