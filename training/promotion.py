"""The gate of a promotion: what a comparison and the consistency of served features must say before a champion is replaced."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from training.comparison.comparison import Comparison, read_comparison
from training.comparison.page import interval_of, number
from training.errors import TrainingError
from training.measures.paired import COMPARED, LEVEL, title_of


class PromotionRefusedError(TrainingError):
    """A gate is closed; the message names figure, bound and what to type."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a challenger must reach.

    Attributes:
        margin: By how much the main metric must be better: the near end of its interval must be above this.
        tolerance: By how large a share of the champion's figure any other metric may be worse.
        consistency: The share of served values that must be equal to what they are computed anew.
        needs_consistency: Whether a promotion is refused where nobody has measured that.

    Raises:
        TrainingError: One of them cannot be meant.
    """

    margin: float = 0.0
    tolerance: float = 0.02
    consistency: float = 0.99
    needs_consistency: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.margin < 0 or self.tolerance < 0:
            raise TrainingError(f"MARGIN={self.margin:g} TOLERANCE={self.tolerance:g}: write numbers of at least 0.")
        if not 0 <= self.consistency <= 1:
            raise TrainingError(f"MIN_EQUAL={self.consistency:g}: write a share such as 0.99.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says.

    Attributes:
        refusals: Why it is closed, one line each; empty when it is open.
        notes: What was not looked at.
        figures: What speaks for it, for the history; empty without a comparison.
    """

    refusals: tuple[str, ...]
    notes: tuple[str, ...] = ()
    figures: str = ""

    def require(self, service: str, version: str) -> None:
        """Stop a promotion that is refused.

        Raises:
            PromotionRefusedError: It is.
        """
        if self.refusals:
            reasons = "".join(f"\n  - {line}" for line in self.refusals)
            again = f'`make promote SERVICE={service} VERSION={version} FORCE=1 WHY="..."`'
            raise PromotionRefusedError(
                f"{service}: {version} does not become champion:{reasons}\n{again} does it all the same, and the history says so."
            )


def judge(
    folder: Path, service: str, champion: str, bounds: Bounds, known: datetime | None, consistency: Path
) -> Verdict:
    """Judge a challenger by the files beside it.

    Args:
        folder: Its version's folder.
        service: The service.
        champion: The version it would replace.
        bounds: What it must reach.
        known: The midnight up to which labels are known now; None where it cannot be said.
        consistency: Where the consistency of what was served is written.

    Raises:
        TrainingError: A file holds something else.
    """
    version = folder.name
    again = f"type `make compare SERVICE={service} VERSION={version}`"
    found = read_comparison(folder)
    refusals, notes = _inconsistent(consistency, service, bounds)
    if found is None:
        return Verdict((f"it was not compared with the champion {champion}; {again}", *refusals), notes)
    if found.champion != champion:
        line = f"it was compared with {found.champion}, and the champion is {champion}; {again}"
        return Verdict((line, *refusals), notes)
    if known is not None and known > found.end:
        line = f"it was compared on days up to {found.end:%F}, and labels are known up to {known:%F} now; {again}"
        return Verdict((line, *refusals), notes)
    return Verdict((*_worse(found, bounds), *refusals), notes, _figures(found))


def _worse(found: Comparison, bounds: Bounds) -> list[str]:
    """Return what the metrics have against it."""
    lines = []
    main, title = found.main, title_of(found.predicts, COMPARED[found.predicts][0], found.k)
    if main.gain is None:
        lines.append(
            f"{title} is undefined on the {found.rows:,} rows compared; compare on days with both classes (DAYS=)"
        )
    elif main.gain[1] <= bounds.margin:
        lines.append(
            f"{title}: a gain of {main.gain[0]:+.4f}, {100 * LEVEL:g} % interval [{main.gain[1]:+.4f}, {main.gain[2]:+.4f}]; its "
            f"lower end must be above {bounds.margin:g} (MARGIN={bounds.margin:g}), which more days may show"
        )
    for one in found.differences[1:]:
        if one.gain is None or one.champion is None:
            continue
        least = -bounds.tolerance * abs(one.champion)
        if one.gain[0] < least:
            lines.append(
                f"{title_of(found.predicts, one.metric, found.k)}: {number(one.challenger)} against {number(one.champion)}, worse by "
                f"{-one.gain[0]:.4f}; at most {-least:.4f} is let pass (TOLERANCE={bounds.tolerance:g} of the champion's)"
            )
    return lines


def _figures(found: Comparison) -> str:
    """Say in a few words what speaks for it."""
    title = title_of(found.predicts, found.main.metric, found.k)
    return f"{title} {number(found.main.difference, '+')} {interval_of(found.main)} on {found.rows:,} rows to {found.end:%F}"


def _inconsistent(path: Path, service: str, bounds: Bounds) -> tuple[list[str], tuple[str, ...]]:
    """Return what the consistency of served values has against it, and what is to be noted."""
    measure = f"`make consistency SERVICE={service}`"
    if not path.is_file():
        line = f"consistency of what was served has not been measured; type {measure}"
        return ([line], ()) if bounds.needs_consistency else ([], (line,))
    try:
        said = json.loads(path.read_text())
        compared = int(said["compared"])
        share = float(said["share_equal"]) if compared else 0.0
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{path}: says no share_equal and compared ({error!r}); type {measure} again.") from None
    if not compared:
        line = f"consistency: no served value was compared; type {measure}"
        return ([line], ()) if bounds.needs_consistency else ([], (line,))
    if share < bounds.consistency:
        line = f"consistency: {share:.4f} of {compared:,} served values are equal to what they are computed anew, at least "
        return [f"{line}{bounds.consistency:g} is asked for (MIN_EQUAL=); its causes: {measure}"], ()
    return [], ()
