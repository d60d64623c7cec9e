"""`express`: a Kafka-native engine for AWS Step Functions Express workflows."""

__version__ = "0.1.0"
