"""Every place that replaces or reaches into a part of aiokafka."""
