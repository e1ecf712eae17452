-- One step of the shared reconnect ledger, as the law in reconnect_budget.py has it. All times are whole
-- microseconds of the ledger's own clock.
--
-- KEYS: 1 the clock; 2 the claims of one budget key, or the daemons; 3 which claims are in use;
--       4 the claims of the whole account, whose key overlaps all others
-- ARGV: 1 the step; 2 limit; 3 span; 4 hold; 5 ahead;
--       6 the latest instant that the caller thinks possible now, or ""; 7 a test's clock, or "";
--       8 how many claims are settled; 9 and on: key, id and age of each dial that was made with
--       one, or "" as the age of one that is given back; then what the step takes
-- Returns: a number and another by the step, now, then what the step adds.

local KEEP_MS = 86400000 -- keys expire a day after they were last of use

local MAX_LISTED = 256 -- keys in use in one answer to a heartbeat

local MAX_HOLD = 86400000000 -- no daemon holds a claim for longer

local clock_key, subject, index, account = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local step = ARGV[1]
local limit, span, hold = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local ahead = tonumber(ARGV[5])
local settled = tonumber(ARGV[8])
local taken = 9 + 3 * settled -- where the step's own values begin

local function whole(number)
  return string.format('%.0f', number) -- tostring would keep 14 digits only
end

-- The server's wall clock, made to stand still where it was set back, and where it is later than
-- the caller, who has a steady clock, can believe.
local function read_clock()
  local time = redis.call('TIME')
  local wall = tonumber(ARGV[7]) or time[1] * 1000000 + time[2]
  local kept = redis.call('HMGET', clock_key, 'last', 'shift', 'born')
  local now, born = wall, kept[3]
  if kept[1] then
    local last = tonumber(kept[1])
    now = math.min(wall + tonumber(kept[2]), tonumber(ARGV[6]) or math.huge)
    now = math.max(now, last)
  else
    born = whole(wall)
  end
  redis.call('HSET', clock_key, 'last', whole(now), 'shift', whole(now - wall), 'born', born)
  redis.call('PEXPIRE', clock_key, KEEP_MS)
  return now, born
end

local now, born = read_clock()

-- A claim on record is "AT LATEST SPENT". One that can't be read, or lies further ahead than
-- anything is booked, is damage: it counts as dialled at this moment.
local function claim_of(id, text)
  local at, latest, spent = string.match(text, '^(%-?%d+) (%-?%d+) ([01])$')
  at, latest = tonumber(at), tonumber(latest)
  if not at or at > now + ahead + MAX_HOLD or latest > now + ahead + MAX_HOLD then
    return { id = id, at = now, latest = now, spent = true, damaged = true }
  end
  return { id = id, at = at, latest = latest, spent = spent == '1' }
end

local function put_at(key, id, at, latest, spent)
  redis.call('HSET', key, id, whole(at) .. ' ' .. whole(latest) .. ' ' .. spent)
  redis.call('PEXPIRE', key, KEEP_MS)
  -- In use for as long as any claim of it may count.
  redis.call('ZADD', index, 'GT', whole(latest), key)
  redis.call('PEXPIRE', index, KEEP_MS)
end

local function put(id, at, latest, spent)
  put_at(subject, id, at, latest, spent)
end

-- What became of claims comes along with any step, and again if the sender got no answer. So each is
-- applied once: a spent claim stays as it is.
for i = 9, taken - 1, 3 do
  local key, id, age = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local text = redis.call('HGET', key, id)
  if text and claim_of(id, text).spent then
    -- It is known already.
  elseif age then
    put_at(key, id, now - age, now - age, 1)
  elseif text then
    redis.call('HDEL', key, id)
  end
end

-- The account's claims count for every instance, and every instance's for the account: a change of
-- `reconnects_key` frees nothing. `index` has the keys in use, so that not all keys are read.
local function overlapping(key)
  local keys = { account }
  if key == account then
    keys = redis.call('ZREVRANGEBYSCORE', index, '+inf', whole(now - span))
  end
  return keys
end

local function read_claims(own)
  local claims = {}
  local function read(key, foreign)
    local flat = redis.call('HGETALL', key)
    for i = 1, #flat, 2 do
      local claim = claim_of(flat[i], flat[i + 1])
      claim.foreign = foreign
      claims[#claims + 1] = claim
    end
  end
  read(own, false)
  for _, key in ipairs(overlapping(own)) do
    if key ~= own then
      read(key, true)
    end
  end
  table.sort(claims, function(a, b) return a.latest > b.latest end)
  return claims
end

-- The law of reconnect_budget.py, "The law": no earlier than a span after the limit-th latest claim; and never
-- before a claim that was booked earlier and still waits (first come, first served). `claims` is
-- sorted by `latest`, newest first, so the limit-th is claims[limit].
local function next_free(claims)
  local free = now
  for _, claim in ipairs(claims) do
    if not claim.spent and claim.at > free then
      free = claim.at
    end
  end
  if #claims >= limit then
    free = math.max(free, claims[limit].latest + span)
  end
  return free
end

-- What of the subject may have been dialled and still counts, or may be soon: newest first, within
-- a bound; how long ago its first and its latest instant are. Those who wait for longer aren't
-- listed: without this server they can't dial.
local function counted(claims)
  local seen = {}
  for _, claim in ipairs(claims) do
    local counts = claim.latest > now - span and claim.at <= now + hold and not claim.foreign
    if counts and #seen < 12 * limit then
      seen[#seen + 1] = claim.id
      seen[#seen + 1] = now - claim.at
      seen[#seen + 1] = now - claim.latest
    end
  end
  return seen
end

-- Claims that can't matter any more go, and damaged ones are replaced, at each booking.
local function tidy(claims)
  for _, claim in ipairs(claims) do
    if claim.foreign then
      -- Its own key's next booking does that.
    elseif claim.latest <= now - span then
      redis.call('HDEL', subject, claim.id)
    elseif claim.damaged then
      put(claim.id, now, now, 1)
    end
  end
end

if step == 'book' then -- id, longest wait
  local claims = read_claims(subject)
  tidy(claims)
  local at = next_free(claims)
  if at - now > tonumber(ARGV[taken + 1]) then
    return { 0, at - now, now, counted(claims) }
  end
  put(ARGV[taken], at, at + hold, 0)
  return { 1, at - now, now, counted(read_claims(subject)) }
end

if step == 'read' then
  return { 1, 0, now, counted(read_claims(subject)) }
end

-- What counts of a key's own claims: their latest instants, and the latest instant of those that
-- aren't dialled yet, or now.
local function tally(key)
  local latest, promised = {}, now
  for _, text in ipairs(redis.call('HVALS', key)) do
    -- Most are dialled: "AT AT 1". To cut them up costs a third of what a pattern does.
    local half = (#text - 3) / 2
    local at = string.sub(text, 1, half)
    local instant = text == at .. ' ' .. at .. ' 1' and tonumber(at)
    if not instant or instant > now + ahead + MAX_HOLD then
      local claim = claim_of('', text)
      instant = claim.latest
      if not claim.spent and claim.at > promised then
        promised = claim.at
      end
    end
    if instant > now - span then
      latest[#latest + 1] = instant
    end
  end
  return latest, promised
end

if step == 'usages' then -- the claims of each key
  local usages = {}
  local common, promised_commonly = tally(account)
  for i = taken, #ARGV do
    local latest, promised = {}, now
    if ARGV[i] ~= account then
      latest, promised = tally(ARGV[i])
    else
      for _, key in ipairs(overlapping(account)) do
        if key ~= account then
          local own, own_promised = tally(key)
          promised = math.max(promised, own_promised)
          for _, instant in ipairs(own) do
            latest[#latest + 1] = instant
          end
        end
      end
    end
    for _, instant in ipairs(common) do
      latest[#latest + 1] = instant
    end
    local free = math.max(promised, promised_commonly)
    if #latest == limit then
      free = math.max(free, math.min(unpack(latest)) + span)
    elseif #latest > limit then
      table.sort(latest)
      free = math.max(free, latest[#latest - limit + 1] + span)
    end
    usages[#usages + 1] = #latest
    usages[#usages + 1] = free - now
  end
  return { 1, 0, now, usages }
end

if step == 'record' then -- id and age of each dial, in pairs
  for i = taken, #ARGV, 2 do
    if redis.call('HEXISTS', subject, ARGV[i]) == 0 then
      local at = now - tonumber(ARGV[i + 1])
      put(ARGV[i], at, at, 1)
    end
  end
  return { 1, 0, now, counted(read_claims(subject)) }
end

-- Which data this is: another server, a restarted one or one that lost its data has another name.
local function identity()
  local info = redis.pcall('INFO', 'server')
  local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
  return born .. ' ' .. run
end

if step == 'heartbeat' then -- a daemon's id, or "" to read only; how long one counts
  if ARGV[taken] ~= '' then
    redis.call('ZADD', subject, whole(now), ARGV[taken])
    redis.call('PEXPIRE', subject, KEEP_MS)
  end
  redis.call('ZREMRANGEBYSCORE', subject, '-inf', whole(now - tonumber(ARGV[taken + 1])))
  local idle = whole(now - span)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', idle)
  local used = redis.call('ZREVRANGEBYSCORE', index, '+inf', idle, 'LIMIT', 0, MAX_LISTED)
  return { redis.call('ZCARD', subject), 0, now, identity(), used }
end

if step == 'leave' then -- a daemon's id
  redis.call('ZREM', subject, ARGV[taken])
  return { 1, 0, now, identity() }
end

if step == 'settle' then -- nothing but the claims that are settled
  return { 1, 0, now }
end

return redis.error_reply('unknown step')
