"""`upnext celery check`: Celery's tasks, and the calls of them that cannot work."""

from __future__ import annotations

import json
import re

import pytest

import upnext_celery
from tests.cli.projects import Shell

TASKS = """
    import functools
    from contextlib import contextmanager

    import celery
    import kink
    from celery import Celery, Task, shared_task
    from celery import shared_task as job
    from flask import Flask


    class Application(Celery):
        pass


    def make_app(flask: Flask) -> Celery:
        made = Celery(flask.name)
        return made


    def build():
        made = Application("built")
        return made


    app = Application("shop")
    made = make_app(Flask("shop"))
    built = build()
    NAME = "mails.send"


    def timed(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper


    def locked(seconds):
        def decorate(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs)

            return wrapper

        return decorate


    def with_user(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, user=1, **kwargs)

        return wrapper


    @contextmanager
    def writer():
        yield


    def task_of_ours(**options):
        return shared_task(bind=True, **options)


    class Sending(Task):
        def apply_async(self, args=None, kwargs=None, **options):
            return super().apply_async(args, {**(kwargs or {}), "user": 1}, **options)


    @shared_task
    def plain(order_id, template, copies=1): ...


    @job(bind=True, autoretry_for=(ValueError,), ignore_result=True)
    def bound(self, order_id, *, template, copies=1): ...


    @app.task
    def of_app(order_id, /, template="x"): ...


    @made.task(name=NAME)
    def of_factory(order_id): ...


    @built.task(name="built")
    def of_builder(order_id): ...


    @celery.current_app.task(typing=False)
    def of_current(*order_ids): ...


    @celery.shared_task
    def open_ended(order_id, **others): ...


    @shared_task
    @timed
    @locked(3)
    @writer()
    def wrapped(order_id): ...


    @shared_task
    @with_user
    def injected(order_id, user): ...


    @shared_task(base=Sending)
    def own_way(order_id, user): ...


    @task_of_ours(queue="slow")
    def ours(self, order_id): ...


    our_task = shared_task
    app_task = app.task


    @our_task(bind=True)
    def of_alias(self, order_id): ...


    @app_task
    def of_method_alias(order_id): ...


    def _plain(order_id): ...


    assigned = shared_task(_plain)
    assigned_with_options = app.task(name="assigned")(_plain)
    alias = plain


    class ContextTask(Task):
        def __call__(self, *args, **kwargs):
            log("called", kwargs.get("order_id"))
            with context():
                return Task.__call__(self, *args, **kwargs)


    class AddingTask(Task):
        def __call__(self, *args, **kwargs):
            kwargs["user"] = 1
            return self.run(*args, **kwargs)


    class Resize(ContextTask):
        name = "images.resize"
        max_retries = 3

        def run(self, path, width, height=None):
            self.retry(args=(path, width), kwargs={"height": 1})
            self.retry(args=(1, 2, 3, 4))
            self.update_state(state="x")


    class Smaller(Resize):
        pass


    class OfApp(app.Task):
        def run(self, path): ...


    class Generic(Task["P", "R"]):
        def run(self, path): ...


    class Abstract(Task):
        abstract = True

        def run(self): ...


    class Wrapped(Task):
        @with_user
        def run(self, path): ...


    resize = app.register_task(Resize())
    smaller = Smaller()
    registered = app.register_task(smaller)
    of_class = app.register_task(OfApp)
    generic = Generic()
    wrapped_class = Wrapped()


    @shared_task(base=AddingTask)
    def adding(order_id, user): ...


    @shared_task(base=ContextTask)
    def in_context(order_id): ...


    @shared_task(base=made_somewhere())
    def of_unknown_base(order_id): ...


    def popping(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            kwargs.pop("user", None)
            return function(*args, **kwargs)

        return wrapper


    @shared_task
    @popping
    def popped(order_id): ...


    @shared_task
    @kink.inject
    def provided(order_id, mailer): ...


    @app.task(bind=True)
    def again(self, order_id, template="x"):
        def inner():
            self.apply_async()

        self.retry()
        self.retry(exc=ValueError(), countdown=3)
        self.retry(kwargs={"template": "y"})
        self.retry(args=(1,), kwargs={"order": 1}, count_down=3)
        self.retry((1, 2, 3))
        self.app.send_task("shop.celery.plane")
        self.delay()


    @app.task
    def not_bound(self, order_id):
        self.delay()
        not_bound.retry(kwargs={"order": 1})


    def register(other: Celery) -> None:
        @other.task
        def inner(order_id): ...

        inner.delay(1, 2)
"""
PROJECT = {
    "pyproject.toml": "",
    "shop/__init__.py": "",
    "shop/celery.py": TASKS,
    "shop/tasks.py": "from shop.celery import *\n",
}


def check(shell: Shell, calls: str) -> list[str]:
    """Return what is reported of a file with these calls, a line each: `line: message`."""
    shell.write(PROJECT)
    imports = """\
from asyncio import to_thread
from functools import partial
from celery import chain, chord, group, signature
from shop import celery as m
from shop.celery import app, built, plain
"""
    (shell.root / "shop/calls.py").write_text(imports + calls, encoding="utf-8")
    done = shell.run("celery", "check", "shop/calls.py")
    assert done.err == ""
    messages = re.findall(r"^shop/calls.py:\d+:\d+: \w+\[UPN60\d\]: (.*)$", done.out, re.MULTILINE)
    return [re.sub(r'^task "(\w+)" is called ', r"\1 ", message) for message in messages]


RIGHT = """
plain.delay(1, "x")
plain.delay(order_id=1, template="x", copies=2)
plain.delay(*values)
plain.delay(**values)
plain.delay(1, **values)
plain.apply_async((1, "x"), countdown=10)
plain.apply_async([1], {"template": "x"}, queue="slow", routed_by_ours=1)
plain.apply_async(args=(1,), kwargs=dict(template="x"), eta=None, link=plain.s(1))
plain.apply_async(args, kwargs)
plain.apply_async(kwargs={"order_id": 1, **others})
plain.apply_async(args=(1, *others))
plain.apply_async(**values)
plain.apply_async([], dict(order_id=1, template="x"))
plain.signature("x")
plain.apply({1, 2})
app.send_task("mails.send", [1], ())
plain.s("x")
plain.s()
plain.s(copies=1)
plain.s(1).delay("x")
plain.si(1, "x")
chain(plain.s(1, "x"), plain.s("x"))()
plain.signature((1,), immutable=False)
plain(1, 2, 3, 4)
m.bound.delay(1, template="x")
m.bound.apply_async((1,), {"template": "x"})
m.of_app.delay(1)
m.of_factory.delay(order_id=1)
m.of_builder.delay(1)
m.of_current.delay(1, 2, 3)
m.open_ended.delay(1, any=2)
m.wrapped.delay(1)
m.injected.delay(1)
m.own_way.delay(1)
m.ours.delay(1)
m.assigned.delay(1)
m.assigned_with_options.delay(1)
m.alias.delay(1, "x")
app.send_task("shop.celery.plain", (1, "x"))
app.send_task("mails.send", kwargs={"order_id": 1})
app.send_task("billing.tasks.charge", args=(1,))
app.send_task("celery.backend_cleanup")
app.send_task(name)
signature("shop.celery.plain", args=(1,))
other.delay(1, 2, 3)
m.resize.delay("a", 1)
m.registered.delay("a", width=1)
m.of_class.apply_async(("a",))
m.generic.delay("a")
m.OfApp().delay("a")
m.OfApp.delay("a", "b", "c")
m.wrapped_class.delay()
m.adding.delay(1)
m.of_unknown_base.delay()
m.popped.delay(1, user=2)
m.provided.delay(1)
app.send_task("images.resize", ("a", 1))
app.send_task("shop.celery.OfApp", ("a",))
chain(plain.s(1, "x"), plain.s("x"), plain.si(1, "x"))()
chain(plain.s("x"), plain.s("x"))
chain(*others, plain.s(1, "x"))()
chain([plain.s(1, "x"), plain.s("x").set(queue="slow")]).apply_async(countdown=3)
chain(plain.s("x"))(1)
chain(plain.s("x")).apply_async((1,))
chain(plain.s("x")).apply_async(**options)
(plain.s(1, "x") | plain.s("x") | group(plain.s("x"), plain.s("y"))).delay()
group(plain.s(each, "x") for each in others)()
group([plain.s("x") for each in others])
chord([plain.s(1, "x")], plain.s("x"))()
chord(plain.s(each, "x") for each in others)(plain.s("x"))
plain.apply_async((1, "x"), link=[plain.s("x"), plain.si(1, "x")])
app.add_periodic_task(3, plain.s(1, "x"), name="plain")
app.add_periodic_task(3, plain.s(), (1, "x"))
partial(plain.delay, 1)
partial(plain.apply_async, (1, "x"), countdown=3)
transaction.on_commit(partial(plain.delay, 1, "x"))
to_thread(plain.delay, 1, "x")
SCHEDULE = {"a": {"task": "shop.celery.plain", "schedule": 3, "args": (1, "x")}, "b": {"task": 3, "schedule": 3}}
dict(task="mails.send", schedule=3, **others)
dict(a={"task": "mails.send", "schedule": 3, "args": "1"}, b={"task": "mails.send", "schedule": 3, "args": {1}})


def local(plain):
    plain.delay(1)
"""


def test_nothing_is_reported_of_calls_that_fit_or_may_fit(empty: Shell) -> None:
    assert check(empty, RIGHT) == []


WRONG = {
    "plain.delay(1)": 'plain without "template"',
    "plain.delay()": 'plain without "order_id" and "template"',
    "plain.delay(1, 'x', 3, 4)": "plain with 4 positional arguments but takes 3",
    "plain.delay(1, 'x', order_id=1)": 'plain with "order_id" twice, by position and by name',
    "plain.delay(1, templat='x')": 'plain with "templat", which it does not take, and without "template"',
    "plain.apply_async((1,))": 'plain without "template"',
    "plain.apply_async()": 'plain without "order_id" and "template"',
    "plain.apply_async([1, 2], {'copies': 1, 'x': 2})": 'plain with "x", which it does not take',
    "plain.apply_async(kwargs=dict(order_id=1))": 'plain without "template"',
    "plain.apply_async('x')": "plain with args='x', which is neither a tuple nor a list",
    "plain.apply_async({'order_id': 1, 'template': 'x'})": "plain with a dict as args",
    "plain.apply_async(args={1, 2})": "plain with args={1, 2}, which is neither a tuple nor a list",
    "plain.apply_async((1, 'x'), [('copies', 1)])": "plain with kwargs=[('copies', 1)], which is not a dict",
    "app.send_task('shop.celery.plain', f'{m}', kwargs=(1,))": (
        "plain with args=f'{m}', which is neither a tuple nor a list"
    ),
    "plain.apply_async(args=(1, 2), count_down=3)": (
        'apply_async has no option "count_down", and Celery ignores it silently'
    ),
    "plain.apply_async(args=(1,), template='x')": (
        '"template" is a parameter of task "plain", but is given to apply_async as an option'
    ),
    "plain.s(1, 2, 3, 4)": "plain with 4 positional arguments but takes 3",
    "plain.s(tmplate=1)": 'plain with "tmplate", which it does not take',
    "plain.s(1).delay()": 'plain without "template"',
    "plain.s(1).apply_async()": 'plain without "template"',
    "plain.si(1)": 'plain without "template"',
    "plain.signature((1,), immutable=True)": 'plain without "template"',
    "plain.apply((1,))": 'plain without "template"',
    "plain.delay_on_commit(1)": 'plain without "template"',
    "call(lambda: plain.delay(1))": 'plain without "template"',
    "m.bound.delay(m, 1, template='x')": "bound with 2 positional arguments but takes 1",
    "m.of_app.delay(order_id=1)": 'of_app with "order_id", which it does not take, and without "order_id"',
    "m.of_factory.delay()": 'of_factory without "order_id"',
    "m.of_builder.delay()": 'of_builder without "order_id"',
    "m.of_current.delay(order_id=1)": 'of_current with "order_id", which it does not take',
    "m.open_ended.delay(any=2)": 'open_ended without "order_id"',
    "m.wrapped.delay()": 'wrapped without "order_id"',
    "m.ours.delay()": 'ours without "order_id"',
    "m.assigned.delay()": '_plain without "order_id"',
    "m.assigned_with_options.delay()": '_plain without "order_id"',
    "m.of_alias.delay()": 'of_alias without "order_id"',
    "m.of_method_alias.delay(1, 2)": "of_method_alias with 2 positional arguments but takes 1",
    "m.alias.delay()": 'plain without "order_id" and "template"',
    "app.send_task('shop.celery.plain', (1,))": 'plain without "template"',
    "app.send_task(name='mails.send', kwargs={'id': 1})": (
        'of_factory with "id", which it does not take, and without "order_id"'
    ),
    "built.send_task('shop.celery.plane')": 'no task is named "shop.celery.plane"',
    "app.send_task('shop.celery.nothing_near')": 'no task is named "shop.celery.nothing_near"',
    "signature('shop.celery.plain', kwargs={'order': 1})": 'plain with "order", which it does not take',
    "x = {'task': 'shop.celery.plain', 'schedule': 3, 'args': (1,)}": 'plain without "template"',
    "plain.s(tmplate=1).delay('x')": 'plain with "tmplate", which it does not take, and without "template"',
    "m.resize.delay('a')": 'Resize without "width"',
    "m.registered.delay('a')": 'Smaller without "width"',
    "m.of_class.delay('a', 'b')": "OfApp with 2 positional arguments but takes 1",
    "m.generic.delay()": 'Generic without "path"',
    "m.Resize().delay(x=1)": 'Resize with "x", which it does not take, and without "path" and "width"',
    "m.in_context.delay()": 'in_context without "order_id"',
    "app.send_task('images.resize', ('a',))": 'Resize without "width"',
    "app.send_task('images.rezise', ('a', 1))": 'no task is named "images.rezise"',
    "chain(plain.s(1, 'x'), plain.s())": 'plain without "template"',
    "chain(plain.s(1))()": 'plain without "template"',
    "chain(plain.s(1, 'x'), plain.s('x', order_id=2))": (
        'plain with "order_id" twice, by the result of the task before it and by name'
    ),
    "chain([other, plain.s(1, 2, 3)])": (
        "plain with 4 positional arguments, the result of the task before it included, but takes 3"
    ),
    "(plain.s(1, 'x') | m.of_factory.s(1))": (
        "of_factory with 2 positional arguments, the result of the task before it included, but takes 1"
    ),
    "(plain.s(1) | other).delay()": 'plain without "template"',
    "x = other | group(plain.s(), plain.s('x'))": 'plain without "template"',
    "group(plain.s(each) for each in other)()": 'plain without "template"',
    "group([plain.s(1), plain.s(1, 'x')]).apply_async(countdown=3)": 'plain without "template"',
    "chord([plain.s(1)], plain.s('x'))()": 'plain without "template"',
    "chord(other)(plain.s())": 'plain without "template"',
    "chord(other, body=plain.s())": 'plain without "template"',
    "plain.apply_async((1, 'x'), link=plain.s())": 'plain without "template"',
    "app.add_periodic_task(3, plain.s(1), name='plain')": 'plain without "template"',
    "partial(plain.delay, 1, 2, 3, 4)": "plain with 4 positional arguments but takes 3",
    "transaction.on_commit(partial(plain.delay, 1))": 'plain without "template"',
    "to_thread(plain.delay, 1)": 'plain without "template"',
    "x = {'task': 'shop.celery.plian', 'schedule': 3}": 'no task is named "shop.celery.plian"',
    "x = {'task': 'mails.send', 'schedule': 3, 'args': ('abc')}": (
        "of_factory with args='abc', which is neither a tuple nor a list"
    ),
    "x = {'task': 'mails.send', 'schedule': 3, 'args': (3)}": (
        "of_factory with args=3, which is neither a tuple nor a list"
    ),
    "x = dict(task='mails.send', schedule=3, kwargs=['abc'])": "of_factory with kwargs=['abc'], which is not a dict",
    "x = dict(task='mails.send', schedule=3)": 'of_factory without "order_id"',
}


def test_calls_that_cannot_work_are_reported_each_once(empty: Shell) -> None:
    assert check(empty, "\n".join(WRONG)) == list(WRONG.values())


def test_tasks_whose_calls_are_not_checked_are_named(empty: Shell) -> None:
    """What a decorator above makes of them is not known; without a word their calls would pass for right ones."""
    task = "@wrapped\n@shared_task\ndef {0}(n: int) -> None: ...\n"
    head = "from celery import shared_task\nfrom lib import wrapped\n"
    empty.write({"tasks.py": head + "".join(map(task.format, (f"t{number}" for number in range(12))))})
    done = empty.run("celery", "check")
    assert done.code == 0
    note, total = done.out.splitlines()[0], done.out.splitlines()[-1]
    assert note.startswith(
        "note: calls of these tasks are not checked, as a decorator may change what they take: t0 (tasks.py:5), t1 ("
    )
    assert note.endswith(" t9 (tasks.py:32) and 2 more")
    assert total == "12 tasks, 0 calls in 1 file: nothing to report"


def test_calls_in_the_file_of_their_tasks_are_checked_with_self_for_the_task_that_it_is(empty: Shell) -> None:
    empty.write(PROJECT)
    done = empty.run("celery", "check")
    assert re.findall(r"\[UPN60\d\]: (.*)$", done.out, re.MULTILINE) == [
        'task "Resize" is called with 4 positional arguments but takes 3',
        'task "again" is called without "order_id"',
        'task "again" is called with "order", which it does not take',
        'retry has no option "count_down", and Celery ignores it silently',
        'task "again" is called with 3 positional arguments but takes 2',
        'no task is named "shop.celery.plane"',
        'task "again" is called without "order_id"',
        'task "not_bound" is called with "order", which it does not take',
        'task "inner" is called with 2 positional arguments but takes 1',
    ]
    assert done.out.endswith("28 tasks, 12 calls in 3 files: 9 errors\n")
    assert done.code == 1


OF_APPS = {
    "handed on": ("app = Celery('a', task_cls=Own)", "with context():\n            return self.run(*args, **kwargs)"),
    "changed": ("app = Celery('a', task_cls=Own)", "return self.run(1, *args, **kwargs)"),
    "changed, set later": (
        "app = Celery('a')\napp.Task = Own",
        "kwargs.update(user=1)\n        self.run(*args, **kwargs)",
    ),
    "changed, by its name": ("app = Celery('a', task_cls='shop:Own')", "return self.run(*args)"),
    "changed, of a class of apps": (
        "class App(Celery):\n    task_cls = 'shop.Own'\napp = App('a')",
        "add_user(kwargs)\n        return super().__call__(*args, **kwargs)",
    ),
    "handed on, sent": ("app = Celery('a', task_cls=Sending)", "return self.run(*args, **kwargs)"),
    "handed on, sent by name": ("app = Celery('a', task_cls=Durable)", "return self.run(*args, **kwargs)"),
    "handed on, of a function": ("app = Celery('a', task_cls=made_for(1))", "return self.run(*args, **kwargs)"),
    "changed, of a function": ("app = Celery('a', task_cls=made_for(1))", "return self.run(1, *args, **kwargs)"),
    "of either of two": ("app = Celery('a', task_cls=either_for(1))", "return self.run(*args, **kwargs)"),
    "sent with more": ("app = Celery('a', task_cls=Adding)", "return self.run(*args, **kwargs)"),
    "sent in another way": ("app = Celery('a', task_cls=Other)", "return self.run(*args, **kwargs)"),
    "not known": ("app = Celery('a', task_cls=own_of(3))", "return self.run(*args, **kwargs)"),
}


SENDING = """
def made_for(app):
    class Made(Own):
        abstract = True
    return Made

def either_for(app):
    if app:
        return Own
    return unknown(app)

class Sending(Own):
    def apply_async(self, *args, **kwargs):
        on_commit(lambda: super(Sending, self).apply_async(*args, **kwargs))

class Durable(Own):
    def apply_async(self, args=None, kwargs=None, **options):
        store(dumps(args), dumps(kwargs))
        return super().apply_async(args=args, kwargs=kwargs, task_id=1, **options)

class Adding(Own):
    def apply_async(self, args=None, kwargs=None, **options):
        kwargs = {**kwargs, "user": 1}
        return super().apply_async(args, kwargs, **options)

class Other(Own):
    def apply_async(self, *args):
        return super().apply_async(args)
"""


@pytest.mark.parametrize("case", OF_APPS)
def test_tasks_of_an_app_whose_class_may_change_arguments_are_left_alone(empty: Shell, case: str) -> None:
    app, body = OF_APPS[case]
    own = f"class Own(Task):\n    def __call__(self, *args, **kwargs):\n        {body}\n"
    text = f"from celery import Celery, Task\n\n{own}\n{SENDING}\n{app}\n@app.task\ndef f(x, user): ...\n\nf.delay(1)\n"
    empty.write({"shop.py": text})
    assert empty.run("celery", "check").code == case.startswith("handed on")


def test_names_that_an_app_gives_in_a_way_of_its_own_are_not_known(empty: Shell) -> None:
    own = "class App(Celery):\n    def gen_task_name(self, name, module):\n        return f'{module}:{name}'\n"
    text = "app = App('a')\n@app.task\ndef f(x): ...\n\napp.send_task('shop:f', (1,))\napp.send_task('shop.g', (1,))\n"
    empty.write({"shop.py": f"from celery import Celery\n{own}{text}"})
    assert empty.run("celery", "check").out == "1 task, 2 calls in 1 file: nothing to report\n"


def test_a_maker_has_any_name_and_any_file(empty: Shell) -> None:
    """A file that makes tasks need not say `task` anywhere."""
    empty.write(
        {
            "shop/__init__.py": "",
            "shop/first.py": "from celery import shared_task as st\n@st\ndef f(x): ...\n@st(name='g')\ndef g(x): ...\n",
            "shop/makers.py": (
                "from celery import shared_task\ndef job(**options):\n    return shared_task(**options)\n"
            ),
            "shop/second.py": "from shop.makers import job as slow\n@slow(queue='slow')\ndef h(x): ...\n",
            "shop/third.py": "from company.celery import app\n@app.task\ndef i(x): ...\n",
            "shop/fourth.py": "from flask_celery import Celery\nmade = Celery()\n@made.task\ndef j(x): ...\n",
            "shop/fifth.py": (
                "from company import bus\n@bus.task\ndef k(x): ...\n@bus.task(name='shop.l')\ndef m(x): ...\n"
            ),
            "shop/calls.py": (
                "from celery import current_app, signature\nfrom shop.third import i\nfrom shop.fourth import j\n"
                + "".join(
                    f"current_app.send_task('{name}', (1,))\n"
                    for name in ("shop.first.f", "g", "shop.second.h", "shop.fifth.k", "shop.l", "shop.nothing")
                )
                + "i.delay()\nj.delay()\nsignature('shop.second.h', (1, 2))\n"
            ),
        }
    )
    done = empty.run("celery", "check")
    assert re.findall(r"\[UPN60\d\]: (.*)$", done.out, re.MULTILINE) == [
        'no task is named "shop.nothing"',
        'task "i" is called without "x"',
        'task "j" is called without "x"',
        'task "h" is called with 2 positional arguments but takes 1',
    ]
    assert "\n5 tasks, 9 calls in 8 files: " in done.out


MAKERS = """
import functools
from celery import shared_task, Celery
app = Celery("x")

def bare(function):
    return app.task(function)

def with_options(function):
    return shared_task(bind=True, acks_late=True)(function)

def nested(**options):
    def decorate(function):
        return shared_task(**options)(function)
    return decorate

def queued(queue, **options):
    def decorate(function):
        return app.task(function, queue=queue, **options)
    return decorate

def either(function=None, **options):
    if function is not None:
        return shared_task(function)
    return shared_task(**options)

def handing_on(*args, **options):
    return shared_task(*args, **options)

def binding(**options):
    options.setdefault("bind", True)
    return shared_task(**options)

def looping(function):
    return looping(function)

def defaulting(*args, **options):
    if len(args) == 1 and callable(args[0]) and not options:
        return shared_task(queue="slow")(args[0])
    options.setdefault("queue", "slow")
    if options.get("queue") == "fast":
        options["priority"] = options.pop("urgency")
    options["bind"] = True
    def task(function):
        return shared_task(*args, **options)(function)
    return task

def chained(**options):
    return nested(acks_late=True, **options)

RETRIES = dict(max_retries=3, bind=True)

def wrapping(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        log(args, kwargs["x"])
        return function(*args, **kwargs)
    return app.task(**RETRIES)(wrapper)

def serial(key, **options):
    def decorate(function):
        @defaulting(**options)
        @functools.wraps(function)
        def inner(self, *args, **kwargs):
            if not lock(key_of(key, function, *args, **kwargs)):
                self.retry()
            return function(*args, **kwargs)
        return inner
    return decorate

def instrumented(name, **options):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(self, *args, **kwargs):
            return function(self, *args, **kwargs)
        options["trail"] = False
        task = app.task(name=name, **options)(wrapper)
        if limited:
            return limit(task)
        return task
    return decorate

retried = shared_task(max_retries=3, bind=True)
part = functools.partial(app.task, bind=True)

def spreading(*args, **options):
    return app.task(*args, **dict({"queue": "slow"}, **options))

def displayed(**options):
    return app.task(**{"queue": "slow", **options, "bind": True})

class Keeping:
    def __init__(self, *args, **options):
        self.args = args
        self.options = options

    def __call__(self, function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            return function(*args, **kwargs)
        task = shared_task(*self.args, **self.options)(inner)
        return task

class Losing(Keeping):
    def __init__(self, **options):
        self.options = {}

    def __call__(self, function):
        return shared_task(**self.options)(function)

def sometimes(**options):
    if limited:
        options["bind"] = True
    return shared_task(**options)

def adding(function):
    @shared_task
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, user=1, **kwargs)
    return wrapper

def changing(function):
    def changed(*args):
        return function(1, *args)
    return shared_task(changed)

def not_of_it(function):
    return shared_task(not_of_it)

def deep(function):
    @deep
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper

LATER = {"acks_late": True}
LATER["bind"] = True
"""


def test_a_decorator_that_makes_a_task_of_what_it_is_given_makes_tasks(empty: Shell) -> None:
    decorators = {
        "bare": "x",
        "with_options": "self, x",
        "nested(bind=True)": "self, x",
        "queued('slow', bind=True)": "self, x",
        "either": "x",
        "either(bind=True)": "self, x",
        "handing_on": "x",
        "handing_on(bind=True)": "self, x",
        "binding()": "self, x",
        "defaulting": "x",
        "defaulting(queue='fast', bind=False)": "self, x",
        "chained(bind=True)": "self, x",
        "nested(**RETRIES)": "self, x",
        "wrapping": "self, x",
        "serial('{x}')": "x",
        "instrumented(name='named', bind=True)": "self, x",
        "instrumented('placed', bind=True)": "self, x",
        "retried": "self, x",
        "part": "self, x",
        "part(queue='slow')": "self, x",
        "spreading(bind=True)": "self, x",
        "displayed()": "self, x",
        "Keeping(bind=True)": "self, x",
        # What these take is not known.
        "Losing(bind=True)": "self, x",
        "sometimes()": "self, x",
        "adding": "x, user",
        "changing": "one, x",
        "nested(**LATER)": "self, x",
        "nested(**others)": "self, x",
        "looping": "x",
        "not_of_it": "x",
        "deep": "x",
    }
    jobs = [f"@{each}\ndef f{number}({takes}): ...\n" for number, (each, takes) in enumerate(decorators.items())]
    calls = [f"f{number}.delay()\n" for number in range(len(jobs))]
    calls += [f"app.send_task('{name}')\n" for name in ("named", "placed", "jobs.f13")]
    empty.write(
        {"makers.py": MAKERS, "jobs.py": "from makers import *\n" + "".join(jobs), "a.py": "from jobs import *\n"}
    )
    (empty.root / "calls.py").write_text("from jobs import *\n" + "".join(calls), encoding="utf-8")
    done = empty.run("celery", "check")
    named = ["f15", "f16", "f13"]
    assert re.findall(r'"(f\d+)" is called without "x"', done.out) == [f"f{number}" for number in range(23)] + named
    assert done.out.endswith("29 tasks, 33 calls in 4 files: 26 errors\n")


def test_tasks_are_found_by_the_names_that_celery_gave_until_its_fifth_version(empty: Shell) -> None:
    imports = {
        "from celery.task import task": "task",
        "from celery.task import task as t": "t(name='b')",
        "from celery import task": "task()",
        "from celery.decorators import task, periodic_task": "periodic_task(run_every=10)",
        "from celery.decorators import periodic_task as every": "every(run_every=10)",
        "import celery": "celery.task",
        # What a package around Celery has for those that are no more.
        "from company.celery_tools.periodic import periodic_task": "periodic_task(run_every=10)",
        "from company.celery import ShopCelery\nshop = ShopCelery()": "shop.task",
    }
    empty.write(
        {
            f"tasks{number}.py": f"{each}\n@{decorator}\ndef f{number}(x): ...\nf{number}.delay()\n"
            for number, (each, decorator) in enumerate(imports.items())
        }
        | {"old.py": "from celery.task import Task\nclass Old(Task):\n    def run(self, x): ...\nOld.delay()\n"}
    )
    done = empty.run("celery", "check")
    assert re.findall(r'"(\w+)" is called without "x"', done.out) == [f"f{number}" for number in range(8)]
    assert done.out.endswith("9 tasks, 8 calls in 9 files: 8 errors\n")


def test_tasks_that_another_file_has_the_run_of_and_modules_that_a_call_imports_are_found(empty: Shell) -> None:
    """A base may give a class its name, so that it is not known."""
    call = 'import importlib\n\ndef f(app):\n    tasks = importlib.import_module("tasks")\n    tasks.send.delay()\n'
    empty.write(
        {
            "bases.py": "from celery import Task\nclass Base(Task):\n    abstract = True\n    def run(self, x): ...\n",
            "small.py": "from bases import Base as BaseTask\nclass Small(BaseTask): ...\n",
            "named.py": "from bases import Base as BaseTask\nclass Named(BaseTask, name='named'): ...\n",
            "tasks.py": "from celery import shared_task\n@shared_task\ndef send(x): ...\n",
            "calls.py": f"{call}    importlib.import_module('tasks').send.delay(1, 2)\n",
            "more.py": "from celery import current_app as app\napp.send_task('small.Small')\napp.send_task('named')\n",
        }
    )
    done = empty.run("celery", "check")
    assert re.findall(r"\[UPN60\d\]: (.*)$", done.out, re.MULTILINE) == [
        'task "send" is called without "x"',
        'task "send" is called with 2 positional arguments but takes 1',
        'task "Small" is called without "x"',
    ]
    assert done.out.endswith("3 tasks, 4 calls in 6 files: 3 errors\n")


def test_tasks_are_found_in_folders_that_only_the_running_process_imports_from(empty: Shell) -> None:
    """Where two have the module, neither is meant for certain."""
    task = "from celery import shared_task\n@shared_task\ndef {}(x): ...\n"
    empty.write(
        {
            "shop/packages/mail/tasks.py": task.format("send"),
            "shop/packages/mail/__init__.py": "",
            "one/twice/tasks.py": task.format("first"),
            "two/twice/tasks.py": task.format("second"),
            "other/json/tool.py": task.format("main"),
            "calls.py": (
                "from mail import tasks\nfrom mail.tasks import send\nfrom twice.tasks import first\n"
                "from json.tool import main\nsend.delay()\ntasks.send.delay()\nfirst.delay()\nmain.delay()\n"
            ),
        }
    )
    done = empty.run("celery", "check")
    assert re.findall(r"^calls.py:(\d+):\d+: error\[UPN601\]", done.out, re.MULTILINE) == ["5", "6"]
    assert done.out.endswith("4 tasks, 2 calls in 6 files: 2 errors\n")


def test_a_project_without_celery_has_nothing_to_report(empty: Shell) -> None:
    empty.write({"shop/__init__.py": "", "shop/other.py": "app = object()\n\n@app.task\ndef f(x): ...\n\nf.delay()\n"})
    done = empty.run("celery", "check")
    assert (done.code, done.out, done.err) == (0, "0 tasks, 0 calls in 2 files: nothing to report\n", "")


NAMES = {
    "two apps may have a task of one name": (
        0,
        "a = Celery('a')",
        "b = Celery('b')",
        "@a.task(name='x')",
        "@b.task(name='x')",
    ),
    "a shared task is one of every app": (1, "a = Celery('a')", "", "@a.task(name='x')", "@shared_task(name='x')"),
    "two services may each have a shared task of one name": (
        0,
        "from other import app",
        "b = Celery('b')",
        "@shared_task(name='x')",
        "@shared_task(name='x')",
    ),
    "one app has one task of a name": (1, "a = Celery('a')", "b = a", "@a.task(name='x')", "@b.task(name='x')"),
    "a function that is defined twice is one task": (1, "", "", "@shared_task", "@shared_task"),
    "names that are not known are not compared": (0, "", "", "@shared_task(name=f())", "@shared_task(name=f())"),
}


@pytest.mark.parametrize("case", NAMES)
def test_two_tasks_of_one_name_are_reported_where_one_takes_the_place_of_the_other(empty: Shell, case: str) -> None:
    count, *lines, first, second = NAMES[case]
    text = "\n".join(
        ["from celery import Celery, shared_task", *lines, first, "def f(): ...", second, "def f(): ...", ""]
    )
    empty.write({"shop.py": text})
    if "import app" in text:
        empty.write({"other.py": "from celery import Celery\napp = Celery('other')\n"})
    done = empty.run("celery", "check")
    assert done.out.count("[UPN603]") == count, done.out


def test_the_arms_of_a_condition_are_one_task(empty: Shell) -> None:
    arm = "    @shared_task\n    def f(order_id): ...\n"
    empty.write({"shop.py": f"from celery import shared_task\nif x:\n{arm}else:\n{arm}\n"})
    assert empty.run("celery", "check").code == 0


def test_findings_are_silenced_and_narrowed_and_reported_as_elsewhere(empty: Shell) -> None:
    task = "from celery import shared_task\n\n@shared_task\ndef f(x): ...\n"
    empty.write({"a.py": f"{task}\nf.delay()\n", "b.py": "from a import f\nf.delay()  # upnext: ignore[UPN601]\n"})
    done = empty.run("celery", "check", "--format", "json")
    found = json.loads(done.out)
    assert [(each["code"], each["file"], each["line"]) for each in found["diagnostics"]] == [("UPN601", "a.py", 6)]
    assert (found["tasks"], found["calls"], found["files_scanned"]) == (1, 2, 2)
    assert empty.run("celery", "check", "b.py").code == 0
    empty.write({"pyproject.toml": '[tool.upnext]\nignore = ["UPN601"]\n'})
    assert empty.run("celery", "check").code == 0


def test_a_file_that_cannot_be_read_is_reported_and_the_others_are_checked(empty: Shell) -> None:
    empty.write(
        {"a.py": "from celery import shared_task\n\n@shared_task\ndef f(x): ...\nf.delay()\n", "b.py": "f.delay(\n"}
    )
    done = empty.run("celery", "check")
    assert re.findall(r"(\S+):\d+:\d+: error\[(UPN\d+)\]", done.out) == [("a.py", "UPN601"), ("b.py", "UPN001")]


def test_a_path_that_does_not_exist_is_a_fault(empty: Shell) -> None:
    done = empty.run("celery", "check", "nowhere.py")
    assert (done.code, done.out) == (2, "")
    assert "does not exist" in done.err


TYPED = "from upnext_celery import shared_task\n\n@shared_task\ndef f(x: int, /, y=1, *args, z, **kwargs): ...\n"


def test_the_file_of_types_is_asked_for_where_the_project_imports_it(empty: Shell) -> None:
    empty.write({"shop.py": TYPED.replace("upnext_celery", "celery")})
    assert empty.run("celery", "check").code == 0
    empty.write({"shop.py": TYPED})
    done = empty.run("celery", "check")
    assert (done.code, "error[UPN301]: upnext_celery.pyi was never generated" in done.out) == (1, True)
    assert "help: run `upnext celery gen`" in done.out
    done = empty.run("celery", "gen")
    assert (done.code, done.out) == (0, "wrote upnext_celery.pyi\n1 task, 0 calls in 1 file: nothing to report\n")
    written = empty.text("upnext_celery.pyi")
    assert (
        "def __call__(self, x: _C1, /, y: _C2 = ..., *args: _Never, z: _C3, **kwargs: _Never) -> _R_co: ..." in written
    )
    assert empty.run("celery", "check").out.startswith("up to date: upnext_celery.pyi\n")
    empty.write({"shop.py": TYPED.replace("*args, ", "*, ")})
    done = empty.run("celery", "check")
    assert (done.code, "error[UPN301]: upnext_celery.pyi is out of date" in done.out) == (1, True)
    empty.run("celery", "gen")
    written = empty.text("upnext_celery.pyi")
    assert "def __call__(self, x: _C1, /, y: _C2 = ..., *, z: _C3, **kwargs: _Never) -> _R_co: ..." in written


def test_what_the_file_of_types_names_is_there_at_run_time(empty: Shell) -> None:
    own = "from upnext_celery import Celery, Task, shared_task\n\nclass Own(Task):\n    def run(self, x): ...\n"
    empty.write({"shop.py": f"{own}\nCeleryTask, Shop = Task, Celery\nOwn().delay()\n"})
    done = empty.run("celery", "gen")
    assert 'task "Own" is called without "x"' in done.out
    public = set(re.findall(r"^(?:class )?([A-Za-z]\w*)[(:]", empty.text("upnext_celery.pyi"), re.MULTILINE))
    assert public == set(upnext_celery.__all__)


def test_types_of_parameters_do_not_change_the_file(empty: Shell) -> None:
    empty.write({"shop.py": TYPED})
    empty.run("celery", "gen")
    before = empty.text("upnext_celery.pyi")
    empty.write({"shop.py": TYPED.replace("int", "list[str]")})
    assert empty.run("celery", "gen").out.startswith("up to date: upnext_celery.pyi\n")
    assert empty.text("upnext_celery.pyi") == before


def test_a_project_without_tasks_and_one_of_names_that_no_protocol_can_have_are_written(empty: Shell) -> None:
    assert empty.run("celery", "gen").code == 0
    task = "from celery import shared_task\n\n@shared_task\n"
    empty.write({"shop.py": f"{task}def f(self, x): ...\n\n{task}def g(__x, y): ...\n\n{task}def h(a, b): ...\n"})
    assert empty.run("celery", "gen").out.startswith("wrote upnext_celery.pyi\n3 tasks, 0 calls")


def test_the_catalog_and_the_file_of_celery_leave_each_other_alone(empty: Shell) -> None:
    empty.write({"shop.py": TYPED})
    empty.run("celery", "gen")
    assert empty.run("gen").code == 0
    assert empty.run("celery", "check").code == 0
    assert empty.run("gen", "--check").code == 0


def test_a_file_of_somebody_else_is_not_replaced(empty: Shell) -> None:
    empty.write({"shop.py": TYPED, "upnext_celery.pyi": "mine: int\n"})
    done = empty.run("celery", "gen")
    assert (done.code, "error[UPN302]" in done.out) == (1, True)
    assert empty.text("upnext_celery.pyi") == "mine: int\n"
