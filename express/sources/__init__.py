"""Where records come from: one adapter per file."""
