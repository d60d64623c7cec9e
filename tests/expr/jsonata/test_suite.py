"""The JSONata language suite, run as the command runs it."""

import pytest

from tests.conformance.jsonata import main

from .support import SHARED


def test_the_language_suite_passes(capsys: pytest.CaptureFixture[str]) -> None:
    """Every case passes or is listed as deliberately different; the last line counts them."""
    folder = SHARED / "conformance/jsonata"
    if not folder.exists():
        pytest.skip("shared/conformance/jsonata is not there")
    code = main([str(folder)])
    output = capsys.readouterr().out
    assert code == 0, output
    assert output.rstrip().endswith(" passed, 0 failed")
