"""Other workers, and workers that are not plain `Worker`."""

import upnext


class ShopWorker(upnext.Worker):
    """A worker with something of its own."""

    shop = "main street"


billing = upnext.Worker("billing")
warehouse = ShopWorker("warehouse")

# The same event as that of the orders worker.
placed_for_billing = billing.event("order.placed")


@placed_for_billing.on
async def bill(order_id: str, currency: str = "EUR", **kwargs: object) -> None: ...


stock_low = warehouse.event("stock.low")


@stock_low.on
def reorder(sku: str, left: int) -> None: ...
