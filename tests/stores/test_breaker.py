"""When a breaker lets calls through; the clock is the test's."""

from __future__ import annotations

import threading

from stores.breaker import CircuitBreaker


def opened(clock: list[float]) -> CircuitBreaker:
    """A breaker that three failures have just opened, for a second."""
    breaker = CircuitBreaker(3, 1.0, lambda: clock[0])
    for number in range(3):
        assert breaker.allow()
        breaker.fail(f"reason {number}")
    return breaker


def test_failures_that_are_not_in_a_row_open_nothing() -> None:
    breaker = CircuitBreaker(3, 1.0)
    for _ in range(5):
        breaker.fail()
        breaker.fail()
        breaker.succeed()
    assert breaker.allow()
    assert (breaker.stats().state, breaker.stats().failures, breaker.stats().opened) == ("closed", 10, 0)


def test_open_breaker_lets_nobody_through_until_its_time_is_over() -> None:
    clock = [0.0]
    breaker = opened(clock)
    assert (breaker.stats().state, breaker.reason) == ("open", "reason 2")
    for clock[0] in (0.0, 0.5, 0.999):
        assert not breaker.allow()
    assert breaker.stats().refused == 3
    clock[0] = 1.0
    assert breaker.stats().state == "half_open"
    assert breaker.allow()


def test_one_call_at_a_time_tries_whether_all_is_well() -> None:
    clock = [0.0]
    breaker = opened(clock)
    clock[0] = 1.5
    assert [breaker.allow() for _ in range(3)] == [True, False, False]
    breaker.fail("again")
    clock[0] = 2.4
    assert not breaker.allow()
    clock[0] = 2.5
    assert breaker.allow()
    breaker.succeed()
    assert [breaker.allow() for _ in range(3)] == [True] * 3
    assert (breaker.stats().state, breaker.stats().opened) == ("closed", 2)


def test_call_that_never_reports_holds_the_next_one_back_for_a_while_only() -> None:
    clock = [0.0]
    breaker = opened(clock)
    clock[0] = 1.0
    assert breaker.allow()
    clock[0] = 1.9
    assert not breaker.allow()
    clock[0] = 2.0
    assert breaker.allow()


def test_calls_that_were_under_way_keep_it_open_no_longer() -> None:
    clock = [0.0]
    breaker = opened(clock)
    clock[0] = 0.9
    breaker.fail("late")
    assert (breaker.stats().opened, breaker.stats().failures) == (1, 4)
    clock[0] = 1.0
    assert breaker.allow()


def test_of_many_threads_one_tries() -> None:
    clock = [0.0]
    breaker = opened(clock)
    clock[0] = 1.0
    together, let = threading.Barrier(8), []

    def call() -> None:
        together.wait()
        let.append(breaker.allow())

    threads = [threading.Thread(target=call) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(let) == [False] * 7 + [True]
