"""Available memory: the machine's, or less where a control group limits it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sr_core.memory import available_memory

GB = 1 << 30


def made(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"proc/meminfo": f"MemTotal: 1 kB\nMemAvailable: {8 * GB // 1024} kB\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


SECOND = {"proc/self/cgroup": "0::/a/b\n"}
FIRST = {"proc/self/cgroup": "5:cpu,memory:/a\n1:name=systemd:/\n"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8 * GB),
        ({**SECOND, "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/b/memory.current": "5"}, 8 * GB),
        ({**SECOND, "sys/fs/cgroup/a/b/memory.max": f"{3 * GB}\n", "sys/fs/cgroup/a/b/memory.current": f"{GB}\n"}, 2 * GB),
        (  # files that can be dropped are no use of memory
            {**SECOND, "sys/fs/cgroup/a/b/memory.max": f"{3 * GB}", "sys/fs/cgroup/a/b/memory.current": f"{2 * GB}",
             "sys/fs/cgroup/a/b/memory.stat": f"anon 5\ninactive_file {GB}\n"},
            2 * GB,
        ),
        (  # the group around is tighter
            {**SECOND, "sys/fs/cgroup/a/b/memory.max": f"{3 * GB}", "sys/fs/cgroup/a/b/memory.current": "0",
             "sys/fs/cgroup/a/memory.max": f"{GB}", "sys/fs/cgroup/a/memory.current": "0"},
            GB,
        ),
        ({**SECOND, "sys/fs/cgroup/a/b/memory.max": f"{GB}", "sys/fs/cgroup/a/b/memory.current": f"{2 * GB}"}, 0),
        ({**FIRST, "sys/fs/cgroup/memory/a/memory.limit_in_bytes": f"{4 * GB}", "sys/fs/cgroup/memory/a/memory.usage_in_bytes": f"{GB}"},
         3 * GB),
        ({**FIRST, "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{4 * GB}", "sys/fs/cgroup/memory/memory.usage_in_bytes": "0"}, 4 * GB),
        ({**FIRST, "sys/fs/cgroup/memory/a/memory.limit_in_bytes": str(2**63 - 4096),
          "sys/fs/cgroup/memory/a/memory.usage_in_bytes": f"{GB}"}, 8 * GB),
    ],
)  # fmt: skip
def test_the_tightest_limit_counts(files: dict[str, str], expected: int, tmp_path: Path) -> None:
    assert available_memory(made(tmp_path, files)) == expected


def test_this_machine_has_some() -> None:
    assert available_memory() > 0
