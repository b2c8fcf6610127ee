"""Text messages: a file for each, where the program of a modem takes them from."""

import re

import anyio

from rung.channels import DeliveryResult, Outcome


class Spool:
    def __init__(self, environment):
        self.directory = anyio.Path(environment["SMS_DIRECTORY"])

    async def send(self, notification):
        to = notification.address
        if not re.fullmatch(r"\+[0-9]{6,15}", to):
            return DeliveryResult(outcome=Outcome.FAILED, detail="no phone number", is_final=True)
        text = f"To: {to}\n\n{notification.title[:140]}\n"
        draft = self.directory / f".{notification.key}"
        try:
            await draft.write_text(text, encoding="utf-8", errors="replace")
            # Named by its key, so that a second attempt at the same page is the same file.
            await draft.rename(self.directory / notification.key)
        except OSError as error:
            return DeliveryResult(outcome=Outcome.FAILED, detail=error.strerror)
        return DeliveryResult(outcome=Outcome.SENT)
