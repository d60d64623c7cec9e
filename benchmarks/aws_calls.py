"""CPU per AWS call: `python -m benchmarks.aws_calls [CALLS]`, the direct way against aiobotocore's.

A server in another process answers each action with a recorded shape. What is measured is this process's CPU, from
the task's input to its result; one call at a time, so that nothing is shared between calls.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

from express.asl.resources import parse_resource
from express.config import Aws
from express.engine.effects import StartTask
from express.integrations import LocalFunctions
from express.integrations.aws import AwsCalls
from express.integrations.lambda_ import Functions
from express.ports import Integration, TaskContext
from express.values import JSON

SERVER = """
import asyncio, sys
JSON = b'application/x-amz-json-1.0'
PUBLISHED = (b'<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>m</MessageId>'
    b'</PublishResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishResponse>')
ANSWERS = {
    b'/invocations': (b'{"ok":true}', b'application/json'),
    b'dynamodb_': (b'{"Item":{"id":{"S":"1"}}}', JSON),
    b'amazonsqs': (b'{"MD5OfMessageBody":"x","MessageId":"m"}', JSON),
    b'awsevents': (b'{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}', b'application/x-amz-json-1.1'),
    b'': (PUBLISHED, b'text/xml'),
}
def answer(head):
    body, kind = next(found for mark, found in ANSWERS.items() if mark in head)
    return b'HTTP/1.1 200 OK\\r\\nContent-Type: %s\\r\\nContent-Length: %d\\r\\n\\r\\n%s' % (kind, len(body), body)
async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b'\\r\\n\\r\\n'))
            low = head.lower()
            size = int(low.partition(b'content-length:')[2].split(b'\\r\\n')[0] or 0)
            if size: await reader.readexactly(size)
            writer.write(answer(low))
    except (asyncio.IncompleteReadError, ConnectionError): writer.close()
async def main():
    server = await asyncio.start_server(serve, '127.0.0.1', 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

STATES = "arn:aws:states:::"
CALLS: dict[str, JSON] = {
    "dynamodb:getItem": {"TableName": "orders", "Key": {"id": {"S": "1"}}},
    "dynamodb:putItem": {"TableName": "orders", "Item": {"id": {"S": "1"}, "total": {"N": "12"}}},
    "sqs:sendMessage": {"QueueUrl": "http://127.0.0.1/1/q", "MessageBody": {"order": 1}},
    "events:putEvents": {"Entries": [{"Source": "s", "DetailType": "d", "Detail": {"a": 1}}]},
    "sns:publish": {"TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Message": {"order": 1}},
    "lambda:invoke": {"FunctionName": "score", "Payload": {"order": 1}},
}
CONTEXT = TaskContext("arn:aws:states:us-east-1:123456789012:express:shop:t-0-7:5d1f", "shop", deadline=1e12)


async def measure(port: int, attempts: int, calls: int) -> dict[str, float]:
    """Microseconds of CPU per call and action; with one attempt the direct way is gone."""
    settings = Aws(
        allow=["*:*"],
        region="us-east-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        functions={"*": "aws"},
        attempts=attempts,
    )
    aws = AwsCalls(settings)
    functions = Functions(LocalFunctions({}), settings, aws)
    found = {}
    for name, request in CALLS.items():
        performer: Integration = functions if name.startswith("lambda") else aws
        task = StartTask(1, parse_resource(STATES + name), request, "S", "S#1")
        found[name] = await _one(performer, task, calls)
    await aws.close()
    await functions.close()
    return found


async def _one(performer: Integration, task: StartTask, calls: int) -> float:
    began = 0.0
    for number in range(-200, calls):
        if number == 0:
            began = time.process_time()
        answer = performer.start(task, CONTEXT)
        await answer  # type: ignore[misc] # never at once
    return (time.process_time() - began) / calls * 1e6


def main() -> None:
    """Print the table."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000
    os.environ.update(AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE", AWS_SECRET_ACCESS_KEY="example")
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        port = int(server.stdout.readline())
        short, long = (asyncio.run(measure(port, attempts, calls)) for attempts in (1, 2))
    finally:
        server.kill()
        server.wait()
    print(f"{'CPU per call (us)':<20}{'short way':>12}{'aiobotocore':>14}")
    for name in CALLS:
        print(f"{name:<20}{short[name]:>12.0f}{long[name]:>14.0f}")


if __name__ == "__main__":
    main()
