from typing import Any, Callable, TypeVar

from shop.models import Money
from upnext_celery import Celery, shared_task

T = TypeVar("T")

app = Celery("shop")


def untyped(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def unknown(function):
    return function


@shared_task
def send_mail(order_id: int, template: str, copies: int = 1) -> bool:
    return True


@app.task(bind=True, ignore_result=True)
def bound(self: Any, order_id: int, template: str, copies: int = 1) -> bool:
    return True


@shared_task(autoretry_for=(ValueError,))
def pay(amount: Money) -> None: ...


@app.task
def bare(x, y=1): ...


@app.task()
def bare_mail(order_id, template, copies=2): ...


@shared_task
def other_mail(order_id: str, template: str, copies: int = 2): ...


@shared_task
def none_mail(order_id: str | None, template: list[int], copies: int | None = None): ...


@shared_task
def nothing() -> None: ...


@shared_task
def one(order_id: int) -> None: ...


@shared_task
def keyword(order_id: int, *, template: str) -> None: ...


@shared_task
def more(order_id: int, *names: str) -> None: ...


@shared_task
def others(order_id: int, **names: str) -> None: ...


@shared_task
def anything(*args: Any, **names: str) -> None: ...


@shared_task
def slash(order_id: int, /, template: str = "") -> None: ...


@shared_task
def long(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: str) -> None: ...


@shared_task
@untyped
def hidden(order_id: int, /, template: str = "") -> None: ...


@shared_task
@unknown
def hidden_too(order_id: int, /, template: str = "") -> None: ...


@shared_task
def first_and_anything(order_id: int, *args: Any, **kwargs: Any) -> None: ...


def looked_at(made: T) -> T:
    return made


@looked_at
@shared_task
def changed(order_id: int, user_id: int) -> None: ...


OPTIONS = dict(max_retries=3, autoretry_for=(ValueError,), retry_backoff=True)


# What a checker knows of the values of a dict may be too little for `bind`.
@shared_task(**OPTIONS)
def of_options(order_id: int) -> bool:
    return True
