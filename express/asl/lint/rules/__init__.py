"""The rules by their stable codes: E… are errors, W… warnings; the first two digits are the theme."""

from __future__ import annotations

from express.asl.lint.rules.data import DATA, JSONATA
from express.asl.lint.rules.fields import FIELDS
from express.asl.lint.rules.flow import CHOICES, FLOW
from express.asl.lint.rules.handlers import HANDLERS
from express.asl.lint.rules.maps import MAPS
from express.asl.lint.rules.resources import EXPRESS, RESOURCES
from express.asl.lint.rules.rule import Rule
from express.asl.lint.rules.text import TEXT
from express.asl.lint.rules.variables import LIMITS, VARIABLES

RULES: dict[str, Rule] = {
    **TEXT,
    **FIELDS,
    **FLOW,
    **CHOICES,
    **DATA,
    **JSONATA,
    **HANDLERS,
    **MAPS,
    **RESOURCES,
    **EXPRESS,
    **VARIABLES,
    **LIMITS,
}

__all__ = ["RULES", "Rule"]
