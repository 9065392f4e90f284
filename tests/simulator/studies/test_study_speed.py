"""What a point costs beside its simulation, in processor time, so that a busy machine does not matter."""

import time

from simulator.studies.store import Store
from simulator.studies.study import run_study
from simulator.studies.workers import Workers
from tests.simulator.studies.studies import network, study

POINTS = 60
MOST_MILLISECONDS = 20


def test_overhead_per_point_stays_below_20_ms(tmp_path):
    tables = {"machines": ["ideal"], "workloads": [network(tmp_path)]}
    warm, measured = study("warm", **tables, seeds=1), study("measured", **tables, seeds=POINTS + 1)
    with Store(tmp_path / "s.sqlite") as store:
        run_study(warm, store, Workers(1))
        start = time.process_time()
        assert run_study(measured, store, Workers(1)).computed == POINTS
        spent = time.process_time() - start
    assert 1000 * spent / POINTS < MOST_MILLISECONDS, "their simulation, which takes 1 to 2 ms, included"
