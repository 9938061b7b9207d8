"""Runs the text of docs/trace.sql in DuckDB, and compares its results with what a trace must find.

    python tests/sql.py

First with the scenario in events/trace, whose expectation was written by hand. Then with random archives and the
plain parse of cli/tests/cli/trace_oracle.py. The text is that of the file. Only the identity in it is replaced, for
the random archives.
"""

import collections
import json
import pathlib
import re
import sys
import tempfile

import duckdb

ROOT = pathlib.Path(__file__).parent.parent
SQL = (ROOT / "docs/trace.sql").read_text()
KEY = "AKIAIOSFODNN7EXAMPLE"
SEEDS = 16

# Athena's table cloudtrail_logs, as far as the text reads it. Both dialects ignore the case of names. Athena keeps the
# two objects as JSON in strings.
TABLE = """
CREATE TABLE cloudtrail_logs AS
SELECT record.* REPLACE (
    CAST(record.requestparameters AS varchar) AS requestparameters,
    CAST(record.responseelements AS varchar) AS responseelements)
FROM (SELECT unnest(Records) AS record FROM read_json(?, columns = {Records: 'STRUCT(
    eventID varchar, eventTime varchar, eventSource varchar, eventName varchar, awsRegion varchar,
    sourceIPAddress varchar, userAgent varchar, errorCode varchar, recipientAccountId varchar,
    requestParameters JSON, responseElements JSON, addendum STRUCT(originalEventID varchar),
    userIdentity STRUCT("type" varchar, arn varchar, accountId varchar, accessKeyId varchar, userName varchar,
        invokedBy varchar, sessionContext STRUCT(sessionIssuer STRUCT(arn varchar))))[]'}))
"""
# The functions that Athena calls by another name.
DIALECT = """
CREATE MACRO json_extract_scalar(json, path) AS json_extract_string(json, path);
CREATE MACRO regexp_like(text, pattern) AS regexp_matches(text, pattern);
"""


def statements(text):
    """The statements by name. A comment before each begins with the name."""
    for statement in text.split(";\n"):
        names = re.findall(r"^-- (\w+): ", statement, re.MULTILINE)
        if names:
            yield names[0], statement


def results(files, text):
    """What each query of the text returns, as a list of dictionaries."""
    database, found = duckdb.connect(), {}
    database.execute(DIALECT)
    database.execute(TABLE, [files])
    for name, statement in statements(text):
        answer = database.execute(statement)
        if "\nSELECT" in statement and "CREATE " not in statement:
            names = [column[0] for column in answer.description]
            found[name] = [dict(zip(names, row)) for row in answer.fetchall()]
    return found


def snake(name):
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def expected_rows(expected):
    """The expectation under the names of the text's columns. The text does not know quarantines."""
    def times(row):
        return {snake(name): row[name] for name in ("firstEventTime", "lastEventTime")}

    def counts(row):
        return {"calls": row["calls"], "denied": row["denied"]} | times(row)

    def api(row):
        return {"event_source": row["eventSource"], "event_name": row["eventName"]}

    summary = {snake(name): value for name, value in expected["summary"].items() if "Quarantine" not in name}
    identities = []
    for row in expected["identities"]:
        via = row["via"] if isinstance(row["via"], dict) else {}
        proof = {"via_event_name": via.get("eventName"), "via_event_id": via.get("eventID"),
                 "via_event_time": via.get("eventTime")}
        identities.append({"id": row["id"], "parent": row["parent"]} | proof | counts(row))
    return {
        "summary": [summary],
        "identities": identities,
        "apis": [api(row) | counts(row) for row in expected["apis"]],
        "addresses": [{"source_ip_address": row["value"]} | counts(row) for row in expected["sourceIPAddresses"]],
        "user_agents": [{"user_agent": row["value"]} | counts(row) for row in expected["userAgents"]],
        "errors": [{"error_code": row["errorCode"]} | api(row) | {"calls": row["count"]} | times(row)
                   for row in expected["errors"]],
    }


def compare(what, expected, found, ignored=()):
    """Ends the test where a query's rows are not those expected. `ignored`: ids whose parent is not certain."""
    if expected.keys() != found.keys():
        sys.exit(f"docs/trace.sql has the queries {list(found)}, but the test expects {list(expected)}")
    for name in expected:
        sides = []
        for rows in (expected[name], found[name]):
            rows = [{column: value for column, value in row.items()
                     if not (row.get("id") in ignored and re.match("parent|via", column))} for row in rows]
            sides.append(collections.Counter(json.dumps(row, sort_keys=True) for row in rows))
        if sides[0] != sides[1]:
            sys.exit(f"{what}, {name}:\n  only expected {list((sides[0] - sides[1]).elements())[:4]}"
                     f"\n  only found    {list((sides[1] - sides[0]).elements())[:4]}")


def scenario():
    expected = expected_rows(json.loads((ROOT / "events/trace-expected.json").read_text()))
    found = results(str(ROOT / "events/trace/*.json"), SQL)
    compare("events/trace", expected, found)
    assert found["summary"][0]["calls"] > 40 and len(found["identities"]) > 5, found["summary"]
    print(f"events/trace: {found['summary'][0]}, {len(found['identities'])} identities")


def random_archives():
    sys.path.insert(0, str(ROOT / "cli/tests/cli"))
    import trace_oracle

    seen = collections.Counter()
    for seed in range(SEEDS):
        archive = trace_oracle.Archive(seed)
        with tempfile.TemporaryDirectory() as folder:
            archive.write(folder)
            for identities, limits in archive.questions():
                if limits:
                    continue  # The text has no such filters.
                expected, replaced = trace_oracle.expect(identities, trace_oracle.load(folder))
                named = "'), ('".join(re.split(",(?=AKIA|ASIA|arn:)", identities))
                found = results(folder + "/*.json.gz", SQL.replace(KEY, named))
                unsure = {row["id"] for row in expected["identities"] if row["parent"] == "either"}
                compare(f"seed {seed}, {identities}", expected_rows(expected), found, unsure)
                parents = {row["id"]: row["parent"] for row in expected["identities"]}
                seen.update({name: count for name, count in expected["summary"].items() if "Time" not in name})
                seen.update(runs=1, replaced=replaced, identities=len(parents),
                            deep=sum(trace_oracle.ancestors(parents, identity) >= 3 for identity in parents))
    print(f"random archives: {dict(seen)}")
    names = ["succeeded", "dryRun", "denied", "failed", "duplicates", "replaced", "onBehalf", "deep"]
    assert all(seen[name] >= SEEDS / 4 for name in names), "these archives show too little"


if __name__ == "__main__":
    scenario()
    random_archives()
