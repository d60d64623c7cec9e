"""Short definitions and a fixed source of chance, for scripts: given these events, exactly these effects."""

from __future__ import annotations

from typing import Any

from express.compiler import compile_definition
from express.engine import Program


class Fixed:
    """Entropy that always says the same."""

    def random(self) -> float:
        return 0.5

    def uuid(self) -> str:
        return "00000000-0000-4000-8000-000000000000"

    def token(self, key: str) -> str:
        return f"token:{key}"

    def spent(self) -> float:
        return 0.0


ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


def program(*states: dict[str, Any], **machine: Any) -> Program:
    """A machine of states S0, S1, …, each going to the next one unless it says otherwise."""
    named: dict[str, Any] = {}
    for i, state in enumerate(states):
        last = i == len(states) - 1
        free = {"Next", "End"} & state.keys() or state["Type"] in ("Choice", "Succeed", "Fail")
        follow = {} if free else {"End": True} if last else {"Next": f"S{i + 1}"}
        named[f"S{i}"] = {**state, **follow}
    return compile_definition({"StartAt": "S0", "States": named, **machine})


def task(**fields: Any) -> dict[str, Any]:
    """A Task state that calls the function `f`."""
    return {"Type": "Task", "Resource": ARN, **fields}
