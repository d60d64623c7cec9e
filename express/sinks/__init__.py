"""Destinations of terminal records: one adapter per file."""
