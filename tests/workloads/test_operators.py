import pytest

from workloads.errors import InputError
from workloads.operators import Operator, written


def fault(make):
    with pytest.raises(InputError) as caught:
        make()
    return str(caught.value)


def windows_by_walking(size, kernel, stride, pad, ceil):
    """Windows one after the other from the padding in front; each holds a position of the map, the last may stick out."""
    count, first = 0, -pad
    while True:
        inside = first + kernel <= size + pad
        if not (inside or (ceil and first < size and first < size + pad)):
            break
        # A window that sticks out counts only where the one before did not reach the padded end already.
        if not inside and first + kernel - stride >= size + pad:
            break
        count, first = count + 1, first + stride
    return count


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("pad", [0, 1])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_windows_of_a_pool(kernel, stride, pad, ceil):
    for size in range(kernel, 30):
        pool = Operator("p", "pool", kernel, stride, pad, ceil)
        assert pool.output([(7, size, size)])[1] == windows_by_walking(size, kernel, stride, pad, ceil), size


@pytest.mark.parametrize(
    ("operator", "inputs", "output"),
    [
        (Operator("p", "pool"), [(512, 7, 7)], (512, 1, 1)),
        (Operator("p", "pool"), [(512, 2, 7, 7)], (512, 1, 1, 1)),
        (Operator("p", "pool", 2), [(64, 224, 112)], (64, 112, 56)),
        (Operator("p", "pool", (1, 2, 2)), [(64, 16, 112, 112)], (64, 16, 56, 56)),
        (Operator("p", "pool", 3, (2, 1), (1, 0)), [(8, 7, 7)], (8, 4, 5)),
        (Operator("p", "pool", shape=(8, 3, 3)), [(8, 7, 7)], (8, 3, 3)),
        (Operator("a", "add"), [(8, 4, 4), (8, 4, 4), (8, 1, 1)], (8, 4, 4)),
        (Operator("a", "add"), [(8, 1, 1), (8, 4, 4)], (8, 4, 4)),
        (Operator("a", "add"), [(10,)], (10,)),
        (Operator("c", "concat"), [(8, 4, 4), (3, 4, 4)], (11, 4, 4)),
        (Operator("c", "concat"), [(8,), (3,)], (11,)),
        (Operator("u", "upsample", scale=2), [(8, 4, 5)], (8, 8, 10)),
        (Operator("u", "upsample", scale=(1, 3)), [(8, 4, 5)], (8, 4, 15)),
        (Operator("u", "upsample", shape=(8, 9, 9)), [(8, 4, 5)], (8, 9, 9)),
        (Operator("r", "activation"), [(8, 4, 5)], (8, 4, 5)),
        (Operator("n", "normalise"), [(8, 4, 5)], (8, 4, 5)),
        (Operator("f", "reshape"), [(8, 4, 5)], (160,)),
        (Operator("f", "reshape", shape=(32, 2, 2)), [(8, 4, 4)], (32, 2, 2)),
        (Operator("o", "other", shape=(3,)), [(8, 4, 4), (2,)], (3,)),
    ],
)
def test_the_map_that_an_operator_makes(operator, inputs, output):
    assert operator.output(inputs) == output


@pytest.mark.parametrize(
    ("operator", "inputs", "text"),
    [
        (Operator("p", "pool", 2), [(8, 4, 4), (8, 4, 4)], "node 'p': pool reads 2 maps, must be 1"),
        (Operator("p", "pool", (2, 2)), [(8, 4, 4, 4)], "node 'p': kernel_size = 2x2, but the map that it reads has 3 axes"),
        (Operator("p", "pool", 2, (1, 1, 1)), [(8, 4, 4)], "node 'p': stride = 1x1x1, but the map that it reads has 2 axes"),
        (Operator("p", "pool", 5, padding=0), [(8, 4, 4)], "node 'p': kernel_size = 5 but the padded input has only 4"),
        (Operator("a", "add"), [(8, 4, 4), (8, 2, 2)], "node 'a': cannot add 8x4x4 and 8x2x2"),
        (Operator("a", "add"), [(8, 4, 4), (128,)], "node 'a': cannot add 8x4x4 and 128"),
        (Operator("c", "concat"), [(8, 4, 4), (8, 2, 2)], "node 'c': cannot join 8x4x4 and 8x2x2: only channels may differ"),
        (Operator("u", "upsample"), [(8, 4, 4)], "node 'u': key 'scale' or 'shape' is missing"),
        (Operator("o", "other"), [(8, 4, 4)], "node 'o': key 'shape' is missing: that of other does not follow from what it reads"),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit(operator, inputs, text):
    assert fault(lambda: operator.output(inputs)) == text


@pytest.mark.parametrize(
    ("kind", "options", "text"),
    [
        ("add", {"kernel_size": 2}, "node 'x': add takes no 'kernel_size': it has no options"),
        ("reshape", {"scale": 2}, "node 'x': reshape takes no 'scale': did you mean 'shape'?"),
        ("upsample", {"stride": 2}, "node 'x': upsample takes no 'stride': known: scale, shape"),
        ("activation", {"shape": (2,)}, "node 'x': activation takes no 'shape': it has no options"),
        ("pool", {"stride": 2}, "node 'x': key 'kernel_size' is missing: stride, padding and ceil speak of windows"),
        ("pool", {"ceil": True}, "node 'x': key 'kernel_size' is missing: stride, padding and ceil speak of windows"),
        ("pool", {"kernel_size": 2, "shape": (2, 2, 2)}, "node 'x': shape excludes kernel_size and scale, from which it follows"),
    ],
)  # fmt: skip
def test_options_without_an_effect_are_refused(kind, options, text):
    assert fault(lambda: Operator("x", kind, **options)) == text


def test_shapes_are_written_as_in_tables():
    assert (written((64, 56, 56)), written((10,))) == ("64x56x56", "10")
