"""The shape of a rule."""

from __future__ import annotations

import msgspec


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of finding, as `express explain` shows it.

    `code` is AWS's code of it. `bad` and `good` are JSON: a whole definition (it has `States`) or one state;
    `type` is the machine type that the bad example needs.

    `disputed`: AWS refuses it, but other engines and published definitions do not; a warning, and an error when
    lint is asked to be strict.
    """

    title: str
    cause: str
    bad: str
    good: str
    spec: str
    code: str = "SCHEMA_VALIDATION_FAILED"
    severity: str = "ERROR"
    type: str = "STANDARD"
    disputed: bool = False
