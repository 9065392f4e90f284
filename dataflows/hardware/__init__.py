"""What a machine is built of, and what its parts do: counted here, priced in `simulator.energy`."""
