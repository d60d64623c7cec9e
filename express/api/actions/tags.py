"""TagResource, UntagResource and ListTagsForResource: state machines and activities."""

from __future__ import annotations

from express.api.context import Api, Members
from express.api.machine_settings import check_tag_count, read_tags, shown_tags


async def tag_resource(api: Api, request: Members) -> Members:
    """Add tags; equal keys are overwritten."""
    arn = request["resourceArn"]
    async with api.registry.changing:
        owner = api.registry.tagged(arn)
        await api.registry.put_tags(owner, check_tag_count({**owner.tags, **read_tags(request["tags"], arn)}, arn))
    return {}


async def untag_resource(api: Api, request: Members) -> Members:
    """Take tags away; keys that are not there are ignored."""
    gone = set(request["tagKeys"])
    async with api.registry.changing:
        owner = api.registry.tagged(request["resourceArn"])
        await api.registry.put_tags(owner, {key: value for key, value in owner.tags.items() if key not in gone})
    return {}


async def list_tags_for_resource(api: Api, request: Members) -> Members:
    """The tags of a machine or activity."""
    return {"tags": shown_tags(api.registry.tagged(request["resourceArn"]).tags)}
