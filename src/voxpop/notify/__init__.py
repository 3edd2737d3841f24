"""Messages to people and programs: one interface, a receiver's address picks how it is reached."""

from voxpop.notify.base import File, Message, Receiver
from voxpop.notify.delivery import deliver

__all__ = ["File", "Message", "Receiver", "deliver"]
