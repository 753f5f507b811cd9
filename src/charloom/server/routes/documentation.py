"""`/docs`: what can be asked, as a page that loads nothing, made from `/openapi.json`."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse

_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font-family: ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; border-bottom: 1px solid; }
:root { color-scheme: light dark; }
"""

_HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}


def documentation(app: FastAPI) -> APIRouter:
    """The route."""
    router = APIRouter()

    @router.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()), headers=_HEADERS)

    return router


def page(description: dict[str, Any]) -> str:
    """The page of a description in OpenAPI's format."""
    schemas: dict[str, Any] = description.get("components", {}).get("schemas", {})
    routes = "".join(_routes(description))
    shapes = "".join(_shape(name, schema) for name, schema in sorted(schemas.items()))
    title = escape(f"{description['info']['title']} {description['info']['version']}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><main>'
        f"<h1>{title}</h1><p>{escape(description['info'].get('summary', ''))} "
        f'The same for programs: <a href="/openapi.json">/openapi.json</a>.</p>'
        f"<h2>Routes</h2>{routes}<h2>Shapes</h2>{shapes}</main></body></html>"
    )


def _routes(description: dict[str, Any]) -> Iterator[str]:
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            yield f"<h3><code>{method.upper()} {escape(path)}</code></h3>"
            yield f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>"
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            answer = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema")
            for word, schema in (("Request", body), ("Answer", answer)):
                if schema:
                    yield f"<p>{word}: {_kind(schema)}</p>"


def _shape(name: str, schema: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{_kind(part)}</td>"
        f"<td>{escape(part.get('description', ''))}</td></tr>"
        for field, part in schema.get("properties", {}).items()
    )
    table = f"<table><thead><tr><th>Field<th>Type<th>Meaning</thead><tbody>{rows}</tbody></table>" if rows else ""
    return f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{escape(schema.get("description", ""))}</p>{table}'


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words, with a link to each shape that it names."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#{name}">{name}</a>'
    several = schema.get("anyOf") or schema.get("oneOf")
    if several:
        return " or ".join(_kind(part) for part in several) + _default(schema)
    if "enum" in schema or "const" in schema:
        return escape(" or ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")])))
    kind = escape(str(schema.get("type", "any value")))
    if kind == "array" and "items" in schema:
        kind = f"list of {_kind(schema['items'])}"
    bounds = [
        f"{word} {schema[key]:,}"
        for key, word in (
            *(("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to")),
            *(("minLength", "from"), ("maxLength", "up to"), ("minItems", "from"), ("maxItems", "up to")),
        )
        if key in schema
    ]
    unit = " characters" if "maxLength" in schema else " entries" if "maxItems" in schema else ""
    return kind + (f" ({' '.join(bounds)}{unit})" if bounds else "") + _default(schema)


def _default(schema: dict[str, Any]) -> str:
    return f", default {escape(json.dumps(schema['default']))}" if schema.get("default") is not None else ""
