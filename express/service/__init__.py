"""Wiring: the one place that knows every adapter, and makes of a configuration what runs."""
