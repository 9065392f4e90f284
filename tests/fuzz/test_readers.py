"""Every reader against damaged files: a whole file with some bytes changed is read, or refused in one line each.

Run with `pytest -m nightly tests/fuzz`; HYPOTHESIS_PROFILE=ci or long asks for more inputs, PRUNESIM_FUZZ_SECONDS=120
for a campaign of that long a reader, whose counts `-s` shows: an hour for all of them.
"""

import functools
import io
import random
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.campaign import SEED, Campaign
from tests.fuzz.whole_files import READERS
from workloads.errors import PrunesimError

pytestmark = pytest.mark.nightly

TOKENS = [
    b"\0",
    b"-",
    b"9" * 30,
    b"1e999",
    b"nan",
    b"[" * 200,
    b"\xff" * 8,
    b"x" * (1 << 18),
    b"{",
    b'"',
    b"\n",
    b"=",
    b",",
]
PIECES = st.binary(min_size=1, max_size=8) | st.sampled_from(TOKENS)
LONGEST_ERROR = 4000  # characters of a line before the command cuts it: a list of all known keys is long
EDITS = st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 12), PIECES | st.just(b"")), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    """The whole file of a name; made when it is first asked for, so that a missing library skips its own kinds alone."""
    return functools.cache(lambda name: READERS[name][0](tmp_path_factory.mktemp("whole")))


def damaged(name, data, edits):
    """The file with some stretches replaced; entries of an archive are damaged inside, so that checksums hold."""
    if name.endswith((".npz", ".pt")) and edits[0][0] % 4:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            held = {one: archive.read(one) for one in archive.namelist()}
        chosen = sorted(held)[edits[0][0] % len(held)]
        held[chosen] = damaged("", held[chosen], edits)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for one, content in held.items():
                archive.writestr(one, content)
        return stream.getvalue()
    for place, length, piece in edits:
        at = place % (len(data) + 1)
        data = data[:at] + piece + data[at + length :]
    return data


def read(name, path, data):
    """Read the file, or raise an error of ours of lines that can be shown."""
    path.write_bytes(data)
    try:
        READERS[name][1](path)
    except PrunesimError as error:
        if max(map(len, str(error).splitlines()), default=0) > LONGEST_ERROR:
            raise AssertionError(f"a line too long: {error}"[:200]) from error
        raise


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused(name, whole_files, tmp_path_factory):
    path = tmp_path_factory.mktemp("damaged") / name
    if name not in {"w.safetensors", "w.pt"}:  # whose layers are not all there
        read(name, path, whole_files(name))

    @settings(print_blob=True)
    @given(EDITS)
    def check(edits):
        with suppress(PrunesimError):
            read(name, path, damaged(name, whole_files(name), edits))

    check()


def random_edits(chance):
    def edit():
        piece = chance.choice([b"", chance.randbytes(chance.randint(1, 8)), chance.choice(TOKENS)])
        # Half of them leave everything else in its place, which formats with offsets need to be read any further.
        length = len(piece) if chance.random() < 0.5 else chance.randint(0, 12)
        return chance.randrange(1 << 30), length, piece

    return [edit() for _ in range(chance.randint(1, 4))]


@pytest.mark.parametrize("name", READERS)
def test_a_campaign_of_damages_finds_no_fault(name, whole_files, tmp_path_factory):
    """As above without shrinking, so that a second holds far more inputs, and with a clock and a limit of memory.

    Each fault's input is kept in a file that the message names.
    """
    path, kept = tmp_path_factory.mktemp("campaign") / name, tmp_path_factory.mktemp("faults")
    whole, chance = whole_files(name), random.Random(f"{name} {SEED}")
    with suppress(PrunesimError):  # libraries are loaded before the clock runs
        read(name, path, whole)
    campaign = Campaign()
    while campaign.is_on:
        data = damaged(name, whole, random_edits(chance))
        input_file, known = kept / f"{len(campaign.faults)}-{name}", len(campaign.faults)
        with campaign.trying(str(input_file)):
            read(name, path, data)
        if len(campaign.faults) > known:
            input_file.write_bytes(data)
    campaign.end(name)
