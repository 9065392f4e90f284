"""Bodies of If and Loop of ONNX models: the branch that runs and each turn of a loop become layers."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.workloads.importers.onnx.onnx_models import computed, imported, node, outputs_of, save, weight, whole
from workloads.errors import InputError
from workloads.importers import import_model
from workloads.importers.onnx import bodies, settling


def body(name, nodes, inputs, outputs, weights=()):
    """A graph inside a node."""
    return helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(one, kind, shape) for one, kind, shape in inputs],
        [helper.make_empty_tensor_value_info(one) for one in outputs],
        [numpy_helper.from_array(array, one) for one, array in dict(weights).items()],
    )


def product(out, weights, depth="fc"):
    """A branch that multiplies x of the graph outside."""
    return body(out, [node("MatMul", f"x {out}_w", f"{out}_y", depth)], [], [f"{out}_y"], {f"{out}_w": weights})


def branches(tmp_path, condition, inputs=(), weights=()):
    """An If whose branches have the same names inside as the graph outside, and weights of other sizes."""
    nodes = [
        *condition,
        node(
            "If",
            "c",
            "y",
            "choice",
            then_branch=product("small", whole(3, 2), "fc"),
            else_branch=product("large", whole(3, 5), "fc"),
        ),
        node("Relu", "y", "z"),
    ]
    return save(tmp_path / "m.onnx", nodes, {"x": (4, 3), **dict(inputs)}, dict(weights), ["z"])


@pytest.mark.parametrize(("value", "columns"), [(True, 2), (False, 5)])
def test_a_constant_condition_needs_no_run(tmp_path, value, columns):
    path = branches(tmp_path, [node("Not", "d", "c")], weights={"d": np.array(not value)})
    found = import_model(path)
    assert [(layer.name, layer.dense_macs) for layer in found.workload.layers] == [("fc", 4 * 3 * columns)]
    assert found.warnings == ("no input was given: activations are taken as dense",)
    assert found.omitted[-1].operator == "Relu"
    assert [one.kind for one in found.workload.graph.nodes] == ["input", "layer", "activation"]


def positive(tmp_path):
    """An If that looks whether the sum of its input is positive."""
    return branches(tmp_path, [node("ReduceSum", "x", "s", keepdims=0), node("Greater", "s zero", "c")], (), ZERO)


ZERO = {"zero": np.float32(0)}


@pytest.mark.parametrize(("sign", "columns"), [(1, 2), (-1, 5)])
def test_the_branch_that_runs_on_the_input(tmp_path, sign, columns):
    path, feed = positive(tmp_path), {"x": sign * np.abs(whole(4, 3, density=1))}
    found = imported(path, feed)
    assert [layer.dense_macs for layer in found.workload.layers] == [4 * 3 * columns]
    np.testing.assert_array_equal(np.maximum(computed(found.workload).reshape(4, columns), 0), outputs_of(path, feed))
    assert found.warnings == ()


def test_a_made_input_decides_and_that_is_said(tmp_path):
    found = import_model(positive(tmp_path))
    assert [layer.dense_macs for layer in found.workload.layers] == [4 * 3 * 2]
    assert "what If 'choice' does on an input of ones is what is taken" in found.warnings
    assert "what If 'choice' does on an input of ones is what is taken" in found.workload.notes


def test_samples_that_take_both_branches(tmp_path):
    feed = {"x": np.stack([np.ones((4, 3), np.float32), -np.ones((4, 3), np.float32)])}
    with pytest.raises(InputError) as caught:
        imported(positive(tmp_path), feed)
    assert str(caught.value).endswith(
        "m.onnx: If 'choice' takes both branches over the samples: give samples one at a time"
    )


def test_a_condition_that_nothing_tells_is_refused(tmp_path):
    path = branches(
        tmp_path,
        [node("ReduceMax", "n", "s", keepdims=0), node("Greater", "s zero", "c")],
        {"n": (1, "many")},
        ZERO,
    )
    with pytest.raises(InputError) as caught:
        import_model(path)
    assert str(caught.value).endswith("1 If (refused: give --size for the model's dynamic sizes (of n), or --input)")


def test_a_body_without_products_stays(tmp_path):
    same, twice = (body(kind, [node(kind, "h h", f"{kind}_y")], [], [f"{kind}_y"]) for kind in ("Add", "Mul"))
    nodes = [
        node("MatMul", "x w", "h", "fc"),
        node("ReduceSum", "x", "s", keepdims=0),
        node("Greater", "s zero", "c"),
        node("If", "c", "y", "choice", then_branch=same, else_branch=twice),
    ]
    found = import_model(save(tmp_path / "m.onnx", nodes, {"x": (4, 3)}, {"w": weight(3, 2), **ZERO}))
    assert [layer.name for layer in found.workload.layers] == ["fc"]
    assert not any(one.refused for one in found.omitted)
    assert found.workload.graph.nodes[-1].kind == "other"


def loop(tmp_path, turns, name="turns", inputs=(), weights=(), opset=17):
    """h = h·W (+ the turn), as often as a number says; every h is given as well."""
    inside = [
        node("MatMul", "h w", "p", "fc"),
        node("Cast", "i", "f", to=TensorProto.FLOAT),
        node("Add", "p f", "next"),
        node("Identity", "next", "row"),
        node("Identity", "go", "again"),
    ]
    given = [("i", TensorProto.INT64, ()), ("go", TensorProto.BOOL, ()), ("h", TensorProto.FLOAT, (4, 3))]
    held = body("turn", inside, given, ["again", "next", "row"], {"w": whole(3, 3, density=1)})
    nodes = [
        *turns,
        node("Loop", f"{name} yes x", "last all", "many", body=held),
        node("MatMul", "last v", "y", "out"),
        node("ReduceSum", "all", "z", keepdims=0),
    ]
    weights = {"yes": np.array(True), "v": whole(3, 2), **dict(weights)}
    return save(tmp_path / "m.onnx", nodes, {"x": (4, 3), **dict(inputs)}, weights, ["y", "z"], opset)


@pytest.mark.parametrize("opset", [11, 17])
def test_each_turn_of_a_loop_is_a_layer(tmp_path, opset):
    path, feed = loop(tmp_path, (), weights={"turns": np.array(3)}, opset=opset), {"x": whole(4, 3)}
    found = imported(path, feed)
    assert [(layer.name, layer.dense_macs) for layer in found.workload.layers] == [
        *((f"fc.{turn}", 4 * 3 * 3) for turn in range(3)),
        ("out", 4 * 3 * 2),
    ]
    weights = found.workload.trace(0).weights.reshape(3, 3).T
    state = feed["x"]
    for turn in range(3):
        np.testing.assert_array_equal(found.workload.trace(turn).activations.reshape(4, 3), state)
        state = state @ weights + turn
    np.testing.assert_array_equal(found.workload.trace(3).activations.reshape(4, 3), state)
    np.testing.assert_array_equal(computed(found.workload, 3).reshape(4, 2), outputs_of(path, feed))


def test_how_often_a_loop_turns_is_seen_in_a_run(tmp_path):
    path = loop(tmp_path, (), "n", {"n": (TensorProto.INT64, ())})
    counted = {"x": whole(4, 3), "n": np.array(5)}
    assert len(imported(path, counted).workload.layers) == 6
    assert len(import_model(path).workload.layers) == 2  # ones: it turns once
    found = imported(path, counted | {"n": np.array(0)})
    assert [layer.name for layer in found.workload.layers] == ["out"]
    assert ("Loop", "refused: its body does not run") in [(one.operator, one.reason) for one in found.omitted]


def test_samples_whose_loops_turn_differently(tmp_path):
    path = loop(tmp_path, [node("Squeeze", "n", "turns")], inputs={"n": (TensorProto.INT64, (1,))})
    feed = {"x": np.ones((2, 4, 3), np.float32), "n": np.array([[2], [4]])}
    with pytest.raises(
        InputError, match=r"Loop 'many' turns 2 to 4 times over the samples: give samples one at a time"
    ):
        imported(path, feed)


def test_a_branch_inside_a_loop(tmp_path):
    # Even turns multiply by one matrix, odd ones by another.
    choice = node(
        "If",
        "odd",
        "next",
        "choice",
        then_branch=body("a", [node("MatMul", "h wa", "ya", "one")], [], ["ya"], {"wa": whole(3, 3)}),
        else_branch=body("b", [node("MatMul", "h wb", "yb", "other")], [], ["yb"], {"wb": whole(3, 3)}),
    )
    inside = [node("Mod", "i two", "m"), node("Cast", "m", "odd", to=TensorProto.BOOL), choice]
    inside.append(node("Identity", "go", "again"))
    given = [("i", TensorProto.INT64, ()), ("go", TensorProto.BOOL, ()), ("h", TensorProto.FLOAT, (4, 3))]
    held = body("turn", inside, given, ["again", "next"], {"two": np.array(2)})
    path = save(
        tmp_path / "m.onnx",
        [node("Loop", "turns yes x", "y", "many", body=held)],
        {"x": (4, 3)},
        {"turns": np.array(3), "yes": np.array(True)},
    )
    assert [layer.name for layer in import_model(path).workload.layers] == ["other.0", "one.1", "other.2"]
    feed = {"x": whole(4, 3)}
    found = imported(path, feed)
    np.testing.assert_array_equal(computed(found.workload, 2).reshape(4, 3), outputs_of(path, feed))


def test_a_loop_of_too_many_turns_is_refused(tmp_path):
    path = loop(tmp_path, (), weights={"turns": np.array(20_001)})
    found = import_model(path)
    assert [one.reason for one in found.omitted if one.refused] == [
        "refused: its 20001 turns have more than 100,000 operators"
    ]


def test_a_loop_that_hardly_ends_is_left(tmp_path, monkeypatch):
    for module in (bodies, settling):
        monkeypatch.setattr(module, "LIMIT_SECONDS", 0.2)
    path = loop(tmp_path, (), weights={"turns": np.array(10**12)})
    with pytest.raises(InputError) as caught:
        import_model(path)
    assert str(caught.value) == (
        f"{path}: MatMul 'out': the size of its input 'last' is not known: "
        "the model does not run on this input: it takes more than 0.2 s, give --input"
    )


def scan(tmp_path, opset=17, size=6, inputs=(), **attributes):
    """h = h·W + row of x, and of each turn h·V; the rows of x, on its axis 1, and those given may go back."""
    inside = body(
        "step",
        [
            node("MatMul", "h w", "p", "fc"),
            node("Add", "p row", "next"),
            node("MatMul", "next v", "made", "head"),
        ],
        [("h", TensorProto.FLOAT, (4, 3)), ("row", TensorProto.FLOAT, (4, 3))],
        ["next", "made"],
        {"w": whole(3, 3, density=1), "v": whole(3, 2, density=1)},
    )
    nodes = [
        node("Scan", "start x", "last all", "steps", body=inside, num_scan_inputs=1, scan_input_axes=[1], **attributes),
        node("MatMul", "last u", "y", "out"),
    ]
    return save(
        tmp_path / "m.onnx",
        nodes,
        {"start": (4, 3), "x": (4, size, 3), **dict(inputs)},
        {"u": whole(3, 2)},
        ["y", "all"],
        opset,
    )


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("back", [0, 1])
@pytest.mark.parametrize("axis", [0, 2, -1])
def test_each_step_of_a_scan_is_a_layer(tmp_path, opset, back, axis):
    directions = {"scan_input_directions": [back], "scan_output_directions": [1 - back]}
    path = scan(tmp_path, opset, scan_output_axes=[axis], **directions)
    feed = {"start": whole(4, 3), "x": whole(4, 6, 3)}
    found = imported(path, feed)
    assert [(layer.name, layer.dense_macs) for layer in found.workload.layers] == [
        *((f"{name}.{turn}", macs) for turn in range(6) for name, macs in (("fc", 4 * 3 * 3), ("head", 4 * 3 * 2))),
        ("out", 4 * 3 * 2),
    ]
    y, rows = outputs_of(path, feed, every=True)
    np.testing.assert_array_equal(computed(found.workload, 12).reshape(4, 2), y)
    made = [computed(found.workload, 2 * turn + 1).reshape(4, 2) for turn in range(6)]
    np.testing.assert_array_equal(np.stack(made[::-1] if not back else made, axis=axis), rows)
    assert found.warnings == ()


def test_steps_of_a_scan_of_known_size_need_no_run(tmp_path):
    found = import_model(scan(tmp_path))
    assert len(found.workload.layers) == 13
    assert not any("is what is taken" in warning for warning in found.warnings)


def test_steps_of_a_scan_of_open_size_are_seen_in_a_run(tmp_path):
    path = scan(tmp_path, size="steps")
    assert len(imported(path, {"start": whole(4, 3), "x": whole(4, 5, 3)}).workload.layers) == 11


def test_a_scan_whose_inputs_and_directions_differ_in_number_is_refused(tmp_path):
    found = import_model(scan(tmp_path, scan_input_directions=[0, 1]))
    reasons = [(one.operator, one.reason) for one in found.omitted]
    assert ("Scan", "refused: its body holds products, and is not entered") in reasons


def test_the_file_is_not_changed(tmp_path):
    path = loop(tmp_path, (), weights={"turns": np.array(3)})
    before = path.read_bytes()
    import_model(path)
    assert path.read_bytes() == before
    assert [one.op_type for one in onnx.load(path).graph.node][:1] == ["Loop"]


@pytest.mark.parametrize("control", ["If", "Loop", "Loop of states"])
def test_control_flow_that_is_not_as_onnx_has_it(tmp_path, control):
    bare = body("turn", [node("MatMul", "x turn_w", "turn_y", "fc")], [], ["turn_y"], {"turn_w": whole(3, 2)})
    odd = {
        "If": node("If", "c", "a", "half", then_branch=product("small", whole(3, 2))),
        "Loop": node("Loop", "n", "a", "short", body=bare),
        "Loop of states": node("Loop", "n c x", "a", "short", body=bare),
    }[control]
    weights = {"c": np.array(False), "n": np.array(2), "w": whole(3, 2)}
    path = save(tmp_path / "m.onnx", [odd, node("MatMul", "x w", "y", "last")], {"x": (4, 3)}, weights, ["y"])
    with pytest.raises(InputError, match=r"m.onnx: shapes do not fit together: "):
        import_model(path)
