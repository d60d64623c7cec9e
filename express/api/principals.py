"""Principals, how they prove who they are, and what each may do.

Without principals the server has no door at all and only listens on loopback. With them everything is refused
that no rule of the caller's allows.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache

import msgspec

from express.errors import ApiError
from express.values import JSON


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Actions and ARNs by pattern (`*`, `?`); a call is allowed if one rule has both."""

    actions: tuple[str, ...] = ("*",)
    resources: tuple[str, ...] = ("*",)

    def allows(self, action: str, arn: str) -> bool:
        """Return whether the rule covers an action on a resource."""
        return any(_matches(p, action) for p in self.actions) and any(_matches(p, arn) for p in self.resources)


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A caller: its credentials, any of the three, and its rules.

    `api_key` is the SHA-256 of the key in hex; `certificate` the common name of a client certificate.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    access_key_id: str | None = None
    secret_access_key: str | None = None
    api_key: str | None = None
    certificate: str | None = None

    def allows(self, action: str, arns: Iterable[str]) -> bool:
        """Return whether every one of the resources may be acted on."""
        return all(any(rule.allows(action, arn) for rule in self.rules) for arn in arns)


ANYONE = Principal(name="anyone", rules=(Rule(),))
"""The caller of a server without principals."""


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern.replace("[", "[[]")))


def _matches(pattern: str, value: str) -> bool:
    return pattern == "*" or _pattern(pattern).match(value) is not None


class Principals:
    """Finds callers by their credentials."""

    def __init__(self, principals: Iterable[Principal]) -> None:
        self._all = tuple(principals)
        self._by_access_key = {p.access_key_id: p for p in self._all if p.access_key_id and p.secret_access_key}
        self._by_certificate = {p.certificate: p for p in self._all if p.certificate}

    def __bool__(self) -> bool:
        """Return whether callers must say who they are."""
        return bool(self._all)

    def with_access_key(self, access_key_id: str) -> Principal | None:
        """Return who signs with that access key."""
        return self._by_access_key.get(access_key_id)

    def with_api_key(self, key: str) -> Principal | None:
        """Whose key it is. Takes as long for a wrong key as for a right one."""
        digest = hashlib.sha256(key.encode()).hexdigest()
        found = None
        for principal in self._all:
            if principal.api_key is not None and hmac.compare_digest(principal.api_key.lower(), digest):
                found = principal
        return found

    def with_certificate(self, common_name: str) -> Principal | None:
        """Whose client certificate it is."""
        return self._by_certificate.get(common_name)


def denied(principal: Principal, action: str) -> ApiError:
    """Return what a caller without the right is told: not whether the resource is there."""
    message = f"User: {principal.name} is not authorized to perform: states:{action}"
    return ApiError("AccessDeniedException", message)


_ARN_MEMBERS = (
    "stateMachineArn",
    "executionArn",
    "stateMachineAliasArn",
    "stateMachineVersionArn",
    "activityArn",
    "mapRunArn",
    "resourceArn",
)
_NEW = {"CreateStateMachine": "stateMachine", "CreateActivity": "activity"}


def resources(action: str, request: dict[str, JSON], prefix: str) -> list[str]:
    """The ARNs that a request is about; `*` where it is about none in particular.

    Creating an alias is about each version it leads to: a request can't reach a machine through the back door.
    """
    if action in _NEW:
        return [f"{prefix}:{_NEW[action]}:{request['name']}"]
    if action == "CreateStateMachineAlias":
        return [route["stateMachineVersionArn"] for route in request["routingConfiguration"]]
    found = [request[name] for name in _ARN_MEMBERS if name in request]
    found += [route["stateMachineVersionArn"] for route in request.get("routingConfiguration", ())]
    return found or ["*"]


_LISTED = {
    "ListStateMachines": ("stateMachines", "stateMachineArn"),
    "ListActivities": ("activities", "activityArn"),
}


def is_list(action: str) -> bool:
    """Return whether an action lists everything there is; its answer is filtered rather than refused."""
    return action in _LISTED


def filtered(principal: Principal, action: str, answer: dict[str, JSON]) -> dict[str, JSON]:
    """A list without the items that the caller may not see."""
    member, arn = _LISTED[action]
    return {**answer, member: [item for item in answer[member] if principal.allows(action, [item[arn]])]}
