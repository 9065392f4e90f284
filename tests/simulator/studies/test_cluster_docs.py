"""The commands of docs/clusters.md: what they bind to, and the examples of one machine and of TLS, run as they stand."""

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from dataflows.kernels.cache import cache_folder
from tests.simulator.commands.test_sweep import ROOT, results
from tests.simulator.studies.studies import network

TEXT = (ROOT / "docs" / "clusters.md").read_text()
PATIENCE = 300  # seconds, on a busy machine that compiles kernels anew
LOOPBACK = ("0100007F:", "00000000000000000000000001000000:")
KERNELS = " ".join(str(cache_folder(package)) for package in ("dataflows", "simulator"))
PRELUDE = f"""
dask() {{ role=$1; shift; exec {sys.executable} -m distributed.cli.dask_$role "$@"; }}
mktemp() {{ folder=$(command mktemp "$@"); cp -a {KERNELS} "$folder"; echo "$folder"; }}  # compiled kernels
prunesim() {{ {sys.executable} -m simulator "$@"; }}
"""
needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None or not Path("/proc/net/tcp").exists(),
    reason="needs the extra 'cluster' (dask[distributed]), and /proc",
)


def block(title: str) -> str:
    return re.search(rf"```bash\n# {title}\n(.*?)```", TEXT, re.DOTALL)[1]


def test_every_command_binds_to_the_loopback_or_a_named_interface():
    commands = re.findall(r"\bdask (?:scheduler|worker) [^&#\n]*(?:\\\n[^&#\n]*)*", TEXT)
    assert len(commands) >= 8
    for command in commands:
        assert re.search(r"--host 127\.0\.0\.1|--interface \S", command), command
        assert "--dashboard-address 127.0.0.1:" in command, command
    for arguments in re.findall(r"args: \[dask-(?:scheduler|worker),.*", TEXT):
        assert "--interface, eth0" in arguments


def test_no_cache_folder_has_a_name_that_others_know():
    folders = re.findall(r"PRUNESIM_CACHE_DIR=(.{12})", TEXT)
    assert len(folders) == 4
    assert all(folder.lstrip('"').startswith(("$(mktemp -d", "/home/prunes")) for folder in folders)


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def of_session(leader: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if os.getsid(int(entry.name)) == leader:
                found.append(int(entry.name))
    return found


def listening(pid: int) -> list[str]:
    """Local addresses, as /proc writes them, on which a process listens."""
    with suppress(OSError):
        sockets = {str(file.readlink())[8:-1] for file in Path(f"/proc/{pid}/fd").iterdir()}
        rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
        return [row[1] for row in rows if row[3] == "0A" and row[9] in sockets]
    return []


@pytest.mark.slow
@needs_dask
@pytest.mark.parametrize("title", ["one machine", "TLS"])
def test_the_example_runs_and_nobody_else_reaches_it(tmp_path, title):
    if title == "TLS" and shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    network(tmp_path)
    (tmp_path / "study.toml").write_text('machines = ["ideal"]\nworkloads = ["small.toml"]\nseeds = 8\n')
    script = PRELUDE + block(title).replace("8786", free_port()).replace("8787", free_port()) + "\nsleep 60\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    with (tmp_path / "log").open("w") as log:
        example = subprocess.Popen(
            ["bash", "-ec", script], cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        end = time.monotonic() + PATIENCE
        while "points computed" not in (tmp_path / "log").read_text() and time.monotonic() < end:
            time.sleep(0.1)
        assert results(tmp_path / "study.sqlite") == 8, (tmp_path / "log").read_text()
        addresses = [address for pid in of_session(example.pid) for address in listening(pid)]
        assert len(addresses) >= 2 + 2 * 2  # scheduler and workers, and their dashboards
        assert all(address.startswith(LOOPBACK) for address in addresses)
        if title == "TLS":
            port = next(re.finditer(r"tls://127\.0\.0\.1:(\d+)", script))[1]
            assert stranger_is_refused(f"tls://127.0.0.1:{port}")
            assert stranger_is_refused(f"tcp://127.0.0.1:{port}")
            assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "tls").iterdir())
        (cache,) = tmp_path.glob("tmp.*")
        assert cache.stat().st_mode & 0o777 == 0o700
    finally:
        os.killpg(example.pid, signal.SIGKILL)
        example.wait()


def stranger_is_refused(address: str) -> bool:
    """A client without the folder."""
    code = f"import distributed; distributed.Client({address!r}, timeout=3).nthreads()"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DASK")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    return done.returncode != 0
