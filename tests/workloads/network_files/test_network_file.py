import numpy as np
import pytest

from tests.project import ROOT
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.masks.synthetic import Clustered, Skewed, Uniform

CONV = '[[layers]]\nname = "conv"\nin_channels = 4\nout_channels = 6\n'
SHAPE = "input_size = [6, 6]\nkernel_size = 3\n"
DENSE = '[[layers]]\nname = "fc"\ntype = "fc"\nin_channels = 8\nout_channels = 2\n'


def load(tmp_path, text):
    path = tmp_path / "net.toml"
    path.write_text(text)
    return load_workload(str(path))


def faults(tmp_path, text):
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{tmp_path / 'net.toml'}: ") for line in lines)
    return [line.removeprefix(f"{tmp_path / 'net.toml'}: ") for line in lines]


def test_the_example_has_the_geometry_and_densities_it_says():
    workload = load_workload(str(ROOT / "examples" / "tiny.toml"))
    conv1, conv2, depthwise, dilated, dense = (workload.trace(i) for i in range(5))
    assert workload.name == "tiny"
    assert conv1.layer.padding == ((0, 1), (0, 1))
    assert conv1.layer.output_size == (16, 16)
    assert conv1.weight_density == conv1.activation_density == 1.0
    assert conv2.weight_density == 0.25
    counts = conv2.weights.sum((1, 2, 3))
    assert counts.std() / counts.mean() == pytest.approx(0.4, abs=0.02)
    assert depthwise.layer.groups == 32
    assert depthwise.weight_nonzeros == round(0.3 * 288)
    assert dilated.layer.output_size == (16, 16)
    assert workload.sources[3].activations.pattern == Clustered(correlation_length=2)
    assert dense.layer.fully_connected
    assert dense.layer.batch == 4
    assert dense.output_density == 1.0


def test_a_layers_keys_come_before_those_of_the_file(tmp_path):
    text = 'weight_density = 0.5\nactivation_pattern = "clustered"\n' + CONV + SHAPE
    text += CONV + SHAPE + 'weight_density = 0\nweight_pattern = "skewed"\nactivation_pattern = "uniform"\n'
    first, second = load(tmp_path, text).sources
    assert (first.weights.density, first.weights.pattern, first.activations.pattern) == (0.5, Uniform(), Clustered())
    assert (second.weights.density, second.weights.pattern, second.activations.pattern) == (0.0, Skewed(), Uniform())
    assert first.activations.density == 1.0
    assert load(tmp_path, text).trace(1).weight_nonzeros == 0


def test_video_strides_and_dilations_per_axis(tmp_path):
    text = (
        CONV
        + "input_size = [4, 9, 9]\nkernel_size = [1, 3, 3]\nstride = [1, 2, 2]\ndilation = [1, 2, 1]\npadding = [0, 2, 1]"
    )
    layer = load(tmp_path, text).layers[0]
    assert layer.output_size == (4, 5, 5)


def test_a_built_in_network_with_other_densities_or_patterns(tmp_path):
    uniform = load(tmp_path, 'network = "vgg16@scnn"\nactivation_pattern = "uniform"\n')
    published = load_workload("vgg16@scnn")
    assert uniform.name == "net"
    assert [s.output_density for s in uniform.sources] == [s.output_density for s in published.sources]
    ours, theirs = uniform.trace(3), published.trace(3)
    assert ours.activation_nonzeros == theirs.activation_nonzeros
    assert np.array_equal(ours.weights, theirs.weights)
    assert not np.array_equal(ours.activations, theirs.activations)
    as_published = load(tmp_path, 'network = "vgg16@scnn"\n')
    assert np.array_equal(as_published.trace(3).activations, theirs.activations)
    denser = load(tmp_path, 'name = "mine"\nnetwork = "alexnet"\nweight_density = 0.5\n')
    assert denser.name == "mine"
    assert denser.select("conv3").trace(0).weight_density == 0.5


def test_a_density_for_all_layers_reaches_what_a_relu_wrote(tmp_path):
    three = "".join(
        CONV.replace('"conv"', f'"{name}"') + SHAPE + own
        for name, own in zip("abc", ("", "relu_input = false\n", ""), strict=True)
    )
    workload = load(tmp_path, "activation_density = 0.5\n" + three)
    assert [workload.trace(i).activation_density for i in range(3)] == [1.0, 1.0, 0.5]
    assert workload.notes == (
        "activation_density = 0.5 does not reach a, b: no ReLU wrote what they read (relu_input)",
    )
    own = load(tmp_path, "activation_density = 0.5\n" + CONV + SHAPE + "activation_density = 0.25\n")
    assert own.trace(0).activation_density == 0.25
    told = load(tmp_path, "activation_density = 0.5\n" + CONV + SHAPE + "relu_input = true\n")
    assert told.trace(0).activation_density == 0.5
    assert own.notes == told.notes == ()
    none = load(tmp_path, "activation_density = 0.5\nrelu_input = false\n" + three)
    assert [none.trace(i).activation_density for i in range(3)] == [1.0] * 3


def test_a_density_for_a_built_in_network_reaches_what_a_relu_wrote(tmp_path):
    leaky = load(tmp_path, 'network = "yolov2"\nactivation_density = 0.5\n')
    assert {source.activations.density for source in leaky.sources} == {1.0}
    plain = load(tmp_path, 'network = "yolov2"\nactivation_density = 0.5\nrelu_input = true\n')
    assert [source.activations.density for source in plain.sources] == [1.0, *[0.5] * 22]
    denser = load(tmp_path, 'network = "vgg16"\nactivation_density = 0.75\n')
    assert {source.output_density for source in denser.sources} == {0.75}
    assert [source.activations.density for source in denser.sources] == [1.0, *[0.75] * 15]
    assert load(tmp_path, 'network = "c3d"\n').notes == load_workload("c3d").notes


def test_tensors_from_files_beside_the_network_file(tmp_path):
    weights = np.arange(6 * 4 * 9, dtype=np.float32).reshape(6, 4, 3, 3)
    images = np.ones((2, 4, 6, 6), bool)
    images[0, 0] = False
    np.save(tmp_path / "w.npy", np.asfortranarray(weights))
    np.savez(tmp_path / "x.npz", one=images[0], both=images)
    np.savez(tmp_path / "single.npz", w=np.eye(2, 8))
    files = 'weight_file = "w.npy"\nactivation_file = "x.npz"\nactivation_entry = '
    text = CONV + SHAPE + files + '"one"\n' + CONV + SHAPE + "batch = 3\n" + files + '"both"\n'
    text += DENSE + 'weight_file = "single.npz"\n'
    workload = load(tmp_path, text)
    one, three, dense = (workload.trace(i) for i in range(3))
    assert np.array_equal(one.weights, weights)
    assert np.array_equal(one.activations, images[:1])
    assert np.array_equal(three.activations, images[[0, 1, 0]])
    assert np.array_equal(dense.weights[:, :, 0, 0], np.eye(2, 8))


WHOLE = "must be a whole number of at least 1"
LIST = f"{WHOLE} or a list of 2 or 3 whole numbers of at least 1"
SHARE = "must be a number between 0 and 1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["has neither 'network' nor 'layers', must have one of them"]),
        ("layers = []", ["layers = []: must hold a layer"]),
        ("layers = 3", ["layers = 3: must be a list of tables"]),
        ("layers = [3]", ["layers[0] = 3: must be a table"]),
        ('network = "vgg61"', ["network = 'vgg61': unknown network 'vgg61': did you mean 'vgg16'?"]),
        ('network = "vgg16"\n' + CONV + SHAPE, ["has both 'network' and 'layers', must have one of them"]),
        ('network = ""', ["network = '': must be a non-empty text"]),
        (CONV, ["key 'layers[0].input_size' is missing", "key 'layers[0].kernel_size' is missing"]),
        (CONV + SHAPE + "stride = 0", [f"layers[0].stride = 0: {LIST}"]),
        (CONV + SHAPE + "stride = [1, 0]", [f"layers[0].stride = [1, 0]: {LIST}"]),
        (CONV + SHAPE + 'stride = "1"', [f"layers[0].stride = '1': {LIST}"]),
        (CONV + SHAPE + "stride = [1, 1, 1]", ["layers[0]: layer 'conv': stride = (1, 1, 1), must have 2 values"]),
        (CONV + SHAPE + "batch = true", [f"layers[0].batch = True: {WHOLE}"]),
        (CONV + SHAPE + "padding = [[0, 1], 2]", ["layers[0].padding = [[0, 1], 2]: must be a whole number of at least 0, a list of one per axis, or of one [before, after] pair per axis"]),
        (CONV + SHAPE + "groups = 4", ["layers[0]: layer 'conv': groups = 4 does not divide out_channels = 6"]),
        (CONV + "input_size = [6, 6]\nkernel_size = 9", ["layers[0]: layer 'conv': kernel spans 9 but the padded input only 6"]),
        (CONV + "input_size = [6]\nkernel_size = 1", ["layers[0].input_size = [6]: must be a list of 2 or 3 whole numbers of at least 1"]),
        (CONV + SHAPE + "weight_density = 1.2", [f"layers[0].weight_density = 1.2: {SHARE}"]),
        (CONV + SHAPE + "activation_density = -0.2", [f"layers[0].activation_density = -0.2: {SHARE}"]),
        ("weight_density = nan\n" + CONV + SHAPE, [f"weight_density = nan: {SHARE}"]),
        (CONV + SHAPE + "relu_input = 1", ["layers[0].relu_input = 1: must be true or false"]),
        (CONV + SHAPE + "output_density = true", [f"layers[0].output_density = True: {SHARE}"]),
        (CONV + SHAPE + "paddin = 1", ["unknown key 'layers[0].paddin': did you mean 'padding'?"]),
        ("titel = 'x'\n" + CONV + SHAPE, ["unknown key 'titel': did you mean 'title'?"]),
        (CONV + SHAPE + 'type = "cnv"', ["layers[0].type = 'cnv': must be 'conv', 'fc' or 'transposed'"]),
        (CONV + SHAPE + 'weight_pattern = "clustered"', ["layers[0].weight_pattern = 'clustered': must be 'uniform' or 'skewed', or a table with one of them as 'kind'"]),
        (CONV + SHAPE + 'weight_pattern = {kind = "skewed", variaton = 1}', ["layers[0].weight_pattern = {'kind': 'skewed', 'variaton': 1}: pattern 'skewed': unknown key 'variaton': did you mean 'variation'?"]),
        (CONV + SHAPE + 'weight_pattern = {kind = "uniform", a = 1}', ["layers[0].weight_pattern = {'kind': 'uniform', 'a': 1}: pattern 'uniform': unknown key 'a': it has no keys"]),
        (CONV + SHAPE + 'weight_pattern = {kind = "skewed", variation = -1}', ["layers[0].weight_pattern = {'kind': 'skewed', 'variation': -1}: pattern 'skewed': variation = -1: must be a number of at least 0"]),
        (CONV + SHAPE + 'activation_pattern = {kind = "clustered", places = -1}', ["layers[0].activation_pattern = {'kind': 'clustered', 'places': -1}: pattern 'clustered': places = -1: must be a number of at least 0"]),
        (CONV + SHAPE + 'weight_entry = "w"', ["layers[0]: weight_entry needs weight_file"]),
        (CONV + SHAPE + 'weight_file = "w.npy"\nweight_density = 1', ["layers[0]: weight_file excludes weight_density and weight_pattern"]),
    ],
)  # fmt: skip
def test_every_fault_names_its_key_its_value_and_what_is_allowed(tmp_path, text, expected):
    assert faults(tmp_path, text) == expected


def test_all_faults_come_at_once(tmp_path):
    text = "weight_density = 2\n" + CONV + SHAPE + "stride = 0\npaddin = 1\n" + CONV + SHAPE + "groups = 4\n"
    assert faults(tmp_path, text + DENSE + "kernel_size = 1\n")[:-1] == [
        f"weight_density = 2: {SHARE}",
        f"layers[0].stride = 0: {LIST}",
        "unknown key 'layers[0].paddin': did you mean 'padding'?",
        "layers[1]: layer 'conv': groups = 4 does not divide out_channels = 6",
    ]
    assert faults(tmp_path, text + DENSE + "kernel_size = 1\n")[-1].startswith("unknown key 'layers[2].kernel_size': ")


def test_a_file_that_is_missing_a_directory_or_no_toml(tmp_path):
    path = tmp_path / "missing.toml"
    with pytest.raises(InputError) as caught:
        load_workload(str(path))
    assert str(caught.value) == f"{path}: no such file"
    path.mkdir()
    with pytest.raises(InputError) as caught:
        load_workload(str(path))
    assert str(caught.value) == f"{path}: is a directory, must be a file or a folder of reference data"
    (line,) = faults(tmp_path, "name = ")
    assert line == "not valid TOML: Invalid value (at end of document)"
    (tmp_path / "net.toml").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"net.toml: not a text file in UTF-8$"):
        load_workload(str(tmp_path / "net.toml"))


def file_faults(tmp_path, name, keys=""):
    text = CONV + SHAPE + f'weight_file = "{name}"\n{keys}'
    (line,) = faults(tmp_path, text)
    return line.removeprefix(f"layers[0]: {tmp_path / name}").removeprefix(": ").strip()


def test_broken_tensor_files_are_named(tmp_path):
    np.save(tmp_path / "short.npy", np.ones(3))
    np.save(tmp_path / "pickled.npy", np.array([{}], object))
    np.savez(tmp_path / "many.npz", a=np.ones(1), b=np.ones(1))
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "folder.npy").mkdir()
    assert file_faults(tmp_path, "missing.npy") == "no such file"
    assert file_faults(tmp_path, "folder.npy") == "is a directory, must be a file"
    assert file_faults(tmp_path, "short.npy") == "has shape (3,), must be (6, 4, 3, 3)"
    assert file_faults(tmp_path, "pickled.npy") == "holds pickled objects, which are never loaded"
    assert file_faults(tmp_path, "many.npz") == "holds 2 entries, 'entry' must name one"
    assert file_faults(tmp_path, "many.npz", 'weight_entry = "c"') == "entry 'c' is missing"
    assert file_faults(tmp_path, "text.npy").startswith("is damaged: ")


def test_a_truncated_tensor_file_is_named_when_it_is_read(tmp_path):
    np.save(tmp_path / "w.npy", np.ones((6, 4, 3, 3)))
    whole = (tmp_path / "w.npy").read_bytes()
    (tmp_path / "w.npy").write_bytes(whole[:-8])
    workload = load(tmp_path, CONV + SHAPE + 'weight_file = "w.npy"')
    with pytest.raises(InputError) as caught:
        workload.trace(0)
    assert str(caught.value) == f"{tmp_path / 'w.npy'} does not hold exactly 1728 bytes of data"
