"""The Lua scripts that make each step on Redis atomic. `KEYS[1]` is always the log.

A history entry is `length(item) code time item` (1, 1 and 8 bytes, then the item id): entries joined end to
end can be taken apart again, and a list of them stays in Redis's compact listpacks.
"""

from __future__ import annotations

from cluster.online_store import HISTORY_LIMIT
from cluster.store_codec import FIRST_NEGATIVE_CODE

PREFIX = "shoal:{0}:"
"""Of every key. The hash tag puts all of a partition's keys in one slot; there is one partition, 0."""

LOG = f"{PREFIX}log"
HISTORY_LIFE_S = 180 * 86_400
"""How long a user's keys outlive the last write to them."""

_COMMON = f"""
local PREFIX, LIMIT, LIFE = '{PREFIX}', {HISTORY_LIMIT}, {HISTORY_LIFE_S}

local function time_of(entry)
  return (struct.unpack('>I8', entry, 3))
end

local function history_key(user, entry)
  local negative = string.byte(entry, 2) >= {FIRST_NEGATIVE_CODE}
  return PREFIX .. (negative and 'negatives:' or 'history:') .. user
end

-- Late, or of the same microsecond as the newest: take the list apart, place it by time, write it back.
local function insert(key, entry)
  local kept, before = {{}}, nil
  for _, old in ipairs(redis.call('LRANGE', key, 0, -1)) do
    if old == entry then return end
    if not before and time_of(old) > time_of(entry) then
      before = true
      kept[#kept + 1] = entry
    end
    kept[#kept + 1] = old
  end
  if not before then kept[#kept + 1] = entry end
  redis.call('DEL', key)
  redis.call('RPUSH', key, unpack(kept))
end

local function remember(user, entry)
  local key = history_key(user, entry)
  local newest = redis.call('LINDEX', key, -1)
  if not newest or time_of(newest) < time_of(entry) then
    redis.call('RPUSH', key, entry)
  else
    insert(key, entry)
  end
  redis.call('LTRIM', key, -LIMIT, -1)
  redis.call('EXPIRE', key, LIFE)
end

local function profile(user, country)
  local key = PREFIX .. 'country:' .. user
  if country ~= '' then redis.call('SET', key, country, 'NX') end
  redis.call('EXPIRE', key, LIFE)
end

-- The clock in microseconds, or one above the last offset when the clock has not moved on. A Redis that lost
-- its last second, or everything, goes on above every offset it ever gave out.
local function next_offset()
  local now = redis.call('TIME')
  local last = tonumber(redis.call('GET', PREFIX .. 'offset') or '0')
  return math.max(now[1] * 1000000 + now[2], last + 1)
end

local function log(offset, kind, body)
  local text = string.format('%.0f', offset)
  redis.call('XADD', KEYS[1], text .. '-0', 'kind', kind, 'body', body)
  redis.call('SET', PREFIX .. 'offset', text)
end
"""

APPEND = f"""{_COMMON}
local window_ms, taken, offset = ARGV[1], {{}}, next_offset()
for i = 2, #ARGV, 6 do
  local id, user, country, entry, kind, body = unpack(ARGV, i, i + 5)
  if redis.call('SET', PREFIX .. 'seen:' .. id, '', 'NX', 'PX', window_ms) then
    log(offset, kind, body)
    offset = offset + 1
    remember(user, entry)
    profile(user, country)
    taken[#taken + 1] = 1
  else
    taken[#taken + 1] = 0
  end
end
return taken
"""

APPEND_EXPOSURES = f"""{_COMMON}
local offset = next_offset()
for i = 1, #ARGV, 2 do
  log(offset, ARGV[i], ARGV[i + 1])
  offset = offset + 1
end
"""

WARM = f"""{_COMMON}
local i = 1
while i <= #ARGV do
  local user, country, count = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  for j = i + 3, i + 2 + count do remember(user, ARGV[j]) end
  profile(user, country)
  i = i + 3 + count
end
"""

USERS = f"""{_COMMON}
local answer = {{}}
for i, user in ipairs(ARGV) do
  local positive = redis.call('LRANGE', PREFIX .. 'history:' .. user, 0, -1)
  local negative = redis.call('LRANGE', PREFIX .. 'negatives:' .. user, 0, -1)
  answer[3 * i - 2] = table.concat(positive)
  answer[3 * i - 1] = table.concat(negative)
  answer[3 * i] = redis.call('GET', PREFIX .. 'country:' .. user)
end
return answer
"""
