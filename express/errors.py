"""The error tree of `express`, and the error names of the States Language, each written once.

What Retry and Catch of a definition can see is a `StatesError`; everything else is about the
definition, the configuration or the world around the engine. Any other exception is a bug.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

STATES_ALL = "States.ALL"
BRANCH_FAILED = "States.BranchFailed"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
EXCEED_TOLERATED_FAILURE_THRESHOLD = "States.ExceedToleratedFailureThreshold"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
HTTP_SOCKET = "States.Http.Socket"
HTTP_STATUS_CODE = "States.Http.StatusCode"
INTRINSIC_FAILURE = "States.IntrinsicFailure"
ITEM_READER_FAILED = "States.ItemReaderFailed"
NO_CHOICE_MATCHED = "States.NoChoiceMatched"
PARAMETER_PATH_FAILURE = "States.ParameterPathFailure"
PERMISSIONS = "States.Permissions"
QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"
REFERENCE_PATH_CONFLICT = "States.ReferencePathConflict"
RESULT_PATH_MATCH_FAILURE = "States.ResultPathMatchFailure"
RESULT_WRITER_FAILED = "States.ResultWriterFailed"
RUNTIME = "States.Runtime"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"


class ExpressError(Exception):
    """Whatever `express` raises on purpose."""


class Diagnostic(msgspec.Struct, frozen=True, kw_only=True):
    """One finding about a definition.

    `location` is AWS's pointer-like form (`/States/Wait/Seconds`, `""` where there is none).
    `code` is AWS's own where AWS has one (`SCHEMA_VALIDATION_FAILED`), and `rule` the stable code
    of `express explain`. `hint` holds "did you mean" and the like; `follows` names the rule of the finding
    that this one is a consequence of. `at` is the exact place, where AWS's `location` names the object around it.
    """

    code: str
    message: str
    location: str = ""
    severity: str = "ERROR"
    rule: str = ""
    hint: str | None = None
    follows: str | None = None
    at: str = ""


class DefinitionError(ExpressError):
    """A definition that can't be run, with every finding at once."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("; ".join(f"{d.code}: {d.message} at {d.location or 'null'}" for d in self.diagnostics))


class StatesError(ExpressError):
    """A failure inside an execution: what Retry and Catch match and what ends as `error` and `cause`.

    `cause` None means that AWS reports no cause at all (a timeout, say), which is not the empty text.
    `located` tells the engine to put "An error occurred while executing the state …" before the cause.
    """

    def __init__(self, error: str | None, cause: str | None = None, *, located: bool = False) -> None:
        self.error = error
        self.cause = cause
        self.located = located
        super().__init__(f"{error}: {cause}")


class Unsendable(StatesError):
    """Parameters that no request can be made of: known before anything is sent, and States.Runtime."""

    def __init__(self, cause: str) -> None:
        super().__init__(RUNTIME, cause, located=True)


class EvaluationError(StatesError):
    """A JSONata expression that failed while it was evaluated: States.QueryEvaluationError.

    `location` is the field as AWS names it (`Output/a/b`, `Catch[0]/Assign/x`), None where the data, not an
    expression, is at fault. `unlinked`: its history event does not hang on the state's (AWS links only the
    failures of values that were evaluated well, such as a Timestamp that is none).
    """

    def __init__(self, cause: str, location: str | None, *, unlinked: bool = True) -> None:
        super().__init__(QUERY_EVALUATION_ERROR, cause, located=True)
        self.location = location
        self.unlinked = unlinked


class ExpressionError(ExpressError):
    """A path, intrinsic call, template or JSONata expression that can't be compiled. The text is AWS's where known."""


class ConfigError(ExpressError):
    """A configuration that can't be used; the message names file, line and the nearest valid key."""


class SourceError(ExpressError):
    """An event source that failed beyond what its client repairs by itself. `refusal`: as that of a SinkError."""

    refusal = ""


class CommitRefused(SourceError):
    """The group has given the partitions to others: their records are no longer ours to finish."""


class SinkError(ExpressError):
    """Results that could not be written. `refusal`: what a broker has answered, if it may answer the same again."""

    refusal = ""


class PipelineStopped(ExpressError):
    """Something will never be written, whatever is tried: the pipeline stops rather than lose it or repeat for ever."""


class StoreError(ExpressError):
    """A store that could not be read or written."""


class SnapshotError(ExpressError):
    """The stored state of an execution that can't be taken up: it is held for a person to look at."""


class ApiError(ExpressError):
    """An answer of the HTTP API that is an error: `code` is the AWS error name.

    `members` are what else the error's structure holds (`reason`, `resourceName`).
    """

    def __init__(self, code: str, message: str, status: int = 400, **members: str) -> None:
        self.code = code
        self.message = message
        self.status = status
        self.members = members
        super().__init__(f"{code}: {message}")
