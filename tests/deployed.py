"""Tests the stack as a user deploys it, on the local AWS: `sam deploy` of the bundle for each source, and every operator command.

    python tests/deployed.py BOOTSTRAP

The programs of the tests are those of the bundle: its template, its function.zip and its operate.py.

Resources that the local AWS rejects are removed from the template first (REFUSED in tools/local_aws.py). It cannot
create a trail, so for new-trail the tests cover the bucket, its policy and everything after it.
"""

import contextlib
import gzip
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import bundle  # noqa: E402
import local_aws  # noqa: E402

BOOTSTRAP = sys.argv.pop(1)
ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
BUNDLES = tempfile.TemporaryDirectory()
BUNDLE = bundle.function(BOOTSTRAP, ARCHITECTURE, BUNDLES.name)
SAM = ROOT / ".tools/sam/bin/sam"
KEY = "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/123456789012_CloudTrail_us-east-1_20261124T0305Z_{}.json.gz"


class Stack:
    """A stack on its own local AWS."""

    def __init__(self, endpoint, folder):
        self.endpoint, self.folder = endpoint, folder
        self.environment = os.environ | {
            "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "123456789012", "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": local_aws.REGION, "AWS_DEFAULT_REGION": local_aws.REGION, "SAM_CLI_TELEMETRY": "0",
        }

    def client(self, service):
        return local_aws.client(service, self.endpoint)

    def sam(self, *arguments):
        result = subprocess.run([SAM, *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr

    def unpack(self):
        subprocess.run(["tar", "xzf", BUNDLE], cwd=self.folder, check=True)
        return self.folder / BUNDLE.name.removesuffix(".tar.gz")

    def deploy(self, **parameters):
        unpacked = self.unpack()
        (unpacked / "template.json").write_text(local_aws.template(unpacked / "template.yaml"))
        self.sam(
            "deploy", "--template", unpacked / "template.json", "--stack-name", "quarantine-alert", "--resolve-s3",
            "--no-progressbar", "--no-confirm-changeset", "--no-fail-on-empty-changeset", "--capabilities", "CAPABILITY_IAM",
            "--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items()),
        )
        [description] = self.client("cloudformation").describe_stacks(StackName="quarantine-alert")["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}

    def operate(self, *arguments):
        command = [sys.executable, self.unpack() / "operate.py", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def listen(self, topic):
        """Subscribes a new queue to the topic and returns its URL."""
        sqs = self.client("sqs")
        queue = sqs.create_queue(QueueName=f"listen-{topic.rsplit(':')[-1]}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
        sqs.set_queue_attributes(
            QueueUrl=queue, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allow]})}
        )
        self.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
        )
        return queue

    def receive(self, queue, seconds=90):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for message in self.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=5).get("Messages", []):
                self.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                return message["Body"]
        return None

    def put(self, bucket, name, content=None):
        if content is None:
            content = gzip.compress((ROOT / f"events/log-files/{name}.json").read_bytes())
        self.client("s3").put_object(Bucket=bucket, Key=KEY.format(name), Body=content)
        return KEY.format(name)

    def log(self, group):
        logs = self.client("logs")
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        return "\n".join(
            event["message"]
            for stream in streams
            for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
        )


def until(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.2)
    return condition()


class Deployed(unittest.TestCase):
    def setUp(self):
        self.resources = contextlib.ExitStack()
        self.addCleanup(self.resources.close)

    def stack(self, auth=False):
        endpoint = self.resources.enter_context(local_aws.server(auth=auth))
        return Stack(endpoint, pathlib.Path(self.resources.enter_context(tempfile.TemporaryDirectory())))

    def bucket(self, stack, name="example-trail-logs"):
        stack.client("s3").create_bucket(Bucket=name)
        enabled = stack.operate("enable-eventbridge", name, "--yes")
        self.assertEqual(enabled.returncode, 0, enabled.stderr)
        return name

    def alerts(self, stack, out, bucket, name="quarantined", entity="ci-deploy"):
        queue = stack.listen(out["AlertTopicArn"])
        stack.put(bucket, name)
        body = stack.receive(queue)
        self.assertIsNotNone(body, stack.log(out["LogGroupName"]))
        self.assertEqual(json.loads(body)["entity"]["name"], entity)

    def test_existing_bucket_stack_is_created_updated_and_deleted(self):
        stack = self.stack()
        bucket = self.bucket(stack)
        parameters = {"Source": "existing-bucket", "LogBucketName": bucket, "AlertEmail": "a@example.com", "FastPath": "on"}
        out = stack.deploy(**parameters)
        sqs, events = stack.client("sqs"), stack.client("events")
        queue = sqs.get_queue_attributes(QueueUrl=out["DeliveryQueueUrl"], AttributeNames=["All"])["Attributes"]
        redrive = json.loads(queue["RedrivePolicy"])
        self.assertEqual((queue["VisibilityTimeout"], int(redrive["maxReceiveCount"])), ("365", 5))
        self.assertEqual(redrive["deadLetterTargetArn"], out["DeadLetterQueueArn"])
        rules = [rule for rule in events.list_rules()["Rules"] if "EventPattern" in rule]
        self.assertEqual(len(rules), 3)
        for rule in rules:
            [target] = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            self.assertEqual((target["Arn"], target["DeadLetterConfig"]["Arn"]), (out["DeliveryQueueArn"], out["DeadLetterQueueArn"]))
        self.alerts(stack, out, bucket)
        table = stack.client("dynamodb").describe_table(TableName=out["DedupTableName"])["Table"]
        self.assertEqual(table["KeySchema"], [{"AttributeName": "dedup_key", "KeyType": "HASH"}])

        updated = stack.deploy(**parameters | {"FastPath": "off", "HealthEvents": "off", "DedupPeriodMinutes": "30", "HttpsFormat": "chat"})
        self.assertEqual(updated["DedupTableName"], out["DedupTableName"])
        [function] = stack.client("lambda").list_functions()["Functions"]
        variables = function["Environment"]["Variables"]
        self.assertEqual((variables["DEDUP_PERIOD_MINUTES"], variables["HTTPS_FORMAT"]), ("30", "chat"))
        self.assertEqual(len([rule for rule in events.list_rules()["Rules"] if "EventPattern" in rule]), 1)

        stack.sam("delete", "--stack-name", "quarantine-alert", "--no-prompts", "--region", local_aws.REGION)
        self.assertEqual(stack.client("lambda").list_functions()["Functions"], [])
        # The bucket is not part of the stack, and the dedup table outlives it.
        self.assertEqual(stack.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"], 1)
        self.assertIn(out["DedupTableName"], stack.client("dynamodb").list_tables()["TableNames"])

    def test_existing_topic_stack_is_created_and_deleted(self):
        stack = self.stack()
        topic = stack.client("sns").create_topic(Name="log-files")["TopicArn"]
        stack.client("s3").create_bucket(Bucket="example-trail-logs")
        notify = {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]}
        stack.client("s3").put_bucket_notification_configuration(Bucket="example-trail-logs", NotificationConfiguration=notify)
        out = stack.deploy(Source="existing-topic", LogBucketName="example-trail-logs", LogTopicArn=topic)
        [subscription] = stack.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        self.assertEqual(subscription["Endpoint"], out["DeliveryQueueArn"])
        self.alerts(stack, out, "example-trail-logs")
        stack.sam("delete", "--stack-name", "quarantine-alert", "--no-prompts", "--region", local_aws.REGION)
        self.assertEqual(stack.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"], [])

    def test_new_trail_stack_without_the_trail_is_created_and_deleted(self):
        stack = self.stack()
        out = stack.deploy(Source="new-trail", OrganizationId="o-a1b2c3d4e5")
        s3 = stack.client("s3")
        self.assertIn("EventBridgeConfiguration", s3.get_bucket_notification_configuration(Bucket=out["LogBucket"]))
        policy = s3.get_bucket_policy(Bucket=out["LogBucket"])["Policy"]
        self.assertIn("/AWSLogs/o-a1b2c3d4e5/*", policy)
        self.assertTrue(all(s3.get_public_access_block(Bucket=out["LogBucket"])["PublicAccessBlockConfiguration"].values()))
        self.alerts(stack, out, out["LogBucket"])
        stack.sam("delete", "--stack-name", "quarantine-alert", "--no-prompts", "--region", local_aws.REGION)
        self.assertEqual(s3.list_objects_v2(Bucket=out["LogBucket"])["KeyCount"], 1)

    def test_all_options_work_together(self):
        stack = self.stack()
        kms = stack.client("kms")
        logs, own = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        boundary = stack.client("iam").create_policy(PolicyName="boundary", PolicyDocument=json.dumps(everything))["Policy"]["Arn"]
        out = stack.deploy(
            Source="existing-bucket", LogBucketName=self.bucket(stack), LogKeyArn=logs, EncryptionKeyArn=own,
            PermissionsBoundaryArn=boundary, FastPath="on", HealthEvents="organization", HealthAccountId="210987654321", HttpsFormat="chat", DeniedAttempts="off", EnforcedDenials="off", SilenceHours="12",
            MemoryMiB="512", MaxInflatedMiB="100", LogRetentionDays="365", AlertEmail="a@example.com",
            OperationsEmail="o@example.com",
        )
        # The local AWS ignores the keys and the boundary. tests/function/template.rs covers them.
        [function] = stack.client("lambda").list_functions()["Functions"]
        self.assertEqual((function["MemorySize"], function["Environment"]["Variables"]["MAX_INFLATED_MIB"]), (512, "100"))
        self.alerts(stack, out, "example-trail-logs")

    def test_failed_delivery_raises_an_alarm_and_is_redriven(self):
        stack = self.stack()
        bucket = self.bucket(stack)
        out = stack.deploy(Source="existing-bucket", LogBucketName=bucket)
        sqs, cloudwatch = stack.client("sqs"), stack.client("cloudwatch")
        # Instead of five times six minutes.
        sqs.set_queue_attributes(QueueUrl=out["DeliveryQueueUrl"], Attributes={"VisibilityTimeout": "1"})
        key = stack.put(bucket, "quarantined", b"no log file")
        waiting = lambda: sqs.get_queue_attributes(  # noqa: E731
            QueueUrl=out["DeadLetterQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]["ApproximateNumberOfMessages"]
        self.assertEqual(until(lambda: waiting() == "1" and "1"), "1", stack.log(out["LogGroupName"]))
        # The local AWS counts receives while an invocation runs, and stores its log only when it ends.
        said_it = lambda: f"{key} is not a log file" in stack.log(out["LogGroupName"])  # noqa: E731
        self.assertTrue(until(said_it), stack.log(out["LogGroupName"]))

        page = stack.listen(out["OperationsTopicArn"])
        alarms = cloudwatch.describe_alarms()["MetricAlarms"]
        for alarm in alarms:
            self.assertEqual(alarm["AlarmActions"], [out["OperationsTopicArn"]], alarm["AlarmName"])
        [alarm] = [each for each in alarms if each["MetricName"] == "ApproximateNumberOfMessagesVisible"]
        self.assertTrue(out["DeadLetterQueueUrl"].endswith("/" + alarm["Dimensions"][0]["Value"]))
        cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="ALARM", StateReason="test")
        self.assertIn(alarm["AlarmName"], stack.receive(page) or "")

        # Replace the log file with a valid one, then redrive the delivery.
        sqs.set_queue_attributes(QueueUrl=out["DeliveryQueueUrl"], Attributes={"VisibilityTimeout": "60"})
        alerts = stack.listen(out["AlertTopicArn"])
        stack.client("s3").put_object(
            Bucket=bucket, Key=key, Body=gzip.compress((ROOT / "events/log-files/quarantined.json").read_bytes())
        )
        self.assertIsNotNone(stack.receive(alerts))
        redriven = stack.operate("redrive", "quarantine-alert")
        self.assertEqual((redriven.returncode, redriven.stdout), (0, "Deliveries moved to the delivery queue: 1\n"))
        self.assertTrue(until(lambda: "Suppressed match: its incident is alerted." in stack.log(out["LogGroupName"])))
        self.assertEqual(waiting(), "0")

    def test_enable_eventbridge_keeps_the_other_notifications(self):
        stack = self.stack()
        s3 = stack.client("s3")
        s3.create_bucket(Bucket="busy")
        queue = stack.client("sqs").create_queue(QueueName="q")["QueueUrl"]
        queue = stack.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        only = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "AWSLogs/"}]}}
        s3.put_bucket_notification_configuration(Bucket="busy", NotificationConfiguration={
            "QueueConfigurations": [{"Id": "q", "QueueArn": queue, "Events": ["s3:ObjectCreated:*"], "Filter": only}],
            "TopicConfigurations": [{"Id": "t", "TopicArn": stack.client("sns").create_topic(Name="t")["TopicArn"], "Events": ["s3:ObjectRemoved:*"]}],
            "LambdaFunctionConfigurations": [{"Id": "f", "LambdaFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f", "Events": ["s3:ObjectCreated:Put"]}],
        })
        before = s3.get_bucket_notification_configuration(Bucket="busy")
        refused = stack.operate("enable-eventbridge", "busy")
        canceled = "Canceled. The notification configuration of bucket busy was not changed.\n"
        self.assertEqual((refused.returncode, refused.stderr), (1, canceled))
        self.assertNotIn("EventBridgeConfiguration", s3.get_bucket_notification_configuration(Bucket="busy"))
        enabled = stack.operate("enable-eventbridge", "busy", "--yes")
        self.assertIn('+  "EventBridgeConfiguration": {}', enabled.stdout, enabled.stderr)
        after = s3.get_bucket_notification_configuration(Bucket="busy")
        for kind in ("QueueConfigurations", "TopicConfigurations", "LambdaFunctionConfigurations"):
            self.assertEqual(after[kind], before[kind])
        self.assertEqual(after["EventBridgeConfiguration"], {})
        self.assertIn("already", stack.operate("enable-eventbridge", "busy", "--yes").stdout)
        unreadable = stack.operate("enable-eventbridge", "missing", "--yes")
        self.assertEqual((unreadable.returncode, unreadable.stdout), (1, ""))
        self.assertIn("NoSuchBucket", unreadable.stderr)

    def test_prove_receives_its_alert_and_cleans_up(self):
        stack = self.stack()
        bucket = self.bucket(stack)
        out = stack.deploy(Source="existing-bucket", LogBucketName=bucket)
        refused = stack.operate("prove", "quarantine-alert")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("Nobody receives the alerts", refused.stderr)
        stack.listen(out["AlertTopicArn"])
        self.assertIn("Nobody receives the alarms", stack.operate("prove", "quarantine-alert").stderr)
        stack.listen(out["OperationsTopicArn"])
        proved = stack.operate("prove", "quarantine-alert", "some/prefix/")
        self.assertEqual(proved.returncode, 0, proved.stdout + proved.stderr)
        self.assertIn("The alert arrived: TEST IAM user proof-of-life-", proved.stdout)
        self.assertIn("Subscription filters work on the message body", proved.stdout)
        alarms = stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
        self.assertGreater(len(alarms), 6)
        self.assertIn(f"No alarm is in ALARM: {len(alarms)} checked, ", proved.stdout)
        # The proof leaves nothing in the bucket or on the topics.
        self.assertEqual(stack.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"], 0)
        for topic in (out["AlertTopicArn"], out["OperationsTopicArn"]):
            self.assertEqual(len(stack.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]), 1)

    def test_prove_with_a_health_event_receives_its_alert_unless_health_events_are_off(self):
        stack = self.stack()
        bucket = self.bucket(stack)
        out = stack.deploy(Source="existing-bucket", LogBucketName=bucket)
        stack.listen(out["AlertTopicArn"])
        stack.listen(out["OperationsTopicArn"])
        proved = stack.operate("prove", "quarantine-alert", "--health")
        self.assertEqual(proved.returncode, 0, proved.stdout + proved.stderr)
        self.assertIn("The alert arrived: TEST Credentials of IAM user proof-of-life-", proved.stdout)
        self.assertIn("No alarm is in ALARM: ", proved.stdout)
        off = stack.deploy(Source="existing-bucket", LogBucketName=bucket, HealthEvents="off")
        self.assertEqual(off.keys() - out.keys() | out.keys() - off.keys(), {"HealthBusArn"})
        refused = stack.operate("prove", "quarantine-alert", "--health")
        self.assertEqual((refused.returncode, "HealthEvents=off" in refused.stderr), (1, True))

    def test_health_events_of_an_organization_are_forwarded_to_their_own_bus(self):
        stack = self.stack()
        bucket = self.bucket(stack)
        out = stack.deploy(
            Source="existing-bucket", LogBucketName=bucket, HealthEvents="organization", HealthAccountId="210987654321"
        )
        name = out["HealthBusArn"].rsplit("/")[-1]
        events, sqs = stack.client("events"), stack.client("sqs")
        [rule] = events.list_rules(EventBusName=name)["Rules"]
        [target] = events.list_targets_by_rule(Rule=rule["Name"], EventBusName=name)["Targets"]
        self.assertEqual((target["Arn"], target["DeadLetterConfig"]["Arn"]), (out["DeliveryQueueArn"], out["DeadLetterQueueArn"]))

        unpacked = stack.unpack()
        (unpacked / "forwarder.json").write_text(local_aws.template(unpacked / "health-forwarder.yaml"))
        stack.sam(
            "deploy", "--template", unpacked / "forwarder.json", "--stack-name", "health-forwarder", "--resolve-s3",
            "--no-progressbar", "--no-confirm-changeset", "--capabilities", "CAPABILITY_IAM",
            "--parameter-overrides", f"HealthBusArn={out['HealthBusArn']}", "OperationsEmail=o@example.com",
        )
        [forwards] = [
            rule for rule in events.list_rules()["Rules"] if rule["Name"].startswith("health-forwarder")
        ]
        [target] = events.list_targets_by_rule(Rule=forwards["Name"])["Targets"]
        self.assertEqual(target["Arn"], out["HealthBusArn"])
        self.assertTrue(target["RoleArn"] and target["DeadLetterConfig"]["Arn"])
        [description] = stack.client("cloudformation").describe_stacks(StackName="health-forwarder")["Stacks"]
        [queue] = [output["OutputValue"] for output in description["Outputs"] if output["OutputKey"] == "DeadLetterQueueUrl"]
        self.assertIn("QueueArn", sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"])
        # PutEvents refuses AWS's own sources, so what the rules would send is put into the queue.
        alerts = stack.listen(out["AlertTopicArn"])
        event = (ROOT / "tests/cases/health/organization-view.json").read_text()
        self.assertTrue(matches(json.loads(forwards["EventPattern"]), json.loads(event)))
        sqs.send_message(QueueUrl=out["DeliveryQueueUrl"], MessageBody=event)
        alert = json.loads(stack.receive(alerts) or "null")
        self.assertEqual((alert["outcome"], alert["accountId"]), ("exposed", "111122223333"))
        for name in ("health-forwarder", "quarantine-alert"):
            stack.sam("delete", "--stack-name", name, "--no-prompts", "--region", local_aws.REGION)
        self.assertEqual([rule for rule in events.list_rules()["Rules"] if "EventPattern" in rule], [])

    def test_alarms_that_nobody_was_told_of_fail_the_check(self):
        stack = self.stack()
        stack.deploy(Source="existing-bucket", LogBucketName=self.bucket(stack))
        cloudwatch = stack.client("cloudwatch")
        fine = stack.operate("alarms", "quarantine-alert")
        self.assertEqual((fine.returncode, fine.stderr), (0, ""))
        [errors] = [each for each in cloudwatch.describe_alarms()["MetricAlarms"] if each["MetricName"] == "Errors"]
        cloudwatch.set_alarm_state(AlarmName=errors["AlarmName"], StateValue="ALARM", StateReason="test")
        alarming = stack.operate("alarms", "quarantine-alert")
        self.assertEqual(alarming.returncode, 1)
        self.assertIn(f"  {errors['AlarmName']}: {errors['AlarmDescription']}", alarming.stderr)
        cloudwatch.set_alarm_state(AlarmName=errors["AlarmName"], StateValue="OK", StateReason="test")
        cloudwatch.delete_alarms(AlarmNames=[errors["AlarmName"]])
        lost = stack.operate("alarms", "quarantine-alert")
        self.assertEqual((lost.returncode, "has lost alarms" in lost.stderr, "FunctionErrorsAlarm" in lost.stderr), (1, True, True))

    def test_the_packaged_template_takes_its_code_from_a_bucket(self):
        stack = self.stack()
        bucket, unpacked = self.bucket(stack), stack.unpack()
        stack.client("s3").create_bucket(Bucket="code")
        stack.client("s3").upload_file(unpacked / "function.zip", "code", "1/function.zip")
        out = local_aws.create(
            stack.client("cloudformation"), "quarantine-alert", local_aws.template(unpacked / "packaged.yaml"),
            {"Source": "existing-bucket", "LogBucketName": bucket, "CodeBucket": "code", "CodeKey": "1/function.zip"},
        )
        self.alerts(stack, out, bucket)

    def test_a_bundle_is_reproducible_and_its_checksums_are_true(self):
        with tempfile.TemporaryDirectory() as folder:
            again = bundle.function(BOOTSTRAP, ARCHITECTURE, folder)
            self.assertEqual(again.read_bytes(), BUNDLE.read_bytes())
        subprocess.run(["sha256sum", "--check", "--strict", f"{BUNDLE.name}.sha256"], cwd=BUNDLES.name, check=True)
        unpacked = Stack(None, pathlib.Path(self.resources.enter_context(tempfile.TemporaryDirectory()))).unpack()
        result = subprocess.run(
            ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=unpacked, check=True, capture_output=True, text=True
        )
        names = sorted(path.name for path in unpacked.iterdir())
        self.assertEqual(len(result.stdout.splitlines()), len(names) - 1, names)

    def test_each_permission_is_required_and_no_alert_is_lost_without_it(self):
        # The local AWS itself polls the queue and writes the log, and requires no permission for that.
        stack = self.stack(auth=True)
        bucket = "example-trail-logs"
        stack.client("s3").create_bucket(Bucket=bucket)
        stack.client("s3").put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        out = local_aws.deploy(
            stack.endpoint, BOOTSTRAP, "quarantine-alert", {"Source": "existing-bucket", "LogBucketName": bucket}
        )
        alerts, iam, role = stack.listen(out["AlertTopicArn"]), stack.client("iam"), out["FunctionRoleArn"].rsplit("/")[-1]
        # Instead of six minutes.
        stack.client("sqs").set_queue_attributes(QueueUrl=out["DeliveryQueueUrl"], Attributes={"VisibilityTimeout": "5"})
        [name] = iam.list_role_policies(RoleName=role)["PolicyNames"]
        whole = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        text = (ROOT / "events/log-files/quarantined.json").read_text()
        # Action, the text in the log, and whether the alert is still sent.
        table = [
            ("s3:GetObject", "access denied", False),
            ("dynamodb:GetItem", "the dedup table", True),
            ("dynamodb:PutItem", "the dedup table", True),
            ("sns:Publish", "cannot publish to the topic", False),
        ]
        for number, (action, said, alerted) in enumerate(table):
            with self.subTest(action):
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(without(whole, action)))
                user = f"user{number}"
                stack.put(bucket, user, gzip.compress(text.replace("ci-deploy", user).encode()))
                said_it = lambda: said in stack.log(out["LogGroupName"]) and user in stack.log(out["LogGroupName"])  # noqa: E731
                self.assertTrue(until(said_it), stack.log(out["LogGroupName"])[-2000:])
                body = stack.receive(alerts, 90 if alerted else 1)
                if alerted:
                    self.assertTrue(json.loads(body)["dedupDegraded"])
                else:
                    self.assertIsNone(body)
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(whole))
                if not alerted:
                    # The delivery returns to the queue and is redelivered.
                    self.assertEqual(json.loads(stack.receive(alerts))["entity"]["name"], user)


def matches(pattern, event):
    """Whether an event matches a pattern of EventBridge that has values and prefixes only."""

    def is_one(allowed, value):
        return any(
            str(value).startswith(each["prefix"]) if isinstance(each, dict) else value == each for each in allowed
        )

    return all(
        matches(inner, event.get(name, {})) if isinstance(inner, dict) else is_one(inner, event.get(name))
        for name, inner in pattern.items()
    )


def without(policy, action):
    policy = json.loads(json.dumps(policy))
    for statement in policy["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        statement["Action"] = [each for each in actions if each != action]
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Action"]]
    return policy


if __name__ == "__main__":
    unittest.main(verbosity=2)
