"""What a schedule found out about weights is at hand for these very weights, and for no others."""

import pickle

import numpy as np

from dataflows.hardware.kept_of import KeptOf


def test_it_is_known_by_the_array_itself():
    weights = np.ones(3)
    kept = KeptOf(weights, "found")
    assert kept.of(weights) == "found"
    assert kept.of(weights.copy()) is None
    assert KeptOf().of(weights) is None


def test_it_goes_to_no_other_process():
    weights = np.ones(3)
    assert pickle.loads(pickle.dumps(KeptOf(weights, "found"))).of(weights) is None


def test_it_keeps_no_weights():
    kept = KeptOf(np.ones(3), "found")
    assert kept.of(np.ones(3)) is None
