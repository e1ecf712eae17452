-- Claims on consoles, one key each.
-- KEYS: the consoles
-- ARGV: 1 claim, owner or release; 2 the caller's own claim; 3 how long one lasts, in ms
-- Returns: for each console, what another daemon has written there, else ""

local step, mine, lease_ms = ARGV[1], ARGV[2], ARGV[3]
-- One step of the server, so that two daemons can't both find a console free and take it. A claim
-- ends by itself (PX): a daemon that dies, or loses its way to the server, blocks nobody for longer.
local others = {}
for i, key in ipairs(KEYS) do
  local found = redis.call('GET', key)
  if found and found ~= mine then
    others[i] = found
  else
    others[i] = ''
    if step == 'claim' then
      redis.call('SET', key, mine, 'PX', lease_ms)
    elseif step == 'release' then
      redis.call('DEL', key)
    end
  end
end
return others
