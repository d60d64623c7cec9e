"""AWS JSON 1.0: a body in, a body out, with no web framework in between."""

from __future__ import annotations

import logging
from typing import NamedTuple

import orjson

from express.api.actions import ACTIONS
from express.api.constraints import check
from express.api.context import Api
from express.api.errors import invalid_definition
from express.api.principals import ANYONE, Principal, denied, filtered, is_list, resources
from express.errors import ApiError, DefinitionError, StoreError
from express.values import JSON

_NAMESPACE = "com.amazonaws.swf.service.v2.model#"

log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """A response: HTTP status, body, and the error's code where it is one."""

    status: int
    body: bytes
    code: str = ""


async def answer(api: Api, principal: Principal, action: str, body: bytes) -> Answer:
    """Answer a request. Never raises for what a caller may send; a bug of ours is told without any detail."""
    try:
        return Answer(200, orjson.dumps(await _act(api, principal, action, body)))
    except ApiError as error:
        return failure(error)
    except DefinitionError as error:
        return failure(invalid_definition(error.diagnostics))
    except StoreError as error:
        return failure(ApiError("ServiceUnavailable", str(error), 503))
    except Exception:
        log.exception("internal error in %s", action)
        return failure(ApiError("InternalFailure", "The request could not be served because of an internal error", 500))


async def _act(api: Api, principal: Principal, action: str, body: bytes) -> JSON:
    found = ACTIONS.get(action)
    if found is None:
        raise ApiError("UnknownOperationException", f"The action {action[:128]!r} is not one of this API")
    try:
        data = orjson.loads(body) if body else {}
    except ValueError:
        raise ApiError("SerializationException", "The body is not JSON in UTF-8") from None
    act = found.call
    request = check(found.request, data)
    if principal is ANYONE:
        return await act(api, request)
    if is_list(action):
        return filtered(principal, action, await act(api, request))
    if not principal.allows(action, resources(action, request, api.registry.prefix)):
        raise denied(principal, action)
    return await act(api, request)


def failure(error: ApiError) -> Answer:
    """An error as SDKs read it. A lone surrogate, which no UTF-8 can hold, is written out."""
    message = error.message.encode("utf-8", "backslashreplace").decode()
    members = {"__type": f"{_NAMESPACE}{error.code}", "message": message, **error.members}
    return Answer(error.status, orjson.dumps(members), error.code)
