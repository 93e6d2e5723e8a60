"""An S3 server for tests: moto's, answering one request after the other.

Usage: s3_server.py PORT BUCKET, with moto on PYTHONPATH. It listens on loopback, has the bucket, and asks for credentials:
it prints those that it takes, and ends when it is killed. Everything lies in memory.

One after the other, because moto first looks whether an object is there and then writes it: only so is a conditional
write what it is with a real server, and a list never disturbed.
"""

import json
import sys

from moto import settings
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.moto_api._internal import mock_random
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import WSGIRequestHandler, make_server

EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


class Quiet(WSGIRequestHandler):
    """Logs a line a request: method, path, status."""

    # Who connects and says nothing shall not keep the others waiting.
    timeout = 2

    def log_request(self, code="-", size="-"):
        print(f"{self.command} {self.path} {int(code)}", flush=True)


def main():
    port, bucket = int(sys.argv[1]), sys.argv[2]
    # So that a server that is started again takes the same credentials.
    mock_random.seed(port)
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket(bucket, "us-east-1")
    iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    iam.create_user("us-east-1", "quire")
    iam.put_user_policy("quire", "everything", json.dumps(EVERYTHING))
    key = iam.create_access_key("quire")
    # From the first request on.
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0.0
    application = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", port, application, threaded=False, request_handler=Quiet)
    print(json.dumps({"key": key.access_key_id, "secret": key.secret_access_key}), flush=True)
    server.serve_forever()


main()
