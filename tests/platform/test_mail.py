"""Mail goes out, or is known not to have, within a bounded time whatever the server does."""

from time import monotonic

import pytest

from keepwell.platform.mail import Mail, MailError, Smtp
from tests.support.mail_server import Manner, mail_server

MAIL = Mail("ann@clinic.test", "Hello", "First line\n.\nlast line: é")


async def test_a_message_arrives_as_it_was_written():
    async with mail_server() as server:
        smtp = Smtp(server.url, "keepwell@clinic.test")
        await smtp.send(MAIL)
        message = await server.next()
        assert (message["To"], message["From"], message["Subject"]) == (MAIL.to, "keepwell@clinic.test", MAIL.subject)
        assert message.get_content().replace("\r\n", "\n").strip() == MAIL.text
        smtp.close()


@pytest.mark.parametrize("manner", ["refuses", "drops", "silent", "drips"])
async def test_a_server_that_behaves_badly_is_given_up_in_time(manner: Manner):
    async with mail_server() as server:
        server.manner = manner
        smtp = Smtp(server.url, "keepwell@clinic.test", seconds=0.5)
        began = monotonic()
        with pytest.raises(MailError):
            await smtp.send(MAIL)
        assert monotonic() - began < 3
        smtp.close()


async def test_nobody_listening_is_an_error_too():
    async with mail_server() as server:
        url = server.url
    smtp = Smtp(url, "keepwell@clinic.test", seconds=0.5)
    with pytest.raises(MailError):
        await smtp.send(MAIL)
    smtp.close()


async def test_a_password_is_not_sent_in_clear_to_another_machine():
    async with mail_server() as server:
        smtp = Smtp(server.url.replace("smtp://127.0.0.1", "smtp://me:secret@127.1"), "keepwell@clinic.test", seconds=2)
        with pytest.raises(MailError):
            await smtp.send(MAIL)
        assert not server.messages
        smtp.close()


async def test_an_address_with_a_line_break_adds_no_header():
    async with mail_server() as server:
        smtp = Smtp(server.url, "keepwell@clinic.test", seconds=2)
        with pytest.raises(MailError):
            await smtp.send(Mail("ann@clinic.test\r\nBcc: all@clinic.test", "Hello", "x"))
        assert not server.messages
        smtp.close()
