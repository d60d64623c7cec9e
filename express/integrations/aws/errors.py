"""A failed AWS call as the error that Step Functions reports: name and cause."""

from __future__ import annotations

from typing import Any

import msgspec

from express.errors import DATA_LIMIT_EXCEEDED, StatesError
from express.integrations.aws.names import V1_SERVICES, client, error_shape, exception


class Naming(msgspec.Struct, frozen=True):
    """The way one kind of resource names errors. `v1`: the optimized integrations' older style of causes."""

    prefix: str
    service: str
    fallback: str
    v1: bool


def sdk_naming(service_id: str) -> Naming:
    """The names of `aws-sdk:SERVICE` resources."""
    name = client(service_id)
    return Naming(name, name, f"{name}Exception", v1=False)


def optimized_naming(service: str) -> Naming:
    """The names of an optimized integration."""
    prefix, called, fallback = V1_SERVICES[service]
    return Naming(prefix, called, fallback, v1=True)


def service_error(response: dict[str, Any], model: Any, naming: Naming) -> StatesError:
    """An error that the service answered with; `response` is what botocore made of it."""
    error, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    code = str(error.get("Code", ""))
    shape = error_shape(model, [str(error.get("QueryErrorCode", "")), code])
    name = naming.fallback if shape is None else exception(shape)
    if naming.v1 and shape is not None and shape.endswith("Exception"):
        name = shape  # as it stands: v1 has no rule of its own for these
    message = error.get("Message") or "null"
    return StatesError(f"{naming.prefix}.{name}", f"{message} ({_details(metadata, code, naming)})")


def _details(metadata: dict[str, Any], code: str, naming: Naming) -> str:
    status, request = metadata.get("HTTPStatusCode", 0), metadata.get("RequestId", "null")
    if naming.v1:
        return (
            f"Service: {naming.service}; Status Code: {status}; Error Code: {code}; Request ID: {request}; Proxy: null"
        )
    extended = f", Extended Request ID: {metadata['HostId']}" if metadata.get("HostId") else ""
    return f"Service: {naming.service}, Status Code: {status}, Request ID: {request}{extended}"


def client_error(error: Exception, naming: Naming) -> StatesError:
    """A call that never got an answer: no connection, no credentials, a broken response."""
    return StatesError(f"{naming.prefix}.SdkClientException", f"Unable to execute HTTP request: {error}")


def too_large(service: str) -> StatesError:
    """An answer that no state may hold."""
    return StatesError(
        DATA_LIMIT_EXCEEDED,
        f"The state/task '{service}' returned a result with a size exceeding the maximum number of bytes service "
        "limit.",
    )
