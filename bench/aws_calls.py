"""Times calls of one warm lambda by turns: POST /runLambda, AWS's Invoke with a signature, and boto3's invoke as a whole.

The first two are sent over one kept connection with the same client, the signature being made before the clock
starts, so that their difference is what the worker takes for AWS's API. Prints JSON: lists of milliseconds.
"""
import http.client
import json
import sys
import time

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

port, count, access_key, secret_key = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
EVENT = b'{"name": "Alice"}'
INVOKE = "/2015-03-31/functions/echo/invocations"
url = f"http://127.0.0.1:{port}"
connection = http.client.HTTPConnection("127.0.0.1", port)
signer = SigV4Auth(Credentials(access_key, secret_key), "lambda", "us-east-1")
client = boto3.client(
    "lambda", endpoint_url=url, region_name="us-east-1", aws_access_key_id=access_key, aws_secret_access_key=secret_key
)


def timed(path: str, headers: "dict[str, str]") -> float:
    began = time.perf_counter()
    connection.request("POST", path, EVENT, headers)
    answer = connection.getresponse()
    body = answer.read()
    took = time.perf_counter() - began
    if answer.status != 200 or body != EVENT:
        raise SystemExit(f"{path}: {answer.status} {body!r}")
    return took * 1000


def signed() -> "dict[str, str]":
    request = AWSRequest("POST", url + INVOKE, data=EVENT, headers={"Host": f"127.0.0.1:{port}"})
    signer.add_auth(request)
    return dict(request.headers.items())


times: "dict[str, list[float]]" = {"runLambda": [], "invoke": [], "boto3": []}
for turn in range(-count // 10, count):
    took = {"runLambda": timed("/runLambda/echo", {}), "invoke": timed(INVOKE, signed())}
    began = time.perf_counter()
    client.invoke(FunctionName="echo", Payload=EVENT)["Payload"].read()
    took["boto3"] = (time.perf_counter() - began) * 1000
    if turn >= 0:
        for name, ms in took.items():
            times[name].append(ms)
print(json.dumps(times))
