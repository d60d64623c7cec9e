"""Patterns of StringMatches: texts with wildcards between them."""

from __future__ import annotations


def wildcard_pieces(pattern: str) -> tuple[str, ...] | None:
    r"""The texts between the wildcards of a pattern, None if a backslash escapes nothing.

    >>> wildcard_pieces(r"log-*.txt"), wildcard_pieces(r"a\*\\*")
    (('log-', '.txt'), ('a*\\', ''))
    """
    pieces: list[list[str]] = [[]]
    chars = iter(pattern)
    for char in chars:
        if char == "*":
            pieces.append([])
            continue
        if char == "\\":
            char = next(chars, "")
            if char not in ("*", "\\"):
                return None
        pieces[-1].append(char)
    return tuple("".join(piece) for piece in pieces)


def matches(value: str, pieces: tuple[str, ...]) -> bool:
    """Return whether a text is the pieces with anything between them. Linear: each piece is looked for once, leftmost.

    >>> matches("log-1.txt", ("log-", ".txt")), matches("aa", ("a", "a", "a"))
    (True, False)
    """
    if len(pieces) == 1:
        return value == pieces[0]
    first, last = pieces[0], pieces[-1]
    if not value.startswith(first):
        return False
    at, end = len(first), len(value) - len(last)
    if end < at or not value.endswith(last):
        return False
    for piece in pieces[1:-1]:
        at = value.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True
