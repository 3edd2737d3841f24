"""The templates, and what all of them may use."""

from __future__ import annotations

from pathlib import Path

from starlette.templating import Jinja2Templates

templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
templates.env.filters["when"] = lambda at: f"{at:%a %d %b %Y %H:%M} UTC" if at else "never"
templates.env.filters["link"] = lambda url: url if url and url.startswith(("http://", "https://")) else None
