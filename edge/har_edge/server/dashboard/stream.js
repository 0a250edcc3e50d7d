// Is the server there? One place that knows, asks again with back-off, and tells when it is back.

import { getJson, Problem } from "./api.js";

const FIRST_WAIT_S = 1;
const MAX_WAIT_S = 15;
const HEARTBEAT_S = 10;

/**
 * Watches the server by GET /health, and keeps its event stream open where there is one.
 *
 * @param hooks `onBack(health)`: it answers, at first or again. `onAway(waitS, problem)`: it does
 *   not, or with a problem, and is asked again in so many seconds. `listeners`: event name →
 *   function of its data.
 */
export class Connection {
  constructor(hooks) {
    this.hooks = hooks;
    this.away = true;
    this.failures = 0;
    this.stream = null;
    this.timer = 0;
  }

  /** Ask now, whatever was planned. */
  async check() {
    clearTimeout(this.timer);
    let health;
    try {
      health = await getJson("/health");
    } catch (problem) {
      this.lost(problem);
      return;
    }
    if (this.away) {
      this.away = false;
      await this.hooks.onBack(health);
    }
    if (this.away) return; // it answered, but lost it while the page was being filled
    if (!this.stream) this.failures = 0;
    this.plan(HEARTBEAT_S);
  }

  /** Open the event stream; errors in it lead back to `check`. */
  listen() {
    this.stream?.close();
    const stream = new EventSource("/events/stream");
    for (const [name, listener] of Object.entries(this.hooks.listeners)) {
      stream.addEventListener(name, (event) => listener(JSON.parse(event.data)));
    }
    let opened = false;
    stream.addEventListener("open", () => {
      opened = true;
      this.failures = 0; // not before: a stream that is refused again and again backs off, too
    });
    stream.addEventListener("error", () => {
      // The browser's own retries never end and never slow down.
      stream.close();
      // An EventSource does not tell why it was refused.
      const refused = opened ? null : new Problem(429, "", "The live view is not available: the server may have too many viewers.");
      if (this.stream === stream) this.lost(refused);
    });
    this.stream = stream;
  }

  lost(problem = null) {
    this.stream?.close();
    this.stream = null;
    this.away = true;
    const longest = Math.min(MAX_WAIT_S, FIRST_WAIT_S * 2 ** this.failures);
    this.failures += 1;
    // Many pages that lost one server shall not all come back at once.
    const waitS = longest * (0.75 + Math.random() / 4);
    this.hooks.onAway(waitS, problem);
    this.plan(waitS);
  }

  plan(waitS) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), waitS * 1000);
  }
}
