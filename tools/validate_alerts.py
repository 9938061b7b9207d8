"""Validates alerts, or other results, against a schema: reads one per line and prints `ok` or the violations.

    python tools/validate_alerts.py [NAME]     NAME.schema.json in schema/; alert if it is not given
"""

import json
import pathlib
import sys

import jsonschema

NAME = sys.argv[1] if len(sys.argv) > 1 else "alert"
SCHEMA = pathlib.Path(__file__).resolve().parent.parent / f"schema/{NAME}.schema.json"

validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
validator.check_schema(validator.schema)
for line in sys.stdin:
    errors = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(json.loads(line))]
    print(json.dumps("; ".join(errors)) if errors else "ok", flush=True)
