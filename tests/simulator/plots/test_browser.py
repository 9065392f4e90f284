"""Pages and pictures in a real browser: no name in them runs as a script. Needs `chromium` on the path."""

import json
import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.nightly, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]

RUN = 'document.documentElement.append("s" + "een")'
NAMES = [
    f"<script>{RUN}</script>",
    f"--><script>{RUN}</script>",
    f"]]><script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f"</style><script>{RUN}</script>",
    f"</title><script>{RUN}</script>",
    f"</svg><script>{RUN}</script>",
    f"\"><img src=x onerror='{RUN}'>",
    f"<svg onload='{RUN}'>",
    f"'onmouseover='{RUN}",
    f"&lt;script&gt;{RUN}&lt;/script&gt;",
]


def shown(path):
    """The document as it is when its scripts, if any, have run."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000", "--dump-dom"]
    done = subprocess.run(
        [CHROMIUM, *options, f"file://{path}"], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


@pytest.fixture
def drawn(cli, tmp_path):
    """A page and pictures of a network whose names are all of these."""
    network = tmp_path / "n.toml"
    head = f"name = {json.dumps(NAMES[1])}\ntitle = {json.dumps(NAMES[0])}\n"
    layers = [
        f"[[layers]]\nname = {json.dumps(name)}\ntype = 'fc'\nin_channels = 2\nout_channels = 2\n" for name in NAMES
    ]
    network.write_text(head + "".join(layers))
    report, timeline = tmp_path / "r.json", tmp_path / "t.json"
    assert cli("run", network, "--on", "ideal", "--json", report, "--timeline", timeline).code == 0
    page = tmp_path / "r.html"
    assert cli("report", report, "-o", page, "--timeline", timeline).code == 0
    pictures = [tmp_path / f"{kind}.svg" for kind in ("layers", "network", "causes")]
    for picture in pictures:
        assert cli("plot", report, "--kind", picture.stem, "-o", picture).code == 0
    return [page, *pictures]


def test_the_browser_runs_what_is_a_script(tmp_path):
    (tmp_path / "control.html").write_text(f"<!doctype html><title>t</title><script>{RUN}</script>")
    assert "seen" in shown(tmp_path / "control.html")


def test_no_name_runs_as_a_script(drawn):
    for path in drawn:
        document = shown(path)
        assert "svg" in document
        assert "seen" not in document, path.name
