"""How far the scanner follows names and how deep it reads: beyond each limit something counts as unknown.

The limits keep it from running for ever, or out of stack, on sources that refer to themselves or that a program has
nested deeply.
"""

from __future__ import annotations

from typing import Final

MAX_EXPRESSION_DEPTH: Final = 80
"""Values that are worked out for one another; beyond that a value is not known, which is reported where it matters."""

MAX_NAME_MODULES: Final = 150
"""Modules that a name is followed through; beyond that it is not known, before Python runs out of its stack."""

MAX_CALLS_INWARD: Final = 5
"""Calls that an event is followed through from function to function; beyond that nothing becomes of it."""

MAX_CALL_IMPORTS: Final = 10
"""Imports that the name of a called function is followed through; beyond that it is not known."""

MAX_ANNOTATION_DEPTH: Final = 40
"""Types inside one another in an annotation; beyond that it is refused as nested too deeply."""

MAX_HELPERS: Final = 3
"""Functions that call each other until one makes a validator or a field; what is further in is not looked at."""

MAX_TYPE_ALIASES: Final = 20
"""Names that stand for one another in an annotation; beyond that nothing is known of the type."""

MAX_SHOWN_EXPRESSION_DEPTH: Final = 60
"""Expressions inside one another that a text shows; beyond that it has `...`."""

MAX_COMPARED_TYPE_DEPTH: Final = 4
"""Types inside one another whose arguments are told apart; beyond that they are alike. Some hold themselves."""

MAX_CHANGED_TYPE_DEPTH: Final = 40
"""Types inside one another in which changes are looked for; beyond that there is none."""

MAX_SHAPE_NAMES: Final = 40
"""Names of types that stand for one another in a row; beyond that it is not known what they mean."""

MAX_SCHEMA_DEPTH: Final = 60
"""JSON Schemas inside one another that are read; beyond that one takes anything."""

MAX_CELERY_STEPS: Final = 8
"""Names, calls, bases and decorators of Celery's that are followed one after the other; beyond that one is unknown."""
