"""A few threads that share a list of independent pieces of work, for one call."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import torch

Task = Callable[[], None]


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share(tasks: list[Task], workers: int) -> None:
    """Do all tasks with up to `workers` threads, the caller's among them, and return when all are done.

    Parameters
    ----------
    tasks : list of callables
        Independent of each other: each writes its own memory.
    workers : int
        No more are started than there are tasks or usable cores.

    Notes
    -----
    Each worker takes the next task when it is free, so a core that others keep busy simply takes fewer: no thread waits for another
    before the end, and two are not slower than one. Threads live for one call (0.1 ms each): nothing survives into a forked process.
    The caller must have set one intra-operation thread. The first error stops the rest and is raised here.
    """
    workers = min(workers, len(tasks), cores())
    if workers <= 1:
        for task in tasks:
            task()
        return
    waiting, lock = iter(tasks), threading.Lock()
    errors: list[BaseException] = []
    inference = torch.is_inference_mode_enabled()  # a setting of each thread

    def help_out() -> None:
        torch.set_num_threads(1)  # the libraries' own setting is one of each thread: without this, each product here starts threads
        work()

    def work() -> None:
        with torch.inference_mode(inference), torch.no_grad():
            while not errors:
                with lock:
                    task = next(waiting, None)
                if task is None:
                    return
                try:
                    task()
                except BaseException as error:  # raised again by the caller's thread
                    errors.append(error)

    helpers = [threading.Thread(target=help_out, daemon=True) for _ in range(workers - 1)]
    for helper in helpers:
        helper.start()
    work()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
