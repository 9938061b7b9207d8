"""Operates a deployed stack. Needs Python 3.9 or newer, and boto3.

    python3 operate.py enable-eventbridge BUCKET [--yes]     Enable the bucket's EventBridge notifications
    python3 operate.py prove STACK [PREFIX]     Send a test record through the pipeline, wait for its alert, check the alarms
    python3 operate.py prove STACK --health     Do the same with a made event of AWS Health
    python3 operate.py alarms STACK     Check the alarms only
    python3 operate.py redrive STACK     Move all deliveries from the dead-letter queue to the delivery queue
    python3 operate.py output STACK NAME     Print an output of the stack

Credentials and region are those of the AWS CLI. PREFIX is the part of the bucket's keys before `AWSLogs/`.
"""

import contextlib
import datetime
import difflib
import email.utils
import gzip
import json
import secrets
import sys
import time

import boto3
import botocore.exceptions

PROOF_ACCOUNT = "000000000000"
LONGEST_SECONDS = 180


def enable_eventbridge(bucket, yes):
    """Reads the notification configuration and writes it back whole, because S3 can only replace all of it."""
    s3 = boto3.client("s3")
    before = configuration(s3, bucket)
    if "EventBridgeConfiguration" in before:
        print(f"EventBridge notifications are already enabled for bucket {bucket}. Nothing was changed.")
        return
    after = before | {"EventBridgeConfiguration": {}}
    old, new = (json.dumps(each, indent=2, sort_keys=True).splitlines() for each in (before, after))
    print("\n".join(difflib.unified_diff(old, new, f"{bucket} (current)", f"{bucket} (new)", lineterm="")))
    print("With this configuration, S3 bills an EventBridge event for every object in the bucket.")
    if not yes and not agreed("Apply this configuration? [y/N] "):
        sys.exit(f"Canceled. The notification configuration of bucket {bucket} was not changed.")
    # Someone may have changed the configuration during the prompt.
    if configuration(s3, bucket) != before:
        sys.exit(
            f"Cannot enable EventBridge notifications for bucket {bucket}: someone else changed its notification"
            " configuration in the meantime. Nothing was changed. Run the command again."
        )
    # Without SkipDestinationValidation, an existing destination that S3 can no longer reach would fail this request.
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration=after, SkipDestinationValidation=True
    )
    print(f"EventBridge notifications are now enabled for bucket {bucket}.")


def agreed(question):
    try:
        return input(question).strip().lower() == "y"
    except EOFError:
        return False


def configuration(s3, bucket):
    answer = s3.get_bucket_notification_configuration(Bucket=bucket)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def outputs(stack):
    [description] = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}


def prove(stack, prefix="", health=False):
    """Sends evidence of account 000000000000 and waits for its alert, which all subscribers receive. Then checks the alarms."""
    out, sns = outputs(stack), boto3.client("sns")
    if health and "HealthBusArn" not in out:
        sys.exit(f"Stack {stack} has HealthEvents=off, so no event of AWS Health reaches it. Deploy it with HealthEvents=this-account.")
    for name, what in (("AlertTopicArn", "alerts"), ("OperationsTopicArn", "alarms")):
        attributes = sns.get_topic_attributes(TopicArn=out[name])["Attributes"]
        if int(attributes["SubscriptionsConfirmed"]) == 0:
            sys.exit(
                f"Nobody receives the {what} of stack {stack}: the topic {out[name]} has no confirmed subscription."
                " Confirm the subscription in the email from AWS, or subscribe to the topic. Then run the command"
                " again."
            )
    with Listener(sns, out["AlertTopicArn"], "MessageBody") as body:
        with Listener(sns, out["AlertTopicArn"], "MessageAttributes") as attributes:
            with (health_event(out) if health else log_file(out, prefix)) as (name, what, checks):
                print(f"{what}; waiting up to {LONGEST_SECONDS} s for its alert.")
                alert = body.wait(LONGEST_SECONDS, name)
            if alert is None:
                sys.exit(
                    f"{what}, but no alert arrived within {LONGEST_SECONDS} s. {checks} the dead-letter queue"
                    f" {out['DeadLetterQueueUrl']} and the function's log {out['LogGroupName']}."
                )
            print(f"The alert arrived: {alert['title']}")
            if attributes.wait(10, name) is None:
                print("Subscription filters work on the message body only: SNS drops the message attributes.")
            else:
                print("Subscription filters work on the message body and on the message attributes.")
    alarms(stack, LONGEST_SECONDS)


@contextlib.contextmanager
def log_file(out, prefix):
    """Puts a log file into the bucket for the duration of the block."""
    key, name, text = proof(prefix)
    s3 = boto3.client("s3")
    try:
        s3.put_object(Bucket=out["LogBucket"], Key=key, Body=gzip.compress(text.encode()))
    except botocore.exceptions.ClientError as error:
        sys.exit(
            f"Cannot put s3://{out['LogBucket']}/{key}: {error}. Use credentials that have s3:PutObject on it,"
            " or use the stronger proof in docs/operate.md."
        )
    try:
        yield name, f"Put s3://{out['LogBucket']}/{key}", (
            "Check that EventBridge notifications are enabled for the bucket, or that the log topic notifies of objects that"
            " others put. Then check"
        )
    finally:
        # In a versioned bucket, the old version remains.
        s3.delete_object(Bucket=out["LogBucket"], Key=key)


@contextlib.contextmanager
def health_event(out):
    """Sends an event of AWS Health to the delivery queue. EventBridge accepts events of AWS's services from nobody else."""
    now, name = datetime.datetime.now(datetime.timezone.utc), f"proof-of-life-{secrets.token_hex(4)}"
    code, http_time = "AWS_RISK_PROOF_OF_LIFE", email.utils.format_datetime(now.replace(microsecond=0), usegmt=True)
    event = {
        "version": "0",
        "id": secrets.token_hex(16),
        "detail-type": "AWS Health Event",
        "source": "aws.health",
        "account": PROOF_ACCOUNT,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": boto3.session.Session().region_name,
        "resources": [],
        "detail": {
            "eventArn": f"arn:aws:health:global::event/RISK/{code}/{code}_{name}",
            "service": "RISK",
            "communicationId": name,
            "statusCode": "open",
            "eventRegion": "global",
            "eventTypeCode": code,
            "startTime": http_time,
            "lastUpdatedTime": http_time,
            "affectedAccount": PROOF_ACCOUNT,
            "affectedEntities": [],
            "page": "1",
            "totalPages": "1",
            "eventMetadata": {"accountId": PROOF_ACCOUNT, "userName": name},
        },
    }
    boto3.client("sqs").send_message(QueueUrl=out["DeliveryQueueUrl"], MessageBody=json.dumps(event))
    yield name, f"Sent a made event of AWS Health to {out['DeliveryQueueUrl']}", "Check"


def alarms(stack, seconds=0):
    """Fails if an alarm of the stack is in ALARM. Waits for it to end: the metrics of a proof arrive minutes late."""
    resources = boto3.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    names = {
        each["PhysicalResourceId"]: each["LogicalResourceId"]
        for each in resources
        if each["ResourceType"] == "AWS::CloudWatch::Alarm"
    }
    if not names:
        sys.exit(f"Stack {stack} has no alarms, so nobody would learn that it does not work. Deploy it again.")
    cloudwatch, deadline, told = boto3.client("cloudwatch"), time.monotonic() + seconds, False
    while True:
        found = cloudwatch.describe_alarms(AlarmNames=list(names), AlarmTypes=["MetricAlarm"], MaxRecords=100)["MetricAlarms"]
        alarming = [alarm for alarm in found if alarm["StateValue"] == "ALARM"]
        if not alarming or time.monotonic() >= deadline:
            break
        if not told:
            print(f"Waiting up to {seconds} s for {len(alarming)} alarms to end.")
            told = True
        time.sleep(10)
    missing = names.keys() - {alarm["AlarmName"] for alarm in found}
    if missing:
        sys.exit(
            f"Stack {stack} has lost alarms, so nobody would learn that it does not work. Deploy it again:"
            f" {', '.join(sorted(names[name] for name in missing))}"
        )
    silenced = sorted(names[alarm["AlarmName"]] for alarm in found if not alarm["ActionsEnabled"])
    if silenced:
        sys.exit(
            f"These alarms of stack {stack} notify nobody, since their actions are disabled: {', '.join(silenced)}. Enable"
            " them (`aws cloudwatch enable-alarm-actions`). Then run the command again."
        )
    if alarming:
        sys.exit(
            f"Alarms of stack {stack} are in ALARM. Those that were before their subscription was confirmed have notified"
            " nobody. Do what each says, then run the command again.\n"
            + "\n".join(f"  {alarm['AlarmName']}: {alarm.get('AlarmDescription', '')}" for alarm in alarming)
        )
    waiting = sum(alarm["StateValue"] == "INSUFFICIENT_DATA" for alarm in found)
    print(f"No alarm is in ALARM: {len(found)} checked, {waiting} of them without data so far.")


def proof(prefix):
    now = datetime.datetime.now(datetime.timezone.utc)
    region, name = boto3.session.Session().region_name, f"proof-of-life-{secrets.token_hex(4)}"
    record = {
        "eventVersion": "1.11",
        "userIdentity": {"type": "IAMUser", "accountId": PROOF_ACCOUNT, "userName": name},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "iam.amazonaws.com",
        "eventName": "AttachUserPolicy",
        "awsRegion": region,
        "sourceIPAddress": "proof-of-life",
        "userAgent": "proof-of-life",
        "requestParameters": {
            "userName": name,
            "policyArn": f"arn:{boto3.session.Session().get_partition_for_region(region)}:iam::aws:policy/AWSCompromisedKeyQuarantineV3",
        },
        "responseElements": None,
        "requestID": secrets.token_hex(16),
        "eventID": secrets.token_hex(16),
        "eventType": "AwsApiCall",
        "recipientAccountId": PROOF_ACCOUNT,
    }
    folder = f"{prefix}AWSLogs/{PROOF_ACCOUNT}/CloudTrail/{region}/{now:%Y/%m/%d}"
    key = f"{folder}/{PROOF_ACCOUNT}_CloudTrail_{region}_{now:%Y%m%dT%H%MZ}_{secrets.token_hex(8)}.json.gz"
    return key, name, json.dumps({"Records": [record]})


class Listener:
    """A queue that is subscribed to a topic for the duration of the block and receives only alerts of the proof."""

    def __init__(self, sns, topic, scope):
        self.sns, self.topic, self.scope, self.sqs = sns, topic, scope, boto3.client("sqs")

    def __enter__(self):
        name = f"quarantine-alert-proof-{secrets.token_hex(4)}"
        self.queue = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self.topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": policy})
        self.subscription = self.sns.subscribe(
            TopicArn=self.topic,
            Protocol="sqs",
            Endpoint=arn,
            ReturnSubscriptionArn=True,
            Attributes={
                "RawMessageDelivery": "true",
                "FilterPolicyScope": self.scope,
                "FilterPolicy": json.dumps({"accountId": [PROOF_ACCOUNT]}),
            },
        )["SubscriptionArn"]
        return self

    def __exit__(self, *_):
        self.sns.unsubscribe(SubscriptionArn=self.subscription)
        self.sqs.delete_queue(QueueUrl=self.queue)

    def wait(self, seconds, name):
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            answer = self.sqs.receive_message(QueueUrl=self.queue, WaitTimeSeconds=max(0, min(20, int(left))))
            for message in answer.get("Messages", []):
                alert = json.loads(message["Body"])
                if alert["test"] and alert["entity"]["name"] == name:
                    return alert
        return None


def redrive(stack):
    """Sends each delivery before deleting it, so it is always in a queue. Deduplication suppresses a second alert."""
    out, sqs, count = outputs(stack), boto3.client("sqs"), 0
    while messages := sqs.receive_message(
        QueueUrl=out["DeadLetterQueueUrl"], MaxNumberOfMessages=10, WaitTimeSeconds=1, VisibilityTimeout=60
    ).get("Messages", []):
        for message in messages:
            sqs.send_message(QueueUrl=out["DeliveryQueueUrl"], MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=out["DeadLetterQueueUrl"], ReceiptHandle=message["ReceiptHandle"])
            count += 1
    print(f"Deliveries moved to the delivery queue: {count}")


def main():
    command, *arguments = sys.argv[1:] or [""]
    if command == "enable-eventbridge" and arguments[1:] in ([], ["--yes"]) and arguments:
        enable_eventbridge(arguments[0], "--yes" in arguments)
    elif command == "prove" and arguments[1:] == ["--health"]:
        prove(arguments[0], health=True)
    elif command == "prove" and len(arguments) in (1, 2):
        prove(*arguments)
    elif command == "alarms" and len(arguments) == 1:
        alarms(*arguments)
    elif command == "redrive" and len(arguments) == 1:
        redrive(*arguments)
    elif command == "output" and len(arguments) == 2:
        stack, name = arguments
        out = outputs(stack)
        if name not in out:
            sys.exit(f"Stack {stack} has no output {name}. It has: {', '.join(sorted(out))}.")
        print(out[name])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main()
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        sys.exit(
            f"`{' '.join(sys.argv[1:])}` failed: {error}\n"
            "Check the AWS credentials, their permissions, the region and the name of the stack or bucket."
        )
