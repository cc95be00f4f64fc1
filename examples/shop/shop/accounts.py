"""Customers' accounts."""

from uuid import UUID, uuid4

from shop.events import user_registered, worker


@worker.task
async def sign_up(email: str, name: str) -> UUID:
    user_id = uuid4()
    await user_registered.send(user_id=user_id, email=email, name=name)
    return user_id
