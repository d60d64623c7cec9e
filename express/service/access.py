"""Requirements of a configuration's pipelines to their cluster, looked at before any of them is started."""

from __future__ import annotations

import logging

from express.config import Config
from express.errors import ConfigError
from express.kafka.access import METADATA_BYTES, knock, metadata_limit, missing_topics
from express.kafka.properties import client_properties
from express.runtime.drain import commit_metadata

log = logging.getLogger(__name__)


async def check_cluster(config: Config) -> None:
    """Raise ConfigError where the cluster refuses us, or can't keep what a pipeline promises.

    A cluster that does not answer passes: the workers go on asking.
    """
    properties = client_properties(config.kafka).consumer
    if not await knock(properties):
        return
    missing = await missing_topics(properties, config.kafka.produce) if config.kafka.produce else ()
    if missing:
        names = ", ".join(missing)
        raise ConfigError(f"kafka.produce: there is no topic {names}: create it, or take it off the list")
    limit = await metadata_limit(properties)
    if limit is None or limit >= commit_metadata.LONGEST:
        return
    wanted = (
        f"{METADATA_BYTES} of at least {commit_metadata.LONGEST} (Kafka's default: {commit_metadata.METADATA_LIMIT})"
    )
    for pipeline in config.pipelines:
        if pipeline.delivery == "exactly_once":
            raise ConfigError(
                f"pipelines.{pipeline.name}.delivery: exactly_once needs brokers with {wanted}; "
                f"these have {limit}, and what has finished out of order would be done twice"
            )
    log.warning("the brokers have %s=%d instead of %s: a crash may repeat more", METADATA_BYTES, limit, wanted)
