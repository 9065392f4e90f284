"""`python -m simulator` is the `prunesim` command."""

from simulator.commands.main import main

main()
