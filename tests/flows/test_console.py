from __future__ import annotations

import io

from rich.console import Console

from flows.console import Notebook, RichLog


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def plain() -> tuple[RichLog, io.StringIO, Clock]:
    stream, clock = io.StringIO(), Clock()
    return RichLog(Console(file=stream, force_terminal=False, width=200), clock), stream, clock


def test_plain_lines_say_share_rate_and_time_left() -> None:
    log, stream, clock = plain()
    for second in range(13):
        clock.now = float(second)
        log.progress("training", 10 * second, 360)
    assert stream.getvalue().splitlines() == ["training: 50/360 (14 %), 10/s, 31 s left", "training: 100/360 (28 %), 10/s, 26 s left"]


def test_the_end_is_said_with_its_time_and_short_work_says_nothing() -> None:
    log, stream, clock = plain()
    log.progress("long", 0, 10)
    clock.now = 4.0
    log.progress("long", 10, 10)
    log.progress("short", 0, 2)
    log.progress("short", 2, 2)
    log.progress("nothing", 0, 0)
    assert stream.getvalue() == "long: 10 in 4 s\n"


def test_rate_after_a_resume_counts_from_where_it_went_on() -> None:
    log, stream, clock = plain()
    log.progress("training", 300, 360)
    clock.now = 5.0
    log.progress("training", 310, 360)
    assert stream.getvalue() == "training: 310/360 (86 %), 2/s, 25 s left\n"


def test_square_brackets_in_a_sentence_are_text() -> None:
    log, stream, _ = plain()
    log.say("bands [red] of [/] a.tif")
    assert stream.getvalue() == "bands [red] of [/] a.tif\n"


def test_bars_on_a_terminal_are_taken_away() -> None:
    stream = io.StringIO()
    with RichLog(Console(file=stream, force_terminal=True, width=100), Clock()) as log:
        log.progress("training", 1, 10)
        log.progress("training", 10, 10)
        log.progress("other", 1, 10)
    assert log._bars is None


def test_notebook_knows_which_stages_were_reused() -> None:
    book = Notebook()
    for sentence in ("ingest: reused 0123456789ab", "prepare: 40 training pairs", "train: reused ab, made by another run"):
        book.say(sentence)
    assert book.reused == ("ingest", "train")
