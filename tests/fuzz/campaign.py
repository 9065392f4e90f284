"""How a campaign counts: what was tried and what came of it, with a clock over each input and memory over all."""

import math
import os
import resource
import signal
import time
import traceback
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from workloads.errors import PrunesimError

SECONDS = float(os.environ.get("PRUNESIM_FUZZ_SECONDS", "2"))
SEED = os.environ.get("PRUNESIM_FUZZ_SEED", "0")
HANG_SECONDS = 120  # a kernel that is compiled for the first time on a busy machine takes half of it
MOST_MIB = 800  # beyond what the process held before: what tests before this one left says nothing of an input


class HangError(BaseException):
    """No `Exception`, so that nothing under test catches it."""


class Campaign:
    """Inputs tried by outcome, and each fault once with the input that showed it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: dict[str, object] = {}
        self._end = time.monotonic() + SECONDS

    @property
    def is_on(self) -> bool:
        return time.monotonic() < self._end

    @contextmanager
    def trying(self, given: object):
        """One input: done, refused by an error of ours, or a fault."""
        signal.signal(signal.SIGALRM, _hang_after(HANG_SECONDS))
        signal.alarm(HANG_SECONDS)
        held = _limit_memory()
        self.counts["tried"] += 1
        outcome = "done"
        try:
            yield
        except PrunesimError as error:
            outcome = "refused"
            if not str(error).splitlines():
                self._fault("an error without a text", given)
        except HangError:
            outcome = "hangs"
            self._fault("hang", given)
        except Exception as error:  # noqa: BLE001 (every kind is a fault)
            outcome = "tracebacks"
            place = traceback.extract_tb(error.__traceback__)[-1]
            self._fault(f"{type(error).__name__} at {place.filename}:{place.lineno}: {str(error)[:200]}", given)
        finally:
            signal.alarm(0)
            self.counts[outcome] += 1
            _lift_limit()
            if (used := _peak_mib() - held) > MOST_MIB:
                self.counts["memory"] += 1
                self._fault(f"memory of {used} MiB", given)

    def _fault(self, what: str, given: object) -> None:
        self.faults.setdefault(what, given)

    def end(self, name: str) -> None:
        """Print the counts and fail when there was a fault, or memory beyond the limit."""
        counts = {key: self.counts[key] for key in ("tried", "done", "refused", "tracebacks", "hangs", "memory")}
        print(f"{name}: {counts}")  # noqa: T201
        assert not self.faults, "\n".join(f"{what}: {given!r:.500}" for what, given in self.faults.items())


def _limit_memory() -> int:
    """Forget the peak, and let this process have a few GiB more than it has, so that a fault here harms no other.

    Returns the MiB that it holds now.
    """
    Path("/proc/self/clear_refs").write_text("5")
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + (3 << 30), most))
    return _peak_mib()


def _lift_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _peak_mib() -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def _waited() -> float:
    """Seconds that this process was ready to run and others ran instead."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def _hang_after(seconds: int):
    """What the alarm calls: others may take the processor, and that time is none of the input's."""
    begun = time.monotonic() - _waited()

    def hang(*_):
        left = seconds - (time.monotonic() - _waited() - begun)
        if left <= 0:
            raise HangError
        signal.alarm(math.ceil(left))

    return hang
