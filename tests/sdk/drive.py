"""Drives a node with Twilio's Python SDK: everything the node offers, and what it answers when it refuses.

Wants the environment that run.sh describes and at least three calls in the conference; ends them all.
Stops at the first thing that is not as it should be, with exit status 1.
"""

import os
from datetime import datetime, timedelta, timezone

from directory import drive_directory
from expect import (
    ACCOUNT,
    NAME,
    NOWHERE,
    PREFIX,
    TOKEN,
    check,
    client,
    equal,
    list_refused,
    refused,
    settles,
)

def find_conference(node):
    found = node.conferences.list(friendly_name=NAME, status="in-progress")
    equal(len(found), 1, f"conferences in progress named {NAME}")
    conference = found[0]
    equal(conference.account_sid, ACCOUNT, "conference.account_sid")
    equal(conference.api_version, "2010-04-01", "conference.api_version")
    equal(conference.uri, f"{PREFIX}/Conferences/{conference.sid}.json", "conference.uri")
    equal(conference.reason_conference_ended, None, "reason_conference_ended while in progress")
    check(isinstance(conference.date_created, datetime), "conference.date_created is no date")
    participants = f"{PREFIX}/Conferences/{conference.sid}/Participants.json"
    equal(conference.subresource_uris["participants"], participants, "its participants' URI")
    fetched = node.conferences(conference.sid).fetch()
    equal((fetched.sid, fetched.friendly_name), (conference.sid, NAME), "the fetched conference")
    check(find_by_day(node, conference), "the conference is not among those created on its day")
    equal(node.conferences.list(friendly_name=NAME, status="init"), [], "conferences in init")
    return conference.sid


def find_by_day(node, conference):
    day = conference.date_created.date()
    on = node.conferences.list(date_created=day)
    later = node.conferences.list(date_created_after=day + timedelta(days=2))
    before = node.conferences.list(date_created_before=day)
    is_in = [conference.sid in [one.sid for one in found] for found in (on, later, before)]
    equal(is_in, [True, False, False], "listed on its day, from two days later, before its day")
    return True


def drive_participants(node, conference):
    seats = node.conferences(conference).participants
    calls = [seat.call_sid for seat in seats.list()]
    check(len(calls) >= 3, f"{len(calls)} participants in {NAME}; this needs three at least")
    equal(len(list(seats.stream(page_size=1))), len(calls), "participants, a page each")

    chosen = calls[0]
    seat = node.conferences(conference).participants(chosen).fetch()
    equal((seat.call_sid, seat.conference_sid), (chosen, conference), "the fetched participant")
    equal((seat.status, seat.muted, seat.hold), ("connected", False, False), "their state")
    equal((seat.label, seat.coaching, seat.call_sid_to_coach), (None, False, None), "their seat")
    equal(seat.uri, f"{PREFIX}/Conferences/{conference}/Participants/{chosen}.json", "their URI")
    drive_mute(node, conference, calls)
    return calls


def drive_mute(node, conference, calls):
    seats = node.conferences(conference).participants
    chosen = seats.get(calls[0])
    sids = lambda found: sorted(seat.call_sid for seat in found)

    equal(chosen.update(muted=True).muted, True, "muted after update(muted=True)")
    equal(chosen.fetch().muted, True, "muted when fetched")
    equal(sids(seats.list(muted=True)), calls[:1], "those muted")
    equal(sids(seats.list(muted=False)), sorted(calls[1:]), "those not muted")
    equal(chosen.update(muted=False).muted, False, "muted after update(muted=False)")
    equal(seats.list(muted=True), [], "those muted, after the unmute")
    equal(seats.list(hold=True), [], "those on hold")
    drive_seat(seats, calls)
    equal(len(seats.list(coaching=False)), len(calls), "those who do not coach")


def drive_seat(seats, calls):
    seat = seats.get(calls[0])
    equal(seat.update(hold=True).hold, True, "hold")
    equal([one.call_sid for one in seats.list(hold=True)], [calls[0]], "those on hold")
    equal(seat.update(hold=False).hold, False, "the end of hold")
    equal(seat.update(end_conference_on_exit=True).end_conference_on_exit, True, "a moderator")
    equal(seat.update(end_conference_on_exit=False).end_conference_on_exit, False, "no moderator")
    coach = seat.update(coaching=True, call_sid_to_coach=calls[1])
    equal((coach.coaching, coach.call_sid_to_coach), (True, calls[1]), "a coach")
    equal([one.call_sid for one in seats.list(coaching=True)], [calls[0]], "those who coach")
    coach = seat.update(coaching=False)
    equal((coach.coaching, coach.call_sid_to_coach), (False, None), "a coach no more")
    equal(seat.update(beep_on_exit=False, wait_url="http://127.0.0.1/").call_sid, calls[0], "tones and music")


def drive_calls(node, calls):
    listed = [call.sid for call in node.calls.list(status="in-progress")]
    check(set(calls) <= set(listed), "a participant's call is not among the calls in progress")
    paged = [call.sid for call in node.calls.stream(page_size=1)]
    equal(len(paged), len(set(paged)), "calls listed a page each: some came twice")
    check(set(calls) <= set(paged), "a call is missing when listed a page each")
    equal(len(node.calls.list(limit=2)), 2, "calls with limit=2")
    # Sent as a page of 5,000, which the node cuts.
    many = [call.sid for call in node.calls.list(limit=5000)]
    check(set(calls) <= set(many), "a call is missing with limit=5000")
    drive_pages(node)

    call = node.calls(calls[0]).fetch()
    equal((call.sid, call.account_sid, call.status), (calls[0], ACCOUNT, "in-progress"), "the call")
    equal((call.direction, call.api_version), ("inbound", "2010-04-01"), "its direction and version")
    equal((call.duration, call.end_time, call.price), (None, None, None), "what is not known yet")
    equal((call.price_unit, call.queue_time), ("USD", "0"), "its price unit and queue time")
    equal(call.uri, f"{PREFIX}/Calls/{call.sid}.json", "its URI")
    check(isinstance(call.start_time, datetime), "call.start_time is no date")
    check("recordings" in call.subresource_uris, "the call has no recordings URI")
    drive_call_filters(node, call)


def drive_pages(node):
    first = node.calls.page(page_size=1)
    second = first.next_page()
    check(first.previous_page_url is None, "the first page has one before it")
    equal([call.sid for call in second.previous_page()], [call.sid for call in first], "page 0 again")


def drive_call_filters(node, call):
    hour, day = timedelta(hours=1), call.start_time.date()
    filters = [
        (dict(to=call.to), True),
        (dict(to="nobody"), False),
        (dict(from_=call._from), True),
        (dict(from_="nobody"), False),
        (dict(start_time=datetime(day.year, day.month, day.day, tzinfo=timezone.utc)), True),
        (dict(start_time_after=call.start_time - hour), True),
        (dict(start_time_after=call.start_time + hour), False),
        (dict(start_time_before=call.start_time + hour), True),
        (dict(start_time_before=call.start_time - hour), False),
        (dict(end_time_after=call.start_time - hour), False),
        (dict(status="queued"), False),
        (dict(parent_call_sid=f"CA{NOWHERE}"), False),
    ]
    for given, expected in filters:
        found = call.sid in [one.sid for one in node.calls.list(**given)]
        equal(found, expected, f"whether calls.list({given}) has the call")


def drive_recordings(node, call):
    of_call = node.calls(call).recordings
    begun = of_call.create(recording_channels="dual")
    equal((begun.call_sid, begun.status, begun.channels), (call, "in-progress", 2), "the recording begun")
    equal((begun.source, begun.track), ("StartCallRecordingAPI", "both"), "its source and track")
    paused = of_call("Twilio.CURRENT").update(status="paused", pause_behavior="skip")
    equal((paused.sid, paused.status), (begun.sid, "paused"), "the recording paused")
    equal(of_call(begun.sid).update(status="in-progress").status, "in-progress", "the recording resumed")
    time.sleep(0.5)
    equal(of_call(begun.sid).update(status="stopped").status, "stopped", "the recording stopped")
    refused(400, 21220, "a second stop", lambda: of_call(begun.sid).update(status="stopped"))
    settles("the recording is completed", lambda: of_call(begun.sid).fetch().status == "completed")

    done = node.recordings(begun.sid).fetch()
    equal((done.duration, done.account_sid, done.error_code), ("1", ACCOUNT, None), "the recording")
    equal(done.media_url, f"{URL}{PREFIX}/Recordings/{done.sid}", "where it can be heard")
    check(isinstance(done.start_time, datetime), "recording.start_time is no date")
    listed = lambda **given: [one.sid for one in node.recordings.list(**given)]
    hour = timedelta(hours=1)
    equal(listed(call_sid=call), [done.sid], "the recordings of the call")
    equal(listed(date_created_after=done.start_time + hour), [], "recordings begun in an hour")
    equal(listed(date_created_before=done.start_time + hour), [done.sid], "recordings begun before")
    equal([one.sid for one in of_call.list()], [done.sid], "the call's own recordings")
    equal(node.recordings(done.sid).delete(), True, "delete() of a recording")
    refused(404, 20404, "fetch of a deleted recording", node.recordings(done.sid).fetch)


def drive_kick(node, conference, call):
    seat = node.conferences(conference).participants(call)
    equal(seat.delete(), True, "delete() of a participant")
    refused(404, 20404, "fetch of a removed participant", seat.fetch)
    refused(404, 20404, "a second delete() of a participant", seat.delete)
    settles("the removed one's call is completed", lambda: status_of(node, call) == "completed")


def drive_hang_up(node, conference, call):
    updated = node.calls(call).update(status="completed")
    equal(updated.status, "completed", "status after update(status='completed')")
    settles("the ended call is completed", lambda: status_of(node, call) == "completed")
    ended = node.calls(call).fetch()
    check(isinstance(ended.end_time, datetime), "end_time of an ended call is no date")
    check(ended.duration is not None and ended.duration.isdigit(), f"duration {ended.duration!r}")
    seats = node.conferences(conference).participants
    settles("who hung up is gone", lambda: call not in [seat.call_sid for seat in seats.list()])
    refused(400, 21220, "a second update to completed", lambda: node.calls(call).update(status="completed"))


def drive_end(node, conference, call):
    ended = node.conferences(conference).update(status="completed")
    equal(ended.status, "completed", "status after update(status='completed')")
    equal(ended.reason_conference_ended, "conference-ended-via-api", "the reason it ended")
    equal(node.conferences(conference).participants.list(), [], "participants when it is over")
    settles("a call in it is completed", lambda: status_of(node, call) == "completed")
    completed = node.conferences.list(friendly_name=NAME, status="completed")
    check(conference in [one.sid for one in completed], "it is not among the completed ones")
    seat = node.conferences(conference).participants(call)
    refused(404, 20404, "a mute when the conference is over", lambda: seat.update(muted=True))


def drive_refusals(node, conference, call):
    seats = node.conferences(conference).participants
    seat = seats.get(call)
    refused(404, 20404, "an unknown call", node.calls(f"CA{NOWHERE}").fetch)
    refused(404, 20404, "an unknown conference", node.conferences(f"CF{NOWHERE}").fetch)
    refused(404, 20404, "an unknown label", seats.get("no such label").fetch)
    stranger = client(token=f"not {TOKEN}")
    refused(401, 20003, "a wrong token", stranger.conferences(conference).fetch)
    list_refused(401, "a list with a wrong token", stranger.conferences.list)
    refused(400, 20001, "a coach of nobody", lambda: seat.update(coaching=True))
    refused(400, 21205, "an announcement from nowhere", lambda: seat.update(announce_url="a.wav"))
    refused(400, 21209, "another method", lambda: seat.update(wait_url="http://127.0.0.1/", wait_method="PUT"))
    refused(400, 20001, "a status that is none", lambda: node.calls(call).update(status="paused"))
    refused(400, 21220, "canceling an answered call", lambda: node.calls(call).update(status="canceled"))
    refused(409, 20009, "deleting a call's record", node.calls(call).delete)
    create = lambda: node.calls.create(to="sip:a@127.0.0.1", from_="b", url="http://127.0.0.1/")
    refused(400, 21215, "placing a call that is not allowed", create)


def drive_queues(node, call):
    made = node.queues.create(friendly_name="sdk-queue", max_size=5)
    equal((made.friendly_name, made.max_size, made.current_size), ("sdk-queue", 5, 0), "the queue that was made")
    equal((made.account_sid, made.average_wait_time), (ACCOUNT, 0), "its account and its average wait")
    equal(made.uri, f"{PREFIX}/Queues/{made.sid}.json", "its URI")
    check(isinstance(made.date_created, datetime), "queue.date_created is no date")
    queue = node.queues(made.sid)
    equal(queue.fetch().sid, made.sid, "the fetched queue")
    equal(queue.update(max_size=7).max_size, 7, "max_size after the update")
    check(made.sid in [one.sid for one in node.queues.list()], "the queue is not in the list")
    equal(queue.members.list(), [], "those who wait")
    refused(409, 20409, "a second queue of the name", lambda: node.queues.create(friendly_name="sdk-queue"))
    refused(400, 20001, "a queue that is too large", lambda: queue.update(max_size=5001))
    refused(404, 20404, "the front of an empty queue", queue.members("Front").fetch)
    take_out = lambda: queue.members(call).update(url="http://127.0.0.1/")
    refused(404, 20404, "taking out one who does not wait", take_out)
    check(queue.delete(), "delete() of an empty queue")
    refused(404, 20404, "a queue that was deleted", queue.fetch)


def status_of(node, call):
    return node.calls(call).fetch().status


def main():
    node = client()
    drive_directory(node)
    conference = find_conference(node)
    calls = drive_participants(node, conference)
    drive_calls(node, calls)
    drive_refusals(node, conference, calls[0])
    drive_queues(node, calls[0])
    equal(node.calls(calls[0]).update(time_limit=600).sid, calls[0], "a call with another time limit")
    if os.environ.get("CONFAB_RECORDS"):
        drive_recordings(node, calls[0])
    drive_kick(node, conference, calls[0])
    drive_hang_up(node, conference, calls[1])
    drive_end(node, conference, calls[2])
    print(f"python: all as it should be, with {len(calls)} calls")


main()
