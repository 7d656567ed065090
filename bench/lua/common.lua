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

-- One line for each fact.
function common.report(summary, latency)
   local sums = { acknowledged = 0, refused = 0 }
   local codes = {}
   for _, thread in ipairs(common.threads) do
      for name in pairs(sums) do sums[name] = sums[name] + (tonumber(thread:get(name)) or 0) end
      for code, count in pairs(thread:get("codes") or {}) do codes[code] = (codes[code] or 0) + count end
      for _, target in ipairs(thread:get("targets") or {}) do
         if target.version then io.write(("version %s %d\n"):format(target.id, target.version)) end
      end
   end
   for name, count in pairs(sums) do io.write(("fact %s %d\n"):format(name, count)) end
   for code, count in pairs(codes) do io.write(("status %s %d\n"):format(code, count)) end
   local errors = summary.errors
   io.write(("fact broken %d\n"):format(errors.connect + errors.read + errors.write + errors.timeout))
   io.write(("fact microseconds %d\n"):format(summary.duration))
   for _, percentile in ipairs({ 50, 99 }) do
      io.write(("fact p%d_us %d\n"):format(percentile, latency:percentile(percentile)))
   end
end

return common
