import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { browse, type Scene, startScene } from '../harness/gateway.ts';
import { call } from '../harness/http.ts';

/** What a customer's administrator is shown when Microsoft sends him back (docs/connection.md). */
describe('the consent pages', () => {
  let scene: Scene;
  let tenantId: string;
  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ displayName: 'Contoso', instances: [] }] },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    await scene.api('POST', '/tenants', { tenantId, cloud: 'public', displayName: '<b>"Contoso"</b>' });
  });
  afterAll(() => scene?.close());
  beforeEach(() => {
    settings().consent.behaviour = 'approve';
    settings().entra.entraError = null;
  });

  const settings = () => scene.world.cloud('public').settings.tenant(tenantId);
  const links = async (): Promise<string[]> =>
    (await scene.api('POST', `/tenants/${tenantId}/connect`)).json.consentUrls.map(
      ({ url }: { url: string }) => url,
    );
  const ca = () => [scene.trust, scene.world.authority.certificatePem];
  /** The address to which Microsoft sends the browser, not opened yet. */
  const sentBack = async (link: string): Promise<string> =>
    String((await call(link, { ca: ca() })).headers.location);
  const open = (url: string, language = 'en') =>
    call(url, { ca: ca(), headers: { 'accept-language': language } });
  /** The same page by the link at its foot. */
  const inFrench = async (url: string, text: string) => {
    const link = /<a href="([^"]+)" lang="fr"/.exec(text)?.[1]?.replaceAll('&amp;', '&');
    return open(new URL(link ?? expect.fail('no link to French'), url).href);
  };

  const outcomes: [
    name: string,
    status: number,
    english: string,
    french: string,
    url: () => Promise<string>,
  ][] = [
    [
      'incomplete',
      400,
      'This address is not complete',
      'Cette adresse est incomplète',
      async () => `${scene.world.publicUrl}/microsoft/consent`,
    ],
    [
      'unknown',
      400,
      'This link cannot be matched',
      'Ce lien ne correspond à rien',
      async () =>
        `${scene.world.publicUrl}/microsoft/consent?admin_consent=True&tenant=${tenantId}&state=${tenantId}.0`,
    ],
    [
      'expired',
      400,
      'This link cannot be matched',
      'Ce lien ne correspond à rien',
      async () => {
        const url = await sentBack((await links())[0]!);
        await scene.database.sql`update consents set expires_at = now() where tenant_id = ${tenantId}`;
        return url;
      },
    ],
    [
      'declined',
      400,
      'The consent was not given',
      'Le consentement n’a pas été donné',
      async () => {
        settings().consent.behaviour = 'decline';
        return sentBack((await links())[0]!);
      },
    ],
    [
      'given in another tenant',
      400,
      'Another tenant was signed in to',
      'Vous étiez connecté à un autre locataire',
      async () => {
        settings().consent.behaviour = 'tamper-tenant';
        return sentBack((await links())[0]!);
      },
    ],
    [
      'not proven',
      400,
      'The consent could not be proven',
      'Le consentement n’a pas pu être vérifié',
      async () => {
        const url = await sentBack((await links())[0]!);
        settings().entra.entraError = { code: 700016, at: 'token' };
        return url;
      },
    ],
    [
      'given, with one more to go',
      200,
      'The first consent is given, one more is needed',
      'Le premier consentement est donné, il en faut un second',
      async () => {
        const url = await sentBack((await links())[0]!);
        expect((await open(url)).status).toBe(302);
        return url;
      },
    ],
    [
      'given',
      200,
      'Consent given',
      'Consentement donné',
      async () => {
        const [first] = await links();
        const second = String((await open(await sentBack(first!))).headers.location);
        return sentBack(second);
      },
    ],
  ];

  it.each(outcomes)('%s: says so in both languages, for a reader who has no account here', async (...row) => {
    const [name, status, english, french, address] = row;
    const url = await address();
    const page = await open(url, 'en-GB');
    expect([page.status, page.headers['content-language']], page.text).toEqual([status, 'en']);
    expect(page.text).toContain(`<h1>${english}</h1>`);
    expect(page.text).not.toMatch(/\/tenants\/|POST |<b>|<script|\sstyle=/);
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-[^']+';/);
    // The state is used up by now, and the page in the other language is of the same outcome.
    const other = await inFrench(url, page.text);
    expect([other.status, other.headers['content-language']], other.text).toEqual([status, 'fr']);
    expect(other.text).toContain(`<h1>${french}</h1>`);
    expect(other.text).toContain('lang="en"');
    if (!['incomplete', 'unknown', 'expired'].includes(name))
      expect(other.text).toContain('&lt;b&gt;&quot;Contoso&quot;&lt;/b&gt;');
    expect((await open(url, 'fr')).text).toContain(
      `<h1>${name === 'incomplete' ? 'Cette adresse' : french.slice(0, 3)}`,
    );
  });

  it('shows the words of Microsoft and nothing of the address, whoever wrote it', async () => {
    const [link] = await links();
    const state = new URL(link!).searchParams.get('state')!;
    const query = new URLSearchParams({
      error: 'access_denied',
      error_description: 'AADSTS65004: <img src=x onerror=alert(1)> hx-get="/x"',
      state,
      note: 'reflected?',
    });
    const page = await open(`${scene.world.publicUrl}/microsoft/consent?${query}`);
    expect(page.text).toContain('AADSTS65004: &lt;img src=x onerror=alert(1)&gt; hx-get=&quot;/x&quot;');
    expect(page.text).not.toContain('reflected');
    expect(page.text).not.toContain('<img');
  });

  it('says so while the database is away, and keeps the link and the answer for afterwards', async () => {
    const url = await sentBack((await links())[1]!);
    const page = await scene.database.sql.begin(async (tx) => {
      await tx`lock table consents in access exclusive mode`;
      return open(url);
    });
    expect([page.status, page.headers['content-language']]).toEqual([503, 'en']);
    expect(Number(page.headers['retry-after'])).toBeGreaterThan(0);
    expect(page.text).toContain('<h1>Your answer could not be noted yet</h1>');
    const state = new URL(url).searchParams.get('state')!;
    expect(page.text).not.toMatch(new RegExp(`(?:href|action)="[^"]*${state}`));
    const form = /<form method="get" action="([^"]+)">(.*?)lang="fr"/.exec(page.text);
    const fields = [...form![2]!.matchAll(/name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]) => [
      name!,
      value!,
    ]);
    const answered = await open(`${new URL(form![1]!, url).href}?${new URLSearchParams(fields)}`);
    expect([answered.status, answered.headers['content-language']]).toEqual([302, undefined]);
  });

  it('leaves the connection as it was when the page is opened again', async () => {
    const [link] = await links();
    expect((await browse(scene, link!)).text).toContain('Consent given');
    const written = async (): Promise<number> => (await scene.api('GET', '/history')).json.totalCount;
    const before = await written();
    expect(before).toBeGreaterThan(0);
    expect((await browse(scene, link!)).text).toContain('Consent given');
    expect(await written()).toBe(before);
  });
});
