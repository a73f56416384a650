"""Selection: from ranked candidates to the row that is shown.

`select` applies everything, in one order; `needs` says what it reads. `fill_page` makes a page of rows, and `cursor`
cuts one list into pages. docs/selection.md tells what each rule does.
"""

from models.selection.blocks import Blocks
from models.selection.boosts import Boost
from models.selection.caps import Cap
from models.selection.control import NO_CONTROL, Control
from models.selection.cursor import Cursor, page, sign, verified
from models.selection.dpp import Dpp
from models.selection.exploration import Epsilon, PlackettLuce
from models.selection.freshness import Freshness
from models.selection.mmr import Mmr
from models.selection.pages import TitledRow, fill_page
from models.selection.placements import Mark
from models.selection.pool import Pool
from models.selection.rules import PLAIN, Needs, SelectionConfig, needs
from models.selection.select import Selected, select

__all__ = [
    "NO_CONTROL",
    "PLAIN",
    "Blocks",
    "Boost",
    "Cap",
    "Control",
    "Cursor",
    "Dpp",
    "Epsilon",
    "Freshness",
    "Mark",
    "Mmr",
    "Needs",
    "PlackettLuce",
    "Pool",
    "Selected",
    "SelectionConfig",
    "TitledRow",
    "fill_page",
    "needs",
    "page",
    "select",
    "sign",
    "verified",
]
