"""A second, slow and obvious interpreter of the States Language, and a generator of machines for it.

It shares no code with `express`, so that the two can be held against each other. `python -m tests.reference
--examples N` compares them on as many generated machines as one likes.
"""
