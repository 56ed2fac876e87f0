'use strict';

/** What a window gives to the EME driver, for what no CDM at hand does: Widevine's messages, errors and silences. */

/** A MediaKeySession that does what its script says, and otherwise what a CDM does. */
class FakeSession extends EventTarget {
  keyStatuses = new Map();
  expiration = NaN;
  sessionId = '';
  calls = [];
  #close;
  closed = new Promise((resolve) => { this.#close = resolve; });

  constructor(script) {
    super();
    this.script = script;
  }

  async #do(name, ...args) {
    this.calls.push(name);
    return this.script[name]?.(this, ...args);
  }

  async generateRequest() {
    this.sessionId = '1';
    await this.#do('generateRequest');
    Promise.resolve().then(() => this.say('license-request'));
  }

  async load(sessionId) {
    this.sessionId = sessionId;
    return await this.#do('load') ?? true;
  }

  async update(response) {
    await this.#do('update', response);
  }

  async remove() {
    await this.#do('remove');
  }

  async close() {
    await this.#do('close');
    this.end('closed-by-application');
  }

  /** The session is over, as a CDM can end it by itself. */
  end(reason) {
    this.keyStatuses.clear();
    this.#close(reason);
  }

  say(messageType, message = new Uint8Array([1]).buffer) {
    this.dispatchEvent(Object.assign(new Event('message'), { messageType, message }));
  }

  show(keyIdHex, status) {
    const bytes = Uint8Array.from(Buffer.from(keyIdHex, 'hex'));
    for (const known of this.keyStatuses.keys()) if (Buffer.from(known).equals(Buffer.from(bytes))) this.keyStatuses.delete(known);
    this.keyStatuses.set(bytes.buffer, status);
    this.dispatchEvent(new Event('keystatuseschange'));
  }
}

/** Puts `navigator` and `location` in place; `sessions` are those created, `held` counts who has the lock. */
function installFakeEme(script) {
  const fake = { sessions: [], held: 0 };
  const mediaKeys = {
    createSession() {
      const session = new FakeSession(script);
      fake.sessions.push(session);
      return session;
    },
  };
  const navigator = {
    requestMediaKeySystemAccess: async () => ({ createMediaKeys: async () => mediaKeys }),
    locks: {
      async request(_name, { signal }, fn) {
        signal?.throwIfAborted();
        fake.held++;
        try {
          return await fn();
        } finally {
          fake.held--;
        }
      },
    },
  };
  for (const [name, value] of Object.entries({ navigator, location: { origin: 'app://bundle' } })) {
    Object.defineProperty(globalThis, name, { value, configurable: true });
  }
  return fake;
}

module.exports = { installFakeEme };
