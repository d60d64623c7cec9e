"""Mocked task results against the API model of the service that they stand for (`fieldValidationMode`).

The models are botocore's data files, read by its loader and only when a mock asks for them: botocore is the `aws`
extra. Without it a mock that names no mode is taken as it is, and one that names STRICT or PRESENT is refused with
the remedy: a check that somebody asked for is never left out silently.

Members are named as in definitions (`integrations.aws.names`); unknown members are no error, as AWS answers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

from express.api.errors import validation
from express.asl.resources import Resource
from express.integrations.aws.names import Spelling, folder, optimized_member, sdk_member
from express.integrations.aws.optimized import AS_ANSWERED, FORMS
from express.values import JSON

Shapes: TypeAlias = dict[str, dict[str, Any]]

_NUMBERS = ("integer", "long", "float", "double")
_WORDS = {
    "string": (str, "a string"),
    "timestamp": (str, "a string"),
    "blob": (str, "a string"),
    "boolean": (bool, "a boolean"),
    "list": (list, "an array"),
    "map": (dict, "an object"),
    "structure": (dict, "an object"),
}
_PAYLOADS = {("lambda", "invoke"): "Payload"}
"""Members that an optimized integration hands over as parsed JSON, of whatever type."""


def check_result(resource: Resource, result: JSON, mode: str | None) -> None:
    """Refuse a mocked result that the service could not have given. Raises ApiError; texts recorded.

    Only request-response calls of optimized and SDK integrations have a model.
    """
    if mode == "NONE" or resource.kind not in ("optimized", "sdk") or resource.pattern:
        return
    if not available():
        if mode is not None:
            raise validation(
                f"fieldValidationMode {mode} needs the API models: pip install 'express[aws]', "
                "or set fieldValidationMode to NONE"
            )
        return
    found = output_shape(resource)
    if found is not None:
        shapes, shape, spelling = found
        free = _PAYLOADS.get((resource.service, resource.action)) if resource.kind == "optimized" else None
        _Check(shapes, spelling, strict=mode != "PRESENT", free=free).value(result, shape, "")


@lru_cache(maxsize=1)
def available() -> bool:
    """Return whether botocore is installed."""
    try:
        import botocore.loaders  # noqa: F401
    except ImportError:
        return False
    return True


@lru_cache(maxsize=16)
def output_shape(resource: Resource) -> tuple[Shapes, str, Spelling] | None:
    """Return the shapes of a service, the name of an action's output shape, their spelling; None without a model."""
    from botocore.loaders import Loader

    if resource.kind == "sdk":
        service, action, spelling = folder(resource.service), resource.action, sdk_member
    else:
        form = FORMS.get(f"{resource.service}:{resource.action}")
        service = form.folder if form is not None and form.after in AS_ANSWERED else None
        action, spelling = resource.action, optimized_member
    if service is None:
        return None
    model = Loader().load_service_model(service, "service-2")
    operation = model["operations"].get(action[:1].upper() + action[1:])
    if operation is None or "output" not in operation:
        return None
    return model["shapes"], operation["output"]["shape"], spelling


class _Check:
    """One walk over a result. `strict`: required members must be there; `free`: a member that may be anything."""

    def __init__(self, shapes: Shapes, spelling: Spelling, *, strict: bool, free: str | None) -> None:
        self._shapes = shapes
        self._spelling = spelling
        self._strict = strict
        self._free = free

    def value(self, value: JSON, name: str, field: str) -> None:
        """Refuse `value`, which stands at `field`, unless the shape `name` allows it."""
        shape = self._shapes[name]
        kind = shape["type"]
        if shape.get("document"):
            return
        if kind in _NUMBERS:
            self._number(value, shape, field)
            return
        wanted, words = _WORDS.get(kind, (object, ""))
        if type(value) is not wanted and wanted is not object:
            raise _refused(f"Field '{field}' must be {words}")
        if kind == "structure":
            self._structure(value, name, field)
            return
        inner: dict[str, Callable[[Any, dict[str, Any], str], None]] = {
            "list": self._list,
            "map": self._map,
            "string": self._text,
            "blob": self._text,
        }
        if kind in inner:
            inner[kind](value, shape, field)

    def _structure(self, value: dict[str, JSON], structure: str, field: str) -> None:
        shape = self._shapes[structure]
        members = {self._spelling(structure, name): name for name in shape["members"]}
        if self._strict:
            for name in shape.get("required", ()):
                shown = self._spelling(structure, name)
                if shown not in value:
                    raise _refused(f"Required field '{shown}' is missing")
        for shown, part in value.items():
            if shown in members and shown != self._free:
                self.value(part, shape["members"][members[shown]]["shape"], shown)

    def _list(self, value: list[JSON], shape: dict[str, Any], field: str) -> None:
        for part in value:
            self.value(part, shape["member"]["shape"], field)

    def _map(self, value: dict[str, JSON], shape: dict[str, Any], field: str) -> None:
        for part in value.values():
            self.value(part, shape["value"]["shape"], field)

    def _text(self, value: str, shape: dict[str, Any], field: str) -> None:
        if "enum" in shape and value not in shape["enum"]:
            raise _refused(f"Field '{field}' is not an expected value")
        if len(value) < shape.get("min", 0):
            raise _refused(f"Field '{field}' is smaller than the minimum length")
        if len(value) > shape.get("max", len(value)):
            raise _refused(f"Field '{field}' exceeds the maximum length")

    def _number(self, value: JSON, shape: dict[str, Any], field: str) -> None:
        if type(value) not in (int, float):
            raise _refused(f"Field '{field}' must be a number")
        if value < shape.get("min", value):
            raise _refused(f"Field '{field}' is less than the minimum value")
        if value > shape.get("max", value):
            raise _refused(f"Field '{field}' exceeds the maximum value")


def _refused(problem: str) -> Exception:
    return validation(f"Mock result schema validation error: {problem}")
