"""The shapes that are read from botocore's files are those that botocore's own classes give."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from express.integrations.aws.clients import service_model
from express.integrations.aws.model_files import input_shape

pytest.importorskip("botocore", reason="the extra aws is not installed")

SERVICES = (
    *("batch", "bedrock-runtime", "dynamodb", "ecs", "events", "glue", "lambda", "sns", "sqs", "stepfunctions"),
    *("docdb", "eks", "neptune", "rds", "s3", "secretsmanager"),  # with extras of botocore
)


def same(ours: Any, theirs: Any, seen: set[str]) -> None:
    """Compare two shapes and all below them."""
    assert (ours.name, ours.type_name) == (theirs.name, theirs.type_name)
    if ours.type_name == "structure":
        assert ours.is_document_type == theirs.is_document_type
    if ours.name in seen:
        return
    seen.add(ours.name)
    if ours.type_name == "structure":
        assert list(ours.members) == list(theirs.members)
        for name, member in ours.members.items():
            same(member, theirs.members[name], seen)
    elif ours.type_name == "list":
        same(ours.member, theirs.member, seen)
    elif ours.type_name == "map":
        same(ours.value, theirs.value, seen)


@pytest.mark.parametrize("folder", SERVICES)
def test_every_input_is_the_same(folder: str) -> None:
    """Of every operation, down to the last member, what botocore adds included."""
    model = service_model(folder)
    seen: set[str] = set()
    for operation in model.operation_names:
        theirs, ours = model.operation_model(operation).input_shape, input_shape(folder, operation)
        assert (ours is None) == (theirs is None), operation
        if ours is not None:
            same(ours, theirs, seen)
    assert len(seen) > 20
    assert input_shape(folder, "NoSuchOperation") is None


def test_checking_names_imports_no_client() -> None:
    """`express validate` is quick: botocore's models are read, botocore is not imported."""
    code = (
        "import sys; from express.integrations.parameters import unknown_members\n"
        "from express.asl.resources import parse_resource\n"
        "resource = parse_resource('arn:aws:states:::lambda:invoke')\n"
        "assert [found[1] for found in unknown_members(resource, {'FunctionNam': 'f'})] == ['FunctionNam']\n"
        "assert 'botocore' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
