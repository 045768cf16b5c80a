"""Draws ``directions.svg``, ``crossing.svg`` and ``pump.svg``: ``python docs/pictures.py``."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
TRIO: Final = ("#e3f1ec", "#1b7a5a")
ASYNCIO: Final = ("#fdeedd", "#a8590a")
GREY: Final = ("#f2f2f4", "#55555f")
INK: Final = "#24242b"

HEAD: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" \
height="{height}" role="img" aria-label="{label}">
<defs>
<marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" \
orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="{ink}"/></marker>
</defs>
<style>
text {{ font: 15px system-ui, "DejaVu Sans", sans-serif; fill: {ink} }}
.code {{ font: 14px ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre }}
.side {{ font-weight: 600; font-size: 16px }}
.note {{ font-size: 13px; fill: #55555f }}
</style>
<rect width="{width}" height="{height}" rx="10" fill="#fff"/>
"""


class Picture:
    """Boxes, words and arrows."""

    def __init__(self, width: int, height: int, label: str) -> None:
        self._parts = [HEAD.format(width=width, height=height, label=escape(label), ink=INK)]

    def box(
        self, x: float, y: float, width: float, height: float, colours: tuple[str, str]
    ) -> None:
        fill, line = colours
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" '
            f'stroke="{line}" stroke-width="1.5"/>\n'
        )

    def words(
        self,
        x: float,
        y: float,
        *lines: str,
        kind: str = "",
        anchor: str = "start",
        colour: str = "",
    ) -> None:
        step = 20 if kind != "note" else 17
        style = f' style="fill:{colour}"' if colour else ""
        for number, line in enumerate(lines):
            self._parts.append(
                f'<text x="{x}" y="{y + step * number}" class="{kind}" text-anchor="{anchor}"'
                f'{style} xml:space="preserve">{escape(line)}</text>\n'
            )

    def arrow(self, *points: tuple[float, float], dashed: bool = False) -> None:
        path = " ".join(f"{x},{y}" for x, y in points)
        dash = ' stroke-dasharray="6 5"' if dashed else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{INK}" stroke-width="1.8"{dash} '
            'marker-end="url(#a)"/>\n'
        )

    def line(self, x: float, y: float, end: float, colour: str) -> None:
        self._parts.append(
            f'<line x1="{x}" y1="{y}" x2="{x}" y2="{end}" stroke="{colour}" stroke-width="2"/>\n'
        )

    def write(self, name: str) -> None:
        (HERE / name).write_text("".join(self._parts) + "</svg>\n")


def directions() -> None:
    """A call each way. One column, so that it can be read on a telephone."""
    picture = Picture(
        400,
        500,
        "Trio code calls asyncio code with trio2aio, asyncio code calls Trio with aio2trio",
    )
    calls = (
        (TRIO, "Trio side", "async def main():", "  await trio2aio(fetch)(url)"),
        (ASYNCIO, "asyncio side", "async def fetch(url):", "  await aio2trio(look_up)(key)"),
        (TRIO, "Trio side", "async def look_up(key):", "  await trio.sleep(1)"),
    )
    for number, (colours, side, *code) in enumerate(calls):
        y = 10 + 186 * number
        picture.box(10, y, 380, 108, colours)
        picture.words(24, y + 25, side, kind="side", colour=colours[1])
        picture.box(22, y + 36, 356, 62, ("#fff", colours[1]))
        picture.words(36, y + 62, *code, kind="code")
    for y, name, *notes in (
        (118, "trio2aio", "from Trio to asyncio:", "fetch belongs to asyncio"),
        (304, "aio2trio", "from asyncio to Trio:", "look_up belongs to Trio"),
    ):
        picture.arrow((112, y - 10), (112, y + 76))
        picture.words(128, y + 26, name, kind="side")
        picture.words(128, y + 46, *notes, kind="note")
    picture.write("directions.svg")


def crossing() -> None:
    """One call over and back."""
    picture = Picture(
        640, 640, "A crossing from a Trio task, the host, to an asyncio task, the guest"
    )
    host, guest = 130, 510
    picture.box(20, 14, 220, 44, TRIO)
    picture.words(host, 42, "Trio task: the host", kind="side", anchor="middle", colour=TRIO[1])
    picture.box(390, 14, 240, 44, ASYNCIO)
    picture.words(
        guest, 42, "asyncio task: the guest", kind="side", anchor="middle", colour=ASYNCIO[1]
    )
    picture.line(host, 58, 622, TRIO[1])
    picture.line(guest, 128, 570, ASYNCIO[1])

    def over(y: float, text: str, *notes: str, back: bool = False, dashed: bool = False) -> None:
        start, end = (guest - 4, host + 4) if back else (host + 4, guest - 4)
        picture.words((host + guest) / 2, y - 8, text, anchor="middle", kind="code")
        picture.arrow((start, y), (end, y), dashed=dashed)
        picture.words((host + guest) / 2, y + 18, *notes, anchor="middle", kind="note")

    picture.words(host + 14, 92, "await trio2aio(f)(x)", kind="code")
    picture.words(host + 14, 110, "cancelled already? then f isn't begun", kind="note")
    over(150, "asyncio.Task(f(x))", "starts at once, in the host's own step")
    over(212, "turns", "given here, or by the pump while the host waits")
    over(286, "await aio2trio(g)(y)", "g runs in the host: inside all of its scopes", back=True)
    over(346, "g's value or error", "")
    over(
        416,
        "Task.cancel()",
        "only if a scope around the call was cancelled;",
        "once, and the guest may await to clean up",
        dashed=True,
    )
    over(
        500,
        "return or raise",
        "value or error, as it is;",
        "CancelledError that Trio asked for: trio.Cancelled",
        back=True,
    )
    picture.words(host + 14, 574, "a checkpoint, always: other Trio tasks have run", kind="note")
    picture.arrow((host, 600), (host, 626))
    picture.write("crossing.svg")


def pump() -> None:
    """Who gives the loop its turns."""
    picture = Picture(
        640, 560, "The pump: three Trio tasks wait, and whichever wakes gives the loop its turns"
    )
    picture.words(
        20, 34, "Three Trio tasks, of which each waits for one thing:", kind="side", colour=TRIO[1]
    )
    columns = (
        (20, "for I/O", "wait_readable of the", "selector's own descriptor"),
        (225, "for time", "until asyncio's earliest", "timer is due"),
        (430, "for calls", "call_soon of Trio code", "while the loop is parked"),
    )
    for x, title, *notes in columns:
        picture.box(x, 52, 190, 84, TRIO)
        picture.words(x + 95, 80, title, kind="side", anchor="middle")
        picture.words(x + 95, 102, *notes, kind="note", anchor="middle")
        picture.arrow((x + 95, 136), (320 + (x + 95 - 320) * 0.3, 188))
    picture.words(560, 168, "whichever wakes", kind="note", anchor="middle")

    picture.box(120, 190, 400, 176, ASYNCIO)
    picture.words(320, 218, "gives turns", kind="side", anchor="middle", colour=ASYNCIO[1])
    picture.box(146, 234, 348, 72, ("#fff", ASYNCIO[1]))
    picture.words(320, 262, "a turn: poll the descriptors without waiting,", anchor="middle")
    picture.words(320, 284, "then run the callbacks that are ready", anchor="middle")
    picture.words(
        320, 332, "one after the other, until nothing is left to do", kind="note", anchor="middle"
    )
    picture.words(320, 350, "or a millisecond is over", kind="note", anchor="middle")

    picture.arrow((220, 366), (220, 420))
    picture.words(210, 396, "time is over", kind="note", anchor="end")
    picture.box(60, 422, 260, 64, GREY)
    picture.words(190, 450, "checkpoint", kind="side", anchor="middle")
    picture.words(190, 471, "other Trio tasks run", kind="note", anchor="middle")
    picture.arrow((60, 454), (36, 454), (36, 278), (118, 278))

    picture.arrow((430, 366), (430, 420))
    picture.words(440, 396, "nothing is left to do", kind="note")
    picture.box(350, 422, 250, 64, GREY)
    picture.words(475, 450, "parked", kind="side", anchor="middle")
    picture.words(475, 471, "the three wait again", kind="note", anchor="middle")
    picture.arrow((600, 454), (632, 454), (632, 94), (622, 94))
    picture.words(
        320,
        522,
        "Where no other Trio task can run, the wait is here, for the loop and for Trio at once.",
        "A crossing gives turns too: the host wakes the loop for its guest.",
        kind="note",
        anchor="middle",
    )
    picture.write("pump.svg")


if __name__ == "__main__":
    directions()
    crossing()
    pump()
