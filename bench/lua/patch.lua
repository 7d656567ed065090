-- PATCH, as honest clients send it: bearer token, If-Match with the version of the last answer, a fresh Idempotency-Key.
-- After `--`: the file of targets, the number of threads, a prefix that no other run uses for its keys.
--
-- wrk does not say which connection asks or is answered. So a request takes a target from the line of free ones, names it in
-- X-Request-ID, which the server returns, and the answer puts it back: nobody else writes to it meanwhile.
package.path = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "?.lua;" .. package.path
local common = require("common")

local targets
local sent, prefix, heads = 0, nil, {}
local line, first, last = {}, 1, 0

local function free(n)
   last = last + 1
   line[last] = n
end

function setup(thread) common.setup(thread) end

function init(args)
   targets = common.targets(args, place)
   prefix = ("%s-%d"):format(args[3], place)
   for n, target in ipairs(targets) do
      heads[n] = ("PATCH %s HTTP/1.1\r\nHost: %s:%s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"):format(
         target.path, wrk.host, wrk.port, target.token)
      common.remember(n, target)
      free(n)
   end
end

function request()
   local n
   if sent == 0 and place == 0 then
      -- wrk asks the first thread once before it starts, to look at the request; it is never sent.
      n = 1
   elseif first <= last then
      n = line[first]
      line[first] = nil
      first = first + 1
   else
      -- A connection broke and its target never came back: it is written to twice now, and one of the two will be refused.
      n = sent % #targets + 1
   end
   sent = sent + 1
   local target = targets[n]
   local body = target.body:gsub("@", ("%08d"):format(sent))
   return ('%sX-Request-ID: %s.%d.%d\r\nIdempotency-Key: %s-%d\r\nIf-Match: "%d"\r\nContent-Length: %d\r\n\r\n%s'):format(
      heads[n], prefix, sent, n, prefix, sent, target.version, #body, body)
end

function response(status, headers, body)
   local n = tonumber(common.header(headers, "x-request-id"):match("(%d+)$"))
   local target = targets[n]
   common.count(status)
   if status == 200 then
      target.version = tonumber(common.header(headers, "etag"):match("%d+"))
      _G["version_" .. n] = target.version
   else
      -- An answer that got lost leaves us behind: take up the version the server names.
      local version = body:match('"current_version":(%d+)')
      if version then target.version = tonumber(version) end
   end
   free(n)
end

function done(summary, latency) common.report(summary, latency) end
