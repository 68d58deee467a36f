# SPDX-License-Identifier: MIT
"""Pictures of bars, as SVG: readable on white and on black, with no script and no font of their own."""
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, ROW, TOP = 720, 210, 150, 26, 64
CUT = 12  # a bar that is longer than so many of arun's is cut, and shows it
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.note { fill: #59636e; font-size: 12px }
.own { fill: #1a7f64 }
.peer { fill: #8c959f }
.cut { stroke: #ffffff; stroke-width: 3 }
@media (prefers-color-scheme: dark) {
	text { fill: #e6edf3 }
	.note { fill: #9198a1 }
	.own { fill: #2ea98a }
	.peer { fill: #656c76 }
	.cut { stroke: #0d1117 }
}
"""


def text(x, y, words, kind="", anchor="start"):
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{style}>{escape(words)}</text>'


def bar(y, name, value, label, longest, own):
    """One line: the name, its bar, the figure."""
    room = WIDTH - LEFT - RIGHT
    width = max(2, min(value / longest, 1) * room)
    parts = [text(LEFT - 10, y + 15, name, anchor="end"),
             f'<rect x="{LEFT}" y="{y + 2}" width="{width:.1f}" height="{ROW - 8}" rx="2" '
             f'class="{"own" if own else "peer"}"/>']
    if value > longest:
        x = LEFT + room - 30
        parts += [f'<path class="cut" d="M{x + d} {y + ROW - 4} l8 -{ROW - 4}"/>' for d in (0, 8)]
    return parts + [text(LEFT + width + 8, y + 15, label)]


def chart(title, note, bars):
    """bars: (name, value, label, whether it is arun's), the first on top."""
    height = TOP + ROW * len(bars) + 6
    own = max([value for _, value, _, own in bars if own] or [0])
    most = max(value for _, value, _, _ in bars)
    longest = min(most, CUT * own) if own else most
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
             f'width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
             f"<style>{STYLE}</style>", text(8, 22, title, "title"), text(8, 42, note, "note")]
    for index, (name, value, label, own) in enumerate(bars):
        parts += bar(TOP + ROW * index, name, value, label, longest, own)
    return "\n".join(parts + ["</svg>"]) + "\n"
