"""The grammars that `asl.lint` asks for, out of `expr`: the two do not know each other."""

from __future__ import annotations

from express.asl.lint.checks import Checks, JsonataFacts, JsonataProblem, PathFacts
from express.errors import ExpressionError
from express.expr.intrinsics.functions import FUNCTIONS as INTRINSICS
from express.expr.intrinsics.syntax import Call, parse_call
from express.expr.jsonata import JsonataSyntaxError, parse, references
from express.expr.jsonata.names import FUNCTIONS
from express.expr.jsonpath.nodes import Path
from express.expr.jsonpath.syntax import parse as parse_path


def path_facts(text: str) -> PathFacts:
    """Parse a path; raises ExpressionError."""
    path = parse_path(text)
    return PathFacts(path.reference, path.root)


def call_facts(text: str) -> tuple[PathFacts, ...]:
    """Parse an intrinsic call, and every call inside it; raises ExpressionError."""
    found: list[PathFacts] = []
    open_calls = [parse_call(text)]
    while open_calls:
        call = open_calls.pop()
        _check_call(call)
        for argument in call.arguments:
            if type(argument) is Path:
                found.append(PathFacts(argument.reference, argument.root))
            elif type(argument) is Call:
                open_calls.append(argument)
    return tuple(found)


def _check_call(call: Call) -> None:
    function = INTRINSICS.get(call.name)
    if function is None:
        raise ExpressionError(f"there is no function {call.name}")
    count = len(call.arguments)
    if count < function.least or (function.most is not None and count > function.most):
        most = "or more" if function.most is None else f"to {function.most}"
        exact = function.least == function.most
        wanted = str(function.least) if exact else f"{function.least} {most}"
        raise ExpressionError(f"{call.name} takes {wanted} arguments, not {count}")


def jsonata_facts(text: str) -> JsonataFacts:
    """Parse a JSONata expression; raises JsonataProblem with the parser's message."""
    try:
        found = references(parse(text))
    except JsonataSyntaxError as error:
        raise JsonataProblem(error.message, error.position) from error
    return JsonataFacts(found.top_level, found.states, found.variables, found.functions - FUNCTIONS)


EXPR_CHECKS = Checks(path=path_facts, intrinsic=call_facts, jsonata=jsonata_facts, functions=frozenset(INTRINSICS))
"""The real grammars, for the compiler, the CLI and the API."""
