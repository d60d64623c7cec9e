"""Unquoted words of YAML: what they mean in a definition, and what in a template of CloudFormation."""

from __future__ import annotations

import math
import re

from express.values import JSON

_INTEGER = re.compile(r"[-+]?[0-9]{1,400}\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, JSON] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SWITCHES = {"yes": True, "on": True, "no": False, "off": False}
_BASES = (
    (re.compile(r"[-+]?0b[01_]+\Z"), 2),
    (re.compile(r"[-+]?0x[0-9a-fA-F_]+\Z"), 16),
    (re.compile(r"[-+]?0[0-7_]+\Z"), 8),
    (re.compile(r"[-+]?(?:0|[1-9][0-9_]*)\Z"), 10),
)
_FLOAT_11 = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?\Z")
"""Numbers of YAML 1.1 but those to the base of 60, which would make seconds of a time of day."""


def plain(word: str) -> JSON:
    """Return what an unquoted word means.

    >>> plain("3"), plain("2016-03-14T01:59:00Z"), plain("no"), plain("~")
    (3, '2016-03-14T01:59:00Z', 'no', None)
    """
    if word in _WORDS:
        return _WORDS[word]
    if _INTEGER.match(word):
        return int(word)
    if len(word) < 400 and _FLOAT.match(word) and math.isfinite(float(word)):
        return float(word)
    return word


def word_of_template(word: str) -> JSON:
    """Return what an unquoted word means in YAML 1.1, which is CloudFormation's; a timestamp stays a text, as there.

    >>> word_of_template("yes"), word_of_template("0o7"), word_of_template("010"), word_of_template("1_000")
    (True, '0o7', 8, 1000)
    """
    if word in _WORDS:
        return _WORDS[word]
    if word.lower() in _SWITCHES and word in (word.lower(), word.upper(), word.capitalize()):
        return _SWITCHES[word.lower()]
    digits = word.replace("_", "")
    if len(word) > 100 or (not digits.lstrip("+-")[:1].isdigit() and not digits.lstrip("+-").startswith(".")):
        return word
    for form, base in _BASES:
        if form.match(word):
            return number if abs(number := int(digits, base)) < 2**63 else word
    return float(digits) if _FLOAT_11.match(word) and math.isfinite(float(digits)) else word
