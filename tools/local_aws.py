"""The local AWS for the demo and the tests: MiniStack on a free loopback port, with template.yaml deployed into it.

    python tools/local_aws.py serve [--auth]     Print the endpoint, then serve until standard input closes
    python tools/local_aws.py deploy ENDPOINT BOOTSTRAP NAME [PARAMETER=VALUE ...]     Print the stack's outputs

Standard input also closes when the parent process is killed.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import boto3
import botocore.config
from samtranslator.yaml_helper import yaml_parse

import bundle

ROOT = pathlib.Path(__file__).resolve().parent.parent
REGION = "us-east-1"
# MiniStack supports neither trails nor metric math, and rejects any stack that contains them. The dashboard names the alarms.
REFUSED = ["Trail", "DeadLetterQueueGrowsAlarm", "NotDeliveredAlarm", "SilenceAlarm", "Dashboard"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(auth=False, endpoint_for_functions=None):
    """Runs MiniStack for the duration of the block and yields its endpoint.

    Every variable matters: without BIND_HOST, MiniStack listens on all interfaces, and without AWS_ENDPOINT_URL, the
    functions that it runs call the real AWS.
    """
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    folder = tempfile.mkdtemp(prefix="local-aws-")
    log = open(os.path.join(folder, "log"), "w+b")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "TMPDIR": folder,
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "AWS_ENDPOINT_URL": endpoint_for_functions or endpoint,
        "LOG_LEVEL": "WARNING",
        "AUTH": "true" if auth else "false",
    }
    process = subprocess.Popen(
        [pathlib.Path(sys.executable).with_name("ministack")],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=end_with_parent if sys.platform == "linux" else None,
    )
    try:
        wait_until_ready(endpoint, process, log)
        yield endpoint
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def end_with_parent():
    """Stops MiniStack even if this process is killed and cannot do it (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def wait_until_ready(endpoint, process, log):
    for _ in range(300):
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=1)
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    log.seek(0)
    sys.exit(f"the local AWS (MiniStack) did not start; its log:\n{log.read().decode(errors='replace')}")


def client(service, endpoint, account="123456789012"):
    """Returns a boto3 client. The local server uses the access key ID as the account ID."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=account,
        aws_secret_access_key="local",
        config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def template(path=ROOT / "template.yaml", code_uri=None):
    """Returns the template without what MiniStack rejects."""
    whole = yaml_parse(path.read_text())
    if code_uri:
        whole["Resources"]["Function"]["Properties"]["CodeUri"] = code_uri
    for name in REFUSED:
        whole["Resources"].pop(name, None)
    # MiniStack does not support TLS, so the TlsOnly statements would deny every request.
    return json.dumps(whole).replace('{"aws:SecureTransport": false}', '{"aws:SecureTransport": true}')


def deploy(endpoint, bootstrap, stack, parameters, account="123456789012"):
    """Creates a stack from template.yaml and returns its outputs."""
    s3, cloudformation = client("s3", endpoint, account), client("cloudformation", endpoint, account)
    bucket = f"{stack}-code"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="function.zip", Body=bundle.zipped(pathlib.Path(bootstrap).read_bytes(), 1))
    # Like `sam deploy`, replace the source folder with the address of the package.
    return create(cloudformation, stack, template(code_uri=f"s3://{bucket}/function.zip"), parameters)


def create(cloudformation, stack, body, parameters):
    """Creates a stack and returns its outputs."""
    cloudformation.create_stack(
        StackName=stack,
        TemplateBody=body,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
    )
    while True:
        [description] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        if description["StackStatus"] == "CREATE_COMPLETE":
            return {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}
        if description["StackStatus"] != "CREATE_IN_PROGRESS":
            events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
            reasons = [event.get("ResourceStatusReason") for event in events if event.get("ResourceStatusReason")]
            sys.exit(
                f"cannot create the stack {stack} ({description['StackStatus']}):"
                f" {reasons or description.get('StackStatusReason')}"
            )
        time.sleep(0.1)


def main():
    match sys.argv[1:]:
        case ["serve", *options]:
            # SIGTERM must also stop MiniStack.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            with server(auth="--auth" in options) as endpoint:
                print(endpoint, flush=True)
                with contextlib.suppress(KeyboardInterrupt):
                    sys.stdin.read()
        case ["deploy", endpoint, bootstrap, stack, *parameters]:
            pairs = dict(parameter.split("=", 1) for parameter in parameters)
            print(json.dumps(deploy(endpoint, bootstrap, stack, pairs, os.environ.get("AWS_ACCESS_KEY_ID", "123456789012"))))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
