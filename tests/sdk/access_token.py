"""Makes access tokens with Twilio's Python SDK, a line each: a name and the token. What they are worth is for others to say.

From the environment: CONFAB_ACCOUNT_SID, CONFAB_KEY and CONFAB_KEY_SECRET.
"""

import os
import time

from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import ChatGrant, VoiceGrant

ACCOUNT = os.environ["CONFAB_ACCOUNT_SID"]
KEY = os.environ["CONFAB_KEY"]
SECRET = os.environ["CONFAB_KEY_SECRET"]
APPLICATION = "AP" + "0" * 32


def token(name, secret=SECRET, account=ACCOUNT, key=KEY, grants=(), **options):
    made = AccessToken(account, key, secret, identity="alice", **options)
    for grant in grants:
        made.add_grant(grant)
    print(name, made.to_jwt())


VOICE = VoiceGrant(
    incoming_allow=True,
    outgoing_application_sid=APPLICATION,
    outgoing_application_params={"team": "blue"},
)
token("valid", grants=[VOICE])
token("valid", grants=[VoiceGrant()], region="ie1")
token("valid", grants=[VOICE, ChatGrant(service_sid="IS" + "0" * 32)], ttl=86_400)
token("20103", grants=[VOICE], account="AC" + "0" * 32)
token("20103", grants=[VOICE], key="SK" + "0" * 32)
token("20104", grants=[VOICE], ttl=-1)
token("20105", grants=[VOICE], nbf=int(time.time()) + 600)
token("20106", grants=[ChatGrant(service_sid="IS" + "0" * 32)])
token("20107", grants=[VOICE], secret="another secret")
token("20157", grants=[VOICE], ttl=86_500)
