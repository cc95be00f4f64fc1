from dataclasses import dataclass
from typing import NotRequired, TypedDict


@dataclass
class Item:
    sku: str
    quantity: int = 1


class Order(TypedDict):
    order_id: str
    user_id: str
    total: NotRequired[int]


class Unfinished(TypedDict):
    order_id: str


class Confused(TypedDict):
    order_id: str
    user_id: int
