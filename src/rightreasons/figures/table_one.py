"""Table 1 of the data-attribution paper as text, in its layout and with every interval."""

from __future__ import annotations

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.tables.parameters import TableOne
from rightreasons.tables.table_one_text import render_text

CAPTION = """
Table 1 of *Mitigating Bias Using Model-Agnostic Data Attribution*: accuracy, accuracy of either
class of the target and the gap between them, of the training on the biased data (original), and
what balanced data and each scheme of masks or noise change. Every scheme stands at the quantile
with the smallest gap among those that lose at most 0.05 of accuracy: chosen on the test images, as
the paper does, and once more as the validation images would have chosen. Intervals are Student's
over seeds, of differences paired by seed.
"""


@FIGURES.register(
    "table_one",
    title="Table 1 of the data-attribution paper as text",
    paper="Mitigating Bias Using Model-Agnostic Data Attribution, Table 1",
    caption=CAPTION,
    category="7 Looking away",
    label="Table 1",
    tables=("table_one",),
    formats=("txt",),
)
def table_one(given: Given, params: Params) -> dict[str, str]:
    """Write the table."""
    return {"txt": render_text(given.tables["table_one"], TableOne.registered())}
