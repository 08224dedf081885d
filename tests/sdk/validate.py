"""Lets Twilio's official validator judge requests of the node: one JSON object a line on standard input, with `url`,
`signature`, `form` (names and their values) or `body`, and `expected`. Prints what it disagrees with."""

import json
import sys

from twilio.request_validator import RequestValidator

TOKEN = "12345678901234567890123456789012"


class Form(dict):
    """A form as web frameworks hand it over: a name may have several values."""

    def getlist(self, name):
        return self[name]


wrong = 0
for line in sys.stdin:
    request = json.loads(line)
    params = request["body"] if request["body"] is not None else Form(request["form"])
    judged = RequestValidator(TOKEN).validate(request["url"], params, request["signature"])
    if judged != request["expected"]:
        wrong += 1
        print(f"{request['url']}: {judged}")
sys.exit(1 if wrong else 0)
