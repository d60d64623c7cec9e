"""Members that the requests of several actions have, with the constraints of AWS's service model."""

from __future__ import annotations

from express.api.constraints import Enum, Flag, Many, Object, Shape, Text, Whole

ARN = Text(1, 256)
LONG_ARN = Text(1, 2000)
NAME = Text(1, 80)
DEFINITION = Text(1, 1_048_576, secret=True)
DATA = Text(0, 262_144, secret=True)
ERROR = Text(0, 256, secret=True)
CAUSE = Text(0, 32_768, secret=True)
DESCRIPTION = Text(0, 256, secret=True)
TASK_TOKEN = Text(1, 2048, secret=True)
TRACE_HEADER = Text(0, 256, pattern=r"\p{ASCII}*")
TYPE = Enum("STANDARD", "EXPRESS")
INCLUDED_DATA = Enum("ALL_DATA", "METADATA_ONLY")

PAGE: dict[str, Shape] = {"maxResults": Whole(0, 1000), "nextToken": Text(1, 1024)}
TAGS = Many(Object({"key": Text(1, 128), "value": Text(0, 256)}))
TRACING = Object({"enabled": Flag()})
LOGGING = Object(
    {
        "level": Enum("ALL", "ERROR", "FATAL", "OFF"),
        "includeExecutionData": Flag(),
        "destinations": Many(Object({"cloudWatchLogsLogGroup": Object({"logGroupArn": ARN})})),
    }
)
ENCRYPTION = Object(
    {
        "kmsKeyId": Text(1, 2048),
        "kmsDataKeyReusePeriodSeconds": Whole(60, 900),
        "type*": Enum("AWS_OWNED_KEY", "CUSTOMER_MANAGED_KMS_KEY"),
    }
)
ROUTING = Many(Object({"stateMachineVersionArn*": ARN, "weight*": Whole(0, 100)}), 1, 2)

EXECUTION: dict[str, Shape] = {"executionArn*": ARN}
MACHINE: dict[str, Shape] = {"stateMachineArn*": ARN}
START: dict[str, Shape] = {**MACHINE, "name": NAME, "input": DATA, "traceHeader": TRACE_HEADER}
SETTINGS: dict[str, Shape] = {
    "loggingConfiguration": LOGGING,
    "tracingConfiguration": TRACING,
    "publish": Flag(),
    "versionDescription": DESCRIPTION,
    "encryptionConfiguration": ENCRYPTION,
}
