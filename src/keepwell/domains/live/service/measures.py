"""What live rooms count."""

from prometheus_client import Counter, Gauge

ROOMS = Gauge("keepwell_live_rooms", "Rooms with somebody of this process in them")
MEMBERS = Gauge("keepwell_live_members", "Connections of this process in rooms", ["door"])
SENT = Counter("keepwell_live_messages", "Messages sent to connections", ["type"])
LAGGED = Counter("keepwell_live_lagged", "Connections that took messages too slowly and were owed a snapshot instead")
ENDED = Counter("keepwell_live_ended", "Connections ended by the server, by the code of why", ["code"])
RETRIED = Counter("keepwell_live_deliveries_retried", "Deliveries that met a database that was away or busy")
