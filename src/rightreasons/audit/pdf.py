"""The same report as a PDF, written by fpdf2."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from rightreasons.audit.document import Document, Part, Picture, Points, Table, Text
from rightreasons.core.errors import UserError

if TYPE_CHECKING:
    from fpdf import FPDF

FONT, SIZE, SMALL = "DejaVu", 9.5, 8.0
GREY, BLACK = (90, 90, 90), (20, 20, 20)


def as_pdf(document: Document) -> bytes:
    """Return a document as PDF, in A4.

    Raises
    ------
    UserError
        Where fpdf2 is not installed.
    """
    pdf = _paper(document.title)
    _words(pdf, document.title, 16, bold=True)
    pdf.ln(2)
    for name, value in document.facts:
        _words(pdf, f"{name}: {value}", SMALL, colour=GREY)
    for section in document.sections:
        pdf.ln(4)
        if pdf.will_page_break(25):  # no title alone at the end of a page
            pdf.add_page()
        pdf.start_section(section.title)
        _words(pdf, section.title, 12.5, bold=True)
        pdf.ln(1)
        for part in section.parts:
            _part(pdf, part)
    pdf.ln(4)
    _words(pdf, document.foot, SMALL, colour=GREY)
    return bytes(pdf.output())


def _paper(title: str) -> FPDF:
    """Return an empty A4 page with the fonts that matplotlib brings along."""
    try:
        from fpdf import FPDF
    except ImportError:
        raise UserError(
            "a report as PDF needs the package fpdf2: pip install fpdf2. The HTML report has the "
            "same content, and browsers print it."
        ) from None
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    pdf = FPDF(format="A4")
    pdf.set_title(title)
    pdf.set_margins(18, 16)
    pdf.set_auto_page_break(True, 16)
    pdf.add_font(FONT, fname=fonts / "DejaVuSans.ttf")
    pdf.add_font(FONT, style="B", fname=fonts / "DejaVuSans-Bold.ttf")
    pdf.add_page()
    return pdf


def _words(
    pdf: FPDF,
    text: str,
    size: float = SIZE,
    *,
    bold: bool = False,
    colour: tuple[int, int, int] = BLACK,
) -> None:
    pdf.set_font(FONT, "B" if bold else "", size)
    pdf.set_text_color(*colour)
    pdf.multi_cell(0, size * 0.53, _known(pdf, text), align="L", new_x="LMARGIN", new_y="NEXT")


def _known(pdf: FPDF, text: str) -> str:
    """Return text with a box in place of each character that the font does not have."""
    there = getattr(pdf.fonts[FONT.lower()], "cmap", {})
    return "".join(c if ord(c) in there or c == "\n" else "\u25a1" for c in text)


def _part(pdf: FPDF, part: Part) -> None:
    match part:
        case Text(text):
            _words(pdf, text)
        case Points(points):
            for point in points:
                _words(pdf, f"•  {point}")
        case Table():
            _table(pdf, part)
        case Picture():
            _picture(pdf, part)
    pdf.ln(2)


def _table(pdf: FPDF, table: Table) -> None:
    from fpdf.fonts import FontFace

    pdf.set_font(FONT, "", SMALL)
    pdf.set_text_color(*BLACK)
    pdf.set_draw_color(200, 200, 200)
    lengths = [max(len(row[i]) for row in (table.columns, *table.rows)) for i in _places(table)]
    widths = tuple(min(max(length, 8), 34) for length in lengths)
    with pdf.table(
        col_widths=widths,
        text_align=("LEFT", *["RIGHT"] * (len(widths) - 1)),
        borders_layout="HORIZONTAL_LINES",
        headings_style=FontFace(emphasis="BOLD"),
        line_height=SMALL * 0.6,
    ) as drawn:
        for row in (table.columns, *table.rows):
            cells = drawn.row()
            for cell in row:
                cells.cell(_known(pdf, cell))
    if table.note:
        _words(pdf, table.note, SMALL, colour=GREY)


def _places(table: Table) -> range:
    return range(len(table.columns))


def _picture(pdf: FPDF, picture: Picture) -> None:
    pdf.image(io.BytesIO(picture.png), w=pdf.epw * picture.width, alt_text=picture.alt)
    if picture.caption:
        pdf.ln(1)
        _words(pdf, picture.caption, SMALL, colour=GREY)
