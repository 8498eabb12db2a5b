// Node's own fetch through a proxy, as undici's ProxyAgent does it. Prints what each server said, a line each.
const { ProxyAgent, setGlobalDispatcher } = require("undici");
const { Readable } = require("node:stream");

// One connection a request would be the other way; pipelining stays off as it is by default.
setGlobalDispatcher(new ProxyAgent(process.env.PROXY));

async function say(url, init) {
  const answer = await fetch(url, init);
  console.log(`${answer.status} ${(await answer.text()).split("\n")[0]}`);
}

(async () => {
  await say("https://api.test/node/json", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ steps: 12, name: "Quillon" }),
  });
  const form = new FormData();
  form.append("name", "Quillon");
  form.append("file", new Blob([Buffer.alloc(400_000, 7)]), "series.bin");
  await say("https://api.test/node/form", { method: "POST", body: form });
  // Of no known length, in pieces that come one after the other.
  async function* pieces() {
    for (let number = 0; number < 5; number++) {
      yield Buffer.alloc(50_000, number);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  await say("https://h1.test/node/stream", { method: "PUT", body: Readable.from(pieces()), duplex: "half" });
  await say("https://api.test/node/head", { method: "HEAD" });
  await say("https://api.test/compressed");
  await say("http://plain.test/node/plain", { method: "POST", body: "steps=12" });
  await Promise.all(
    Array.from({ length: 20 }, (_, number) => fetch(`https://api.test/node/many/${number}`, { method: "POST", body: `n=${number}` })),
  );
})().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
