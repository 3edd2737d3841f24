"""A signed webhook: JSON by POST, which a receiver can check and fold.

    Voxpop-Key: 9f2c…                        the same for each attempt at one message
    Voxpop-Timestamp: 1772442000             seconds since 1970, when this attempt was made
    Voxpop-Signature: sha256=<hex>           HMAC-SHA256 of "<timestamp>.<body>" under the shared secret

A receiver refuses a signature that is wrong or older than some minutes, and answers 2xx once it has the message safe.
It passes over a key that it has seen.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from datetime import datetime

import httpx
import msgspec

from voxpop.errors import ReceiverUnavailable
from voxpop.notify.base import TIMEOUT_SECONDS, Message, Receiver, redacted

_ANSWER_CHARACTERS = 200

logging.getLogger("httpx").setLevel(logging.WARNING)  # it notes each address at INFO, and here an address may be secret


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of Voxpop-Signature."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


def body_of(message: Message) -> bytes:
    """The JSON that is posted; equal for each attempt."""
    fields = {"key": message.key, "subject": message.subject, "text": message.body, **message.data}
    return msgspec.json.encode(fields, order="sorted")


def post(receiver: Receiver, message: Message, now: datetime) -> str:
    """Posts the message; returns the status.

    Raises:
        ReceiverUnavailable: no answer, or another than 2xx.
    """
    body, timestamp = body_of(message), str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "Voxpop-Key": message.key,
        "Voxpop-Timestamp": timestamp,
        "Voxpop-Signature": signature(receiver.secret, timestamp, body),
    }
    try:
        answer = httpx.post(receiver.url, content=body, headers=headers, timeout=TIMEOUT_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        what = f"{type(error).__name__}: {error}"
        raise ReceiverUnavailable(f"{receiver.name}: {redacted(what, receiver)}") from None
    if not answer.is_success:
        said = redacted(answer.text[:_ANSWER_CHARACTERS], receiver)
        raise ReceiverUnavailable(f"{receiver.name} answered {answer.status_code}: {said}")
    return f"HTTP {answer.status_code}"
