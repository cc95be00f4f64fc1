"""What the shop talks about."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, PositiveInt


class Currency(StrEnum):
    EUR = "EUR"
    USD = "USD"


class Money(BaseModel, frozen=True):
    amount: Decimal
    currency: Currency = Currency.EUR

    def __str__(self) -> str:
        return f"{self.amount:.2f} {self.currency}"


class Item(BaseModel, frozen=True):
    sku: str
    quantity: PositiveInt
    price: Money


@dataclass(frozen=True)
class Address:
    name: str
    street: str
    city: str
    country: str


class Carrier(StrEnum):
    POST = "post"
    BICYCLE = "bicycle"


class Decline(StrEnum):
    LIMIT_EXCEEDED = "limit exceeded"
    CARD_EXPIRED = "card expired"
