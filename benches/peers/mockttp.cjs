// Passes every request of a benchmark on to one server, whatever host was asked for, and stores each request as our recorder does:
// a line about it and its body, raw.
const fs = require('fs');
const mockttp = require('mockttp');

const [upstream, store] = process.argv.slice(2);

(async () => {
    const https = await mockttp.generateCACertificate({ subject: { commonName: 'benchmark' } });
    const server = mockttp.getLocal({ https, recordTraffic: false });
    const out = fs.createWriteStream(store);
    const keep = (kind) => async (message) => {
        const { id, method, url, statusCode, rawHeaders } = message;
        out.write(JSON.stringify({ kind, id, method, url, statusCode, rawHeaders }) + '\n');
        out.write(message.body.buffer);
        out.write('\n');
    };
    await server.forAnyRequest().thenPassThrough({
        ignoreHostHttpsErrors: true,
        transformRequest: { replaceHost: { targetHost: upstream, updateHostHeader: false } },
    });
    await server.on('request', keep('request'));
    await server.on('response', keep('response'));
    await server.start();
    console.log(`listening 127.0.0.1:${server.port}`);
    process.stdin.resume();
    process.stdin.on('end', async () => {
        await server.stop();
        out.end(() => process.exit(0));
    });
})();
