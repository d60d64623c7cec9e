"""The second linking of JSONPath expressions: Python source text, for states that are fused into one function.

The text is optimistic. It may raise anything (KeyError, TypeError, IndexError, Refused …) where the exact closure
would do something else than give the plain value; whoever runs it then evaluates the closure instead, which knows
nulls for absent elements, causes and error names. Where the text does not raise, it gives what the closure gives: a
property test holds it to that. So a subscript is only emitted where Python's means JSON's (`"abc"[0]` does not), and
types are told apart by `type`.

The text reads the data as `d`, the Context object as `c` and the variables as `v` (those that it uses are in
`Emitter.used`). Nothing of a definition becomes text but by `repr` of JSON scalars; all else is bound by name.
None for what has no such form: filters, wildcards, chance.
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Callable, Mapping
from functools import cache
from keyword import iskeyword
from typing import TypeAlias, cast

from express.errors import ExpressionError
from express.expr.intrinsics.arguments import Refused
from express.expr.intrinsics.compile import values_of
from express.expr.intrinsics.functions import FUNCTIONS, Function, math_add
from express.expr.intrinsics.syntax import Argument, Call, Constant, parse_call
from express.expr.intrinsics.text_functions import format_pieces, java_text
from express.expr.jsonpath.nodes import Path
from express.expr.jsonpath.select import keys
from express.expr.jsonpath.syntax import parse
from express.expr.templates import DYNAMIC
from express.expr.weight import LARGE_ITEMS, weight
from express.values import JSON

MAX_DEPTH = 20
"""Deepest nesting of displays, calls and rules that becomes text: CPython's parser ends at 200 brackets."""

MAX_PARTS = 200
"""Most members of one template that become text."""

_PLAIN = re.compile(r"[\w .,:;/()=+*-]*", re.ASCII)
"""What may stand in an f-string as it is."""

_UNFIT = re.compile(r'[\\#"\n]')
"""What the expressions of an f-string must not hold (before Python 3.12)."""

MARK = "\x01"
"""Stands around a name in text that is not complete; `repr` never lets it through."""

_MARKED = re.compile(f"{MARK}(\\w+){MARK}")

_SCALARS = (type(None), bool, int, float, str)
_INT = 2**31
_ROOTS = {"$$": "c"}

Reads: TypeAlias = Mapping[tuple[str | int, ...], str]
"""The locals that have what is at a path: the name that the path begins at, and its keys."""


class Made(dict[str, "str | Made"]):
    """An object that nobody has wanted as a whole yet: its members, in locals, constants and others of its kind."""

    __slots__ = ()


Value: TypeAlias = str | Made
"""The text of a value that holds wherever it is read: a local that is set once, a constant, or Made of such."""


def display(value: Value) -> str:
    """Text that makes the value.

    >>> display(Made(a="x1", b=Made(c="1")))
    "{'a': x1, 'b': {'c': 1}}"
    """
    if isinstance(value, str):
        return value
    return f"{{{', '.join(f'{name!r}: {display(part)}' for name, part in value.items())}}}"


class Emitter:
    """Collects what the emitted text needs: `constants` to bind as globals, `used` of the names d, c and v.

    `data` is the name that stands for the data (`$`) in the text. `fields` are members of the data that are in locals
    of their own instead, and `made` says that it has no others. `whole`: a text has asked for all of the data, which
    then misses them. `reads`, if not None: the locals that have what was read before; a path that is read for the
    first time is marked, and gets a local once the text is `complete` if it was read again. After a rule, `reads`
    holds where it is false, `reads_if_true` where it is true.
    """

    def __init__(self, data: str = "d") -> None:
        self.data = data
        self.fields: Mapping[str, Value] = {}
        self.made = False
        self.reads: Reads | None = None
        self.reads_if_true: Reads | None = None
        self.sources: dict[str, str] = {}
        self._again: set[str] = set()
        self.whole = False
        self.constants: dict[str, object] = {}
        self.used: set[str] = set()
        self._names: dict[int, str] = {}
        self._temporaries = 0

    def bind(self, value: object) -> str:
        """The name under which the text finds `value`; one object has one name."""
        name = self._names.get(id(value))
        if name is None:
            name = self._names[id(value)] = f"k{len(self.constants)}"
            self.constants[name] = value
        return name

    def temporary(self) -> str:
        """A local name that no other part of the text uses."""
        self._temporaries += 1
        return f"t{self._temporaries}"

    def held(self, chain: tuple[str | int, ...]) -> tuple[Value, tuple[str | int, ...]] | None:
        """What a path leads to among the fields, and what is left of it; None where it begins elsewhere."""
        value: Value | None = self.fields.get(cast("str", chain[0])) if chain else None
        if value is None:
            return None
        rest = chain[1:]
        while rest and isinstance(value, Made) and rest[0] in value:
            value, rest = value[cast("str", rest[0])], rest[1:]
        return value, rest

    def read(self, path: tuple[str | int, ...], source: str) -> str:
        """Text of what is at a path, whose own text is `source`: the first time it is read, and from then on."""
        if self.reads is None:
            return source
        name = self.reads.get(path)
        if name is not None:
            self._again.add(name)
            return name
        name = f"x{len(self.sources) + 1}"
        self.sources[name] = source
        self.reads = {**self.reads, path: name}
        return f"{MARK}{name}{MARK}"

    def twice(self, source: str) -> tuple[str, str]:
        """A value that is wanted more than once: its text the first time, and its name from then on."""
        if is_local(source):
            return source, source
        marked = _MARKED.fullmatch(source)
        if marked is not None:
            self._again.add(marked[1])
            return source, marked[1]
        name = self.temporary()
        return f"({name} := {source})", name

    def complete(self, text: str) -> str:
        """A text without marks: where a path was read again, its first reading gives it a local."""
        return _MARKED.sub(self._read_first, text)

    def _read_first(self, marked: re.Match[str]) -> str:
        name = marked[1]
        source = self.complete(self.sources[name])
        return f"({name} := {source})" if name in self._again else source

    def constant(self, value: JSON) -> str:
        """The text of a constant: scalars as they are, objects and arrays by name."""
        return repr(value) if type(value) in _SCALARS else self.bind(value)


def path_source(path: Path, emitter: Emitter) -> str | None:
    """The text of a definite path without unions; None for any other.

    >>> path_source(parse("$.a['b c']"), Emitter())
    "d['a']['b c']"
    """
    chain = keys(path)
    if chain is None or len(chain) > MAX_DEPTH:
        return None
    root = emitter.data if path.root == "$" else _ROOTS.get(path.root)
    emitter.used.add(root or "v")
    text = root or f"v[{path.root!r}]"
    if path.root == "$" and (emitter.fields or emitter.made):
        text, chain = _held(text, chain, emitter)
    place: tuple[str | int, ...] = (text,)
    for key in chain:
        place = (*place, key)
        if type(key) is str:
            source = f"{text}[{key!r}]"
            text = emitter.read(place, source) if path.root == "$" else source
        else:
            held = emitter.temporary()
            text = f"({held}[{key}] if ({held} := {text}).__class__ is list else {emitter.bind(_no_list)}())"
    return text


def _held(text: str, chain: tuple[str | int, ...], emitter: Emitter) -> tuple[str, tuple[str | int, ...]]:
    """Where a path begins, and what is left of it, when some members of the data are locals."""
    found = emitter.held(chain)
    if found is None:
        emitter.whole = emitter.whole or emitter.made or not chain or type(chain[0]) is not str
        return text, chain
    value, rest = found
    if rest and not is_local(value):  # a member that is not there
        emitter.whole = True
        return text, chain
    return display(value), rest


def is_local(value: Value) -> bool:
    """Whether a value is in a local, so that Python may look into it."""
    return isinstance(value, str) and value.isidentifier() and not iskeyword(value)


def _no_list() -> None:
    """What an index finds in something that is no array: the closure's business."""
    raise TypeError("not a list")


def is_scalar(source: str) -> bool:
    """Whether a text is a constant without a name.

    >>> is_scalar("-1.5"), is_scalar("'a'"), is_scalar("[]"), is_scalar("x1")
    (True, True, False, False)
    """
    try:
        return not isinstance(literal_eval(source), list | dict | tuple | set)
    except (ValueError, SyntaxError):
        return False


# ---- templates


def template_source(value: JSON, emitter: Emitter) -> str | None:
    """The text of a payload template.

    >>> template_source({"a.$": "$.x", "b": 1}, Emitter())
    "{'a': d['x'], 'b': 1}"
    """
    return _template(value, emitter, 0)


def _template(value: JSON, emitter: Emitter, depth: int) -> str | None:
    if not is_dynamic(value):
        return emitter.constant(value)
    if depth > MAX_DEPTH or len(value) > MAX_PARTS:
        return None
    if type(value) is list:
        parts = [_template(item, emitter, depth + 1) for item in value]
        return None if None in parts else f"[{', '.join(cast('list[str]', parts))}]"
    members = []
    for key, item in value.items():
        text = _leaf(item, emitter) if key.endswith(DYNAMIC) else _template(item, emitter, depth + 1)
        if text is None:
            return None
        members.append(f"{key.removesuffix(DYNAMIC)!r}: {text}")
    return "{" + ", ".join(members) + "}"


def member_source(key: str, item: JSON, emitter: Emitter) -> str | None:
    """The text of one member of a payload template.

    >>> member_source("a.$", "$.x", Emitter())
    "d['x']"
    """
    return _leaf(item, emitter) if key.endswith(DYNAMIC) else _template(item, emitter, 0)


def is_dynamic(value: JSON) -> bool:
    """Whether a template has anything to evaluate.

    >>> is_dynamic({"a": [{"b.$": "$"}]}), is_dynamic({"a": "$.b"})
    (True, False)
    """
    if type(value) is dict:
        return any(key.endswith(DYNAMIC) or is_dynamic(item) for key, item in value.items())
    return type(value) is list and any(map(is_dynamic, value))


def _leaf(source: JSON, emitter: Emitter) -> str | None:
    if type(source) is not str:
        return None
    try:
        if source.startswith("$"):
            return path_source(parse(source), emitter)
        return _call(parse_call(source), emitter)
    except ExpressionError:
        return None


# ---- intrinsic calls


def _call(call: Call, emitter: Emitter) -> str | None:
    function = FUNCTIONS.get(call.name)
    if function is None or not function.pure:
        return None
    if all(type(argument) is Constant for argument in call.arguments):
        return _constant_call(call, emitter)
    if call.name == "States.Format":
        return _format(call, emitter)
    arguments = [_argument(argument, emitter) for argument in call.arguments]
    if None in arguments or len(arguments) < function.least or len(arguments) > (function.most or len(arguments)):
        return None
    texts = cast("list[str]", arguments)
    if call.name == "States.Array":
        return f"[{', '.join(texts)}]"
    if call.name == "States.JsonMerge" and type(call.arguments[2]) is Constant and call.arguments[2].value is False:
        return f"{{**{texts[0]}, **{texts[1]}}}"  # `**` takes objects only, as the function does
    if call.name == "States.MathAdd" and type(call.arguments[1]) is Constant:
        return _add(texts[0], call.arguments[1].value, emitter)
    return f"{emitter.bind(_within(function))}({', '.join(texts)})"


@cache
def _within(function: Function) -> Callable[..., JSON]:
    """The function, for arguments that are not large: the closure pays for those."""
    call, units = function.call, function.units
    if units is None:
        return call

    def within(*values: JSON) -> JSON:
        if units(*values) > LARGE_ITEMS:
            raise Refused("the arguments are large")
        return call(*values)

    return within


def _display(value: JSON) -> str:
    """`java_text` of a value that is not large."""
    if weight(value, LARGE_ITEMS) >= LARGE_ITEMS:
        raise Refused("the value is large")
    return java_text(value)


def _constant_call(call: Call, emitter: Emitter) -> str | None:
    given = [cast("Constant", argument).value for argument in values_of(call)]
    try:
        return emitter.constant(FUNCTIONS[call.name].call(*given))
    except (Refused, TypeError):
        return None


def _argument(argument: Argument, emitter: Emitter) -> str | None:
    if type(argument) is Path:
        return path_source(argument, emitter)
    if type(argument) is Call:
        return _call(argument, emitter)
    return emitter.constant(cast("Constant", argument).value)


def _add(first: str, second: JSON, emitter: Emitter) -> str:
    """A sum in place where both numbers and the sum are 32-bit integers, a call otherwise."""
    add = emitter.bind(math_add)
    if type(second) is not int or not -_INT <= second < _INT:
        return f"{add}({first}, {second!r})"
    first, held = emitter.twice(first)
    low, high = max(-_INT, -_INT - second), min(_INT, _INT - second)
    return f"({held} + {second} if {first}.__class__ is int and {low} <= {held} < {high} else {add}({held}, {second}))"


def _format(call: Call, emitter: Emitter) -> str | None:
    """A template known beforehand is put together in place."""
    template, *arguments = values_of(call)
    if type(template) is not Constant:
        texts = [_argument(argument, emitter) for argument in call.arguments]
        name = emitter.bind(_within(FUNCTIONS[call.name]))
        return None if None in texts else f"{name}({', '.join(cast('list[str]', texts))})"
    try:
        pieces = format_pieces(template.value)
    except (Refused, TypeError):
        return None
    if len(pieces) != len(arguments) + 1:
        return None
    texts = [_formatted(argument, emitter) for argument in arguments]
    return None if None in texts else _put_together(pieces, cast("list[str]", texts), emitter)


def _put_together(pieces: list[str], texts: list[str], emitter: Emitter) -> str:
    """Pieces and the texts between them: an f-string where all of it is plain, which costs half of a join."""
    if all(map(_PLAIN.fullmatch, pieces)) and not any(_UNFIT.search(emitter.complete(text)) for text in texts):
        between = zip(texts, pieces[1:], strict=True)
        return 'f"""' + pieces[0] + "".join(f"{{{text}}}{piece}" for text, piece in between) + '"""'
    parts = [repr(pieces[0])]
    for text, piece in zip(texts, pieces[1:], strict=True):
        parts += (text, repr(piece))
    parts = [part for part in parts if part != "''"]
    return f"''.join(({', '.join(parts)},))" if len(parts) > 4 else f"({' + '.join(parts)})"


def _formatted(argument: Argument, emitter: Emitter) -> str | None:
    if type(argument) is Constant:
        return repr(java_text(argument.value))
    text = _argument(argument, emitter)
    if text is None:
        return None
    (first, held), kind = emitter.twice(text), emitter.temporary()
    return (
        f"({held} if ({kind} := {first}.__class__) is str else repr({held}) if {kind} is int or "
        f"{kind} is float and 1e-4 <= {held} < 1e16 else {emitter.bind(_display)}({held}))"
    )


# ---- the data flow around states


def input_path_source(value: str | None, emitter: Emitter) -> str | None:
    """The text of InputPath or OutputPath.

    >>> input_path_source("$.a", Emitter()), input_path_source(None, Emitter())
    ("d['a']", '{}')
    """
    return "{}" if value is None else path_source(parse(value), emitter)


def result_path_source(value: str | None, raw: str, result: str, emitter: Emitter) -> str | None:
    """The text of ResultPath applied to the texts `raw` and `result`, names both, without array elements.

    >>> result_path_source("$.a.b", "d", "r", Emitter())
    "{**d, 'a': {**d['a'], 'b': r}}"
    """
    if value is None:
        return raw
    path = parse(value)
    chain = keys(path)
    if path.root != "$" or chain is None or len(chain) > 4 or any(type(key) is not str for key in chain):
        return None
    return _put(raw, [repr(key) for key in chain], result)


def _put(node: str, names: list[str], result: str) -> str:
    if not names:
        return result
    name, *below = names
    return f"{{**{node}, {name}: {_put(f'{node}[{name}]', below, result)}}}"
