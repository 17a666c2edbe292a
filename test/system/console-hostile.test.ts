import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pages } from '../../src/console/pages/all.ts';
import { type ConsoleVisit, visitConsole } from '../harness/console.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  bootstrapKey,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import { call } from '../harness/http.ts';

/**
 * Whatever Jamf Pro, Intune, an import or a caller writes is shown as text, on every page that there is: all that the
 * console links to is opened, and every path with values that no page links to.
 */

/** Names its source, so that what was shown somewhere can be told from what never came to a page. */
const evil = (source: string): string => `${source}<b onclick="x" hx-get='/evil'>&`;
/** Where the API keeps such characters out: operators' names. Reasons and what Jamf says may hold them. */
const turned = (source: string): string => `${evil(source)}\u202e\u2066`;
const escaped = (source: string): string =>
  `${source}&lt;b onclick=&quot;x&quot; hx-get=&#39;/evil&#39;&gt;&amp;`;
const turning = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/;
const header = 'deviceId,instanceId,jamfComputerId,serialNumber,udid,pinned';
const maxPages = 400;

describe('hostile text of others', () => {
  let scene: Scene;
  let tenantId: string;
  let berlin: AddedInstance;
  let paris: AddedInstance;
  let visit: ConsoleVisit;
  /** By path, each page that was opened. */
  const seen = new Map<string, string>();

  const at = (path = ''): string => `/tenants/${tenantId}${path}`;
  /** With a reason of the operator's. */
  const write = (method: string, path: string, body?: unknown, key = bootstrapKey) =>
    call(`${scene.gateway.admin}/api/v1${path}`, {
      method,
      ca: scene.trust,
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'x-espalier-reason': Buffer.from(turned('reason')).toString('latin1'),
      },
      // As bytes: with a text Node would write the header's bytes as UTF-8 once more.
      ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
    });
  const done = async (...of: Parameters<typeof write>): Promise<void> => {
    const answer = await write(...of);
    expect(answer.status, `${of[0]} ${of[1]}: ${answer.text}`).toBeLessThan(300);
  };

  const macs = () => scene.world.fleet.macs().filter((mac) => mac.tenantId === tenantId);
  const idOf = (mac: ReturnType<typeof macs>[number]): string =>
    mac.facts.accounts.flatMap(({ entraDeviceId }) => (entraDeviceId === null ? [] : [entraDeviceId]))[0]!;
  const stateOf = async (deviceId: string): Promise<string | undefined> =>
    (await scene.api('GET', at(`/devices/${deviceId}`))).json?.report?.state;

  /** What Jamf Pro says of its Macs, and Intune of what it was told. */
  async function fromTheOutside(): Promise<void> {
    const [shown, refused] = macs() as [ReturnType<typeof macs>[number], ReturnType<typeof macs>[number]];
    scene.world.fleet.updateInventory(shown, {
      ...{ serialNumber: turned('serial'), name: turned('computer'), model: turned('model') },
      ...{ username: turned('username'), realName: turned('person'), email: turned('email') },
      osVersion: turned('system'),
    });
    await sendWebhook(scene, berlin, shown.computerId);
    await eventually(async () => expect(await stateOf(idOf(shown))).toBe('verified'), 20_000);
    scene.world.faults.add({
      ...{ service: 'intune', path: 'DataUploadMessages', method: 'PUT', status: 400 },
      body: JSON.stringify({ error: { code: evil('intune-code'), message: turned('intune') } }),
      contentType: 'application/json',
    });
    await sendWebhook(scene, berlin, refused.computerId);
    await eventually(async () => expect(['failed', 'held']).toContain(await stateOf(idOf(refused))), 20_000);
    scene.world.faults.clear();
    scene.world.faults.add({
      ...{ service: 'jamf:paris', status: 500, contentType: 'application/json' },
      body: JSON.stringify({ httpStatus: 500, errors: [{ code: 'X', description: turned('jamf') }] }),
    });
    await scene.api('POST', at(`/instances/${paris.id}/test`));
  }

  async function fromOperators(): Promise<void> {
    await done('PATCH', at(), { displayName: evil('tenant') });
    await done('PATCH', at(`/instances/${berlin.id}`), { name: evil('instance') });
    await done('POST', at(`/instances/${berlin.id}/keys`), {});
    await done('POST', '/keys', { name: evil('key'), role: 'viewer' });
    await done('POST', at('/pause'));
    await done('POST', at('/resume'));
    await write('POST', at('/moves'), { from: berlin.id, to: paris.id, filter: evil('filter') });
    await write('POST', at('/moves'), { from: berlin.id, to: paris.id, unclaimed: true, shadow: false });
    await write('PUT', at(`/devices/${crypto.randomUUID()}`), {
      ...{ instanceId: berlin.id, jamfComputerId: '7777', pinned: true },
      ...{ serialNumber: evil('placed'), udid: evil('placed-udid') },
    });
    const bad = await scene.api('PATCH', at(), { displayName: turned('tenant') });
    expect(bad.status).toBe(400);
  }

  async function fromAFile(): Promise<void> {
    const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
    const lines = [
      `${crypto.randomUUID()},${berlin.id},8888,${quoted(evil('csv'))},${quoted(evil('csv-udid'))},false`,
      `${quoted(evil('line'))},${berlin.id},9999,,,false`,
    ];
    const answer = await call(`${scene.gateway.admin}/api/v1${at('/devices/import')}`, {
      method: 'POST',
      ca: scene.trust,
      headers: { authorization: `Bearer ${bootstrapKey}`, 'content-type': 'text/csv' },
      body: `${[header, ...lines].join('\n')}\n`,
    });
    expect(answer.json, answer.text).toMatchObject({ accepted: 1, rejectedCount: 1 });
  }

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 2 },
              { name: 'paris', macs: 0 },
            ],
          },
          { instances: [] },
        ],
      },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    const added = await connectTenant(scene, tenantId);
    berlin = added.get('berlin')!;
    paris = added.get('paris')!;
    await fromTheOutside();
    await fromOperators();
    await fromAFile();
    visit = await visitConsole(scene);
    await crawl();
  }, 180_000);
  afterAll(() => scene?.close());

  const isPage = (path: string): boolean => !/^\/(?:api|console|sign-in|sign-out)(?:\/|$|\?)/.test(path);

  /** Links that differ in the values of their query alone, such as sorting and paging, lead to the same page. */
  const shapeOf = (path: string): string => {
    const { pathname, searchParams } = new URL(path, visit.origin);
    return `${pathname}?${[...searchParams.keys()].sort().join('&')}`;
  };

  /** Every link that pages show, each of them once. */
  async function crawl(): Promise<void> {
    const next = ['/', ...pages.map(({ path }) => path).filter((path) => !path.includes(':'))];
    const shapes = new Set<string>();
    while (next.length > 0 && seen.size < maxPages) {
      const path = next.shift()!;
      if (shapes.has(shapeOf(path))) continue;
      shapes.add(shapeOf(path));
      const page = await visit.open(path);
      expect(page.status, path).toBeLessThan(500);
      seen.set(path, page.text);
      for (const [, href = ''] of page.text.matchAll(/(?:href|hx-get)="([^"#]+)/g)) {
        const url = new URL(href.replaceAll('&amp;', '&'), visit.origin + path);
        const linked = url.pathname + url.search;
        if (url.origin === visit.origin && isPage(linked) && !seen.has(linked)) next.push(linked);
      }
    }
  }

  function expectText(path: string, text: string): void {
    expect(text, path).not.toMatch(/<b onclick|onclick="x"|hx-get='\/evil'|hx-get="\/evil/);
    expect(text, path).not.toMatch(turning);
  }

  it('is text on every page that others lead to', () => {
    expect(seen.size).toBeGreaterThan(8);
    expect(seen.size).toBeLessThan(maxPages);
    for (const [path, text] of seen) expectText(path, text);
  });

  it.each(['tenant', 'instance', 'serial', 'placed', 'csv'])(
    'of the source "%s" is shown, escaped',
    (source) => {
      const showing = [...seen].filter(([, text]) => text.includes(escaped(source)));
      expect(showing.map(([path]) => path)).not.toEqual([]);
    },
  );

  it('shows a control of direction by its number', () => {
    expect(
      [...seen.values()].filter((text) => text.includes(`${escaped('serial')}[U+202E][U+2066]`)),
    ).not.toEqual([]);
  });

  it('in any address of the console is text on the page that answers', async () => {
    const query = new URLSearchParams(
      ['q', 'done', 'filter', 'state', 'instance', 'reason', 'at', 'page', 'sort', 'tenant', 'action'].map(
        (name) => [name, name === 'page' ? '0' : turned(name)],
      ),
    );
    for (const { path } of pages) {
      const filled = path
        .replace(':tenantId', tenantId)
        .replace(':instanceId', berlin.id)
        .replaceAll(/:\w+(?:\{[^}]*\})?/g, () => encodeURIComponent(turned('param')));
      for (const address of [filled, `${filled}?${query}`]) {
        const page = await visit.open(address);
        expect(page.status, address).toBeLessThan(500);
        expectText(address, page.text);
      }
    }
  });

  it('in any form of the console is text on the page that answers', async () => {
    const forms = [...seen].flatMap(([, text]) =>
      [...text.matchAll(/<form method="post" action="([^"]+)"/g)].map(([, action = '']) => action),
    );
    const actions = [...new Set(forms)].filter((action) => isPage(action));
    expect(actions.length).toBeGreaterThan(0);
    const names = [
      ...[
        'name',
        'displayName',
        'reason',
        'url',
        'filter',
        'version',
        'role',
        'tenantId',
        'from',
        'to',
        'mode',
      ],
      ...['partnerGroup', 'landing.customUrl', 'application.clientId', 'clientId', 'caCertificate'],
    ];
    const rows = `${header}\n"${turned('row').replaceAll('"', '""')}",${berlin.id},1,,,false\n`;
    const form = {
      ...Object.fromEntries(names.map((name) => [name, turned(`form-${name}`)])),
      text: rows,
    };
    for (const action of actions) {
      const path = action.replaceAll('&amp;', '&');
      const forged = await visit.post(path, { ...form, csrf: turned('csrf') });
      expect(forged.status, action).toBeLessThan(500);
      expectText(action, forged.text);
      const page = await visit.post(path, form);
      expect(page.status, action).toBeLessThan(500);
      expectText(action, page.text);
    }
  });
});
