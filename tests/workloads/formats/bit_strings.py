"""The slow twin of every format: a stored tensor as strings of '0' and '1', written bit by bit from the format's rules.

A format's twin is a file of kinds/ with the format's name, which holds

    SETTINGS                        a strategy of its options, without value_bits
    EXAMPLE                         its text, a small (K, C) or (K, C, X) tensor, and {field: bits} worked out by hand
    bit_strings(chosen, tensor)     {field: string} of nested lists (K, C, X) of whole numbers
    KERNELS, keep(values, chosen)   where it has them: kernels that it takes, and what makes an array one that it can hold

A value is written as its number in value_bits bits, so that contents can be compared as well as lengths.
"""

from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).with_name("kinds")
TWINS = {file.stem: import_module(f"tests.workloads.formats.kinds.{file.stem}") for file in sorted(FOLDER.glob("*.py"))}


def bit_strings(chosen, tensor):
    return TWINS[chosen.name].bit_strings(chosen, tensor.tolist())
