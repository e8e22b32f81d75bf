"""A proxy before an AWS endpoint that notes which IAM actions, on which resources, the calls through it need."""

import http.client
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

HOP_BY_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
SIGNED_FOR = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
# IAM knows one action for a call and its batch.
BATCHES = {
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "SendMessageBatch": "SendMessage",
}
WRITES = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One IAM action on one resource, as its ARN ends: a queue's or table's name, bucket/key, a model's id."""

    action: str
    resource: str


@dataclass(slots=True)
class Recorder:
    """``url`` stands in for ``target``."""

    target: str
    url: str = ""
    needs: set[Need] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        signed = SIGNED_FOR.search(headers.get("authorization", ""))
        found = needs_of(signed[1] if signed else "", method, path, headers.get("x-amz-target", ""), body)
        with self._lock:
            self.needs.update(found)
            if not found:
                self.unknown.add(f"{signed[1] if signed else '?'} {method} {path} {headers.get('x-amz-target', '')}")


def needs_of(service: str, method: str, path: str, target: str, body: bytes) -> list[Need]:
    """What IAM asks for one request; nothing for a request that is not known here."""
    operation = target.rpartition(".")[2]
    match service:
        case "sqs":
            queue = str(json.loads(body)["QueueUrl"]).rpartition("/")[2]
            return [Need(f"sqs:{BATCHES.get(operation, operation)}", queue)]
        case "dynamodb":
            return list(_of_dynamodb(operation, json.loads(body)))
        case "sns":
            form = parse_qs(body.decode())
            return [Need(f"sns:{form['Action'][0]}", form["TopicArn"][0].rpartition(":")[2])]
        case "s3":
            return _of_s3(method, path)
        case "bedrock":
            model = re.match(r"/model/([^/]+)/(converse|invoke)", path)
            return [Need("bedrock:InvokeModel", unquote(model[1]))] if model else []
        case "servicequotas":
            return [Need(f"servicequotas:{operation}", "bedrock")]
    return []


def _of_dynamodb(operation: str, request: Mapping[str, Any]) -> Iterator[Need]:
    if operation == "TransactWriteItems":
        for part in request["TransactItems"]:
            for kind, write in part.items():
                yield Need(f"dynamodb:{WRITES[kind]}", write["TableName"])
    elif operation == "GetRecords":
        yield Need("dynamodb:GetRecords", "stream")
    elif "StreamArn" in request:
        yield Need(f"dynamodb:{operation}", "stream")
    elif "IndexName" in request:
        yield Need(f"dynamodb:{operation}", f"{request['TableName']}/index/{request['IndexName']}")
    else:
        yield Need(f"dynamodb:{operation}", request["TableName"])


def _of_s3(method: str, path: str) -> list[Need]:
    parts = urlsplit(path)
    query = parse_qs(parts.query, keep_blank_values=True)
    key = unquote(parts.path).lstrip("/")
    if method in ("GET", "HEAD") and "/" in key and "list-type" not in query:
        return [Need("s3:GetObjectVersion" if "versionId" in query else "s3:GetObject", key)]
    if method == "DELETE" and "uploadId" in query:
        return [Need("s3:AbortMultipartUpload", key)]
    if method == "PUT" or (method == "POST" and ("uploads" in query or "uploadId" in query)):
        return [Need("s3:PutObject", key)]
    return []


@contextmanager
def recorded_calls(target: str) -> Iterator[Recorder]:
    """A recorder before ``target``, a URL without a path, on a free port of loopback."""
    recorder = Recorder(target)
    upstream = urlsplit(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            recorder.note(self.command, self.path, headers, body)
            connection = http.client.HTTPConnection(str(upstream.hostname), upstream.port, timeout=120)
            try:
                kept = {name: value for name, value in headers.items() if name not in HOP_BY_HOP}
                connection.request(self.command, self.path, body=body, headers=kept)
                answer = connection.getresponse()
                content = answer.read()
            finally:
                connection.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815 (http.server's names)

        def log_message(self, *_: Any) -> None:
            """Nothing: the needs are the record."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    recorder.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
