"""What a payload or a result may hold: checked where it is written, typed where it is read.

The modules import one way: `encoding` and `results` -> `signature` -> `codec` -> `schemas`, `round_trip` ->
`problems`, `equality`, `unset`.
"""
