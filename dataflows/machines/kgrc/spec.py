"""Parameters of the group-sparse 3-D CNN machine, and the published designs that they follow."""

from __future__ import annotations

from math import prod
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from dataflows.specs import Clock, Count, DramSpec, Size
from dataflows.tiling.group_packs import GroupedSpec

DESIGN_SIZES = ("filters_per_tile", "filters_parallel", "channels_per_tile", "pixels_parallel", "positions_parallel")
_TILE_SIZES = (
    *("filters_per_tile", "channels_per_tile", "depth_per_tile"),
    *("rows_per_tile", "columns_per_tile", "positions_per_tile"),
)
_MOST_PRODUCTS = 1 << 44  # of a tile, whose cycles the equations count as if it were full
# Sun et al., TCAD 2024, Table V: TM, PM, TN = PN, PF, PK of each design and precision.
_DESIGNS = {
    ("dense", 16): (56, 56, 4, 8, 1),
    ("sparse", 16): (32, 16, 8, 4, 3),
    ("dense", 8): (48, 48, 8, 8, 1),
    ("sparse", 8): (32, 16, 8, 8, 3),
    ("dense", 4): (32, 32, 8, 8, 3),
    ("sparse", 4): (64, 32, 8, 8, 3),
}
_CHANNEL_PORTS = {4: 16, 8: 8, 16: 4, 32: 2}
_PORTS = ("input_port_values", "weight_port_values", "output_port_values")
_PORT_BITS = 128
_START_CYCLES = {"dense": 8, "sparse": 20}


class KgrcSpec(GroupedSpec):
    """Parameters of the accelerator (Sun et al., TCAD 2024); sizes that are not given follow design and value_bits."""

    design: Literal["sparse", "dense"] = Field(
        "sparse",
        description="sparse: skips dropped rows and positions of kernel groups; dense: skips nothing (Table V)",
    )
    filters_per_tile: Count = Field(32, description="TM, filters of a tile (Table V, by design and value_bits)")
    channels_per_tile: Count = Field(8, description="TN = PN, channels of a step, computed together (Table V)")
    depth_per_tile: Count = Field(4, description="TD, output slices of a tile (Table V)")
    rows_per_tile: Count = Field(14, description="TR, output rows of a tile (Table V)")
    columns_per_tile: Count = Field(14, description="TC, output columns of a tile (Table V)")
    positions_per_tile: Count = Field(9, description="TK, kernel positions whose weights are loaded together (Table V)")
    filters_parallel: Count = Field(16, description="PM, filters computed together (Table V)")
    pixels_parallel: Count = Field(4, description="PF, output positions computed together (Table V)")
    positions_parallel: Count = Field(3, description="PK, kernel positions computed together (Table V)")
    group_filters: Count = Field(8, description="GM, filters of a kernel group (Table V)")
    group_channels: Count = Field(8, description="GN, channels of a kernel group (Table V)")
    channel_ports: Count = Field(
        4,
        description="Ab, channels moved side by side, each through ports of its own (4 with 16-bit values, 8 with 8; "
        "assumption: 16 with 4, 2 with 32)",
    )
    input_port_values: Count = Field(
        8, description="Bin, values a cycle through an input port (assumption: 128 bits, so 128 / value_bits)"
    )
    weight_port_values: Count = Field(8, description="Bwgt, likewise of a weight port (assumption: 128 bits)")
    output_port_values: Count = Field(8, description="Bout, likewise of an output port (assumption: 128 bits)")
    start_cycles: Size = Field(
        20,
        description="cycles that fill the pipeline before TK positions compute (assumption, from published latencies: "
        "20 in the sparse design, 8 in the dense one; 0 in the published equations)",
    )
    row_list_cycles: Size = Field(
        48,
        description="cycles that TK positions wait for the lists of kept rows in layers that drop rows (assumption, "
        "from published latencies; 0 in the published equations)",
    )
    clock_hz: Clock = Field(150_000_000, description="accelerator clock, Hz (150 MHz)")
    overlap: Literal["none", "serial", "weights", "tiles"] = Field(
        "serial",
        description="a published latency is a sum over layers that each end with their last outputs' way out (Eq. for "
        "the layer: tiles of Lstore, then Lout), so that nothing of the next layer runs meanwhile",
    )
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=19.2),  # type: ignore[call-arg]
        description="assumption: the ZCU102's 64-bit DDR4-2400",
    )

    @model_validator(mode="before")
    @classmethod
    def _sizes_of_the_design(cls, values: Any) -> Any:
        """Sizes and ports that are not given follow the design and the bits of a value."""
        if not isinstance(values, dict):
            return values
        design, bits = values.get("design", "sparse"), values.get("value_bits", 16)
        # Values of 32 bits are not in the table: they take the sizes of 16 bits, and half as many
        # ports of half as many values.
        of_bits = {key[0]: sizes for key, sizes in _DESIGNS.items() if key[1] == (16 if bits == 32 else bits)}
        sizes = of_bits.get(design) if isinstance(design, str) else None
        if sizes is None:
            return values  # a fault that pydantic names
        of_design = dict(zip(DESIGN_SIZES, sizes, strict=True)) | {"start_cycles": _START_CYCLES[design]}
        # Of equal keys the last one counts, so that what a user gives stands above what the design has.
        return of_design | {"channel_ports": _CHANNEL_PORTS[bits]} | dict.fromkeys(_PORTS, _PORT_BITS // bits) | values

    @property
    def row_groups(self) -> int:
        """Row groups of a tile, which are computed side by side."""
        return self.filters_per_tile // self.group_filters

    @property
    def rows_parallel(self) -> int:
        """Rows of each group that are computed together."""
        return self.filters_parallel // self.row_groups

    @property
    def step_group_channels(self) -> int:
        """Channels of a kernel group as the design sees them: the dense one takes whole steps."""
        return self.group_channels if self.design == "sparse" else self.channels_per_tile

    @model_validator(mode="after")
    def _groups_fit_tiles(self) -> Self:
        for whole, part, size in (
            ("filters_per_tile", "group_filters", self.group_filters),
            ("filters_parallel", "row groups of a tile", max(1, self.row_groups)),
            ("channels_per_tile", "group_channels", self.step_group_channels),
        ):
            if getattr(self, whole) % size:
                raise ValueError(f"{whole} = {getattr(self, whole)}, must be a multiple of the {size} {part}")
        return self

    @model_validator(mode="after")
    def _tiles_can_be_counted(self) -> Self:
        if (products := prod(getattr(self, size) for size in _TILE_SIZES)) > _MOST_PRODUCTS:
            sizes = " x ".join(f"{size} = {getattr(self, size)}" for size in _TILE_SIZES)
            raise ValueError(f"{sizes} are {products} products a tile, must be at most {_MOST_PRODUCTS}")
        return self
