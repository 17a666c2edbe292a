import { type Context, Hono } from 'hono';
import { answerJson, invalidToken, type JamfEnv } from './answers.ts';
import type { Tokens, UserToken } from './tokens.ts';

const noStore = { 'cache-control': 'no-store', pragma: 'no-cache' };

function basic(c: Context<JamfEnv>): { username: string; password: string } | undefined {
  const encoded = /^basic ([a-z0-9+/=]+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

async function oauthToken(c: Context<JamfEnv>, tokens: Tokens): Promise<Response> {
  const type = (c.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded') {
    const body = { error: 'invalid_request', error_description: 'the body must be form-urlencoded' };
    return answerJson(400, body, noStore);
  }
  const answer = await tokens.issueToClient(new URLSearchParams(await c.req.text()));
  if (answer.kind === 'refused') {
    c.set('note', { error: answer.error });
    return answerJson(answer.status, { error: answer.error, error_description: answer.reason }, noStore);
  }
  return answerJson(
    200,
    {
      access_token: answer.token,
      scope: answer.scope,
      token_type: 'Bearer',
      expires_in: answer.expiresIn,
    },
    noStore,
  );
}

const userTokenAnswer = (made: UserToken): Response =>
  answerJson(200, { token: made.token, expires: new Date(made.expiresAt).toISOString() });

/** The token calls that need no bearer token themselves; mounted before the rest. */
export function openTokenRoutes(tokens: Tokens): Hono<JamfEnv> {
  const app = new Hono<JamfEnv>();
  app.on('POST', ['/api/oauth/token', '/api/v1/oauth/token'], (c) => oauthToken(c, tokens));
  app.post('/api/v1/auth/token', async (c) => {
    const given = basic(c);
    const made = given && (await tokens.issueToUser(given.username, given.password));
    return made ? userTokenAnswer(made) : invalidToken();
  });
  return app;
}

/** The token calls that act on the bearer token of the request. */
export function tokenRoutes(tokens: Tokens): Hono<JamfEnv> {
  const app = new Hono<JamfEnv>();
  app.post('/api/v1/auth/keep-alive', async (c) => {
    // An API client has no refresh (domain/jamf.md 1.2): it must ask for a new token.
    const made = await tokens.keepAlive(c.get('grant'));
    return made ? userTokenAnswer(made) : invalidToken();
  });
  app.post('/api/v1/auth/invalidate-token', (c) => {
    tokens.invalidate(c.get('grant'));
    return new Response(null, { status: 204 });
  });
  app.get('/api/v1/auth', (c) => {
    const { kind, subject, privileges } = c.get('grant');
    return answerJson(200, {
      account: {
        id: kind === 'client' ? '0' : '1',
        username: subject,
        realName: null,
        email: null,
        preferences: { language: 'en', dateFormat: 'yyyy-MM-dd', timezone: 'Etc/UTC' },
        multiSiteAdmin: false,
        accessLevel: 'FullAccess',
        privilegeSet: 'CUSTOM',
        privileges: [...privileges],
        groupIds: [],
        currentSiteId: '-1',
      },
      accountGroups: [],
      sites: [],
      authenticationType: kind === 'client' ? 'CLIENT_CREDENTIALS' : 'JSS',
    });
  });
  return app;
}
