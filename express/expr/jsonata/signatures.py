"""Signatures of lambdas, as `<s-n?:b>`: only what can be wrong with them is found here."""

from __future__ import annotations

from express.expr.jsonata.errors import syntax_error


def check_signature(signature: str, position: int) -> None:
    """Refuse a type parameter of anything but `a` and `f`, and one inside a choice. `position`: of its `<`."""
    at, previous = 1, ""
    while at < len(signature) and signature[at] != ":":
        char = signature[at]
        if char == "(":
            end = _closing(signature, at, "(", ")")
            choice = signature[at + 1 : end]
            if "<" in choice:
                raise syntax_error("S0402", position + at, value=choice)
            at, previous = end, f"({choice})"
        elif char == "<":
            if previous not in ("a", "f"):
                raise syntax_error("S0401", position + at, value=previous)
            at = _closing(signature, at, "<", ">")
        elif char in "snblojxaf":
            previous = char
        at += 1


def _closing(text: str, start: int, opening: str, closing: str) -> int:
    depth, at = 1, start
    while at < len(text):
        at += 1
        char = text[at : at + 1]
        depth += (char == opening) - (char == closing)
        if depth == 0:
            break
    return at
