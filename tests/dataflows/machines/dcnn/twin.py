"""DCNN, slowly: every PE steps through its own outputs, one kernel position's channels after the other's."""

import itertools
import math


class DcnnTwin:
    """Steps one layer; `run()` returns (busy cycles, products) of each PE in each tile."""

    def __init__(self, spec, layer):
        self.spec, self.layer = spec, layer
        self.positions = list(itertools.product(*map(range, layer.output_size)))
        self.spread = len(self.positions) == 1  # fully connected: output channels over the PEs
        self.tile_rows = math.ceil(layer.output_size[-2] / spec.pe_rows)
        self.tile_columns = math.ceil(layer.output_size[-1] / spec.pe_columns)

    def run(self):
        spec, layer = self.spec, self.layer
        parts = 1 if self.spread else self.parts()
        pes = spec.pe_rows * spec.pe_columns
        channels = spec.output_channel_group * (pes if self.spread else 1)
        tiles = []
        for _image in range(layer.batch):
            for part in range(parts):
                rows = range(part * self.tile_rows // parts, (part + 1) * self.tile_rows // parts)
                for first in range(0, layer.out_channels, channels):
                    group = range(first, min(first + channels, layer.out_channels))
                    tiles.append([self.step_through(outputs) for outputs in self.outputs_of_pes(group, rows)])
        return tiles

    def outputs_of_pes(self, channels, rows):
        """For each PE how many outputs it has of some channels and some rows of its tile."""
        spec = self.spec
        outputs = [0] * (spec.pe_rows * spec.pe_columns)
        for turn, _k in enumerate(channels):
            for position in self.positions:
                pe_row, row = divmod(position[-2], self.tile_rows)
                if self.spread:
                    outputs[turn % len(outputs)] += 1
                elif row in rows:
                    outputs[pe_row * spec.pe_columns + position[-1] // self.tile_columns] += 1
        return outputs

    def step_through(self, outputs):
        cycles = products = 0
        for _output in range(outputs):
            for _kernel_position in itertools.product(*map(range, self.layer.kernel_size)):
                channels = list(range(self.layer.group_in_channels))
                while channels:
                    lanes = [channels.pop(0) for _ in range(min(self.spec.multipliers_per_pe, len(channels)))]
                    products += len(lanes)
                    cycles += 1
        return cycles, products

    def parts(self):
        """Fewest parts of a map of which two lie in the SRAM's input half; outputs leave as they are made."""
        spec, layer = self.spec, self.layer
        half = spec.sram_bytes // 2
        inputs = math.ceil(layer.input_count // layer.batch * spec.value_bits / 8)
        for parts in range(1, self.tile_rows + 1):
            if inputs <= half or 2 * inputs <= half * parts:
                return parts
        return self.tile_rows
