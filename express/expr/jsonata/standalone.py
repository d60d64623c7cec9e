"""JSONata by itself, without Step Functions: for the language's own test suite and for tools.

There is an input document, variables are bindings, and `$eval`, `??` and `?:` exist. An expression that
needs no document goes through the fast form first, as a state's expression does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from express.expr.jsonata.errors import JsonataError, JsonataSyntaxError
from express.expr.jsonata.evaluator import compile_text, run_plain
from express.expr.jsonata.generated import Form, fast_form, function_of
from express.expr.jsonata.names import AWS_FUNCTIONS
from express.expr.jsonata.parser import parse
from express.expr.jsonata.references import references
from express.expr.jsonata.sequences import UNDEFINED
from express.expr.scope import Constants
from express.values import JSON

TIMEOUT = 10.0
MAX_DEPTH = 1000


def compile_standalone(text: str) -> Callable[..., JSON]:
    """`(data, bindings, timeout=, max_depth=) -> value` of a plain JSONata expression, UNDEFINED for nothing.

    `data` is UNDEFINED where there is no document. Raises JsonataSyntaxError, and JsonataError when evaluated.
    """
    node = parse(text, later=True)
    try:
        expression = compile_text(text)
    except JsonataError as error:
        raise JsonataSyntaxError(error.code or "", error.message, error.position or 0, error.token) from None
    refs = references(node)
    fast = None
    if not refs.top_level and not refs.variables and not refs.free & (AWS_FUNCTIONS | {"now", "millis"}):
        form = fast_form(node)
        fast = function_of(lambda: Form(form, lambda states, scope: UNDEFINED, refused=_raise))

    def evaluate(
        data: JSON = UNDEFINED,
        bindings: Mapping[str, JSON] | None = None,
        *,
        timeout: float = TIMEOUT,
        max_depth: int = MAX_DEPTH,
    ) -> JSON:
        if fast is not None and not bindings and (value := fast({}, Constants())) is not UNDEFINED:
            return value
        document = None if data is UNDEFINED else json.dumps(data)
        result = run_plain(expression, document, dict(bindings) if bindings else None, timeout, max_depth)
        return UNDEFINED if result is None else json.loads(result)

    return evaluate


def _raise(error: JsonataError) -> JSON:
    raise error
