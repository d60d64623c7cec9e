"""How long tests wait for what is to come."""

from __future__ import annotations

PATIENCE = 120.0
"""Seconds: only what hangs takes longer, on a machine however busy. Nothing is proved by a shorter time."""
