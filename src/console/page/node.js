// Talks to the node: logs in, asks its API, follows its feed. What proves who we are is a cookie that no script can read;
// the header says that it is this page that asks.

const OURS = { "x-confab-console": "1" };

/** Who is logged in. */
export const account = { sid: "", name: "", version: "", browserMedia: false };

/** Nobody is logged in any more. */
export class LoggedOut extends Error {}

/** The node said no; its words. */
export class Refused extends Error {}

function remember(told) {
  Object.assign(account, {
    sid: told.account_sid, name: told.friendly_name ?? "", version: told.version, browserMedia: told.browser_media,
  });
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, { ...options, credentials: "same-origin", headers: { ...OURS, ...options?.headers } });
  } catch {
    throw new Refused("The node cannot be reached.");
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const told = await response.json().catch(() => ({}));
  const words = told.message ?? `The node answered ${response.status}.`;
  throw response.status === 401 ? new LoggedOut(words) : new Refused(words);
}

/** Logs in. The token is in the request and nowhere else. */
export async function login(sid, token) {
  const body = JSON.stringify({ account_sid: sid, auth_token: token });
  remember(await ask("/v1/console/login", { method: "POST", body, headers: { "content-type": "application/json" } }));
}

/** Finds out whether somebody is logged in. */
export async function resume() {
  remember(await ask("/v1/console/login", { method: "GET" }));
}

export async function logout() {
  await ask("/v1/console/login", { method: "DELETE" });
}

/** A token for one call of the page's own. */
export async function callToken() {
  return (await ask("/v1/console/token", { method: "POST" })).token;
}

/** Where something of the account is. */
export function place(path) {
  return `/2010-04-01/Accounts/${account.sid}/${path}`;
}

/** Looks at something of the account. */
export function get(path) {
  return ask(place(path), { method: "GET" });
}

/** Changes or makes something of the account. */
export function post(path, form) {
  return ask(place(path), { method: "POST", body: new URLSearchParams(form) });
}

export function remove(path) {
  return ask(place(path), { method: "DELETE" });
}

/** The closing code of a login that is over. */
const LOGIN_OVER = 4401;
/** How long to wait before the next try, in milliseconds: at first, and at most. */
const WAIT_FIRST = 400;
const WAIT_MAX = 8000;
/** Something comes twice a second at the least while somebody talks, and a floor every five seconds in any case. */
const SILENCE_MAX = 15000;

/** Follows the feed until it is told to stop. `on` has a function for each type of message, and `state` and `out`. */
export function follow(on) {
  let socket = null;
  let stopped = false;
  let wait = WAIT_FIRST;
  let timer = 0;
  let watchdog = 0;

  function open() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}/v1/console/feed`);
    socket.onopen = () => {
      wait = WAIT_FIRST;
      heard();
    };
    socket.onmessage = ({ data }) => {
      heard();
      on.state("live");
      const told = JSON.parse(data);
      on[told.type]?.(told);
    };
    socket.onclose = ({ code }) => {
      clearTimeout(watchdog);
      if (!stopped) again(code === LOGIN_OVER);
    };
  }

  function heard() {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => socket.close(), SILENCE_MAX);
  }

  function again(isOut) {
    on.state("lost");
    timer = setTimeout(async () => {
      try {
        await resume();
      } catch (error) {
        if (error instanceof LoggedOut) return stopped || on.out();
        wait = Math.min(wait * 2, WAIT_MAX);
        return stopped || again(false);
      }
      if (!stopped) open();
    }, isOut ? 0 : wait * (0.75 + Math.random() / 2));
  }

  open();
  return () => {
    stopped = true;
    clearTimeout(timer);
    clearTimeout(watchdog);
    socket?.close();
  };
}
