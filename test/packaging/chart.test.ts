/** The Helm chart for every file of values in its folder ci/: what Kubernetes would be given, and what is refused. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { settings } from '../../src/runtime/settings.ts';
import { typeFaults } from './kubernetes-types.ts';
import { lacks } from './programs.ts';
import {
  type ChartRenderer,
  chartFolder,
  createChartRenderer,
  type KubernetesObject,
  readValues,
} from './rendered-chart.ts';

const profiles = readdirSync(join(chartFolder, 'ci')).map((file) => file.replace('.yaml', ''));
const least = { publicUrl: 'https://gateway.example.com', tls: { secret: 'espalier-tls' } };

interface Container {
  readonly name: string;
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  // biome-ignore lint/suspicious/noExplicitAny: see kubernetes-types.ts
  readonly [member: string]: any;
}

describe.skipIf(lacks('go'))('the chart', () => {
  let chart: ChartRenderer;
  beforeAll(() => {
    chart = createChartRenderer();
  });
  afterAll(() => chart?.close());

  const objectsOf = (profile: string): readonly KubernetesObject[] =>
    chart.render(readValues(join(chartFolder, 'ci', `${profile}.yaml`)));
  const ofKind = (objects: readonly KubernetesObject[], ...kinds: readonly string[]): KubernetesObject[] =>
    objects.filter(({ kind }) => kinds.includes(kind));
  const workloads = (objects: readonly KubernetesObject[]): KubernetesObject[] =>
    ofKind(objects, 'Deployment', 'StatefulSet', 'Job');
  const gatewayOf = (objects: readonly KubernetesObject[]): KubernetesObject =>
    ofKind(objects, 'Deployment', 'StatefulSet')[0]!;
  const environmentOf = (workload: KubernetesObject): Record<string, string | undefined> =>
    Object.fromEntries(
      (workload.spec.template.spec.containers[0] as Container).env.map(({ name, value }) => [name, value]),
    );

  describe.each(profiles)('with the values %s', (profile) => {
    let objects: readonly KubernetesObject[];
    beforeAll(() => {
      objects = objectsOf(profile);
    });

    it('is what Kubernetes takes, member for member', () => {
      expect(objects.length).toBeGreaterThan(4);
      expect(typeFaults(inject('tools'), objects)).toBe('');
    });

    it('names each object once, with the labels of the release', () => {
      const names = objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
      expect(new Set(names).size).toBe(names.length);
      for (const { metadata } of objects) {
        expect(metadata.name).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
        expect(metadata.labels).toMatchObject({
          'app.kubernetes.io/instance': 'prod',
          'app.kubernetes.io/managed-by': 'Helm',
        });
      }
    });

    it('runs nothing as root, with a capability, or on a root file system that can be written', () => {
      for (const { spec } of workloads(objects)) {
        const pod = spec.template.spec;
        expect(pod).toMatchObject({
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 1000,
            seccompProfile: { type: 'RuntimeDefault' },
          },
        });
        for (const container of pod.containers as Container[]) {
          expect(container.securityContext).toEqual({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          });
          expect(container.resources.limits.memory).toBeTruthy();
          // What is written besides is a volume that the pod has.
          const volumes = [
            ...pod.volumes.map(({ name }: { name: string }) => name),
            ...(spec.volumeClaimTemplates ?? []).map((claim: KubernetesObject) => claim.metadata.name),
          ];
          const mounts = container.volumeMounts as { name: string; mountPath: string }[];
          expect(mounts.map(({ mountPath }) => mountPath)).toEqual(
            expect.arrayContaining(['/var/lib/espalier', '/tmp']),
          );
          expect(mounts.map(({ name }) => name).sort()).toEqual(volumes.sort());
        }
      }
    });

    it('has no secret in it, and takes each from a Secret', () => {
      expect(ofKind(objects, 'Secret', 'ConfigMap')).toEqual([]);
      const secret = new Set(
        Object.values(settings).flatMap(({ name, secret }) =>
          secret && name !== 'HTTPS_PROXY' ? [name] : [],
        ),
      );
      for (const workload of workloads(objects)) {
        const environment = (workload.spec.template.spec.containers[0] as Container).env;
        expect(environment.map(({ name }) => name)).toEqual([
          ...new Set(environment.map(({ name }) => name)),
        ]);
        const byReference = environment.filter(({ valueFrom }) => valueFrom !== undefined);
        expect(byReference.map(({ name }) => name)).toEqual(
          expect.arrayContaining(['DATABASE_URL', 'ESPALIER_SECRETS_KEY']),
        );
        for (const { name, value } of environment) if (secret.has(name)) expect(value, name).toBeUndefined();
      }
    });

    it('sets only variables that Espalier has', () => {
      const known = new Set<string>(Object.values(settings).map(({ name }) => name));
      for (const name of Object.keys(environmentOf(gatewayOf(objects)))) expect(known, name).toContain(name);
    });

    it('gives a pod its delay, 30 s and 5 more to end', () => {
      const gateway = gatewayOf(objects);
      const delay = Number(environmentOf(gateway).ESPALIER_DRAIN_DELAY_SECONDS);
      expect(gateway.spec.template.spec.terminationGracePeriodSeconds).toBe(delay + 35);
      // The pod is out of the Service before it stops to listen.
      const { failureThreshold, periodSeconds } = (gateway.spec.template.spec.containers[0] as Container)
        .readinessProbe;
      expect(failureThreshold * periodSeconds).toBeLessThan(delay);
    });

    it('probes what the ops listener answers', () => {
      const [container] = gatewayOf(objects).spec.template.spec.containers as Container[];
      for (const [probe, path] of [
        ['startupProbe', '/health/live'],
        ['livenessProbe', '/health/live'],
        ['readinessProbe', '/health/ready'],
      ] as const)
        expect(container![probe].httpGet, probe).toEqual({ path, port: 'ops' });
    });

    it('selects pods that are there, and ports that they have', () => {
      const pods = workloads(objects).map(({ spec }) => spec.template);
      const selected = (labels: Record<string, string>) =>
        pods.filter((pod) =>
          Object.entries(labels).every(([name, value]) => pod.metadata.labels[name] === value),
        );
      const gateway = gatewayOf(objects);
      const ports = new Set(
        (gateway.spec.template.spec.containers[0] as Container).ports?.map(({ name }) => name),
      );
      expect(selected(gateway.spec.selector.matchLabels)).toEqual([gateway.spec.template]);
      for (const { metadata, spec } of ofKind(objects, 'Service')) {
        expect(selected(spec.selector), metadata.name).toEqual([gateway.spec.template]);
        for (const { targetPort } of spec.ports) expect(ports, metadata.name).toContain(targetPort);
      }
      for (const { spec } of ofKind(objects, 'PodDisruptionBudget'))
        expect(selected(spec.selector.matchLabels)).toEqual([gateway.spec.template]);
      for (const { spec } of ofKind(objects, 'NetworkPolicy')) {
        expect(selected(spec.podSelector.matchLabels)).toEqual(pods);
        for (const rule of spec.ingress) for (const { port } of rule.ports) expect(ports).toContain(port);
      }
      for (const { spec } of ofKind(objects, 'ServiceMonitor')) {
        const services = ofKind(objects, 'Service').filter(({ metadata }) =>
          Object.entries(spec.selector.matchLabels).every(([name, value]) => metadata.labels[name] === value),
        );
        expect(services.map(({ metadata }) => metadata.name)).toEqual([`${gateway.metadata.name}-ops`]);
      }
    });

    it('scales what it runs, and leaves the number of pods to who scales', () => {
      const gateway = gatewayOf(objects);
      const [scaler] = ofKind(objects, 'HorizontalPodAutoscaler');
      expect(gateway.spec.replicas === undefined).toBe(scaler !== undefined);
      if (scaler)
        expect(scaler.spec.scaleTargetRef).toEqual({
          apiVersion: gateway.apiVersion,
          kind: gateway.kind,
          name: gateway.metadata.name,
        });
    });

    it('migrates either by a Job before the pods, or by each pod', () => {
      const jobs = ofKind(objects, 'Job');
      expect(environmentOf(gatewayOf(objects)).ESPALIER_MIGRATE).toBe(jobs.length === 1 ? 'off' : 'auto');
      for (const { metadata } of jobs)
        expect(metadata.annotations?.['helm.sh/hook']).toBe('pre-install,pre-upgrade');
    });
  });

  it('is judged by rules that find an unknown member, a wrong type and a missing member', () => {
    const [policy] = ofKind(objectsOf('least'), 'NetworkPolicy');
    const judge = (spec: object): string =>
      typeFaults(inject('tools'), [{ ...policy!, spec: { ...policy!.spec, ...spec } }]);
    expect(judge({})).toBe('');
    expect(judge({ igress: [] })).toContain('\'"igress"\' does not exist');
    expect(judge({ policyTypes: [false] })).toContain("'false' is not assignable");
    expect(judge({ podSelector: { matchExpressions: [{ key: 'a' }] } })).toContain(
      '\'"operator"\' is missing',
    );
  });

  it('migrates with the role that is for it, and serves with the other', () => {
    const objects = objectsOf('managed');
    const urlOf = (workload: KubernetesObject) =>
      (workload.spec.template.spec.containers[0] as Container).env.find(
        ({ name }) => name === 'DATABASE_URL',
      );
    const [job] = ofKind(objects, 'Job');
    expect(urlOf(job!)).toMatchObject({ valueFrom: { secretKeyRef: { name: 'espalier-migrations' } } });
    expect(job!.spec.template.spec.containers[0].args).toEqual(['migrate', '--grant-to', 'espalier_serve']);
    expect(ofKind(objectsOf('least'), 'Job')[0]!.spec.template.spec.containers[0].args).toEqual(['migrate']);
    expect(urlOf(gatewayOf(objects))).toMatchObject({
      valueFrom: { secretKeyRef: { name: 'espalier-database' } },
    });
  });

  it('lets nobody reach the admin and ops listeners who is not named', () => {
    const [policy] = ofKind(objectsOf('least'), 'NetworkPolicy');
    const open = policy?.spec.ingress.flatMap((rule: { ports: { port: string }[] }) =>
      rule.ports.map(({ port }) => port),
    );
    expect(open).toEqual(['data']);
  });

  it('tells after the installation where the console is', () => {
    expect(chart.notes(least)).toContain('service/prod-espalier-admin 9443:443\n  https://localhost:9443');
  });

  it.each([
    ['nothing about the public URL', {}, /publicUrl/],
    ['an address without TLS', { ...least, publicUrl: 'http://gateway.example.com' }, /publicUrl must match/],
    [
      'no certificate',
      { publicUrl: least.publicUrl },
      /tls\.secret: a Secret of the type kubernetes\.io\/tls/,
    ],
    ['an unknown value', { ...least, replicas: 3 }, /must NOT have additional properties/],
    ['a database URL as a value', { ...least, settings: { DATABASE_URL: 'postgres://…' } }, /settings/],
    ['a secret as a value', { ...least, settings: { ESPALIER_ENTRA_CLIENT_SECRET: 'x' } }, /settings/],
    ['the rotating secret', { ...least, settings: { ESPALIER_ENTRA_CLIENT_SECRET_NEXT: 'x' } }, /settings/],
    ['the secrets key as a value', { ...least, settings: { ESPALIER_SECRETS_KEY: 'x' } }, /settings/],
    ['a setting that is a number', { ...least, settings: { ESPALIER_POLL_SECONDS: 5 } }, /must be string/],
    [
      'a setting that the chart has a value for',
      { ...least, settings: { ESPALIER_DRAIN_DELAY_SECONDS: '9' } },
      /the chart has a value of its own/,
    ],
    [
      'a setting in both places',
      {
        ...least,
        settings: { ESPALIER_AUDIENCE: 'x' },
        secretSettings: { ESPALIER_AUDIENCE: { secret: 'x', key: 'y' } },
      },
      /it is in secretSettings too/,
    ],
    ['no database', { ...least, secretSettings: { DATABASE_URL: null } }, /must have required property/],
    ['a delay that is no number', { ...least, drainDelaySeconds: '5' }, /must be integer/],
  ])('refuses %s', (_, values, why) => {
    expect(() => chart.render(values)).toThrow(why);
  });

  it('documents each value in values.yaml, and knows no other', () => {
    const schema = JSON.parse(readFileSync(join(chartFolder, 'values.schema.json'), 'utf8')) as {
      properties: object;
    };
    const values = readValues(join(chartFolder, 'values.yaml')) as object;
    expect(
      Object.keys(schema.properties)
        .filter((name) => name !== 'global')
        .sort(),
    ).toEqual(Object.keys(values).sort());
  });

  it('has the version of the package', () => {
    const { appVersion } = readValues(join(chartFolder, 'Chart.yaml')) as { appVersion: string };
    const { version } = JSON.parse(readFileSync(join(chartFolder, '../../../package.json'), 'utf8')) as {
      version: string;
    };
    expect(appVersion).toBe(version);
  });
});
