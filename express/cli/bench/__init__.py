"""`express bench`: its options, its session, its live table."""
