"""Secrets taken out of what comes back: a server may tell what it was sent, as it was sent or written anew.

Known are the ways in which a text is usually written within another one: JSON strings (once and twice), URLs and
forms, HTML, base64 also as part of something longer, hexadecimal digits. Every form is looked for as it stands: a
text of 256 KiB takes a few milliseconds.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote

from express.values import JSON, dumps, loads

MASK = "***"

SHORTEST = 4
"""Characters of a secret that is taken out at least; shorter ones would be found in any text."""

_MARKS = "%\\&"
"""Characters that begin an escape: without them a text needs to be searched for the plainest forms only."""

_LONGEST_READ = 65_536
"""Characters of a text whose escapes are read, which is slow."""

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)

_SHORTEST_PART = 8
"""Characters of base64 that are taken for a part of a secret."""


def masked(text: str, secrets: tuple[str, ...]) -> str:
    """`text` without the secrets, however they are written.

    Where one is only found once the escapes are read, in a mixture of forms, the text comes back with them read.
    """
    clean = _replaced(text, secrets)
    if len(clean) > _LONGEST_READ:
        return clean
    plain = _plain(clean)
    read = plain if plain == clean else _replaced(plain, secrets)
    return clean if read == plain else read


def _replaced(text: str, secrets: tuple[str, ...]) -> str:
    marks = {mark for mark in _MARKS if mark in text}
    for form, needed in _forms(secrets):
        if needed <= marks:
            text = text.replace(form, MASK)
    return text


def _plain(text: str) -> str:
    """`text` with the escapes of URLs, HTML and JSON read, twice."""
    for _ in range(2):
        if "%" in text:
            text = unquote(text, errors="replace")
        if "&" in text:
            text = html.unescape(text)
        if "\\" in text:
            text = _ESCAPE.sub(_read, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _read(escape: re.Match[str]) -> str:
    digits = escape[1]
    return escape[2] if digits is None else chr(int(digits, 16))


def masked_json(value: JSON, secrets: tuple[str, ...]) -> JSON:
    """A value without the secrets in its texts and names. One that can't be written is nobody's to see: it stays."""
    if not secrets:
        return value
    try:
        text = dumps(value).decode()
    except TypeError:
        return value
    clean = masked(text, secrets)
    return value if clean == text else loads(clean)


@lru_cache(maxsize=256)
def _forms(secrets: tuple[str, ...]) -> tuple[tuple[str, frozenset[str]], ...]:
    """All forms of all secrets with the marks in them, the longest first: a short one may be part of another."""
    found = {form for secret in secrets if len(secret) >= SHORTEST for form in _written(secret)}
    ordered = sorted(found, key=lambda form: (-len(form), form))
    return tuple((form, frozenset(mark for mark in _MARKS if mark in form)) for form in ordered)


def _written(secret: str) -> Iterator[str]:
    """A secret in the forms in which it may come back."""
    raw = secret.encode("utf-8", "surrogatepass")
    digits = raw.hex()
    for text in {secret, *_base64(raw)}:
        yield from _escaped(text)
    yield from (
        digits,
        digits.upper(),
        "".join(f"%{byte:02x}" for byte in raw),
        "".join(f"%{byte:02X}" for byte in raw),
    )
    units = secret.encode("utf-16-be", "surrogatepass").hex()
    groups = [units[i : i + 4] for i in range(0, len(units), 4)]
    for units in ("".join(f"\\u{group}" for group in groups), "".join(f"\\u{group.upper()}" for group in groups)):
        yield from (units, units.replace("\\", "\\\\"))


def _escaped(text: str) -> Iterator[str]:
    """A text within JSON, URLs, forms, and HTML; and each of these within JSON."""
    clean = text.encode("utf-8", "replace").decode()
    urls = {form(clean, safe=safe) for form in (quote, quote_plus) for safe in ("", "/", "/:", "-_.!~*'()", "-_.~")}
    urls |= {_lower(url) for url in urls} | {quote(url, safe="") for url in urls}
    pages = {html.escape(text), html.escape(text, quote=False), html.escape(text).replace("&#x27;", "&#39;")}
    urls |= {"".join(c if c.isalnum() and c.isascii() else _bytes(c) for c in clean)}
    urls |= {_lower(url) for url in urls}
    for form in {text, *urls, *pages}:
        for once in _in_json(form):
            yield once
            yield from _in_json(once)


def _bytes(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def _in_json(text: str) -> set[str]:
    ascii_only, whole = json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]
    found = {text, whole, ascii_only, _upper(ascii_only)}
    return found | {form.replace("/", "\\/") for form in found}


def _upper(text: str) -> str:
    r"""JSON text with capital digits in its `\u` escapes."""
    first, *others = text.split("\\u")
    return "\\u".join([first, *(part[:4].upper() + part[4:] for part in others)])


def _lower(url: str) -> str:
    """A URL's text with small digits in its `%` escapes."""
    first, *others = url.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in others)])


def _base64(raw: bytes) -> Iterator[str]:
    """The secret in base64, and what is the same of it wherever it stands in something longer that is encoded."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw).decode()
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        part = text[first:last]
        whole = [text.rstrip("="), text] if not before else []
        for form in [*whole, *([part] if len(part) >= _SHORTEST_PART else [])]:
            yield form
            yield form.replace("+", "-").replace("/", "_")


def hideable(secrets: Iterable[str]) -> tuple[str, ...]:
    """The secrets that are long enough to be taken out."""
    return tuple(secret for secret in secrets if len(secret) >= SHORTEST)
