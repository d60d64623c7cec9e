"""The conformance runner: cases in one format, from any folder, against the engine on a virtual clock."""
