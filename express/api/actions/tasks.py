"""Activities and task callbacks (Step Functions API Reference, "Actions").

Express workflows may neither have activities nor wait for tokens; Standard ones wait in the journal, and a token alone
finds them.
"""

from __future__ import annotations

from express.api import jsontext
from express.api.arns import check_name, parse_arn
from express.api.context import Api, Members
from express.api.errors import already_exists, does_not_exist
from express.api.machine_settings import check_settings, read_tags
from express.errors import ApiError
from express.stores.records import Activity
from express.values import text

MOST_ACTIVITIES = 100_000


async def send_task_success(api: Api, request: Members) -> Members:
    """The task that waits for this token has its result. The output must be JSON."""
    try:
        output = jsontext.parse(request["output"])
    except jsontext.NotJson as error:
        raise ApiError("InvalidOutput", f"Invalid Output: '{error}'") from error
    await api.standard.tokens.succeed(api.standard.host, request["taskToken"], output)
    return {}


async def send_task_failure(api: Api, request: Members) -> Members:
    """The task that waits for this token has failed."""
    await api.standard.tokens.fail(api.standard.host, request["taskToken"], request.get("error"), request.get("cause"))
    return {}


async def send_task_heartbeat(api: Api, request: Members) -> Members:
    """The task that waits for this token is still worked on."""
    await api.standard.tokens.beat(api.standard.host, request["taskToken"])
    return {}


async def create_activity(api: Api, request: Members) -> Members:
    """Register an activity; one of the same name is the same one."""
    name = request["name"]
    check_name(name)
    check_settings(request)
    arn = f"{api.registry.prefix}:activity:{name}"
    tags = read_tags(request.get("tags") or [], arn)
    encryption = request.get("encryptionConfiguration")
    async with api.registry.changing:
        activity = api.registry.activities.get(arn)
        if activity is None:
            if len(api.registry.activities) >= MOST_ACTIVITIES:
                raise ApiError("ActivityLimitExceeded", f"There are {MOST_ACTIVITIES} activities already")
            now = round(api.clock.wall(), 3)
            activity = Activity(arn=arn, name=name, created=now, encryption=encryption, tags=tags)
            await api.registry.put_activity(activity)
        elif activity.encryption != encryption:
            raise already_exists("Activity", arn)
    return {"activityArn": arn, "creationDate": activity.created}


async def delete_activity(api: Api, request: Members) -> Members:
    """Forget an activity; one that is not there is gone already."""
    arn = parse_arn(request["activityArn"], "activity")
    async with api.registry.changing:
        await api.registry.delete_activity(arn.text)
    return {}


async def describe_activity(api: Api, request: Members) -> Members:
    """An activity."""
    activity = _find(api, request)
    members: Members = {"activityArn": activity.arn, "name": activity.name, "creationDate": activity.created}
    return members if activity.encryption is None else {**members, "encryptionConfiguration": activity.encryption}


async def list_activities(api: Api, request: Members) -> Members:
    """Every activity, newest first."""
    activities = sorted(api.registry.activities.values(), key=_newest)
    page, more = api.pages.page("ListActivities", request, activities, _newest)
    items = [{"activityArn": a.arn, "name": a.name, "creationDate": a.created} for a in page]
    return {"activities": items, **more}


async def get_activity_task(api: Api, request: Members) -> Members:
    """Hold the worker until there is a task, for a minute at most as AWS does."""
    activity = _find(api, request)
    task = await api.standard.host.activities.take(activity.arn, request.get("workerName"), api.activity_wait)
    return {} if task is None else {"taskToken": task.token, "input": text(task.input)}


def _newest(activity: Activity) -> list[object]:
    return [-activity.created, activity.arn]


def _find(api: Api, request: Members) -> Activity:
    arn = parse_arn(request["activityArn"], "activity")
    activity = api.registry.activities.get(arn.text)
    if activity is None:
        raise does_not_exist("Activity", arn.text)
    return activity
