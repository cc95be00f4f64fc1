from django.test import TestCase

from orders.events import order_placed
from orders.models import Order
from upnext.django.testing import CapturedSendsMixin, captured_sends


class OrderTests(CapturedSendsMixin, TestCase):
    def test_an_order_is_placed_and_confirmed(self) -> None:
        self.client.post("/orders", {"number": 1})
        assert self.sent.one(order_placed).fields == {"number": 1}
        assert not Order.objects.get(number=1).is_confirmed
        self.sent.run_sync()  # the handlers of what was sent, in the test's transaction
        assert Order.objects.get(number=1).is_confirmed

    def test_an_order_that_is_rolled_back_is_not_confirmed(self) -> None:
        with self.assertRaises(ValueError):
            self.client.post("/orders", {"number": -1})
        with self.assertRaises(Order.DoesNotExist):
            self.sent.run_sync()  # `thank` finds no order: the test sees sends at once, and not at the commit

    async def test_async_tests_run_them_as_well(self) -> None:
        await self.async_client.post("/orders", {"number": 2})
        await self.sent.run()
        assert (await Order.objects.aget(number=2)).is_confirmed


class OtherTests(TestCase):
    def test_a_block_does_the_same(self) -> None:
        with captured_sends() as sent:
            order_placed.send_sync(number=3)
        assert sent.names == ["order.placed"]
