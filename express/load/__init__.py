"""Events that are made: generators, templates, batch producer, and the reader of results."""
