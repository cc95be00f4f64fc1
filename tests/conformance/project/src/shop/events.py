import upnext

worker = upnext.Worker("orders")

order_placed = worker.event("order.placed")
order_shipped = worker.event("order.shipped")
order_audited = worker.event("order.audited", extra="forbid")
