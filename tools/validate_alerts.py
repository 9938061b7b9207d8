"""Validates alerts against schema/alert.schema.json: reads one per line and prints `ok` or the violations."""

import json
import pathlib
import sys

import jsonschema

SCHEMA = pathlib.Path(__file__).resolve().parent.parent / "schema/alert.schema.json"

validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
validator.check_schema(validator.schema)
for line in sys.stdin:
    errors = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(json.loads(line))]
    print(json.dumps("; ".join(errors)) if errors else "ok", flush=True)
