"""Paths, payload templates and intrinsic functions, interpreted from their text each time they are used."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from typing import Any

from .failure import Failure

JSON = Any

_STEP = re.compile(
    r"""\.\.(?P<deep>[\w-]+) | \.(?P<name>[\w-]+) | \.(?P<all>\*) | \[(?P<index>-?\d+)\] | \[(?P<every>\*)\]
      | \['(?P<quoted>[^']*)'\] | \[(?P<slice>-?\d*:-?\d*)\] | \[(?P<union>-?\d+(?:,-?\d+)+)\]""",
    re.VERBOSE,
)
_HEAD = re.compile(r"\$\$|\$(?P<variable>[A-Za-z_]\w*)?")


class Surroundings:
    """What a path may start from besides the data: the Context object and the variables."""

    def __init__(self, context: dict[str, JSON], variables: dict[str, JSON]) -> None:
        self.context = context
        self.variables = variables


def read(path: str, data: JSON, around: Surroundings, *, strict: bool = False) -> JSON:
    """The value of a path. Several nodes make a list; none at all is a States.Runtime.

    An array index beyond the end reads as null (AWS's leniency) unless `strict`.
    """
    head = _HEAD.match(path)
    assert head is not None
    if head.group() == "$$":
        root = around.context
    elif head["variable"]:
        if head["variable"] not in around.variables:
            raise Failure("States.Runtime")
        root = around.variables[head["variable"]]
    else:
        root = data
    nodes, definite = _walk(path[head.end() :], [root], strict)
    if definite:
        if not nodes:
            raise Failure("States.Runtime")
        return nodes[0]
    return nodes


def exists(path: str, data: JSON, around: Surroundings) -> bool:
    """Whether a path finds something."""
    try:
        found = read(path, data, around, strict=True)
    except Failure:
        return False
    return found != [] or _is_definite(path)


def write(path: str | None, raw: JSON, value: JSON) -> JSON:
    """ResultPath: a new document with `value` at the reference path."""
    if path is None:
        return raw
    steps = [match.group("name") or match.group("quoted") for match in _STEP.finditer(path[1:])]
    return _write(steps, raw, value)


def _write(steps: list[str], raw: JSON, value: JSON) -> JSON:
    if not steps:
        return value
    if not isinstance(raw, dict):
        raise Failure("States.ResultPathMatchFailure")
    return {**raw, steps[0]: _write(steps[1:], raw.get(steps[0], {}), value)}


def _is_definite(path: str) -> bool:
    return not re.search(r"\*|\.\.|:|,", path)


def _walk(text: str, nodes: list[JSON], strict: bool) -> tuple[list[JSON], bool]:
    definite = True
    at = 0
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            raise ValueError(f"the reference interpreter does not know {text[at:]!r}")
        at = step.end()
        definite = definite and step.lastgroup in ("name", "quoted", "index")
        nodes = [child for node in nodes for child in _children(step, node, strict)]
    return nodes, definite


def _children(step: re.Match[str], node: JSON, strict: bool) -> list[JSON]:
    kind, text = step.lastgroup, step.group(step.lastgroup or 0)
    if kind in ("name", "quoted"):
        return [node[text]] if isinstance(node, dict) and text in node else []
    if kind in ("all", "every"):
        return list(node.values()) if isinstance(node, dict) else list(node) if isinstance(node, list) else []
    if kind == "deep":
        return _deep(text, node)
    if not isinstance(node, list):
        return []
    if kind == "slice":
        start, stop = text.split(":")
        return node[int(start) if start else None : int(stop) if stop else None]
    found = [node[int(i)] if -len(node) <= int(i) < len(node) else None for i in text.split(",")]
    outside = any(not -len(node) <= int(i) < len(node) for i in text.split(","))
    return [] if strict and outside and kind == "index" else found


def _deep(name: str, node: JSON) -> list[JSON]:
    found = [node[name]] if isinstance(node, dict) and name in node else []
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in inner:
        found += _deep(name, child)
    return found


# Payload templates ------------------------------------------------------------------------------------------


def fill(template: JSON, data: JSON, around: Surroundings) -> JSON:
    """A payload template filled in: keys that end in `.$` hold a path or an intrinsic call."""
    if isinstance(template, list):
        return [fill(item, data, around) for item in template]
    if not isinstance(template, dict):
        return template
    return {
        key.removesuffix(".$"): value_of(value, data, around) if key.endswith(".$") else fill(value, data, around)
        for key, value in template.items()
    }


def value_of(text: str, data: JSON, around: Surroundings) -> JSON:
    """The value of a path or an intrinsic call."""
    return read(text, data, around) if text.startswith("$") else _Call(text, data, around).value()


class _Call:
    """A recursive-descent reader of intrinsic calls that evaluates as it reads."""

    def __init__(self, text: str, data: JSON, around: Surroundings) -> None:
        self.text = text
        self.at = 0
        self.data = data
        self.around = around

    def value(self) -> JSON:
        self._blanks()
        rest = self.text[self.at :]
        if rest.startswith("'"):
            return self._string()
        if rest.startswith("$"):
            return read(self._match(r"\$[^,)\s]*(?:\[[^\]]*\][^,)\s]*)*"), self.data, self.around, strict=True)
        if rest.startswith("States."):
            return self._call()
        return json.loads(self._match(r"[-\w.+]+"))

    def _call(self) -> JSON:
        name = self._match(r"States\.\w+")
        self._expect("(")
        arguments: list[JSON] = []
        self._blanks()
        while self.text[self.at] != ")":
            arguments.append(self.value())
            self._blanks()
            if self.text[self.at] == ",":
                self.at += 1
        self._expect(")")
        try:
            return FUNCTIONS[name](*arguments)
        except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            raise Failure("States.IntrinsicFailure") from error

    def _string(self) -> str:
        return self._match(r"'(?:\\.|[^'\\])*'")[1:-1]

    def _match(self, pattern: str) -> str:
        found = re.compile(pattern).match(self.text, self.at)
        assert found is not None, (pattern, self.text[self.at :])
        self.at = found.end()
        return found.group()

    def _expect(self, mark: str) -> None:
        self._blanks()
        assert self.text[self.at] == mark
        self.at += 1

    def _blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1


def _round(number: JSON) -> int:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise TypeError("not a number")
    return math.floor(number + 0.5)


def _array(value: JSON) -> list[JSON]:
    if not isinstance(value, list):
        raise TypeError("not an array")
    return value


def _text(value: JSON) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _same(a: JSON, b: JSON) -> bool:
    """JSON equality: True is no number."""
    return bool(_tagged(a) == _tagged(b))


def _tagged(value: JSON) -> JSON:
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, list):
        return ("list", [_tagged(item) for item in value])
    if isinstance(value, dict):
        return ("dict", {key: _tagged(item) for key, item in value.items()})
    return value


def _partition(array: JSON, size: JSON) -> JSON:
    size = _round(size)
    if size < 1:
        raise ValueError("size")
    return [array[i : i + size] for i in range(0, len(_array(array)), size)]


def _range(start: JSON, end: JSON, step: JSON) -> JSON:
    start, end, step = _round(start), _round(end), _round(step)
    numbers = list(range(start, end + (1 if step > 0 else -1), step))
    if len(numbers) > 1000:
        raise ValueError("too many")
    return numbers


def _get(array: JSON, index: JSON) -> JSON:
    index = _round(index)
    if index < 0:
        raise IndexError("negative")
    return _array(array)[index]


def _unique(array: JSON) -> JSON:
    found: list[JSON] = []
    for item in _array(array):
        if not any(_same(item, seen) for seen in found):
            found.append(item)
    return found


def _merge(a: JSON, b: JSON, deep: JSON) -> JSON:
    if deep is not False or not isinstance(a, dict) or not isinstance(b, dict):
        raise TypeError("merge")
    return {**a, **b}


def _format(template: JSON, *values: JSON) -> str:
    pieces = _text(template).split("{}")
    if len(pieces) != len(values) + 1:
        raise ValueError("count")
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return "".join(piece + text for piece, text in zip(pieces, [*texts, ""], strict=True))


def _hash(value: JSON, algorithm: JSON) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return hashlib.new(_text(algorithm).replace("-", "").lower(), text.encode()).hexdigest()


FUNCTIONS: dict[str, Any] = {
    "States.Array": lambda *values: list(values),
    "States.ArrayPartition": _partition,
    "States.ArrayContains": lambda array, value: any(_same(item, value) for item in _array(array)),
    "States.ArrayRange": _range,
    "States.ArrayGetItem": _get,
    "States.ArrayLength": lambda array: len(_array(array)),
    "States.ArrayUnique": _unique,
    "States.Base64Encode": lambda text: base64.b64encode(_text(text).encode()).decode(),
    "States.Base64Decode": lambda text: base64.b64decode(_text(text), validate=True).decode(),
    "States.Hash": _hash,
    "States.JsonMerge": _merge,
    "States.StringToJson": lambda text: json.loads(_text(text)),
    "States.JsonToString": lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False),
    "States.MathAdd": lambda a, b: _round(a) + _round(b),
    "States.StringSplit": lambda text, marks: [p for p in re.split(f"[{re.escape(_text(marks))}]", _text(text)) if p],
    "States.Format": _format,
}
