"""Errors of JSONata expressions: what the parser refuses, and what the evaluator raises.

Codes and texts are those of the JSONata reference implementation, because AWS shows them: the text
alone when a definition is created, `CODE: text` in the cause of a failed execution.
"""

from __future__ import annotations

from express.errors import ExpressError, ExpressionError
from express.expr.jsonata.numbers import quote

MESSAGES = {
    "S0101": "String literal must be terminated by a matching quote",
    "S0102": "Number out of range: {token}",
    "S0103": "Unsupported escape sequence: \\{token}",
    "S0104": "The escape sequence \\u must be followed by 4 hex digits",
    "S0105": "Quoted property name must be terminated with a backquote (`)",
    "S0106": "Comment has no closing tag",
    "S0201": "Syntax error: {token}",
    "S0202": "Expected {value}, got {token}",
    "S0203": "Expected {value} before end of expression",
    "S0204": "Unknown operator: {token}",
    "S0207": "Unexpected end of expression",
    "S0208": "Parameter {value} of function definition must be a variable name (start with $)",
    "S0209": "A predicate cannot follow a grouping expression in a step",
    "S0210": "Each step can only have one grouping expression",
    "S0211": "The symbol {token} cannot be used as a unary operator",
    "S0212": "The left side of := must be a variable name (start with $)",
    "S0213": "The literal value {value} cannot be used as a step within a path expression",
    "S0214": "The right side of {token} must be a variable name (start with $)",
    "S0215": "A context variable binding must precede any predicates on a step",
    "S0216": "A context variable binding must precede the 'order-by' clause on a step",
    "S0217": "The object representing the 'parent' cannot be derived from this expression",
    "S0301": "Empty regular expressions are not allowed",
    "S0302": "No terminating / in regular expression",
    "S0401": "Type parameters can only be applied to functions and arrays",
    "S0402": "Choice groups containing parameterized types are not supported",
}

STACK_OVERFLOW = (
    "Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive."
)
TIMED_OUT = "Expression evaluation timeout: Check for infinite loop"
OUT_OF_MEMORY = "Expression evaluation memory limit exceeded: Check for excessive memory usage"


class JsonataSyntaxError(ExpressionError):
    """An expression that does not parse.

    `message` is AWS's text (no code in it), `position` counts code points and stands behind the
    offending token, `token` is that token's value or None.
    """

    def __init__(self, code: str, message: str, position: int, token: object = None) -> None:
        self.code = code
        self.message = message
        self.position = position
        self.token = token
        super().__init__(message)


def syntax_error(code: str, position: int, token: object = None, value: object = None) -> JsonataSyntaxError:
    """The error of `code`, its text filled in as the reference implementation does."""
    message = MESSAGES[code].replace("{value}", quote(value)).replace("{token}", quote(token))
    return JsonataSyntaxError(code, message, position, token)


class JsonataError(ExpressError):
    """An evaluation that failed. `code` is None when one of the bounds was hit (AWS shows no code then)."""

    def __init__(self, code: str | None, message: str, position: int | None = None, token: object = None) -> None:
        self.code = code
        self.message = message
        self.position = position
        self.token = token
        super().__init__(message if code is None else f"{code}: {message}")


class Miss(Exception):
    """A guard of generated code failed; the complete evaluator must decide."""
