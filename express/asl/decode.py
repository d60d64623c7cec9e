"""Plain data → model, for data that `lint` has accepted."""

from __future__ import annotations

import msgspec

from express.asl.model import Machine
from express.errors import DefinitionError, Diagnostic
from express.values import JSON


def decode(data: JSON) -> Machine:
    """The model of a definition.

    `lint` has said everything before; what fails here all the same is reported as one finding and means
    that the two disagree.
    """
    try:
        return msgspec.convert(data, Machine)
    except msgspec.ValidationError as error:
        raise DefinitionError([Diagnostic(code="SCHEMA_VALIDATION_FAILED", message=str(error))]) from error
