"""The classes of the standard library that the runtime takes in no form: `python -m tests.codegen.standard_classes`.

It asks the runtime for each class of some modules, bare and with type arguments, and writes the table that
`upnext gen` reads. Exceptions of `builtins` are left out: the scanner knows them without a table. A second table has
classes of well-known libraries, chosen by hand; tests ask the runtime for those that are installed.
"""

from __future__ import annotations

import importlib
import textwrap
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from upnext import ConfigError
from upnext.payload.codec import Codec

TABLE = Path(__file__).parents[2] / "codegen/upnext_codegen/handlers/standard_classes.txt"
LIBRARIES = {
    module: names.split()
    for module, _, names in (
        line.partition(":") for line in TABLE.with_name("library_classes.txt").read_text("utf-8").splitlines()
    )
}
"""The classes of libraries, by module."""

_NAMES = """
    argparse array asyncio builtins bz2 calendar cmd codecs collections collections.abc concurrent.futures
    configparser contextlib csv ctypes datetime decimal difflib dis email.message enum fileinput ftplib functools
    gettext graphlib gzip hmac html.parser http.client http.cookiejar http.cookies http.server imaplib inspect io
    itertools json logging logging.handlers lzma mailbox mimetypes mmap multiprocessing multiprocessing.pool netrc
    numbers operator optparse os pdb pickle platform plistlib poplib pprint queue random re reprlib sched select
    selectors shelve shlex signal smtplib socket socketserver sqlite3 ssl statistics string struct subprocess
    symtable tarfile tempfile textwrap threading time timeit tokenize trace traceback tracemalloc types typing
    unittest unittest.mock urllib.error urllib.parse urllib.request urllib.robotparser warnings wave weakref
    xml.dom.minidom xml.etree.ElementTree xmlrpc.client zipfile
"""
MODULES = _NAMES.split()
_OF_PARTS = frozenset({"asyncio", "concurrent.futures", "multiprocessing", "unittest"})
"""Packages whose classes are defined in modules of theirs."""
_ARGUMENTS: tuple[Any, ...] = (int, (str, int), (str, int, int))


def is_refused(cls: Any) -> bool:
    """Whether the runtime takes a class neither bare nor with arguments."""
    return not any(_takes(form) for form in _forms(cls))


def classes(module: str) -> Iterator[tuple[str, Any]]:
    """Yield the public classes that a module defines, but for the exceptions of `builtins`."""
    for name, value in sorted(vars(importlib.import_module(module)).items()):
        if name.startswith("_") or not isinstance(value, type):
            continue
        defined = value.__module__.lstrip("_") == module or module in {"builtins", "types"}
        in_part = module in _OF_PARTS and value.__module__.startswith(f"{module}.")
        if (defined or in_part) and not (module == "builtins" and issubclass(value, BaseException)):
            yield name, value


def taken_of_library(module: str) -> list[str]:
    """Return what the runtime takes of the classes of a library in the table, or of what derives from them.

    Raises:
        ImportError: If it is not installed.
    """
    if module.partition(".")[0] == "django":
        _configure_django()
    found = importlib.import_module(module)
    return [name for name in LIBRARIES[module] if not all(map(is_refused, _with_derived(getattr(found, name))))]


def _with_derived(cls: Any) -> tuple[Any, Any]:
    namespace = {"__module__": "app", "Meta": type("Meta", (), {"abstract": True, "app_label": "app"})}
    return cls, types.new_class("Order", (cls,), {}, lambda body: body.update(namespace))


def _configure_django() -> None:
    import django
    from django.conf import settings

    settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"])
    django.setup()


def _forms(cls: Any) -> Iterator[Any]:
    yield cls
    for arguments in _ARGUMENTS if hasattr(cls, "__class_getitem__") else ():
        try:
            yield cls[arguments]
        except TypeError:
            continue  # it takes another number of them


def _takes(annotation: Any) -> bool:
    try:
        Codec({"field": (annotation, True)}, None, "event", "handler", {}).prepare()
    except ConfigError:
        return False
    return True


def _main() -> None:
    lines: list[str] = []
    for module in MODULES:
        refused = [name for name, value in classes(module) if is_refused(value)]
        lines += textwrap.wrap(f"{module}: {' '.join(refused)}", 110, subsequent_indent="    ") if refused else ()
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    _main()
