"""Conferences and participants with Twilio's Python SDK: seats with all their parameters, and what is told of them."""

from datetime import timedelta

from twilio.twiml.voice_response import VoiceResponse

from expect import PREFIX, check, equal, refused, settles

EVENTS = ["start", "end", "join", "leave", "mute", "hold", "modify", "announcement"]


def drive_seats(node, app, agent):
    music = VoiceResponse()
    music.play(app.url("tone.wav"))
    music.redirect("")
    app.says("music", music)
    notice = VoiceResponse()
    notice.say("Hello")
    app.says("notice", notice)

    alice, bob = seat_two(node, app, agent)
    conference = node.conferences(alice.conference_sid)
    drive_lists(node, conference, alice, bob)
    drive_updates(app, conference, alice, bob)
    drive_announcements(app, conference)
    refuse(node, conference, agent)
    drive_ends(node, app, conference, alice, bob)


def seat_two(node, app, agent):
    seats = node.conferences("live").participants
    alice = seats.create(
        from_="+442079460199",
        to=agent,
        label="alice",
        timeout=30,
        time_limit=600,
        early_media=True,
        beep="onEnter",
        muted=False,
        start_conference_on_enter=False,
        end_conference_on_exit=False,
        wait_url=app.url("music"),
        wait_method="GET",
        max_participants=3,
        jitter_buffer_size="small",
        caller_id="+442079460199",
        status_callback=app.url("status-seat"),
        status_callback_method="POST",
        status_callback_event=["initiated", "ringing", "answered", "completed"],
        conference_status_callback=app.url("status-conference"),
        conference_status_callback_method="POST",
        conference_status_callback_event=EVENTS,
    )
    equal((alice.label, alice.muted, alice.start_conference_on_enter), ("alice", False, False), "a new seat")
    check(alice.status in ("queued", "connecting", "ringing"), f"its status {alice.status}")
    app.told("music", CallSid=alice.call_sid, method="GET")
    equal(node.conferences(alice.conference_sid).fetch().status, "init", "a conference that waits")
    bob = seats.create(from_="+442079460199", to="client:alice", label="bob", beep="false", coaching=True,
                       call_sid_to_coach=alice.call_sid)
    equal((bob.coaching, bob.call_sid_to_coach), (True, alice.call_sid), "a coach")
    settled = lambda: node.conferences(alice.conference_sid).fetch().status == "in-progress"
    settles("the conference goes on", settled)
    return alice, bob


def drive_lists(node, conference, alice, bob):
    seats = conference.participants
    labels = lambda **given: sorted(seat.label for seat in seats.list(**given))
    equal(labels(), ["alice", "bob"], "who is there")
    equal(sorted(seat.label for seat in seats.stream(page_size=1)), ["alice", "bob"], "a page each")
    equal((labels(coaching=True), labels(coaching=False)), (["bob"], ["alice"]), "who coaches, and who not")
    equal(seats("alice").fetch().call_sid, alice.call_sid, "one fetched by their label")
    equal(seats(bob.call_sid).fetch().label, "bob", "one fetched by their call")
    made = conference.fetch()
    equal(made.subresource_uris["participants"], f"{PREFIX}/Conferences/{made.sid}/Participants.json", "URIs")
    day, days = made.date_created.date(), timedelta(days=2)
    for given, expected in [
        (dict(friendly_name="live"), True),
        (dict(friendly_name="other"), False),
        (dict(status="in-progress"), True),
        (dict(status="completed"), False),
        (dict(date_created=day), True),
        (dict(date_created_after=day - days), True),
        (dict(date_created_before=day - days), False),
        (dict(date_updated=day), True),
        (dict(date_updated_after=day + days), False),
        (dict(date_updated_before=day + days), True),
    ]:
        found = made.sid in [one.sid for one in node.conferences.list(**given)]
        equal(found, expected, f"whether conferences.list({given}) has the conference")


def drive_updates(app, conference, alice, bob):
    seat, told = conference.participants("alice"), "status-conference"
    coach = conference.participants("bob")
    equal(coach.update(coaching=False).call_sid_to_coach, None, "a coach no more")
    coach.update(coaching=True, call_sid_to_coach=alice.call_sid)
    coach.update(coaching=False)
    seat.update(muted=True)
    equal([one.label for one in conference.participants.list(muted=True)], ["alice"], "who is muted")
    seat.update(muted=False)
    equal(seat.update(hold=True, hold_url=app.url("music"), hold_method="POST").hold, True, "on hold")
    app.told("music", method="POST", CallSid=alice.call_sid)
    equal([one.label for one in conference.participants.list(hold=True)], ["alice"], "who is on hold")
    coach_one = lambda: coach.update(coaching=True, call_sid_to_coach=alice.call_sid)
    refused(400, 16027, "coaching one who is on hold", coach_one)
    equal(seat.update(hold=False).hold, False, "no longer on hold")
    seat.update(wait_url=app.url("music"), wait_method="GET", beep_on_exit=False)
    equal(seat.update(end_conference_on_exit=True).end_conference_on_exit, True, "one who ends it")
    seat.update(end_conference_on_exit=False)
    for event in ["conference-start", "participant-join", "participant-mute", "participant-unmute",
                  "participant-hold", "participant-unhold", "participant-modify"]:
        app.told(told, StatusCallbackEvent=event)


def drive_announcements(app, conference):
    conference.participants("alice").update(announce_url=app.url("notice"), announce_method="GET")
    app.told("notice", method="GET")
    conference.update(announce_url=app.url("notice"), announce_method="POST")
    app.told("notice", method="POST")
    app.told("status-conference", 2, StatusCallbackEvent="announcement-end")


def refuse(node, conference, agent):
    seats = conference.participants
    to = dict(from_="+442079460199", to=agent)
    refused(400, 16026, "a label that is in use", lambda: seats.create(**to, label="bob"))
    refused(400, 16024, "a label that is none", lambda: seats.create(**to, label="a/b"))
    nobody = f"CA{'0' * 32}"
    coach = lambda: seats("bob").update(coaching=True, call_sid_to_coach=nobody)
    refused(400, 16028, "coaching one who is not there", coach)
    refused(404, 20404, "one who is not there", seats("carol").fetch)


def drive_ends(node, app, conference, alice, bob):
    told = "status-conference"
    equal(conference.participants("bob").delete(), True, "delete() of a participant")
    left = app.told(told, StatusCallbackEvent="participant-leave", CallSid=bob.call_sid)[0]
    equal(left["ParticipantLabel"], "bob", "who left")
    ended = conference.update(status="completed")
    equal((ended.status, ended.reason_conference_ended), ("completed", "conference-ended-via-api"), "the end")
    equal(app.told(told, StatusCallbackEvent="conference-end")[0]["ReasonConferenceEnded"],
          "conference-ended-via-api", "what was told of the end")
    app.told("status-seat", CallSid=alice.call_sid, CallStatus="completed")
    refused(404, 20404, "one who was there", conference.participants("alice").fetch)
    listed = [one.sid for one in node.conferences.list(friendly_name="live", status="completed")]
    check(ended.sid in listed, "the conference is not among those that are over")
