-- When the next start of a value may be, `ahead` others before it, at the earliest: `now` if at once. Of `starts` that are
-- allowed within `period` ms, each waits until the one that was so many before it is over; those ahead are taken to start as
-- soon as they may. `newest` returns the so-manieth of the newest starts (`value ms ...`), true for one that is made now, nil
-- if there are not so many.
local function next_start(ahead, starts, period, now, newest)
  if starts < 1 then
    return now + period -- a share of nothing
  end
  local start = newest(starts - ahead % starts)
  local at = start == true and now or start and tonumber(string.match(start, ' (%d+) '))
  -- The clock may have been set back: what started later than now started now.
  local first = at and math.min(at, now) + period or now
  return math.max(first, now) + math.floor(ahead / starts) * period
end
