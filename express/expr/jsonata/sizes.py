"""Bounds for the values of an evaluation."""

from __future__ import annotations

MAX_ITEMS = 131_072
"""Most items of an array that an evaluation may make: a payload can't hold more (262,144 bytes)."""

MAX_STRING = 4_194_304
"""Bytes of one string (AWS passes 2^22 characters and refuses 2^23)."""
