"""Text for files that people open in a spreadsheet: it is shown, never run."""

from __future__ import annotations

# OWASP, CSV injection; the last four are full-width forms that some programs take for the same
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def spreadsheet_safe(text: str) -> str:
    """Keep a spreadsheet from running a cell as a formula, so that the text can be got back.

    One apostrophe is put before text that begins (after spaces) with a formula sign, or with an
    apostrophe. Taking one leading apostrophe away, where there is one, gives the text as it stood.
    """
    runs = text.lstrip(" ").startswith(_FORMULA_SIGNS)
    return f"'{text}" if runs or text.startswith("'") else text
