"""A small stand-in for the Hugging Face hub: what its own client needs to upload and download."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "a" * 40


class Hub(ThreadingHTTPServer):
    """Repositories in memory.

    Attributes:
        files: content by repository and path.
        private: whether each repository was made for its owner alone.
        refuses: a status with which every upload is answered, and why; None: none is refused.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.refuses: tuple[int, str] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def hub() -> Iterator[Hub]:
    """The server, while the block runs."""
    server = Hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    """The few endpoints."""

    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        place = self.path.split("?")[0]
        if place == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if self.server.refuses:
            status, reason = self.server.refuses
            return self.answer({"error": reason}, status=status)
        if place == "/api/repos/create":
            told = json.loads(body)
            repo = f"{told['organization']}/{told['name']}"
            self.server.files.setdefault(repo, {})
            is_private = told.get("private") or told.get("visibility") == "private"
            self.server.private[repo] = bool(is_private)  # clients of different ages say it
            return self.answer({"url": f"{self.server.address}/{repo}"})
        repo = "/".join(place.split("/")[3:5])
        if "/preupload/" in place:
            plain = {"uploadMode": "regular", "shouldIgnore": False}
            files = [{"path": file["path"], **plain} for file in json.loads(body)["files"]]
            return self.answer({"files": files})
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                content = base64.b64decode(line["value"]["content"])
                self.server.files[repo][line["value"]["path"]] = content
        url = f"{self.server.address}/{repo}/commit/{COMMIT}"
        return self.answer({"success": True, "commitUrl": url, "commitOid": COMMIT})

    def do_GET(self) -> None:
        words = self.path.split("?")[0].strip("/").split("/")
        repo = "/".join(words[2:4] if words[0] == "api" else words[:2])
        files = self.server.files.get(repo)
        if files is None:
            return self.answer({"error": "not found"}, status=404, RepoError="RepoNotFound")
        if "tree" in words:
            sums = {name: hashlib.sha1(content).hexdigest() for name, content in files.items()}
            return self.answer(
                [
                    {"type": "file", "path": name, "size": len(content), "oid": sums[name]}
                    for name, content in files.items()
                ]
            )
        if words[0] == "api":
            siblings = [{"rfilename": name} for name in files]
            return self.answer({"id": repo, "sha": COMMIT, "siblings": siblings})
        content = files["/".join(words[4:])]
        return self.send(content, ETag=f'"{hashlib.sha1(content).hexdigest()}"')

    do_HEAD = do_GET  # noqa: N815

    def answer(self, told: object, *, status: int = 200, **headers: str) -> None:
        self.send(json.dumps(told).encode(), status=status, **headers)

    def send(self, content: bytes, *, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name if name == "ETag" else "X-Error-Code", value)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""
