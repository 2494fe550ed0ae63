"""The pages to print, in a browser: nothing from elsewhere, no text that acts, no sideways scrolling."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from medsnap.cli import root
from medsnap.commands._main import run
from medsnap.report.audit_html import AuditSheet, Row, render
from medsnap.report.board_html import Sheet
from medsnap.report.board_html import render as render_board

Tool = Callable[[str], str]
EVIL = "</p><script>alert(1)</script><img src=x onerror=alert(2)>\u202e<b>"
LONG = "aVeryLongWordWithoutAnyPlaceToBreakIt" * 5
WIDTHS = (390, 1280)


def audit_page() -> str:
    """A page with every state, long words, many ids, and text that would like to be markup."""
    rows = [
        Row(id=f"X{n}", words=f"A rule {EVIL}", sources="SEED, GOV", state=state, found=f"{LONG} {EVIL}",
            objects=["q" * 26] * 40, todo=f"do {EVIL}")
        for n, state in enumerate(("ok", "warn", "violation", "not yet", EVIL))
    ]  # fmt: skip
    return render(
        AuditSheet(title=f"T {EVIL}", notes=[EVIL], counts=[("violation", 1), (EVIL, 2)], rows=rows,
                   sources=[("SEED", EVIL)])
    )  # fmt: skip


def board_page() -> str:
    sheet = Sheet(
        title=EVIL, subtitle=EVIL, notes=(EVIL,), chapters=[(EVIL, [(f"{LONG} {EVIL}", "northside.yaml:3")])],
        seats=[(EVIL, EVIL)], foot=f"{'ab' * 32} {EVIL}",
    )  # fmt: skip
    return render_board(sheet)


class _Read(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


PAGES = {"audit": audit_page, "board": board_page}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_loads_nothing_and_escapes_what_it_is_told(name: str) -> None:
    text = PAGES[name]()
    read = _Read()
    read.feed(text)
    assert not read.tags & {"script", "img", "link", "iframe", "object", "base", "form", "b"} - (
        {"b"} if name == "audit" else set()  # the rule's number in the list of what is violated
    )
    assert not {a for a in read.attributes if a.startswith("on") or a in ("src", "href", "style")}
    assert not re.search(r"https?://|url\(|@import|\u202e", text)
    assert "default-src 'none'" in text
    assert text.count("&lt;script&gt;") >= 3


def chromium(tool: Tool, work: Path, *arguments: str) -> str:
    """Run a browser without a network and give back what it printed."""
    words = [
        tool("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
        "--force-device-scale-factor=1", f"--user-data-dir={work / 'profile'}", *arguments,
    ]  # fmt: skip
    return subprocess.run(words, capture_output=True, timeout=300, check=True).stdout.decode()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_nothing_has_to_be_scrolled_sideways(name: str, width: int, tool: Tool, tmp_path: Path) -> None:
    tool("chromium")
    text = re.sub(r"<meta http-equiv=.*?>", "", PAGES[name]())  # the probe is a script
    probe = (
        "let f=document.querySelector('iframe'); f.onload=()=>{let d=f.contentDocument.documentElement;"
        "document.body.id=`w${f.contentWindow.innerWidth} s${d.scrollWidth}`}"
    )
    page = tmp_path / "page.html"
    frame = f'<iframe width="{width}" height="900" style="border:0" srcdoc="{escape(text)}"></iframe>'
    page.write_text(f"<!doctype html><body>{frame}<script>{probe}</script></body>", "utf-8")
    seen = chromium(tool, tmp_path, "--window-size=1600,1000", "--dump-dom", page.as_uri())
    found = re.search(r'<body id="w(\d+) s(\d+)"', seen)
    assert found is not None, seen[-500:]
    assert (int(found[1]), int(found[2])) == (width, width)


def test_the_board_sheet_of_the_hospital_prints_on_two_pages(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool("chromium")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    page, printed = tmp_path / "board.html", tmp_path / "board.pdf"
    assert run(root(), ["policy", "show", "hospital", "--board", "-o", str(page)]) == 0
    chromium(tool, tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={printed}", page.as_uri())
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", printed.read_bytes())) == 2
