import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Mends faults of postgres.js; run by `npm ci` (package.json, `prepare`), by whatever Node.js is there. The first ones
 * a gateway meets whenever its database restarts (upstream: porsager/postgres issues 1066, 1154 and 1208), the others
 * are what libpq does with a connection URL and this driver does not. Each place must be found as it is in the pinned
 * version: a newer release is looked at anew. src/runtime/node-driver.ts refuses to start without them.
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
    file: 'connection.js',
    why: 'a server that closed each new connection was connected to again and again, and its queries never heard of it',
    found: '    if (initial)\n      return reconnect()\n',
    mended:
      "    if (initial && (initial.closed = (initial.closed || 0) + 1) <= 2 * host.length)\n      return reconnect()\n    initial && errored(Errors.connection('CONNECTION_CLOSED', options))\n",
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
  {
    file: 'connection.js',
    why: 'a connection to several hosts that are all away was tried for ever and its queries never heard of it',
    found:
      '    if (connection.queue === queues.connecting && options.host[retries + 1])\n      return\n\n    errored(err)',
    mended:
      '    if (connection.queue === queues.connecting && options.host[retries + 1])\n      return void retries++\n\n    retries = hostIndex = 0\n    errored(err)',
  },
  {
    file: 'connection.js',
    why: 'a host that does not answer kept the next one from being tried',
    found: "    errored(Errors.connection('CONNECT_TIMEOUT', options, socket))",
    mended: "    error(Errors.connection('CONNECT_TIMEOUT', options, socket))",
  },
  {
    file: 'connection.js',
    why: 'each new connection begins with the first host, as with libpq: the second may be a standby',
    found: '      options.shared.retries = retries = 0\n',
    mended: '      options.shared.retries = retries = hostIndex = 0\n',
  },
  {
    file: 'connection.js',
    why: 'a standby passed for read-write',
    found: "(x === 'read-write' && xs.default_transaction_read_only === 'on') ||",
    mended:
      "(x === 'read-write' && (xs.default_transaction_read_only === 'on' || xs.in_hot_standby === 'on')) ||",
  },
  {
    file: 'connection.js',
    why: "a host may be a Unix socket's directory, also one of several; it has no TLS",
    found:
      "    socket.on('connect', ssl ? secure : connected)\n\n    if (options.path)\n      return socket.connect(options.path)\n\n    socket.ssl = ssl\n    socket.connect(port[hostIndex], host[hostIndex])\n",
    mended:
      "    const local = host[hostIndex][0] === '/' || host[hostIndex][0] === '\\0'\n    socket.on('connect', ssl && !plain && !local ? secure : connected)\n\n    socket.ssl = ssl\n    local\n      ? socket.connect(host[hostIndex] + '/.s.PGSQL.' + port[hostIndex])\n      : socket.connect(port[hostIndex], host[hostIndex])\n",
  },
  {
    file: 'connection.js',
    why: 'what the server sends in clear after its consent to TLS is nothing it said (CVE-2021-23222), and a server without TLS is told as such',
    found:
      "      const canSSL = await new Promise(r => socket.once('data', x => r(x[0] === 83))) // S\n\n      if (!canSSL && ssl === 'prefer')\n        return connected()\n",
    mended:
      "      const canSSL = await new Promise(r => socket.once('data', x => r(x.length === 1 && x[0] === 83))) // S\n\n      if (!canSSL && (ssl === 'prefer' || ssl.prefer))\n        return connected()\n\n      if (!canSSL) {\n        error(Errors.generic('TLS_NOT_OFFERED', 'the server does not offer TLS, which sslmode asks for'))\n        return socket.destroy()\n      }\n",
  },
  {
    file: 'connection.js',
    why: 'a certificate is compared with the address where the host is one',
    found: '    const options = {\n      socket,\n',
    mended: '    const options = {\n      socket,\n      host: socket.host,\n',
  },
  {
    file: 'connection.js',
    why: "sslmode=prefer and allow turn to the other way where pg_hba.conf refuses the first, as libpq's do",
    found:
      '    } else {\n      errored(Errors.postgres(parseError(x)))\n    }\n  }\n\n  function retry(q, error) {',
    mended:
      "    } else {\n      const refusal = Errors.postgres(parseError(x))\n      if (refusal.code === '28000' && (ssl.prefer || ssl.allow) && plain === !!ssl.allow) {\n        plain = !plain\n        hostIndex = (hostIndex + port.length - 1) % port.length\n        return socket.destroy()\n      }\n      errored(refusal)\n    }\n  }\n\n  function retry(q, error) {",
  },
  {
    file: 'connection.js',
    why: 'see above; and what a new connection runs before its first query, or is closed',
    found: '    , needsTypes = options.fetch_types\n    , backendParameters = {}\n',
    mended:
      '    , needsTypes = options.fetch_types\n    , needsSetup = options.setup\n    , plain = !!ssl.allow\n    , backendParameters = {}\n',
  },
  {
    file: 'connection.js',
    why: 'see above',
    found: '      statements = {}\n      needsTypes = options.fetch_types\n',
    mended:
      '      statements = {}\n      needsTypes = options.fetch_types\n      needsSetup = options.setup\n',
  },
  {
    file: 'connection.js',
    why: 'see above',
    found: '      if (needsTypes) {\n        initial.reserve && (initial = null)\n',
    mended:
      '      if (needsSetup)\n        return setUp()\n\n      if (needsTypes) {\n        initial.reserve && (initial = null)\n',
  },
  {
    file: 'connection.js',
    why: 'see above',
    found: '  function ErrorResponse(x) {\n',
    mended:
      '  function setUp() {\n    needsSetup = null\n    const query = new Query([options.setup], [], execute, null, { simple: true })\n    query.resolve = () => {}\n    query.reject = () => socket && socket.destroy()\n    query.execute()\n  }\n\n  function ErrorResponse(x) {\n',
  },
  {
    file: 'index.js',
    why: 'see above',
    found: '    socket          : o.socket,\n',
    mended: '    socket          : o.socket,\n    setup           : o.setup,\n',
  },
  {
    file: 'index.js',
    why: "PGTARGETSESSIONATTRS may say libpq's default",
    found: "  if (!x || ['read-write',",
    mended: "  if (!x || ['any', 'read-write',",
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

// The start compares the mended files with what it was written for; an image that is being built has no sources yet.
const check = new URL('../src/runtime/node-driver.ts', import.meta.url);
for (const file of existsSync(check) ? ['connection.js', 'index.js'] : []) {
  const digest = createHash('sha256')
    .update(readFileSync(new URL(`src/${file}`, folder)))
    .digest('hex');
  if (!readFileSync(check, 'utf8').includes(digest))
    fail(`src/runtime/node-driver.ts has to know the mended ${file}: ${digest}`);
}
