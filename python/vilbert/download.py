"""Ways to fetch files that need Python: `s3://` through boto3, Google Drive through gdown.

Both are generators for the bridge. The other side makes the part file ready when it hears of `opened`, and decides
what is done about a failure, which is therefore an answer (`status: failed`), not an exception.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import shutil
import threading
import time
import urllib.parse
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from vilbert.errors import DataError

PIECE_BYTES = 8 * 1024 * 1024
PIECES_AT_ONCE = 4
EVENT_SECONDS = 0.25
DRIVE_NEXT = "Try again later (a quota is lifted after about 24 hours), or get the file with a browser and pass --from FOLDER."

Event = dict[str, Any]
Events = Generator[Event, None, Event]


def fetch_s3(request: dict[str, Any]) -> Events:
    """Append what is missing of an S3 object to a file, in pieces of one version that are fetched side by side.

    boto3's own transfer manager cannot continue an unfinished file, so its idea (ranged requests in parallel) is
    applied here to a file that only grows at its end.
    """
    import botocore.exceptions

    address = urllib.parse.urlsplit(request["url"])
    bucket, key = address.netloc, urllib.parse.unquote(address.path.lstrip("/"))
    try:
        client = _s3_client(request["timeoutMs"] / 1000)
        first = yield from _fetch_object(client, bucket, key, request)
    except botocore.exceptions.ClientError as error:
        return _s3_failure(error, bucket, key)
    except (botocore.exceptions.BotoCoreError, OSError) as error:
        if isinstance(
            error, (botocore.exceptions.NoCredentialsError, botocore.exceptions.ParamValidationError)
        ):
            return _failed("E_DL_S3", f"S3 cannot be asked: {error}")
        return _failed(
            "E_DL_CONNECTION", f"the connection failed ({type(error).__name__})", is_retryable=True
        )
    return {"status": "complete", "md5": _md5_of(first)}


def fetch_drive(request: dict[str, Any]) -> Events:
    """Fetch a file of Google Drive; gdown passes the page that asks for a confirmation.

    gdown writes into a folder beside the part. What an earlier run left there is continued only where the finished
    file can be checked, because Drive does not say which version it is.
    """
    folder = Path(request["path"] + ".drive")
    if not request["isVerifiable"]:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    yield {"type": "opened", "totalBytes": None, "etag": None, "isContinued": False}
    work = _DriveWork(request["url"], folder / "file", request["timeoutMs"] / 1000)
    work.start()
    try:
        while work.is_alive():
            work.join(EVENT_SECONDS)
            yield {"type": "progress", "doneBytes": _size_of_files(folder), "totalBytes": None}
    finally:
        work.cancel.set()
    if work.error is not None:
        return _drive_failure(work.error)
    (folder / "file").replace(request["path"])
    shutil.rmtree(folder, ignore_errors=True)
    return {"status": "complete", "md5": None}


def _s3_client(timeout_seconds: float) -> Any:
    """Make a client that signs when there are credentials and asks anonymously when there are none."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    session = boto3.Session()
    anonymous = {} if session.get_credentials() is not None else {"signature_version": UNSIGNED}
    config = Config(
        connect_timeout=timeout_seconds,
        read_timeout=timeout_seconds,
        retries={"total_max_attempts": 1, "mode": "standard"},  # tries are counted on the other side
        max_pool_connections=PIECES_AT_ONCE,
        **anonymous,
    )
    return session.client("s3", region_name=session.region_name or "us-east-1", config=config)


def _fetch_object(client: Any, bucket: str, key: str, request: dict[str, Any]) -> Events:
    """Fetch the first missing piece, which tells size and version, then the others of the same version."""
    start = request["doneBytes"]
    condition = {"IfMatch": request["etag"]} if start > 0 and request["etag"] else {}
    body, first = _get_piece(client, bucket, key, start, condition)
    total, etag = _total_of(first), first["ETag"]
    yield {"type": "opened", "totalBytes": total, "etag": etag, "isContinued": start > 0}

    starts = range(start + len(body), total, PIECE_BYTES)
    done = start
    last_event = time.monotonic()
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(Path(request["path"]).open("ab"))
        pool = ThreadPoolExecutor(PIECES_AT_ONCE)
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        for piece in _in_order(pool, client, bucket, key, starts, etag, body):
            _append(file, piece)
            done += len(piece)
            if time.monotonic() - last_event >= EVENT_SECONDS:
                last_event = time.monotonic()
                yield {"type": "progress", "doneBytes": done, "totalBytes": total}
    yield {"type": "progress", "doneBytes": done, "totalBytes": total}
    return first


def _append(file: BinaryIO, piece: bytes) -> None:
    """Write to the disk; what goes wrong here is not the network's fault."""
    try:
        file.write(piece)
        file.flush()
    except OSError as error:
        message = f"{file.name} cannot be written ({error.strerror})."
        raise DataError(
            message, next="Make room, then run it again: what has been fetched is kept."
        ) from error


def _in_order(
    pool: ThreadPoolExecutor, client: Any, bucket: str, key: str, starts: range, etag: str, first: bytes
) -> Iterator[bytes]:
    """Yield the pieces in their order while a few more are on their way."""
    waiting: deque[Future[tuple[bytes, dict[str, Any]]]] = deque()
    remaining = iter(starts)
    yield first
    while True:
        while len(waiting) < PIECES_AT_ONCE and (start := next(remaining, None)) is not None:
            waiting.append(pool.submit(_get_piece, client, bucket, key, start, {"IfMatch": etag}))
        if not waiting:
            return
        yield waiting.popleft().result()[0]


def _get_piece(
    client: Any, bucket: str, key: str, start: int, condition: dict[str, str]
) -> tuple[bytes, dict[str, Any]]:
    """Read one range; a store that sends another one, or less, has failed."""
    wanted = f"bytes={start}-{start + PIECE_BYTES - 1}"
    answer = client.get_object(Bucket=bucket, Key=key, Range=wanted, **condition)
    body = answer["Body"].read()
    range_ = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.get("ContentRange", ""))
    if range_ is None or int(range_[1]) != start or int(range_[2]) - start + 1 != len(body):
        raise OSError("another range than the one asked for")
    return body, answer


def _total_of(answer: dict[str, Any]) -> int:
    return int(answer["ContentRange"].rpartition("/")[2])


def _md5_of(answer: dict[str, Any]) -> str | None:
    """Read the MD5 in an ETag; objects that came in parts or are encrypted with keys have another kind of ETag."""
    etag = answer.get("ETag", "").strip('"')
    if answer.get("ServerSideEncryption", "AES256") != "AES256" or "SSECustomerAlgorithm" in answer:
        return None
    return etag if re.fullmatch(r"[0-9a-f]{32}", etag) else None


def _s3_failure(error: Any, bucket: str, key: str) -> Event:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in ("PreconditionFailed", "412"):
        return _failed("E_DL_CHANGED", "the file has changed meanwhile", is_retryable=True, is_changed=True)
    if code in ("InvalidRange", "416"):
        return _failed("E_DL_RANGE", "it does not have that part", is_retryable=True, is_changed=True)
    if code == "NoSuchBucket":
        return _failed("E_DL_404", f"there is no bucket {bucket}")
    if code in ("NoSuchKey", "404"):
        return _failed("E_DL_404", f"the bucket {bucket} has no {key}")
    if code in ("SlowDown", "Throttling", "RequestLimitExceeded") or status in (429, 500, 502, 503, 504):
        return _failed(f"E_DL_{status}", f"the store is busy ({code})", is_retryable=True)
    if status in (401, 403):
        return _failed(
            f"E_DL_{status}",
            f"it does not give this file to us ({code})",
            next="Set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of somebody who may read it.",
        )
    return _failed("E_DL_S3", f"the store refuses ({code}, status {status})")


class _DriveWork(threading.Thread):
    """gdown at work, so that the bridge can be answered meanwhile."""

    def __init__(self, url: str, output: Path, timeout_seconds: float) -> None:
        super().__init__(daemon=True, name="gdown")
        self.cancel = threading.Event()
        self.error: Exception | None = None
        self._url = url
        self._output = output
        self._timeout_seconds = timeout_seconds

    def run(self) -> None:
        import gdown

        options: dict[str, Any] = {"quiet": True, "use_cookies": False, "resume": True}
        if (
            "timeout" in inspect.signature(gdown.download).parameters
        ):  # gdown 6, which Python 3.9 does not have
            options |= {"timeout": self._timeout_seconds, "cancel": self.cancel, "retries": 3}
        try:
            found = gdown.download(id=_drive_id(self._url), output=str(self._output), **options)
            if found is None:
                raise OSError("gdown found nothing")
        except Exception as error:  # noqa: BLE001 - whatever gdown raises is the answer
            self.error = error


def _drive_id(url: str) -> str:
    """Find the file's id in any of the forms of a Drive address."""
    address = urllib.parse.urlsplit(url)
    from_query = urllib.parse.parse_qs(address.query).get("id")
    from_path = re.search(r"/d/([A-Za-z0-9_-]+)", address.path)
    return from_query[0] if from_query else from_path[1] if from_path else ""


def _drive_failure(error: Exception) -> Event:
    text = str(error)
    if re.search(r"too many users|quota", text, re.IGNORECASE):
        return _failed("E_DL_QUOTA", "Google Drive's quota for this file is used up", next=DRIVE_NEXT)
    if "retrieve" in text:
        what = "Google Drive does not give the file to us: it is not public, gone, or was fetched too often"
        return _failed("E_DL_DRIVE", what, next=DRIVE_NEXT)
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None and status < 500 and status != 429:
        return _failed(
            f"E_DL_{status}", f"Google Drive does not have the file (status {status})", next=DRIVE_NEXT
        )
    return _failed("E_DL_CONNECTION", f"the connection failed ({type(error).__name__})", is_retryable=True)


def _size_of_files(folder: Path) -> int:
    total = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def _failed(
    code: str, message: str, *, next: str | None = None, is_retryable: bool = False, is_changed: bool = False
) -> Event:
    return {
        "status": "failed",
        "code": code,
        "message": message,
        "next": next,
        "isRetryable": is_retryable,
        "isChanged": is_changed,
    }
