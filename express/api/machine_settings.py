"""Settings of a state machine besides its definition: checked, compared, shown."""

from __future__ import annotations

from typing import Any

from express.api.errors import validation
from express.errors import ApiError
from express.stores.records import Revision
from express.values import JSON

MOST_TAGS = 50

DEFAULT_LOGGING: dict[str, JSON] = {"level": "OFF", "includeExecutionData": False}
DEFAULT_TRACING: dict[str, JSON] = {"enabled": False}
DEFAULT_ENCRYPTION: dict[str, JSON] = {"type": "AWS_OWNED_KEY"}


def check_settings(request: dict[str, Any]) -> None:
    """Refuse settings that AWS refuses. Raises ApiError."""
    if request.get("versionDescription") is not None and not request.get("publish"):
        raise validation("Version description can only be set when publish is true")
    _check_logging(request.get("loggingConfiguration") or {})
    if (request.get("encryptionConfiguration") or DEFAULT_ENCRYPTION)["type"] != "AWS_OWNED_KEY":
        raise ApiError(
            "InvalidEncryptionConfiguration",
            "Invalid Encryption Configuration: customer managed keys are not supported here.",
        )


def _check_logging(logging: dict[str, JSON]) -> None:
    destinations = logging.get("destinations") or []
    if len(destinations) > 1 or (logging.get("level", "OFF") != "OFF" and not destinations):
        raise _bad_logging("Must specify exactly one Log Destination.")
    for destination in destinations:
        arn = (destination.get("cloudWatchLogsLogGroup") or {}).get("logGroupArn", "")
        if not arn.startswith("arn:") or ":log-group:" not in arn:
            raise _bad_logging("Log Destination not found.")


def _bad_logging(problem: str) -> ApiError:
    return ApiError("InvalidLoggingConfiguration", f"Invalid Logging Configuration: {problem}")


def shown_settings(revision: Revision) -> dict[str, JSON]:
    """The settings of a revision as Describe* tells them, with AWS's defaults."""
    return {
        "loggingConfiguration": {**DEFAULT_LOGGING, **(revision.logging or {})},
        "tracingConfiguration": revision.tracing or DEFAULT_TRACING,
        "encryptionConfiguration": revision.encryption or DEFAULT_ENCRYPTION,
    }


def read_tags(tags: list[dict[str, str]], arn: str) -> dict[str, str]:
    """Tags by key; the last of a key wins. Raises ApiError for what AWS takes no tag of."""
    read: dict[str, str] = {}
    for tag in tags:
        key = tag.get("key")
        if not key:
            raise validation("Tag keys must not be empty")
        if key.lower().startswith("aws:"):
            raise validation(f"Tag keys must not begin with 'aws:': '{key}'")
        read[key] = tag.get("value") or ""
    return check_tag_count(read, arn)


def check_tag_count(tags: dict[str, str], arn: str) -> dict[str, str]:
    """Raises TooManyTags."""
    if len(tags) > MOST_TAGS:
        raise ApiError("TooManyTags", f"Too many tags: '{arn}' may have {MOST_TAGS}", resourceName=arn)
    return tags


def shown_tags(tags: dict[str, str]) -> list[JSON]:
    """Tags as the API lists them."""
    return [{"key": key, "value": value} for key, value in tags.items()]
