"""ERT and ART of a user's own: whose prices they are, how they are read back, and what is refused."""

import pytest

from simulator.configuration import configure
from simulator.energy.estimate import Estimator
from simulator.energy.own_tables import OwnTables
from simulator.energy.write_tables import tables_text
from tests.simulator.energy.counted_machine import CountedDcnn
from workloads.errors import InputError

pytest.importorskip("yaml")

MACHINE = CountedDcnn()
PRICES = """
ERT:
  version: 0.4
  tables:
  - name: chip.pe[1..64].accumulators
    actions:
    - {name: read, energy: 1.5}
    - {name: leak, energy: 0.25}
  - name: kind:sram
    actions:
    - name: write
      arguments: {global_cycles: 1}
      energy: 2
  - name: chip.adders
    actions: []
ART:
  tables:
  - name: ind*
    area: 10
"""


@pytest.fixture
def read(tmp_path):
    def read_text(text, **options):
        path = tmp_path / "own.yaml"
        path.write_text(text)
        return OwnTables.read(str(path), MACHINE, **options)

    return read_text


def with_tables(path):
    spec = MACHINE.spec.model_copy(update={"energy": MACHINE.spec.energy.model_copy(update={"tables": str(path)})})
    return CountedDcnn(spec)


def test_names_are_those_of_components_by_path_kind_or_glob(read):
    own = read(PRICES)
    assert own.action_pj == {
        ("accumulators", "read"): 1.5, ("accumulators", "leak"): 0.25, ("weight_buffer", "write"): 2.0,
    }  # fmt: skip
    assert own.area_um2 == {"index": 10.0}


def test_own_prices_win_and_what_they_leave_out_is_ours(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(PRICES)
    own, ours = Estimator(with_tables(path)), Estimator(MACHINE)
    assert own.action_pj("accumulators", "read").value == 1.5
    assert own.action_pj("accumulators", "write") == ours.action_pj("accumulators", "write")
    assert own.leakage_mw("accumulators").value == 0.25 * 64  # 64 of them at 1 GHz
    assert own.area().components["index"].value == pytest.approx(64 * 10 / 1e6)


def test_written_tables_give_the_same_prices(tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text(tables_text(MACHINE))
    read, ours = Estimator(with_tables(path)), Estimator(MACHINE)
    for component in MACHINE.components():
        for action in component.kind.actions:
            assert (
                read.action_pj(component.name, action.value).value == ours.action_pj(component.name, action.value).value
            )
        assert read.leakage_mw(component.name).value == pytest.approx(ours.leakage_mw(component.name).value, rel=1e-12)
        areas = [one.area().components[component.name].value for one in (read, ours)]
        assert areas[0] == pytest.approx(areas[1], rel=1e-12)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "has neither 'ERT' nor 'ART'"),
        ("ERT: 1", "ERT.tables: must be a list"),
        ("ERT: {tables: [1]}", "ERT.tables.0: must have a 'name'"),
        ("ERT: {tables: [{name: index}]}", "ERT.tables.0.actions: must be a list"),
        ("ERT: {tables: [{name: index, actions: [{}]}]}", "ERT.tables.0.actions.0: must have a 'name'"),
        (
            "ERT: {tables: [{name: index, actions: [{name: cuont, energy: 1}]}]}",
            "ERT.tables.0.actions.0.name = 'cuont': no action of index: did you mean 'count'?",
        ),
        (
            "ERT: {tables: [{name: index, actions: [{name: count, energy: -1}]}]}",
            "ERT.tables.0.actions.0.energy = -1: must be a number of at least 0",
        ),
        ("ART: {tables: [{name: index, area: big}]}", "ART.tables.0.area = 'big': must be a number of at least 0"),
        (
            "ART: {tables: [{name: adders, area: 1}]}",
            "names no component of dcnn: multipliers, accumulators, weight_buffer, index",
        ),
    ],
)
def test_faults_are_told_in_a_line(read, tmp_path, text, said):
    with pytest.raises(InputError) as error:
        read(text)
    assert str(error.value) == f"{tmp_path / 'own.yaml'}: {said}"


def test_a_baseline_may_be_named_by_none(read):
    assert read("ART: {tables: [{name: adders, area: 1}]}", required=False) == OwnTables({}, {})


def test_a_machine_without_components_has_no_tables():
    class Unknown(CountedDcnn):
        def components(self):
            return ()

    with pytest.raises(InputError, match="dcnn: its energy is not modelled: it names no components"):
        tables_text(Unknown())


def test_a_supply_beyond_the_scaling_is_refused():
    with pytest.raises(InputError) as error:
        configure("dcnn", None, ["energy.voltage=0.2"])
    assert str(error.value) == "dcnn --set: energy.voltage = 0.2: must be 0 or between 0.4 and 1.5"
