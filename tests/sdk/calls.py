"""An application with Twilio's Python SDK: it places calls, seats them, queues them and writes their scripts, and the
node does it all for real, with a phone at the other end.

Wants the environment that run.sh describes. Stops at the first thing that is not as it should be, with exit status 1.
"""

import os
from datetime import datetime, timedelta, timezone

from twilio.twiml.voice_response import VoiceResponse

from app import App
from expect import ACCOUNT, PREFIX, check, client, equal, list_refused, refused, settles
from seats import drive_seats
from verbs import drive_queues, drive_verbs

NODE = os.environ["CONFAB_SIP"]
PHONE = os.environ["CONFAB_PHONE"]
AGENT = f"sip:agent@{PHONE}"
NUMBER = "+442079460150"
CALLER = "+442079460199"


def waits(app, page="waits"):
    """A page whose script waits for a long time."""
    response = VoiceResponse()
    # Whoever is called is not answered while the script begins with a pause.
    response.say("Please wait")
    response.pause(length=60)
    return app.says(page, response)


def connected(node, call, status="in-progress"):
    settles(f"the call {call} is {status}", lambda: node.calls(call).fetch().status == status)


def drive_calls(node, app):
    call = node.calls.create(
        to=AGENT,
        from_=CALLER,
        url=waits(app),
        method="GET",
        fallback_url=app.url("fallback"),
        fallback_method="GET",
        status_callback=app.url("status"),
        status_callback_method="POST",
        status_callback_event=["initiated", "ringing", "answered", "completed"],
        send_digits="w1w2",
        timeout=30,
        time_limit=600,
        caller_id=CALLER,
    )
    equal((call.status, call.direction, call.account_sid), ("queued", "outbound-api", ACCOUNT), "a new call")
    equal((call.to, call._from, call.start_time), (AGENT, CALLER, None), "whom it is for")
    connected(node, call.sid)
    equal(app.told("waits", CallSid=call.sid)[0]["method"], "GET", "how the script was asked for")
    drive_call_filters(node, call)
    drive_updates(node, app, call.sid)
    steps = [told["CallStatus"] for told in app.told("status", 3, CallSid=call.sid)]
    equal(steps, ["initiated", "ringing", "in-progress"], "what was told of the call")
    refused(409, 20009, "deleting the record of a call that is on", node.calls(call.sid).delete)
    equal(node.calls(call.sid).update(status="completed").status, "completed", "a call that was ended")
    told = app.told("moved", CallSid=call.sid)[0]
    equal((told["CallStatus"], told["method"]), ("completed", "GET"), "where the end was told, and how")
    drive_record(node, app, call.sid)


def drive_call_filters(node, made):
    call = node.calls(made.sid).fetch()
    hour, day = timedelta(hours=1), call.start_time.date()
    midnight = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    for given, expected in [
        (dict(to=AGENT), True),
        (dict(to="sip:nobody@127.0.0.1"), False),
        (dict(from_=CALLER), True),
        (dict(from_="+15005550006"), False),
        (dict(status="in-progress"), True),
        (dict(status="busy"), False),
        (dict(start_time=midnight), True),
        (dict(start_time_after=call.start_time - hour), True),
        (dict(start_time_after=call.start_time + hour), False),
        (dict(start_time_before=call.start_time + hour), True),
        (dict(start_time_before=call.start_time - hour), False),
        (dict(end_time_after=call.start_time - hour), False),
        (dict(parent_call_sid=call.sid), False),
    ]:
        found = call.sid in [one.sid for one in node.calls.list(**given)]
        equal(found, expected, f"whether calls.list({given}) has the call")


def drive_updates(node, app, sid):
    call, other = node.calls(sid), waits(app, "redirected")
    refused(400, 21205, "another script from nowhere", lambda: call.update(url="a"))
    refused(400, 32018, "a script that is too long", lambda: call.update(twiml="x" * 4001))
    refused(400, 21220, "canceling a call that was answered", lambda: call.update(status="canceled"))
    call.update(status_callback=app.url("moved"), status_callback_method="GET", time_limit=900)
    call.update(url=other, method="POST", fallback_url=app.url("fallback"), fallback_method="POST")
    equal(app.told("redirected", CallSid=sid)[0]["method"], "POST", "how the other script was asked for")
    # What is being asked when a call is sent elsewhere is given up.
    settles("the other script has come", lambda: "redirected" in asked(node, sid))
    script = VoiceResponse()
    script.play(app.url("tone.wav"))
    script.pause(length=60)
    call.update(twiml=str(script))
    equal(app.told("tone.wav")[0]["method"], "GET", "how the sound of an inline script was asked for")


def asked(node, sid):
    """The pages that were asked for a call, as its events have them."""
    return {event.request["url"].rsplit("/", 1)[1] for event in node.calls(sid).events.list()}


def drive_record(node, app, sid):
    connected(node, sid, "completed")
    call = node.calls(sid).fetch()
    check(call.end_time >= call.start_time and call.duration.isdigit(), "when the call ended")
    ended = [one.sid for one in node.calls.list(end_time_after=call.end_time - timedelta(hours=1))]
    check(sid in ended, "the call is not among those that ended within the hour")
    ended = [one.sid for one in node.calls.list(end_time_before=call.end_time - timedelta(hours=1))]
    check(sid not in ended, "the call is among those that ended an hour before")
    settles("the events have what was asked", lambda: {"waits", "redirected", "status"} <= asked(node, sid))
    [event] = [one for one in node.calls(sid).events.list() if one.request["url"] == app.url("waits")]
    equal((event.request["method"], event.response["response_code"]), ("GET", 200), "an event")
    refused(400, 21220, "redirecting a call that is over", lambda: node.calls(sid).update(twiml="<Response/>"))
    equal(node.calls(sid).delete(), True, "delete() of a record")
    refused(404, 20404, "a deleted record", node.calls(sid).fetch)


def drive_endings(node):
    """How calls end that nobody takes."""
    busy = node.calls.create(to=f"sip:busy@{PHONE}", from_=CALLER, twiml="<Response/>")
    connected(node, busy.sid, "busy")
    rings = node.calls.create(to=f"sip:rings@{PHONE}", from_=CALLER, twiml="<Response/>")
    connected(node, rings.sid, "ringing")
    node.calls(rings.sid).update(status="canceled")
    connected(node, rings.sid, "canceled")
    timed_out = node.calls.create(to=f"sip:rings@{PHONE}", from_=CALLER, twiml="<Response/>", timeout=1)
    connected(node, timed_out.sid, "no-answer")
    to = dict(to=AGENT, from_=CALLER)
    refused(400, 21205, "a call without a script", lambda: node.calls.create(**to))
    refused(400, 21218, "a call with no application", lambda: node.calls.create(**to, application_sid="AP0"))
    refused(400, 21206, "keys that are none", lambda: node.calls.create(**to, twiml="x", send_digits="z"))
    detects = lambda: node.calls.create(**to, twiml="x", machine_detection="Enable")
    refused(400, 21234, "detecting machines", detects)


def drive_pages(node):
    calls = [node.calls.create(to=AGENT, from_=CALLER, twiml="<Response/>").sid for _ in range(3)]
    for sid in calls:
        connected(node, sid, "completed")
    paged = [call.sid for call in node.calls.stream(to=AGENT, page_size=1)]
    check(set(calls) <= set(paged) and len(paged) == len(set(paged)), "calls, a page each")
    equal(len(node.calls.list(to=AGENT, limit=2, page_size=1)), 2, "two calls, a page each")
    first = node.calls.page(to=AGENT, page_size=1)
    second = first.next_page()
    # A page can be gone through once.
    found = [one.sid for one in first]
    check([one.sid for one in second] != found, "the second page repeats the first")
    equal([one.sid for one in second.previous_page()], found, "the first page again")


def drive_directory(node, app):
    """An application, a number that a call follows, a key, and an account that sees only its own."""
    application = node.applications.create(
        friendly_name="live", voice_url=waits(app, "application"), status_callback=app.url("status-application")
    )
    call = node.calls.create(to=AGENT, from_=CALLER, application_sid=application.sid)
    app.told("application", CallSid=call.sid)
    node.calls(call.sid).update(status="completed")
    app.told("status-application", CallSid=call.sid, CallStatus="completed")
    number = node.incoming_phone_numbers.create(phone_number=NUMBER, voice_application_sid=application.sid)
    calling = node.calls.create(to=f"sip:{NUMBER}@{NODE}", from_=CALLER, url=waits(app))
    inbound = app.told("application", To=NUMBER)[0]
    equal((inbound["Direction"], inbound["From"]), ("inbound", CALLER), "a call to the number")
    connected(node, calling.sid)
    node.calls(calling.sid).update(status="completed")
    app.told("status-application", CallSid=inbound["CallSid"], CallStatus="completed")
    equal((number.delete(), application.delete()), (True, True), "number and application deleted")

    key = node.new_keys.create(friendly_name="live")
    bot = client(key.secret, key.sid)
    call = bot.calls.create(to="client:alice", from_=CALLER, url=waits(app))
    connected(bot, call.sid)
    equal(bot.calls(call.sid).update(status="completed").status, "completed", "a call that a key ended")
    node.keys(key.sid).delete()
    list_refused(401, "a key that was deleted", bot.calls.list)


def drive_sub_account(node, app):
    made = node.api.accounts.create(friendly_name="live")
    app.tokens[made.sid] = made.auth_token
    sub = client(made.auth_token, made.sid)
    own = sub.calls.create(
        to=AGENT, from_=CALLER, url=waits(app, "sub"), status_callback=app.url("status-sub"),
        status_callback_event=["answered", "completed"],
    )
    others = node.calls.create(to=AGENT, from_=CALLER, url=waits(app))
    seat = sub.conferences("desk").participants.create(
        from_=CALLER, to=AGENT, conference_status_callback=app.url("status-sub"), conference_status_callback_event=["join"]
    )
    connected(sub, own.sid)
    connected(node, others.sid)
    equal(app.told("sub", CallSid=own.sid)[0]["AccountSid"], made.sid, "whose webhook it is")
    equal(app.told("status-sub", StatusCallbackEvent="participant-join")[0]["AccountSid"], made.sid, "whose seat")
    equal({call.sid for call in sub.calls.list()}, {own.sid, seat.call_sid}, "the calls that it sees")
    check(own.sid not in [call.sid for call in node.calls.list()], "its call is among the main account's")
    refused(404, 20404, "a call of the main account", sub.calls(others.sid).fetch)
    refused(404, 20404, "its call, for the main account", node.calls(own.sid).fetch)
    ending = lambda: sub.calls(others.sid).update(status="completed")
    refused(404, 20404, "ending a call of the main account", ending)
    equal(node.api.accounts(made.sid).calls(own.sid).fetch().sid, own.sid, "its call, by its path")
    equal([one.friendly_name for one in sub.conferences.list()], ["desk"], "its conferences")
    check("desk" not in [one.friendly_name for one in node.conferences.list()], "its conference is not the main one's")
    sub.calls(own.sid).update(status="completed")
    app.told("status-sub", CallSid=own.sid, CallStatus="completed")
    sub.calls(seat.call_sid).update(status="completed")
    node.calls(others.sid).update(status="completed")
    node.api.accounts(made.sid).update(status="closed")


def drive_notifications(node, app):
    call = node.calls.create(to=AGENT, from_=CALLER, url=app.url("not-there?secret=1"))
    listed = lambda: node.calls(call.sid).notifications.list(log=0)
    settles("what went wrong is on record", listed)
    note = listed()[0]
    equal((note.error_code, note.log, note.request_method), ("11200", "0", "POST"), "a notification")
    equal(note.request_url, app.url("not-there"), "the URL that failed, without its query")
    equal(note.more_info, "https://www.twilio.com/docs/errors/11200", "where one reads more")
    whole = node.calls(call.sid).notifications(note.sid).fetch()
    check(call.sid in whole.request_variables, "what was asked is not on record")
    equal(node.notifications(note.sid).fetch().sid, note.sid, "a notification of the account")
    sids = lambda **given: [one.sid for one in node.notifications.list(**given)]
    day = note.message_date.date()
    for given, expected in [
        (dict(log=0), True),
        (dict(log=1), False),
        (dict(message_date=day), True),
        (dict(message_date_after=day), True),
        (dict(message_date_before=day - timedelta(days=1)), False),
    ]:
        equal(note.sid in sids(**given), expected, f"whether notifications.list({given}) has it")


def main():
    node, app = client(), App()
    drive_calls(node, app)
    drive_endings(node)
    drive_pages(node)
    drive_directory(node, app)
    drive_sub_account(node, app)
    drive_notifications(node, app)
    drive_seats(node, app, AGENT)
    drive_verbs(node, app, AGENT, NODE, PHONE)
    drive_queues(node, app, AGENT)
    equal(app.forged, [], "requests that the validator does not accept")
    print(f"python: all as it should be, with {len(app.told_all)} requests to the application")


main()
