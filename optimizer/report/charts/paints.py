"""The colours of reports, by what they mean: as variables of a style sheet, and as bytes for pictures."""

from __future__ import annotations

__all__ = ["BANDS", "LIGHT", "paint_rules", "rgb", "variables"]

LIGHT = {
    "bg": "#ffffff",
    "card": "#f2f4f7",
    "fg": "#1a1a1a",
    "quiet": "#595959",
    "line": "#cfd4da",
    "bad": "#a40000",
    "good": "#00612e",
    "warn": "#7a4b00",
    "main": "#1f5f99",
    "soft": "#a9c8e4",
    "h0": "#e3ebf3",
    "h1": "#b7cfe6",
    "h2": "#7fabd3",
    "h3": "#3f7fb5",
    "h4": "#f0a030",
    "h5": "#c62828",
}
DARK = {
    "bg": "#15181c",
    "card": "#20252b",
    "fg": "#ececec",
    "quiet": "#b0b6bd",
    "line": "#434a52",
    "bad": "#ff9a94",
    "good": "#7fdca4",
    "warn": "#ffce7a",
    "main": "#7db8ea",
    "soft": "#37597a",
    "h0": "#242d36",
    "h1": "#2c4a66",
    "h2": "#3a6a94",
    "h3": "#5b9bd5",
    "h4": "#f0a030",
    "h5": "#ff6b60",
}

BANDS = ("h0", "h1", "h2", "h3", "h4", "h5")
"""Paints of a heat map, from empty to over the limit."""


def variables(*, dark: bool = True) -> str:
    """Return the colours as a style sheet; without `dark` in light alone."""
    light = f":root{{{_listed(LIGHT)}}}"
    if not dark:
        return light
    scheme = f":root{{color-scheme:light dark;{_listed(LIGHT)}}}"
    return f"{scheme}@media (prefers-color-scheme:dark){{:root{{{_listed(DARK)}}}}}@media print{{{light}}}"


def paint_rules() -> str:
    """Return how shapes of each paint look."""
    return "".join(f".f-{p}{{fill:var(--{p})}}.s-{p}{{stroke:var(--{p});fill:none}}" for p in LIGHT)


def rgb(paint: str) -> tuple[int, int, int]:
    """Return a paint in light as red, green and blue."""
    code = LIGHT[paint]
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


def _listed(paints: dict[str, str]) -> str:
    return "".join(f"--{name}:{code};" for name, code in paints.items())
