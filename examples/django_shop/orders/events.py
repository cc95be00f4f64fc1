import upnext

worker = upnext.Worker("orders")
order_placed = worker.event("order.placed")
