"""Every verb of call scripts, as the builders of Twilio's Python SDK write them, and what becomes of each."""

from twilio.twiml.voice_response import Dial, VoiceResponse

from expect import check, equal, refused, settles

NUMBER = "+442079460151"
CALLER = "+442079460199"


def drive_verbs(node, app, agent, sip, phone):
    app.phone = phone
    app.says("end", hung_up())
    drive_sounds(node, app, agent)
    drive_gather(node, app, sip)
    drive_record(node, app, sip)
    drive_dial(node, app, agent, phone)
    drive_conference(node, app, agent)
    drive_refer(node, app, agent)
    drive_streams(node, app, agent)
    drive_resources(node, app, agent)


def hung_up():
    response = VoiceResponse()
    response.hangup()
    return response


def call(node, app, to, page, response, **more):
    """A call that follows a page."""
    return node.calls.create(to=to, from_=CALLER, url=app.says(page, response), **more).sid


def is_over(node, sid, status="completed"):
    settles(f"the call {sid} is {status}", lambda: node.calls(sid).fetch().status == status)


def codes(node, sid):
    return [note.error_code for note in node.calls(sid).notifications.list()]


def drive_sounds(node, app, agent):
    """Say, Play, Pause, Redirect, Hangup."""
    response = VoiceResponse()
    response.say("Hello", voice="man", language="en-GB", loop=1)
    response.play(app.url("tone.wav"), loop=1)
    response.play("", digits="1w2")
    response.pause(length=1)
    response.redirect("/end", method="GET")
    sid = call(node, app, agent, "sounds", response)
    equal(app.told("end", CallSid=sid)[0]["method"], "GET", "how a redirected document was asked for")
    is_over(node, sid)
    equal([code for code in codes(node, sid) if code != "13520"], [], "what was wrong in the sounds")


def drive_gather(node, app, sip):
    """Gather with its prompts, by a number that is called and keys that are pressed; Reject of another call."""
    response = VoiceResponse()
    gather = response.gather(input="dtmf", num_digits=3, finish_on_key="#", timeout=10, action="/digits",
                             method="POST", action_on_empty_result=True)
    gather.say("Type a key")
    gather.play(app.url("tone.wav"))
    gather.pause(length=1)
    app.says("digits", hung_up())
    number = node.incoming_phone_numbers.create(phone_number=NUMBER, voice_url=app.says("gather", response))
    presses = VoiceResponse()
    presses.play("", digits="ww47#")
    presses.pause(length=60)
    sid = call(node, app, f"sip:{NUMBER}@{sip}", "presses", presses)
    equal(app.told("digits")[0]["Digits"], "47", "the keys that were pressed")
    is_over(node, sid)

    rejects = VoiceResponse()
    rejects.reject(reason="busy")
    node.incoming_phone_numbers(number.sid).update(voice_url=app.says("rejects", rejects), voice_method="GET")
    sid = node.calls.create(to=f"sip:{NUMBER}@{sip}", from_=CALLER, twiml=str(hung_up())).sid
    app.told("rejects", method="GET", To=NUMBER)
    is_over(node, sid, "busy")
    number.delete()


def drive_record(node, app, sip):
    """Record of one who speaks and presses a key; the recording over the API, and one of a whole call."""
    response = VoiceResponse()
    response.record(action="/recorded", method="POST", timeout=10, finish_on_key="#", max_length=60, play_beep=False,
                    trim="do-not-trim", recording_status_callback="/status-recording",
                    recording_status_callback_method="POST", recording_status_callback_event="in-progress completed")
    app.says("recorded", hung_up())
    number = node.incoming_phone_numbers.create(phone_number=NUMBER, voice_url=app.says("record", response))
    speaks = VoiceResponse()
    speaks.play(app.url("tone.wav"), loop=2)
    speaks.play("", digits="w#")
    speaks.pause(length=60)
    caller = call(node, app, f"sip:{NUMBER}@{sip}", "speaks", speaks)
    [started] = app.told("status-recording", RecordingStatus="in-progress")
    recorded = started["CallSid"]
    sid = started["RecordingSid"]
    is_over(node, caller)
    told = app.told("recorded", CallSid=recorded)[0]
    equal((told["Digits"], told["RecordingUrl"].rsplit("/", 1)[1]), ("#", sid), "what the action is told")
    app.told("status-recording", RecordingStatus="completed", RecordingSid=sid)
    recording = node.recordings(sid).fetch()
    equal((recording.call_sid, recording.status, recording.source), (recorded, "completed", "RecordVerb"), "of it")
    equal([one.sid for one in node.calls(recorded).recordings.list()], [sid], "the call's recordings")
    equal([one.sid for one in node.recordings.list(call_sid=recorded)], [sid], "the account's, by call")
    equal(node.recordings(sid).delete(), True, "delete() of a recording")
    number.delete()

    waits = VoiceResponse()
    waits.play(app.url("tone.wav"), loop=0)
    spoken = call(node, app, f"sip:agent@{app.phone}", "spoken", waits)
    is_over(node, spoken, "in-progress")
    made = node.calls(spoken).recordings.create(recording_channels="dual", trim="do-not-trim")
    equal((made.status, made.channels, made.source), ("in-progress", 2, "StartCallRecordingAPI"), "a new recording")
    current = node.calls(spoken).recordings("Twilio.CURRENT")
    equal(current.update(status="paused", pause_behavior="skip").status, "paused", "a pause")
    equal(current.update(status="in-progress").status, "in-progress", "its end")
    current.update(status="stopped")
    node.calls(spoken).update(status="completed")
    listed = lambda: [one.status for one in node.calls(spoken).recordings.list()]
    settles("the recording is there", lambda: listed() in (["completed"], ["absent"]))
    equal(node.calls(spoken).recordings(made.sid).delete(), True, "delete() of a call's recording")


def drive_dial(node, app, agent, phone):
    """Dial with each noun that is a phone: in parallel, one after another, and with nobody who answers."""
    def dials(page, add, **attributes):
        response = VoiceResponse()
        dial = Dial(action=f"/after-{page}", method="POST", timeout=30, caller_id=CALLER, **attributes)
        add(dial, dict(status_callback=app.url(f"status-{page}"), status_callback_method="POST",
                       status_callback_event="initiated ringing answered completed"))
        response.append(dial)
        app.says(f"after-{page}", hung_up())
        return call(node, app, agent, page, response)

    whisper = VoiceResponse()
    whisper.say("A call for you")
    whisper = app.says("whisper", whisper)
    for page, add in [
        ("sip", lambda dial, told: dial.sip(f"sip:agent@{phone}", url=whisper, method="GET", **told)),
        ("number", lambda dial, told: dial.number("+4930999", send_digits="1", **told)),
        ("client", lambda dial, told: dial.client("alice", **told)),
    ]:
        # Nothing tells when they are connected; the call ends by itself, a second after that.
        sid = dials(page, add, time_limit=1, hangup_on_star=True, answer_on_bridge=True)
        child = app.told(f"status-{page}", CallStatus="in-progress")[0]["CallSid"]
        equal([one.sid for one in node.calls.list(parent_call_sid=sid)], [child], f"who was dialled by {page}")
        if page == "sip":
            app.told("whisper", method="GET", CallSid=child)
        after = app.told(f"after-{page}", CallSid=sid)[0]
        equal((after["DialCallStatus"], after.get("DialCallSid")), ("completed", child), f"the end of {page}")
        app.told(f"status-{page}", CallStatus="completed")
        is_over(node, sid)
    busy = lambda dial, told: [dial.sip(f"sip:busy@{phone}", **told), dial.sip(f"sip:busy@{phone}")]
    sid = dials("busy", busy, sequential=True)
    equal(app.told("after-busy", CallSid=sid)[0]["DialCallStatus"], "busy", "how a busy dial ended")
    is_over(node, sid)


def drive_conference(node, app, agent):
    def joins(page, **attributes):
        response = VoiceResponse()
        dial = Dial(action="/after-conference")
        dial.conference("verbs", wait_url="", **attributes)
        response.append(dial)
        return call(node, app, agent, page, response)

    app.says("after-conference", hung_up())
    told = dict(status_callback=app.url("status-verbs"), status_callback_method="GET",
                status_callback_event="start end join leave")
    first = joins("first", participant_label="first", beep=False, start_conference_on_enter=False, **told)
    app.told("status-verbs", method="GET", StatusCallbackEvent="participant-join", CallSid=first)
    second = joins("second", participant_label="second", end_conference_on_exit=True, muted=False,
                   max_participants=5, jitter_buffer_size="small")
    started = app.told("status-verbs", StatusCallbackEvent="conference-start")[0]
    seats = node.conferences(started["ConferenceSid"]).participants
    equal(seats("first").fetch().call_sid, first, "one who came by a script, by their label")
    node.calls(second).update(status="completed")
    ended = app.told("status-verbs", StatusCallbackEvent="conference-end")[0]
    equal(ended["ReasonConferenceEnded"], "participant-with-end-conference-on-exit-left", "why it ended")
    equal(app.told("after-conference", CallSid=first)[0]["DialCallStatus"], "answered", "as its action has it")
    is_over(node, first)


def drive_refer(node, app, agent):
    response = VoiceResponse()
    refer = response.refer(action="/referred", method="POST")
    refer.sip("sip:other@192.0.2.9")
    app.says("referred", hung_up())
    sid = call(node, app, agent, "refer", response)
    told = app.told("referred", CallSid=sid)[0]
    equal((told["ReferCallStatus"], told["ReferSipResponseCode"]), ("completed", "202"), "a call passed on")
    equal(told["NotifySipResponseCode"], "200", "what the phone told of it")
    is_over(node, sid)


def drive_streams(node, app, agent):
    """Streams whose servers are not there are told of, and the script goes on."""
    response = VoiceResponse()
    response.start().stream(name="fork", url="wss://127.0.0.1:1/fork")
    response.stop().stream(name="fork")
    response.connect().stream(url="wss://127.0.0.1:1/talk")
    response.redirect("/end")
    sid = call(node, app, agent, "streams", response)
    app.told("end", CallSid=sid)
    is_over(node, sid)
    settles("the server that is not there is on record", lambda: "31902" in codes(node, sid))
    equal([code for code in codes(node, sid) if code != "31902"], [], "what else was wrong with streams")


def drive_resources(node, app, agent):
    """A stream and a payment of a call, over the API."""
    response = VoiceResponse()
    response.pause(length=60)
    sid = call(node, app, agent, "resources", response)
    is_over(node, sid, "in-progress")
    stream = node.calls(sid).streams.create(url="wss://127.0.0.1:1/fork", name="desk", track="both_tracks")
    equal((stream.sid[:2], stream.name, stream.status), ("MZ", "desk", "in-progress"), "a stream")
    refused(400, 31922, "a stream to a page", lambda: node.calls(sid).streams.create(url="https://app.example/"))
    told = app.url("paying")
    payment = node.calls(sid).payments.create(idempotency_key="1", status_callback=told, charge_amount="12.50")
    equal((payment.sid[:2], payment.call_sid), ("PK", sid), "a payment")
    ended = node.calls(sid).payments(payment.sid).update(
        idempotency_key="2", status_callback=told, status="cancel"
    )
    equal(ended.sid, payment.sid, "a payment that was given up")
    node.calls(sid).update(status="completed")


def drive_queues(node, app, agent):
    """Enqueue, Leave, Dial Queue, and queues with their members over the API."""
    queue = node.queues.create(friendly_name="live", max_size=5)
    waits, leaves, taken = VoiceResponse(), VoiceResponse(), VoiceResponse()
    waits.play(app.url("tone.wav"))
    leaves.leave()
    taken.say("An agent will be with you")
    app.says("hold", waits)
    app.says("leaves", leaves)
    app.says("out", hung_up())

    def enqueues(page, wait):
        response = VoiceResponse()
        response.enqueue("live", wait_url=wait, wait_url_method="POST", action="/out", method="POST")
        return call(node, app, agent, page, response)

    left = enqueues("enqueue-1", "/leaves")
    equal(app.told("out", CallSid=left)[0]["QueueResult"], "leave", "one who left")
    first, asked = enqueues("enqueue-2", "/hold"), app.told("hold", 1)
    equal((asked[0]["QueuePosition"], asked[0]["QueueSid"]), ("1", queue.sid), "where one waits")
    second = enqueues("enqueue-3", "/hold")
    app.told("hold", CallSid=second)
    members = node.queues(queue.sid).members
    equal([one.call_sid for one in members.list()], [first, second], "who waits")
    equal([one.position for one in members.stream(page_size=1)], [1, 2], "who waits, a page each")
    equal((members("Front").fetch().call_sid, members(second).fetch().position), (first, 2), "the front")
    equal(node.queues(queue.sid).fetch().current_size, 2, "how many wait")
    refused(409, 20409, "deleting a queue that is not empty", node.queues(queue.sid).delete)

    response = VoiceResponse()
    dial = Dial(action="/end")
    dial.queue("live", url=app.says("taken", taken), method="POST")
    response.append(dial)
    desk = call(node, app, agent, "desk", response)
    equal(app.told("taken", CallSid=first)[0]["DequeingCallSid"], desk, "who takes the first")
    settles("one waits", lambda: [one.call_sid for one in members.list()] == [second])
    node.calls(desk).update(status="completed")
    equal(app.told("out", CallSid=first)[0]["QueueResult"], "bridged", "one who was connected")

    members("Front").update(url=app.url("end"), method="GET")
    app.told("end", CallSid=second, method="GET")
    equal(app.told("out", CallSid=second)[0]["QueueResult"], "redirected", "one taken out over the API")
    refused(404, 20404, "the front of an empty queue", members("Front").fetch)
    check(node.queues(queue.sid).update(friendly_name="renamed", max_size=9).max_size == 9, "a larger queue")
    check(queue.sid in [one.sid for one in node.queues.list()], "the queue is not listed")
    equal(node.queues(queue.sid).delete(), True, "delete() of a queue")
