#!/usr/bin/env python3
"""Receives Hayauma's notifications and events, checks who sent them, and acknowledges them.

    HAYAUMA_NOTIFY_SECRET='a long secret' python3 receive.py --port 9000

Register its URL with the same secret:

    hayauma client set 00100000001 --notify-url http://HOST:9000/notify --notify-secret-file secret

With --cert and --key it speaks https. The URL gets the events of broadcasts too, as JSON.

Nothing but the standard library. A notification without a good signature is answered 401, and one
that is older than five minutes too: somebody may have kept it to send it again.
"""

import argparse
import hashlib
import hmac
import json
import os
import re
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OLDEST_SECONDS = 300
ANSWER = (
    '<?xml version = "1.0" ?>\r\n'
    "<msn>{msn}</msn>\r\n<reqid>{reqid}</reqid>\r\n<svcid>{svcid}</svcid>\r\n<code>0000</code>\r\n"
)


def is_signed(header, body, secret, now):
    """Whether the header `t=SECONDS,v1=HEX[,v1=HEX]` signs the body under the secret, lately."""
    fields = [field.split("=", 1) for field in header.split(",") if "=" in field]
    times = [value for name, value in fields if name == "t"]
    if len(times) != 1 or not times[0].isdigit() or abs(now - int(times[0])) > OLDEST_SECONDS:
        return False
    signed = times[0].encode() + b"." + body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    # While a secret is being replaced there are two. Compared in constant time.
    return any(hmac.compare_digest(value, expected) for name, value in fields if name == "v1")


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        header = self.headers.get("X-Hayauma-Signature", "")
        if not is_signed(header, body, self.server.secret, time.time()):
            print("refused", flush=True)
            return self.answer(401, "")
        if self.headers.get("X-Hayauma-Event"):
            # What happens with a broadcast: any 2xx takes it.
            event = json.loads(body)
            print(event["event"], event["reqid"], event["state"], flush=True)
            return self.answer(200, "")
        fields = dict(re.findall(r"<(\w+)>([^<]*)</\1>", body.decode()))
        # The same ntfid may come again: do what it asks for once.
        print(fields["ntfid"], fields["reqid"], fields["code"], flush=True)
        self.answer(200, ANSWER.format(**fields))

    def answer(self, status, text):
        octets = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/xml; charset=UTF-8")
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, *_):
        pass


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--port", type=int, default=9000, help="0: any free port")
    arguments.add_argument("--cert", help="certificate in PEM: https, with TLS 1.3")
    arguments.add_argument("--key", help="its key in PEM")
    wanted = arguments.parse_args()
    secret = os.environ.get("HAYAUMA_NOTIFY_SECRET")
    if not secret:
        sys.exit("put the notification secret into the variable HAYAUMA_NOTIFY_SECRET")
    server = ThreadingHTTPServer(("127.0.0.1", wanted.port), Receiver)
    server.secret = secret
    if wanted.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(wanted.cert, wanted.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print("listening on port", server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
