"""The examples in the docstrings of the expression modules hold."""

import doctest
import importlib
import pkgutil

import pytest

from express import expr

MODULES = [module.name for module in pkgutil.walk_packages(expr.__path__, "express.expr.") if not module.ispkg]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    """What a docstring shows is what the function does."""
    results = doctest.testmod(importlib.import_module(name))

    assert results.failed == 0
