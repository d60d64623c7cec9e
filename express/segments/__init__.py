"""The optimized tier: generated Python over states that follow each other."""
