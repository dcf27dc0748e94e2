"""Windows: which events are inside at a time, and when one enters and leaves (rules 1, 2, 3 and 10)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.durations import DAY, HOUR, MINUTE, SECOND, format_duration, parse_duration
from pipelines.semantics.windows import SLIDES, Window, WindowError, default_slide

#  A stream window of 10 min with a slide of 5 min, looked at at t = 12:03, and nothing else (rule 1):
#
#      11:50     11:55     12:00     12:05
#        |---------|---------|--.------|
#        [======================)            first = floor(12:03 - 10 min) = 11:50, end = 12:03, open
#
STREAM = Window(10 * MINUTE, 5 * MINUTE)
NOON = 12 * HOUR
T = NOON + 3 * MINUTE


@pytest.mark.parametrize(
    ("ts", "inside"),
    [
        pytest.param(NOON - 10 * MINUTE - 1, False, id="one before the tail"),
        pytest.param(NOON - 10 * MINUTE, True, id="on the tail"),
        pytest.param(NOON - 10 * MINUTE + 1, True, id="one after the tail"),
        pytest.param(NOON - 1, True, id="one before a hop"),
        pytest.param(NOON, True, id="on a hop"),
        pytest.param(T - 1, True, id="one before the head"),
        pytest.param(T, False, id="on the head: the event being scored"),
        pytest.param(T + 1, False, id="one after the head"),
    ],
)
def test_stream_window_holds_its_start_and_not_its_end(ts: int, inside: bool) -> None:
    assert (STREAM.first(T) <= ts < STREAM.end(T)) is inside


#  The same, two days late (delay = 2 d): everything is seen two days after it happened.
#
#      day 0  11:50                12:03          day 2  12:03 = t
#               [====================)
#
@pytest.mark.parametrize(
    ("ts", "inside"),
    [
        pytest.param(NOON - 10 * MINUTE - 1, False, id="one before the tail"),
        pytest.param(NOON - 10 * MINUTE, True, id="on the tail"),
        pytest.param(T - 1, True, id="one before the head"),
        pytest.param(T, False, id="on the head"),
        pytest.param(T + 2 * DAY - 1, False, id="just before t"),
    ],
)
def test_delay_moves_both_ends_back(ts: int, inside: bool) -> None:
    window = Window(10 * MINUTE, 5 * MINUTE, delay=2 * DAY)
    assert (window.first(T + 2 * DAY) <= ts < window.end(T + 2 * DAY)) is inside


#  A batch window of 10 min with a slide of 5 min at t = 12:03: head and tail stand on hops (rule 2).
#
#      11:50     11:55     12:00     12:05
#        |---------|---------|--.------|
#        [===================)               first = 11:50, end = 12:00, open
#
@pytest.mark.parametrize(
    ("ts", "inside"),
    [
        pytest.param(NOON - 10 * MINUTE - 1, False, id="one before the tail"),
        pytest.param(NOON - 10 * MINUTE, True, id="on the tail"),
        pytest.param(NOON - 1, True, id="one before the head"),
        pytest.param(NOON, False, id="on the head"),
        pytest.param(NOON + 1, False, id="between head and t"),
    ],
)
def test_batch_window_stands_on_hops(ts: int, inside: bool) -> None:
    window = Window(10 * MINUTE, 5 * MINUTE, aligned=True)
    assert (window.first(T) <= ts < window.end(T)) is inside


#  When an event enters and leaves a stream window of 10 min, slide 5 min (rule 3):
#
#      11:55     12:00     12:05     12:10     12:15
#        |---------|--x------|---------|---------|
#                     ^ ts = 12:01              ^ leaves = 12:00 + 5 + 10 min: with its whole pane
#                      ^ enters = ts + 1 us
#
@pytest.mark.parametrize(
    ("window", "ts", "enters", "leaves"),
    [
        pytest.param(STREAM, NOON + MINUTE, NOON + MINUTE + 1, NOON + 15 * MINUTE, id="stream, in a pane"),
        pytest.param(STREAM, NOON, NOON + 1, NOON + 15 * MINUTE, id="stream, on the hop"),
        pytest.param(STREAM, NOON - 1, NOON, NOON + 10 * MINUTE, id="stream, one before the hop"),
        pytest.param(
            Window(10 * MINUTE, 5 * MINUTE, delay=7 * SECOND),
            NOON,
            NOON + 7 * SECOND + 1,
            NOON + 15 * MINUTE + 7 * SECOND,
            id="stream, a delay off the hop",
        ),
        pytest.param(
            Window(10 * MINUTE, 5 * MINUTE, aligned=True),
            NOON,
            NOON + 5 * MINUTE,
            NOON + 15 * MINUTE,
            id="batch, on the hop",
        ),
        pytest.param(
            Window(10 * MINUTE, 5 * MINUTE, aligned=True),
            NOON - 1,
            NOON,
            NOON + 10 * MINUTE,
            id="batch, one before the hop",
        ),
        pytest.param(
            Window(10 * MINUTE, 5 * MINUTE, 7 * SECOND, aligned=True),
            NOON - 7 * SECOND,
            NOON + 5 * MINUTE,
            NOON + 15 * MINUTE,
            id="batch, a delay off the hop",
        ),
    ],
)
def test_an_event_enters_and_leaves_at_these_instants(window: Window, ts: int, enters: int, leaves: int) -> None:
    assert (window.enters(ts), window.leaves(ts)) == (enters, leaves)


windows = st.builds(
    lambda slide, panes, delay, aligned: Window(slide * panes, slide, delay, aligned),
    st.integers(1, 12),
    st.integers(1, 6),
    st.integers(0, 30),
    st.booleans(),
)


@given(windows, st.integers(-100, 100), st.integers(-100, 200))
def test_an_event_is_inside_exactly_from_entering_to_leaving(window: Window, ts: int, t: int) -> None:
    assert (window.first(t) <= ts < window.end(t)) == (window.enters(ts) <= t < window.leaves(ts))


@given(windows, st.integers(-100, 100))
def test_batch_windows_change_on_hops_only(window: Window, ts: int) -> None:
    if window.aligned:
        assert window.enters(ts) % window.slide == window.leaves(ts) % window.slide == 0


@given(windows, st.integers(-100, 100))
def test_ends_never_move_back(window: Window, t: int) -> None:
    assert window.first(t) <= window.first(t + 1)
    assert window.end(t) <= window.end(t + 1)


@pytest.mark.parametrize(
    ("size", "slide"),
    [
        pytest.param("1min", "1s"),
        pytest.param("4min", "1s"),
        pytest.param("5min", "5s"),
        pytest.param("10min", "10s"),
        pytest.param("15min", "10s"),
        pytest.param("30min", "30s"),
        pytest.param("1h", "1min"),
        pytest.param("90min", "1min"),
        pytest.param("5h", "5min"),
        pytest.param("6h", "5min"),
        pytest.param("24h", "10min"),
        pytest.param("7d", "1h"),
        pytest.param("14d", "1h"),
        pytest.param("30d", "6h"),
        pytest.param("60d", "1d"),
        pytest.param("90d", "1d"),
        pytest.param("61s", "1s", id="a prime of seconds"),
    ],
)
def test_default_slide_is_the_largest_of_the_list_that_fits(size: str, slide: str) -> None:
    assert format_duration(default_slide(parse_duration(size))) == slide


@given(st.integers(1, 10**6).map(lambda n: n * SECOND))
def test_default_slide_divides_and_is_at_most_a_sixtieth(size: int) -> None:
    fit = [slide for slide in SLIDES if size % slide == 0 and slide * 60 <= size]
    if fit:
        assert default_slide(size) == max(fit)
    else:
        with pytest.raises(WindowError):
            default_slide(size)


def test_a_window_too_short_for_a_slide_is_refused() -> None:
    with pytest.raises(WindowError, match=r"a window of 30s has no slide of its own: .* or give slide_interval"):
        default_slide(30 * SECOND)


def test_a_slide_that_does_not_divide_is_refused_with_a_divisor() -> None:
    with pytest.raises(WindowError, match="slide 7min does not divide size 1h; use a divisor such as 6min"):
        Window(HOUR, 7 * MINUTE)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_the_divisor_that_is_named_divides(seconds: int, slide: int) -> None:
    try:
        Window(seconds * SECOND, slide * SECOND)
    except WindowError as error:
        named = str(error).rpartition("such as ")[2].rstrip(".")
        assert (seconds * SECOND) % parse_duration(named) == 0


@pytest.mark.parametrize(("size", "slide", "delay"), [(0, 1, 0), (1, 0, 0), (-1, 1, 0), (1, -1, 0), (1, 1, -1)])
def test_sizes_that_are_not_positive_are_refused(size: int, slide: int, delay: int) -> None:
    with pytest.raises(WindowError, match="size and slide must be positive and delay not negative"):
        Window(size, slide, delay)
