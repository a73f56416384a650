"""The Lua scripts that make each step on Redis atomic. `KEYS[1]` is always the log of the partition they work on.

A history entry is `length(item) code time item` (1, 1 and 8 bytes, then the item id): entries joined end to
end can be taken apart again, and a list of them stays in Redis's compact listpacks.
"""

from __future__ import annotations

from cluster.online.codec import FIRST_NEGATIVE_CODE
from cluster.online.store import HISTORY_LIMIT
from models.privacy import ANONYMOUS_ID

HISTORY_LIFE_S = 180 * 86_400
"""How long the keys of a user outlive the last write to them."""

PREFIX = "local PREFIX = string.sub(KEYS[1], 1, -4)  -- without 'log'\n"
"""Of every key of the partition, hash tag included, so that all of a script's keys lie in one slot."""

LOGGING = f"""{PREFIX}
-- The number of partitions the caller believes in; another one would scatter users over wrong logs.
local function mistaken(num_partitions)
  local key = PREFIX .. 'partitions'
  redis.call('SET', key, num_partitions, 'NX')
  local there = redis.call('GET', key)
  if there ~= num_partitions then
    return redis.error_reply('PARTITIONS are ' .. there .. ' in this store, not ' .. num_partitions .. '. Restart.')
  end
end

-- The clock in microseconds, or one above the last offset when the clock has not moved on. A Redis that lost
-- its last second, or everything, goes on above every offset it ever gave out.
local now = redis.call('TIME')
local offset = math.max(
  now[1] * 1000000 + now[2], tonumber(redis.call('GET', PREFIX .. 'offset') or '0') + 1)
local count = tonumber(redis.call('GET', PREFIX .. 'count') or '0')

-- An entry's id is its offset, then which entry of the partition it is.
local function log(kind, body)
  count = count + 1
  redis.call('XADD', KEYS[1], string.format('%.0f-%.0f', offset, count), 'kind', kind, 'body', body)
  offset = offset + 1
end

local function logged()
  redis.call('SET', PREFIX .. 'offset', string.format('%.0f', offset - 1))
  redis.call('SET', PREFIX .. 'count', string.format('%.0f', count))
end
"""

IS_NOBODY = f"""
-- Of whom nothing is remembered: nobody in particular, and who refused personalization.
local function is_nobody(user)
  return user == '{ANONYMOUS_ID}' or redis.call('ZSCORE', PREFIX .. 'refused', user) ~= false
end
"""

_USERS = f"""{IS_NOBODY}
local LIMIT, LIFE = {HISTORY_LIMIT}, {HISTORY_LIFE_S}
local FIRST_NEGATIVE = {FIRST_NEGATIVE_CODE}

local function time_of(entry)
  return (struct.unpack('>I8', entry, 3))
end

-- Entries, oldest first, into a list of the same order: each at its own time, none twice, the newest LIMIT.
local function merge(key, entries)
  local newest = redis.call('LINDEX', key, -1)
  local kept = entries
  if newest and time_of(newest) >= time_of(entries[1]) then
    local seen, i = {{}}, 1
    kept = {{}}
    local function keep(entry)
      if not seen[entry] then
        seen[entry] = true
        kept[#kept + 1] = entry
      end
    end
    for _, old in ipairs(redis.call('LRANGE', key, 0, -1)) do
      while entries[i] and time_of(entries[i]) < time_of(old) do
        keep(entries[i])
        i = i + 1
      end
      keep(old)
    end
    for j = i, #entries do keep(entries[j]) end
    redis.call('DEL', key)
  end
  redis.call('RPUSH', key, unpack(kept, math.max(1, #kept - LIMIT + 1)))
  redis.call('LTRIM', key, -LIMIT, -1)
  redis.call('EXPIRE', key, LIFE)
end

local function remember(user, entries)
  local positive, negative = {{}}, {{}}
  for _, entry in ipairs(entries) do
    local side = string.byte(entry, 2) < FIRST_NEGATIVE and positive or negative
    side[#side + 1] = entry
  end
  if #positive > 0 then merge(PREFIX .. 'history:' .. user, positive) end
  if #negative > 0 then merge(PREFIX .. 'negatives:' .. user, negative) end
end

local function profile(user, country)
  local key = PREFIX .. 'country:' .. user
  if country ~= '' then redis.call('SET', key, country, 'NX') end
  redis.call('EXPIRE', key, LIFE)
  redis.call('EXPIRE', PREFIX .. 'attributes:' .. user, LIFE)
end

-- Arguments first … last are names and values in turn.
local function describe(user, first, last)
  for i = first, last, 2 do redis.call('HSETNX', PREFIX .. 'attributes:' .. user, ARGV[i], ARGV[i + 1]) end
end
"""

# An id is looked for where its user is, in the step that logs it. That another user's partition has none like it, the
# partition of the id itself says: it binds the id to the partition that asked first.
BIND = f"""{PREFIX}
local bound = {{}}
for i = 2, #ARGV, 2 do
  local key = PREFIX .. 'bound:' .. ARGV[i]
  bound[#bound + 1] = redis.call('SET', key, ARGV[i + 1], 'NX', 'GET', 'PX', ARGV[1]) or ARGV[i + 1]
end
return bound
"""

APPEND = f"""{LOGGING}{_USERS}
local wrong = mistaken(ARGV[1])
if wrong then return wrong end
local window_ms, taken = ARGV[2], {{}}
for i = 3, #ARGV, 6 do
  local id, user, country, entry, kind, body = unpack(ARGV, i, i + 5)
  if redis.call('SET', PREFIX .. 'seen:' .. id, '', 'NX', 'PX', window_ms) then
    log(kind, body)
    if not is_nobody(user) then
      remember(user, {{entry}})
      profile(user, country)
    end
    taken[#taken + 1] = 1
  else
    taken[#taken + 1] = 0
  end
end
logged()
return taken
"""

APPEND_TO_LOG = f"""{LOGGING}
local wrong = mistaken(ARGV[1])
if wrong then return wrong end
for i = 2, #ARGV, 2 do log(ARGV[i], ARGV[i + 1]) end
logged()
"""

WARM = f"""{PREFIX}{_USERS}
local i = 1
while i <= #ARGV do
  local user, country, described, count = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local first = i + 4 + described
  local entries = {{}}
  for j = first, first + count - 1 do entries[#entries + 1] = ARGV[j] end
  if not is_nobody(user) then
    describe(user, i + 4, first - 1)
    remember(user, entries)
    profile(user, country)
  end
  i = first + count
end
"""

# Subjects follow the users where the caller knows that there are tombstones; their number is answered first.
USERS = f"""{PREFIX}
local num_users, tombstones = tonumber(ARGV[1]), PREFIX .. 'tombstones'
local answer = {{}}
for i = 1, num_users do
  local user, subject = ARGV[1 + i], ARGV[1 + num_users + i]
  local positive = redis.call('LRANGE', PREFIX .. 'history:' .. user, 0, -1)
  local negative = redis.call('LRANGE', PREFIX .. 'negatives:' .. user, 0, -1)
  answer[5 * i - 4] = table.concat(positive)
  answer[5 * i - 3] = table.concat(negative)
  answer[5 * i - 2] = redis.call('GET', PREFIX .. 'country:' .. user)
  answer[5 * i - 1] = redis.call('HGETALL', PREFIX .. 'attributes:' .. user)
  answer[5 * i] = subject and redis.call('ZSCORE', tombstones, subject) or false
end
return {{redis.call('ZCARD', tombstones), answer}}
"""
