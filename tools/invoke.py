"""Invokes the function once under cargo-lambda, against the local AWS with the sample log files in its bucket.

    python tools/invoke.py BOOTSTRAP EVENT.json
"""

import contextlib
import gzip
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import local_aws

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUCKET = "example-trail-logs"
PREFIX = "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/123456789012_CloudTrail_us-east-1_20261124T0305Z_"
CARGO_LAMBDA = pathlib.Path(sys.executable).with_name("cargo-lambda")
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@contextlib.contextmanager
def running(*command, **options):
    """Runs a program until the block ends."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def wait_for_port(port):
    # Only connect: cargo-lambda treats any HTTP request as an invocation.
    for _ in range(100):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.1)
    sys.exit(f"cargo-lambda did not start: nothing listens on 127.0.0.1:{port} after 10 s")


def invoke(bootstrap, event):
    with local_aws.server() as endpoint:
        s3 = local_aws.client("s3", endpoint)
        s3.create_bucket(Bucket=BUCKET)
        for log_file in sorted((ROOT / "events/log-files").glob("*.json")):
            s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}{log_file.stem}.json.gz", Body=gzip.compress(log_file.read_bytes()))
        topic = local_aws.client("sns", endpoint).create_topic(Name="alerts")["TopicArn"]
        local_aws.client("dynamodb", endpoint).create_table(
            TableName="dedup",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "dedup_key", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "dedup_key", "KeyType": "HASH"}],
        )
        port = local_aws.free_port()
        at = ["--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
        environment = os.environ | {
            "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{port}/.rt",
            "AWS_LAMBDA_FUNCTION_NAME": "_",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": local_aws.REGION,
            "AWS_ACCESS_KEY_ID": "123456789012",
            "AWS_SECRET_ACCESS_KEY": "local",
            "ALERT_TOPIC_ARN": topic,
            "DEDUP_TABLE": "dedup",
        }
        with running(CARGO_LAMBDA, "lambda", "watch", "--only-lambda-apis", *at, **QUIET):
            wait_for_port(port)
            with running(bootstrap, env=environment):
                # Without a timeout, it would wait forever for a function that cannot start.
                command = ["timeout", "60", CARGO_LAMBDA, "lambda", "invoke", *at, "--data-file", event]
                return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(invoke(sys.argv[1], sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit(130)
