"""Messages to people through Apprise: mail, Slack, Teams, Feishu, DingTalk, WeCom, PagerDuty and a hundred others."""

from __future__ import annotations

from voxpop.errors import ReceiverUnavailable, SettingError
from voxpop.notify.base import Message, Receiver, redacted

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
        body=f"{message.body}\n\nKey: {message.key}\n",
        notify_type=message.gravity,
        body_format=apprise.NotifyFormat.TEXT,
        interpret_escapes=False,
    )
    if not taken:
        what = "; ".join(entry.message for entry in list(taken.logs())[-_WORDS:]) or "it did not take the message"
        raise ReceiverUnavailable(f"{receiver.name}: {redacted(what, receiver)}")
    return str(sender[0].service_name or "sent")
