"""docs/templates.md: its example is read, and its tables are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

from express.cli.diagnosis import Options, diagnose
from express.deploy import nodes
from express.deploy.cloudformation import FUNCTIONS
from express.deploy.resource_kinds import KINDS
from express.deploy.templates import read_templates

from .test_pages import PAGES

PAGE = (PAGES / "templates.md").read_text(encoding="utf-8")


def test_the_example(tmp_path: Path) -> None:
    """It has no finding, and comes to what its parameters say."""
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "template.yaml"
    file.write_text(example)
    assert diagnose(str(file), file.read_bytes(), Options()) == []
    (found,) = read_templates(str(file), {})
    call = json.loads(found.definition)["States"]["Call"]
    function = "arn:aws:lambda:us-east-1:123456789012:function:work"
    assert (found.name, found.type, call["Resource"]) == ("orders-dev", "EXPRESS", function)
    assert call["Parameters"] == {"zone": "b", "text": "${kept} in us-east-1"}
    (prod,) = read_templates(str(file), {"Stage": "prod"})
    assert json.loads(prod.definition)["States"]["Call"]["Resource"] == f"{function}:live"


def test_the_tables() -> None:
    """Every type and every function of the code, and no other; the limits are those that hold."""
    assert sorted(re.findall(r"^\| `(AWS::\w+::\w+)` \|", PAGE, re.MULTILINE)) == sorted(KINDS)
    refs = dict(re.findall(r"^\| `(AWS::\w+::\w+)` \| [^|]+ \| (\w+) \|", PAGE, re.MULTILINE))
    assert {kind: word.lower() for kind, word in refs.items()} == {name: kind.ref for name, kind in KINDS.items()}
    assert all(f"`{name}`" in PAGE for name in FUNCTIONS)
    for most in (nodes.MOST_NODES, nodes.MOST_CHARACTERS, nodes.DEEPEST):
        assert f"| {most:,} |" in PAGE
