"""A bucket for benchmarks: a folder behind as much of the S3 API as quarantine-scan calls, with a latency."""

import asyncio
import bisect
import collections
import contextlib
import pathlib
import threading
import urllib.parse


class Bucket:
    """Serves a folder like an S3 bucket on loopback, in its own thread."""

    LATENCY = 0.030

    def __init__(self, folder, keys):
        self.folder, self.keys, self.loop = folder, sorted(keys), asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.gets = collections.Counter()  # By key, so that a benchmark can tell how often it was downloaded.
        self.endpoint = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    async def serve(self, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                url = urllib.parse.urlsplit(head.split(b" ", 2)[1].decode())
                await asyncio.sleep(self.LATENCY)
                key = urllib.parse.unquote(url.path).partition("/archive/")[2]
                self.gets.update([key] if key else [])
                body = pathlib.Path(self.folder, key).read_bytes() if key else self.list(url.query)
                writer.write(b'HTTP/1.1 200 OK\r\netag: "x"\r\ncontent-length: %d\r\n\r\n' % len(body) + body)
                await writer.drain()
        writer.close()

    def list(self, query):
        """Returns a page of ListObjectsV2. The continuation token is the last key of the page before."""
        query = dict(urllib.parse.parse_qsl(query))
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        after = query.get("continuation-token", "")
        keys = self.keys[max(bisect.bisect_left(self.keys, prefix), bisect.bisect_right(self.keys, after)) :]
        contents, folders = [], []
        for key in keys:
            if not key.startswith(prefix) or len(contents) == 1000:
                break
            folder, found, _ = key[len(prefix) :].partition("/")
            if delimiter and found:
                if prefix + folder + "/" not in folders:
                    folders.append(prefix + folder + "/")
            else:
                contents.append(key)
        more = len(contents) == 1000
        xml = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in contents)
        xml += "".join(f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>" for folder in folders)
        xml += f"<NextContinuationToken>{contents[-1]}</NextContinuationToken>" if more else ""
        return f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{xml}</ListBucketResult>".encode()
