"""Every tag that Millrace reads, in one table: what Feast's objects have no words for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

from contract.durations import format_duration, parse_duration

PREFIX: Final = "millrace."

Tagged = Literal["view", "source", "service", "request", "on demand", "field"]

Tier = Literal["hot", "warm", "both"]

TIERS: Final[tuple[Tier, ...]] = get_args(Tier)

TAGS: Final[dict[Tagged, dict[str, str]]] = {
    "view": {
        "delay": "how long after an event it is first seen, such as 7d",
        "cache": "how old a value may be that serving keeps in memory, such as 200ms",
        "cache_stale": "how old it may be while the online store does not answer, such as 1min",
        "store": "which online store of a tiered one holds it: hot, warm or both",
    },
    "source": {
        "lake": "the FileSource that holds the history of this topic",
        "event_id": "the column that tells one event from another",
        "partition_by": "the column by which the topic is partitioned",
        "arrived": "the column that says when an event, or a row, became known",
        "known_after": "how long after its time an event becomes known, such as 7d",
        "max_skew": "how far an event's time may be ahead of the clock, such as 5min",
        "schema_registry": "where the schemas of Avro events are, such as http://registry:8081",
        "min.": "the smallest value of the column so named",
        "max.": "the largest value of the column so named",
        "values.": "the only values of the column so named, with commas",
        "not_null.": "true, where the column so named must have a value",
        "severity.": "what a row does that breaks one of these: critical, warning or info",
        "fresh": "how old the newest event may be, such as 26h",
        "fresh_severity": "what an older one does: critical, warning or info",
        "daily": "the least and the most rows of a day, as shares of its weekday's median, such as 0.5 to 2; or off",
        "daily_severity": "what a day does that is out of line: critical, warning or info",
    },
    "service": {
        "label": "<file source>:<column>: what is to be predicted",
        "predicts": "binary, regression or ranking",
        "group": "for a ranking: the event column whose equal values are one list of candidates",
        "decides_on": "the topic whose events are the moments of decision",
        "drop_known": "an event column; keys that are known to be positive leave the test",
        "costs": "what a missed positive and an alert cost, such as missed=amount alert=5",
        "segments": "event columns or features by whose parts a model is measured, such as country, amount",
    },
    "field": {
        "min": "the smallest value",
        "max": "the largest value",
        "values": "the only values, with commas",
        "not_null": "true, where there must be a value",
        "severity": "what a row does that breaks one of these: critical, warning or info",
    },
    "on demand": {"takes": "arrays, where the function takes a mapping of NumPy arrays as well as a frame"},
    "request": {"fill.": "the request field or event column that fills a field of another name"},
}
"""By kind of object: the tags, without their prefix. One that ends with a dot goes on with a name."""


class DeclarationError(ValueError):
    """A declaration that cannot be kept; the message says what to write instead."""


class TagError(DeclarationError):
    """A tag that does not exist, or whose value is not what it must be."""


def read_tags(where: str, tags: Mapping[str, str] | None, kind: Tagged) -> dict[str, str]:
    """Return an object's tags without their prefix.

    >>> read_tags("clicks", {"millrace.event_id": "id", "team": "ads"}, "source")
    {'event_id': 'id'}

    Raises:
        TagError: One is unknown, so that a typing mistake is told.
    """
    ours = {name.removeprefix(PREFIX): text for name, text in (tags or {}).items() if name.startswith(PREFIX)}
    known = TAGS[kind]
    for name in sorted(ours):
        if name not in known and not any(one.endswith(".") and name.startswith(one) for one in known):
            names = ", ".join(f"{PREFIX}{one}{'<field>' if one.endswith('.') else ''}" for one in sorted(known))
            raise TagError(f"{where}: unknown tag {PREFIX}{name}; use one of {names}.")
    return ours


def read_duration(where: str, tags: Mapping[str, str], name: str, default: int = 0) -> int:
    """Return the microseconds that a tag of `read_tags` names; `default` where it is not set.

    Raises:
        TagError: It is not a duration.
    """
    try:
        return parse_duration(tags[name]) if name in tags else default
    except ValueError as error:
        raise TagError(f"{where}: tag {PREFIX}{name}: {error}") from None


def read_tier(where: str, tags: Mapping[str, str]) -> Tier:
    """Return which online store a view's tags of `read_tags` name; `hot` where they name none.

    >>> read_tier("clicks", {"store": "warm"})
    'warm'

    Raises:
        TagError: It is none of `TIERS`.
    """
    given = tags.get("store", "hot")
    for tier in TIERS:
        if given == tier:
            return tier
    raise TagError(f"{where}: tag {PREFIX}store is {given!r}; write one of {', '.join(TIERS)}.")


def read_takes(where: str, tags: Mapping[str, str], mode: str) -> str:
    """Return how an on-demand function is called in serving: its mode, or `arrays` where its tags of `read_tags` say so.

    >>> read_takes("rates", {"takes": "arrays"}, "pandas"), read_takes("rates", {}, "python")
    ('arrays', 'python')

    Raises:
        TagError: It is another word, or not for its mode.
    """
    if "takes" not in tags:
        return mode
    if tags["takes"] != "arrays" or mode != "pandas":
        raise TagError(
            f"{where}: tag {PREFIX}takes is {tags['takes']!r}, of mode {mode}; write arrays, on a function of mode pandas."
        )
    return "arrays"


def read_cache(where: str, tags: Mapping[str, str], ttl_us: int) -> tuple[int, int]:
    """Return how old a view's cached rows may be, and how old while the store is away, microseconds; 0 where not declared.

    >>> read_cache("clicks", {"cache": "200ms", "cache_stale": "1min"}, ttl_us=0)
    (200000, 60000000)

    Args:
        where: The view, for the message.
        tags: Its tags, from `read_tags`.
        ttl_us: How long its rows hold, microseconds; 0 for ever.

    Raises:
        TagError: One is not a duration, is longer than the ttl, or stale rows would be younger than others.
    """
    bound, stale = read_duration(where, tags, "cache"), read_duration(where, tags, "cache_stale")
    for name, given in (("cache", bound), ("cache_stale", stale)):
        if ttl_us and given > ttl_us:
            raise TagError(
                f"{where}: tag {PREFIX}{name} is {tags[name]}, longer than the view's ttl, {format_duration(ttl_us)};"
                " a row does not hold that long, write a shorter one."
            )
    if "cache_stale" in tags and (not bound or stale < bound):
        raise TagError(
            f"{where}: tag {PREFIX}cache_stale is {tags['cache_stale']}, and {PREFIX}cache is {tags.get('cache', 'not set')};"
            f" write a {PREFIX}cache that is no longer than {PREFIX}cache_stale."
        )
    return bound, stale
