"""JSONata as Step Functions has it, in tiers with one semantics.

1. an own parser gives the tree, for checks at creation, static references and code generation;
2. the common subset (paths, arithmetic, comparisons, constructors, frequent functions) becomes guarded
   Python, which gives up as soon as a guard fails;
3. the complete evaluator behind it decides everything else, within bounds of time and memory.
"""

from express.expr.jsonata.compile import Evaluate, compile_expression, compile_value, parse_value
from express.expr.jsonata.errors import JsonataError, JsonataSyntaxError
from express.expr.jsonata.expression import Expression, is_expression
from express.expr.jsonata.nodes import Node
from express.expr.jsonata.parser import parse
from express.expr.jsonata.references import References, references
from express.expr.jsonata.sequences import UNDEFINED
from express.expr.jsonata.standalone import compile_standalone

__all__ = [
    "UNDEFINED",
    "Evaluate",
    "Expression",
    "JsonataError",
    "JsonataSyntaxError",
    "Node",
    "References",
    "compile_expression",
    "compile_standalone",
    "compile_value",
    "is_expression",
    "parse",
    "parse_value",
    "references",
]
