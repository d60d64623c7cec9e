"""Kafka's wire format: a message is a typed struct, and its codec is derived from the types.

One class describes all versions of a message: a field says since and until which version it is there. The
alternative, one schema per version, is what makes protocol libraries long. Codecs are built on first use and
kept, so a connection only pays for what it speaks.

Reading trusts nothing: every length is checked against what is left of the frame.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from types import NoneType
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from express.errors import ExpressError


class MalformedError(ExpressError):
    """Bytes that are no message of the protocol; the connection they came from can't be used further."""


class Format(NamedTuple):
    """The form of a fixed-size integer on the wire, as a `struct` code."""

    code: str


class Versions(NamedTuple):
    """The versions of a message in which a field exists."""

    first: int = 0
    last: int = 1 << 15


class Joined(NamedTuple):
    """Marks a list of byte strings that is written as one (record batches, without joining them first)."""


Int8 = Annotated[int, Format("b")]
Int16 = Annotated[int, Format("h")]
Int32 = Annotated[int, Format("i")]
Int64 = Annotated[int, Format("q")]
Chunks = Annotated[list[bytes], Joined()]


def since(first: int) -> Versions:
    """The field exists from version `first` on."""
    return Versions(first)


def until(last: int) -> Versions:
    """The field exists up to and including version `last`."""
    return Versions(0, last)


class Message(msgspec.Struct, kw_only=True):
    """A request, a response, or a part of one. Fields stand in wire order."""


class Cursor:
    """A position in a received frame."""

    __slots__ = ("data", "pos")

    def __init__(self, data: bytes, pos: int = 0) -> None:
        self.data = data
        self.pos = pos

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        start, end = self.pos, self.pos + size
        if size < 0 or end > len(self.data):
            raise MalformedError(f"{size} bytes announced, {len(self.data) - start} left")
        self.pos = end
        return self.data[start:end]

    def count(self, announced: int) -> int:
        """Check the length of an array: no element is shorter than a byte."""
        if not 0 <= announced <= len(self.data) - self.pos:
            raise MalformedError(f"array of {announced} elements in {len(self.data) - self.pos} bytes")
        return announced


Read = Callable[[Cursor], Any]
Write = Callable[[list[bytes], Any], None]


class Codec(NamedTuple):
    """Reads and writes one type in one version."""

    read: Read
    write: Write


M = TypeVar("M", bound=Message)


def decode(kind: type[M], version: int, flexible: bool, cursor: Cursor) -> M:
    """Read a message; MalformedError if the bytes do not fit it."""
    try:
        message: M = codec(kind, version, flexible).read(cursor)
    except (struct.error, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"{kind.__name__} v{version}: {error}") from error
    return message


def encode(message: Message, version: int, flexible: bool, out: list[bytes]) -> None:
    """Append the bytes of `message` to `out`."""
    codec(type(message), version, flexible).write(out, message)


@cache
def codec(kind: type[Message], version: int, flexible: bool) -> Codec:
    """The codec of a message class in one version."""
    fields = [
        (name, *_of(hint, version, flexible))
        for name, hint in get_type_hints(kind, include_extras=True).items()
        if _exists(hint, version)
    ]

    def read(cursor: Cursor) -> Any:
        values = {name: read_field(cursor) for name, read_field, _ in fields}
        if flexible:
            skip_tags(cursor)
        return kind(**values)

    def write(out: list[bytes], value: Any) -> None:
        for name, _, write_field in fields:
            write_field(out, getattr(value, name))
        if flexible:
            out.append(b"\0")

    return Codec(read, write)


def _exists(hint: Any, version: int) -> bool:
    spans = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Versions)]
    return all(span.first <= version <= span.last for span in spans)


def _of(hint: Any, version: int, flexible: bool) -> Codec:
    """The codec of a field's type."""
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    for mark in getattr(hint, "__metadata__", ()):
        if isinstance(mark, Format):
            return _integer(mark.code)
        if isinstance(mark, Joined):
            return Codec(_read_joined, _write_joined)
    if NoneType in get_args(plain):
        plain = next(part for part in get_args(plain) if part is not NoneType)
        return _plain(plain, version, flexible)
    return _required(_plain(plain, version, flexible))


def _required(nullable: Codec) -> Codec:
    """The codec of a field that can't be null."""

    def read(cursor: Cursor) -> Any:
        value = nullable.read(cursor)
        if value is None:
            raise MalformedError("null where there must be a value")
        return value

    return Codec(read, nullable.write)


def _plain(plain: Any, version: int, flexible: bool) -> Codec:
    if get_origin(plain) is list:
        return _array(_of(get_args(plain)[0], version, flexible), flexible)
    return _scalar(plain, version, flexible)


def _scalar(plain: Any, version: int, flexible: bool) -> Codec:
    if plain is bool:
        return _integer("?")
    if plain is str:
        return _string(flexible)
    if plain is bytes:
        return _bytes(flexible)
    return codec(plain, version, flexible)


def _integer(code: str) -> Codec:
    form = struct.Struct(">" + code)
    unpack, pack, size = form.unpack_from, form.pack, form.size

    def read(cursor: Cursor) -> Any:
        pos = cursor.pos
        cursor.pos = pos + size
        return unpack(cursor.data, pos)[0]

    def write(out: list[bytes], value: Any) -> None:
        out.append(pack(value))

    return Codec(read, write)


def _length(code: str, flexible: bool) -> Codec:
    """A length: fixed size with -1 for null, or compact (unsigned varint, one more, 0 for null)."""
    if not flexible:
        return _integer(code)
    return Codec(lambda cursor: read_varint(cursor) - 1, lambda out, size: out.append(varint(size + 1)))


def _string(flexible: bool) -> Codec:
    length = _length("h", flexible)

    def read(cursor: Cursor) -> str | None:
        size = length.read(cursor)
        return None if size == -1 else cursor.take(size).decode()

    def write(out: list[bytes], value: str | None) -> None:
        if value is None:
            return length.write(out, -1)
        data = value.encode()
        length.write(out, len(data))
        out.append(data)
        return None

    return Codec(read, write)


def _bytes(flexible: bool) -> Codec:
    length = _length("i", flexible)

    def read(cursor: Cursor) -> bytes | None:
        size = length.read(cursor)
        return None if size == -1 else cursor.take(size)

    def write(out: list[bytes], value: bytes | None) -> None:
        length.write(out, -1 if value is None else len(value))
        out.append(value or b"")

    return Codec(read, write)


def _read_joined(cursor: Cursor) -> list[bytes]:
    return [cursor.take(max(struct.unpack(">i", cursor.take(4))[0], 0))]


def _write_joined(out: list[bytes], value: list[bytes]) -> None:
    out.append(struct.pack(">i", sum(map(len, value))))
    out.extend(value)


def _array(item: Codec, flexible: bool) -> Codec:
    length = _length("i", flexible)
    read_item, write_item = item

    def read(cursor: Cursor) -> list[Any] | None:
        size = length.read(cursor)
        return None if size == -1 else [read_item(cursor) for _ in range(cursor.count(size))]

    def write(out: list[bytes], value: list[Any] | None) -> None:
        length.write(out, -1 if value is None else len(value))
        for element in value or ():
            write_item(out, element)

    return Codec(read, write)


def varint(value: int) -> bytes:
    """An unsigned variable-length integer."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(cursor: Cursor) -> int:
    """Read an unsigned variable-length integer of at most ten bytes."""
    value = 0
    for shift in range(0, 70, 7):
        byte = cursor.take(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise MalformedError("a variable-length integer of more than ten bytes")


def skip_tags(cursor: Cursor) -> None:
    """Step over the tagged fields that end every part of a flexible message (KIP-482)."""
    for _ in range(cursor.count(read_varint(cursor))):
        read_varint(cursor)
        cursor.take(read_varint(cursor))
