"""What is away is told once, waited for with growing patience, and told when it is back."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.stream.outage import LONGEST, Outage, persist


@dataclass
class Stand:
    """A clock and a listener."""

    now: float = 0.0
    said: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def outage(self) -> Outage:
        return Outage("broker", self.said.append, lambda: self.now)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_an_outage_is_told_once_and_its_end_once_for_all_who_wait() -> None:
    stand = Stand()
    outage = stand.outage()
    for user in ("a", "b", "a"):
        outage.failed("does not answer.", user)
    stand.now = 3.0
    for user in ("a", "b"):
        outage.worked(user)
    assert stand.said == ["broker: does not answer. Waiting until it is back.", "broker: back after 3.0 s."]


def test_waiting_grows_for_each_who_waits_and_has_an_end() -> None:
    outage = Stand().outage()
    assert [outage.failed("away", "a") for _ in range(7)] == [0.05, 0.1, 0.2, 0.4, 0.8, LONGEST, LONGEST]
    assert outage.failed("away", "b") == 0.05
    assert [outage.failed("away", "a") for _ in range(5_000)][-1] == LONGEST


def test_after_an_end_a_new_outage_is_told_again() -> None:
    stand = Stand()
    outage = stand.outage()
    outage.worked()
    for _ in range(2):
        outage.failed("away.")
        outage.worked()
    assert len(stand.said) == 4
    assert outage.failed("away.") == 0.05


def test_what_fails_is_done_again_until_it_works() -> None:
    stand, tries = Stand(), []

    def act() -> None:
        tries.append(1)
        if len(tries) < 4:
            raise OSError(28, "No space left on device")

    persist(stand.outage(), act, stand.sleep)
    assert (len(tries), stand.slept) == (4, [0.05, 0.1, 0.2])
    assert "No space left on device. Waiting" in stand.said[0]
    assert stand.said[1].startswith("broker: back after")
