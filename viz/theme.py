"""The colours, on light and on dark paper.

A `Look` names its colours (``ink``, ``saturated``, ``ramp3``), and a theme says what they are. The
ramp is one hue whose lightness only falls, or on dark paper only rises, so it reads in grey and by
every eye; the accents are those of Okabe and Ito.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial


@dataclass(frozen=True)
class Theme:
    """Colours by name, ``theme["ink"]``: the fields, and ``ramp0`` ... and what is written on
    them, ``on0`` ..."""

    larger: str  # how a larger gradient looks
    paper: str
    ink: str
    quiet: str
    shade: str  # a constant
    void: str  # nan and inf
    on_void: str
    now: str
    wrong: str
    saturated: str
    dead: str
    ramp: tuple[str, ...]  # from the smallest gradient to the largest
    bright: str  # what is written on the dark half of the ramp
    black: str  # and on the other

    def __getitem__(self, name: str) -> str:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, str]:
        colours = {name: colour for name, colour in vars(self).items() if name != "ramp"}
        for step, colour in enumerate(self.ramp):
            colours[f"ramp{step}"] = colour
            colours[f"on{step}"] = max(self.bright, self.black, key=partial(contrast, colour))
        return colours


def lightness(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, as the Web Content Accessibility Guidelines define it."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)
    )
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a: str, b: str) -> float:
    """The contrast of two colours, from 1 to 21; text needs 4.5."""
    dark, light = sorted((lightness(a), lightness(b)))
    return (light + 0.05) / (dark + 0.05)


THEMES = {
    "light": Theme(
        larger="darker",
        paper="#ffffff",
        ink="#222222",
        quiet="#6b6b6b",
        shade="#f2f2f2",
        void="#000000",
        on_void="#ffffff",
        now="#d55e00",
        wrong="#cc79a7",
        saturated="#e69f00",
        dead="#4d4d4d",
        ramp=("#eff3ff", "#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#084594"),
        bright="#ffffff",
        black="#111111",
    ),
    "dark": Theme(
        larger="brighter",
        paper="#15181e",
        ink="#ececec",
        quiet="#9da3ad",
        shade="#2b3038",
        void="#ffffff",
        on_void="#000000",
        now="#ff8433",
        wrong="#e79ac7",
        saturated="#f5b731",
        dead="#bdbdbd",
        ramp=("#1b2a41", "#1f3f66", "#23558c", "#3272b4", "#5a96d3", "#8fbfea", "#cfe6fb"),
        bright="#ffffff",
        black="#0c1118",
    ),
}
