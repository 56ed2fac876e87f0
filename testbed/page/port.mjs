/**
 * The page's end of a port whose other end is in Node, over the automation protocol (testbed/window-port.js):
 * Node gives messages, and asks again and again for those to take. Exposed functions are far slower in Firefox.
 */
export function createPort() {
  /** @type {string[]} */
  let outgoing = [];
  let wake = () => {};

  const port = {
    /** @type {((event: { data: any }) => void) | null} */
    onmessage: null,
    /** @param {object} message */
    postMessage(message) {
      outgoing.push(JSON.stringify(message));
      wake();
    },
  };

  const nodeEnd = {
    /** @param {string[]} messages */
    give(messages) {
      for (const json of messages) port.onmessage?.({ data: JSON.parse(json) });
    },
    /** @param {number} waitMs for the first message @returns {Promise<string[]>} */
    async take(waitMs) {
      if (outgoing.length === 0) {
        await new Promise((resolve) => {
          wake = () => resolve(undefined);
          setTimeout(wake, waitMs);
        });
      }
      const taken = outgoing;
      outgoing = [];
      return taken;
    },
  };
  return { port, nodeEnd };
}
