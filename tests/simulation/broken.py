"""The product with one mistake each: what the simulation has to find."""

from __future__ import annotations

from tests.simulation.world import Variant

VARIANTS: dict[str, type[Variant]] = {variant.name: variant for variant in (Variant,)}
