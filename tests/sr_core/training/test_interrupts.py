"""SIGTERM and SIGINT: a checkpoint at the next step, a sentence, the conventional exit code, and the handlers of before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sr_core.errors import Interrupted
from sr_core.training.interrupts import SIGNALS, Interrupts

from .test_kill import SCRIPT


class Sending:
    """A log that sends this process a signal at the nth call of progress."""

    def __init__(self, listener: Any, send_at: int, number: int) -> None:
        self.heard, self.send_at, self.number, self.calls = listener, send_at, number, 0

    def metric(self, name: str, value: float, step: int) -> None:
        self.heard.metric(name, value, step)

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        self.calls += 1
        if self.calls == self.send_at:
            os.kill(os.getpid(), self.number)

    def picture(self, name: str, pixels: np.ndarray, step: int) -> None:
        pass

    def say(self, sentence: str) -> None:
        self.heard.say(sentence)


# Calls of progress: 1 and 2 of the filter, 3 to 14 before each step of the pixel phase, 15 at its end, 16 to 22 of the spread phase.
CASES = [
    (1, "training", 0), (2, "training", 0), (3, "training", 1), (7, "training", 5), (10, "training", 8), (14, "training", 12),
    (15, "training the spread head", 0), (18, "training the spread head", 3), (22, "all phases are done", 0),
]  # fmt: skip


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_writes_a_checkpoint_and_the_next_run_ends_bit_for_bit(world: Any, listen: Any, number: int) -> None:
    recipe, handlers = world.recipe(), [signal.getsignal(each) for each in SIGNALS]
    whole_log = listen()
    whole = world.train(recipe, "whole", whole_log)
    for send_at, words, step in CASES:
        name = f"stopped-{send_at}"
        with pytest.raises(Interrupted, match=rf"stopped by {signal.Signals(number).name} \({words}\).* go on at step {step}\.$") as caught:
            world.train(recipe, name, Sending(listen(), send_at, number))
        assert caught.value.exit_code == {signal.SIGTERM: 143, signal.SIGINT: 130}[signal.Signals(number)]
        assert [signal.getsignal(each) for each in SIGNALS] == handlers
        log = listen()
        again = world.train(recipe, name, log)
        assert again.curve == whole.curve and again.notes == whole.notes, send_at
        assert all(torch.equal(again.net.state_dict()[key], tensor) for key, tensor in whole.net.state_dict().items())
        assert log.points == whole_log.points
        if words != "all phases are done":
            assert f"({words}, step {step})" in log.sentences[0]


def test_the_handlers_are_back_after_a_whole_run_and_after_an_error(world: Any, listen: Any) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    world.train(world.recipe(), "run")
    assert [signal.getsignal(each) for each in SIGNALS] == before
    with pytest.raises(ZeroDivisionError), Interrupts():
        assert signal.getsignal(signal.SIGTERM) != before[0]
        raise ZeroDivisionError
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_another_thread_than_the_main_one_installs_nothing() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def look() -> None:
        with Interrupts():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.fixture
def got() -> Any:
    """The signals that reach the handlers of before."""
    numbers: list[int] = []
    before = {each: signal.signal(each, lambda number, frame: numbers.append(number)) for each in SIGNALS}
    yield numbers
    for each, handler in before.items():
        signal.signal(each, handler)


def test_a_second_signal_acts_at_once(got: list[int]) -> None:
    with pytest.raises(Interrupted), Interrupts() as interrupts:
        signal.raise_signal(signal.SIGTERM)
        assert got == []
        signal.raise_signal(signal.SIGINT)
        assert got == [signal.SIGINT]
        interrupts.check("training", 3)


def test_a_signal_that_nobody_asked_about_is_sent_again(got: list[int]) -> None:
    with Interrupts():
        signal.raise_signal(signal.SIGTERM)
    assert got == [signal.SIGTERM]


def test_a_signal_that_is_ignored_stays_ignored(got: list[int]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert interrupts.received is None
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN and got == []


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_real_process_ends_by_a_real_signal(world: Any, tmp_path: Path, number: int, code: int) -> None:
    script = (
        SCRIPT.replace("signal.SIGKILL", f"{int(number)}")
        .replace("trained = train_model", "from sr_core.errors import Interrupted\ntry:\n    trained = train_model")
        .replace(
            "Killing())\n", "Killing())\nexcept Interrupted as stop:\n    print(stop, file=sys.stderr)\n    sys.exit(stop.exit_code)\n"
        )
    )
    recipe = world.recipe(training__precision="auto")
    store, recipe_file = world.store(recipe).folder, tmp_path / "recipe.json"
    recipe_file.write_text(recipe.to_json())

    def run(name: str, at: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, str(store), str(recipe_file), str(tmp_path / name), str(at)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    whole = run("whole")
    assert whole.returncode == 0, whole.stderr
    for at, step in ((7, 5), (18, 3)):
        stopped = run(f"stopped-{at}", at)
        assert stopped.returncode == code and f"go on at step {step}." in stopped.stderr, stopped.stderr
        again = run(f"stopped-{at}")
        assert again.stdout == whole.stdout, again.stderr
