"""Says which arms do harm, by the sequential test: at whatever moment one looks, it is seldom wrong."""

from __future__ import annotations

from collections.abc import Collection

from serving.experiments.config import ExperimentConfig, Guard
from serving.experiments.measure import ArmMeasured, Measured
from serving.experiments.metrics import better
from serving.experiments.sequential import Estimate, estimate_difference


def arms_to_stop(measured: Measured, config: ExperimentConfig, stopped: Collection[str] = ()) -> dict[str, str]:
    """Return the challengers to stop, each with the reason.

    All guards and challengers together stop an arm that is no worse with a probability of at most `config.alpha`.
    """
    if not config.guardrail:
        return {}
    alpha = config.alpha / (len(config.guardrail) * max(len(config.challengers), 1))
    found: dict[str, str] = {}
    for alias in config.challengers:
        arm = measured.arms.get(alias)
        if arm is None or alias in stopped:
            continue
        reasons = [reason for guard in config.guardrail if (reason := _harm(guard, arm, alpha, config))]
        if reasons:
            found[alias] = "; ".join(reasons)
    return found


def _harm(guard: Guard, arm: ArmMeasured, alpha: float, config: ExperimentConfig) -> str | None:
    if guard.metric not in arm.moments or guard.metric not in arm.champion_then:
        return None
    of_arm, of_champion = arm.moments[guard.metric], arm.champion_then[guard.metric]
    difference = estimate_difference(of_arm, of_champion, alpha, config.sharpest_at)
    least, most = _worse_by(difference, better(guard.metric) == "less")
    if not least > guard.margin:
        return None
    return (
        f"{guard.metric} is {float(of_arm.mean):.4g}, the champion's {float(of_champion.mean):.4g}: worse by {least:.3g} to"
        f" {most:.3g} at {1 - alpha:.3g} confidence, allowed is {guard.margin:g}"
    )


def _worse_by(difference: Estimate, more_is_worse: bool) -> tuple[float, float]:
    """Return by how much an arm is worse, at least and at most."""
    low, high = float(difference.low), float(difference.high)
    return (low, high) if more_is_worse else (-high, -low)
