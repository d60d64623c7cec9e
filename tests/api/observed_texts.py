"""Every text that AWS was observed to say, as a pattern, and those that no row can bring the server to say yet.

A text is left out for a reason: what would say it is not there. It moves to a row once it is.
"""

from __future__ import annotations

STANDARD = "needs a Standard execution"
SYNCHRONOUS = "needs a task that a Standard execution waits for"
MAP_RUN = "needs a Map Run, which only a Standard execution has"

TEXTS = (
    # of requests (AWS Step Functions API Reference)
    r"Activity Does Not Exist: '.+'",
    r"Failed to publish the State Machine version for revision .+\. The current State Machine revision is .+\.",
    r"Version to be deleted must not be referenced by an alias\. "
    r"Current list of aliases referencing this version: \[.+\]",
    r"Failed to create alias because an alias with the same name and a different routing configuration already "
    r"exists\.",
    r"Execution Does Not Exist: '.+'",
    r"Invalid Arn: 'Invalid ARN prefix: .+'",
    r"Invalid Arn: 'Resource type not valid in this context: .+'",
    r"Invalid Name: '[\s\S]+'",
    r"Invalid Token: 'Invalid token'",
    r"Invalid State Machine Definition: '[A-Z_]+: .+ at .+, [A-Z_]+: .+ at null'",
    r"Invalid State Machine Execution Input: 'Unrecognized token .+",
    r"Invalid State Machine Execution Input: 'Invalid execution input\.'",
    r"Invalid Logging Configuration: Must specify exactly one Log Destination\.",
    r"Invalid Logging Configuration: Log Destination not found\.",
    r"Resource not found: '.+'",
    r"Request references a resource that does not exist\.",
    r"State Machine Already Exists: '.+'",
    r"State Machine Does Not Exist: '.+'",
    r"This operation is not supported by this type of state machine",
    r"Version description can only be set when publish is true",
    r"Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified",
    r"Routing configuration must contain state machine version ARNs\. Received: \[.+\]",
    r"1 validation error detected: Value .+ failed to satisfy constraint: Member must have value .+",
    r"1 validation error detected: Value .+ failed to satisfy constraint: Member must have length .+",
    r"1 validation error detected: Value .+ failed to satisfy constraint: Member must satisfy enum value set: \[.+\]",
    r"1 validation error detected: Value .+ failed to satisfy constraint: "
    r"Member must satisfy regular expression pattern: .+",
    r"1 validation error detected: Value .+ failed to satisfy constraint: Member must not be null",
    r"2 validation errors detected: .+",
    r"State not found in definition",
    r"RoleArn must be specified when testing a Task state",
    r"A test mock should have only one of the following fields: \[result, errorOutput\]\.",
    r"Mock result schema validation error: Field '.+' must be a string",
    r"State type '.+' is not supported when a mock is specified",
    r"Mocked result must be an array\.",
    r"Mocked result must contain the same number of items as number of Parallel branches\.",
    r"TestState API does not support Map or Parallel states\. Supported state types include: \[.+\]",
    # of definitions (ValidateStateMachineDefinition)
    r"Definition must be a valid JSON object",
    r"These fields are required: \[.+\]",
    r"Field '.+' is not supported",
    r"The field 'Type' should have one of these values: "
    r"\[Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map\]",
    r"The field 'QueryLanguage' should have one of these values: \[JSONPath, JSONata\]",
    r"Value cannot be empty",
    r"'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
    r"The QueryLanguage is set to 'JSONPath', but field '.+' is only supported for the 'JSONata' QueryLanguage",
    r"The QueryLanguage is set to 'JSONata', but field '.+' is only supported for the 'JSONPath' QueryLanguage",
    r"The value for the field '.+\.\$' must be a valid JSONPath or a valid intrinsic function call",
    r"String does not match RFC3339 timestamp",
    r"The resource provided .+ is not recognized\. .+",
    r"The field 'RoleArn' is required but was missing",
    r"Duplicate State name: .+",
    r"Missing 'Next' target: .+",
    r'State ".+" is not reachable\.',
    r"Workflow has no terminal state",
    r"Unexpected end of expression",
    r'Expected "\]", got ","',
    r"String literal must be terminated by a matching quote",
    r"No terminating / in regular expression",
    r'The symbol "}" cannot be used as a unary operator',
    r"Reference to '.+' at the top level is not supported\.",
    r"Express state machine does not support '\.sync' service integration",
    r"Express state machine does not support '\.waitForTaskToken' service integration ",
    r"Express state machine does not support Activity ARN",
    # of executions and of states under test
    r".*Invalid path '.+' : No results for path: .+",
    r".*Invalid path '.+' : Missing property in path .+",
    r".*The JSONPath '.+' specified for the field '.+\.\$' could not be found in the input '.+'",
    r".*The JSONPath '.+' specified for the field 'ErrorPath' could not be found in the input '.+'",
    r".*The JSONPath '.+' specified for the field 'CausePath' could not be found in the input '.+'",
    r".*The JSONata expression '.+' specified for the field '.+' returned nothing \(undefined\)\.",
    r".*The JSONata expression '.+' specified for the field '.+' threw an error during evaluation\. T1006: .+",
    r".*The JSONata expression '.+' specified for the field '.+' threw an error during evaluation: .+ memory limit .+",
    r".*The JSONata expression '.+' specified for the field '.+' threw an error during evaluation: Stack overflow .+",
    r".*The JSONata expression '.+' specified for the field '.+' returned an unexpected result type\. Expected .+",
    r".*The JSONata expression '.+' specified for the field '.+' returned an unsupported result type\.",
    r".*The SecondsPath parameter does not reference an input value: .+",
    r".*The SecondsPath parameter cannot be parsed as a long value: .+",
    r".*The SecondsPath parameter references a negative value: .+",
    r".*The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: .+",
    r".*The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: .+",
    r".+Wait state delay is too long\.",
    r".+Invalid path '.+': The choice state's condition path references an invalid value\.",
    r".+Failed to transition out of the state\. The state does not point to a next state\.",
    r'.+Reference path ".+" must point to array\.',
    r".+Map state input must be an array but was: .+",
    r".*The MaxConcurrencyPath field refers to value .+ which is not a valid integer: .+",
    r"The ToleratedFailureCountPath field refers to value .+ which is not a valid integer: .+",
    r"The ToleratedFailurePercentagePath field refers to value .+ which is not a valid float: .+",
    r"ToleratedFailureCount cannot be negative\.",
    r"ToleratedFailurePercentage must be between 0 and 100\.",
    r"field MaxItems must be positive",
    r"CSV headers cannot contain duplicates\.",
    r"Attempting to map over non-iterable node\.",
    r"The specified tolerated failure threshold was exceeded",
    r".*The Parameters '.+' could not be used to start the Task: \[.+\]",
    r"The state/task '.+' returned a result with a size exceeding the maximum number of bytes service limit\.",
    r"The state/task '.+' provided parameters with a size exceeding the maximum number of bytes service limit\.",
    # left out today
    r"Execution Already Exists: '.+'",
    r"Execution is SUCCEEDED and cannot be redriven",
    r"The execution reached the maximum number of history events \(25000\)\.",
    r"The activity .+ does not exist\.",
)
"""What AWS was observed to say: each is said by a row, or is left out."""

LEFT_OUT = {
    r"Execution Already Exists: '.+'": STANDARD,
    r"Execution is SUCCEEDED and cannot be redriven": STANDARD,
    r"The execution reached the maximum number of history events \(25000\)\.": STANDARD,
    r"The activity .+ does not exist\.": SYNCHRONOUS,
}
"""Text → the reason why no row has it."""

SEQUENCES_LEFT_OUT = {
    "TaskScheduled TaskStarted TaskSubmitted": SYNCHRONOUS,
    "ActivityScheduled ActivityStarted": SYNCHRONOUS,
    "MapStateStarted MapRunStarted": MAP_RUN,
}
"""Sequence of events that was observed → the reason why no row has it."""
