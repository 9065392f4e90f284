"""`python -m simulator` is the `prunesim` command."""

from simulator.command import main

main()
