"""Records: from the consumed one to the input, and from the execution to the terminal record."""
