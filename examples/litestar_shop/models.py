import os

from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from upnext.sqlalchemy import Outbox


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[str] = mapped_column(primary_key=True)
    is_confirmed: Mapped[bool] = mapped_column(default=False)


outbox = Outbox(Base.metadata)
engine = create_async_engine(os.environ.get("DATABASE", "sqlite+aiosqlite:///shop.db"))
