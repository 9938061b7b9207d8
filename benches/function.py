"""Measures the built function as a process, in one run: its start, its memory, large log files and a batch, with a whole
core and with the share of one that Lambda grants for a function's memory.

    python3 benches/function.py FUNCTION BARE

FUNCTION and BARE are built binaries; BARE only polls. This script serves them a Runtime API and an S3 with a latency of
30 ms on loopback. CPU time is what the scheduler counts (from /proc, so Linux only).
"""

import asyncio
import contextlib
import gzip
import json
import os
import pathlib
import signal
import statistics
import sys
import threading
import time

LATENCY = 0.030
KEY = "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/123456789012_CloudTrail_us-east-1_20261124T0305Z_{}.json.gz"
RECORD = {
    "eventVersion": "1.11",
    "userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::123456789012:assumed-role/worker/i-0abc"},
    "eventTime": "2026-11-24T03:00:00Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "10.0.0.7",
    "userAgent": "[Boto3/1.40]",
    "requestParameters": {"bucketName": "data"},
    "recipientAccountId": "123456789012",
}
DELIVERY = (pathlib.Path(__file__).parent.parent / "events/sqs-s3-object-created.json").read_text()
MIB = 1 << 20
# Lambda grants a whole core at this memory: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
MIB_OF_A_CORE = 1769
PERIOD = 0.020


PUBLISHED = b"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"
# A call that the quarantine denied.
DENIED = RECORD | {
    "userIdentity": {"type": "IAMUser", "userName": "alice", "arn": "arn:aws:iam::123456789012:user/alice"},
    "errorCode": "AccessDenied",
    "errorMessage": "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: s3:GetObject on resource: "
    '"arn:aws:s3:::data/x" with an explicit deny in an identity-based policy: '
    "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3",
}


class Local:
    """Serves a Runtime API, an S3, an SNS and a DynamoDB."""

    def __init__(self):
        self.objects, self.payloads, self.answers = {}, asyncio.Queue(), asyncio.Queue()
        self.polled, self.asked, self.item = asyncio.Event(), {}, None

    async def serve(self, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, path, _ = head.split("\r\n", 1)[0].split()
                lengths = [line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length:")]
                body = await reader.readexactly(int(lengths[0])) if lengths else b""
                await self.answer(writer, method, path.split("?")[0], body, head)
                await writer.drain()
        writer.close()

    async def answer(self, writer, method, path, body, head):
        if path.endswith("/invocation/next"):
            self.polled.set()
            payload = await self.payloads.get()
            if payload is None:
                raise ConnectionError("the function was stopped")
            deadline = int((time.time() + 900) * 1000)
            write(writer, [payload], f"lambda-runtime-aws-request-id: 1\r\nlambda-runtime-deadline-ms: {deadline}\r\n")
        elif path == "/":
            # DynamoDB, with one item, or SNS.
            await asyncio.sleep(LATENCY)
            if "DynamoDB_20120810.PutItem" in head:
                self.item = json.loads(body)["Item"]
            item = {"Item": self.item} if self.item and "GetItem" in head else {}
            write(writer, [json.dumps(item).encode() if "DynamoDB" in head else PUBLISHED])
        elif method == "POST":
            write(writer, [b"{}"])
            await self.answers.put((path, body))
        else:
            self.asked[path] = time.perf_counter()
            await asyncio.sleep(LATENCY)
            write(writer, self.objects[path])

    async def invoke(self, keys):
        """Invokes the function with a batch. Returns the wall time in seconds."""
        messages = []
        for key in keys:
            message = json.loads(DELIVERY)["Records"][0]
            body = json.loads(message["body"])
            body["Records"][0]["s3"]["object"]["key"] = key
            messages.append(message | {"messageId": key, "body": json.dumps(body)})
        start = time.perf_counter()
        await self.payloads.put(json.dumps({"Records": messages}).encode())
        path, answer = await self.answers.get()
        took = time.perf_counter() - start
        if not path.endswith("/response") or json.loads(answer)["batchItemFailures"]:
            sys.exit(f"the function failed on a batch of {len(keys)}: {answer.decode()[:500]}")
        return took

    def put(self, name, parts):
        key = KEY.format(name)
        self.objects[f"/example-trail-logs/{key}"] = parts
        return key


def write(writer, parts, headers=""):
    length = sum(map(len, parts))
    writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{headers}\r\n".encode())
    for part in parts:
        writer.write(part)


@contextlib.asynccontextmanager
async def running(local, port, program):
    """Starts a function. Yields its process ID and the time from its start to its first poll."""
    local.polled.clear()
    local.payloads = asyncio.Queue()
    variables = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}", "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "ALERT_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:alerts", "DEDUP_TABLE": "dedup",
    }
    start = time.perf_counter()
    process = await asyncio.create_subprocess_exec(program, env=variables, stdout=asyncio.subprocess.DEVNULL)
    try:
        await asyncio.wait_for(local.polled.wait(), 10)
        yield process.pid, time.perf_counter() - start
    finally:
        process.kill()
        await process.wait()
        await local.payloads.put(None)


def cpu(pid):
    """Returns the CPU time of all threads so far, in seconds."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


@contextlib.contextmanager
def share_of_memory(pid, mib):
    """Stops the process in each period of 20 ms once it has used the share of a core that this memory has."""
    over = threading.Event()

    def govern():
        while not over.is_set():
            end, used = time.perf_counter() + PERIOD, cpu(pid)
            while time.perf_counter() < end:
                time.sleep(PERIOD * mib / MIB_OF_A_CORE / 8)
                if cpu(pid) - used >= PERIOD * mib / MIB_OF_A_CORE:
                    os.kill(pid, signal.SIGSTOP)
                    time.sleep(max(0, end - time.perf_counter()))
                    os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=govern)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def memory(pid, field="VmHWM"):
    """Returns the peak resident memory, in MiB."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def log_file(records, seed, record=RECORD):
    text = [json.dumps(record | {"eventID": f"{seed:08x}-{number:08x}", "requestID": f"{hash((seed, number)):x}"})
            for number in range(records)]
    return "{\"Records\":[" + ",".join(text) + "]}"


def large(mib):
    """Returns a log file that inflates to `mib` MiB. It repeats one gzip member, so it is never whole in memory."""
    record = ("," + json.dumps(RECORD)).encode()
    member = gzip.compress(record * (MIB // len(record) + 1), 6)
    first = gzip.compress(b'{"Records":[' + record[1:])
    return [first, *[member] * mib, gzip.compress(b"]}")]


def spread(values, digits=1):
    values = sorted(values)
    return f"{statistics.median(values):.{digits}f} ({values[0]:.{digits}f} to {values[-1]:.{digits}f})"


async def main(function, bare):
    local = Local()
    server = await asyncio.start_server(local.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    megabytes, goals = os.path.getsize(function) / 1e6, []
    print(f"binary: {megabytes:.1f} MB, bare {os.path.getsize(bare) / 1e6:.1f} MB")
    goals.append(("the binary has at most 10 MB", megabytes, 10))

    small = [local.put(f"small{number}", [gzip.compress(log_file(20, number).encode())]) for number in range(1000)]
    starts, firsts = {program: [] for program in (bare, function)}, []
    for _ in range(21):
        for program, figures in starts.items():
            async with running(local, port, program) as (pid, wall):
                figures.append((cpu(pid) * 1e3, wall * 1e3, memory(pid)))
                if program == function:
                    await local.invoke(small[:1])
                    firsts.append(cpu(pid) * 1e3 - figures[-1][0])
    for program, name in ((bare, "bare"), (function, "function")):
        cpus, walls, peaks = zip(*starts[program])
        print(f"start to first poll, {name}: CPU {spread(cpus)} ms, wall {spread(walls)} ms, memory {spread(peaks)} MiB")
    ratios = [ours[0] / theirs[0] for ours, theirs in zip(starts[function], starts[bare])]
    print(f"start to first poll, CPU, function / bare: {spread(ratios, 2)}")
    print(f"the first invocation, one small log file: CPU {spread(firsts, 2)} ms")
    goals.append(("a start takes at most 2 × that of a bare function", statistics.median(ratios), 2))

    async with running(local, port, function) as (pid, _):
        await local.invoke(small[:1])
        singles, batches = [], []
        for _ in range(9):
            before = cpu(pid)
            wall = await local.invoke(small[:1])
            singles.append((wall * 1e3, (cpu(pid) - before) * 1e3))
        for start in range(0, 1000, 100):
            before = cpu(pid)
            wall = await local.invoke(small[start : start + 100])
            batches.append((wall * 1e3, (cpu(pid) - before) * 10, memory(pid)))
        walls, cpus, peaks = zip(*batches)
        print(f"one small log file, 30 ms latency: wall {spread([wall for wall, _ in singles])} ms, "
              f"CPU {spread([cpu for _, cpu in singles], 2)} ms")
        print(f"a batch of 100, 30 ms latency: wall {spread(walls)} ms, CPU per log file {spread(cpus, 3)} ms")
        goals.append(("a batch of 100 small log files takes at most 130 ms", statistics.median(walls), 130))
        print(f"memory, peak: after 100 log files {peaks[0]:.1f} MiB, after 1000 {peaks[-1]:.1f} MiB")

    async with running(local, port, function) as (pid, _):
        await local.invoke(small[:1])
        idle = memory(pid)
        key = local.put("large", large(256))
        local.asked, start = {}, time.perf_counter()
        wall = await local.invoke([key, *small[:99]])
        last = max(local.asked.values()) - start
        print(f"a batch of 99 and one of 256 MiB inflated: the last download starts after {last * 1e3:.0f} ms, "
              f"the batch ends after {wall * 1e3:.0f} ms")
        for mib in (1, 16, 256, 2048):
            key = local.put("large", large(mib))
            before = cpu(pid)
            await local.invoke([key])
            above = memory(pid) - idle
            print(f"a log file of {mib} MiB inflated: CPU {(cpu(pid) - before) * 1e3 / mib:.2f} ms per MiB, "
                  f"memory {above:.1f} MiB above idle")
        goals.append(("any log file needs at most 20 MiB above idle", above, 20))

    records = 50 * MIB // len(json.dumps(DENIED))
    key = local.put("denied", [gzip.compress(log_file(records, 1, DENIED).encode())])
    clean = local.put("clean", [gzip.compress(log_file(records, 1, DENIED | {"errorMessage": "x" * 250}).encode())])
    figures = {key: [], clean: []}
    async with running(local, port, function) as (pid, _):
        await local.invoke(small[:1])
        for each in [clean, key] * 5:
            local.item, before = None, cpu(pid)
            await local.invoke([each])
            figures[each].append(cpu(pid) - before)
        used = spread(figures[key], 2)
        print(f"{records:,} denied calls of one user in 50 MiB: CPU {used} s, without a needle "
              f"{spread(figures[clean], 2)} s, memory, peak {memory(pid):.1f} MiB")
    async with running(local, port, function) as (pid, _):
        local.item = None
        with share_of_memory(pid, 256):
            print(f"the same with the share of 256 MiB: wall {await local.invoke([key]):.1f} s")

    key = local.put("large", large(256))
    for mib in (128, 256, 512, 1024):
        async with running(local, port, function) as (pid, _):
            await local.invoke(small[:1])
            with share_of_memory(pid, mib):
                before = cpu(pid)
                batches = [await local.invoke(small[start : start + 100]) for start in range(0, 500, 100)]
                used = (cpu(pid) - before) * 2
                wall = await local.invoke([key])
            print(f"share of {mib} MiB: a batch of 100 {spread(batches, 2)} s, CPU per log file {used:.2f} ms; "
                  f"256 MiB inflated {wall:.2f} s; memory, peak {memory(pid):.1f} MiB")
    server.close()
    for goal, measured, most in goals:
        print(f"{'goal met' if measured <= most else 'GOAL MISSED'}: {goal}: {measured:.2f}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
