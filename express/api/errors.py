"""The API's errors with AWS's texts. Each function makes one; nothing here raises."""

from __future__ import annotations

from collections.abc import Iterable

from express.errors import ApiError, Diagnostic


def validation(message: str, reason: str | None = None) -> ApiError:
    """A request that breaks a rule of the action, or a constraint of the model."""
    if reason is None:
        return ApiError("ValidationException", message)
    return ApiError("ValidationException", message, reason=reason)


def invalid_definition(diagnostics: Iterable[Diagnostic]) -> ApiError:
    """A definition that is refused, with every finding in one text."""
    return ApiError("InvalidDefinition", f"Invalid State Machine Definition: '{', '.join(map(_finding, diagnostics))}'")


def _finding(diagnostic: Diagnostic) -> str:
    """Without a place AWS writes `at null`; a parser's finding has its place in the text already."""
    text = f"{diagnostic.code}: {diagnostic.message}"
    if diagnostic.location and diagnostic.message.endswith(diagnostic.location):
        return text
    return f"{text} at {diagnostic.location or 'null'}"


def invalid_input(message: str) -> ApiError:
    """An execution input that is not JSON."""
    return ApiError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{message}'")


def invalid_arn(message: str) -> ApiError:
    """An ARN of the wrong form or kind."""
    return ApiError("InvalidArn", f"Invalid Arn: '{message}'")


def invalid_name(name: str) -> ApiError:
    """A name with characters that AWS refuses."""
    return ApiError("InvalidName", f"Invalid Name: '{name}'")


def invalid_token() -> ApiError:
    """A `nextToken` or task token that this server did not give out, or not any more."""
    return ApiError("InvalidToken", "Invalid Token: 'Invalid token'")


def does_not_exist(kind: str, arn: str) -> ApiError:
    """`kind` is `StateMachine`, `Execution` or `Activity`."""
    words = {"StateMachine": "State Machine"}.get(kind, kind)
    return ApiError(f"{kind}DoesNotExist", f"{words} Does Not Exist: '{arn}'")


def deleting(arn: str) -> ApiError:
    """A state machine that is gone as soon as its last execution is over."""
    return ApiError("StateMachineDeleting", f"State Machine Deleting: '{arn}'")


def already_exists(kind: str, arn: str) -> ApiError:
    """`kind` is `StateMachine`, `Execution` or `Activity`."""
    words = {"StateMachine": "State Machine"}.get(kind, kind)
    return ApiError(f"{kind}AlreadyExists", f"{words} Already Exists: '{arn}'")


def resource_not_found(arn: str) -> ApiError:
    """An alias, version or tagged resource that is not there."""
    return ApiError("ResourceNotFound", f"Resource not found: '{arn}'", resourceName=arn)


def type_not_supported() -> ApiError:
    """The action is not for this type of state machine."""
    return ApiError("StateMachineTypeNotSupported", "This operation is not supported by this type of state machine")


def conflict(message: str) -> ApiError:
    """The request does not fit the present state of a resource."""
    return ApiError("ConflictException", message)
