"""`python -m modelsgenesis` is the command `genesis`."""

from modelsgenesis.cli import main

main()
