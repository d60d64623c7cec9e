"""Sources of records: one adapter per file."""
