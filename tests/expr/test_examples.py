"""The examples in the docstrings of the JSONPath modules hold."""

import doctest
import importlib

import pytest

MODULES = (
    "choices fields growth intrinsic_arguments intrinsic_functions intrinsic_syntax intrinsic_text intrinsics "
    "java_random path_filters path_fuel path_nodes path_select path_syntax paths patterns source source_rules templates"
)


@pytest.mark.parametrize("name", MODULES.split())
def test_docstring_examples(name: str) -> None:
    """What a docstring shows is what the function does."""
    results = doctest.testmod(importlib.import_module(f"express.expr.{name}"))

    assert results.failed == 0
