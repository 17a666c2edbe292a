/** A real Prometheus beside a gateway: the dashboard has something to show, and each alert fires for its cause. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rows } from '../../.ci/dashboard.ts';
import { type AlertReceiver, startAlertReceiver } from '../harness/alert-receiver.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import { hasPrometheus, type Prometheus, startPrometheus } from '../harness/prometheus.ts';

describe.skipIf(!hasPrometheus() && process.env.CI === undefined)(
  'a Prometheus that scrapes a gateway',
  () => {
    let scene: Scene;
    let prometheus: Prometheus;
    let receiver: AlertReceiver;
    let tenantId: string;
    let berlin: AddedInstance;

    beforeAll(async () => {
      scene = await startScene({
        environment: { ESPALIER_ALERT_SECONDS: '1' },
        world: {
          clouds: ['public'],
          tenants: [{ instances: [{ name: 'berlin', macs: 2, compliantShare: 1 }] }],
        },
      });
      prometheus = await startPrometheus([new URL(scene.gateway.ops).host]);
      tenantId = scene.world.tenants[0]!.tenantId;
      receiver = await startAlertReceiver(scene.world.authority);
      // It is told the history from here on, so a message is sent although all is well.
      const target = { name: 'siem', url: receiver.url, history: true };
      expect((await scene.api('POST', '/alerts/targets', target)).status).toBe(201);
      berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    }, 120_000);
    afterAll(async () => {
      await prometheus?.close();
      await scene?.close();
      await receiver?.close();
    }, 60_000);

    /** Everything that the dashboard's panels are about, once. */
    const workOnce = async (): Promise<void> => {
      const token = await callerToken(scene, tenantId);
      for (const { deviceId, jamfComputerId } of scene.world.fleet.truth()) {
        expect((await sendWebhook(scene, berlin, jamfComputerId)).status).toBe(202);
        await eventually(async () => {
          const answer = await scene.data(`/t/${tenantId}/devices/${deviceId}/compliance`, {
            headers: { authorization: `Bearer ${token}` },
          });
          expect(answer.status).toBe(200);
        });
      }
      await scene.data(`/t/${tenantId}/notifications?validationToken=x`, { method: 'POST' });
    };

    it('every panel of the dashboard shows a series', async () => {
      for (const { panels } of rows)
        for (const { queries, title } of panels)
          for (const { expr } of queries)
            await eventually(async () => {
              await workOnce();
              const asked = expr.replaceAll('$job', '.*').replaceAll('$__rate_interval', '30s');
              const found = await prometheus.query(asked);
              expect(found, `${title}: ${asked}`).not.toEqual([]);
              for (const { value } of found) expect(Number(value[1]), `${title}: ${asked}`).not.toBeNaN();
            }, 60_000);
    }, 240_000);

    it('nothing fires while all is well', async () => {
      expect(await prometheus.firing()).toEqual([]);
    });

    const fires = (name: string): Promise<void> =>
      eventually(async () => expect(await prometheus.firing()).toContain(name), 60_000);

    it('a server that does not answer, a report that Intune refuses and a withdrawn consent are told', async () => {
      const { faults } = scene.world;
      faults.add({ service: 'jamf:berlin', reset: 'before' });
      const [computer] = scene.world.instance('berlin').computers.list();
      await sendWebhook(scene, berlin, computer!.id);
      await fires('EspalierInstanceUnreachable');
      const [alert] = await prometheus.query('ALERTS{alertname="EspalierInstanceUnreachable"}');
      expect(alert?.metric).toMatchObject({ tenant: tenantId, instance_id: berlin.id });
      faults.clear();
      const { sql } = scene.database;
      // Nothing is under way any more that would write over what follows.
      await eventually(async () => {
        const { json } = await scene.api('GET', '/reports?filter=state!=verified');
        expect(json.totalCount).toBe(0);
      }, 60_000);
      await sql`update reports set state = 'failed', reason = 'refused', failed_at = now() where device_id =
      (select device_id from reports limit 1)`;
      await fires('EspalierReportsFailed');
      await sql`update tenants set permissions = ${sql.json({ ok: false, checkedAt: '', missing: ['x'], extra: [] })},
      hold = ${sql.json({ cause: 'consent-lost', since: new Date().toISOString() })},
      last_heartbeat_at = now() - interval '4 hours', next_heartbeat_at = now() + interval '1 hour'`;
      for (const name of ['EspalierTenantsHeld', 'EspalierPermissionDrift', 'EspalierHeartbeatMissed'])
        await fires(name);
      await sql`update reports set state = 'held', reason = 'consent-lost', failed_at = null,
      due_since = now() - interval '2 hours', next_try_at = now() + interval '1 hour'`;
      await fires('EspalierReportsLate');
    }, 240_000);

    it('a process that ended is told', async () => {
      await scene.gateway.stop();
      await fires('EspalierDown');
    }, 90_000);
  },
);
