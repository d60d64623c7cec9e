"""The intrinsic functions that make texts or read them (States Language, "Intrinsic functions")."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence

import orjson

from express.expr.intrinsics.arguments import Refused, as_short, as_string
from express.values import JSON, loads_exactly, text

MAX_DEPTH = 200
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKETS = re.compile(r"[\[\]{}]")
_URL_SAFE = str.maketrans("-_", "+/")
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


def base64_encode(data: JSON) -> str:
    """States.Base64Encode: the UTF-8 bytes of a text of up to 10,000 characters in Base64.

    >>> base64_encode("Data to encode")
    'RGF0YSB0byBlbmNvZGU='
    """
    return base64.b64encode(as_short(data).encode("utf-8", "surrogatepass")).decode()


def base64_decode(data: JSON) -> str:
    """States.Base64Decode: the text whose Base64 form `data` is, at most 10,000 characters of it.

    As lenient as AWS's decoder: strange characters are skipped, the first `=` ends it, padding may be absent.

    >>> base64_decode("RGF0YSB0byBlbmNvZGU="), base64_decode(" YWJj ZA")
    ('Data to encode', 'abcd')
    """
    letters = as_short(data).partition("=")[0].translate(_URL_SAFE)
    letters = "".join(letter for letter in letters if letter in _BASE64)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return base64.b64decode(letters + "=" * (-len(letters) % 4)).decode("utf-8", "replace")


def hash_(data: JSON, algorithm: JSON) -> str:
    """States.Hash: the digest in lower-case hexadecimal of a text, or of another value's JSON text.

    >>> hash_("input data", "SHA-1")
    'aaff4a450a104cd177d28d18d74485e8cae074b7'
    """
    name = _ALGORITHMS.get(as_string(algorithm))
    if name is None:
        raise Refused(f"the algorithm must be one of {', '.join(_ALGORITHMS)}")
    content = as_short(data if type(data) is str else json_to_string(data))
    digest = hashlib.new(name, content.encode("utf-8", "surrogatepass"), usedforsecurity=False)
    return digest.hexdigest()


def string_to_json(data: JSON) -> JSON:
    """States.StringToJson: the value that a JSON text spells; a blank text is null.

    >>> string_to_json('{"a": [1, -0]}'), string_to_json(" ")
    ({'a': [1, 0]}, None)
    """
    source = as_string(data)
    if not source.strip():
        return None
    try:
        value = loads_exactly(source)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise Refused("this is no JSON") from error
    except ValueError as error:
        raise Refused(str(error)) from error
    if source.count("[") + source.count("{") > MAX_DEPTH and _depth(source) > MAX_DEPTH:
        raise Refused(f"nested more than {MAX_DEPTH} deep")
    return value


def _depth(source: str) -> int:
    """Return how deep a valid JSON text nests, strings left out."""
    bare = _STRINGS.sub("", source)
    deepest = depth = 0
    for bracket in _BRACKETS.findall(bare):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def json_to_string(value: JSON) -> str:
    """States.JsonToString: the compact JSON text.

    >>> json_to_string([1, "a"])
    '[1,"a"]'
    """
    try:
        return text(value)
    except TypeError as error:
        raise Refused("nested too deep to be written") from error


def format_(template: JSON, *values: JSON) -> str:
    r"""States.Format: the template with each `{}` replaced; `\{ \} \' \\` stand for themselves.

    >>> format_("{} is {}", "a", {"b": [1, None]})
    'a is {b=[1, null]}'
    """
    return join_pieces(format_pieces(as_string(template)), values)


def join_pieces(pieces: list[str], values: Sequence[JSON]) -> str:
    """The pieces of a template with the values between them; Refused unless there is one for each gap.

    >>> join_pieces(["a", "b"], [1])
    'a1b'
    """
    if len(pieces) != len(values) + 1:
        raise Refused("the number of arguments is not the number of {}")
    out = [pieces[0]]
    for value, piece in zip(values, pieces[1:], strict=True):
        out += (value if type(value) is str else java_text(value), piece)
    return "".join(out)


def prepare_format(template: JSON, count: int) -> Callable[..., JSON] | None:
    """States.Format of a template known beforehand, parsed once; None where it can't be filled with `count` values."""
    try:
        pieces = format_pieces(template)
    except (Refused, TypeError):
        return None
    return (lambda *values: join_pieces(pieces, values)) if len(pieces) == count + 1 else None


def format_pieces(template: str) -> list[str]:
    r"""The texts between the `{}` of a template.

    >>> format_pieces(r"a{}b\{c\}{}")
    ['a', 'b{c}', '']

    Raises Refused for braces that don't pair.
    """
    if "\\" not in template:
        pieces = template.split("{}")
        if any("{" in piece or "}" in piece for piece in pieces):
            raise Refused("a brace has no partner")
        return pieces
    return _escaped_pieces(template)


def _escaped_pieces(template: str) -> list[str]:
    pieces: list[list[str]] = [[]]
    chars = iter(template)
    for char in chars:
        if char == "\\":
            char = next(chars, "")
            if char not in ("'", "\\", "{", "}"):
                raise Refused("a backslash escapes nothing")
        elif char in "{}":
            if char == "}" or next(chars, "") != "}":
                raise Refused("a brace has no partner")
            pieces.append([])
            continue
        pieces[-1].append(char)
    return ["".join(piece) for piece in pieces]


def java_text(value: JSON, depth: int = 0) -> str:
    """A value as States.Format writes it: maps and lists as Java prints them (recorded).

    >>> java_text({"a": 1, "b": [True, "x"]})
    '{a=1, b=[true, x]}'
    """
    if type(value) is str:
        return value
    kind = type(value)
    if kind is int or (kind is float and 1e-4 <= value < 1e16):
        return repr(value)  # what JSON has, without a detour
    if depth > MAX_DEPTH:
        raise Refused("nested too deep to be written")
    if type(value) is dict:
        return "{" + ", ".join(f"{key}={java_text(item, depth + 1)}" for key, item in value.items()) + "}"
    if type(value) is list:
        return "[" + ", ".join([java_text(item, depth + 1) for item in value]) + "]"
    return text(value)


def string_split(data: JSON, separators: JSON) -> list[str]:
    """States.StringSplit: the pieces between any of the separator characters, empty ones dropped.

    >>> string_split("This.is+a,test=string", ".+,=")
    ['This', 'is', 'a', 'test', 'string']
    """
    source, marks = as_string(data), as_string(separators)
    if len(marks) > 1:
        source = source.translate(dict.fromkeys(map(ord, marks), marks[0]))
    pieces = source.split(marks[0]) if marks else [source]
    return [piece for piece in pieces if piece]
