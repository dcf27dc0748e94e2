-- Writes rows of one or several feature views that share their entities, each view's only if Redis holds none that is newer.
-- KEYS:  one entity key per row.
-- ARGV:  1  seconds until a key expires, 0 for never
--        2  the time, a protobuf Timestamp, up to which stored rows are replaced even by older ones; empty for no time
--        3  how many views a row is of
--        then for each view  the hash field that holds its event time, and how many names and cells its features make
--        then one argument  MessagePack strings of all rows, one after the other. Of a row: of each view the field and the event
--           time, a protobuf Timestamp; then of each view name, cell, name, cell, ... One argument for all of them, because
--           every argument costs the server more than the few bytes around a string.
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

-- Returns the seconds of an event time of the years 1978 to 3058, with the bits between their bytes left in; else nothing.
local function biased(stamp)
  local tag, a, b, c, d, e = byte(stamp, 1, 6)
  if tag == 8 and e and e < 128 and d >= 128 and c >= 128 and b >= 128 and a >= 128 then
    return a + b * 128 + c * 16384 + d * 2097152 + e * 268435456
  end
end

-- Says whether an event time, which may be absent, is later than another.
local function later(old, new)
  if not old or old == new then return false end
  local old_seconds, new_seconds = biased(old), biased(new)
  if old_seconds and new_seconds and old_seconds ~= new_seconds then return old_seconds > new_seconds end
  local old_nanos, new_nanos
  old_seconds, old_nanos = parse(old)
  new_seconds, new_nanos = parse(new)
  return old_seconds > new_seconds or (old_seconds == new_seconds and old_nanos > new_nanos)
end

local expire, replaced, views, stale = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), 0
local times, counts, width = {}, {}, 0
for view = 1, views do
  times[view], counts[view] = ARGV[2 * view + 2], tonumber(ARGV[2 * view + 3])
  width = width + 2 + counts[view]
end

local time, rows, at = times[1], ARGV[2 * views + 4], 0  -- where the next row starts
local key

-- Says whether a stored row stays, by its event time and that of a new one.
local function newer(old, new) return later(old, new) and (replaced == '' or later(old, replaced)) end

-- Writes a row of one view; returns how many are stale. The names and cells stay on Lua's stack: a table would cost more.
local function write_one(next_row, name, new, ...)
  at = next_row
  if newer(call('HGET', key, time), new) then return 1 end
  call('HSET', key, name, new, ...)
  return 0
end

local function write_all(next_row, ...)
  at = next_row
  call('HSET', key, ...)
end

-- Writes the views of a row that are not refused.
local function write_some(refused)
  local all, kept, from = { take(rows, width, at) }, {}, 2 * views + 1
  at = all[1]
  for view = 1, views do
    if not refused[view] then kept[#kept + 1], kept[#kept + 2] = all[2 * view], all[2 * view + 1] end
  end
  for view = 1, views do
    if not refused[view] then
      for field = from + 1, from + counts[view] do kept[#kept + 1] = all[field] end
    end
    from = from + counts[view]
  end
  if #kept > 0 then call('HSET', key, unpack(kept)) end
end

-- Writes a row of several views; returns how many of them are stale.
local function write()
  local old, new, refused, count = call('HMGET', key, unpack(times)), { take(rows, 2 * views, at) }, {}, 0
  for view = 1, views do
    if newer(old[view], new[2 * view + 1]) then refused[view], count = true, count + 1 end
  end
  if count == 0 then write_all(take(rows, width, at)) else write_some(refused) end
  return count
end

for row = 1, #KEYS do
  key = KEYS[row]
  local refused = views == 1 and write_one(take(rows, width, at)) or views > 1 and write()
  stale = stale + refused
  if expire > 0 and refused < views then call('EXPIRE', key, expire) end
end
return stale
