"""Accounts, keys, applications and incoming phone numbers with Twilio's Python SDK. Leaves a closed account behind."""

from datetime import datetime

from expect import ACCOUNT, NOWHERE, PREFIX, check, client, equal, list_refused, refused

# Of the ranges set apart for fiction.
NUMBER = "+442079460123"
OTHER_NUMBER = "+15005550006"


def drive_directory(node):
    for number in node.incoming_phone_numbers.list():
        number.delete()
    drive_applications(node)
    drive_numbers(node)
    drive_keys(node)
    drive_accounts(node)


def drive_applications(node):
    made = node.applications.create(
        friendly_name="menu",
        voice_url="https://app.example/voice",
        voice_method="GET",
        voice_fallback_url="https://app.example/fallback",
        status_callback="https://app.example/status",
    )
    equal(made.account_sid, ACCOUNT, "application.account_sid")
    equal((made.friendly_name, made.voice_method), ("menu", "GET"), "its name and method")
    equal((made.voice_fallback_method, made.sms_url), ("POST", None), "what was not given")
    equal(made.uri, f"{PREFIX}/Applications/{made.sid}.json", "its URI")
    check(isinstance(made.date_created, datetime), "application.date_created is no date")
    changed = node.applications(made.sid).update(friendly_name="renamed", voice_fallback_url="")
    equal((changed.friendly_name, changed.voice_fallback_url), ("renamed", None), "after an update")
    equal(changed.voice_url, "https://app.example/voice", "what the update left alone")
    equal([one.sid for one in node.applications.list(friendly_name="renamed")], [made.sid], "by name")
    equal(node.applications.list(friendly_name="menu"), [], "by the name it had")
    equal(node.applications(made.sid).fetch().sid, made.sid, "the fetched application")
    refused(400, 21402, "a URL that is none", lambda: node.applications.create(voice_url="app"))
    refused(400, 21403, "a method that is none", lambda: made.update(voice_method="PUT"))
    refused(400, 20001, "messages", lambda: made.update(sms_url="https://app.example/sms"))
    equal(made.delete(), True, "delete() of an application")
    refused(404, 20404, "a deleted application", node.applications(made.sid).fetch)
    call = lambda: node.calls.create(to="sip:a@127.0.0.1", from_="b", application_sid=made.sid)
    refused(400, 21218, "a call by a deleted application", call)


def drive_numbers(node):
    application = node.applications.create(friendly_name="numbers", voice_url="https://app.example/voice")
    made = node.incoming_phone_numbers.create(phone_number=NUMBER, voice_url="https://app.example/number")
    equal((made.phone_number, made.friendly_name), (NUMBER, NUMBER), "the number and its name")
    equal((made.account_sid, made.origin, made.beta), (ACCOUNT, "hosted", False), "whose it is")
    equal((made.capabilities["voice"], made.capabilities["sms"]), (True, False), "what it can do")
    equal((made.voice_receive_mode, made.emergency_status), ("voice", "Inactive"), "how it is used")
    again = lambda: node.incoming_phone_numbers.create(phone_number=NUMBER)
    refused(400, 21422, "a number that is taken", again)
    refused(400, 21421, "a number that is none", lambda: node.incoming_phone_numbers.create(phone_number="911"))
    refused(400, 21457, "an area code", lambda: node.incoming_phone_numbers.create(area_code="510"))
    unknown = lambda: made.update(voice_application_sid=f"AP{NOWHERE}")
    refused(400, 21420, "an application that is not there", unknown)
    changed = made.update(friendly_name="front desk", voice_application_sid=application.sid)
    equal((changed.friendly_name, changed.voice_application_sid), ("front desk", application.sid), "changed")
    equal(changed.voice_url, "https://app.example/number", "its own URL, beside the application")
    other = node.incoming_phone_numbers.toll_free.create(phone_number=OTHER_NUMBER)
    equal(other.friendly_name, "(500) 555-0006", "the name of a number in North America")
    drive_number_lists(node, made.sid, other.sid)
    application.delete()
    equal(node.incoming_phone_numbers(made.sid).fetch().voice_application_sid, None, "without its application")
    equal(made.delete() and node.incoming_phone_numbers(other.sid).delete(), True, "delete() of numbers")
    refused(404, 20404, "a deleted number", made.fetch)


def drive_number_lists(node, first, second):
    numbers = node.incoming_phone_numbers
    sids = lambda found: [one.sid for one in found]
    equal(sids(numbers.list()), [second, first], "all numbers, newest first")
    equal(sids(numbers.stream(page_size=1)), [second, first], "numbers, a page each")
    equal(sids(numbers.list(phone_number="7946")), [first], "by digits")
    equal(sids(numbers.list(phone_number=NUMBER)), [first], "by the whole number")
    equal(sids(numbers.list(friendly_name="front desk")), [first], "by name")
    equal(sids(numbers.list(beta=True)), [], "beta numbers")
    equal(sids(numbers.list(beta=False, origin="hosted")), [second, first], "hosted ones")
    equal(sids(numbers.toll_free.list()), [second], "those that cost the caller nothing")
    equal(sids(numbers.local.list()), [first], "local ones")
    equal(sids(numbers.mobile.list()), [], "mobile ones")


def drive_keys(node):
    made = node.new_keys.create(friendly_name="bot")
    check(len(made.secret) == 32, "the secret of a new key")
    bot = client(made.secret, made.sid)
    check(bot.calls.list(limit=1) is not None, "a key lists calls")
    list_refused(401, "a standard key lists keys", bot.keys.list)
    refused(401, 20003, "a standard key fetches its account", bot.api.accounts(ACCOUNT).fetch)
    refused(401, 20003, "a standard key makes a key", bot.new_keys.create)
    changed = node.keys(made.sid).update(friendly_name="renamed")
    equal((changed.sid, changed.friendly_name), (made.sid, "renamed"), "the key after an update")
    check(made.sid in [key.sid for key in node.keys.list()], "the key is not listed")
    equal(node.keys(made.sid).fetch().friendly_name, "renamed", "the fetched key")
    equal(node.keys(made.sid).delete(), True, "delete() of a key")
    refused(404, 20404, "a deleted key", node.keys(made.sid).fetch)
    list_refused(401, "who brings a deleted key", bot.calls.list)


def drive_accounts(node):
    main = node.api.accounts(ACCOUNT).fetch()
    equal((main.sid, main.owner_account_sid, main.status), (ACCOUNT, ACCOUNT, "active"), "the main account")
    equal(main.subresource_uris["calls"], f"{PREFIX}/Calls.json", "its calls")
    made = node.api.accounts.create(friendly_name="customer")
    equal((made.owner_account_sid, made.status, made.type), (ACCOUNT, "active", "Full"), "a new account")
    customer = client(made.auth_token, made.sid)
    equal(customer.api.accounts(made.sid).fetch().friendly_name, "customer", "as it sees itself")
    equal([one.sid for one in customer.api.accounts.list()], [made.sid], "the accounts it sees")
    named = node.api.accounts.list(friendly_name="customer", status="active")
    check(made.sid in [one.sid for one in named], "the new account is not listed")
    refused(404, 20404, "the main account, for the new one", customer.api.accounts(ACCOUNT).fetch)
    refused(400, 21101, "an account below it", customer.api.accounts.create)
    equal(customer.calls.list(), [], "its calls")
    number = node.incoming_phone_numbers.create(phone_number=NUMBER)
    moved = number.update(account_sid=made.sid)
    equal(moved.account_sid, made.sid, "the account of a number that moved")
    equal([one.sid for one in customer.incoming_phone_numbers.list()], [number.sid], "its numbers")
    theirs = node.api.accounts(made.sid).incoming_phone_numbers
    equal([one.sid for one in theirs.list()], [number.sid], "its numbers, for the main account")
    drive_statuses(node, customer, made)


def drive_statuses(node, customer, made):
    account = node.api.accounts(made.sid)
    equal(account.update(status="suspended").status, "suspended", "after it was suspended")
    refused(401, 20003, "who is suspended", customer.api.accounts(made.sid).fetch)
    refused(403, 20005, "a number for one who is suspended",
            lambda: account.incoming_phone_numbers.create(phone_number=OTHER_NUMBER))
    equal(account.update(status="active", friendly_name="back").friendly_name, "back", "active again")
    equal(customer.api.accounts(made.sid).fetch().status, "active", "as it sees itself again")
    equal(account.update(status="closed").status, "closed", "after it was closed")
    refused(400, 21479, "opening it again", lambda: account.update(status="active"))
    refused(400, 21475, "a status that is none", lambda: account.update(status="asleep"))
    refused(400, 21477, "closing the main one", lambda: node.api.accounts(ACCOUNT).update(status="closed"))
    equal(node.api.accounts(made.sid).incoming_phone_numbers.list(), [], "the numbers of who is closed")
