"""A folder of figures as a user would write it: one figure, a dense fully connected layer at a quarter of peak."""

STUDY = """
workloads = ["alexnet"]
layers = "fc7"
machines = ["scnn"]
set.dram.bandwidth_gbs = inf
"""
OWN = """
[goals.rtl]
relative = 0.05

[[figure]]
id = "rtl"
study = "fc7"
metric = "utilization"
unit = "of peak"
published = {published}
kind = "rtl"
source = "an RTL run"
"""


def own_figures(folder, text, readings="", recorded=""):
    folder.mkdir(exist_ok=True)
    (folder / "fc7.toml").write_text(STUDY)
    (folder / "figures.toml").write_text(text)
    if readings:
        (folder / "readings.toml").write_text(readings)
    if recorded:
        (folder / "recorded.toml").write_text(recorded)
    return folder
