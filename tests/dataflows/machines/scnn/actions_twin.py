"""SCNN's actions, walked through step by step: every vector read, every product on its way, every sum that leaves."""

from collections import Counter
from itertools import product
from math import ceil

from tests.dataflows.machines.scnn.twin import SlicedTwin, Twin, vectors


def planar_actions(spec, trace):
    """Counter of (component, action) of a layer with a map, but for what follows from bytes and output density."""
    twin, did = Twin(spec, trace), Counter()
    twin.choose()
    layer, pes = trace.layer, twin.pes()
    for image, cut, group in product(range(layer.batch), twin.cuts(), range(ceil(layer.out_channels / twin.Kc))):
        here = [pe for pe in pes if all(len(r) for r in twin.listed(pe, cut))]
        for channel, pe in product(product(range(layer.in_channels), twin.phases), here):
            block = vectors(twin.weights(group, *channel), spec.weights_per_vector)
            arrive(did, len(block))
            held = vectors(twin.activations(image, pe, cut, *channel), spec.activations_per_vector)
            multiply(did, spec, held if block else [], block)
        filters = min(twin.Kc, layer.out_channels - group * twin.Kc)
        for _filter, pe in product(range(filters), pes):
            rows, columns = map(len, twin.window(pe, cut, twin.cut))
            if rows and columns:
                for y, x in product(range(rows + twin.halo[0]), range(columns + twin.halo[1])):
                    leave(did, halo=y >= rows or x >= columns)
    return did


def multiply(did, spec, held, block):
    """Each vector of activations is read and meets all vectors of the block."""
    for vector in held:
        read_vector(did, spec)
        for taken in block:
            pop(did, spec)
            for pair in product(vector, taken):
                if None not in pair:
                    send(did, spec)


def sliced_actions(spec, trace):
    """Likewise of a fully connected layer."""
    twin, did = SlicedTwin(spec, trace), Counter()
    layer, pes = trace.layer, spec.pe_rows * spec.pe_columns
    share = ceil(layer.out_channels / pes)
    reached = all(pad[0] % stride == 0 for pad, stride in zip(layer.padding, layer.stride, strict=True))
    for image, turn in product(range(layer.batch), range(ceil(share / spec.accumulator_entries))):
        sent = [c for c in range(layer.in_channels) if twin.A[image, c] and reached]
        for _vector in vectors(sent, spec.activations_per_vector):
            read_vector(did, spec)
        for pe in range(pes):
            low = pe * share + turn * spec.accumulator_entries
            mine = range(low, min(low + spec.accumulator_entries, (pe + 1) * share, layer.out_channels))
            for channel in sent if mine else ():
                did["activation_broadcast", "traverse"] += 1
                for taken in twin.steps(image, channel, mine):
                    arrive(did, 1)
                    pop(did, spec)
                    for _product in taken:
                        send(did, spec)
            for _filter in mine:
                leave(did, halo=False)
    return did


def arrive(did, count):
    did["weight_broadcast", "traverse"] += count
    did["weight_fifo", "write"] += count


def read_vector(did, spec):
    did["iaram", "read"] += 1
    did["activation_registers", "write"] += 1
    for _lane in range(0 if spec.skip == "weights" else spec.activations_per_vector):
        did["zero_run_decoders", "add"] += 1


def pop(did, spec):
    did["weight_fifo", "read"] += 1
    for _lane in range(0 if spec.skip == "activations" else spec.weights_per_vector):
        did["zero_run_decoders", "add"] += 1


def send(did, spec):
    did["coordinate_adders", "add"] += 1
    did["scatter_crossbar", "traverse"] += 1
    if spec.queue_depth:
        did["bank_queues", "write"] += 1
        did["bank_queues", "read"] += 1
    accumulate(did)


def accumulate(did):
    did["accumulators", "read"] += 1
    did["accumulator_adders", "add"] += 1
    did["accumulators", "write"] += 1


def leave(did, *, halo):
    did["accumulators", "read"] += 1
    if halo:
        did["halo_links", "traverse"] += 1
        accumulate(did)
