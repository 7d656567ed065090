-- What both scripts share: dividing the targets among wrk's threads, and reporting to bench/wrk.py.
local common = { threads = {} }

function common.setup(thread)
   thread:set("place", #common.threads)
   table.insert(common.threads, thread)
end

-- The targets that this thread owns, of the file given after `--`: {id, path, token, version, body}. No two threads share one.
function common.targets(args, place)
   local own = {}
   local threads = tonumber(args[2])
   for n, target in ipairs(dofile(args[1])) do
      if (n - 1) % threads == place then table.insert(own, target) end
   end
   assert(#own > 0, "fewer targets than threads")
   return own
end

function common.header(headers, name)
   if headers[name] then return headers[name] end
   for key, value in pairs(headers) do
      if key:lower() == name then return value end
   end
end

-- Counts one answer by its status, in a global that `report` can ask for: wrk copies numbers and texts between its states
-- safely, but crashes on tables within tables.
function common.count(status)
   local name = "status_" .. status
   _G[name] = (_G[name] or 0) + 1
end

-- Remembers the last acknowledged version of the thread's nth target, likewise.
function common.remember(n, target)
   _G["id_" .. n] = target.id
   _G["version_" .. n] = target.version
end

local function sum(name)
   local total = 0
   for _, thread in ipairs(common.threads) do total = total + (tonumber(thread:get(name)) or 0) end
   return total
end

-- One line for each fact.
function common.report(summary, latency)
   local answered = 0
   for status = 100, 599 do
      local count = sum("status_" .. status)
      answered = answered + count
      if count > 0 and status ~= 200 then io.write(("status %d %d\n"):format(status, count)) end
   end
   local acknowledged = sum("status_200")
   io.write(("fact acknowledged %d\nfact refused %d\n"):format(acknowledged, answered - acknowledged))
   for _, thread in ipairs(common.threads) do
      local n = 1
      while thread:get("id_" .. n) do
         io.write(("version %s %d\n"):format(thread:get("id_" .. n), thread:get("version_" .. n)))
         n = n + 1
      end
   end
   local errors = summary.errors
   io.write(("fact broken %d\n"):format(errors.connect + errors.read + errors.write + errors.timeout))
   io.write(("fact microseconds %d\n"):format(summary.duration))
   for _, percentile in ipairs({ 50, 99 }) do
      io.write(("fact p%d_us %d\n"):format(percentile, latency:percentile(percentile)))
   end
end

return common
