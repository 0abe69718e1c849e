"""Hostile names: every one a legal name on Linux, and trouble for some program somewhere."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

NAME_MAX = 255


class HostileName(NamedTuple):
    """One name, and what is odd about it. `label` is unique and plain."""

    label: str
    name: bytes


def hostile_names() -> list[HostileName]:
    """Names of ordinary files that are to be processed like any other."""
    return [
        *_NOT_UTF_8,
        *_CONTROLS,
        *_SHELL,
        *_PATHS,
        *_WINDOWS,
        *_MARKUP,
        *_long(),
        *_twins(),
        *_UNICODE,
        *_LIKE_OURS,
    ]


_NOT_UTF_8 = [
    HostileName("not-utf-8", b"\xff\xfe.csv"),
    HostileName("latin-1", b"caf\xe9.csv"),
    HostileName("cut-utf-8", b"cut\xc3.csv"),
    HostileName("overlong-slash", b"..\xc0\xaf..\xc0\xafetc.csv"[2:]),
    HostileName("surrogate", b"lone\xed\xa0\x80.csv"),
    HostileName("utf-16-like", b"\xfea\xffb.csv"),
]
_CONTROLS = [
    HostileName("newline", b"two\nlines.csv"),
    HostileName("only-newline", b"\n"),
    HostileName("carriage-return", b"over\rwritten.csv"),
    HostileName("tab", b"ta\tb.csv"),
    HostileName("clears-screen", b"\x1b[2J\x1b[H.csv"),
    HostileName("sets-title", b"\x1b]0;owned\x07.csv"),
    HostileName("red", b"\x1b[31mred\x1b[0m.csv"),
    HostileName("backspace", b"good\x08\x08\x08\x08evil.csv"),
    HostileName("delete", b"del\x7f.csv"),
    HostileName("c1-escape", b"\xc2\x9b31m.csv"),
    HostileName("log-forgery", b"x.csv\n2026-11-21 INFO j1 delivered"),
]
_SHELL = [
    HostileName("dash", b"-rf.csv"),
    HostileName("option", b"--help"),
    HostileName("root-option", b"--root=etc"),
    HostileName("star", b"*.csv"),
    HostileName("question-mark", b"?.csv"),
    HostileName("brackets", b"[a-z].csv"),
    HostileName("dollar", b"$(touch owned).csv"),
    HostileName("backticks", b"`touch owned`.csv"),
    HostileName("semicolon", b"a;touch owned;.csv"),
    HostileName("pipe", b"a|touch owned.csv"),
    HostileName("ampersand", b"a&&touch owned.csv"),
    HostileName("quotes", b"'\"'\".csv"),
    HostileName("format", b"%s%n%x.csv"),
    HostileName("braces", b"{0}{__class__}.csv"),
    HostileName("tilde", b"x~1.csv"),
]
_PATHS = [
    HostileName("backslashes", b"a\\..\\..\\windows\\x.csv"),
    HostileName("drive", b"C:\\x.csv"),
    HostileName("space", b" "),
    HostileName("leading-space", b"  x.csv"),
    HostileName("percent-slash", b"..%2f..%2fetc.csv"[2:]),
    HostileName("no-extension", b"report"),
    HostileName("unknown-extension", b"report.xyz123"),
    HostileName("wrong-extension", b"really-text.xlsx"),
]
_WINDOWS = [
    HostileName("con", b"CON.csv"),
    HostileName("nul", b"nul"),
    HostileName("lpt1", b"lpt1.csv"),
    HostileName("trailing-dot", b"dot.csv."),
    HostileName("trailing-space", b"space.csv "),
    HostileName("colon", b"a:b.csv"),
    HostileName("reserved", b'<>:"|?*.csv'),
]
_MARKUP = [
    HostileName("html", b"<img src=x onerror=alert(1)>.csv"),
    HostileName("script", b"<script>alert(1)<script>.csv"),
    HostileName("template", b"{{7*7}}{%raw%}.csv"),
    HostileName("rich-markup", b"[bold red]x.csv"),
    HostileName("sql", b"'; DROP TABLE job; --.csv"),
    HostileName("formula", b"=cmd|' C'!A1.csv"),
    HostileName("plus", b"+1-1.csv"),
    HostileName("at", b"@SUM(1).csv"),
    HostileName("yaml", b"- !!python: {a: b}.csv"),
    HostileName("json", b'",\\"x\\": 1}.csv'),
]
_UNICODE = [
    HostileName("right-to-left", "\u202egnp.csv".encode()),
    HostileName("zero-width", "a\u200b\u200db.csv".encode()),
    HostileName("byte-order-mark", "\ufeffx.csv".encode()),
    HostileName("line-separator", "a\u2028b\u2029.csv".encode()),
    HostileName("emoji", "\U0001f9ec\U0001f469\u200d\U0001f52c.csv".encode()),
    HostileName("chinese", "患者.csv".encode()),
    HostileName("arabic", "مريض.csv".encode()),
    HostileName("noncharacter", "\uffff\ufdd0.csv".encode()),
    HostileName("stacked", ("e" + "\u0301" * 40 + ".csv").encode()),
]
_LIKE_OURS = [
    HostileName("looks-like-a-job", b"j42"),
    HostileName("looks-like-an-error-folder", b"j42__TRUNCATED"),
    HostileName("looks-like-a-delivery", b"a.j7"),
    HostileName("looks-like-rejects", b"rejects.csv"),
]


def _long() -> list[HostileName]:
    return [
        HostileName("255-bytes", b"n" * (NAME_MAX - 4) + b".csv"),
        HostileName("255-bytes-of-umlauts", ("ü" * 125 + "x.csv").encode()[:NAME_MAX]),
        HostileName("255-bytes-not-utf-8", b"\xf0\x9f" * 125 + b"x.csv"),
        HostileName("255-bytes-of-extension", b"e." + b"x" * (NAME_MAX - 2)),
        HostileName("255-newlines", b"\n" * NAME_MAX),
    ]


def _twins() -> list[HostileName]:
    composed, apart = (unicodedata.normalize(form, "müller.csv") for form in ("NFC", "NFD"))
    return [
        HostileName("nfc-twin", composed.encode()),
        HostileName("nfd-twin", apart.encode()),
        HostileName("lower-twin", b"twin.csv"),
        HostileName("upper-twin", b"TWIN.CSV"),
        HostileName("mixed-twin", b"Twin.csv"),
        HostileName("ligature-twin", "ﬁle.csv".encode()),
        HostileName("plain-twin", b"file.csv"),
    ]
