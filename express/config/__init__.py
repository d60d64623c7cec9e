"""Configuration: TOML files, environment and command line into strict structs, each value with its origin."""

from express.config.describe import schema
from express.config.load import Loaded, choose, flat, load
from express.config.model import (
    Api,
    Aws,
    Config,
    Connection,
    Destination,
    Function,
    Http,
    Input,
    Kafka,
    Log,
    Metering,
    Metrics,
    Pipeline,
    Results,
    Traces,
    Workers,
)
from express.config.quantities import Duration, Secret, Size, reveal
from express.config.rules import flat_properties, property_name

__all__ = [
    "Api",
    "Aws",
    "Config",
    "Connection",
    "Destination",
    "Duration",
    "Function",
    "Http",
    "Input",
    "Kafka",
    "Loaded",
    "Log",
    "Metering",
    "Metrics",
    "Pipeline",
    "Results",
    "Secret",
    "Size",
    "Traces",
    "Workers",
    "choose",
    "flat",
    "flat_properties",
    "load",
    "property_name",
    "reveal",
    "schema",
]
