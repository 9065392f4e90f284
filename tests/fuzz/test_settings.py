"""Random machines and layers under extreme settings: a report whose books balance, or a refusal in words of ours.

PRUNESIM_FUZZ_SECONDS and PRUNESIM_FUZZ_SEED as in `test_readers`; `-s` shows the counts.
"""

import json
import random
from contextlib import suppress

import pytest

from dataflows.registry import machine, machines
from simulator.configuration import validate
from simulator.equal_size import EqualSize, at_equal_size
from simulator.network_simulation import simulate
from simulator.reports.files import to_csv
from tests.fuzz.campaign import SEED, Campaign
from tests.fuzz.extremes import NUMBERS, extreme_settings
from workloads.catalog import load_workload
from workloads.errors import PrunesimError

HEAD = "name = 'n'\nweight_density = {w}\nactivation_density = {a}\n"
CONV = "[[layers]]\nname = 'a{i}'\nin_channels = {c}\nout_channels = {k}\ninput_size = [{h}, {h}]\nkernel_size = {r}\npadding = {p}\nstride = {s}\ngroups = {g}\n"
FULL = "[[layers]]\nname = 'f'\ntype = 'fc'\nin_channels = {c}\nout_channels = {k}\n"


def network(chance, path):
    """A tiny network of one layer, or of two that follow one another."""
    group = chance.choice([1, 1, 2])
    channels, size = group * chance.choice([1, 2, 3]), chance.choice([3, 5, 8])
    text = HEAD.format(w=chance.choice([0, 0.3, 1]), a=chance.choice([0, 0.5, 1]))
    layers = [
        CONV.format(i=number, c=channels, k=channels, h=size, r=3, p=1, s=1, g=group)
        for number in range(chance.choice([1, 1, 2]))
    ]
    if chance.random() < 0.3:
        layers = [FULL.format(c=chance.choice([1, 4, 33]), k=chance.choice([1, 10]))]
    path.write_text(text + "".join(layers))
    return load_workload(str(path), seed=chance.randrange(3))


def run(chosen, settings, workload, size):
    """Through everything that a command does with a machine, but the terminal."""
    if size is None:
        accelerator = chosen(validate(chosen, settings, "settings"))
    else:
        accelerator, _ = at_equal_size(chosen, settings, size, (), "settings")
    (report,) = simulate([accelerator], workload)
    json.dumps(report.to_dict(), allow_nan=False)
    to_csv(report.rows())


def random_size(chance):
    if chance.random() < 0.95:
        return None
    key = chance.choice(list(EqualSize.model_fields))
    try:
        return EqualSize.model_validate({key: chance.choice(NUMBERS)})
    except ValueError:
        return None


def settings_campaign(names, folder):
    chance = random.Random(f"settings {names} {SEED}")
    networks = [network(chance, folder / f"{number}.toml") for number in range(16)]
    for name in names:  # kernels are compiled before the clock runs
        for memory in ("ideal", "banked"):
            with suppress(PrunesimError):  # not every machine runs every layer
                run(machine(name), {"dram": {"kind": memory}}, networks[0], None)
    campaign = Campaign()
    while campaign.is_on:
        chosen = machine(chance.choice(names))
        settings, size = extreme_settings(chance, chosen), random_size(chance)
        workload = chance.choice(networks)
        with campaign.trying((chosen.name, settings, size, [str(layer) for layer in workload.layers])):
            run(chosen, settings, workload, size)
    campaign.end(", ".join(names))


def test_extreme_settings_end_in_a_report_or_a_refusal(tmp_path):
    settings_campaign(["ideal", "structured", "dcnn"], tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("name", machines())
def test_extreme_settings_of_each_machine(name, tmp_path):
    settings_campaign([name], tmp_path)


@pytest.mark.nightly
def test_extreme_settings_of_all_machines(tmp_path):
    settings_campaign(list(machines()), tmp_path)
