"""Eyeriss machines small enough that small layers take several rounds, passes, waves and strips on them."""

from hypothesis import strategies as st

from dataflows.machines.eyeriss.spec import EyerissSpec, EyerissV2Spec

ROOM = {
    "sums_per_pe": st.integers(1, 5),
    "weights_per_pe": st.sampled_from([1, 3, 8, 24]),
    "weight_port_values": st.sampled_from([1, 2, 5]),
    "input_port_values": st.sampled_from([1, 2, 6]),
    "sum_port_values": st.sampled_from([1, 2, 7]),
    "sum_bits": st.sampled_from([8, 16, 20]),
    "weight_loads": st.sampled_from(["before", "beside"]),
    "value_bits": st.sampled_from([8, 16]),
}


def dense_specs():
    return st.builds(
        EyerissSpec,
        **ROOM,
        pe_rows=st.integers(1, 6),
        pe_columns=st.integers(1, 5),
        values_per_pe=st.integers(1, 6),
        channels_per_pass=st.sampled_from([0, 0, 1, 2, 3]),
        global_buffer_bytes=st.sampled_from([1, 24, 60, 150, 8192]),
    )


def sparse_specs():
    return st.builds(
        EyerissV2Spec,
        **ROOM,
        cluster_rows=st.integers(1, 3),
        cluster_columns=st.integers(1, 2),
        pe_rows=st.integers(1, 3),
        pe_columns=st.integers(1, 4),
        macs_per_pe=st.integers(1, 3),
        columns_per_pe=st.integers(1, 6),
        input_buffer_bytes=st.sampled_from([1, 20, 60, 4096]),
        sum_buffer_bytes=st.sampled_from([1, 12, 40, 150, 4096]),
        empty_column_cycles=st.integers(0, 1),
    )
