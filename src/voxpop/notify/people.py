"""Messages to people through Apprise: mail, Slack, Teams, Feishu, DingTalk, WeCom, PagerDuty and a hundred others."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from voxpop.errors import ReceiverUnavailable, SettingError
from voxpop.notify.base import File, Message, Receiver, redacted

_WORDS = 3
"""Most lines of what a service said of a failure."""


def check(receiver: Receiver) -> None:
    """Whether Apprise knows such an address.

    Raises:
        SettingError: it does not; the message names the receiver and not its address.
    """
    import apprise

    if not apprise.Apprise().add(receiver.url):
        scheme = receiver.url.partition("://")[0]
        raise SettingError(f"the url of receiver {receiver.name!r} ({scheme}://…) is none that Apprise can use")


def tell(receiver: Receiver, message: Message) -> str:
    """Sends the message; returns the name of the service that took it.

    Raises:
        ReceiverUnavailable: it was not taken; says what the service said.
        SettingError: the address is none that Apprise can use.
    """
    import apprise

    sender = apprise.Apprise()
    if not sender.add(receiver.url):
        check(receiver)
    taken = sender.notify(
        title=message.subject,
        notify_type=message.gravity,
        interpret_escapes=False,
        **_body(sender[0], message),
    )
    if not taken:
        what = "; ".join(entry.message for entry in list(taken.logs())[-_WORDS:]) or "it did not take the message"
        raise ReceiverUnavailable(f"{receiver.name}: {redacted(what, receiver)}")
    return str(sender[0].service_name or "sent")


def _body(service: Any, message: Message) -> dict[str, Any]:
    """Mail gets the HTML with its pictures in it; other services the plain text, and what is no picture."""
    import apprise

    mail = bool(message.html) and hasattr(service, "inline")
    if mail:
        service.inline = True
        key = f'<div style="font-size:11px;color:#5a6675;padding:8px 24px">Key: {escape(message.key)}</div>'
        body, kind = message.html.replace("</body>", f"{key}</body>"), apprise.NotifyFormat.HTML
    else:
        body, kind = f"{message.body}\n\nKey: {message.key}\n", apprise.NotifyFormat.TEXT
    files = [file for file in message.files if mail or not file.type.startswith("image/")]
    return {"body": body, "body_format": kind, "attach": _attached(files) if files else None}


def _attached(files: Sequence[File]) -> Any:
    import apprise
    from apprise.attachment.memory import AttachMemory

    found = apprise.AppriseAttachment()
    for file in files:
        found.add(AttachMemory(content=file.content, name=file.name, mimetype=file.type))
    return found
