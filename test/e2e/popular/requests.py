# /// script
# dependencies = ["requests"]
# ///
import http.server
import json
import threading

import requests


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"path": self.path, "agent": self.headers["X-Probe"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words):
        pass


def operate():
    server = http.server.HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answer = requests.get(f"http://127.0.0.1:{server.server_port}/a", params={"b": "c d"}, headers={"X-Probe": "1"}, timeout=5)
    server.shutdown()
    return [answer.status_code, answer.json()]
