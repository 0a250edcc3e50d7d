"""Our docstrings say `Example:`, which the reader of docstrings knows as `Examples:`."""

from __future__ import annotations

import re

import griffe


class Examples(griffe.Extension):
    """Renames the section, so that what stands in it is shown as code."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Look at each object once it is complete."""
        if obj.docstring is not None:
            text = obj.docstring.value
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", text, flags=re.M)
