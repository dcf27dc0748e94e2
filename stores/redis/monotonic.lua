-- Writes rows of one feature view, each only if Redis holds none that is newer.
-- KEYS:  one entity key per row.
-- ARGV:  1  seconds until a key expires, 0 for never
--        2  the hash field that holds the event time
--        then for each row
--           its event time, a protobuf Timestamp
--           its other hash fields: name, cell, name, cell, ..., MessagePack strings one after the other. One argument
--           for all of them, because every argument costs the server more than the few bytes around a string.
-- Returns how many rows were refused because the stored row is newer. An equal time is written: it is a correction.

local call, byte = redis.call, string.byte

-- Reads a varint that starts at a position; returns it and the position behind it.
local function varint(stamp, first)
  local last, value = first, 0
  while byte(stamp, last) >= 128 do last = last + 1 end
  if last - first < 9 then
    for i = last, first, -1 do value = value * 128 + byte(stamp, i) % 128 end
    return value, last + 1
  end
  -- ten bytes: a negative number in two's complement
  for i = last - 1, first, -1 do value = value * 128 + 127 - byte(stamp, i) % 128 end
  return -value - 1, last + 1
end

-- Reads a protobuf Timestamp: field 1 (tag 8) seconds, field 2 (tag 16) nanoseconds, absent when zero.
local function parse(stamp)
  local tag, a, b, c, d, e, then_, f, g, h, i, j, rest = byte(stamp, 1, 13)
  if tag == 8 and e and e < 128 and d >= 128 and c >= 128 and b >= 128 and a >= 128 and not rest then
    -- years 1978 to 3058: five bytes of seconds; one call for all bytes costs a third of the loop below
    local seconds = a - 128 + (b - 128) * 128 + (c - 128) * 16384 + (d - 128) * 2097152 + e * 268435456
    if not then_ then return seconds, 0 end
    local nanos = f % 128 + (g or 0) % 128 * 128 + (h or 0) % 128 * 16384 + (i or 0) % 128 * 2097152
    return seconds, nanos + (j or 0) * 268435456
  end
  local seconds, nanos, at, value = 0, 0, 1, 0
  while at <= #stamp do
    tag = byte(stamp, at)
    value, at = varint(stamp, at + 1)
    if tag == 8 then seconds = value else nanos = value end
  end
  return seconds, nanos
end

local expire, time_field, stale = tonumber(ARGV[1]), ARGV[2], 0

for row = 1, #KEYS do
  local key, new = KEYS[row], ARGV[2 * row + 1]
  local old, newer = call('HGET', key, time_field), false
  if old and old ~= new then
    local old_seconds, old_nanos = parse(old)
    local new_seconds, new_nanos = parse(new)
    newer = old_seconds > new_seconds or (old_seconds == new_seconds and old_nanos > new_nanos)
  end
  if newer then
    stale = stale + 1
  else
    call('HSET', key, time_field, new, cmsgpack.unpack(ARGV[2 * row + 2]))
    if expire > 0 then call('EXPIRE', key, expire) end
  end
end
return stale
