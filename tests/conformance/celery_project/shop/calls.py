from shop.models import Money
from shop.tasks import *

send_mail.delay(1, "x")
send_mail.delay(order_id=1, template="x", copies=2)
send_mail.apply_async(kwargs={"order_id": 1, "template": "x"}, countdown=10)
send_mail.apply_async((), {"order_id": 1, "template": "x"}, countdown=10)
send_mail.apply_async((1, "x"))
send_mail.apply_async([1, "x"])
send_mail.apply_async((1,), {"template": "x"})
send_mail.apply_async(args=(1, "x"), kwargs={"copies": 3})
send_mail.s("x")
send_mail.s(template="x")
send_mail.si(1, "x").apply_async(countdown=3)
(send_mail.s(1, "x") | send_mail.s("x")).delay()
ok: bool = send_mail.delay(1, "x").get()
direct: bool = bound(1, "x")
bound.delay(1, "x")
bound.delay_on_commit(1, "x")
bound.apply_async_on_commit((1, "x"), countdown=3)
bound.apply_async(kwargs={"order_id": 1, "template": "x"})
pay.delay(Money())
pay.apply_async(args=(Money(),))
bare.delay(1)
bare.apply_async((1,))
bare.delay("1", y=2)
nothing.delay()
nothing.apply_async()
nothing.apply_async(countdown=3)
one.delay(1)
one.apply_async((1,), countdown=1)
keyword.delay(1, template="x")
keyword.apply_async((1,), {"template": "x"})
more.delay(1, "a", "b")
more.apply_async((1, 2))
others.delay(1, a="b")
others.apply_async((1,), {"a": "b"})
anything.delay(1, a="b")
slash.delay(1, template="x")
slash.apply_async((1,), {"template": "x"})
hidden.delay(1, 2, 3)
hidden_too.delay(1, "x")
bare_mail.delay(1, 2)
bare_mail.apply_async(kwargs={"order_id": 1, "template": "x"})
none_mail.apply_async((None, []))
other_mail.apply_async(kwargs={"order_id": "", "template": "x"})
none_mail.delay(None, [1], None)
long.apply_async((1, 2, 3, 4, 5, 6, 7, "8"))
long.apply_async((1, 2), {"c": 3, "d": 4, "e": 5, "f": 6, "g": 7, "h": "8"})
first_and_anything.s(1, 2, x=3)
first_and_anything.apply_async((1, 2), {"x": 3})
changed.apply_async((1,))
changed.apply_async(kwargs={"order_id": 1})
changed.s(order_id=1)
of_options.delay(1)
of_options.apply_async((1,), countdown=3)
of_options.apply_async(kwargs={"order_id": 1})
of_options.s(order_id=1)
ok = of_options.delay(1).get()
print(send_mail.name)

# What cannot work, and what is of a wrong type.
send_mail.delay(1)  # E
send_mail.delay(order_id=1, templat="x")  # E
send_mail.apply_async(kwargs={"order_id": 1}, countdown=10)  # E
send_mail.apply_async(kwargs={"order_id": "1", "template": "x"})  # E
send_mail.apply_async((1,))  # E
send_mail.apply_async((1,), {"templat": "x"})  # E
send_mail.apply_async([1, 2], {"templat": "x"})  # E
send_mail.apply_async((1, "x"), {"templat": 1})  # E
send_mail.apply_async()  # E
send_mail.s(template=3)  # E
send_mail.s(templat=3)  # E
send_mail.si(1)  # E
wrong: str = send_mail.delay(1, "x").get()  # E
bound.delay("1", "x")  # E
bound.delay_on_commit("1", "x")  # E
bound.apply_async(kwargs={"order_id": 1, "tmplate": "x"})  # E
pay.delay(3)  # E
pay.apply_async(args=(3,))  # E
nothing.delay(1)  # E
nothing.apply_async((1,))  # E
one.delay("1")  # E
keyword.delay(1, "x")  # E
keyword.apply_async((1,))  # E
more.delay("1")  # E
others.delay(1, a=2)  # E
slash.delay(order_id=1)  # E
slash.delay("1")  # E
other_mail.apply_async(kwargs={"order_id": 1, "template": "x"})  # E
bare_mail.apply_async(kwargs={"order": 1, "template": "x"})  # E
none_mail.delay(3, [])  # E
none_mail.apply_async(("", [""]))  # E
bare.delay()  # E
bare.apply_async(kwargs={"z": 1})  # E
long.apply_async((1, 2, 3, 4, 5, 6, 7, 8))  # E
long.apply_async((1, 2), {"c": 3, "d": 4, "e": 5, "f": 6, "h": "8"})  # E
