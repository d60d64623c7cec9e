"""The development broker by itself."""
