from orders.events import order_placed
from orders.models import Order


@order_placed.on(retries=3)
def confirm(number: int) -> None:
    Order.objects.filter(number=number).update(is_confirmed=True)


@order_placed.on
async def thank(number: int) -> str:
    order = await Order.objects.aget(number=number)
    return f"thank you for order {order.number}"
