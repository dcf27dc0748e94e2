"""Keeps in Redis how far the stream is, and with it the stream's clock.

Hashes, one field a shard (`view/number`) or view; all keys of a project lie in one slot of a cluster. The clock is the
least instant up to which any shard is complete, so that at the clock every online row is what it should be. Under
`clock: stream` the online store measures ttl against it: a replay of last year reads like last year.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import redis
from redis.exceptions import RedisClusterException

from stores.online import Progress, ShardProgress, ViewProgress
from stores.redis.connection import Client, address_of, unavailable

# One command, for a pipeline of a cluster knows no EVAL. The clock moves only when every shard of every view has spoken.
_TELL = """
for i = 1, tonumber(ARGV[1]) do
  local at = 2 + (i - 1) * 7
  local shard, view, events, rows, held = ARGV[at], ARGV[at + 1], ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]
  redis.call('HSET', KEYS[1], shard, ARGV[at + 2])
  redis.call('HSET', KEYS[2], shard, ARGV[at + 3])
  if events ~= '0' then redis.call('HINCRBY', KEYS[5], view, events) end
  if rows ~= '0' then redis.call('HINCRBY', KEYS[6], view, rows) end
  if held ~= '' then redis.call('HSET', KEYS[7], shard, held) end
end
local expected, least, spoken = 0, nil, 0
for _, shards in ipairs(redis.call('HVALS', KEYS[3])) do expected = expected + tonumber(shards) end
for _, complete in ipairs(redis.call('HVALS', KEYS[1])) do
  spoken = spoken + 1
  if least == nil or tonumber(complete) < tonumber(least) then least = complete end
end
if least and expected > 0 and spoken >= expected then redis.call('SET', KEYS[4], least) end
"""

_IDENTITY = """
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
return {run or '', redis.call('GET', KEYS[1]) or ''}
"""


def clock_key(project: str) -> str:
    """Return the Redis key of a project's clock: int64 microseconds UTC as decimal text."""
    return f"millrace:{{{project}}}:clock"


def parse_clock(reply: Any) -> int | None:
    """Return the clock from a GET's reply, microseconds UTC; None if no stream has set it yet."""
    return None if reply is None else int(reply)


class RedisProgress:
    """The progress of one project's stream."""

    def __init__(self, client: Client, project: str) -> None:
        """Note where it lies."""
        self._client: Any = client
        names = ("frontier", "furthest", "shards", "events", "rows", "held")
        self._keys = {name: f"millrace:{{{project}}}:{name}" for name in names}
        self._clock = clock_key(project)
        self._mark = f"millrace:{{{project}}}:mark"
        self._announced = f"millrace:{{{project}}}:announced"

    def begin(self, shards: Mapping[str, int]) -> None:
        """Say which views are streamed, in how many shards each; others are forgotten.

        Raises:
            OnlineStoreUnavailable: Redis does not answer.
        """
        try:
            self._begin(shards)
        except (redis.RedisError, RedisClusterException, OSError) as error:
            raise unavailable(address_of(self._client), error) from error

    def _begin(self, shards: Mapping[str, int]) -> None:
        keep = {f"{view}/{shard}" for view, count in shards.items() for shard in range(count)}
        for name in ("frontier", "furthest", "held"):
            gone = [one for one in self._client.hkeys(self._keys[name]) if one.decode() not in keep]
            if gone:
                self._client.hdel(self._keys[name], *gone)
        self._client.delete(self._keys["shards"])
        if shards:
            self._client.hset(self._keys["shards"], mapping=dict(shards))
        self._client.set(self._mark, uuid.uuid4().hex, nx=True)

    def identity(self) -> str:
        """Return which server it is, since when it runs, and whose data it holds; empty where nothing was begun.

        Raises:
            OnlineStoreUnavailable: Redis does not answer.
        """
        try:
            run, mark = self._client.eval(_IDENTITY, 1, self._mark)
        except (redis.RedisError, RedisClusterException, OSError) as error:
            raise unavailable(address_of(self._client), error) from error
        return f"{run.decode()}/{mark.decode()}" if mark else ""

    def announce(self, furthest: Mapping[str, int]) -> None:
        """Note of views, before rows are stored, up to which instant these may be, microseconds; it never moves back.

        Raises:
            OnlineStoreUnavailable: Redis does not answer.
        """
        try:
            self._client.zadd(self._announced, dict(furthest), gt=True)
        except (redis.RedisError, RedisClusterException, OSError) as error:
            raise unavailable(address_of(self._client), error) from error

    def announced(self) -> dict[str, int]:
        """Return of each view the instant up to which rows may be stored, by whatever run of the stream.

        Raises:
            OnlineStoreUnavailable: Redis does not answer.
        """
        try:
            found = self._client.zrange(self._announced, 0, -1, withscores=True)
        except (redis.RedisError, RedisClusterException, OSError) as error:
            raise unavailable(address_of(self._client), error) from error
        return {view.decode(): int(t) for view, t in found}

    def tell(self, shards: Sequence[ShardProgress]) -> None:
        """Note how far some shards are, and move the clock.

        Raises:
            OnlineStoreUnavailable: Redis does not answer.
        """
        arguments: list[Any] = [len(shards)]
        for one in shards:
            held = json.dumps(dict(one.held)) if one.held else ""
            arguments += [f"{one.view}/{one.shard}", one.view, one.complete, one.furthest, one.events, one.rows, held]
        names = ("frontier", "furthest", "shards", None, "events", "rows", "held")
        keys = [self._keys[name] if name else self._clock for name in names]
        try:
            self._client.eval(_TELL, len(keys), *keys, *arguments)
        except (redis.RedisError, RedisClusterException, OSError) as error:
            raise unavailable(address_of(self._client), error) from error

    def read(self) -> Progress:
        """Return how far the stream is."""
        complete, furthest = self._by_view("frontier"), self._by_view("furthest")
        shards, events, rows = (self._numbers(name) for name in ("shards", "events", "rows"))
        held = self._held()
        views = {}
        for view, count in shards.items():
            spoken = complete.get(view, [])
            views[view] = ViewProgress(
                count,
                min(spoken) if len(spoken) == count else None,
                max(furthest.get(view, []), default=None),
                events.get(view, 0),
                rows.get(view, 0),
                held.get(view, {}),
            )
        reached = [one.complete for one in views.values() if one.complete is not None]
        return Progress(views, min(reached) if views and len(reached) == len(views) else None)

    def _numbers(self, name: str) -> dict[str, int]:
        return {key.decode(): int(value) for key, value in self._client.hgetall(self._keys[name]).items()}

    def _held(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for shard, told in self._client.hgetall(self._keys["held"]).items():
            of = found.setdefault(shard.decode().rpartition("/")[0], {})
            for name, number in json.loads(told).items():
                of[name] = of.get(name, 0) + number
        return found

    def _by_view(self, name: str) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for shard, t in self._numbers(name).items():
            found.setdefault(shard.rpartition("/")[0], []).append(t)
        return found
