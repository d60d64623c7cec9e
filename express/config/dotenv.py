r"""`.env` files: variables for the environment, below those that are there already.

One `NAME=value` a line, `export` in front allowed; `#` begins a comment at the start of a line or after a blank. In
single quotes a value stands as it is, in double ones `\n`, `\t`, `\"` and `\\` mean what they do elsewhere. Nothing
is substituted, so that a password with a `$` in it is that password.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from pathlib import Path

from express.config.files import read_bytes
from express.errors import ConfigError

DEFAULT_FILE = ".env"

ORIGINS: dict[str, str] = {}
"""Places of the variables that came from files: name → `file:line`."""

_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*
    (?:'(?P<raw>[^']*)'|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>(?:(?!\s\#)[^'"\n])*?))
    \s*(?:(?<=\s)\#.*)?""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def parse(text: str, file: str = DEFAULT_FILE) -> dict[str, tuple[str, int]]:
    r"""Name → value and line. Raises ConfigError with file and line for what is no assignment.

    >>> parse("A=1 # one\nexport B='$x'\n# C=3\nD=\"two\\nlines\"")
    {'A': ('1', 1), 'B': ('$x', 2), 'D': ('two\nlines', 4)}
    """
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ConfigError(f"{file}:{number}: expected NAME=value, quotes in pairs")
        value = match["raw"] if match["raw"] is not None else match["plain"]
        if match["quoted"] is not None:
            value = _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), match["quoted"])
        found[match["name"]] = value, number
    return found


def add_to(environ: MutableMapping[str, str], file: Path) -> None:
    """Set the variables of `file` that `environ` does not have. Raises ConfigError where it can't be read."""
    try:
        text = read_bytes(file, most=1024 * 1024).decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 text") from error
    for name, (value, number) in parse(text, str(file)).items():
        if name not in environ:
            environ[name] = value
            ORIGINS[name] = f"{file}:{number}"
