"""A model's inputs from pictures, folders of pictures and npz or npy files: one sample after another."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from workloads.arrays.stored import read_arrays
from workloads.errors import InputError
from workloads.files import require_file
from workloads.importers.imported import ImportOptions, require

Feed = dict[str, np.ndarray]
PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class InputSpec:
    """An input of a model: None stands for a size that is not fixed.

    sequence  whether it is a list of tensors, which stand along the first axis of `shape`
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype
    sequence: bool = False


@dataclass(frozen=True)
class _Sample:
    """One run's worth of a file: which file, and how it is read."""

    path: Path
    read: Callable[[], Feed]


@dataclass(frozen=True)
class Feeds:
    """What a model is run on, one feed after another: the first input's files in order, then the second input's.

    Pictures are read when their turn comes, so that a folder of them takes the memory of one.
    """

    inputs: int
    samples: tuple[_Sample, ...]

    def __iter__(self) -> Iterator[Feed]:
        """Raises `InputError` naming the file of a sample whose shapes are not those of the first."""
        first: dict[str, tuple[int, ...]] = {}
        for sample in self.samples:
            feed = sample.read()
            for name, array in feed.items():
                known = first.setdefault(name, array.shape)
                # What runs give is joined, and a layer has one size.
                if array.shape != known:
                    raise InputError(f"{sample.path}: a sample of '{name}' has shape {array.shape}, the first {known}")
            yield feed


def read_feeds(options: ImportOptions, specs: Sequence[InputSpec], layout: str) -> Feeds:
    """What `options.inputs` hold; `layout` is the format's usual one.

    Each file has one sample or several, which are inputs; files make a batch, one image of each input from every file.
    Raises `InputError` naming the file, here or when it is read: a picture of the wrong size, a model with several
    inputs and a picture, an array that is missing, of the wrong shape or of the wrong type, files with unequal numbers
    of samples or with fewer than `options.samples`.
    """
    for name, values in (("mean", options.mean), ("std", options.std)):
        if values and not np.isfinite(values).all():
            raise InputError(f"--{name}: must be finite numbers")
    if options.std and not all(options.std):
        raise InputError("--std: must not be zero")
    files = [_samples(path, options, specs, layout) for path in options.inputs]
    for path, samples in zip(options.inputs, files, strict=True):
        if len(samples) != len(files[0]):
            raise InputError(
                f"{path}: holds {_counted(len(samples))}, {options.inputs[0]} {len(files[0])}: files that make a batch "
                "must hold equally many"
            )
        if options.samples is not None and options.samples > len(samples):
            raise InputError(f"--inputs {options.samples}: {path} holds {_counted(len(samples))}")
    inputs = len(files[0]) if options.samples is None else options.samples
    # Files a and b of three samples are a0 b0 a1 b1 a2 b2: three inputs of a batch of two.
    return Feeds(inputs, tuple(samples[number] for number in range(inputs) for samples in files))


def _counted(samples: int) -> str:
    return f"{samples} sample{'' if samples == 1 else 's'}"


def _samples(path: Path, options: ImportOptions, specs: Sequence[InputSpec], layout: str) -> list[_Sample]:
    if path.suffix in (".npz", ".npy"):
        return [_Sample(path, partial(dict, feed)) for feed in _read_arrays(path, specs)]
    pictures = _pictures_of(path) if path.is_dir() else [path]
    if len(specs) != 1:
        names = ", ".join(spec.name for spec in specs)
        raise InputError(f"{path}: the model has {len(specs)} inputs ({names}), give an npz file with all of them")
    return [_Sample(one, partial(_picture_feed, one, options, specs[0], layout)) for one in pictures]


def _pictures_of(folder: Path) -> list[Path]:
    """By name, since file systems list in any order; hidden files and those of other kinds are passed over."""
    found = [one for one in folder.iterdir() if one.suffix.lower() in PICTURES and not one.name.startswith(".")]
    if not found:
        raise InputError(f"{folder}: the folder holds no pictures ({' '.join(PICTURES)})")
    return sorted(found)


def _picture_feed(path: Path, options: ImportOptions, spec: InputSpec, layout: str) -> Feed:
    return {spec.name: _read_picture(path, options, spec, layout)}


def _read_arrays(path: Path, specs: Sequence[InputSpec]) -> list[Feed]:
    """A feed for each sample of a file."""
    arrays = read_arrays(path)
    # With one input and one array there is nothing to mix up, whatever the array's name.
    if len(specs) == len(arrays) == 1:
        arrays = {specs[0].name: next(iter(arrays.values()))}
    samples: dict[str, list[np.ndarray]] = {}
    for spec in specs:
        if spec.name not in arrays:
            raise InputError(f"{path}: holds no array '{spec.name}', the model's input")
        parts = _parts(arrays[spec.name], spec)
        samples[spec.name] = [_fitting(path, part, spec) for part in parts]
        first = specs[0].name
        if len(parts) != len(samples[first]):
            raise InputError(
                f"{path}: array for '{spec.name}' holds {_counted(len(parts))}, that for '{first}' "
                f"{len(samples[first])}"
            )
    return [dict(zip(samples, feed, strict=True)) for feed in zip(*samples.values(), strict=True)]


def _parts(array: np.ndarray, spec: InputSpec) -> Sequence[np.ndarray]:
    """The samples along an array's first axis; the array itself where it is one."""
    # With one axis more than the model's input, the first one counts samples.
    if array.ndim == len(spec.shape) + 1 and len(array):
        return list(array)
    if array.ndim != len(spec.shape) or not spec.shape or spec.sequence:
        return [array]
    # (12, 3, 8, 8) for a model of batches of 4 are three samples.
    batch = spec.shape[0] or len(array)
    whole = batch and len(array) > batch and len(array) % batch == 0
    return np.split(array, len(array) // batch) if whole else [array]


def _fitting(path: Path, array: np.ndarray, spec: InputSpec) -> np.ndarray:
    # A single example without a batch axis.
    if array.ndim == len(spec.shape) - 1:
        array = array[np.newaxis]
    fits = array.ndim == len(spec.shape) and all(
        want in (None, have) for have, want in zip(array.shape, spec.shape, strict=True)
    )
    if not fits:
        wanted = " x ".join("any" if size is None else str(size) for size in spec.shape)
        raise InputError(f"{path}: array for '{spec.name}' has shape {array.shape}, the model wants {wanted}")
    # Where a model takes whole numbers, the cast below would cut off fractions without a word.
    if array.dtype.kind not in "biuf" or (spec.dtype.kind in "iu" and array.dtype.kind == "f"):
        raise InputError(f"{path}: array for '{spec.name}' has type {array.dtype}, the model wants {spec.dtype}")
    return array.astype(spec.dtype)


def _read_picture(path: Path, options: ImportOptions, spec: InputSpec, usual: str) -> np.ndarray:
    if len(spec.shape) != 4:
        raise InputError(
            f"{path}: the input '{spec.name}' has {len(spec.shape)} axes and takes no picture, give an npz"
        )
    # In "NHWC" the rows are axis 1, in "NCHW" axis 2. None is a size that the model leaves open.
    layout = options.layout or _layout(spec, usual)
    rows, columns, channels = (spec.shape[layout.index(axis)] for axis in "HWC")
    pixels = _pixels(path, gray=channels == 1)
    if (rows or pixels.shape[0], columns or pixels.shape[1]) != pixels.shape[:2]:
        wanted = f"{columns or 'any'} x {rows or 'any'}"
        raise InputError(
            f"{path}: the picture is {pixels.shape[1]} x {pixels.shape[0]} (width x height), "
            f"the model wants {wanted}: resize or crop it first"
        )
    if channels not in (None, pixels.shape[2]):
        raise InputError(f"{path}: the input '{spec.name}' has {channels} channels, a picture has 1 or 3")
    values = _scaled(path, pixels, options, spec.dtype)
    return (values if layout == "NHWC" else values.transpose(2, 0, 1))[np.newaxis]


def _layout(spec: InputSpec, usual: str) -> str:
    """The layout whose channels number 1 or 3; the usual one where both or neither do."""
    # A shape (1, 3, 224, 224) has 3 channels only as NCHW. In (1, 3, 3, 3) both fit and the shape tells nothing.
    fits = [layout for layout in ("NCHW", "NHWC") if spec.shape[layout.index("C")] in (1, 3)]
    return fits[0] if len(fits) == 1 else usual


def _pixels(path: Path, gray: bool) -> np.ndarray:
    """uint8 (H, W, C), one channel or three."""
    image = require("PIL.Image", "onnx", "pictures")
    require_file(path)
    try:
        with warnings.catch_warnings():
            # Pillow only warns of a picture above its limit of pixels, and refuses one of twice as many; here both are
            # refused.
            warnings.simplefilter("error", image.DecompressionBombWarning)
            with image.open(path) as picture:
                pixels = np.asarray(picture.convert("L" if gray else "RGB"))
    except (image.DecompressionBombError, image.DecompressionBombWarning):
        raise InputError(f"{path}: the picture has more than {image.MAX_IMAGE_PIXELS:,} pixels") from None
    except Exception as error:  # noqa: BLE001 (its many decoders raise whatever a file leads them to)
        raise InputError(f"{path}: not a picture: {' '.join(str(error).split())}") from None
    # A gray picture comes as (H, W) and gets an axis of one channel.
    return pixels.reshape(*pixels.shape[:2], -1)


def _scaled(path: Path, pixels: np.ndarray, options: ImportOptions, dtype: np.dtype) -> np.ndarray:
    """(pixels / 255 - mean) / std; a model that takes bytes gets the pixels as they are."""
    if dtype == np.uint8:
        if options.mean or options.std:
            raise InputError(f"{path}: the model takes the picture's bytes, --mean and --std have no meaning")
        return pixels
    if dtype.kind != "f":
        raise InputError(f"{path}: the model's input has type {dtype}, give an npz file")
    channels = pixels.shape[2]
    for name, values in (("mean", options.mean), ("std", options.std)):
        if values and len(values) not in (1, channels):
            raise InputError(f"--{name}: {len(values)} values, must be 1 or {channels} (one a channel)")
    # One value stands for all channels by broadcasting over the last axis of (H, W, C).
    mean, std = (np.array(values or default, np.float32) for values, default in ((options.mean, 0), (options.std, 1)))
    # With a mean and a deviation of 0.5, bytes of 0 and 255 become -1 and 1.
    return ((pixels / np.float32(255) - mean) / std).astype(dtype)
