"""How many objects of some types live, without those that lived before."""

import gc


class LiveObjects:
    """Counts from now on; what lives already is kept, so that no other test's objects end meanwhile."""

    def __init__(self, *types: type) -> None:
        self._types = types
        self._before = self._found()

    def count(self) -> int:
        """How many have come and not gone."""
        return len(self._found()) - len(self._before)

    def _found(self) -> list[object]:
        gc.collect()
        # By `type`, since `isinstance` asks a weak proxy for what it stands for, which may be gone.
        return [one for one in gc.get_objects() if issubclass(type(one), self._types)]
