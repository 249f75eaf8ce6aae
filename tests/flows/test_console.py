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
    assert stream.getvalue().splitlines() == [
        "training: 50/360 (14 %), 10/s, about 31 s left",
        "training: 100/360 (28 %), 10/s, about 26 s left",
    ]


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
    assert stream.getvalue() == "training: 310/360 (86 %), 2/s, about 25 s left\n"


def test_how_it_goes_stands_between_rate_and_time_left_and_at_the_end() -> None:
    log, stream, clock = plain()
    for step, loss, at in ((0, 1.0, 0), (40, 0.91234, 4), (60, 0.8123, 6), (360, 0.7, 36)):
        clock.now = float(at)
        log.progress("training", step, 360, f"loss {loss:.4g}, 33.41 dB")
    assert stream.getvalue().splitlines() == [
        "training: 60/360 (17 %), 10/s, loss 0.8123, 33.41 dB, about 30 s left",
        "training: 360 in 36 s, loss 0.7, 33.41 dB",
    ]


def test_a_plain_stream_hears_the_less_the_longer_it_takes() -> None:
    log, stream, clock = plain()
    for second in range(7200):
        clock.now = float(second)
        log.progress("training", second, 7200)
    first, *_, last = lines = stream.getvalue().splitlines()
    assert 40 < len(lines) < 70
    assert first.startswith("training: 5/7200 (0 %), 1/s, about 2 h 0 min left") and last.startswith("training: 6")


def test_a_terminal_shows_all_figures_on_one_line_of_eighty_characters() -> None:
    stream, clock = io.StringIO(), Clock()
    console = Console(file=stream, force_terminal=True, width=80, color_system=None, legacy_windows=False)
    with RichLog(console, clock) as log:
        for second in range(13):
            clock.now = float(second)
            log.progress("training", 10 * second, 3600, "loss 0.8123, 33.41 dB")
            log.progress("training against the discriminator [x]", 10 * second, 3600, "loss 0.8123, 33.41 dB")
        assert log._bars is not None
        log._bars.stop()
        shown = Console(file=(screen := io.StringIO()), width=80, color_system=None)
        shown.print(log._bars.get_renderable())
    figures = "120/3600   3% 10/s loss 0.8123, 33.41 dB about 6 min left"
    assert [line.rstrip() for line in screen.getvalue().splitlines()] == [
        f"training               {figures}",
        f"training ag…           {figures}",
    ]


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
