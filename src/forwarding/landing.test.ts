import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideLanding, type LandingInstance, type LandingQuestion, type MacState } from './landing.ts';
import { defaultLandingPaths, parseLandingPaths } from './landing-paths.ts';

const instance = (name: string, more: Partial<LandingInstance> = {}): LandingInstance => ({
  instanceId: `id-${name}`,
  name,
  url: `https://${name}.example:8443/jss`,
  enabled: true,
  ...more,
});
const [berlin, paris, oslo] = [instance('berlin'), instance('paris'), instance('oslo')];
const state: MacState = {
  managed: true,
  assessment: 'not-compliant',
  registration: 'active',
  reportedAt: null,
  delivery: 'reported',
};
const known = (of: LandingInstance, more: Partial<MacState> = {}) => ({
  instanceId: of.instanceId,
  state: { ...state, ...more },
});
const decide = (more: Partial<LandingQuestion>) =>
  decideLanding({
    kind: 'enroll',
    landing: { choice: 'default' },
    instances: [berlin, paris],
    mac: undefined,
    paths: defaultLandingPaths,
    ...more,
  });
const registrationOf = (name: string) => ({
  answer: 'redirect',
  url: `https://${name}.example:8443/jss/DeviceRegistration.html`,
});

describe('a Mac that is known', () => {
  test("is sent to its instance's registration page, whatever the tenant's choice", () => {
    const choices = [
      { choice: 'default', defaultInstanceId: berlin.instanceId },
      { choice: 'denied' },
      { choice: 'custom', customUrl: 'https://intranet.example/' },
    ] as const;
    for (const landing of choices)
      expect(decide({ landing, mac: known(paris) })).toEqual(registrationOf('paris'));
  });

  test('and not managed any more is sent to enrolment, from both pages', () => {
    const url = 'https://paris.example:8443/jss/enroll';
    for (const kind of ['enroll', 'remediate'] as const)
      expect(decide({ kind, mac: known(paris, { managed: false }) })).toEqual({ answer: 'redirect', url });
  });

  test('that has not been read yet is sent to registration', () => {
    expect(decide({ mac: { instanceId: paris.instanceId, state: undefined } })).toEqual(
      registrationOf('paris'),
    );
  });

  test('sees its state on the remediation page', () => {
    const { url } = registrationOf('paris');
    const mac = known(paris);
    expect(decide({ kind: 'remediate', mac })).toEqual({
      answer: 'state',
      target: { name: 'paris', url },
      state: mac.state,
    });
  });

  test('by an instance that is disabled or gone is like one that nobody knows', () => {
    const off = instance('paris', { enabled: false });
    for (const instances of [[berlin, off], [berlin]])
      expect(decide({ instances, mac: known(off), landing: { choice: 'denied' } })).toEqual({
        answer: 'denied',
      });
  });
});

describe('a Mac that nobody knows', () => {
  test('is sent to the only enabled instance', () => {
    const instances = [instance('berlin', { enabled: false }), paris];
    expect(decide({ instances })).toEqual(registrationOf('paris'));
  });

  test('is sent to the default instance', () => {
    expect(decide({ landing: { choice: 'default', defaultInstanceId: paris.instanceId } })).toEqual(
      registrationOf('paris'),
    );
  });

  test('chooses among the enabled ones when there is no default, or a disabled one', () => {
    const off = instance('oslo', { enabled: false });
    const chooser = {
      answer: 'chooser',
      targets: ['berlin', 'paris'].map((name) => ({ name, url: registrationOf(name).url })),
    };
    expect(decide({ instances: [berlin, off, paris] })).toEqual(chooser);
    const landing = { choice: 'default', defaultInstanceId: oslo.instanceId } as const;
    expect(decide({ instances: [berlin, off, paris], landing })).toEqual(chooser);
  });

  test('is denied, or sent to the custom address, when the tenant says so', () => {
    expect(decide({ landing: { choice: 'denied' } })).toEqual({ answer: 'denied' });
    const customUrl = 'https://intranet.example/mac?a=1#b';
    expect(decide({ landing: { choice: 'custom', customUrl } })).toEqual({
      answer: 'redirect',
      url: customUrl,
    });
  });

  test('is sent nowhere by a custom address that is no https one, and a line break does not reach the header', () => {
    for (const customUrl of [undefined, '', 'http://a.example/', 'javascript:alert(1)', '//a.example'])
      expect(
        decide({ landing: { choice: 'custom', ...(customUrl === undefined ? {} : { customUrl }) } }),
      ).toEqual({
        answer: 'closed',
      });
    const broken = decide({
      landing: { choice: 'custom', customUrl: 'https://a.example/\r\nset-cookie: a=b' },
    });
    expect(broken).toEqual({ answer: 'redirect', url: 'https://a.example/set-cookie:%20a=b' });
  });

  test('meets a closed door when the tenant has no enabled instance', () => {
    expect(decide({ instances: [] })).toEqual({ answer: 'closed' });
    expect(decide({ instances: [instance('berlin', { enabled: false })] })).toEqual({ answer: 'closed' });
  });
});

test("every address is one of the tenant's enabled instances or its custom one", () => {
  const names = ['a', 'b', 'c', 'd'] as const;
  fc.assert(
    fc.property(
      fc.subarray([...names]),
      fc.subarray([...names]),
      fc.option(fc.constantFrom(...names), { nil: undefined }),
      fc.option(fc.constantFrom(...names), { nil: undefined }),
      fc.constantFrom('default', 'denied', 'custom'),
      fc.constantFrom('enroll', 'remediate'),
      fc.boolean(),
      (present, enabled, preferred, owner, choice, kind, managed) => {
        const instances = present.map((name) => instance(name, { enabled: enabled.includes(name) }));
        const landing = {
          choice,
          ...(choice === 'custom' ? { customUrl: 'https://custom.example/' } : {}),
          ...(preferred ? { defaultInstanceId: `id-${preferred}` } : {}),
        } as const;
        const mac = owner && { instanceId: `id-${owner}`, state: { ...state, managed } };
        const answer = decide({ kind, instances, landing, mac });
        const urls =
          answer.answer === 'redirect'
            ? [answer.url]
            : answer.answer === 'chooser'
              ? answer.targets.map(({ url }) => url)
              : answer.answer === 'state'
                ? [answer.target.url]
                : [];
        const open = instances.filter((one) => one.enabled).map(({ url }) => `${url}/`);
        for (const url of urls)
          expect(url === 'https://custom.example/' || open.some((base) => url.startsWith(base)), url).toBe(
            true,
          );
        if (answer.answer === 'chooser') expect(urls).toHaveLength(open.length);
        if (owner && open.includes(`${instance(owner).url}/`))
          expect(urls.every((url) => url.startsWith(`${instance(owner).url}/`))).toBe(true);
      },
    ),
  );
});

describe('ESPALIER_LANDING_PATHS', () => {
  test('is the defaults when it is unset, and replaces what it names', () => {
    expect(parseLandingPaths(undefined)).toEqual({ ok: true, paths: defaultLandingPaths });
    expect(
      parseLandingPaths('{"enrolment":"/enroll?x=1","selfService":"jamfselfservice://content"}'),
    ).toEqual({
      ok: true,
      paths: {
        registration: '/DeviceRegistration.html',
        enrolment: '/enroll?x=1',
        selfService: 'jamfselfservice://content',
      },
    });
  });

  test.each([
    ['no JSON', '/enroll', /^must be a JSON object$/],
    ['another authority', '{"registration":"//evil.example"}', /^registration: must be a path/],
    [
      'another authority by a backslash',
      '{"registration":"/\\\\evil.example"}',
      /^registration: must be a path/,
    ],
    ['a continued authority', '{"registration":".evil.example"}', /^registration: must be a path/],
    ['a script', '{"selfService":"javascript://%0aalert(1)"}', /^selfService: must be/],
    ['an unknown member', '{"enrollment":"/enroll"}', /enrollment/],
  ])('refuses %s', (_name, text, message) => {
    const result = parseLandingPaths(text);
    expect(result.ok ? '' : result.errors.join()).toMatch(message);
  });
});
