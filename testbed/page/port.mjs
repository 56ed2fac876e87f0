/**
 * The page's end of a port whose other end is in Node (testbed/window-port.js), over a WebSocket.
 * @param {string} number of the loopback port that Node listens on
 */
export function createPort(number) {
  const socket = new WebSocket(`ws://127.0.0.1:${number}`);
  /** @type {string[]} */
  const waiting = [];
  const port = {
    /** @type {((event: { data: any }) => void) | null} */
    onmessage: null,
    /** @type {(() => void) | null} */
    onclose: null,
    /** @param {object} message */
    postMessage(message) {
      const json = JSON.stringify(message);
      if (socket.readyState === WebSocket.OPEN) socket.send(json);
      else waiting.push(json);
    },
  };
  socket.addEventListener('open', () => {
    for (const json of waiting.splice(0)) socket.send(json);
  });
  socket.addEventListener('message', ({ data }) => port.onmessage?.({ data: JSON.parse(data) }));
  socket.addEventListener('close', () => port.onclose?.());
  return port;
}
