"""Messages reach real receivers on loopback: signed webhooks, what Apprise posts, and mail."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
from datetime import UTC, datetime

import pytest

from tests.notify.loopback import hook, post_office
from voxpop.errors import ReceiverUnavailable, SettingError
from voxpop.notify import Message, Receiver, deliver
from voxpop.notify.base import redacted
from voxpop.notify.people import check

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = "correct-horse-battery"
MESSAGE = Message(
    key="9f2c", subject="[serious] Acmetron: firing", body="12 stories\n百分之八十是负面的", data={"notice": "firing"}
)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_webhook_is_signed_over_time_and_body_and_carries_the_key() -> None:
    with hook() as site:
        assert deliver(Receiver(name="bus", url=site.url, secret=SECRET), MESSAGE, NOW) == "HTTP 204"
    (post,) = site.posts
    assert post.headers["voxpop-key"] == "9f2c"
    timestamp = post.headers["voxpop-timestamp"]
    assert timestamp == str(int(NOW.timestamp()))
    expected = hmac.new(SECRET.encode(), timestamp.encode() + b"." + post.body, hashlib.sha256).hexdigest()
    assert post.headers["voxpop-signature"] == f"sha256={expected}"
    told = json.loads(post.body)
    assert told == {"key": "9f2c", "subject": MESSAGE.subject, "text": MESSAGE.body, "notice": "firing"}


def test_a_webhook_that_does_not_take_it_says_so_and_keeps_its_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with hook() as site:
        site.answers = [500]
        receiver = Receiver(name="bus", url=f"{site.url}/T0KEN-in-path?token=s3cr3t-query", secret=SECRET)
        with pytest.raises(ReceiverUnavailable, match="bus answered 500") as refused:
            deliver(receiver, MESSAGE, NOW)
    away = Receiver(name="bus", url=f"http://127.0.0.1:{closed_port()}/T0KEN-in-path", secret=SECRET)
    with pytest.raises(ReceiverUnavailable, match="bus: ConnectError") as silent:
        deliver(away, MESSAGE, NOW)
    said = f"{refused.value} {silent.value} {receiver!r} {caplog.text}"
    for secret in ("T0KEN", "s3cr3t", SECRET):
        assert secret not in said


def test_a_redirect_is_not_followed() -> None:
    with hook() as site:
        site.answers = [302]
        with pytest.raises(ReceiverUnavailable, match="302"):
            deliver(Receiver(name="bus", url=site.url, secret=SECRET), MESSAGE, NOW)
    assert len(site.posts) == 1


def test_mail_arrives_with_subject_text_and_key() -> None:
    with post_office() as office:
        url = f"mailto://127.0.0.1:{office.port}/?from=voxpop@example.org&to=desk@example.org&mode=insecure"
        deliver(Receiver(name="desk", url=url), MESSAGE, NOW)
    (mail,) = office.mails
    assert "Acmetron" in str(mail["subject"])
    assert "desk@example.org" in str(mail["to"])
    texts = [bytes(p.get_payload(decode=True)).decode() for p in mail.walk() if p.get_content_maintype() == "text"]
    assert any("百分之八十是负面的" in text and "9f2c" in text for text in texts)


def test_what_apprise_posts_arrives() -> None:
    with hook() as site:
        deliver(Receiver(name="any", url=site.url.replace("http://", "json://")), MESSAGE, NOW)
    told = json.loads(site.posts[0].body)
    assert told["title"] == MESSAGE.subject
    assert "12 stories" in told["message"]
    assert "9f2c" in told["message"]


def test_a_service_that_refuses_is_named_without_its_address() -> None:
    with hook() as site:
        site.answers = [403]
        receiver = Receiver(name="any", url=site.url.replace("http://", "json://someone:passw0rd@"))
        with pytest.raises(ReceiverUnavailable, match=r"any: .*403") as refused:
            deliver(receiver, MESSAGE, NOW)
    assert "passw0rd" not in str(refused.value)


def test_an_address_that_apprise_does_not_know_is_refused_without_being_shown() -> None:
    with pytest.raises(SettingError, match=r"'desk' \(pigeon://") as refused:
        check(Receiver(name="desk", url="pigeon://loft-of-secrets"))
    assert "loft" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        *("slack://TTTTTTTTT/BBBBBBBBB/cccccccccccccccccccccccc", "feishu://abcdef123456", "wecombot://abcdef-123456"),
        *("dingtalk://abcdef123456", "pagerduty://integration@abcdef", "mailto://user:pass@example.org"),
        "workflows://host/workflow/signature",  # Teams
    ],
)
def test_the_services_that_desks_use_are_known(url: str) -> None:
    check(Receiver(name="desk", url=url))


def test_every_part_of_an_address_is_hidden() -> None:
    receiver = Receiver(name="x", url="slack://T1AAAA/B2BBBB/c%40ccc?footer=no", secret="")
    assert redacted("T1AAAA or B2BBBB or c@ccc or all: slack://T1AAAA/B2BBBB/c%40ccc?footer=no", receiver).split() == [
        *("•••", "or", "•••", "or", "•••", "or", "all:", "•••")
    ]
