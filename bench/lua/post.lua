-- POST with a bearer token and a body as it stands, target after target. After `--`: the file of targets, the number of threads.
package.path = (debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "?.lua;" .. package.path
local common = require("common")

local sent, requests = 0, {}

function setup(thread) common.setup(thread) end

function init(args)
   for n, target in ipairs(common.targets(args, place)) do
      requests[n] = ("POST %s HTTP/1.1\r\nHost: %s:%s\r\nAuthorization: Bearer %s\r\n" ..
         "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(
         target.path, wrk.host, wrk.port, target.token, #target.body, target.body)
   end
end

function request()
   sent = sent + 1
   return requests[(sent - 1) % #requests + 1]
end

function response(status) common.count(status) end

function done(summary, latency) common.report(summary, latency) end
