from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST

from orders.events import order_placed
from orders.models import Order
from upnext.django import outbox


@require_POST
@transaction.atomic
def place_order(request: HttpRequest) -> JsonResponse:
    order = Order.objects.create(number=int(request.POST["number"]))
    order_placed.within(outbox()).send_sync(number=order.number)
    if order.number < 0:
        raise ValueError("rolls both back")
    return JsonResponse({"number": order.number}, status=202)
