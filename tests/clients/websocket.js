// The library `ws` through a proxy, with subprotocols. Prints what it heard, a line each.
const { HttpsProxyAgent } = require("https-proxy-agent");
const { WebSocket } = require("ws");

const url = process.argv[2];
const socket = new WebSocket(url, process.argv.slice(3), { agent: new HttpsProxyAgent(process.env.PROXY) });
const messages = ["grüße", Buffer.alloc(100_000, 9), "", Buffer.from([0, 255]), "the last"];
let heard = 0;

socket.on("open", () => {
  console.log(`protocol ${socket.protocol}`);
  messages.forEach((message) => socket.send(message));
});
socket.on("message", (data, binary) => {
  const same = binary === Buffer.isBuffer(messages[heard]) && Buffer.compare(Buffer.from(messages[heard]), data) === 0;
  console.log(`${binary ? "binary" : "text"} ${data.length} ${same ? "as sent" : "NOT as sent"}`);
  heard += 1;
  if (heard === messages.length) socket.close(1000, "done");
});
socket.on("close", (code) => console.log(`closed ${code}`));
socket.on("error", (error) => {
  console.error(error);
  process.exitCode = 1;
});
