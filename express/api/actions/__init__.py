"""The actions of the API, in one table: what answers each, and what its request may have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from express.api import request_shapes as shapes
from express.api.actions import aliases, executions, machines, map_runs, tags, tasks, testing, versions
from express.api.constraints import Decimal, Enum, Flag, Many, Object, Text, Whole
from express.api.context import Api, Members
from express.values import JSON


class Action(NamedTuple):
    """An action of the API: its function, and the shape of its request."""

    call: Callable[[Api, Members], Awaitable[JSON]]
    request: Object


ACTIONS: dict[str, Action] = {
    "CreateStateMachine": Action(
        machines.create_state_machine,
        Object(
            {
                "name*": shapes.NAME,
                "definition*": shapes.DEFINITION,
                "roleArn*": shapes.ARN,
                "type": shapes.TYPE,
                "tags": shapes.TAGS,
                **shapes.SETTINGS,
            }
        ),
    ),
    "UpdateStateMachine": Action(
        machines.update_state_machine,
        Object({**shapes.MACHINE, "definition": shapes.DEFINITION, "roleArn": shapes.ARN, **shapes.SETTINGS}),
    ),
    "DescribeStateMachine": Action(
        machines.describe_state_machine, Object({**shapes.MACHINE, "includedData": shapes.INCLUDED_DATA})
    ),
    "ListStateMachines": Action(machines.list_state_machines, Object(shapes.PAGE)),
    "DeleteStateMachine": Action(machines.delete_state_machine, Object(shapes.MACHINE)),
    "ValidateStateMachineDefinition": Action(
        machines.validate_state_machine_definition,
        Object(
            {
                "definition*": shapes.DEFINITION,
                "type": shapes.TYPE,
                "severity": Enum("ERROR", "WARNING"),
                "maxResults": Whole(0, 100),
            }
        ),
    ),
    "StartExecution": Action(executions.start_execution, Object(shapes.START)),
    "StartSyncExecution": Action(
        executions.start_sync_execution, Object({**shapes.START, "includedData": shapes.INCLUDED_DATA})
    ),
    "StopExecution": Action(
        executions.stop_execution, Object({**shapes.EXECUTION, "error": shapes.ERROR, "cause": shapes.CAUSE})
    ),
    "DescribeExecution": Action(
        executions.describe_execution, Object({**shapes.EXECUTION, "includedData": shapes.INCLUDED_DATA})
    ),
    "DescribeStateMachineForExecution": Action(
        executions.describe_state_machine_for_execution,
        Object({**shapes.EXECUTION, "includedData": shapes.INCLUDED_DATA}),
    ),
    "ListExecutions": Action(
        executions.list_executions,
        Object(
            {
                "stateMachineArn": shapes.ARN,
                "statusFilter": Enum(
                    *("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"),
                    told="SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING",
                ),
                "maxResults": Whole(0, 1000),
                "nextToken": Text(1, 3096),
                "mapRunArn": shapes.LONG_ARN,
                "redriveFilter": Enum("REDRIVEN", "NOT_REDRIVEN"),
            }
        ),
    ),
    "GetExecutionHistory": Action(
        executions.get_execution_history,
        Object({**shapes.EXECUTION, **shapes.PAGE, "reverseOrder": Flag(), "includeExecutionData": Flag()}),
    ),
    "RedriveExecution": Action(
        executions.redrive_execution, Object({**shapes.EXECUTION, "clientToken": Text(1, 64, pattern="[!-~]+")})
    ),
    "SendTaskSuccess": Action(
        tasks.send_task_success, Object({"taskToken*": shapes.TASK_TOKEN, "output*": shapes.DATA})
    ),
    "SendTaskFailure": Action(
        tasks.send_task_failure, Object({"taskToken*": shapes.TASK_TOKEN, "error": shapes.ERROR, "cause": shapes.CAUSE})
    ),
    "SendTaskHeartbeat": Action(tasks.send_task_heartbeat, Object({"taskToken*": shapes.TASK_TOKEN})),
    "CreateActivity": Action(
        tasks.create_activity,
        Object({"name*": shapes.NAME, "tags": shapes.TAGS, "encryptionConfiguration": shapes.ENCRYPTION}),
    ),
    "DeleteActivity": Action(tasks.delete_activity, Object({"activityArn*": shapes.ARN})),
    "DescribeActivity": Action(tasks.describe_activity, Object({"activityArn*": shapes.ARN})),
    "ListActivities": Action(tasks.list_activities, Object(shapes.PAGE)),
    "GetActivityTask": Action(tasks.get_activity_task, Object({"activityArn*": shapes.ARN, "workerName": shapes.NAME})),
    "PublishStateMachineVersion": Action(
        versions.publish_state_machine_version,
        Object({**shapes.MACHINE, "revisionId": Text(), "description": shapes.DESCRIPTION}),
    ),
    "ListStateMachineVersions": Action(versions.list_state_machine_versions, Object({**shapes.MACHINE, **shapes.PAGE})),
    "DeleteStateMachineVersion": Action(
        versions.delete_state_machine_version, Object({"stateMachineVersionArn*": shapes.LONG_ARN})
    ),
    "CreateStateMachineAlias": Action(
        aliases.create_state_machine_alias,
        Object(
            {
                "description": shapes.DESCRIPTION,
                "name*": Text(1, 80, pattern=r"^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$"),
                "routingConfiguration*": shapes.ROUTING,
            }
        ),
    ),
    "UpdateStateMachineAlias": Action(
        aliases.update_state_machine_alias,
        Object(
            {
                "stateMachineAliasArn*": shapes.ARN,
                "description": shapes.DESCRIPTION,
                "routingConfiguration": shapes.ROUTING,
            }
        ),
    ),
    "DescribeStateMachineAlias": Action(
        aliases.describe_state_machine_alias, Object({"stateMachineAliasArn*": shapes.ARN})
    ),
    "ListStateMachineAliases": Action(aliases.list_state_machine_aliases, Object({**shapes.MACHINE, **shapes.PAGE})),
    "DeleteStateMachineAlias": Action(
        aliases.delete_state_machine_alias, Object({"stateMachineAliasArn*": shapes.ARN})
    ),
    "DescribeMapRun": Action(map_runs.describe_map_run, Object({"mapRunArn*": shapes.LONG_ARN})),
    "ListMapRuns": Action(map_runs.list_map_runs, Object({**shapes.EXECUTION, **shapes.PAGE})),
    "UpdateMapRun": Action(
        map_runs.update_map_run,
        Object(
            {
                "mapRunArn*": shapes.LONG_ARN,
                "maxConcurrency": Whole(0),
                "toleratedFailurePercentage": Decimal(0, 100),
                "toleratedFailureCount": Whole(0),
            }
        ),
    ),
    "TagResource": Action(tags.tag_resource, Object({"resourceArn*": shapes.ARN, "tags*": shapes.TAGS})),
    "UntagResource": Action(tags.untag_resource, Object({"resourceArn*": shapes.ARN, "tagKeys*": Many(Text(1, 128))})),
    "ListTagsForResource": Action(tags.list_tags_for_resource, Object({"resourceArn*": shapes.ARN})),
    "TestState": Action(
        testing.test_state,
        Object(
            {
                "definition*": shapes.DEFINITION,
                "roleArn": shapes.ARN,
                "input": shapes.DATA,
                "inspectionLevel": Enum("INFO", "DEBUG", "TRACE"),
                "revealSecrets": Flag(),
                "variables": shapes.DATA,
                "stateName": Text(1, 80, secret=True),
                "mock": Object(
                    {
                        "result": shapes.DATA,
                        "errorOutput": Object({"error": shapes.ERROR, "cause": shapes.CAUSE}),
                        "fieldValidationMode": Enum("STRICT", "PRESENT", "NONE"),
                    }
                ),
                "context": shapes.DATA,
                "stateConfiguration": Object(
                    {
                        "retrierRetryCount": Whole(0),
                        "errorCausedByState": Text(1, 80, secret=True),
                        "mapIterationFailureCount": Whole(0),
                        "mapItemReaderData": shapes.DATA,
                    }
                ),
            }
        ),
    ),
}
"""By name. A new action is its function, and its row here."""
