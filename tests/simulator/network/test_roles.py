from fractions import Fraction

from simulator.engine.network_layers import Read
from simulator.network.roles import Role, roles_of_chain, roles_of_graph
from tests.simulator.network.graphs import BLOCK, CHAIN, POOLED, graph


def by_name(found):
    return {role.name: role for role in found}


def test_a_chain_reads_the_layer_before_in_its_order():
    a, b, c = roles_of_graph(CHAIN, ["a", "b", "c"], "leaving")
    assert a == Role("a", 0, made=256, stored=Fraction(256))
    assert b == Role("b", 1, (Read(0, in_order=True),), made=320, stored=Fraction(320))
    assert c.reads == (Read(1, in_order=True),)
    assert not any(role.leaves or role.input_in_dram for role in (a, b, c))


def test_without_a_graph_each_layer_reads_the_one_before_as_a_whole():
    a, b = roles_of_chain([(0, "a"), (1, "b")])
    assert (a, b) == (Role("a", 0), Role("b", 1, (Read(0),)))


def test_without_a_graph_layers_that_are_not_neighbours_have_nothing_in_common():
    a, c = roles_of_chain([(1, "b"), (3, "d")])
    assert a == Role("b", 0, input_in_dram=True, leaves=True)
    assert c == Role("d", 1, input_in_dram=True)


def test_a_pooling_that_alone_reads_a_map_is_done_while_it_leaves():
    a, b = roles_of_graph(POOLED, ["a", "b"], "leaving")
    assert a.stored_share == Fraction(1, 4)
    assert b.reads == (Read(0, in_order=True),)
    assert not b.input_in_dram


def test_a_pooling_in_memory_runs_by_itself_and_both_maps_lie_in_dram():
    a, p, b = roles_of_graph(POOLED, ["a", "b"], "memory")
    assert a.leaves
    assert a.stored_share == 1
    assert p == Role(
        "p", None, (Read(0, in_order=True),), input_in_dram=True, leaves=True, made=256, stored=Fraction(64)
    )
    assert b.reads == (Read(1, in_order=True),)
    assert b.input_in_dram


def test_a_map_that_somebody_else_reads_is_not_pooled_on_its_way():
    forked = graph("x input - 3x8x8", "a layer x 4x8x8", "p pool a 4x4x4", "b layer p 5x4x4", "c layer a 5x8x8")
    found = by_name(roles_of_graph(forked, ["a", "b", "c"], "leaving"))
    assert found["p"].layer is None
    assert found["a"].stored_share == 1
    assert found["c"].reads == (Read(0, in_order=True),)
    assert found["c"].input_in_dram  # p and b ran between
    assert found["b"].leaves  # nobody reads it next


def test_joined_maps_are_pooled_by_all_their_layers_and_read_as_a_whole():
    joined = graph(
        "x input - 3x8x8", "a layer x 4x8x8", "b layer a 12x8x8", "c layer a 4x8x8",
        "j concat b,c 16x8x8", "pad reshape j 16x10x10", "p pool pad 16x4x4", "d layer p 5x4x4",
    )  # fmt: skip
    found = by_name(roles_of_graph(joined, ["a", "b", "c", "d"], "leaving"))
    # b stores 12 and c 4 of the 16 channels, pooled from 8x8 to 4x4; the padding was never stored.
    assert (found["b"].stored, found["c"].stored) == (192, 64)
    assert found["d"].reads == (Read(1), Read(2))
    assert found["d"].input_in_dram
    assert found["b"].leaves
    assert found["c"].leaves  # d does not read it alone


def test_the_last_of_a_sum_adds_the_others_and_holds_it():
    found = by_name(roles_of_graph(BLOCK, ["stem", "a", "b", "c"], "leaving"))
    assert found["b"].operands == (0,)
    assert found["c"].reads == (Read(2, in_order=True),)
    assert not found["c"].input_in_dram
    assert found["stem"].leaves  # b adds it, long after a has read it
    assert not found["b"].leaves


def test_a_gate_stores_the_map_that_it_is_multiplied_with():
    gated = graph(
        "x input - 3x8x8", "a layer x 4x8x8", "mean pool a 4x1x1", "gate layer mean 4x1x1",
        "product add a,gate 4x8x8", "b layer product 2x8x8",
    )  # fmt: skip
    found = by_name(roles_of_graph(gated, ["a", "gate", "b"], "leaving"))
    assert found["mean"].layer is None
    assert found["gate"].operands == (0,)
    assert found["gate"].stored_share == 64
    assert found["b"].reads == (Read(2, in_order=True),)


def test_a_sum_of_sums_is_held_by_the_last_of_all():
    nested = graph(
        "x input - 3x8x8", "a layer x 4x8x8", "b layer a 4x8x8", "s add a,b 4x8x8", "c layer s 4x8x8",
        "t add s,c 4x8x8", "d layer t 4x8x8",
    )  # fmt: skip
    found = by_name(roles_of_graph(nested, ["a", "b", "c", "d"], "leaving"))
    assert (found["b"].operands, found["c"].operands) == ((0,), (1,))
    assert found["d"].reads == (Read(2, in_order=True),)


def test_a_map_added_to_itself_needs_nobody():
    swish = graph("x input - 3x8x8", "a layer x 4x8x8", "s activation a 4x8x8", "m add a,s 4x8x8", "b layer m 4x8x8")
    a, b = roles_of_graph(swish, ["a", "b"], "leaving")
    assert a.operands == ()
    assert not a.leaves
    assert b.reads == (Read(0, in_order=True),)


def test_the_image_may_be_added_and_is_nobodys():
    image = graph("x input - 3x8x8", "a layer x 3x8x8", "s add a,x 3x8x8", "b layer s 4x8x8")
    a, b = roles_of_graph(image, ["a", "b"], "leaving")
    assert (a.operands, a.outside_operands) == ((), 192)
    assert not b.input_in_dram


def test_a_layer_amid_the_network_that_reads_the_image_loads_it():
    towers = graph("x input - 3x8x8", "a layer x 3x8x8", "b layer x 3x8x8", "j concat a,b 6x8x8", "c layer j 4x8x8")
    a, b, _ = roles_of_graph(towers, ["a", "b", "c"], "leaving")
    assert not a.input_in_dram  # the trace says where the first layer's input lies
    assert b.input_in_dram
    assert b.reads == ()


def test_an_image_that_is_pooled_is_read_as_it_is():
    shrunk = graph("x input - 3x8x8", "p pool x 3x4x4", "a layer p 4x4x4", "b layer a 4x4x4")
    p, a, _ = roles_of_graph(shrunk, ["a", "b"], "leaving")
    assert (p.layer, p.outside_read, p.stored_share) == (None, 192, Fraction(1, 4))
    assert a.reads == (Read(0, in_order=True),)


def test_upsampling_and_shuffles_break_the_order_and_flattening_does_not():
    for line, in_order in (
        ("m upsample a 4x16x16", False),
        ("m other a 4x8x8", False),
        ("m reshape a 2x2x8x8", False),
        ("m reshape a 4x4x8", False),
        ("m reshape a 256", True),
        ("m reshape a 4x10x10", True),
        ("m normalise a 4x8x8", True),
    ):
        changed = graph("x input - 3x8x8", "a layer x 4x8x8", line, "b layer m 2x8x8")
        assert roles_of_graph(changed, ["a", "b"], "leaving")[1].reads == (Read(0, in_order),), line


def test_what_is_not_selected_lies_in_dram():
    found = roles_of_graph(BLOCK, ["b", "c"], "leaving")
    assert found[0].reads == ()
    assert found[0].input_in_dram
    assert (found[0].operands, found[0].outside_operands) == ((), 256)
    assert found[1].reads == (Read(0, in_order=True),)


def test_poolings_run_only_where_a_layer_needs_them_that_runs():
    pooled = graph(
        "x input - 3x8x8", "a layer x 4x8x8", "p pool a 4x4x4", "b layer p 5x4x4", "c layer b 5x4x4", "q pool c 5x1x1"
    )
    assert [role.name for role in roles_of_graph(pooled, ["a", "b"], "memory")] == ["a", "p", "b"]
    assert [role.name for role in roles_of_graph(pooled, ["b", "c"], "memory")] == ["b", "c", "q"]
    assert [role.name for role in roles_of_graph(pooled, ["a"], "memory")] == ["a"]


def test_results_that_nobody_reads_leave_and_the_networks_last_ones_stay_as_they_are():
    heads = graph("x input - 3x8x8", "a layer x 4x8x8", "h layer a 1x8x8", "b layer a 4x8x8")
    found = by_name(roles_of_graph(heads, ["a", "h", "b"], "leaving"))
    assert found["h"].leaves
    assert not found["b"].leaves
    assert found["a"].leaves  # b reads it when h has run


ATTENTION = graph(
    "x input - 4x1x6",
    "q layer x 4x1x6",
    "k layer x 4x1x6",
    "v layer x 4x1x6",
    "turned reshape k 6x1x4",
    "scores layer q,turned 6x1x6",
    "softmax other scores 6x1x6",
    "context layer softmax,v 4x1x6",
    "sum add context,x 4x1x6",
)


def test_a_product_of_two_activations_reads_the_layers_that_make_both():
    found = by_name(roles_of_graph(ATTENTION, ["q", "k", "v", "scores", "context"], "leaving"))
    assert found["scores"].reads == (Read(0), Read(1))
    assert found["context"].reads == (Read(3), Read(2))
    assert found["scores"].input_in_dram
    assert found["context"].input_in_dram
    assert all(found[name].leaves for name in ("q", "k", "v", "scores"))


def test_both_sides_from_one_layer_before_are_no_map_on_the_chip():
    gram = graph("x input - 4x1x6", "a layer x 4x1x6", "t reshape a 6x1x4", "gram layer a,t 6x1x6")
    a, product = roles_of_graph(gram, ["a", "gram"], "leaving")
    assert product.reads == (Read(0),)
    assert product.input_in_dram
    assert a.leaves


def test_without_a_graph_both_sides_of_a_product_lie_in_dram():
    a, b, c = roles_of_chain([(0, "a"), (1, "b"), (2, "c")], {"b"})
    assert (a.leaves, b.leaves, b.input_in_dram, c.input_in_dram) == (True, False, True, False)
    assert b.reads == (Read(0),)
