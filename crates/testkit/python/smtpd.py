"""A mail server for tests, on 127.0.0.1. Told in one JSON argument how to behave:

  certificate, key   PEM files; without them there is no TLS
  implicit           TLS from the first byte instead of STARTTLS
  user, password     who may send; without them everybody
  answers            what to answer to the next messages instead of accepting them

Says "port N", then one line of JSON for each message it accepts. Ends with its standard input.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

options = json.loads(sys.argv[1])
answers = list(options.get("answers", []))
user = options.get("user")


def say(line):
    print(line, flush=True)


class Handler:
    async def handle_DATA(self, server, session, envelope):
        if answers:
            return answers.pop(0)
        content = envelope.content.decode("utf-8")
        say(json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or bool(options.get("implicit")),
            "user": session.auth_data,
            "content": content,
        }))
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    name, password = data.login.decode(), data.password.decode()
    good = name == user and password == options["password"]
    return AuthResult(success=good, auth_data=name if good else None)


async def main():
    context = None
    if "certificate" in options:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options["certificate"], options["key"])
    implicit = bool(options.get("implicit"))

    def connection():
        return SMTP(
            Handler(),
            hostname="localhost",
            tls_context=None if implicit else context,
            require_starttls=context is not None and not implicit,
            auth_required=user is not None,
            auth_require_tls=context is not None and not implicit,
            authenticator=authenticate,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        connection, "127.0.0.1", 0, ssl=context if implicit else None
    )
    say(f"port {server.sockets[0].getsockname()[1]}")
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
