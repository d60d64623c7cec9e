"""Task: what its Resource names, what an EXPRESS machine refuses of it, and Credentials."""

from __future__ import annotations

import re

from express.asl.lint.jsonata import jsonata_text
from express.asl.lint.members import plain
from express.asl.lint.report import View, below
from express.asl.lint.templates import object_template
from express.asl.lint.values import expect
from express.asl.resources import DATASET_ACTIONS, OPTIMIZED, SDK_REFUSED, Resource, parse_resource
from express.values import JSON

_FUNCTION = re.compile(r"[\w.\-${}:<>%/]+\Z")
_QUALIFIER = re.compile(r"\$LATEST(?:\.PUBLISHED)?\Z|[A-Za-z0-9\-_]+\Z")
_SUFFIX = re.compile(r"\.(sync(:\d+)?|waitForTaskToken)\Z")


def resource(view: View, value: JSON, location: str) -> None:
    """`Resource` of a Task: a name AWS or this host could know, in a pattern that it has."""
    if type(value) is not str:
        expect(view, value, location, "String")
        return
    if not value:
        view.add("E0108", location, "Value cannot be empty")
        return
    parsed = parse_resource(value)
    _KINDS[parsed.kind](view, parsed, location)
    if view.machine_type == "EXPRESS":
        _express(view, parsed, location)


def _express(view: View, parsed: Resource, location: str) -> None:
    """The three refusals with AWS's own texts; the callback one has two blanks at its end."""
    if parsed.kind == "activity":
        view.add("E0903", location, "Express state machine does not support Activity ARN")
    elif parsed.pattern in ("sync", "sync:2"):
        view.add("E0901", location, "Express state machine does not support '.sync' service integration")
    elif parsed.pattern == "waitForTaskToken":
        view.add("E0902", location, "Express state machine does not support '.waitForTaskToken' service integration ")


def unrecognized(view: View, rule: str, arn: str, location: str, hint: str | None = None) -> None:
    """AWS's sentence about a resource that it does not offer."""
    view.refuse(
        rule,
        arn,
        location,
        f"The resource provided {arn} is not recognized. The value is not a valid resource ARN, or the resource "
        "is not available in this region.",
        hint=hint,
    )


def _other(view: View, parsed: Resource, location: str) -> None:
    if parsed.arn.startswith("{%"):
        unrecognized(view, "E0801", parsed.arn, location, "Resource takes no expression")
    elif not _is_templated(parsed.arn):
        unrecognized(
            view, "W0802", parsed.arn, location, None if parsed.arn.startswith("arn:") else "AWS takes ARNs only"
        )


def _is_templated(arn: str) -> bool:
    return "${" in arn or "<" in arn or arn.startswith(("_", "%"))


def _is_qualifier(text: str) -> bool:
    return not text or _is_templated(text) or _QUALIFIER.match(text) is not None


def _function(view: View, parsed: Resource, location: str) -> None:
    bad_name = _FUNCTION.match(parsed.name) is None
    bad_qualifier = parsed.arn.endswith(":") or not _is_qualifier(parsed.qualifier)
    if bad_name or bad_qualifier:
        what = "function name" if bad_name else "version or alias"
        unrecognized(view, "E0801", parsed.arn, location, f"the {what} is malformed")


def _activity(view: View, parsed: Resource, location: str) -> None:
    if not parsed.name:
        unrecognized(view, "E0801", parsed.arn, location, "the name of the activity is missing")


def _optimized(view: View, parsed: Resource, location: str) -> None:
    actions = OPTIMIZED.get(parsed.service)
    name = f"{parsed.service}:{parsed.action}"
    if name in DATASET_ACTIONS:
        hint = f"it belongs into {DATASET_ACTIONS[name]}; a Task takes arn:aws:states:::aws-sdk:{name}"
        unrecognized(view, "E0804", parsed.arn, location, hint)
    elif actions is None:
        if not _is_templated(parsed.service):
            hint = view.report.nearest(parsed.service, OPTIMIZED) or f"as SDK call: aws-sdk:{name}"
            unrecognized(view, "W0802", parsed.arn, location, hint)
    elif parsed.action not in actions:
        _unknown_action(view, parsed, location, actions)
    elif parsed.pattern not in actions[parsed.action]:
        offered = ", ".join(sorted(f".{p}" if p else "request-response" for p in actions[parsed.action]))
        unrecognized(view, "E0803", parsed.arn, location, f"{name} offers {offered}")


def _unknown_action(view: View, parsed: Resource, location: str, actions: dict[str, frozenset[str]]) -> None:
    if _is_templated(parsed.action):
        return
    plain = _SUFFIX.sub("", parsed.action)
    hint = view.report.nearest(plain, actions) or f"as SDK call: aws-sdk:{parsed.service}:{plain}"
    unrecognized(view, "E0801", parsed.arn, location, hint)


def _sdk(view: View, parsed: Resource, location: str) -> None:
    action = parsed.action
    if _is_templated(action) or _is_templated(parsed.service):
        return
    if f"{parsed.service}:{action}" in SDK_REFUSED:
        unrecognized(view, "E0801", parsed.arn, location, "Step Functions does not offer this SDK call")
    elif parsed.pattern in ("sync", "sync:2"):
        unrecognized(view, "E0803", parsed.arn, location, "SDK calls have no .sync")
    elif not action.isalnum() or not action[:1].islower():
        hint = f"did you mean '{action[:1].lower()}{action[1:]}'?" if action.isalnum() else None
        unrecognized(view, "E0801", parsed.arn, location, hint)


def _express_own(view: View, parsed: Resource, location: str) -> None:
    if not parsed.action:
        unrecognized(view, "E0801", parsed.arn, location, "the action is missing")


_KINDS = {
    "lambda": _function,
    "activity": _activity,
    "optimized": _optimized,
    "sdk": _sdk,
    "http": _optimized,
    "express": _express_own,
    "other": _other,
}


def members(view: View) -> None:
    """Note each name in the parameters of a Task that its resource does not take."""
    field, arn = "Arguments" if view.jsonata else "Parameters", view.data.get("Resource")
    given = view.data.get(field)
    if type(arn) is not str or type(given) is not dict:
        return
    for pointer, name, valid in view.report.members(parse_resource(arn), given):
        place = below(view.location, f"/{field}{pointer}")
        view.add(
            "E0806",
            place,
            f'The field "{plain(name)}" is not supported by Step Functions',
            hint=view.report.nearest(plain(name), valid),
            at=below(place, f"/{name}"),
        )


def _is_for_aws(view: View) -> bool:
    """Return whether AWS's form of Credentials is due; what another engine's resource wants is its own matter."""
    arn = view.data.get("Resource")
    return type(arn) is str and parse_resource(arn).kind != "other"


def credentials(view: View, value: JSON, location: str) -> None:
    """`Credentials`: an object with RoleArn, static or dynamic."""
    if type(value) is not dict:
        if view.jsonata and type(value) is str:
            jsonata_text(view, value, location)
        else:
            expect(view, value, location, "Object")
        return
    if "RoleArn" not in value and (view.jsonata or "RoleArn.$" not in value) and _is_for_aws(view):
        view.add("E0805", location, "The field 'RoleArn' is required but was missing")
    if view.jsonata:
        role = value.get("RoleArn")
        if type(role) is str:
            jsonata_text(view, role, f"{location}/RoleArn")
    else:
        object_template(view, value, location)
