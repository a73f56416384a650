"""Selection: from ranked candidates to the row that is shown.

`select` applies everything, in one order; `needs` says what it reads. `fill_page` makes a page of rows, and a `Cursor`
carries what is left of a list to its next page. docs/selection.md tells what each rule does.
"""

from models.selection.blocks import Blocks
from models.selection.boosts import Boost
from models.selection.caps import Cap
from models.selection.control import NO_CONTROL, Control, joined
from models.selection.cursor import Cursor, sign, verified
from models.selection.dpp import Dpp
from models.selection.exploration import Epsilon, PlackettLuce
from models.selection.freshness import Freshness
from models.selection.listing import Listing
from models.selection.mmr import Mmr
from models.selection.pages import TitledRow, fill_page
from models.selection.placements import Mark
from models.selection.pool import Pool
from models.selection.rules import NO_RULES, PLAIN, Needs, Rules, SelectionConfig, needs
from models.selection.rules_file import parse_rules
from models.selection.select import Selected, select

__all__ = [
    "NO_CONTROL",
    "NO_RULES",
    "PLAIN",
    "Blocks",
    "Boost",
    "Cap",
    "Control",
    "Cursor",
    "Dpp",
    "Epsilon",
    "Freshness",
    "Listing",
    "Mark",
    "Mmr",
    "Needs",
    "PlackettLuce",
    "Pool",
    "Rules",
    "Selected",
    "SelectionConfig",
    "TitledRow",
    "fill_page",
    "joined",
    "needs",
    "parse_rules",
    "select",
    "sign",
    "verified",
]
