"""How layers of a network file hang together: chains, operators, named inputs, and what is refused."""

import pytest

from workloads.catalog import load_workload
from workloads.errors import InputError


def conv(name, channels, filters, size=8, **keys):
    lines = [
        f"name = '{name}'",
        f"in_channels = {channels}",
        f"out_channels = {filters}",
        f"input_size = [{size}, {size}]",
    ]
    return "\n".join(
        ["[[layers]]", *lines, "kernel_size = 1", *(f"{key} = {value}" for key, value in keys.items()), ""]
    )


def dense(name, channels, filters, **keys):
    lines = [f"name = '{name}'", "type = 'fc'", f"in_channels = {channels}", f"out_channels = {filters}"]
    return "\n".join(["[[layers]]", *lines, *(f"{key} = {value}" for key, value in keys.items()), ""])


def operator(name, kind, inputs=None, **keys):
    reads = [] if inputs is None else [f"inputs = {inputs}"]
    lines = ["[[operators]]", f"name = '{name}'", f"kind = '{kind}'", *reads]
    return "\n".join([*lines, *(f"{key} = {value}" for key, value in keys.items()), ""])


def graph(tmp_path, *tables):
    path = tmp_path / "net.toml"
    path.write_text("\n".join(tables))
    return load_workload(str(path)).graph


def reads(tmp_path, *tables):
    found = graph(tmp_path, *tables)
    return {node.name: " ".join(node.inputs) for node in found.nodes}


def faults(tmp_path, *tables):
    with pytest.raises(InputError) as caught:
        graph(tmp_path, *tables)
    return [line.removeprefix(f"{tmp_path / 'net.toml'}: ") for line in str(caught.value).splitlines()]


def test_layers_that_fit_one_another_are_a_chain(tmp_path):
    found = graph(tmp_path, conv("a", 3, 8), conv("b", 8, 2), dense("fc", 128, 10), dense("last", 10, 2))
    assert [(node.name, node.kind, node.inputs, node.shape) for node in found.nodes] == [
        ("input", "input", (), (3, 8, 8)),
        ("a", "layer", ("input",), (8, 8, 8)),
        ("b", "layer", ("a",), (2, 8, 8)),
        ("fc", "layer", ("b",), (10,)),
        ("last", "layer", ("fc",), (2,)),
    ]


@pytest.mark.parametrize(
    "tables",
    [
        [conv("a", 3, 8), conv("b", 4, 2)],
        [conv("a", 3, 8), conv("b", 8, 2, 4)],
        [conv("a", 3, 8), dense("fc", 8, 2)],
        [conv("a", 8, 8), conv("a", 8, 8)],
    ],
)
def test_nothing_is_known_of_layers_that_do_not_plainly_chain(tmp_path, tables):
    assert graph(tmp_path, *tables) is None


def test_a_layer_reads_what_is_made_of_the_one_before(tmp_path):
    pooled = (conv("a", 3, 8), conv("b", 8, 8, 4), operator("pool", "pool", ["a"], kernel_size=2))
    assert reads(tmp_path, *pooled) == {"input": "", "a": "input", "pool": "a", "b": "pool"}
    # By way of several operators, in whatever order they stand.
    twice = (
        *pooled,
        operator("act", "activation", ["b"]),
        conv("c", 8, 8, 2),
        operator("half", "pool", ["act"], kernel_size=2),
    )
    assert reads(tmp_path, *twice)["c"] == "half"
    assert reads(tmp_path, *twice)["half"] == "act"


def test_a_residual_block(tmp_path):
    block = (
        conv("stem", 3, 8), conv("one", 8, 8), conv("two", 8, 8), operator("sum", "add", ["two", "stem"]), conv("next", 8, 4),
        operator("average", "pool", ["next"]), dense("fc", 4, 10),
    )  # fmt: skip
    found = reads(tmp_path, *block)
    assert list(found) == ["input", "stem", "one", "two", "sum", "next", "average", "fc"]
    assert (found["two"], found["sum"], found["next"], found["fc"]) == ("one", "two stem", "sum", "average")


def test_a_pooling_that_a_later_sum_reads_too_is_read_by_the_layer_behind_it(tmp_path):
    stem = (
        conv("conv1", 3, 8), operator("pool1", "pool", ["conv1"], kernel_size=2), conv("conv2", 8, 8, 4),
        conv("conv3", 8, 8, 4), operator("sum", "add", ["conv3", "pool1"]), conv("conv4", 8, 8, 4),
    )  # fmt: skip
    found = reads(tmp_path, *stem)
    assert [found[name] for name in ("conv2", "conv3", "conv4")] == ["pool1", "conv2", "sum"]


def test_a_map_that_a_layer_asks_for_by_name_is_a_branch(tmp_path):
    branches = (
        conv("a", 3, 8), operator("pool", "pool", ["a"], kernel_size=3, stride=1, padding=1), conv("b", 8, 2),
        conv("c", 8, 3, inputs=["pool"]),
    )  # fmt: skip
    found = reads(tmp_path, *branches)
    assert (found["b"], found["c"]) == ("a", "pool")


def test_branches_that_are_joined(tmp_path):
    module = (
        conv("a", 3, 8), operator("pool", "pool", ["a"], kernel_size=3, stride=1, padding=1), conv("b", 8, 2, inputs=["a"]),
        conv("c", 8, 3, inputs=["pool"]), operator("join", "concat", ["b", "c"]), conv("d", 5, 1),
    )  # fmt: skip
    found = graph(tmp_path, *module)
    assert found.sources("d") == ("b", "c")
    assert found.sources("c") == ("a",)
    assert found.by_name["join"].shape == (5, 8, 8)


def test_inputs_of_the_files_own(tmp_path):
    two = (
        operator("left", "input", shape=[3, 8, 8]), operator("right", "input"), conv("a", 3, 8, inputs=["left"]),
        conv("b", 3, 8, inputs=["right"]), operator("sum", "add", ["a", "b"]), conv("c", 8, 1),
    )  # fmt: skip
    found = graph(tmp_path, *two)
    assert [node.name for node in found.nodes if node.kind == "input"] == ["left", "right"]
    assert found.by_name["right"].shape == (3, 8, 8)
    assert found.sources("c") == ("a", "b")
    # The network's input steps aside for a layer of its name.
    assert reads(tmp_path, conv("input", 3, 8), conv("b", 8, 8)) == {"input'": "", "input": "input'", "b": "input"}
    assert reads(tmp_path, conv("a", 3, 3), conv("b", 3, 8, inputs=["input"])) == {
        "input": "",
        "a": "input",
        "b": "input",
    }


def test_every_kind_of_operator_can_be_told(tmp_path):
    found = graph(
        tmp_path, conv("a", 3, 8), operator("n", "normalise", ["a"]), operator("u", "upsample", ["n"], scale=2),
        operator("r", "reshape", ["u"], shape=[32, 8, 8]), operator("o", "other", ["r"], shape=[4, 4, 4]), conv("b", 4, 1, 4),
    )  # fmt: skip
    assert [node.shape for node in found.nodes[2:6]] == [(8, 8, 8), (8, 16, 16), (32, 8, 8), (4, 4, 4)]
    assert found.by_name["b"].inputs == ("o",)


def test_a_built_in_network_keeps_its_graph(tmp_path):
    assert graph(tmp_path, 'network = "resnet18"\nweight_density = 0.5') == load_workload("resnet18").graph
    assert graph(tmp_path, 'network = "fc@eie"') is None
    assert faults(tmp_path, 'network = "resnet18"', operator("p", "pool", ["conv1"])) == [
        "operators: exclude 'network', which has its own"
    ]


A, B = conv("conv1", 3, 8), conv("conv2", 8, 8, 4)
POOL = operator("pool", "pool", ["conv1"], kernel_size=2)
WHOLE = "must be a whole number of at least 1 or a list of 2 or 3 whole numbers of at least 1"


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ([A, conv("conv2", 8, 8, 4, inputs=["conv1"])], "layers[1]: layer 'conv2' reads 8x4x4, but 'conv1' gives 8x8x8"),
        ([A, B, operator("pool", "pool", ["conv1"], kernel_size=3)], "layers[1]: layer 'conv2' reads 8x4x4, but 'pool' gives 8x2x2"),
        ([A, conv("conv2", 8, 8, inputs=["conv"])], "layers[1].inputs = ['conv']: nothing is called 'conv': did you mean 'conv2'?"),
        ([A, conv("conv2", 8, 8, inputs=["conv1", "input"])], "layers[1]: layer 'conv2' reads 2 nodes, must be 1: add or concat makes one of several"),
        ([A, conv("conv2", 8, 8, inputs="'conv1'")], "layers[1].inputs = 'conv1': must be a list of names"),
        ([A, conv("conv2", 8, 8, inputs=[])], "layers[1].inputs = []: must be a list of names"),
        ([A, conv("conv2", 8, 8, inputs=["conv3"]), conv("conv3", 8, 8)], "layers[1].inputs: layer 'conv2' runs before 'conv3', which it reads"),
        ([A, A, POOL], "two layers or operators are called 'conv1'"),
        ([A, B, POOL, operator("conv2", "pool", ["conv1"])], "two layers or operators are called 'conv2'"),
        ([A, B, POOL, operator("other pool", "pool", ["conv1"])], "layers[1]: key 'inputs' is missing: 'pool' and 'other pool' are made of 'conv1'"),
        ([A, operator("a", "add", ["conv1", "b"]), operator("b", "activation", ["a"])], "operators[0].inputs: 'a' reads what is made of it"),
        ([A, operator("sum", "add", ["conv1", "input"])], "operators[0]: node 'sum': cannot add 8x8x8 and 3x8x8"),
        ([A, operator("join", "concat", ["conv1", "pool"]), POOL], "operators[0]: node 'join': cannot join 8x8x8 and 8x4x4: only channels may differ"),
        ([A, operator("p", "pol", ["conv1"])], "operators[0].kind = 'pol': did you mean 'pool'?"),
        ([A, operator("p", "layer", ["conv1"])], "operators[0].kind = 'layer': known: activation, add, concat, input, normalise, other, pool, reshape, upsample"),
        ([A, operator("p", "pool")], "operators[0]: key 'inputs' is missing: what does it read?"),
        ([A, operator("p", "input", ["conv1"])], "operators[0]: an input reads nothing"),
        ([A, operator("p", "pool", ["conv1"], kernel_size=0)], f"operators[0].kernel_size = 0: {WHOLE}"),
        ([A, operator("p", "pool", ["conv1"], kernal_size=2)], "unknown key 'operators[0].kernal_size': did you mean 'kernel_size'?"),
        ([A, operator("p", "pool", ["conv1"], stride=2)], "operators[0]: node 'p': key 'kernel_size' is missing: stride, padding and ceil speak of windows"),
        ([A, operator("p", "pool", ["conv1"], kernel_size=9)], "operators[0]: node 'p': kernel_size = 9 but the padded input has only 8"),
        ([A, operator("p", "add", ["conv1"], scale=2)], "operators[0]: node 'p': add takes no 'scale': it has no options"),
        ([A, operator("p", "other", ["conv1"])], "operators[0]: node 'p': key 'shape' is missing: that of other does not follow from what it reads"),
        ([A, operator("p", "other", ["conv1"], shape=[0])], "operators[0].shape = [0]: must be a list of 1 to 4 whole numbers of at least 1: [channels, rows, columns], or [features]"),
        ([A, operator("p", "input")], "operators[0]: node 'p': key 'shape' is missing: no layer reads it, from which it would follow"),
        (["operators = 3", A], "operators = 3: must be a list of tables"),
        (["operators = [3]", A], "operators[0] = 3: must be a table"),
    ],
)  # fmt: skip
def test_every_fault_names_its_key_and_what_is_allowed(tmp_path, tables, expected):
    assert faults(tmp_path, *tables) == [expected]


def test_faults_of_layers_and_operators_come_at_once(tmp_path):
    text = (conv("a", 3, 8, stride=0), operator("p", "pol", ["x"]), operator("q", "add", ["y"], scal=1))
    assert len(faults(tmp_path, *text)) == 3


def test_a_thousand_layers_are_joined_in_a_moment(tmp_path):
    layers = [conv(f"c{i}", 8, 8) for i in range(500)]
    sums = [operator(f"s{i}", "add", [f"c{i}", f"c{i - 1}"]) for i in range(1, 500)]
    found = graph(tmp_path, *layers, *sums)
    assert len(found.nodes) == 1000
    assert found.by_name["c2"].inputs == ("s1",)
