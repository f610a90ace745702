#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the curve of growth: growth.py [JSON-LINES] >growth.svg reads the figures of bench_growth."""
import json
import math
import sys

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 80, 190, 40, 60
LABEL = 32  # of two lines
COLOURS = ("#1b6ca8", "#c0562b", "#3a7d44", "#999", "#bbb")


def read(lines):
    """{kind: [(records, rate)]}"""
    curves = {}
    for line in lines:
        figure = json.loads(line)
        if figure.get("bench") != "growth" or ", at " not in figure["name"]:
            continue
        kind, size = figure["name"].rsplit(", at ", 1)
        curves.setdefault(kind, []).append((int(size.split()[0]), figure["value"]))
    return {kind: sorted(points) for kind, points in curves.items()}


class Axes:
    """Both axes are logarithmic, over whole decades."""

    def __init__(self, points):
        xs, ys = [math.log10(x) for x, _ in points], [math.log10(y) for _, y in points]
        self.x0, self.x1 = math.floor(min(xs)), max(math.ceil(max(xs)), math.floor(min(xs)) + 1)
        self.y0, self.y1 = math.floor(min(ys)), math.ceil(max(ys))

    def x(self, value):
        return LEFT + (math.log10(value) - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return HEIGHT - BOTTOM - (math.log10(value) - self.y0) / (self.y1 - self.y0) * (HEIGHT - TOP - BOTTOM)


def number(exponent):
    return f"{10 ** exponent:,}".replace(",", " ")


def grid(axes):
    for i in range(axes.x0, axes.x1 + 1):
        x = axes.x(10 ** i)
        yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{number(i)}</text>'
    for i in range(axes.y0, axes.y1 + 1):
        y = axes.y(10 ** i)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number(i)}</text>'


def label_places(axes, curves):
    """{kind: y} of the labels: beside the last points, and apart from one another."""
    places, last = {}, -math.inf
    for kind, points in sorted(curves.items(), key=lambda item: -item[1][-1][1]):
        last = max(axes.y(points[-1][1]), last + LABEL)
        places[kind] = last
    return places


def curve(axes, kind, points, colour, label_y):
    places = [(axes.x(x), axes.y(y)) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
    x, y = places[-1][0], label_y
    share = points[-1][1] / points[0][1]
    yield f'<text x="{x + 10:.1f}" y="{y:.1f}" fill="{colour}">{kind}</text>'
    yield f'<text x="{x + 10:.1f}" y="{y + 15:.1f}" fill="{colour}">{share:.2f} of the first</text>'


def draw(curves):
    axes = Axes([point for points in curves.values() for point in points])
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
           f'font-size="12" fill="#333">')
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    yield f'<text x="{LEFT}" y="22" font-size="15">Records a second as a vault grows (128 bytes each)</text>'
    yield from grid(axes)
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 16}" text-anchor="middle">records in the vault</text>'
    labels = label_places(axes, curves)
    for (kind, points), colour in zip(curves.items(), COLOURS):
        yield from curve(axes, kind, points, colour, labels[kind])
    yield "</svg>"


def main():
    with open(sys.argv[1], encoding="utf-8") if len(sys.argv) > 1 else sys.stdin as lines:
        curves = read(lines)
    if not curves:
        sys.exit("growth.py: no figures of bench_growth")
    print("\n".join(draw(curves)))


if __name__ == "__main__":
    main()
