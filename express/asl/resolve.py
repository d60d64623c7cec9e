"""Plain data → model, for data that `lint` has accepted: everything is decoded, and every expression parsed, once.

What is done with a field is what its type in `express.asl.model` says: a reader of `_READERS` by name, a struct of the
model, a list of them, or a plain value that msgspec checks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import UnionType
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar, Union, get_args, get_origin

import msgspec

from express.asl import model
from express.asl.resources import parse_resource
from express.errors import DefinitionError, Diagnostic, ExpressionError
from express.expr.choices import parse_rule
from express.expr.expressions import Expressions
from express.expr.jsonata import is_expression, parse_value
from express.expr.jsonata.expression import check_patterns
from express.expr.templates import parse_template
from express.values import JSON

T = TypeVar("T", bound=msgspec.Struct)

_KINDS: dict[str, type[msgspec.Struct]] = {str(kind.__struct_config__.tag): kind for kind in get_args(model.State)}


def resolve(
    data: JSON, expressions: Expressions | None = None, findings: list[Diagnostic] | None = None
) -> model.Machine:
    """Return the model of a definition.

    `expressions` are those that lint has parsed. What does not parse though lint has accepted it is added to
    `findings`, and raised as DefinitionError where there are none given. What is not of its type means that lint and
    model disagree, and is raised.
    """
    found: list[Diagnostic] = [] if findings is None else findings
    jsonata = data.get("QueryLanguage") == "JSONata"
    resolver = _Resolver(expressions or Expressions(), found, jsonata)
    machine = resolver.struct(model.Machine, data, "", jsonata)
    if found and findings is None:
        raise DefinitionError(found)
    return machine


def resolve_state(data: dict[str, JSON], place: str, *, jsonata: bool, findings: list[Diagnostic]) -> model.State:
    """Return the model of one state that stands alone; `jsonata` is the language around it."""
    return _Resolver(Expressions(), findings, jsonata).state(data, place)


class _Resolver:
    """One definition on its way to the model. `jsonata`: its query language, which no state inside another changes."""

    def __init__(self, expressions: Expressions, findings: list[Diagnostic], jsonata: bool) -> None:
        self.expressions = expressions
        self.findings = findings
        self.jsonata = jsonata

    def struct(self, kind: type[T], data: JSON, place: str, jsonata: bool) -> T:
        """A struct of the model."""
        table = _table(kind)
        given: dict[str, Any] = {}
        for name, value in data.items():
            entry = table.get(name)
            if entry is None:
                raise _disagreement(f"Object contains unknown field `{name}`", place)
            here = f"{place}/{name}"
            try:
                given[entry.attribute] = entry.read(self, value, here, jsonata)
            except ExpressionError as error:
                self.report(error, here)
            except msgspec.ValidationError as error:
                raise _disagreement(str(error), here) from error
        return self.made(kind, given, place)

    def made(self, kind: type[T], given: dict[str, Any], place: str) -> T:
        """The struct of these attributes."""
        if "place" in kind.__struct_fields__:
            given["place"] = place
        try:
            return kind(**given)
        except TypeError as error:
            raise _disagreement(str(error), place) from error

    def report(self, error: ExpressionError, place: str) -> None:
        """Note an expression that does not parse; its field is left out."""
        self.findings.append(Diagnostic(code="SCHEMA_VALIDATION_FAILED", message=str(error), location=place))

    def state(self, data: dict[str, JSON], place: str) -> model.State:
        """A state of the kind that it names."""
        language = data.get("QueryLanguage")
        jsonata = self.jsonata if language is None else language == "JSONata"
        kind = _KINDS[data["Type"]]
        fields = {name: value for name, value in data.items() if name != "Type"}
        state: Any = self.struct(kind, fields, place, jsonata)
        resolved: model.State = msgspec.structs.replace(state, jsonata=True) if jsonata else state
        return resolved


# ---- readers: (resolver, value, place, jsonata) → what the field becomes

Reader: TypeAlias = Callable[[_Resolver, Any, str, bool], Any]


def _path(resolver: _Resolver, value: JSON, place: str, jsonata: bool) -> Any:
    return None if value is None else msgspec.structs.replace(resolver.expressions.path(value), place=place)


def _path_or_call(resolver: _Resolver, value: JSON, place: str, jsonata: bool) -> Any:
    if not value.startswith("States."):
        return _path(resolver, value, place, jsonata)
    return msgspec.structs.replace(resolver.expressions.call(value), place=place)


def _payload(resolver: _Resolver, value: JSON, place: str, jsonata: bool) -> Any:
    return (parse_value if jsonata else parse_template)(value, resolver.expressions, place)


def _scalar(resolver: _Resolver, value: JSON, place: str, jsonata: bool) -> Any:
    if not jsonata or not is_expression(value):
        return value
    expression = resolver.expressions.jsonata(value)
    check_patterns(expression)
    return msgspec.structs.replace(expression, place=place)


def _resource(resolver: _Resolver, value: JSON, place: str, jsonata: bool) -> Any:
    return parse_resource(value)


_READERS: dict[str, Reader] = {
    "path": _path,
    "path or call": _path_or_call,
    "payload": _payload,
    "scalar": _scalar,
    "resource": _resource,
}


def _plain(kind: Any) -> Reader:
    return lambda resolver, value, place, jsonata: msgspec.convert(value, kind)


def _one(kind: type[msgspec.Struct]) -> Reader:
    return lambda resolver, value, place, jsonata: resolver.struct(kind, value, place, jsonata)


def _several(kind: type[msgspec.Struct]) -> Reader:
    def read(resolver: _Resolver, value: JSON, place: str, jsonata: bool) -> Any:
        return [resolver.struct(kind, item, f"{place}[{i}]", jsonata) for i, item in enumerate(value)]

    return read


def _rules(resolver: _Resolver, value: JSON, place: str, jsonata: bool) -> list[model.ChoiceRule]:
    return [_rule(resolver, rule, f"{place}[{i}]", jsonata) for i, rule in enumerate(value)]


def _rule(resolver: _Resolver, value: dict[str, JSON], place: str, jsonata: bool) -> model.ChoiceRule:
    """A rule of a Choice: what is no field of it is its test."""
    if jsonata:
        return resolver.struct(model.ChoiceRule, value, place, jsonata)
    around = _table(model.ChoiceRule)
    rule = resolver.struct(
        model.ChoiceRule, {name: part for name, part in value.items() if name in around}, place, jsonata
    )
    test = {name: part for name, part in value.items() if name not in around}
    try:
        return msgspec.structs.replace(rule, test=parse_rule(test, resolver.expressions, place))
    except ExpressionError as error:
        resolver.report(error, place)
        return rule


def _states(resolver: _Resolver, value: JSON, place: str, jsonata: bool) -> dict[str, model.State]:
    return {name: resolver.state(state, f"{place}/{name}") for name, state in value.items()}


# ---- the fields of a struct


class _Entry(NamedTuple):
    attribute: str
    read: Reader


@cache
def _table(kind: type[msgspec.Struct]) -> dict[str, _Entry]:
    """The fields of a struct by their names in the language."""
    return {field.encode_name: _Entry(field.name, _reader(field.type, field.name)) for field in model.fields(kind)}


def _reader(type_: Any, name: str) -> Reader:
    if get_origin(type_) is Annotated:
        return _READERS[get_args(type_)[1]]
    if name == "states":
        return _states
    kinds = [part for part in _parts(type_) if isinstance(part, type) and issubclass(part, model.Base)]
    if not kinds:
        return _plain(type_)
    if kinds[0] is model.ChoiceRule:
        return _rules
    return _several(kinds[0]) if get_origin(type_) is list else _one(kinds[0])


def _parts(type_: Any) -> tuple[Any, ...]:
    return get_args(type_) if get_origin(type_) in (list, Union, UnionType) else (type_,)


def _disagreement(message: str, place: str) -> DefinitionError:
    return DefinitionError([Diagnostic(code="SCHEMA_VALIDATION_FAILED", message=message, location=place)])
