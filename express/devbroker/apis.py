"""The table of APIs: key, versions spoken, request, and what handles it.

Non-flexible versions mostly: aiokafka uses nothing else and librdkafka settles for them. The flexible ones are
there where a client gains something: fencing in transactions (KIP-447, KIP-360), stable positions, and what became of
a transaction (KIP-664).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from express.devbroker.call import Answer, Call
from express.devbroker.handlers import admin, groups, offsets, records, transactions
from express.devbroker.handlers.fetch import fetch
from express.devbroker.messages import admin as admin_messages
from express.devbroker.messages import groups as group_messages
from express.devbroker.messages import offsets as offset_messages
from express.devbroker.messages import records as record_messages
from express.devbroker.messages import transactions as transaction_messages
from express.devbroker.messages.admin import ApiRange, ApiVersionsRequest, ApiVersionsResponse
from express.devbroker.node import Node
from express.devbroker.wire import Message

NEVER = 1 << 15
API_VERSIONS = 18


class Api(NamedTuple):
    """One API: versions `first` to `last` are spoken, from `flexible` on in the compact form (KIP-482)."""

    key: int
    first: int
    last: int
    flexible: int
    request: type[Message]
    handle: Callable[[Node, Any, Call], Answer]


def api_versions(node: Node, request: ApiVersionsRequest, call: Call) -> Answer:
    """Which versions are spoken."""
    return ApiVersionsResponse(apis=SPOKEN)


APIS = (
    Api(0, 3, 8, NEVER, record_messages.ProduceRequest, records.produce),
    Api(1, 4, 11, NEVER, record_messages.FetchRequest, fetch),
    Api(2, 1, 7, 6, record_messages.ListOffsetsRequest, records.list_offsets),
    Api(3, 0, 5, NEVER, admin_messages.MetadataRequest, admin.metadata),
    Api(8, 2, 7, NEVER, offset_messages.OffsetCommitRequest, offsets.offset_commit),
    Api(9, 1, 7, 6, offset_messages.OffsetFetchRequest, offsets.offset_fetch),
    Api(10, 0, 2, NEVER, group_messages.FindCoordinatorRequest, groups.find_coordinator),
    Api(11, 0, 5, NEVER, group_messages.JoinGroupRequest, groups.join_group),
    Api(12, 0, 3, NEVER, group_messages.HeartbeatRequest, groups.heartbeat),
    Api(13, 0, 3, NEVER, group_messages.LeaveGroupRequest, groups.leave_group),
    Api(14, 0, 3, NEVER, group_messages.SyncGroupRequest, groups.sync_group),
    Api(15, 0, 4, NEVER, group_messages.DescribeGroupsRequest, groups.describe_groups),
    Api(16, 0, 4, 3, group_messages.ListGroupsRequest, groups.list_groups),
    Api(18, 0, 2, NEVER, ApiVersionsRequest, api_versions),
    Api(19, 2, 4, NEVER, admin_messages.CreateTopicsRequest, admin.create_topics),
    Api(20, 1, 3, NEVER, admin_messages.DeleteTopicsRequest, admin.delete_topics),
    Api(21, 0, 1, NEVER, record_messages.DeleteRecordsRequest, records.delete_records),
    Api(22, 0, 4, 2, transaction_messages.InitProducerIdRequest, transactions.init_producer_id),
    Api(24, 0, 2, NEVER, transaction_messages.AddPartitionsToTxnRequest, transactions.add_partitions),
    Api(25, 0, 2, NEVER, transaction_messages.AddOffsetsToTxnRequest, transactions.add_offsets),
    Api(26, 0, 2, NEVER, transaction_messages.EndTxnRequest, transactions.end_transaction),
    Api(28, 0, 3, 3, transaction_messages.TxnOffsetCommitRequest, transactions.offset_commit),
    Api(32, 0, 2, NEVER, admin_messages.DescribeConfigsRequest, admin.describe_configs),
    Api(37, 0, 1, NEVER, admin_messages.CreatePartitionsRequest, admin.create_partitions),
    Api(42, 0, 1, NEVER, group_messages.DeleteGroupsRequest, groups.delete_groups),
    Api(44, 0, 0, NEVER, admin_messages.IncrementalAlterConfigsRequest, admin.alter_configs),
    Api(61, 0, 0, 0, transaction_messages.DescribeProducersRequest, transactions.describe_producers),
    Api(65, 0, 0, 0, transaction_messages.DescribeTransactionsRequest, transactions.describe_transactions),
)
BY_KEY = {api.key: api for api in APIS}
SPOKEN = [ApiRange(key=api.key, first=api.first, last=api.last) for api in APIS]
