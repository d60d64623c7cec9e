"""`python -m express` is the command `express`."""

from express.cli import main

main(prog_name="express")
