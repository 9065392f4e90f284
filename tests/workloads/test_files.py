"""Outputs: ordinary files are replaced whole, streams are written to, and everything else is refused beforehand."""

import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from workloads import files
from workloads.errors import InputError
from workloads.files import (
    read_bytes,
    read_text,
    require_file,
    require_outputs,
    require_writable,
    whole_file,
    write_whole,
)

needs_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="changes its user")


def test_a_device_is_written_to_and_stays_a_device(tmp_path):
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        device.write_bytes(b"")
    except OSError:
        pytest.skip("no right to make devices here")
    require_writable(device)
    write_whole(device, "a,b\n")
    assert stat.S_ISCHR(device.stat().st_mode)
    assert list(tmp_path.iterdir()) == [device]


def test_a_full_device_is_an_error_and_stays_a_device():
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(InputError, match=r"^/dev/full: cannot be written: No space left on device$"):
        write_whole(full, "text")
    assert stat.S_ISCHR(full.stat().st_mode)


def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    require_writable(pipe)
    write_whole(pipe, "content")
    reader.join(10)
    assert heard == ["content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_failed_block_sends_nothing_to_a_stream():
    end, start = os.pipe()

    def fail():
        with whole_file(Path(f"/dev/fd/{start}")) as stream:
            stream.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    os.close(start)
    assert os.read(end, 10) == b""
    os.close(end)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_in_a_file_is_written_to_behind_what_stands_there(tmp_path, name):
    code = f"from pathlib import Path; from workloads.files import write_whole; print('first'); write_whole(Path({name!r}), 'second\\n'); print('third')"
    target = tmp_path / "out.txt"
    with target.open("wb") as stream:
        inode = target.stat().st_ino
        subprocess.run([sys.executable, "-c", code], stdout=stream, check=True)
    assert target.read_text() == "first\nsecond\nthird\n"
    assert target.stat().st_ino == inode


def test_a_process_substitution_gets_the_content():
    end, start = os.pipe()
    require_writable(Path(f"/dev/fd/{start}"))
    write_whole(Path(f"/dev/fd/{start}"), "rows")
    os.close(start)
    assert os.read(end, 100) == b"rows"
    os.close(end)


def test_a_closed_descriptor_is_refused_beforehand():
    with pytest.raises(InputError, match=r"^/dev/fd/912: cannot be written: Bad file descriptor$"):
        require_writable(Path("/dev/fd/912"))


def test_a_symbolic_links_target_is_replaced(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    target, link = folder / "real.csv", tmp_path / "link.csv"
    target.write_text("old")
    link.symlink_to(target)
    write_whole(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert not target.is_symlink()


def test_a_dangling_link_makes_its_target(tmp_path):
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "new.csv")
    write_whole(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "new.csv").read_text() == "new"


def test_a_read_only_file_is_refused(tmp_path):
    path = tmp_path / "kept.csv"
    path.write_text("old")
    path.chmod(0o444)
    for refuse in (require_writable, lambda one: write_whole(one, "new")):
        with pytest.raises(InputError, match=r"kept\.csv: cannot be written: is read-only$"):
            refuse(path)
    assert path.read_text() == "old"


def test_the_permissions_of_an_old_file_stay(tmp_path):
    path = tmp_path / "private.csv"
    path.write_text("old")
    path.chmod(0o600)
    write_whole(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is a directory"),
        ("missing/x.csv", "no such folder"),
        ("file/x.csv", "no such folder|Not a directory"),
        ("x" * 300, "File name too long"),
        ("loop", "symbolic links|no such folder"),
    ],
)
def test_what_cannot_be_written_is_refused_beforehand(tmp_path, name, reason):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=f"cannot be written: .*({reason})") as caught:
        require_writable(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


@needs_root
def test_a_folder_that_may_not_be_entered_is_one_line():
    """The check runs as a user who may not; root may do everything."""
    closed = Path(tempfile.mkdtemp())  # private to root; tmp_path lies in folders that nobody else may enter either
    code = (
        "import os, sys; from pathlib import Path; from workloads.files import require_writable; os.setuid(65534)\n"
        "require_writable(Path(sys.argv[1]) / 'x.html')"
    )
    done = subprocess.run([sys.executable, "-c", code, closed], capture_output=True, text=True, check=False)
    closed.rmdir()
    assert done.stderr.splitlines()[-1] == (
        f"workloads.errors.InputError: {closed / 'x.html'}: cannot be written: Permission denied"
    )


def test_two_outputs_in_one_file_and_an_output_over_an_input_are_refused(tmp_path):
    one = tmp_path / "one.csv"
    (tmp_path / "two.csv").symlink_to(one)
    with pytest.raises(InputError, match=r"two\.csv: cannot be written: another output goes there"):
        require_outputs([one, tmp_path / "two.csv"])
    one.write_text("read")
    with pytest.raises(InputError, match=r"one\.csv: cannot be written: is read by this command"):
        require_outputs([one], [tmp_path / "two.csv"])
    require_outputs([None, "-", "/dev/null", "/dev/null"], ["vgg16"])


def test_inputs_end_somewhere(tmp_path):
    (tmp_path / "long").write_bytes(bytes(1001))
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path / "long", r"holds more than 1,000 bytes, the most that is read \(PRUNESIM_LIMITS raises it\)$"),
        (Path("/dev/zero"), "is a device, must be a file"),
        (tmp_path / "pipe", "is a pipe, must be a file"),  # whose writer may never come
        (tmp_path, "is a directory"),
        (tmp_path / "no", "no such file"),
    ):
        with pytest.raises(InputError, match=reason):
            read_bytes(path, 1000)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not a text file in UTF-8"):
        read_text(tmp_path / "bytes")
    for path, kind in ((Path("/dev/zero"), "device"), (tmp_path / "pipe", "pipe"), (tmp_path, "directory")):
        with pytest.raises(InputError, match=f"is a {kind}, must be a file"):
            require_file(path)


def test_every_output_of_a_run_is_checked_before_it_starts(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("workloads.catalog.load_workload", lambda *_, **__: pytest.fail("it started"))
    for options in (
        ["run", "blazepose", "--on", "ideal", "--scale-sim"],
        ["run", "blazepose", "--on", "ideal", "--timeline"],
        ["run", "blazepose", "--on", "ideal", "--json"],
        ["compare", "blazepose", "--on", "ideal", "--csv"],
        ["inspect", "blazepose", "--json"],
    ):
        result = cli(*options, tmp_path / "missing" / "out.csv")
        assert result.code == 2
        assert "out.csv: cannot be written: no such folder" in result.err


def test_rows_go_to_a_device(cli, tmp_path):
    network = tmp_path / "net.toml"
    network.write_text(
        '[[layers]]\nname = "a"\nin_channels = 2\nout_channels = 2\ninput_size = [4, 4]\nkernel_size = 3\n'
    )
    assert cli("run", network, "--on", "ideal", "--csv", "/dev/null").code == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    result = cli("run", network, "--on", "ideal", "--csv", "/dev/full")
    assert (result.code, result.err) == (2, "prunesim: /dev/full: cannot be written: No space left on device\n")


def test_a_limit_of_files_can_be_raised(tmp_path, monkeypatch):
    (tmp_path / "long").write_bytes(bytes(1001))
    monkeypatch.setenv("PRUNESIM_LIMITS", "1.5")
    assert read_bytes(tmp_path / "long", 1000) == bytes(1001)


@pytest.mark.parametrize("factor", ["0.5", "nan", "-1", "2048", "much", ""])
def test_a_factor_of_limits_that_is_none_is_refused(factor, tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNESIM_LIMITS", factor)
    with pytest.raises(InputError, match=rf"^PRUNESIM_LIMITS = '{factor}': must be a number between 1 and 1024$"):
        read_bytes(tmp_path / "any")


def test_a_pipe_that_a_shell_hands_over_is_read():
    end, start = os.pipe()
    os.write(start, b"x = 1")
    os.close(start)
    assert read_text(Path(f"/dev/fd/{end}")) == "x = 1"
    os.close(end)


def test_a_pipe_that_nobody_reads_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_PIPE_SECONDS", 0.1)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe: cannot be written: nobody reads this pipe for 0.1 seconds$"):
        write_whole(tmp_path / "pipe", "x")
