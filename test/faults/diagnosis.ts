import postgres from 'postgres';
import type { Behind } from './comparison.ts';
import type { Scene, SceneDatabase } from './scene.ts';

const shownDevices = 5;
const shownEvents = 15;
const longText = 600;

const short = (value: unknown): unknown =>
  typeof value === 'string' && value.length > longText ? `${value.slice(0, longText)}…` : value;

const line = (row: Readonly<Record<string, unknown>>): string =>
  JSON.stringify(Object.fromEntries(Object.entries(row).map(([name, value]) => [name, short(value)])));

/** Everything that is known of some of the devices that were not told, one line a row. */
export async function diagnose(scene: Scene<SceneDatabase>, behind: readonly Behind[]): Promise<string[]> {
  const { database, instances, world } = scene;
  const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  const lines: string[] = [];
  try {
    const states = await sql`select state, reason, count(*)::int from reports group by 1, 2 order by 3 desc`;
    const waiting = await sql`
      select last_error, count(*)::int from computers where wanted_revision > done_revision group by 1 order by 2 desc limit 10`;
    lines.push(
      ...states.map((row) => `reports ${line(row)}`),
      ...waiting.map((row) => `computers due ${line(row)}`),
    );
    for (const { told, truth, wanted } of behind.slice(0, shownDevices)) {
      const { deviceId, instance, jamfComputerId, tenantId } = truth;
      const instanceId = instances.get(instance)?.id ?? '';
      lines.push(
        '',
        `device ${deviceId}, computer ${jamfComputerId} of ${instance}, reported ${new Date(truth.reportDate).toISOString()}`,
      );
      lines.push(`  wanted ${wanted}`, `  told   ${told}`);
      const reports =
        await sql`select * from reports where tenant_id = ${tenantId} and device_id = ${deviceId}`;
      const computers = await sql`
        select * from computers where instance_id = ${instanceId} and jamf_computer_id = ${jamfComputerId}`;
      const timeline = await sql`
        select * from timeline where tenant_id = ${tenantId} and device_id = ${deviceId}
        order by sequence desc limit ${shownEvents}`;
      lines.push(...reports.map((row) => `  report ${line(row)}`));
      lines.push(...computers.map((row) => `  computer ${line(row)}`));
      lines.push(...timeline.map((row) => `  timeline ${line(row)}`));
      for (const { intune } of world.clouds) {
        const taken = intune.tenant(tenantId).ledger.ofDevice(deviceId);
        lines.push(...taken.slice(-shownEvents).map((report) => `  taken ${JSON.stringify(report)}`));
      }
    }
  } catch (error) {
    lines.push(`the database cannot be asked: ${String(error)}`);
  } finally {
    await sql.end({ timeout: 2 });
  }
  return lines;
}
