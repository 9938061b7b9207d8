"""Demonstrates the whole pipeline on the local AWS: a log file goes into the bucket, and the alert email comes out.

    python tools/demo.py BOOTSTRAP
"""

import contextlib
import gzip
import http.client
import http.server
import json
import pathlib
import signal
import sys
import textwrap
import threading
import time
import urllib.parse

import local_aws

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUCKET = "example-trail-logs"
KEY = (
    "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/"
    "123456789012_CloudTrail_us-east-1_20261124T0305Z_quarantined.json.gz"
)
LONGEST_SECONDS = 60


class Relay(http.server.ThreadingHTTPServer):
    """Forwards requests to the local AWS and records the emails, which the local SNS does not keep."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), RelayHandler)
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        self.target = None
        self.emails = []


class RelayHandler(http.server.BaseHTTPRequestHandler):
    def relay(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        form = urllib.parse.parse_qs(body.decode(errors="replace"))
        if form.get("Action") == ["Publish"]:
            self.server.emails.append((form["Subject"][0], json.loads(form["Message"][0])["email"]))
        upstream = http.client.HTTPConnection(self.server.target)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        upstream.close()

    do_GET = do_POST = do_PUT = relay

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def relay():
    server = Relay()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def step(text):
    print(f"\n── {text}", flush=True)


def wait_for(what, look):
    for _ in range(LONGEST_SECONDS * 5):
        if found := look():
            return found
        time.sleep(0.2)
    sys.exit(f"timed out after {LONGEST_SECONDS} s waiting for {what}")


def logged(logs, group, sentence):
    """Returns the log lines that contain the sentence, without the function's colors and request IDs."""
    events = logs.filter_log_events(logGroupName=group)["events"]
    lines = [event["message"] for event in events if sentence in event["message"]]
    return [line[line.index(sentence) :].strip() for line in lines]


def demo(bootstrap):
    with relay() as mailbox, local_aws.server(endpoint_for_functions=mailbox.endpoint) as endpoint:
        mailbox.target = endpoint.removeprefix("http://")
        s3, logs = local_aws.client("s3", endpoint), local_aws.client("logs", endpoint)

        step(f"Create the log bucket s3://{BUCKET} with EventBridge notifications enabled")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )

        step("Deploy template.yaml: rule, queues, function, dedup table, topics, alarms")
        parameters = {"Source": "existing-bucket", "LogBucketName": BUCKET, "AlertEmail": "security@example.com"}
        outputs = local_aws.deploy(endpoint, bootstrap, "quarantine-alert", parameters)
        for name, value in sorted(outputs.items()):
            print(f"   {name:<19}{value}")

        step("CloudTrail delivers a log file that contains a quarantine")
        body = gzip.compress((ROOT / "events/log-files/quarantined.json").read_bytes())
        put = time.monotonic()
        s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)
        print(f"   s3://{BUCKET}/{KEY}")
        subject, email = wait_for("the alert email", lambda: mailbox.emails and mailbox.emails[0])

        step(f"{time.monotonic() - put:.1f} s later, security@example.com receives this email")
        print(textwrap.indent(f"Subject: {subject}\n\n{email}", "   │ ", lambda _: True))

        step("CloudTrail delivers the same log file again")
        s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)
        sentence = "Suppressed match: its incident is alerted."
        [line] = wait_for("the suppressed match", lambda: logged(logs, outputs["LogGroupName"], sentence))
        print(f"   {line}")
        if len(mailbox.emails) != 1:
            sys.exit(f"expected one email for one incident, but {len(mailbox.emails)} were sent")
        step("One incident, one alert. Stopping the local AWS")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        demo(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit(130)
