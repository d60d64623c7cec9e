"""`express verify`: every input accounted for by results and dead letters."""
