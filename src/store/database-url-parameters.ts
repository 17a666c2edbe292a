/**
 * Every parameter of a connection URL that libpq knows (PostgreSQL 18's documentation, 34.1.2 'Parameter Key Words'),
 * and what becomes of it here. The reader of DATABASE_URL and docs/settings.md come from this table.
 */

export interface UrlParameter {
  readonly treatment: 'honoured' | 'ignored' | 'refused';
  /** Explanation for the documentation: how the parameter is honoured, or why it is not. */
  readonly note: string;
  /** libpq's environment variable, read where the URL does not give the parameter. */
  readonly variable?: string;
  /** Fault of a value, continuing 'the parameter x …'; undefined: none. */
  readonly problemOf?: (value: string) => string | undefined;
}

const honoured = (note: string, variable?: string, problemOf?: UrlParameter['problemOf']): UrlParameter => ({
  treatment: 'honoured',
  note,
  ...(variable === undefined ? {} : { variable }),
  ...(problemOf === undefined ? {} : { problemOf }),
});

const ignored = (note: string): UrlParameter => ({ treatment: 'ignored', note });

const refused = (advice: string, variable?: string): UrlParameter => ({
  treatment: 'refused',
  note: advice,
  ...(variable === undefined ? {} : { variable }),
  problemOf: () => `is not supported: ${advice}`,
});

const oneOf =
  (...values: readonly string[]) =>
  (value: string): string | undefined =>
    value === '' || values.includes(value) ? undefined : `must be one of ${values.join(', ')}`;

const wholeNumber = (value: string): string | undefined =>
  /^\s*-?\d{1,9}\s*$/.test(value) || value === '' ? undefined : 'must be a whole number';

const tlsVersion = oneOf('TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3');

/** Kerberos is not spoken: what only shapes it has no effect, and what demands it is refused. */
const withoutKerberos = 'Espalier does not speak Kerberos';
const byNode = 'left to the operating system: Node.js cannot set it';

export const databaseUrlParameters: ReadonlyMap<string, UrlParameter> = new Map(
  Object.entries<UrlParameter>({
    host: honoured(
      'names, addresses, directories of Unix sockets, several with commas; without one the socket in /var/run/postgresql or /tmp, then localhost',
      'PGHOST',
    ),
    hostaddr: honoured(
      'the address that is connected to; `host` is then what the certificate is for',
      'PGHOSTADDR',
    ),
    port: honoured('one, or one for each host', 'PGPORT'),
    dbname: honoured("default: the user's name", 'PGDATABASE'),
    user: honoured('default: the user that the process runs as', 'PGUSER'),
    password: honoured('', 'PGPASSWORD'),
    passfile: refused('put the password into the URL, or into PGPASSWORD'),
    require_auth: refused('set what the server may ask for in its pg_hba.conf', 'PGREQUIREAUTH'),
    channel_binding: {
      ...ignored(
        'sign-in is SCRAM without channel binding. What `require` protects from, sslmode=verify-full does',
      ),
      problemOf: oneOf('disable', 'prefer', 'require'),
    },
    connect_timeout: honoured('seconds; default, also for 0: 5', 'PGCONNECT_TIMEOUT', wholeNumber),
    client_encoding: ignored('always UTF8'),
    options: honoured('`-c search_path=…` and the like; what Espalier itself sets wins', 'PGOPTIONS'),
    application_name: honoured('in place of `espalier` in the names of its connections', 'PGAPPNAME'),
    fallback_application_name: ignored('connections are always named'),
    keepalives: honoured('0: none', undefined, oneOf('0', '1')),
    keepalives_idle: honoured('default, also for 0: 60 seconds', undefined, wholeNumber),
    keepalives_interval: ignored(byNode),
    keepalives_count: ignored(byNode),
    tcp_user_timeout: ignored(byNode),
    replication: {
      ...refused('Espalier is no replication client'),
      problemOf: (value) =>
        ['false', 'off', 'no', '0'].includes(value)
          ? undefined
          : 'is not supported: Espalier is no replication client',
    },
    gssencmode: {
      ...ignored(`${withoutKerberos}; \`require\` is refused`),
      problemOf: (value) =>
        value === 'require' ? `must not be require: ${withoutKerberos}` : oneOf('disable', 'prefer')(value),
    },
    sslmode: honoured(
      "as libpq's; default: `prefer`. `require` verifies the server only where sslrootcert is given",
      'PGSSLMODE',
      oneOf('disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'),
    ),
    sslnegotiation: honoured('', 'PGSSLNEGOTIATION', oneOf('postgres', 'direct')),
    sslcompression: ignored('never compressed'),
    sslcert: honoured('a file', 'PGSSLCERT'),
    sslkey: honoured('a file', 'PGSSLKEY'),
    sslpassword: honoured(''),
    sslcertmode: {
      ...ignored('a certificate is shown where sslcert is given; `require` is refused'),
      problemOf: (value) =>
        value === 'require' ? 'must not be require: it is not checked' : oneOf('disable', 'allow')(value),
    },
    sslrootcert: honoured(
      "a file, or `system` for Node.js's authorities and NODE_EXTRA_CA_CERTS, which verify-full takes without it too. No file below ~/.postgresql is looked for",
      'PGSSLROOTCERT',
    ),
    sslcrl: refused('revoked certificates are not looked for', 'PGSSLCRL'),
    sslcrldir: refused('revoked certificates are not looked for', 'PGSSLCRLDIR'),
    sslsni: honoured('0: no server name is sent', 'PGSSLSNI', oneOf('0', '1')),
    requirepeer: refused('Node.js cannot ask who owns a socket', 'PGREQUIREPEER'),
    ssl_min_protocol_version: honoured('', 'PGSSLMINPROTOCOLVERSION', tlsVersion),
    ssl_max_protocol_version: honoured('', 'PGSSLMAXPROTOCOLVERSION', tlsVersion),
    min_protocol_version: {
      ...ignored('3.0 is spoken; a higher one is refused'),
      problemOf: oneOf('3.0'),
    },
    max_protocol_version: { ...ignored('3.0 is spoken'), problemOf: oneOf('3.0', '3.2', 'latest') },
    krbsrvname: ignored(withoutKerberos),
    gsslib: ignored(withoutKerberos),
    gssdelegation: ignored(withoutKerberos),
    service: refused('write what the service file says into the URL'),
    servicefile: refused('write what the service file says into the URL'),
    target_session_attrs: honoured(
      '`any`, `read-write` or `primary`: Espalier writes. Default with several hosts: `read-write`',
      'PGTARGETSESSIONATTRS',
      oneOf('any', 'read-write', 'primary'),
    ),
    load_balance_hosts: honoured('', 'PGLOADBALANCEHOSTS', oneOf('disable', 'random')),
    sslkeylogfile: refused('keys of sessions are not written down'),
    scram_client_key: refused('sign in with the password'),
    scram_server_key: refused('sign in with the password'),
    oauth_issuer: refused('sign in with a password or a certificate'),
    oauth_client_id: refused('sign in with a password or a certificate'),
    oauth_client_secret: refused('sign in with a password or a certificate'),
    oauth_scope: refused('sign in with a password or a certificate'),
  }),
);
