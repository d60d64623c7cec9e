"""The AWS call of a resource: found once when a definition is compiled, called ever after."""

from __future__ import annotations

import importlib.util
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from express.asl.resources import Resource
from express.config import Aws
from express.config.validate import nearest
from express.integrations.aws import names
from express.integrations.aws.clients import service_model
from express.integrations.aws.errors import Naming, optimized_naming, sdk_naming
from express.integrations.aws.optimized import ELSEWHERE, FORMS, SDK_BEFORE, Form, as_it_is

STREAMED = frozenset({("s3", "GetObject"), ("bedrock-runtime", "InvokeModel"), ("lambda", "Invoke")})
"""Operations whose answer is a stream of bytes that is read to its end."""


class Unsupported(Exception):
    """A resource that cannot be called here; the text says why and what there is."""


class Call(msgspec.Struct, frozen=True):
    """One operation of a service, and how its errors and results look."""

    service: str
    folder: str
    operation: str
    method: str
    model: Any
    input: Any
    output: Any
    naming: Naming
    spelling: names.Spelling
    form: Form
    token: str


def available() -> bool:
    """Return whether the `aws` extra is installed."""
    return importlib.util.find_spec("aiobotocore") is not None


def find(resource: Resource, settings: Aws) -> Call:
    """The call that a resource names. Raises Unsupported."""
    if not available():
        raise Unsupported("AWS calls need an extra: pip install 'express[aws]'")
    name = f"{resource.service}:{resource.action}"
    if resource.kind == "optimized":
        form = _form(name)
        folder, naming, spelling = form.folder, optimized_naming(resource.service), names.optimized_member
    else:
        folder = _folder(resource.service)
        form = Form(folder, SDK_BEFORE.get(f"{folder}:{resource.action}", as_it_is), metadata=False)
        naming, spelling = sdk_naming(service_model(folder).metadata["serviceId"]), names.sdk_member
    call = _call(resource, folder, naming, spelling, form)
    check_allowed(name, settings)
    return call


def check_allowed(name: str, settings: Aws) -> None:
    """Raise Unsupported unless the configuration allows `service:action`."""
    if not any(fnmatchcase(name.lower(), pattern.lower()) for pattern in settings.allow):
        raise Unsupported(f'the configuration does not allow it: put "{name}" into aws.allow')


def _form(name: str) -> Form:
    if name in ELSEWHERE:
        raise Unsupported(f"it is not performed here; {ELSEWHERE[name]}")
    if name not in FORMS:
        raise Unsupported(f"it is not performed here; {nearest(name, FORMS)}")
    return FORMS[name]


def _folder(service: str) -> str:
    folder = names.folder(service)
    if folder is None:
        raise Unsupported(f"AWS has no service {service!r}; {_near(service, names.folders())}")
    return folder


def _near(name: str, known: Any) -> str:
    near = nearest(name, known)
    return near if near.startswith("did") else "services are named as the Java SDK names them, in lower case"


def _call(resource: Resource, folder: str, naming: Naming, spelling: names.Spelling, form: Form) -> Call:
    from botocore import xform_name

    model = service_model(folder)
    operation = form.operation or resource.action[:1].upper() + resource.action[1:]
    if operation not in model.operation_names:
        actions = [name[:1].lower() + name[1:] for name in model.operation_names]
        raise Unsupported(
            f"the service {resource.service} has no action {resource.action!r}; {_first(resource, actions)}"
        )
    shape = model.operation_model(operation)
    if shape.has_event_stream_output or shape.has_event_stream_input:
        raise Unsupported("event streams have no result that a state could hold")
    if shape.has_streaming_output and (folder, operation) not in STREAMED:
        raise Unsupported("its answer is a stream, which no state could hold")
    return Call(
        service=resource.service,
        folder=folder,
        operation=operation,
        method=xform_name(operation),
        model=model,
        input=shape.input_shape,
        output=shape.output_shape,
        naming=naming,
        spelling=spelling,
        form=form,
        token=shape.idempotent_members[0] if shape.idempotent_members else "",
    )


def other(call: Call, operation: str) -> Call:
    """Another operation of a call's service, with its names. Raises Unsupported where there is none."""
    from botocore import xform_name

    model = service_model(call.folder)
    if operation not in model.operation_names:
        raise Unsupported(f"the service {call.service} has no operation {operation!r} in this version of botocore")
    shape = model.operation_model(operation)
    return msgspec.structs.replace(
        call,
        operation=operation,
        method=xform_name(operation),
        input=shape.input_shape,
        output=shape.output_shape,
        form=Form(call.folder, metadata=False),
        token=shape.idempotent_members[0] if shape.idempotent_members else "",
    )


def _first(resource: Resource, actions: list[str]) -> str:
    near = nearest(resource.action, actions)
    return near if near.startswith("did") else f"it has {len(actions)} others"
