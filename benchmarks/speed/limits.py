"""The limits of the table of speeds: every one a ratio to a yardstick that is measured in the same run.

A limit says what is aimed at, so that one may stand here before it is met; the command says which are not.
"""

from fnmatch import fnmatchcase

# (part, pattern of a figure's name, limit); the first that fits counts.
LIMITS: tuple[tuple[str, str, float], ...] = (
    # A layer of 222 M effectual products: counting them costs no more than computing the layer.
    ("layer", "* schedule", 1.0),
    ("layer", "* report", 1.5),
    # Whole networks: small layers cost what starting them costs, so that networks of small layers get more.
    ("networks", "vgg16@* scnn *", 1.5),
    ("networks", "resnet50@* scnn *", 1.5),
    ("networks", "*", 3.0),
    # Counting what was done and pricing it costs a tenth of a layer at most.
    ("counting", "*", 1.1),
    # Linear in the work, with a little for noise.
    ("growth", "*", 1.1),
    # Against starting Python and importing numpy.
    ("starts", "prunesim --help", 1.5),
    ("starts", "prunesim list", 2.5),
    ("starts", "prunesim config scnn", 3.5),
    ("starts", "one layer, warm", 6.0),
    ("starts", "examples/tiny.toml, warm", 6.0),
    ("starts", "one layer, empty kernel cache", 50.0),
    # Against a plain loop of Python: 200 points a second where 100,000 turns take 2 ms.
    ("sweeps", "* two workers, a point", 2.5),
    # Against picking the oldest of 32 waiting requests in compiled code, once a request: what was measured (14 in the
    # mean, 27 for the worst pattern) and half as much again.
    ("dram", "mean of all", 20.0),
    ("dram", "*", 40.0),
    # Against 2 x the largest layer's trace + 200 MB.
    ("memory", "*", 1.0),
)


def limit_of(part: str, name: str) -> float | None:
    """The limit of a figure; None: it has none."""
    return next((limit for key, pattern, limit in LIMITS if key == part and fnmatchcase(name, pattern)), None)
