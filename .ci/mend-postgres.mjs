import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Mends six faults of postgres.js that a gateway meets whenever its database restarts; run by `npm ci` (package.json,
 * `prepare`), by whatever Node.js is there. Each place must be found as it is in the pinned version: a newer release
 * is looked at anew. Upstream: porsager/postgres issues 1066, 1154 and 1208.
 */
const version = '3.4.9';

const mends = [
  {
    file: 'connection.js',
    why: 'what was about to be written when the connection closed kept the next one from ever writing',
    found:
      "    clearImmediate(nextWriteTimer)\n    socket.removeListener('data', data)\n    socket.removeListener('connect', connected)\n    idleTimer.cancel()",
    mended:
      "    clearImmediate(nextWriteTimer)\n    chunk = nextWriteTimer = null\n    socket.removeListener('data', data)\n    socket.removeListener('connect', connected)\n    idleTimer.cancel()",
  },
  {
    file: 'connection.js',
    why: 'a query on a closed connection ended the process with a TypeError that nobody can catch',
    found: "    if (stream)\n      return queryError(q, Errors.generic('COPY_IN_PROGRESS'",
    mended:
      "    if (socket === null)\n      return queryError(q, Errors.connection('CONNECTION_CLOSED', options)), true\n\n    if (stream)\n      return queryError(q, Errors.generic('COPY_IN_PROGRESS'",
  },
  {
    file: 'connection.js',
    why: 'a query between the error and the close of a connection was never answered',
    found: '    !hadError && (query || sent.length) && error(',
    mended: '    ;(query || sent.length) && error(',
  },
  {
    file: 'connection.js',
    why: 'a connection that closed while it asked for the array types ended the process by an unhandled rejection',
    found: '        return fetchArrayTypes()\n',
    mended: '        return fetchArrayTypes().catch(() => { needsTypes = true })\n',
  },
  {
    file: 'index.js',
    why: 'the rest of a transaction whose connection closed ran on the connection that came after it',
    found: '      , connection\n      , prepare = null\n',
    mended: '      , connection\n      , prepare = null\n      , dead = null\n',
  },
  {
    file: 'index.js',
    why: 'see above',
    found: 'new Promise((_, reject) => connection.onclose = reject)',
    mended: 'new Promise((_, reject) => connection.onclose = e => (dead = e, reject(e)))',
  },
  {
    file: 'index.js',
    why: 'see above',
    found: '        q.catch(e => uncaughtError || (uncaughtError = e))\n        c.queue === full\n',
    mended:
      '        q.catch(e => uncaughtError || (uncaughtError = e))\n        dead\n          ? q.reject(dead)\n          : c.queue === full\n',
  },
  {
    file: 'index.js',
    why: "a reserved connection that closed was given back as if it were open, or while it was already another's",
    found: '    sql.release = () => {\n      c.reserved = null\n      onopen(c)\n    }\n',
    mended:
      '    const mine = c.reserved\n    sql.release = () => {\n      if (c.reserved !== mine)\n        return\n\n      c.reserved = null\n      onopen(c)\n    }\n',
  },
  {
    file: 'index.js',
    why: 'see above',
    found: '    function handler(q) {\n      c.queue === full\n        ? queue.push(q)',
    mended:
      "    function handler(q) {\n      c.reserved !== mine\n        ? q.reject(Errors.connection('CONNECTION_CLOSED', options))\n        : c.queue === full\n        ? queue.push(q)",
  },
];

const folder = new URL('../node_modules/postgres/', import.meta.url);
const manifest = new URL('package.json', folder);

function fail(message) {
  console.error(`mend-postgres: ${message}`);
  process.exit(1);
}

if (!existsSync(manifest)) fail(`${fileURLToPath(folder)} is not there: run npm ci`);
const installed = JSON.parse(readFileSync(manifest, 'utf8')).version;
if (installed !== version) fail(`postgres ${installed} is installed, the mends are for ${version}`);
for (const source of ['src', 'cjs/src']) {
  for (const { file, found, mended, why } of mends) {
    const path = new URL(`${source}/${file}`, folder);
    const text = readFileSync(path, 'utf8');
    if (text.includes(mended)) continue;
    if (text.split(found).length !== 2) fail(`${source}/${file} is not as expected (${why})`);
    writeFileSync(
      path,
      text.replace(found, () => mended),
    );
  }
}
