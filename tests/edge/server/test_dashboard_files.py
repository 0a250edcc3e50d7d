"""What the files of the page hold: colours for all eyes, no foreign address."""

from __future__ import annotations

import re

import numpy as np

from tests.conftest import ROOT

DASHBOARD = ROOT / "edge" / "har_edge" / "server" / "dashboard"
FNV = "http://www.isthe.com/chongo/tech/comp/fnv/"  # in a comment


def test_the_palette_is_for_all_eyes() -> None:
    """All pairs of colours stay apart, also without one kind of cone.

    Sources: OKLab, https://bottosson.github.io/posts/oklab/; Machado, Oliveira and Fernandes,
    "A physiologically-based model for simulation of color vision deficiency" (2009), severity 1.
    """
    css = (DASHBOARD / "style.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--hue-(\d+): #([0-9a-f]{6});", css))
    assert len(colours) == 16
    srgb = np.array([[int(c[i : i + 2], 16) for i in (0, 2, 4)] for c in colours.values()]) / 255
    rgb = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    sights = {
        "normal": np.eye(3),
        "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                       [-0.003882, -0.048116, 1.051998]],
        "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                         [-0.011820, 0.042940, 0.968881]],
        "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                       [0.004733, 0.691367, 0.303900]],
    }  # fmt: skip
    to_lms = np.array([[0.4122214708, 0.5363325363, 0.0514459929],
                       [0.2119034982, 0.6806995451, 0.1073969566],
                       [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
    to_lab = np.array([[0.2104542553, 0.7936177850, -0.0040720468],
                       [1.9779984951, -2.4285922050, 0.4505937099],
                       [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip
    for sight, matrix in sights.items():
        seen = np.clip(rgb @ np.asarray(matrix).T, 0, None)
        lab = np.cbrt(seen @ to_lms.T) @ to_lab.T
        distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
        assert distances[~np.eye(16, dtype=bool)].min() > 0.06, sight


def test_the_page_holds_no_inline_code_and_no_foreign_address() -> None:
    html = (DASHBOARD / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", html)
    for path in DASHBOARD.iterdir():
        text = path.read_text(encoding="utf-8")
        addresses = set(re.findall(r"https?://[^\s\"'`)]+", text))
        assert addresses <= {"http://www.w3.org/2000/svg", FNV}, path
