"""The versions of aiokafka whose private parts are known."""

from __future__ import annotations

import aiokafka

VERSIONS = ("0.14.",)
"""Beginnings of the versions that the patches were tested with."""


def is_known() -> bool:
    """Tell whether the installed aiokafka is one that the patches were tested with."""
    return bool(aiokafka.__version__.startswith(VERSIONS))
