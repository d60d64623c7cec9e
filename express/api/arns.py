"""ARNs and names, by AWS's rules (Step Functions API Reference)."""

from __future__ import annotations

import re

import msgspec

from express.api.errors import invalid_arn, invalid_name

_KINDS = {"stateMachine", "execution", "express", "activity", "mapRun"}
_FORBIDDEN = re.compile(r"[\s?*<>{}\[\]\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\U0010ffff]")


class Arn(msgspec.Struct, frozen=True):
    """A parsed Step Functions ARN.

    `name` is the state machine's or activity's; `label` that of a distributed Map behind a `/`; `rest` the parts
    that follow: a version or alias, or an execution's name and run.
    """

    text: str
    kind: str
    name: str
    label: str | None = None
    rest: tuple[str, ...] = ()

    @property
    def qualifier(self) -> str | None:
        """The version or alias of a state machine ARN."""
        return self.rest[0] if self.rest else None

    @property
    def machine(self) -> str:
        """The ARN without version or alias."""
        return self.text if not self.rest else self.text[: -sum(len(part) + 1 for part in self.rest)]


def parse_arn(text: str, *kinds: str) -> Arn:
    """The ARN in `text`, of one of `kinds`. Raises InvalidArn.

    >>> parse_arn("arn:aws:states:us-east-1:123456789012:stateMachine:m:7", "stateMachine").machine
    'arn:aws:states:us-east-1:123456789012:stateMachine:m'
    """
    parts = text.split(":")
    if len(parts) < 7 or parts[0] != "arn" or not parts[1] or parts[2] != "states":
        raise invalid_arn(f"Invalid ARN prefix: {text}")
    kind, name = parts[5], parts[6]
    if kind not in kinds:
        if kind not in _KINDS:
            raise invalid_arn(f"Invalid ARN prefix: {text}")
        raise invalid_arn(f"Resource type not valid in this context: {kind}")
    name, slash, label = name.partition("/")
    return Arn(text, kind, name, label if slash else None, tuple(parts[7:]))


def check_name(name: str) -> None:
    """Refuse a name of a state machine, execution or activity that AWS refuses. Raises InvalidName."""
    if _FORBIDDEN.search(name):
        raise invalid_name(name)
