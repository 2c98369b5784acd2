"""From what the report has to say to one HTML file: the template, and a policy that forbids every request."""

import os
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from modelsgenesis.files import to_json
from modelsgenesis.report import words
from modelsgenesis.report.bundle import VERSION, csp_hash, packed_script, source
from modelsgenesis.report.tables import FORMATS, Table, shown


def render(context: Mapping[str, Any], volumes: Mapping[str, str]) -> str:
    """The page.

    Args:
        context: what the templates show; every text in it is escaped there.
        volumes: identifier -> compressed volume in base64, for the viewer; empty: no viewer.
    """
    theme, script = _asset("theme.js"), _asset("report.js") + (_asset("viewer.js") if volumes else "")
    scripts: list[str | bytes] = [theme, script, *([source()] if volumes else [])]
    return (
        _environment()
        .get_template("report.html")
        .render(
            **context,
            style=Markup(_asset("style.css")),
            theme=Markup(theme),
            script=Markup(script),
            policy=policy([csp_hash(code) for code in scripts]),
            volumes=volumes.items(),
            has_viewer=bool(volumes),
            viewer_size=words.size(sum(map(len, volumes.values())) + len(packed_script())) if volumes else "",
            niivue=VERSION,
            niivue_packed=packed_script() if volumes else "",
        )
    )


def policy(scripts: list[str]) -> str:
    """Content security policy: scripts by their hash, pictures from inside the page, and no request at all."""
    parts = {
        "default-src": "'none'",
        "script-src": " ".join(scripts),
        "style-src": "'unsafe-inline'",
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in parts.items())


def exported(tables: list[Table]) -> dict[str, dict[str, str]]:
    """Name of a table -> format -> its text, for the buttons of the page."""
    return {table.name: {ending: form(table) for ending, form in FORMATS.items()} for table in tables}


@cache
def _asset(name: str) -> str:
    return files("modelsgenesis.report").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("modelsgenesis.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "score": words.score,
        "signed": words.signed,
        "p_value": words.p_value,
        "share": words.share,
        "duration": words.duration,
        "listed": words.listed,
        "counted": words.counted,
        "title_of": words.target_title,
        "difference": lambda one: words.signed(one.difference.value),
        "shown": shown,
        "numeric": _is_numeric,
        "href": lambda path: quote(os.fsencode(path)),
        "script_json": _script_json,
    }
    return environment


def _is_numeric(table: Table, column: int) -> bool:
    return column > 0 and all(isinstance(row[column], int | float) for row in table.rows)


def _script_json(value: Any) -> Markup:
    """JSON that cannot end the script element it lies in."""
    text = to_json(value, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))
