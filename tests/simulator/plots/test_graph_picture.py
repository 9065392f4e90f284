import re
import time
from xml.etree import ElementTree as ET

import pytest

from simulator.plots.graph_picture import graph_svg
from tests.simulator.reports.test_graph_rows import BLOCK
from workloads.catalog import load_workload
from workloads.graph import Graph, Node, chain

SVG = "{http://www.w3.org/2000/svg}"


def drawn(graph):
    return ET.fromstring(graph_svg(graph))


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "vgg16", "blazepose"])
def test_a_box_a_node_and_a_line_a_joint(name):
    graph = load_workload(name).graph
    picture = drawn(graph)
    boxes = picture.findall(f".//{SVG}rect")
    titles = [title.text for title in picture.iter(f"{SVG}title")]
    assert titles == [f"{' + '.join(node.inputs)} → {node.name}" for node in graph.nodes]
    assert len({box.get("y") for box in boxes}) == len(boxes) == len(graph.nodes)
    heads = sum(path.get("fill") == "#555" for path in picture.iter(f"{SVG}path"))
    short = sum("H" not in path.get("d") and "l" not in path.get("d") for path in picture.iter(f"{SVG}path"))
    assert heads + short == sum(len(set(node.inputs)) for node in graph.nodes)


def test_everything_lies_inside_the_picture():
    picture = drawn(load_workload("googlenet").graph)
    _, _, width, height = map(float, picture.get("viewBox").split())
    for path in picture.iter(f"{SVG}path"):
        numbers = [float(number) for number in re.findall(r"(?<![lvz\d-])\d+", path.get("d"))]
        assert max(numbers) <= max(width, height)
    for box in picture.iter(f"{SVG}rect"):
        assert float(box.get("x")) + float(box.get("width")) <= width
        assert float(box.get("y")) + float(box.get("height")) <= height


def test_kinds_are_named_where_the_name_does_not_tell():
    texts = [text.text for text in drawn(BLOCK).iter(f"{SVG}text")]
    assert texts == ["x", "a", "b", "s (add)", "c", "d", "j (concat)"]


def test_names_are_escaped():
    graph = Graph((Node("<in&put>", "input", (), (1,)), Node('"a"', "layer", ("<in&put>",), (1,))))
    assert [text.text for text in drawn(graph).iter(f"{SVG}text")] == ["<in&put>", '"a"']


def test_a_thousand_nodes_take_no_time():
    graph = chain([(f"layer{i}", (64, 56, 56)) for i in range(1000)], (3, 56, 56))
    began = time.perf_counter()
    assert len(graph_svg(graph)) < 400_000
    assert time.perf_counter() - began < 2
