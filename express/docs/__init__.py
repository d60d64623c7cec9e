"""The documentation, as Markdown, and the samples it is about."""
