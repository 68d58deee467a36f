# SPDX-License-Identifier: MIT
"""What arun-report/1 uses of JSON Schema 2020-12; python3 has no validator of its own.

For readers the schema is open, as members may be added to reports. Here it is not: a member that the
schema does not name is an error.
"""
import json
import os
import pathlib
import re

from tap import equal

FILE = pathlib.Path(os.environ["ARUN_SOURCE"], "tests/fixtures/arun-report-1.schema.json")
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool,
         "null": type(None)}
KNOWN = {"$schema", "$defs", "$ref", "title", "type", "required", "properties",
         "additionalProperties", "items", "enum", "const", "format"}
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def _is(value, name):
    if name == "integer" and isinstance(value, bool):
        return False
    return isinstance(value, TYPES[name])


def _words(schema):
    names = schema["type"]
    return names if isinstance(names, list) else [names]


def _object(root, schema, value, where):
    yield from (f"{where}: has no {name}" for name in schema.get("required", [])
                if name not in value)
    for name, member in value.items():
        other = schema.get("properties", {}).get(name, schema.get("additionalProperties", False))
        yield from _errors(root, other, member, f"{where}.{name}")


def _errors(root, schema, value, where):
    """What is wrong with value, a line each."""
    if isinstance(schema, bool):
        if not schema:
            yield f"{where}: is not in the schema"
        return
    unknown = set(schema) - KNOWN
    if unknown:
        raise NotImplementedError(f"JSON Schema's {sorted(unknown)}")
    if "$ref" in schema:
        part = root
        if len(schema) > 1:
            raise NotImplementedError("JSON Schema's $ref beside other words")
        for step in schema["$ref"].removeprefix("#/").split("/"):
            part = part[step]
        yield from _errors(root, part, value, where)
        return
    if "type" in schema and not any(_is(value, name) for name in _words(schema)):
        yield f"{where}: {value!r} is not of type {schema['type']}"
    if "const" in schema and value != schema["const"]:
        yield f"{where}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    if schema.get("format") == "date-time" and not DATE_TIME.fullmatch(str(value)):
        yield f"{where}: {value!r} is no date-time"
    if isinstance(value, dict):
        yield from _object(root, schema, value, where)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _errors(root, schema["items"], item, f"{where}[{index}]")


def errors(report):
    """What in a report is not as the schema has it: a list of lines."""
    root = json.loads(FILE.read_text())
    return list(_errors(root, root, report, "report"))


def reports(file):
    """Those of a file, each of which is as the schema has it."""
    found = [json.loads(line) for line in file.read_text().splitlines()]
    for report in found:
        equal(errors(report), [])
    return found


def _names(schema):
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        yield from (name for part in schema.values() for name in _names(part))


def members():
    """The names of all members, at any depth."""
    return set(_names(json.loads(FILE.read_text())))
