"""What an operator does with a deployed stack.

    python tools/operate.py enable-eventbridge BUCKET [--yes]     switches a bucket's EventBridge notifications on
    python tools/operate.py prove STACK [PREFIX]     sends a test record the real way, and waits for its alert
    python tools/operate.py redrive STACK     hands what waits in the failure queue to the function again
    python tools/operate.py output STACK NAME     prints an output of the stack

Credentials and region are the AWS CLI's. PREFIX is what stands before `AWSLogs/` in the bucket's keys.
"""

import datetime
import difflib
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
    """S3 knows only how to replace the whole configuration: what is there is read, and put back whole."""
    s3 = boto3.client("s3")
    before = configuration(s3, bucket)
    if "EventBridgeConfiguration" in before:
        print(f"{bucket} notifies EventBridge already; nothing is changed.")
        return
    after = before | {"EventBridgeConfiguration": {}}
    old, new = (json.dumps(each, indent=2, sort_keys=True).splitlines() for each in (before, after))
    print("\n".join(difflib.unified_diff(old, new, f"{bucket} now", f"{bucket} then", lineterm="")))
    print("S3 then bills an EventBridge event for every object of the bucket.")
    if not yes and not agreed("Put this configuration? [y/N] "):
        sys.exit("Nothing is changed.")
    # Somebody may have changed it while the question stood.
    if configuration(s3, bucket) != before:
        sys.exit(f"The configuration of {bucket} was changed meanwhile; nothing is put. Try again.")
    # Destinations that S3 cannot reach any more are somebody else's matter: without this, they would stop us.
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration=after, SkipDestinationValidation=True
    )
    print(f"{bucket} notifies EventBridge now.")


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


def prove(stack, prefix=""):
    """A log file of the account 000000000000 takes the whole way; its alert is awaited beside everybody else's."""
    out, sns = outputs(stack), boto3.client("sns")
    for name, what in (("AlertTopicArn", "the alerts"), ("OperationsTopicArn", "what is wrong with the alerter")):
        attributes = sns.get_topic_attributes(TopicArn=out[name])["Attributes"]
        if int(attributes["SubscriptionsConfirmed"]) == 0:
            sys.exit(
                f"Nobody gets {what}: {out[name]} has no confirmed subscription. Confirm the mail that AWS has sent, or"
                " subscribe to the topic, then try again."
            )
    with Listener(sns, out["AlertTopicArn"], "MessageBody") as body:
        with Listener(sns, out["AlertTopicArn"], "MessageAttributes") as attributes:
            key, name, text = proof(prefix)
            s3 = boto3.client("s3")
            try:
                s3.put_object(Bucket=out["LogBucket"], Key=key, Body=gzip.compress(text.encode()))
            except botocore.exceptions.ClientError as error:
                sys.exit(
                    f"s3://{out['LogBucket']}/{key} cannot be put ({error}). Use credentials that may, or take the"
                    " stronger proof of docs/operate.md."
                )
            print(f"Put s3://{out['LogBucket']}/{key}; waiting for its alert.")
            try:
                alert = body.wait(LONGEST_SECONDS, name)
            finally:
                # The object only: where the bucket keeps versions, its old one stays.
                s3.delete_object(Bucket=out["LogBucket"], Key=key)
            if alert is None:
                sys.exit(
                    f"No alert in {LONGEST_SECONDS} s. Is EventBridge on in the bucket, or does the log topic tell of"
                    " objects that others put? Is something in the failure queue? The function's log tells more."
                )
            print(f"The alert came: {alert['title']}")
            if attributes.wait(10, name) is None:
                print("Subscription filters work on the message body only: SNS drops the attributes.")
            else:
                print("Subscription filters work on the message body and on the attributes.")


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
    """A queue that is subscribed to a topic for the time of the block, and gets the proof's alerts only."""

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
    """Sends first and deletes then: whatever happens, a delivery is in one of the queues, and its alert is one."""
    out, sqs, count = outputs(stack), boto3.client("sqs"), 0
    while messages := sqs.receive_message(
        QueueUrl=out["FailureQueueUrl"], MaxNumberOfMessages=10, WaitTimeSeconds=1, VisibilityTimeout=60
    ).get("Messages", []):
        for message in messages:
            sqs.send_message(QueueUrl=out["DeliveryQueueUrl"], MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=out["FailureQueueUrl"], ReceiptHandle=message["ReceiptHandle"])
            count += 1
    print(f"{count} deliveries are handed to the function again.")


def main():
    match sys.argv[1:]:
        case ["enable-eventbridge", bucket, *options] if set(options) <= {"--yes"}:
            enable_eventbridge(bucket, "--yes" in options)
        case ["prove", stack, *prefix] if len(prefix) < 2:
            prove(stack, *prefix)
        case ["redrive", stack]:
            redrive(stack)
        case ["output", stack, name]:
            print(outputs(stack)[name])
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main()
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        sys.exit(f"AWS refuses: {error}")
