"""template.yaml as CloudFormation sees it, after the SAM transform and with its conditions evaluated.

    python tools/template.py resolve [PARAMETER=VALUE ...]     Print what these parameters create, as JSON
    python tools/template.py forwarder [PARAMETER=VALUE ...]     Do the same for health-forwarder.yaml
    python tools/template.py combinations     Evaluate every combination of the conditions and lint each kind of result
"""

import itertools
import json
import os
import pathlib
import re
import sys

import cfnlint.api
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
PSEUDO = {
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::StackName": "quarantine-alert",
    "AWS::URLSuffix": "amazonaws.com",
}
NOTHING = object()
# Each is either set or empty. Together with the sources, they determine every condition.
GIVEN = {
    "LogKeyArn": "arn:aws:kms:us-east-1:123456789012:key/logs",
    "EncryptionKeyArn": "arn:aws:kms:us-east-1:123456789012:key/own",
    "OrganizationId": "o-a1b2c3d4e5",
    "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
    "AlertEmail": "alerts@example.com",
    "OperationsEmail": "operations@example.com",
    "FastPath": "on",
}
SOURCES = {
    "existing-bucket": {"LogBucketName": "example-trail-logs"},
    "existing-topic": {
        "LogBucketName": "example-trail-logs",
        "LogTopicArn": "arn:aws:sns:eu-west-1:123456789012:logs",
    },
    "new-trail": {},
}


HEALTH = {
    "off": {"HealthEvents": "off"},
    "this-account": {},
    "organization": {"HealthEvents": "organization"},
    "another account": {"HealthEvents": "organization", "HealthAccountId": "210987654321"},
}


def forwarder():
    return yaml_parse((ROOT / "health-forwarder.yaml").read_text())


def transformed():
    os.environ.setdefault("AWS_DEFAULT_REGION", PSEUDO["AWS::Region"])
    template = yaml_parse((ROOT / "template.yaml").read_text())
    template["Resources"]["Function"]["Properties"]["CodeUri"] = "s3://code/function.zip"
    return Translator({}, Parser()).translate(template, {})


def resolve(template, parameters):
    """Returns what is created, with every condition and every Ref of a parameter replaced by its value."""
    values = PSEUDO | {name: str(each.get("Default", "")) for name, each in template["Parameters"].items()} | parameters
    unknown = parameters.keys() - template["Parameters"].keys()
    if unknown:
        sys.exit(f"template.yaml has no parameter {', '.join(unknown)}")

    def condition(node):
        match node:
            case str():
                return condition(template["Conditions"][node])
            case {"Condition": name}:
                return condition(name)
            case {"Fn::Equals": [one, other]}:
                return walk(one) == walk(other)
            case {"Fn::Not": [inner]}:
                return not condition(inner)
            case {"Fn::And": inner}:
                return all(map(condition, inner))
            case {"Fn::Or": inner}:
                return any(map(condition, inner))
        sys.exit(f"cannot evaluate the condition {node} of template.yaml: tools/template.py does not support its form")

    def walk(node):
        match node:
            case {"Ref": "AWS::NoValue"}:
                return NOTHING
            case {"Ref": name} if name in values:
                return values[name]
            case {"Fn::If": [name, yes, no]}:
                return walk(yes if condition(name) else no)
            case {"Fn::Sub": text} if isinstance(text, str):
                return substitute(text, {})
            case {"Fn::Sub": [text, own]}:
                return substitute(text, {name: walk(value) for name, value in own.items()})
            case {"Fn::Select": [index, {"Fn::Split": [by, inner]}]}:
                return walk(inner).split(by)[int(index)]
            case dict():
                pairs = ((key, walk(value)) for key, value in node.items())
                return {key: value for key, value in pairs if value is not NOTHING}
            case list():
                return [value for value in map(walk, node) if value is not NOTHING]
        return node

    def substitute(text, own):
        known = values | own
        pattern = re.compile(r"\$\{([A-Za-z:]+)\}")
        text = pattern.sub(lambda name: replace(known.get(name[1], name[0])), text)
        return {"Fn::Sub": text} if "${" in text else text

    def replace(value):
        match value:
            case {"Ref": name}:
                return f"${{{name}}}"
            case {"Fn::GetAtt": [name, attribute]}:
                return f"${{{name}.{attribute}}}"
            case {"Fn::Sub": text}:
                return text
        return value

    def wanted(section):
        return {name: walk(each) for name, each in template[section].items() if condition_of(each)}

    def condition_of(each):
        return "Condition" not in each or condition(each["Condition"])

    resources, outputs = wanted("Resources"), wanted("Outputs")
    for each in [*resources.values(), *outputs.values()]:
        each.pop("Condition", None)
        each.get("Metadata", {}).pop("SamResourceId", None)
    return {"Resources": resources, "Outputs": outputs}


def dangling(template):
    """Returns the names that are referenced but not created."""
    names = template["Resources"].keys()

    def references(node):
        match node:
            case {"Ref": name}:
                yield name
            case {"Fn::GetAtt": [name, *_]}:
                yield name
            case dict():
                for key, value in node.items():
                    if key == "DependsOn":
                        yield from [value] if isinstance(value, str) else value
                    yield from references(value)
            case list():
                for value in node:
                    yield from references(value)
            case str():
                yield from (name.split(".")[0] for name in re.findall(r"\$\{([A-Za-z]+[.A-Za-z]*)\}", node))

    return sorted(set(references(template)) - names)


def combinations():
    template, kinds, count = transformed(), {}, 0
    for (source, needed), (health, more) in itertools.product(SOURCES.items(), HEALTH.items()):
        for chosen in itertools.product([False, True], repeat=len(GIVEN)):
            given = more | {name: value for (name, value), yes in zip(GIVEN.items(), chosen) if yes}
            resolved = resolve(template, {"Source": source} | needed | given)
            count += 1
            if dangling(resolved):
                sys.exit(f"with Source={source} and {given}, template.yaml references, but lacks, {dangling(resolved)}")
            # The other parameters only set a value or add an email subscription, which nothing references. The last
            # template of each kind has all of them set.
            kinds[source, *(name in given for name in ("FastPath", "LogKeyArn", "EncryptionKeyArn"))] = resolved
            kinds[source, health] = resolved
    for kind, resolved in kinds.items():
        text = json.dumps({"AWSTemplateFormatVersion": "2010-09-09"} | resolved)
        matches = cfnlint.api.lint(text, regions=["us-east-1"])
        problems = [match for match in matches if not match.rule.id.startswith("I")]
        if problems:
            sys.exit(f"cfn-lint, template.yaml with {kind}:\n" + "\n".join(str(match) for match in problems))
    print(f"{count} combinations are consistent; {len(kinds)} kinds pass cfn-lint")


def main():
    match sys.argv[1:]:
        case ["resolve", *pairs]:
            print(json.dumps(resolve(transformed(), dict(pair.split("=", 1) for pair in pairs))))
        case ["forwarder", *pairs]:
            print(json.dumps(resolve(forwarder(), dict(pair.split("=", 1) for pair in pairs))))
        case ["combinations"]:
            combinations()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
