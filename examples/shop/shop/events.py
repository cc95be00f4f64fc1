"""What can happen in the shop. Who reacts to it is said where the handlers are."""

import upnext

worker = upnext.Worker("shop")

user_registered = worker.event("user.registered")
order_placed = worker.event("order.placed")
order_shipped = worker.event("order.shipped")
payment_failed = worker.event("payment.failed")
