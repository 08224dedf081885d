// Lets Twilio's official validator judge requests of the node: one JSON object a line on standard input, with `url`,
// `signature`, `form` (names and their values) or `body`, and `expected`. Prints what it disagrees with.

import { readFileSync } from "node:fs";
import twilio from "twilio";

const TOKEN = "12345678901234567890123456789012";

let wrong = 0;
for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const { url, signature, form, body, expected } = JSON.parse(line);
  const judged =
    body === null
      ? twilio.validateRequest(TOKEN, signature, url, form)
      : twilio.validateRequestWithBody(TOKEN, signature, url, body);
  if (judged !== expected) {
    wrong += 1;
    console.log(`${url}: ${judged}`);
  }
}
process.exit(wrong ? 1 : 0);
