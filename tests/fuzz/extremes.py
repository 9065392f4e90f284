"""Values that are the end of a type, of a range, or of patience."""

import math
import typing

from simulator.configuration import keys_of, merge

NUMBERS = [
    0, -1, 1, 2, 3, 7, 64, 1000, 2**16, 2**20, 2**24, 2**31 - 1, 2**31, 2**32, 10**12, 2**40, 2**53, 2**62, 2**63 - 1, 2**63, 10**18, 10**300,
    0.5, 1e-300, 1e-18, 1e-9, 1e9, 1e18, 1e300, math.nan, math.inf, -math.inf,
]  # fmt: skip
OTHERS = ["", "x", "0", "inf", True, None, [], {}, [1], {"x": 1}]
TEXTS = [
    "", " ", "-", "--", "-1", "0", "1", "2", "0.5", "1e18", "-1e18", "1e999", "nan", "inf", "-inf", str(2**31), str(2**63), "9" * 60, "9" * 10_000, "0x10", "1_0", "٣",
    "x", "x=1", "=", "=1", "x=", "a=b=c", ",", ",,", "1,2", "x,y", "x" * 10_000, "a.b.c", "." * 200, "[" * 500, "{" * 500, "'", '"', "\\", "\n", "\r\n", "\t", "\x00", "\x1b[31m", "\x7f", "\u202e", "é", "\ud800", "\udcff", "😀",
    "<script>alert(1)</script>", "=1+1", "+1", "@SUM(1)", "%s", "{0}", "$(id)", "*", "?", "[!", "~", "~nobody", "/", ".", "..", "/dev/null", "/dev/zero", "/dev/full", "/dev/stdin", "/dev/null/x", "/no/such/file", "PIPE", "FOLDER", "EMPTY", "NOISE", "a/" * 3000, "x" * 255 + ".json", "x" * 256 + ".json",
    "pe_rows=0", "pe_rows=1e9", "dram.latency_ns=1e18", "dram.kind=banked", "dram.channels=1000000", "dram.override.rows=3", "dram=1", "clock_hz=" + "9" * 30, "queue_depth=[1]", "a.=1",
    "unstructured", "unstructured:density=nan", "unstructured:density=", "unstructured:density=0.5+", "nm:n=9,m=4", "block:rows=0", "pattern:set=/dev/zero", "+", "multipliers=0", "multipliers=1000000000000", "multipliers=16777216", "on_chip_kib=1e-300", "on_chip_kib=1e12", "bandwidth_gbs=1e-300", "clock_ghz=1e300", "bits=5",
    "ramulator2:", "ramulator2:/dev/null/x", "dramsim3", ":", "x:y", "periodic", "poisson", "tcp://", "tcp://127.0.0.1:1", "all", "all,all",
]  # fmt: skip


def extreme_settings(chance, machine):
    """Nested settings of a machine, some of them at an end of what may be, some anything else."""
    keys = keys_of(machine.Spec)
    values = {}
    for key in chance.sample(list(keys), chance.choice([1, 1, 1, 2, 3, 5])):
        merge(values, key, _value(chance, key, keys[key]))
    if chance.random() < 0.15:
        merge(values, "dram.kind", "banked")
    return values


def _value(chance, key, field):
    if key == "dram.override":
        names = (
            "nCL",
            "nREFI",
            "nRFC",
            "nFAW",
            "rows",
            "columns",
            "channel_bits",
            "tCK_ps",
            "burst_length",
            "bank_groups",
            "x",
        )
        return {chance.choice(names): chance.choice(NUMBERS + OTHERS)}
    words = typing.get_args(field.annotation) if typing.get_origin(field.annotation) is typing.Literal else ()
    if words and chance.random() < 0.8:
        return chance.choice(words)
    if chance.random() < 0.3:
        return chance.choice(NUMBERS + OTHERS)
    # Anywhere between the bounds, each order of magnitude as likely as any other, and the bounds themselves.
    least, most = _bounds(field)
    if chance.random() < 0.2:
        found = chance.choice([least, most])
    else:
        found = math.exp(chance.uniform(math.log(max(least, 1e-9)), math.log(most)))
    return int(found) if field.annotation is int else float(found)


def _bounds(field):
    found = [getattr(one, "ge", None) for one in field.metadata], [getattr(one, "le", None) for one in field.metadata]
    least, most = ([one for one in side if one is not None] for side in found)
    return (*least, 1e-9)[0], (*most, 1e9)[0]
