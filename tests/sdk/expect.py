"""What the drives have in common: a client of the node, and ways to say what is not as it should be."""

import os
import sys
import time

from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

# How long a call may take to be seen as ended, once its media have stopped.
SETTLE_SECONDS = 5.0

URL = os.environ["CONFAB_URL"]
ACCOUNT = os.environ["CONFAB_ACCOUNT_SID"]
TOKEN = os.environ["CONFAB_AUTH_TOKEN"]
NAME = os.environ.get("CONFAB_CONFERENCE", "sdk-tour")
NOWHERE = "0123456789abcdef0123456789abcdef"
PREFIX = f"/2010-04-01/Accounts/{ACCOUNT}"


def client(token=TOKEN, user=ACCOUNT, account=None):
    """One that authenticates as `user`, for `account` if that is another's."""
    made = Client(user, token, account or (user if user.startswith("AC") else ACCOUNT))
    made.api.base_url = URL
    return made


def check(holds, what):
    if not holds:
        sys.exit(f"python: {what}")


def equal(found, expected, what):
    check(found == expected, f"{what}: expected {expected!r}, found {found!r}")


def refused(status, code, what, ask):
    try:
        ask()
    except TwilioRestException as error:
        equal((error.status, error.code), (status, code), f"{what}: {error.msg}")
        check(error.msg, f"{what}: no message")
        return
    check(False, f"{what}: expected HTTP {status} with code {code}, but it was done")


def list_refused(status, what, ask):
    """A list that is refused raises another error, which has the answer but does not read it."""
    try:
        ask()
    except TwilioException as error:
        equal(error.args[1].status_code, status, what)
        return
    check(False, f"{what}: expected HTTP {status}, but it was done")


def settles(what, holds):
    deadline = time.monotonic() + SETTLE_SECONDS
    while not holds():
        check(time.monotonic() < deadline, f"{what}: not so after {SETTLE_SECONDS} s")
        time.sleep(0.02)
