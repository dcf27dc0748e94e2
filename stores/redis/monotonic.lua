-- Writes rows of one or several feature views that share their entities, each view's only if Redis holds none that is newer.
-- KEYS:  one entity key per row.
-- ARGV:  1  seconds until a key expires, 0 for never
--        2  the time, a protobuf Timestamp, up to which stored rows are replaced even by older ones; empty for no time
--        3  how many views a row is of
--        then for each view  the hash field that holds its event time, and how many names and cells its features make
--        then for each row  MessagePack strings, one after the other: of each view the field and the event time, a protobuf
--           Timestamp; then of each view name, cell, name, cell, ... One argument for all of them, because every
--           argument costs the server more than the few bytes around a string.
-- Returns how many views' rows were refused because the stored row is newer. An equal time is written: it is a correction.

local call, byte, take = redis.call, string.byte, cmsgpack.unpack_limit

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

-- Says whether an event time, which may be absent, is later than another.
local function later(old, new)
  if not old or old == new then return false end
  local old_seconds, old_nanos = parse(old)
  local new_seconds, new_nanos = parse(new)
  return old_seconds > new_seconds or (old_seconds == new_seconds and old_nanos > new_nanos)
end

local expire, replaced, views, stale = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), 0
local times, counts = {}, {}
for view = 1, views do times[view], counts[view] = ARGV[2 * view + 2], tonumber(ARGV[2 * view + 3]) end

-- Says whether a stored row stays, by its event time and that of a new one.
local function newer(old, new) return later(old, new) and (replaced == '' or later(old, replaced)) end

-- Returns how many views of a row are stale, and writes the others.
local function write(key, row)
  local old, new, refused, count = call('HMGET', key, unpack(times)), { take(row, 2 * views) }, {}, 0
  for view = 1, views do
    if newer(old[view], new[2 * view + 1]) then refused[view], count = true, count + 1 end
  end
  if count == 0 then
    call('HSET', key, cmsgpack.unpack(row))
  elseif count < views then
    local all, kept, at = { cmsgpack.unpack(row) }, {}, 2 * views
    for view = 1, views do
      if not refused[view] then kept[#kept + 1], kept[#kept + 2] = all[2 * view - 1], all[2 * view] end
    end
    for view = 1, views do
      if not refused[view] then
        for field = at + 1, at + counts[view] do kept[#kept + 1] = all[field] end
      end
      at = at + counts[view]
    end
    call('HSET', key, unpack(kept))
  end
  return count
end

local function write_one(key, row)
  local _, _, new = take(row, 2)
  if newer(call('HGET', key, times[1]), new) then return 1 end
  call('HSET', key, cmsgpack.unpack(row))
  return 0
end

for row = 1, #KEYS do
  local key = KEYS[row]
  local refused = (views == 1 and write_one or write)(key, ARGV[3 + 2 * views + row])
  stale = stale + refused
  if expire > 0 and refused < views then call('EXPIRE', key, expire) end
end
return stale
