"""The requests and responses the broker speaks, one class for all versions of each."""
