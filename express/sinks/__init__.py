"""Where terminal records go: one adapter per file."""
