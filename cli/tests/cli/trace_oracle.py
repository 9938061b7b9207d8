"""What `quarantine-scan trace` must count, by a plain parse of every record, and a test that compares both.

    python trace_oracle.py expect IDENTITY FOLDER [--since WHEN] [--until WHEN]
    python trace_oracle.py compare PROGRAM SEEDS

`expect` prints the part of the report that is counted here: no leftBehind, quarantine or coverage. `compare` makes a
random archive for each seed and ends with status 1 at the first seed where the program reports something else.

Where the definitions leave a choice: a record without a time is in no order, so it is a call at any time, and what it
issued is traced as long as its caller is. Of two proofs in one second, either may win, and the parent
of a proof without a time may be any of its callers that did not come from it.
"""

import argparse
import collections
import copy
import datetime
import gzip
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import uuid
import zlib

ISSUING = ("AssumeRole AssumeRoleWithSAML AssumeRoleWithWebIdentity AssumeRoot GetSessionToken GetFederationToken"
           " CreateAccessKey").split()
CREATING = ["CreateUser", "CreateLoginProfile", "UpdateLoginProfile"]
DENIED = ("AccessDenied AccessDeniedException UnauthorizedOperation UnauthorizedAccess AuthorizationError"
          " AuthorizationErrorException NotAuthorized NotAuthorizedException Forbidden").split()
ALWAYS = 0  # The start of what was asked for: before every event.


def get(value, *path):
    """The value at this path of names; None if one of them is missing."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def seconds(record):
    """The time of a record in seconds; None without a readable one."""
    try:
        return int(datetime.datetime.fromisoformat(record["eventTime"].replace("Z", "+00:00")).timestamp())
    except (KeyError, ValueError, AttributeError):
        return None


def shown(time):
    return time and datetime.datetime.fromtimestamp(time, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def load(folder, since=None, until=None):
    """Every record below the folder that is not before or after these times. A day includes its last second."""
    low = seconds({"eventTime": since if "T" in since else since + "T00:00:00Z"}) if since else 0
    high = seconds({"eventTime": until if "T" in until else until + "T23:59:59Z"}) if until else 1 << 40
    records = []
    for path in sorted(pathlib.Path(folder).rglob("*.json*")):
        if path.name.endswith((".json", ".json.gz")):
            records += readable(path)
    return [record for record in records if seconds(record) is None or low <= seconds(record) <= high]


def readable(path):
    """The records of a log file that may be cut."""
    text = path.read_bytes()
    if path.name.endswith(".gz"):
        text = zlib.decompressobj(wbits=31).decompress(text)
    text, records = text.decode(errors="replace"), []
    at = text.find("[") + 1
    while text[at : at + 1] == "{":
        try:
            record, end = json.JSONDecoder().raw_decode(text, at)
        except ValueError:
            break
        records.append(record)
        at = end + 1
    return records


def outcome(record):
    """How a call ended. An empty error code is none."""
    code = record.get("errorCode")
    if not code:
        response = record.get("responseElements")
        return "failed" if isinstance(response, dict) and "Failure" in response.values() else "succeeded"
    if code.endswith("DryRunOperation"):
        return "dryRun"
    return "denied" if code.endswith(tuple(DENIED)) else "failed"


def account_of(record):
    return record.get("recipientAccountId") or get(record, "userIdentity", "accountId") or "unknown"


def given(record):
    """What came from a call: the id of a key or the ARN of a user; None if nothing did."""
    name = record.get("eventName")
    if outcome(record) != "succeeded":
        return None
    response, request = record.get("responseElements"), record.get("requestParameters")
    if name in ISSUING:
        return get(response, "credentials", "accessKeyId") or get(response, "accessKey", "accessKeyId")
    user = name in CREATING and (
        get(request, "userName") or get(response, "user", "userName") or get(response, "loginProfile", "userName"))
    known = user and account_of(record) != "unknown"  # A user of no account could not be found.
    return f"arn:{partition(record)}:iam::{account_of(record)}:user/{user}" if known else None


def partition(record):
    region = record.get("awsRegion") or ""
    of_region = "aws-us-gov" if region.startswith("us-gov-") else "aws-cn" if region.startswith("cn-") else "aws"
    return (get(record, "userIdentity", "arn") or f"arn:{of_region}").split(":")[1]


def user_of(identity):
    """Account and name of an IAM user; None for any other identity."""
    found = re.fullmatch(r"arn:[^:]+:iam::(\d{12}):user/(?:.*/)?([^/]+)", identity)
    return found and found.groups()


def kind_of(identity):
    if not identity.startswith("arn:"):
        return "key"
    resource = identity.split(":", 5)[5]
    return {"assumed-role": "session", "federated-user": "session", "role": "role"}.get(resource.split("/")[0], "user")


def rank(record, identity, is_root, is_created):
    """How narrowly an identity is the caller, 0 being the narrowest; None if it is not.

    A user that was asked for is known by its ARN, and by its name where the record has no ARN; one that was created, by
    its name.
    """
    user = record.get("userIdentity") or {}
    if kind_of(identity) == "key":
        return 0 if user.get("accessKeyId") == identity else None
    if is_root and user.get("arn") == identity:
        return 1
    if (is_created or not user.get("arn")) and user.get("type") == "IAMUser":
        if user_of(identity) == (user.get("accountId"), user.get("userName")):
            return 1
    return 2 if is_root and get(user, "sessionContext", "sessionIssuer", "arn") == identity else None


class Tracing:
    """The identities, each with the second from which it is traced."""

    def __init__(self, roots, records):
        self.roots, self.starts, self.created = roots, dict.fromkeys(roots, ALWAYS), {}
        edges = [(record, given(record)) for record in records if given(record)]
        before = None
        while before != (self.starts, self.created):  # Until nothing more comes, and nothing earlier.
            before = (dict(self.starts), dict(self.created))
            for record, identity in edges:
                owners = self.callers(record)
                if owners:
                    time = seconds(record)
                    start = min(begin for _, begin, _ in owners) if time is None else time
                    known = self.same(identity)
                    self.starts[known] = min(start, self.starts.get(known, start))
                    if user_of(known):
                        self.created[known] = min(start, self.created.get(known, start))
        self.proofs = collections.defaultdict(dict)
        for record, identity in edges:
            owner, identity = self.owner(record), self.same(identity)
            if owner and owner != identity and identity not in roots:
                self.proofs[identity][record.get("eventID") or id(record)] = (owner, record)

    def same(self, identity):
        """The user that was asked for, whose ARN may have a path, if it is this one."""
        user = user_of(identity)
        known = [root for root in [*self.roots, *self.created] if user and user_of(root) == user]
        return known[0] if known else identity

    def callers(self, record):
        """All traced identities that are the caller: rank, start and id."""
        time, found = seconds(record), []
        for identity, start in self.starts.items():
            created = self.created.get(identity)
            is_created = created is not None and (time is None or created <= time)
            place = rank(record, identity, identity in self.roots, is_created)
            if place is not None and (time is None or start <= time):
                found.append((place, start, identity))
        return found

    def owner(self, record):
        return min(self.callers(record), default=(0, 0, None))[2]

    def via(self, identity):
        """The parent and the earliest proof; "either" if several could be; None for what was asked for."""
        proofs = list(self.proofs[identity].values())
        if not proofs:
            return None, None
        times = [seconds(record) for _, record in proofs]
        if None in times or times.count(min(times)) > 1:
            return "either", "either"
        owner, record = proofs[times.index(min(times)) if len(times) > 1 else 0]
        kind = "issued" if kind_of(identity) == "key" else "created"
        return owner, {"kind": kind, "eventName": record["eventName"], "eventID": record.get("eventID"),
                       "eventTime": shown(seconds(record))}


READ = {
    "GetSecretValue": lambda request: [request["secretId"]],
    "GetParameter": lambda request: [request["name"]],
    "GetParameters": lambda request: request["names"],
    "GetObject": lambda request: [request["bucketName"] + "/" + request["key"]],
    "InvokeModel": lambda request: [request["modelId"]],
    # Sharing only: the same calls end it.
    "ModifySnapshotAttribute":
        lambda request: [request["snapshotId"]] if get(request, "createVolumePermission", "add") else [],
    "ModifyImageAttribute": lambda request: [request["imageId"]] if get(request, "launchPermission", "add") else [],
    "ModifyDBSnapshotAttribute":
        lambda request: [request["dBSnapshotIdentifier"]] if request.get("valuesToAdd") else [],
}


def accessed(record):
    """What a call read or shared, as a set of resources."""
    if outcome(record) != "succeeded":
        return set()
    if record.get("eventName") == "Decrypt":
        return {resource["ARN"] for resource in record.get("resources") or []}
    return set(READ.get(record.get("eventName"), lambda _: [])(record.get("requestParameters") or {}))


def rows(calls, names, keys, counts=("calls", "denied"), times=True):
    """One row for each combination of values. `keys`: those of a call, as tuples."""
    groups = collections.defaultdict(list)
    for call in calls:
        for values in keys(call):
            groups[values].append(call)
    return [dict(zip(names, values)) | numbers(group, counts, times) for values, group in groups.items()]


def numbers(calls, counts=("calls", "denied"), times=True):
    dated = [seconds(call) for call in calls if seconds(call) is not None]
    all_counts = {"calls": len(calls), "count": len(calls), "denied": sum(outcome(call) == "denied" for call in calls)}
    first = {"firstEventTime": shown(min(dated, default=None)), "lastEventTime": shown(max(dated, default=None))}
    return {name: all_counts[name] for name in counts} | (first if times else {})


def expect(identities, records):
    """The report's counted part, and the number of records that an addendum replaced."""
    replaced = {get(record, "addendum", "originalEventID") for record in records} - {None, ""}
    kept = [record for record in records if record.get("eventID") not in replaced]
    tracing = Tracing(re.split(r",(?=AKIA|ASIA|arn:)", identities), kept)
    calls, seen, copies = [], set(), 0
    for record in kept:
        if tracing.owner(record):
            copies += record.get("eventID") in seen
            calls += [record] if record.get("eventID") not in seen else []
            seen |= {record["eventID"]} if record.get("eventID") else set()
    by_owner = collections.defaultdict(list)
    for call in calls:
        by_owner[tracing.owner(call)].append(call)
    outcomes = collections.Counter(outcome(call) for call in calls)

    def api(call):
        return call.get("eventSource") or "unknown", call.get("eventName") or "unknown"

    return {
        "identities": [
            {"id": identity, "kind": kind_of(identity), **dict(zip(("parent", "via"), tracing.via(identity)))}
            | numbers(by_owner[identity]) for identity in tracing.starts],
        "summary": {name: outcomes[name] for name in ("succeeded", "dryRun", "failed")} | numbers(calls) | {
            "duplicates": copies, "onBehalf": sum(bool(get(call, "userIdentity", "invokedBy")) for call in calls)},
        "accounts": rows(calls, ["accountId"], lambda call: [(account_of(call),)], times=False),
        "regions": rows(calls, ["awsRegion"], lambda call: [(call.get("awsRegion"),)], times=False),
        "services": rows(calls, ["eventSource"], lambda call: [api(call)[:1]], times=False),
        "apis": rows(calls, ["eventSource", "eventName"], lambda call: [api(call)]),
        "sourceIPAddresses": rows(calls, ["value"], lambda call: [(call.get("sourceIPAddress"),)]),
        "userAgents": rows(calls, ["value"], lambda call: [(call.get("userAgent"),)]),
        "errors": rows(calls, ["errorCode", "eventSource", "eventName"],
                       lambda call: [(call["errorCode"], *api(call))] if call.get("errorCode") else [], ["count"]),
        "accessed": rows(calls, ["eventSource", "eventName", "resource"],
                         lambda call: [(*api(call), resource) for resource in accessed(call)], ["calls"]),
    }, sum(tracing.owner(record) is not None for record in records if record.get("eventID") in replaced)


class Archive:
    """Random records: users, what they do, and the credentials and users that come from it."""

    ACCOUNTS = ["123456789012", "210987654321"]
    PLAIN = [("ec2", "DescribeInstances"), ("ec2", "RunInstances"), ("iam", "ListUsers"), ("s3", "ListBuckets")]
    ERRORS = ["Client.UnauthorizedOperation", "Client.DryRunOperation", "AccessDenied", "NoSuchKey", "Client.Forbidden",
              "AccessDeniedException", "ThrottlingException", "DryRunOperation", "AccessDeniedByPolicy", ""]
    ROLES = ["admin", "ops/deploy", "r"]

    def __init__(self, seed):
        self.random, self.number, self.records = random.Random(seed), seed * 10**6, []
        self.time, self.callers, self.users, self.edges = 1_795_489_331, [], [], collections.Counter()
        for account, path in [(0, "alice"), (0, "ops/bob"), (1, "bo"), (0, "root")]:
            account = self.ACCOUNTS[account]
            self.users.append((account, path))
            self.callers += [self.user_caller(account, path, "AKIA") for _ in range(2)]
        root = {"type": "Root", "accountId": self.ACCOUNTS[0], "arn": f"arn:aws:iam::{self.ACCOUNTS[0]}:root"}
        self.callers.append(root | {"accessKeyId": self.key("ASIA")})
        for _ in range(self.random.randint(60, 160)):
            self.time += self.random.choice([0, 0, 0, 1, 1, 2, 60])
            recent = self.random.random() < 0.5
            self.step(self.random.choice(self.callers[-5:] if recent else self.callers))
        self.random.shuffle(self.records)

    def new(self):
        self.number += 1
        return self.number

    def event_id(self):
        """In no order. Nearly all are UUIDs, as CloudTrail's are."""
        number = f"{self.random.getrandbits(128):032x}"
        return str(uuid.UUID(number)) if self.random.random() < 0.9 else number

    def key(self, start):
        return f"{start}{self.new():016d}"

    def user_caller(self, account, path, start):
        arn, name = f"arn:aws:iam::{account}:user/{path}", path.split("/")[-1]
        return {"type": "IAMUser", "accountId": account, "arn": arn, "userName": name, "accessKeyId": self.key(start)}

    def step(self, caller):
        """One call, and perhaps what comes from it, its copies and its addendum."""
        action = self.random.choice(["plain"] * 4 + ["read"] * 2 + ["assume"] * 2 + ["token", "federate", "access key",
                                                                                    "user", "password", "console"])
        record, comers = getattr(self, action.replace(" ", "_"))(caller)
        is_edge = bool(comers)
        if self.random.random() < (0.15 if is_edge else 0.3) and action != "console":
            record["errorCode"] = self.random.choice(self.ERRORS)
            if record["errorCode"] and (not is_edge or self.random.random() < 0.7):
                record["responseElements"] = None
        for share, name in [(0.03, "eventTime"), (0.05, "recipientAccountId"), (0.05, "awsRegion"), (0.03, "eventID"),
                            (0.05, "sourceIPAddress"), (0.05, "userAgent")]:
            if self.random.random() < share and not (is_edge and name == "eventTime" and "user" in action):
                del record[name]
        for share, name in [(0.1, "arn"), (0.05, "accessKeyId"), (0.03, "accountId")]:
            if self.random.random() < share:
                record["userIdentity"].pop(name, None)
        if self.random.random() < 0.1:
            record["userIdentity"]["invokedBy"] = "cloudformation.amazonaws.com"
        if is_edge:
            self.edges[record["eventName"]] += 1
        self.add(record)
        self.callers += comers
        if self.random.random() < 0.08 and "eventID" in record:
            newer = copy.deepcopy(record) | {"eventID": self.event_id(), "sourceIPAddress": "203.0.113.99"}
            newer["addendum"] = {"reason": "UPDATED_DATA", "originalEventID": record["eventID"]}
            if self.random.random() < 0.5:
                newer["errorCode"] = self.random.choice(self.ERRORS)
            self.add(newer)

    def add(self, record):
        """Some records are delivered several times."""
        self.records += [record] * self.random.choice([1, 1, 1, 1, 1, 2, 3])

    def record(self, caller, source, name, **fields):
        return {
            "eventVersion": "1.11", "userIdentity": copy.deepcopy(caller), "eventTime": shown(self.time),
            "eventSource": source + ".amazonaws.com", "eventName": name, "eventID": self.event_id(),
            "awsRegion": self.random.choice(["us-east-1", "eu-west-1"]), "recipientAccountId": caller["accountId"],
            "sourceIPAddress": f"198.51.100.{self.random.randint(1, 4)}", "requestParameters": None,
            "userAgent": self.random.choice(["aws-cli/2.15", "Boto3/1.34", "signin.amazonaws.com"]),
            "responseElements": None, "eventCategory": "Management", "managementEvent": True} | fields

    def plain(self, caller):
        return self.record(caller, *self.random.choice(self.PLAIN)), []

    def read(self, caller):
        arn, number = f"arn:aws:kms:us-east-1:{caller['accountId']}:key/", self.random.randint(1, 3)
        share = self.random.choice(["add", "remove"])
        source, name, request, more = self.random.choice([
            ("secretsmanager", "GetSecretValue", {"secretId": f"secret{number}"}, {}),
            ("ssm", "GetParameter", {"name": f"/p/{number}"}, {}),
            ("ssm", "GetParameters", {"names": [f"/p/{number}", "/p/1", "/p/1"]}, {}),
            ("kms", "Decrypt", None, {"resources": [{"ARN": arn + str(number), "type": "AWS::KMS::Key"}]}),
            ("s3", "GetObject", {"bucketName": "b", "key": f"a/{number}"}, {"eventCategory": "Data"}),
            ("ec2", "ModifySnapshotAttribute", {"snapshotId": "snap-1", "createVolumePermission": {share: {}} | {
                share: {"items": [{"group": "all"}]}}}, {}),
            ("bedrock", "InvokeModel", {"modelId": "m"}, {})])
        return self.record(caller, source, name, requestParameters=request, **more), []

    def issued(self, caller, name, request, comer):
        """An STS call, and the identity that its credentials give."""
        response = {"credentials": {"accessKeyId": comer["accessKeyId"], "expiration": "Nov 25, 2026, 3:05:11 AM"}}
        return self.record(caller, "sts", name, requestParameters=request, responseElements=response), [comer]

    def assume(self, caller):
        """Of a role of either account; the other account gets a copy with another eventID."""
        account, role = self.random.choice(self.ACCOUNTS), self.random.choice(self.ROLES)
        name, session = role.split("/")[-1], f"session{self.random.randint(1, 3)}"
        arn = f"arn:aws:iam::{account}:role/{role}"
        issuer = {"type": "Role", "arn": arn, "accountId": account, "userName": name}
        session_arn = f"arn:aws:sts::{account}:assumed-role/{name}/{session}"
        comer = {"type": "AssumedRole", "accountId": account, "arn": session_arn, "accessKeyId": self.key("ASIA"),
                 "sessionContext": {"sessionIssuer": issuer}}
        if self.random.random() < 0.2:  # Someone else's session of the role: no edge leads to it.
            self.callers.append(comer | {"accessKeyId": self.key("ASIA"), "arn": session_arn + "x"})
        record, comers = self.issued(caller, "AssumeRole", {"roleArn": arn, "roleSessionName": session}, comer)
        if account != caller["accountId"]:
            record["sharedEventID"] = str(self.new())
            other = copy.deepcopy(record) | {"eventID": self.event_id(), "recipientAccountId": account}
            if self.random.random() < 0.5:
                other["userIdentity"] = {"type": "AWSAccount", "accountId": caller["accountId"]}
            self.add(other)
        return record, comers

    def token(self, caller):
        return self.issued(caller, "GetSessionToken", None, caller | {"accessKeyId": self.key("ASIA")})

    def federate(self, caller):
        name = f"visitor{self.random.randint(1, 2)}"
        issuer = {"type": "IAMUser", "arn": caller["arn"], "accountId": caller["accountId"]}
        comer = {"type": "FederatedUser", "accountId": caller["accountId"], "accessKeyId": self.key("ASIA"),
                 "arn": f"arn:aws:sts::{caller['accountId']}:federated-user/{name}",
                 "sessionContext": {"sessionIssuer": issuer}}
        return self.issued(caller, "GetFederationToken", {"name": name}, comer)

    def access_key(self, caller):
        account, path = self.random.choice([user for user in self.users if user[0] == caller["accountId"]])
        comer = self.user_caller(account, path, "AKIA")
        response = {"accessKey": {"accessKeyId": comer["accessKeyId"], "status": "Active"}}
        return self.record(caller, "iam", "CreateAccessKey", responseElements=response), [comer]

    def user(self, caller):
        """Creates a user. Sometimes one of that name was there before, whose calls are not the new one's."""
        account, name = caller["accountId"], self.random.choice(["eve", "root", f"new-user-{self.new()}"])
        path = self.random.choice(["", "x/"]) + name
        if self.random.random() < 0.5:
            self.time -= 5
            self.add(self.plain(self.user_caller(account, path, "AKIA"))[0])
            self.time += 5
        self.users.append((account, path))
        response = {"user": {"userName": name, "arn": f"arn:aws:iam::{account}:user/{path}"}}
        request = {"userName": name}
        record = self.record(caller, "iam", "CreateUser", requestParameters=request, responseElements=response)
        return record, [self.user_caller(account, path, "ASIA")]  # At the console: no record tells its key's origin.

    def password(self, caller):
        account, path = self.random.choice([user for user in self.users if user[0] == caller["accountId"]])
        name, request = self.random.choice(CREATING[1:]), {"userName": path.split("/")[-1]}
        record = self.record(caller, "iam", name, requestParameters=request)
        return record, [self.user_caller(account, path, "ASIA")]

    def console(self, caller):
        answer = {"ConsoleLogin": self.random.choice(["Success", "Failure"])}
        return self.record(caller, "signin", "ConsoleLogin", responseElements=answer), []

    def write(self, folder):
        """Into 1 to 8 log files, in no order."""
        files = self.random.randint(1, 8)
        for at in range(files):
            name = f"{self.ACCOUNTS[0]}_CloudTrail_us-east-1_20261124T0305Z_{self.random.getrandbits(64):016x}.json.gz"
            text = json.dumps({"Records": self.records[at::files]}, separators=(",", ":"))
            (pathlib.Path(folder) / name).write_bytes(gzip.compress(text.encode(), 1))

    def cut(self, folder):
        """Sometimes cuts one of the log files. Returns whether it did."""
        path = self.random.choice(sorted(pathlib.Path(folder).iterdir()))
        whole = path.read_bytes()
        if self.random.random() < 0.3:
            path.write_bytes(whole[: self.random.randint(20, len(whole) - 1)])
        return path.stat().st_size < len(whole)

    def questions(self):
        """What to trace, with further arguments."""
        def one(kind):
            return self.random.choice([caller for caller in self.callers if caller["type"] == kind] or self.callers)
        user, session, root = one("IAMUser")["arn"], one("AssumedRole"), one("Root")["arn"]
        role = get(session, "sessionContext", "sessionIssuer", "arn") or user
        key = self.callers[0]["accessKeyId"]
        both = user + "," + one("IAMUser")["accessKeyId"]
        federated, other = one("FederatedUser")["arn"], one("IAMUser")["accessKeyId"]
        lists = [key, other, user, root, role, session["arn"], federated, both]
        middle = shown(self.random.randint(1_795_489_331, self.time))
        return [*((identities, {}) for identities in lists), (user, {"since": middle}), (key, {"until": middle})]


def differences(expected, found):
    """The keys that differ, each with the rows that are only expected and those that are only found."""
    either = {row["id"] for row in expected["identities"] if row["parent"] == "either"}
    for name, value in expected.items():
        sides = []
        for side in (value, found[name]):
            rows_of_side = [dict(row) for row in (side if isinstance(side, list) else [side])]
            for row in rows_of_side:
                if name == "identities" and row["id"] in either:
                    row |= {"parent": None, "via": None}
                for other in ("arn", "accountId") if name == "identities" else ("beforeQuarantine", "afterQuarantine"):
                    row.pop(other, None)
            sides.append(collections.Counter(json.dumps(row, sort_keys=True) for row in rows_of_side))
        if sides[0] != sides[1]:
            yield name, list((sides[0] - sides[1]).elements()), list((sides[1] - sides[0]).elements())


def ancestors(parents, identity):
    """How many edges lead to an identity, as far as its parents are certain."""
    count = 0
    while parents.get(identity) and count < len(parents):
        count, identity = count + 1, parents[identity]
    return count


def compare(program, seeds):
    """Compares all that is counted, for several identities in each seed's archive; then, that it was enough."""
    seen = collections.Counter()
    for seed in range(seeds):
        archive = Archive(seed)
        seen.update(archive.edges)
        with tempfile.TemporaryDirectory() as folder:
            archive.write(folder)
            is_cut = archive.cut(folder)
            seen["cut"] += is_cut
            for identities, limits in archive.questions():
                expected, replaced = expect(identities, load(folder, **limits))
                options = [text for name, value in limits.items() for text in (f"--{name}", value)]
                command = [program, "trace", identities, folder, "--format", "json", *options]
                run = subprocess.run(command, capture_output=True, text=True)
                if run.returncode != (2 if is_cut else int(expected["summary"]["calls"] > 0)):
                    sys.exit(f"seed {seed}, {identities} {options}: status {run.returncode}\n{run.stderr}")
                wrong = [f"  {name}\n    only expected {left[:3]}\n    only found    {right[:3]}"
                         for name, left, right in differences(expected, json.loads(run.stdout))]
                if wrong:
                    sys.exit(f"seed {seed}, {identities} {options}:\n" + "\n".join(wrong))
                parents = {row["id"]: row["parent"] for row in expected["identities"]}
                deep = [identity for identity in parents if ancestors(parents, identity) >= 3]
                seen.update({name: count for name, count in expected["summary"].items() if "Time" not in name})
                seen.update(runs=1, replaced=replaced, deep=bool(deep), identities=len(parents))
    print(json.dumps(seen, indent=1))
    names = ["AssumeRole", "GetSessionToken", "GetFederationToken", "CreateAccessKey", *CREATING]
    names += ["succeeded", "dryRun", "denied", "failed", "duplicates", "replaced", "onBehalf", "deep", "cut"]
    assert all(seen[name] >= seeds / 8 for name in names) and seen["calls"] > 20 * seeds, "these runs show too little"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words, options in [("expect", ["IDENTITY", "FOLDER"], ["--since", "--until"]),
                                 ("compare", ["PROGRAM", "SEEDS"], [])]:
        command = commands.add_parser(name)
        for word in words + options:
            command.add_argument(word)
    arguments = parser.parse_args()
    if arguments.command == "compare":
        compare(arguments.PROGRAM, int(arguments.SEEDS))
    else:
        records = load(arguments.FOLDER, arguments.since, arguments.until)
        print(json.dumps(expect(arguments.IDENTITY, records)[0], indent=1))


if __name__ == "__main__":
    main()
