// One call of this browser's: its sound, both ways, and the offers and answers that carry it. How offers reach the node is
// `way`'s: to begin with one, to offer anew, to hang up. HTTP is such a way.

import { Refused, callToken } from "./node.js";

const CALLS = "/v1/browser/calls";
/** How long ICE may have lost the node before the line asks it to begin anew, and how long before it is cut, in milliseconds. */
const RESTART_AFTER = 2000;
const CUT_AFTER = 20_000;

/** Why the microphone cannot be had, if that is known before it is asked for. */
export function noMicrophone() {
  if (!window.isSecureContext) {
    return "Browsers give a page the microphone only over HTTPS or on this machine itself: open the console at the node's HTTPS address. To listen takes none.";
  }
  return navigator.mediaDevices ? null : "This browser has no microphone for pages. To listen takes none.";
}

/** What to say of a microphone that was asked for and not had. */
function withoutMicrophone(error) {
  const words = {
    NotAllowedError: "The browser was not allowed to use the microphone. Allow it beside the page's address, and try again. To listen takes none.",
    NotFoundError: "There is no microphone. Plug one in, and try again. To listen takes none.",
    NotReadableError: "The microphone cannot be used: another program may have it.",
  };
  return new Refused(words[error.name] ?? `The microphone cannot be used: ${error.message}`);
}

/** Offers to the node over HTTP. A token is good for one request. */
export function overHttp(parameters) {
  let location = null;
  let tag = "*";
  async function ask(method, path, body, headers) {
    const authorization = `Bearer ${await callToken()}`;
    let response;
    try {
      response = await fetch(path, {
        method, body, credentials: "omit", keepalive: method === "DELETE",
        headers: { authorization, "content-type": "application/sdp", ...headers },
      });
    } catch {
      throw new Refused("The node cannot be reached.");
    }
    if (!response.ok) {
      throw new Refused((await response.json().catch(() => ({}))).message ?? `The node answered ${response.status}.`);
    }
    tag = response.headers.get("etag") ?? tag;
    return response;
  }
  return {
    async begin(offer) {
      const response = await ask("POST", `${CALLS}?${new URLSearchParams(parameters)}`, offer);
      location = response.headers.get("location");
      return { sid: response.headers.get("x-call-sid"), answer: await response.text() };
    },
    async renew(offer) {
      return (await ask("PATCH", location, offer, { "if-match": tag })).text();
    },
    async hangUp() {
      if (location) await ask("DELETE", location);
    },
  };
}

/**
 * Begins a call. `speaks` says whether the microphone is wanted at once; `sound` is the element that plays what is heard.
 * `over(words)` is called once, when it ended by itself.
 */
export async function openLine(way, { speaks, sound, over }) {
  const peer = new RTCPeerConnection();
  const sender = peer.addTransceiver("audio", { direction: "sendrecv" }).sender;
  let track = null;
  let isOver = false;
  let isMuted = false;
  let lostAt = 0;
  let wasThere = false;
  let clock = 0;

  const line = {
    sid: null,
    get speaks() {
      return track !== null;
    },
    get isMuted() {
      return isMuted;
    },

    /** Has the microphone from now on, if it had none. */
    async speak() {
      if (track) return;
      const why = noMicrophone();
      if (why) throw new Refused(why);
      try {
        const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
        [track] = stream.getAudioTracks();
      } catch (error) {
        throw withoutMicrophone(error);
      }
      if (isOver) return letGo();
      track.enabled = !isMuted;
      // Pulled out while it was in use.
      track.onended = () => (isOver ? null : end("The microphone is gone, and with it the call."));
      await sender.replaceTrack(track);
    },

    mute(is) {
      isMuted = is;
      if (track) track.enabled = !is;
    },

    /** Presses a key; says whether it can be. */
    press(key) {
      if (!track || !sender.dtmf?.canInsertDTMF) return false;
      // What is still to be played is not cut off.
      sender.dtmf.insertDTMF(sender.dtmf.toneBuffer + key, 120, 80);
      return true;
    },

    /** Hangs up. */
    async end() {
      if (isOver) return;
      close();
      // One that cannot be reached ends a call that says nothing any more by itself.
      await way.hangUp().catch(() => {});
    },

    /** It is over at the node. */
    ended(words) {
      end(words);
    },
  };

  function letGo() {
    track?.stop();
    track = null;
  }

  function close() {
    isOver = true;
    clearInterval(clock);
    removeEventListener("pagehide", close);
    letGo();
    peer.close();
    sound.srcObject = null;
  }

  function end(words) {
    if (isOver) return;
    close();
    over(words);
  }

  /** The network may be another one: the node is looked for anew, for a while. */
  async function look() {
    const state = peer.iceConnectionState;
    if (state === "connected" || state === "completed") [lostAt, wasThere] = [0, true];
    if (state !== "disconnected" && state !== "failed") return;
    const now = Date.now();
    lostAt ||= now;
    if (now - lostAt > CUT_AFTER) {
      return end(wasThere ? "The call was cut: nothing comes from the node any more."
        : "No sound gets through: UDP between this browser and the node is blocked, or the node's public_address is not one that this browser reaches.");
    }
    if (now - lostAt < RESTART_AFTER || peer.signalingState !== "stable") return;
    try {
      peer.restartIce();
      await peer.setLocalDescription();
      const answer = await way.renew(peer.localDescription.sdp);
      if (!isOver) await peer.setRemoteDescription({ type: "answer", sdp: answer });
    } catch {
      // It is tried again, until the call is given up.
      if (!isOver && peer.signalingState === "have-local-offer") await peer.setLocalDescription({ type: "rollback" });
    }
  }

  try {
    if (speaks) await line.speak();
    peer.ontrack = ({ track: heard }) => {
      sound.srcObject = new MediaStream([heard]);
      // A browser that plays nothing of itself was told to by the press of a button, in all likelihood.
      sound.play().catch(() => {});
    };
    // The node finds us by our checks, so the offer waits for no addresses.
    await peer.setLocalDescription();
    const { sid, answer } = await way.begin(peer.localDescription.sdp);
    line.sid = sid;
    await peer.setRemoteDescription({ type: "answer", sdp: answer });
    // Whoever ends a call closes its DTLS, which shows at once.
    const transport = sender.transport;
    transport.onstatechange = () => transport.state === "closed" && end("The call is over.");
    clock = setInterval(look, 1000);
    addEventListener("pagehide", close);
  } catch (error) {
    close();
    if (line.sid) way.hangUp().catch(() => {});
    throw error;
  }
  return line;
}
