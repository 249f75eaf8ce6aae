"""Real faults while a shard is written: kills, a full disk, two writers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sr_core.errors import StoreError
from sr_core.patches import PairImage, PatchStore, write_shard
from sr_core.raster import Encoding
from sr_core.recipe import PatchPlan

PLAN = PatchPlan(size=33, stride=14, origins="edge")


def write(path: Path, images: list[PairImage], encoding: Encoding):
    return write_shard(path, images, PLAN, 2, encoding, "{}", "ab" * 32)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from sr_core.errors import StoreError
from sr_core.patches.atomic import hdf5_atomic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with hdf5_atomic(Path(sys.argv[1])) as file:
        file.create_dataset("x", data=np.ones((512, 512)), chunks=(128, 128))
except StoreError as error:
    print(error)
"""


@pytest.mark.long
def test_a_full_disk_is_one_sentence_and_no_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "s.h5")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "s.h5 cannot be written (" in done.stdout and "Make room" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.long
def test_a_disk_that_fills_up_leaves_the_finished_shards(small_disk: Path, make_pair, encoding: Encoding) -> None:
    first = write(small_disk / "a.h5", [make_pair(height=60, width=60)], encoding)
    with pytest.raises(StoreError, match=r"b\.h5 cannot be written \(No space left on device\).*Make room"):
        write(small_disk / "b.h5", [make_pair(height=300, width=300)], encoding)
    assert [path.name for path in small_disk.iterdir()] == ["a.h5"]
    store = PatchStore(small_disk)
    store.verify()
    assert store.shards == (first,)
    write(small_disk / "b.h5", [make_pair(height=60, width=60, seed=1)], encoding)  # there is room again


WAITING = """
import sys
from pathlib import Path
from sr_core.patches.atomic import hdf5_atomic
with hdf5_atomic(Path(sys.argv[1])) as file:
    file["x"] = [1]
    print("writing", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.long
@pytest.mark.parametrize("killed", [False, True])
def test_two_processes_do_not_write_one_path(tmp_path: Path, make_pair, encoding: Encoding, killed: bool) -> None:
    path = tmp_path / "s.h5"
    command = [sys.executable, "-c", WAITING, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None and other.stdout is not None
        assert other.stdout.readline() == "writing\n"
        with pytest.raises(StoreError, match=r"s\.h5\.partial is being written elsewhere.*Wait for it"):
            write(path, [make_pair()], encoding)
        if killed:
            other.kill()
        else:
            other.stdin.write("\n")
            other.stdin.flush()
        other.wait(timeout=60)
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5.partial" if killed else "s.h5"]
    info = write(path, [make_pair()], encoding)  # the lock of a killed writer is free; what another wrote is replaced
    assert PatchStore(tmp_path).shards == (info,)
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5"]


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from sr_core.patches import PairImage, shard, write_shard
from sr_core.raster import Encoding, Raster
from sr_core.recipe import PatchPlan
encoding = Encoding("uint8")
def raster(n):
    return Raster(np.arange(n * n, dtype=np.float32).reshape(1, n, n) % 251, np.ones((n, n), bool), ("B1",), "DN", (0.0, 255.0))
if sys.argv[2] == "kill":
    create = shard._create
    def dying(group, name, shape, dtype):
        if name == "mask_lr":
            group.file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return create(group, name, shape, dtype)
    shard._create = dying
write_shard(Path(sys.argv[1]), [PairImage("a", "train", raster(40), raster(80))], PatchPlan(), 2, encoding, "{}", "ab" * 32)
"""


@pytest.mark.long
def test_a_writer_killed_in_the_middle_then_run_again(tmp_path: Path) -> None:
    path, untouched = tmp_path / "killed" / "s.h5", tmp_path / "calm" / "s.h5"
    for target in (path, untouched):
        target.parent.mkdir()

    def run(target: Path, how: str) -> int:
        return subprocess.run([sys.executable, "-c", KILLED, str(target), how], timeout=120, check=False).returncode

    assert run(path, "kill") == -signal.SIGKILL
    assert [p.name for p in path.parent.iterdir()] == ["s.h5.partial"]
    with pytest.raises(StoreError, match="no shard"):
        PatchStore(path.parent)
    assert run(path, "calm") == run(untouched, "calm") == 0
    assert [p.name for p in path.parent.iterdir()] == ["s.h5"]
    assert path.read_bytes() == untouched.read_bytes()
