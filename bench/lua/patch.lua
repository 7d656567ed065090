-- PATCH, as an honest client sends it: bearer token, If-Match with the version of the last answer, a fresh Idempotency-Key.
-- After `--`: the file of targets, the number of threads, a prefix that no other run uses for its keys.
package.path = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "?.lua;" .. package.path
local common = require("common")

acknowledged, refused, codes = 0, 0, {}
local sent, current, prefix, heads = 0, nil, nil, {}

function setup(thread) common.setup(thread) end

function init(args)
   targets = common.targets(args, place)
   prefix = ("%s-%d-"):format(args[3], place)
   for n, target in ipairs(targets) do
      heads[n] = ("PATCH %s HTTP/1.1\r\nHost: %s:%s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"):format(
         target.path, wrk.host, wrk.port, target.token)
   end
end

function request()
   sent = sent + 1
   local n = (sent - 1) % #targets + 1
   current = targets[n]
   local body = current.body:gsub("@", ("%08d"):format(sent))
   return ('%sIdempotency-Key: %s%d\r\nIf-Match: "%d"\r\nContent-Length: %d\r\n\r\n%s'):format(
      heads[n], prefix, sent, current.version, #body, body)
end

function response(status, headers, body)
   if status == 200 then
      acknowledged = acknowledged + 1
      local version = tonumber(common.header(headers, "etag"):match("%d+"))
      assert(version == current.version + 1, "an acknowledged version is not the next one")
      current.version = version
   else
      refused = refused + 1
      codes[tostring(status)] = (codes[tostring(status)] or 0) + 1
      -- An answer that got lost leaves us behind: take up the version the server names.
      local version = body:match('"current_version":(%d+)')
      if version then current.version = tonumber(version) end
   end
end

function done(summary, latency) common.report(summary, latency) end
