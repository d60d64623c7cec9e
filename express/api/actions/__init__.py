"""The 37 actions of the API: one function each, in one table."""

from __future__ import annotations

from express.api.actions import aliases, executions, machines, map_runs, tags, tasks, testing, versions
from express.api.context import Action

ACTIONS: dict[str, Action] = {
    "CreateStateMachine": machines.create_state_machine,
    "UpdateStateMachine": machines.update_state_machine,
    "DescribeStateMachine": machines.describe_state_machine,
    "ListStateMachines": machines.list_state_machines,
    "DeleteStateMachine": machines.delete_state_machine,
    "ValidateStateMachineDefinition": machines.validate_state_machine_definition,
    "StartExecution": executions.start_execution,
    "StartSyncExecution": executions.start_sync_execution,
    "StopExecution": executions.stop_execution,
    "DescribeExecution": executions.describe_execution,
    "DescribeStateMachineForExecution": executions.describe_state_machine_for_execution,
    "ListExecutions": executions.list_executions,
    "GetExecutionHistory": executions.get_execution_history,
    "RedriveExecution": executions.redrive_execution,
    "SendTaskSuccess": tasks.send_task_success,
    "SendTaskFailure": tasks.send_task_failure,
    "SendTaskHeartbeat": tasks.send_task_heartbeat,
    "CreateActivity": tasks.create_activity,
    "DeleteActivity": tasks.delete_activity,
    "DescribeActivity": tasks.describe_activity,
    "ListActivities": tasks.list_activities,
    "GetActivityTask": tasks.get_activity_task,
    "PublishStateMachineVersion": versions.publish_state_machine_version,
    "ListStateMachineVersions": versions.list_state_machine_versions,
    "DeleteStateMachineVersion": versions.delete_state_machine_version,
    "CreateStateMachineAlias": aliases.create_state_machine_alias,
    "UpdateStateMachineAlias": aliases.update_state_machine_alias,
    "DescribeStateMachineAlias": aliases.describe_state_machine_alias,
    "ListStateMachineAliases": aliases.list_state_machine_aliases,
    "DeleteStateMachineAlias": aliases.delete_state_machine_alias,
    "DescribeMapRun": map_runs.describe_map_run,
    "ListMapRuns": map_runs.list_map_runs,
    "UpdateMapRun": map_runs.update_map_run,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
    "ListTagsForResource": tags.list_tags_for_resource,
    "TestState": testing.test_state,
}
"""Action → what answers it. A new action is its function, its row here, and the shape of its request."""
